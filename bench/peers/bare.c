/*
 * The floor: the least that a program can do that reads one event a record.
 *
 *	bare BROKERS TOPIC PARTITIONS
 *	bare --version                  of the client
 *
 * A librdkafka consumer with the settings, and the waking of its fetching, that the ledger's own reader has. It reads every
 * partition to its end, and adds each event to a number in an array: nothing is kept on disk, nothing is checked, nothing could be
 * recovered. The clock runs from before the client is made until the last partition's end. One thread folds; the client's
 * own threads fetch and unpack.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/peers/tally.h"
#include "schemas/wire/ensure.h"

enum { MESSAGES_AT_ONCE = 1000, WAIT_MS = 20, WAKE_FETCHING_US = 10000, QUESTION_MS = 1000, SILENCE_MAX = 1500 };

struct bare {
	rd_kafka_t *consumer;
	const char *topic;
	int partitions, ended;
	struct tally tally;
	atomic_bool done;
};

/* When its queue is full, the client sleeps about a second before it fetches again (until 2.2). Any request ends that. */
static void *wake_fetching(void *context)
{
	struct bare *bare = context;
	int64_t low, high;
	while (!atomic_load(&bare->done)) {
		usleep(WAKE_FETCHING_US);
		(void)rd_kafka_query_watermark_offsets(bare->consumer, bare->topic, 0, &low, &high, QUESTION_MS);
	}
	return NULL;
}

static void open_consumer(struct bare *bare, const char *brokers)
{
	static const char *const settings[][2] = {
		{"fetch.message.max.bytes", "8388608"},
		{"fetch.max.bytes", "67108864"},
		{"fetch.wait.max.ms", "10"},
		{"queued.min.messages", "200000"},
		{"queued.max.messages.kbytes", "65536"},
		{"check.crcs", "true"},
		{"auto.offset.reset", "error"},
		{"enable.partition.eof", "true"},
		{"enable.auto.commit", "false"},
		{"socket.nagle.disable", "true"},
	};
	char reason[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		ENSURE(rd_kafka_conf_set(conf, settings[i][0], settings[i][1], reason, sizeof reason) ==
		       RD_KAFKA_CONF_OK);
	ENSURE(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, reason, sizeof reason) == RD_KAFKA_CONF_OK);
	(void)rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "1", reason, sizeof reason); /* newer clients know it */
	bare->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
	ENSURE(bare->consumer);
}

/* false: it is an error, or no event. */
static bool take(struct bare *bare, const rd_kafka_message_t *message)
{
	struct tally_event event;
	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		bare->ended++;
		return true;
	}
	if (message->err) {
		fprintf(stderr, "bare: %s\n", rd_kafka_message_errstr(message));
		return false;
	}
	if (!tally_read(slice_of(message->key, message->key_len), slice_of(message->payload, message->len), &event)) {
		fprintf(stderr, "bare: the record at offset %lld is no event\n", (long long)message->offset);
		return false;
	}
	tally_add(&bare->tally, &event);
	return true;
}

static bool read_to_end(struct bare *bare, rd_kafka_queue_t *queue)
{
	rd_kafka_message_t *messages[MESSAGES_AT_ONCE];
	unsigned silence = 0;
	while (bare->ended < bare->partitions) {
		/* Without time it gives what is there; with time it would wait until the array is full. */
		ssize_t got = rd_kafka_consume_batch_queue(queue, 0, messages, MESSAGES_AT_ONCE);
		if (got <= 0) {
			messages[0] = rd_kafka_consume_queue(queue, WAIT_MS);
			got = messages[0] ? 1 : 0;
		}
		silence = got ? 0 : silence + 1;
		if (silence == SILENCE_MAX) {
			fprintf(stderr, "bare: nothing has come for %d s\n", SILENCE_MAX * WAIT_MS / 1000);
			return false;
		}
		bool fine = true;
		for (ssize_t i = 0; i < got; i++) {
			fine = fine && take(bare, messages[i]);
			rd_kafka_message_destroy(messages[i]);
		}
		if (!fine)
			return false;
	}
	return true;
}

static bool run(struct bare *bare)
{
	pthread_t waker;
	rd_kafka_queue_t *queue = rd_kafka_queue_new(bare->consumer);
	rd_kafka_topic_t *topic = rd_kafka_topic_new(bare->consumer, bare->topic, NULL);
	ENSURE(topic && pthread_create(&waker, NULL, wake_fetching, bare) == 0);
	bool fine = true;
	int32_t started = 0;
	for (; fine && started < bare->partitions; started++)
		fine = rd_kafka_consume_start_queue(topic, started, 0, queue) == 0;
	if (!fine)
		fprintf(stderr, "bare: %s\n", rd_kafka_err2str(rd_kafka_last_error()));
	fine = fine && read_to_end(bare, queue);
	atomic_store(&bare->done, true);
	pthread_join(waker, NULL);
	while (started-- > 0)
		rd_kafka_consume_stop(topic, started);
	rd_kafka_topic_destroy(topic);
	rd_kafka_queue_destroy(queue);
	return fine;
}

int main(int count, char **arguments)
{
	struct bare bare = {0};
	struct tally_cost cost;
	if (count == 2 && strcmp(arguments[1], "--version") == 0) {
		printf("librdkafka %s\n", rd_kafka_version_str());
		return 0;
	}
	if (count != 4 || (bare.partitions = (int)strtol(arguments[3], NULL, 10)) < 1) {
		fprintf(stderr, "usage: bare BROKERS TOPIC PARTITIONS | --version\n");
		return 2;
	}
	bare.topic = arguments[2];
	tally_cost_begin(&cost);
	open_consumer(&bare, arguments[1]);
	bool fine = run(&bare);
	tally_cost_end(&cost);
	if (fine)
		tally_print(&bare.tally, &cost);
	rd_kafka_destroy(bare.consumer);
	tally_release(&bare.tally);
	return fine ? 0 : 1;
}
