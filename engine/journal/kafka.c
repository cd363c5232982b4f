/*
 * The journal on Kafka: topic NAME.journal, partition 0, through librdkafka (2.0.2 and later).
 *
 * What this client really does was measured, and decides the shape of this adapter:
 * - appending (kafka_appender.c): idempotent, acks=all, one request in flight. More in flight can end with records that are
 *   in the log but reported as failed, and doubled by trying again.
 * - reading (kafka_reader.c): the plain partition interface into a queue of our own. No group, no coordinator, no commits.
 * - a topic that was deleted and made again cannot be told from the old one by its name: offsets, the port's DIVERGED and
 *   the ledger's chain of hashes tell.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/journal/kafka_client.h"
#include "schemas/wire/ensure.h"

enum {
	/* How long closing waits for clients that still shut down; one that hangs is left to the end of the process. */
	CLOSING_PATIENCE_S = 5,
	OPENING_PATIENCE_MS = 5000,
	WAKE_FETCHING_MS = 10,
	QUESTION_MS = 1000,
};

static enum ll_code kafka_identity(struct journal *base, struct journal_identity *identity, struct error *error)
{
	struct kafka_journal *journal = (struct kafka_journal *)base;
	char *cluster = rd_kafka_clusterid(journal->questions.rk, KAFKA_PATIENCE_MS);
	if (!cluster)
		return kafka_fail(&journal->questions, RD_KAFKA_RESP_ERR__TIMED_OUT, "asking for the cluster of",
				  error);
	snprintf(identity->kind, sizeof identity->kind, "kafka");
	snprintf(identity->cluster, sizeof identity->cluster, "%s", cluster);
	snprintf(identity->topic, sizeof identity->topic, "%s", journal->address.topic);
	rd_kafka_mem_free(journal->questions.rk, cluster);
	return LL_OK;
}

static enum ll_code kafka_watermarks(struct journal *base, struct journal_watermarks *watermarks, struct error *error)
{
	struct kafka_journal *journal = (struct kafka_journal *)base;
	return kafka_topic_watermarks(&journal->questions, KAFKA_PATIENCE_MS, watermarks, error);
}

static enum ll_code kafka_check(struct journal *base, journal_finding_fn *found, void *context, unsigned *wrong,
				struct error *error)
{
	struct kafka_journal *journal = (struct kafka_journal *)base;
	return kafka_topic_check(&journal->questions, found, context, wrong, error);
}

/* A client that was idle may sleep for a second before it fetches; any question wakes it. */
static void wake_fetching(struct kafka_client *client)
{
	int64_t low, high;
	(void)rd_kafka_query_watermark_offsets(client->rk, client->address->topic, 0, &low, &high, QUESTION_MS);
}

/* Waits for the record at `offset` on a queue that was started there. */
static enum ll_code take_record(struct kafka_client *client, rd_kafka_queue_t *queue, uint64_t offset,
				rd_kafka_message_t **taken, struct error *error)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TIMED_OUT;
	int64_t deadline = kafka_now_ms() + KAFKA_PATIENCE_MS;
	while (kafka_now_ms() < deadline) {
		rd_kafka_message_t *message = rd_kafka_consume_queue(queue, WAKE_FETCHING_MS);
		if (!message) {
			wake_fetching(client);
			continue;
		}
		if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && (uint64_t)message->offset == offset) {
			*taken = message;
			return LL_OK;
		}
		bool later = message->err == RD_KAFKA_RESP_ERR_NO_ERROR && (uint64_t)message->offset > offset;
		bool end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
		if (message->err)
			err = message->err;
		rd_kafka_message_destroy(message);
		if (later || end)
			return error_set(error, LL_CORRUPT, "%s has no record at offset %llu", client->address->topic,
					 (unsigned long long)offset);
		if (kafka_code(err) != LL_UNAVAILABLE)
			break;
	}
	return kafka_fail(client, err, "reading a record of", error);
}

