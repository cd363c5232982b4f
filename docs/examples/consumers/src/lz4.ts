/** kafkajs reads gzip, as the relay compresses by itself; LZ4 (`--kafka compression.codec=lz4`) it is to be taught. */
import { CompressionCodecs, CompressionTypes } from 'kafkajs';
import lz4 from 'lz4js';

interface Compressible {
	buffer: Buffer;
}

CompressionCodecs[CompressionTypes.LZ4] = () => ({
	compress: async (encoder: Compressible) => Buffer.from(lz4.compress(encoder.buffer)),
	decompress: async (bytes: Buffer) => Buffer.from(lz4.decompress(bytes)),
});
