/*
 * The same fold in Kafka Streams: balances by account in a RocksDB store with its changelog.
 *
 *	Streams BROKERS TOPIC EVENTS at_least_once|exactly_once_v2 DIRECTORY
 *
 * Tuned as its users would for a long catch-up on a small machine: as many threads as partitions and cores, a cache that holds
 * every account (so RocksDB and the changelog see an account once a commit, not once an event), large fetches and batches, a
 * commit now and then, larger memtables. Keys and values stay bytes, and only four fields of an event are looked at.
 *
 * The clock runs from the first event that reaches the fold, so neither the start of the JVM nor the joining of the group
 * counts, until the topology is closed after the last: by then everything is committed, and RocksDB is on disk. Then the group's
 * committed offsets must be the topic's ends, and the balances are read back from RocksDB's files.
 */
import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.apache.kafka.streams.state.Stores;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksIterator;

public final class Streams {
	private static final String STORE = "balances";
	private static final int THREADS = 2;
	private static final long CACHE_BYTES = 768L << 20;
	private static final int COMMIT_MS = 10_000;
	private static final int SILENCE_MS = 120_000;

	private static final LongAdder folded = new LongAdder();
	private static final LongAdder charged = new LongAdder();
	private static final LongAdder used = new LongAdder();
	private static final AtomicLong begunAt = new AtomicLong();
	private static final AtomicLong cpuAtBegin = new AtomicLong();

	private Streams() {
	}

	// ---- the fold ----

	/** The four fields of an event that a balance needs; the layout is in bench/peers/tally.h. */
	static final class Event {
		boolean isCharge;
		long amount;

		private byte[] bytes;
		private int at;

		void read(byte[] value) {
			bytes = value;
			at = 1; // an array of four
			number(); // the entry's number
			number(); // its time
			text(); // the command's id
			int fields = bytes[at++] & 0xff;
			if (fields == 0xdc)
				at += 2;
			long type = number();
			number(); // its version
			text(); // whose
			amount = number();
			if (type != 20 && type != 21)
				throw new IllegalArgumentException("no event: type " + type);
			isCharge = type == 20;
		}

		private long number() {
			int tag = bytes[at++] & 0xff;
			if (tag < 0x80)
				return tag;
			if (tag >= 0xcc && tag <= 0xcf)
				return bigEndian(1 << (tag - 0xcc));
			if (tag >= 0xd0 && tag <= 0xd3)
				return bigEndian(1 << (tag - 0xd0));
			throw new IllegalArgumentException("no number: tag " + tag);
		}

		private long bigEndian(int width) {
			long sum = 0;
			for (int i = 0; i < width; i++)
				sum = sum << 8 | bytes[at++] & 0xff;
			return sum;
		}

		private void text() {
			int tag = bytes[at++] & 0xff;
			if (tag >= 0xa0 && tag <= 0xbf)
				at += tag & 0x1f;
			else if (tag == 0xd9)
				at += 1 + (bytes[at] & 0xff);
			else
				throw new IllegalArgumentException("no text: tag " + tag);
		}
	}

	static final class Fold implements Processor<Bytes, byte[], Void, Void> {
		private final Event event = new Event();
		private KeyValueStore<Bytes, Long> balances;

		@Override
		public void init(ProcessorContext<Void, Void> context) {
			balances = context.getStateStore(STORE);
		}

		@Override
		public void process(Record<Bytes, byte[]> record) {
			if (begunAt.get() == 0 && begunAt.compareAndSet(0, System.nanoTime()))
				cpuAtBegin.set(cpuNanoseconds());
			event.read(record.value());
			Long before = balances.get(record.key());
			long change = event.isCharge ? event.amount : -event.amount;
			balances.put(record.key(), (before == null ? 0 : before) + change);
			(event.isCharge ? charged : used).add(event.amount);
			folded.increment();
		}
	}

	/** RocksDB with more memory than Streams gives it. */
	public static final class Tuned implements RocksDBConfigSetter {
		private static final long MEMTABLE_BYTES = 64L << 20;
		private static final LRUCache blocks = new LRUCache(256L << 20);

		@Override
		public void setConfig(String name, Options options, Map<String, Object> configs) {
			BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
			table.setBlockCache(blocks);
			options.setTableFormatConfig(table);
			options.setWriteBufferSize(MEMTABLE_BYTES);
			options.setMaxWriteBufferNumber(4);
			options.setIncreaseParallelism(THREADS);
		}

		@Override
		public void close(String name, Options options) {
			// The block cache is shared by all stores.
		}
	}