static enum ll_code read_one(struct kafka_client *client, uint64_t offset, uint8_t **bytes, size_t *size,
			     int64_t *time_ms, struct error *error)
{
	struct journal_watermarks watermarks;
	rd_kafka_queue_t *queue = NULL;
	rd_kafka_message_t *message = NULL;
	enum ll_code code = kafka_topic_watermarks(client, KAFKA_PATIENCE_MS, &watermarks, error);
	if (code != LL_OK)
		return code;
	if (offset >= watermarks.high)
		return error_set(error, LL_NOT_FOUND, "%s ends before offset %llu", client->address->topic,
				 (unsigned long long)offset);
	if (offset < watermarks.low)
		return error_set(error, LL_DIVERGED, "%s begins at offset %llu, there is no %llu any more",
				 client->address->topic, (unsigned long long)watermarks.low,
				 (unsigned long long)offset);
	queue = rd_kafka_queue_new(client->rk);
	if (rd_kafka_consume_start_queue(client->topic, 0, (int64_t)offset, queue) != 0) {
		code = kafka_fail(client, rd_kafka_last_error(), "reading a record of", error);
		goto done;
	}
	code = take_record(client, queue, offset, &message, error);
	rd_kafka_consume_stop(client->topic, 0);
	if (code != LL_OK)
		goto done;
	ENSURE(message);
	*bytes = malloc(message->len + 1);
	if (!*bytes) {
		code = error_set(error, LL_NO_MEMORY, "no memory for a record of %zu bytes", message->len);
		goto done;
	}
	if (message->len)
		memcpy(*bytes, message->payload, message->len);
	*size = message->len;
	*time_ms = rd_kafka_message_timestamp(message, NULL);
done:
	if (message)
		rd_kafka_message_destroy(message);
	rd_kafka_queue_destroy(queue);
	return code;
}

/* A client can consume a partition once at a time: helper threads that ask together take turns. */
static enum ll_code kafka_read_at(struct journal *base, uint64_t offset, uint8_t **bytes, size_t *size,
				  int64_t *time_ms, struct error *error)
{
	struct kafka_journal *journal = (struct kafka_journal *)base;
	pthread_mutex_lock(&journal->reading);
	enum ll_code code = read_one(&journal->questions, offset, bytes, size, time_ms, error);
	pthread_mutex_unlock(&journal->reading);
	return code;
}

static void release(struct kafka_journal *journal)
{
	kafka_address_release(&journal->address);
	pthread_cond_destroy(&journal->changed);
	pthread_mutex_destroy(&journal->lock);
	pthread_mutex_destroy(&journal->reading);
	free(journal);
}

static void kafka_close(struct journal *base)
{
	struct kafka_journal *journal = (struct kafka_journal *)base;
	struct timespec deadline;
	kafka_client_close(&journal->questions);
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += CLOSING_PATIENCE_S;
	pthread_mutex_lock(&journal->lock);
	while (journal->keepers)
		if (pthread_cond_timedwait(&journal->changed, &journal->lock, &deadline) != 0)
			break;
	bool all_gone = journal->keepers == 0;
	pthread_mutex_unlock(&journal->lock);
	if (all_gone)
		release(journal);
}

static const struct journal_ops ops = {
	.identity = kafka_identity,
	.watermarks = kafka_watermarks,
	.check = kafka_check,
	.reader_open = kafka_reader_open,
	.read_at = kafka_read_at,
	.appender_open = kafka_appender_open,
	.close = kafka_close,
};

static enum ll_code kafka_open(const char *rest, const struct journal_options *options, struct journal **opened,
			       struct error *error)
{
	struct kafka_journal *journal = calloc(1, sizeof *journal);
	ENSURE(journal);
	pthread_mutex_init(&journal->lock, NULL);
	pthread_mutex_init(&journal->reading, NULL);
	pthread_cond_init(&journal->changed, NULL);
	journal->base.ops = &ops;
	snprintf(journal->base.url, sizeof journal->base.url, "kafka:%s", rest);
	enum ll_code code = kafka_address_init(&journal->address, rest, options, error);
	if (code == LL_OK)
		code = kafka_client_open(&journal->questions, &journal->address, KAFKA_QUESTIONS, NULL, NULL, true,
					 error);
	if (code != LL_OK) {
		release(journal);
		return code;
	}
	code = kafka_topic_look(&journal->questions, OPENING_PATIENCE_MS, NULL, NULL, error);
	if (code == LL_OK)
		*opened = &journal->base;
	else
		kafka_close(&journal->base);
	return code;
}

const struct journal_adapter journal_kafka = {.scheme = "kafka", .open = kafka_open, .create = kafka_topic_create};
