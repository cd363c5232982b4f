/*
 * The last records of partitions. First the very last one of each; for those where it was not what is looked for (somebody else writes
 * there, too) ever longer stretches, all partitions at once.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/relay/kafka_client.h"
#include "schemas/wire/ensure.h"

enum { PATIENCE_MS = 30000, POLL_MS = 100, WIDER = 64 };

static rd_kafka_resp_err_t query(struct outside_client *client, struct topic_end *end)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TIMED_OUT;
	int ms;
	for (unsigned i = 0; outside_is_silent(err) && (ms = outside_slice_ms(client, i)); i++)
		err = rd_kafka_query_watermark_offsets(client->rk, end->topic, end->partition, &end->low, &end->high,
						       ms);
	return err;
}

static enum ll_code ask_marks(struct outside_client *client, struct topic_end *end, struct error *error)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TIMED_OUT;
	for (int tries = 0; tries < 20; tries++) {
		err = query(client, end);
		/* A topic that was just made is not known to every broker at once. */
		if (err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && err != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION &&
		    err != RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
			break;
		rd_kafka_message_t *nothing = rd_kafka_consumer_poll(client->rk, 50);
		if (nothing)
			rd_kafka_message_destroy(nothing);
	}
	return err ? outside_fail(client, err, "asking for the ends of topics", error) : LL_OK;
}

static size_t index_of(const struct topic_end *ends, size_t count, const char *topic, int32_t partition)
{
	for (size_t i = 0; i < count; i++)
		if (ends[i].partition == partition && strcmp(ends[i].topic, topic) == 0)
			return i;
	return count;
}

struct round {
	struct outside_client *client;
	struct topic_end *ends;
	size_t count, open; /* open: partitions of this round that have not been read to their end */
	bool *reading;
	bool hidden; /* an open transaction hides records of some partition */
	end_record_fn *seen;
	void *context;
};

static void take(struct round *round, const rd_kafka_message_t *message)
{
	size_t i = index_of(round->ends, round->count, rd_kafka_topic_name(message->rkt), message->partition);
	if (i == round->count || !round->reading[i])
		return;
	bool at_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
	if (!at_end) {
		round->ends[i].found |= round->seen(round->context, i, message);
		at_end = message->offset >= round->ends[i].high - 1;
	} else {
		round->hidden |= message->offset < round->ends[i].high;
	}
	if (at_end) {
		round->reading[i] = false;
		round->open--;
	}
}

static enum ll_code drain(struct round *round, struct error *error)
{
	int waited = 0;
	while (round->open) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(round->client->rk, POLL_MS);
		waited = message ? 0 : waited + POLL_MS;
		rd_kafka_resp_err_t err = message ? message->err : RD_KAFKA_RESP_ERR_NO_ERROR;
		if (message && (!err || err == RD_KAFKA_RESP_ERR__PARTITION_EOF))
			take(round, message);
		if (message)
			rd_kafka_message_destroy(message);
		if (err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || waited >= PATIENCE_MS ||
		    outside_is_stopping(round->client))
			return outside_fail(round->client, err ? err : RD_KAFKA_RESP_ERR__TIMED_OUT,
					    "reading the last records", error);
	}
	return round->hidden
		       ? outside_fail(round->client, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
				      "reading the last records, which a transaction hides that is not ended,", error)
		       : LL_OK;
}

/* Reads the last `width` records of the partitions in which nothing was found. *more: some did not reach back to their beginning. */
static enum ll_code read_round(struct round *round, int64_t width, bool *more, struct error *error)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)round->count);
	round->open = 0;
	*more = false;
	for (size_t i = 0; i < round->count; i++) {
		const struct topic_end *end = &round->ends[i];
		int64_t from = end->high - width > end->low ? end->high - width : end->low;
		round->reading[i] = !end->found && from < end->high;
		if (!round->reading[i])
			continue;
		rd_kafka_topic_partition_list_add(list, end->topic, end->partition)->offset = from;
		round->open++;
		*more |= from > end->low;
	}
	enum ll_code code = LL_OK;
	if (round->open) {
		rd_kafka_resp_err_t err = rd_kafka_assign(round->client->rk, list);
		code = err ? outside_fail(round->client, err, "reading the last records", error) : drain(round, error);
		rd_kafka_assign(round->client->rk, NULL);
	}
	rd_kafka_topic_partition_list_destroy(list);
	return code;
}

/* A reader of what is committed is told the end of that only. */
static enum ll_code ask_all_marks(struct outside_client *reader, struct topic_end *ends, size_t count, bool whole,
				  struct error *error)
{
	struct outside_client asker = {0}, *client = reader;
	enum ll_code code = LL_OK;
	if (whole) {
		code = outside_open(&asker, reader->outside, OUTSIDE_ASKER, NULL, error);
		if (code != LL_OK)
			return code;
		client = &asker;
	}
	for (size_t i = 0; i < count && code == LL_OK; i++)
		code = ask_marks(client, &ends[i], error);
	if (whole)
		outside_close(&asker);
	return code;
}

enum ll_code topic_ends_read(struct outside_client *client, struct topic_end *ends, size_t count, bool whole,
			     end_record_fn *seen, void *context, struct error *error)
{
	bool more = true;
	bool *reading = calloc(count, sizeof *reading);
	struct round round = {
		.client = client, .ends = ends, .count = count, .reading = reading, .seen = seen, .context = context};
	ENSURE(reading);
	enum ll_code code = ask_all_marks(client, ends, count, whole, error);
	for (int64_t width = 1; more && code == LL_OK; width *= WIDER)
		code = read_round(&round, width, &more, error);
	free(reading);
	return code;
}