	private static Properties settings(String brokers, String guarantee, String application, Path directory) {
		Properties p = new Properties();
		p.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
		p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
		p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee);
		p.put(StreamsConfig.STATE_DIR_CONFIG, directory.toString());
		p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, THREADS);
		p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, CACHE_BYTES);
		p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, COMMIT_MS);
		p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 20_000);
		p.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Tuned.class);
		p.put(StreamsConfig.METRICS_RECORDING_LEVEL_CONFIG, "INFO");
		p.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
		p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
		p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 8 << 20);
		p.put(StreamsConfig.consumerPrefix(ConsumerConfig.RECEIVE_BUFFER_CONFIG), -1);
		p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 512 << 10);
		p.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
		p.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 64 << 20);
		p.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
		p.put(StreamsConfig.producerPrefix(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG), 60_000);
		return p;
	}

	private static StreamsBuilder topology(String topic) {
		StreamsBuilder builder = new StreamsBuilder();
		builder.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), Serdes.Bytes(), Serdes.Long())
			.withCachingEnabled()
			.withLoggingEnabled(Map.of()));
		builder.stream(topic, Consumed.with(Serdes.Bytes(), Serdes.ByteArray())).process(Fold::new, STORE);
		return builder;
	}

	// ---- what it cost ----

	private static long cpuNanoseconds() {
		return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
	}

	private static long residentBytesMax() throws Exception {
		for (String line : Files.readAllLines(Path.of("/proc/self/status")))
			if (line.startsWith("VmHWM:"))
				return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
		return 0;
	}

	// ---- what came out ----

	private static long committed(String brokers, String application) throws Exception {
		try (Admin admin = Admin.create(Map.of("bootstrap.servers", brokers))) {
			return admin.listConsumerGroupOffsets(application).partitionsToOffsetAndMetadata().get().values().stream()
				.mapToLong(offset -> offset.offset())
				.sum();
		}
	}

	/** Every store's rows: they share no account, as the topic's partitions share none. */
	private static TreeMap<String, Long> readBack(Path directory) throws Exception {
		TreeMap<String, Long> balances = new TreeMap<>();
		RocksDB.loadLibrary();
		try (var found = Files.walk(directory); Options options = new Options()) {
			for (Path store : found.filter(path -> path.endsWith(Path.of("rocksdb", STORE))).toList())
				try (RocksDB db = RocksDB.openReadOnly(options, store.toString()); RocksIterator row = db.newIterator()) {
					for (row.seekToFirst(); row.isValid(); row.next())
						balances.merge(new String(row.key(), StandardCharsets.US_ASCII), ByteBuffer.wrap(row.value()).getLong(),
							Math::addExact);
					row.status();
				}
		}
		return balances;
	}

	private static String digest(TreeMap<String, Long> balances) throws Exception {
		MessageDigest sha = MessageDigest.getInstance("SHA-256");
		for (Map.Entry<String, Long> one : balances.entrySet())
			sha.update((one.getKey() + " " + one.getValue() + "\n").getBytes(StandardCharsets.US_ASCII));
		return HexFormat.of().formatHex(sha.digest());
	}

	private static void waitForAll(long events, AtomicReference<Throwable> failure) throws Exception {
		long before = -1;
		long changedAt = System.nanoTime();
		for (long now = 0; now < events; now = folded.sum()) {
			if (failure.get() != null)
				throw new IllegalStateException("a stream thread failed", failure.get());
			if (now != before) {
				before = now;
				changedAt = System.nanoTime();
			} else if (System.nanoTime() - changedAt > SILENCE_MS * 1_000_000L) {
				throw new IllegalStateException("nothing has come for " + SILENCE_MS / 1000 + " s, after " + now + " events");
			}
			Thread.sleep(2);
		}
	}

	public static void main(String[] arguments) throws Exception {
		String brokers = arguments[0];
		String topic = arguments[1];
		long events = Long.parseLong(arguments[2]);
		String guarantee = arguments[3];
		Path directory = Path.of(arguments[4]);
		String application = topic + "-" + guarantee + "-" + ProcessHandle.current().pid();
		AtomicReference<Throwable> failure = new AtomicReference<>();

		KafkaStreams streams = new KafkaStreams(topology(topic).build(), settings(brokers, guarantee, application, directory));
		streams.setUncaughtExceptionHandler(exception -> {
			failure.compareAndSet(null, exception);
			return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
		});
		streams.start();
		waitForAll(events, failure);
		if (!streams.close(Duration.ofMinutes(5)) || failure.get() != null)
			throw new IllegalStateException("it did not close", failure.get());
		double seconds = (System.nanoTime() - begunAt.get()) / 1e9;
		double cpuSeconds = (cpuNanoseconds() - cpuAtBegin.get()) / 1e9;
		long resident = residentBytesMax();

		if (committed(brokers, application) != events)
			throw new IllegalStateException("committed are " + committed(brokers, application) + " events of " + events);
		TreeMap<String, Long> balances = readBack(directory);
		System.out.printf("{\"events\":%d,\"charged\":%d,\"used\":%d,\"accounts\":%d,\"balances\":%d,\"digest\":\"%s\","
			+ "\"seconds\":%.3f,\"cpuSeconds\":%.3f,\"residentBytesMax\":%d}%n",
			folded.sum(), charged.sum(), used.sum(), balances.size(), balances.values().stream().mapToLong(Long::longValue).sum(),
			digest(balances), seconds, cpuSeconds, resident);
	}
}
