/*
 * A journal's events as records of their own, for those who read one event a record:
 *
 *	unroll JOURNAL BROKERS TOPIC [EVENTS]
 *
 * Reads the journal from its beginning through the ledger's own decoder, and produces one record for each event (tally.h says
 * what is in it), spread over the topic's partitions by the hash of the account as Java's clients do it. The topic must be there,
 * and empty. With EVENTS only the first so many. At the end everything is acknowledged, and what every reader must find is
 * printed: the totals and the digest of the balances, added up from the journal itself.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/peers/tally.h"
#include "engine/audit/walk.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/msgpack.h"

enum { FLUSH_MS = 60000, FULL_WAIT_MS = 50, SERVE_EVERY_EVENTS = 1000 };

struct unrolling {
	rd_kafka_t *producer;
	rd_kafka_topic_t *topic;
	struct tally tally;
	uint64_t limit;
	rd_kafka_resp_err_t failed; /* the first record that did not arrive */
};

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *context)
{
	struct unrolling *u = context;
	(void)producer;
	if (message->err && !u->failed)
		u->failed = message->err;
}

static enum ll_code produce(struct unrolling *u, struct slice key, struct slice value, struct error *error)
{
	while (rd_kafka_produce(u->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)value.at,
				value.size, key.at, key.size, NULL) != 0) {
		rd_kafka_resp_err_t err = rd_kafka_last_error();
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			return error_set(error, LL_IO, "a record was not taken: %s", rd_kafka_err2str(err));
		rd_kafka_poll(u->producer, FULL_WAIT_MS);
	}
	if (u->tally.events % SERVE_EVERY_EVENTS == 0)
		rd_kafka_poll(u->producer, 0);
	return u->failed ? error_set(error, LL_IO, "a record did not arrive: %s", rd_kafka_err2str(u->failed)) : LL_OK;
}

/* Both events here begin with the account and the amount; what the record's reader will find is what is added up. */
static enum ll_code on_event(struct unrolling *u, const struct entry *entry, const struct event *event,
			     struct error *error)
{
	uint8_t encoded[TALLY_VALUE_BYTES_MAX], value[TALLY_VALUE_BYTES_MAX];
	struct packer p = packer_over(encoded, sizeof encoded);
	struct tally_event tallied;
	struct slice user;
	switch (event->type) {
	case EVENT_POINT_CHARGED: user = event->point_charged.user_id; break;
	case EVENT_POINT_USED: user = event->point_used.user_id; break;
	default:
		return error_set(error, LL_USAGE, "entry %" PRIu64 " is no charge and no use: fill with `bench fill`",
				 entry->seq);
	}
	event_encode(&p, event);
	ENSURE(!p.full);
	size_t size = tally_value(value, entry->seq, entry->time, entry->head.command_id,
				  slice_of(encoded, (size_t)(p.at - encoded)));
	if (!tally_read(user, slice_of(value, size), &tallied))
		return error_set(error, LL_USAGE, "entry %" PRIu64 " has no numbered account: fill with `bench fill`",
				 entry->seq);
	tally_add(&u->tally, &tallied);
	return produce(u, user, slice_of(value, size), error);
}

static enum ll_code on_entry(void *context, const struct entry *entry, struct error *error)
{
	struct unrolling *u = context;
	enum ll_code code = LL_OK;
	for (uint32_t i = 0; i < entry->event_count && code == LL_OK; i++) {
		if (u->tally.events == u->limit)
			return LL_END;
		code = on_event(u, entry, &entry->events[i], error);
	}
	return code;
}

static void open_producer(struct unrolling *u, const char *brokers, const char *topic)
{
	/* Large batches: what fetching hands out again. */
	static const char *const settings[][2] = {
		{"enable.idempotence", "true"},
		{"partitioner", "murmur2_random"},
		{"compression.codec", "lz4"},
		{"linger.ms", "20"},
		{"batch.size", "1000000"},
		{"batch.num.messages", "100000"},
		{"queue.buffering.max.messages", "500000"},
	};
	char reason[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		ENSURE(rd_kafka_conf_set(conf, settings[i][0], settings[i][1], reason, sizeof reason) ==
		       RD_KAFKA_CONF_OK);
	ENSURE(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, reason, sizeof reason) == RD_KAFKA_CONF_OK);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_opaque(conf, u);
	u->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
	ENSURE(u->producer);
	u->topic = rd_kafka_topic_new(u->producer, topic, NULL);
	ENSURE(u->topic);
}

static enum ll_code unroll(struct unrolling *u, const char *url, struct error *error)
{
	struct journal *journal = NULL;
	struct journal_options options = {.read_only = true};
	struct walk walk = {.end = UINT64_MAX, .entry = on_entry, .context = u};
	struct fold fold = {0};
	enum ll_code code = journal_open(url, &options, &journal, error);
	if (code == LL_OK)
		code = walk_journal(journal, &walk, &fold, error);
	if (code == LL_OK && rd_kafka_flush(u->producer, FLUSH_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		code = error_set(error, LL_TIMEOUT, "the brokers have not taken all records within %d s",
				 FLUSH_MS / 1000);
	if (code == LL_OK && u->failed)
		code = error_set(error, LL_IO, "a record did not arrive: %s", rd_kafka_err2str(u->failed));
	journal_close(journal);
	return code;
}

int main(int count, char **arguments)
{
	struct unrolling u = {.limit = UINT64_MAX};
	struct error error;
	if (count < 4 || count > 5) {
		fprintf(stderr, "usage: unroll JOURNAL BROKERS TOPIC [EVENTS]\n");
		return 2;
	}
	if (count == 5)
		u.limit = strtoull(arguments[4], NULL, 10);
	open_producer(&u, arguments[2], arguments[3]);
	enum ll_code code = unroll(&u, arguments[1], &error);
	if (code != LL_OK)
		fprintf(stderr, "unroll: %s\n", error.text);
	else
		tally_print(&u.tally, NULL);
	rd_kafka_topic_destroy(u.topic);
	rd_kafka_destroy(u.producer);
	tally_release(&u.tally);
	return code == LL_OK ? 0 : 1;
}
