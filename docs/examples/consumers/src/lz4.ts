/** The relay compresses with LZ4, which kafkajs is to be taught. (Or give the relay `--kafka compression.codec=gzip`.) */
import { CompressionCodecs, CompressionTypes } from 'kafkajs';
import lz4 from 'lz4js';

interface Compressible {
	buffer: Buffer;
}

CompressionCodecs[CompressionTypes.LZ4] = () => ({
	compress: async (encoder: Compressible) => Buffer.from(lz4.compress(encoder.buffer)),
	decompress: async (bytes: Buffer) => Buffer.from(lz4.decompress(bytes)),
});
