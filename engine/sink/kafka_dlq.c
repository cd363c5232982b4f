#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/sink/dlq.h"
#include "engine/sink/kafka_letters.h"
#include "schemas/wire/ensure.h"

enum { POLL_MS = 100, PATIENCE_MS = 30000 };

struct record {
	rd_kafka_message_t *message;
	struct letter letter;
	char event_id[LETTER_ID_MAX + 1];
};

struct dlq {
	const struct dlq_options *options;
	struct outside outside;
	struct outside_client reader, producer;
	bool has_reader, has_producer;
	struct record **records;
	size_t count;
	uint64_t others; /* records that are no letters */
	int partitions;
	bool answered; /* of what was produced last */
	rd_kafka_resp_err_t answer;
};

/* ---- reading ---- */

static int64_t number_of(const rd_kafka_message_t *message, const char *name)
{
	struct slice text;
	char digits[24], *end;
	if (!message_header(message, name, &text) || text.size == 0 || text.size >= sizeof digits)
		return -1;
	memcpy(digits, text.at, text.size);
	digits[text.size] = 0;
	int64_t number = strtoll(digits, &end, 10);
	return *end == 0 && number >= 0 ? number : -1;
}

static void mark_redriven(struct dlq *dlq, int64_t offset)
{
	for (size_t i = 0; i < dlq->count; i++)
		if (dlq->records[i]->letter.offset == offset)
			dlq->records[i]->letter.redriven = true;
}

/* Takes the message. */
static void take(struct dlq *dlq, rd_kafka_message_t *message)
{
	struct slice reason, permanent;
	int64_t mark = number_of(message, "dlq-redriven");
	bool is_letter = message_header(message, "dlq-reason", &reason);
	if (mark >= 0)
		mark_redriven(dlq, mark);
	else
		dlq->others += !is_letter;
	if (mark >= 0 || !is_letter) {
		rd_kafka_message_destroy(message);
		return;
	}
	struct record *record = calloc(1, sizeof *record);
	struct record **grown = reallocarray(dlq->records, dlq->count + 1, sizeof(struct record *));
	ENSURE(record && grown);
	dlq->records = grown;
	dlq->records[dlq->count++] = record;
	record->message = message;
	struct letter *letter = &record->letter;
	*letter = (struct letter){
		.offset = message->offset,
		.key = slice_of(message->key, message->key_len),
		.value = slice_of(message->payload, message->len),
		.status = number_of(message, "dlq-status"),
		.attempts = number_of(message, "dlq-attempts"),
		.partition = number_of(message, "dlq-partition"),
		.origin_offset = number_of(message, "dlq-offset"),
		.bytes = number_of(message, "dlq-bytes"),
	};
	letter->reason = reason;
	letter->permanent = letter->attempts == 0 || message_header(message, "dlq-permanent", &permanent) ||
			    message_header(message, "dlq-bytes", &permanent);
	(void)message_header(message, "dlq-group", &letter->group);
	(void)message_header(message, "dlq-time", &letter->time);
	(void)message_header(message, "dlq-topic", &letter->topic);
	if (event_id_of(letter->value, record->event_id))
		letter->event_id = record->event_id;
}

static enum ll_code read_until(struct dlq *dlq, int64_t high, struct error *error)
{
	int waited = 0;
	for (int64_t next = 0; next < high;) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(dlq->reader.rk, POLL_MS);
		waited = message ? 0 : waited + POLL_MS;
		if (waited >= PATIENCE_MS)
			return outside_fail(&dlq->reader, RD_KAFKA_RESP_ERR__TIMED_OUT, "reading dead letters", error);
		if (!message)
			continue;
		if (!message->err) {
			next = message->offset + 1;
			take(dlq, message);
			continue;
		}
		bool at_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
		rd_kafka_message_destroy(message);
		if (at_end)
			return LL_OK;
	}
	return LL_OK;
}

static enum ll_code read_all(struct dlq *dlq, struct error *error)
{
	int64_t low = 0, high = 0;
	enum ll_code code = topic_partitions(&dlq->reader, dlq->options->topic, &dlq->partitions, error);
	if (code != LL_OK)
		return code;
	rd_kafka_resp_err_t err =
		rd_kafka_query_watermark_offsets(dlq->reader.rk, dlq->options->topic, 0, &low, &high, OUTSIDE_ASK_MS);
	if (err)
		return outside_fail(&dlq->reader, err, "asking for the end of dead letters", error);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, dlq->options->topic, 0)->offset = low;
	err = rd_kafka_assign(dlq->reader.rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	if (err)
		return outside_fail(&dlq->reader, err, "reading dead letters", error);
	return low < high ? read_until(dlq, high, error) : LL_OK;
}

static void on_delivered(void *context, const rd_kafka_message_t *message)
{
	struct dlq *dlq = context;
	dlq->answered = true;
	dlq->answer = message->err;
}

enum ll_code dlq_open(const struct dlq_options *options, struct dlq **opened, struct error *error)
{
	struct dlq *dlq = calloc(1, sizeof *dlq);
	ENSURE(dlq);
	dlq->options = options;
	dlq->outside = (struct outside){options->brokers, options->settings, options->settings_count, NULL};
	dlq->producer = (struct outside_client){.delivered = on_delivered, .context = dlq};
	enum ll_code code = outside_open(&dlq->reader, &dlq->outside, OUTSIDE_READER, NULL, error);
	dlq->has_reader = code == LL_OK;
	if (code == LL_OK)
		code = read_all(dlq, error);
	if (code == LL_OK)
		*opened = dlq;
	else
		dlq_close(dlq);
	return code;
}

void dlq_close(struct dlq *dlq)
{
	if (!dlq)
		return;
	for (size_t i = 0; i < dlq->count; i++) {
		rd_kafka_message_destroy(dlq->records[i]->message);
		free(dlq->records[i]);
	}
	free(dlq->records);
	if (dlq->has_producer)
		outside_close(&dlq->producer);
	if (dlq->has_reader)
		outside_close(&dlq->reader);
	free(dlq);
}

size_t dlq_count(const struct dlq *dlq)
{
	return dlq->count;
}

const struct letter *dlq_letter(const struct dlq *dlq, size_t index)
{
	ENSURE(index < dlq->count);
	return &dlq->records[index]->letter;
}

uint64_t dlq_others(const struct dlq *dlq)
{
	return dlq->others;
}

int dlq_partitions(const struct dlq *dlq)
{
	return dlq->partitions;
}

/* ---- redriving ---- */

static bool goes_back(const char *name)
{
	return strncmp(name, "dlq-", 4) != 0 && strncmp(name, "ledger-", 7) != 0;
}

static enum ll_code await(struct dlq *dlq, rd_kafka_resp_err_t err, rd_kafka_headers_t *headers, const char *what,
			  struct error *error)
{
	if (err) {
		rd_kafka_headers_destroy(headers);
		return outside_fail(&dlq->producer, err, what, error);
	}
	for (int waited = 0; !dlq->answered; waited += POLL_MS) {
		rd_kafka_poll(dlq->producer.rk, POLL_MS);
		if (waited >= PATIENCE_MS)
			return outside_fail(&dlq->producer, RD_KAFKA_RESP_ERR__TIMED_OUT, what, error);
	}
	return dlq->answer ? outside_fail(&dlq->producer, dlq->answer, what, error) : LL_OK;
}

static enum ll_code to_origin(struct dlq *dlq, const struct record *record, struct error *error)
{
	char topic[OUTSIDE_TOPIC_MAX + 1], from[OUTSIDE_TOPIC_MAX + 32];
	const struct letter *letter = &record->letter;
	if (letter->topic.size == 0 || letter->topic.size > OUTSIDE_TOPIC_MAX)
		return error_set(error, LL_USAGE,
				 "the letter at offset %" PRId64 " does not say which topic it came from",
				 letter->offset);
	snprintf(topic, sizeof topic, "%.*s", SLICE_PRINT(letter->topic));
	snprintf(from, sizeof from, "%s/%" PRId64, dlq->options->topic, letter->offset);
	rd_kafka_headers_t *headers = headers_copied(record->message, goes_back);
	rd_kafka_header_add(headers, "dlq-redriven-from", -1, from, -1);
	dlq->answered = false;
	/* To the partition that it came from: keyed letters were placed by their key, others have no better place. */
	rd_kafka_resp_err_t err = rd_kafka_producev(
		dlq->producer.rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION((int32_t)letter->partition),
		RD_KAFKA_V_KEY(letter->key.at, letter->key.size),
		RD_KAFKA_V_VALUE((void *)letter->value.at, letter->value.size), RD_KAFKA_V_HEADERS(headers),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
	return await(dlq, err, headers, "redriving", error);
}

static enum ll_code to_endpoint(const struct record *record, struct poster *poster, struct error *error)
{
	struct post_result result;
	if (!record->letter.event_id)
		return error_set(error, LL_USAGE,
				 "the letter at offset %" PRId64 " is no public event: there is nothing to post",
				 record->letter.offset);
	poster_post(poster, slice_text(record->event_id), record->letter.value, &result);
	if (result.end == POST_TAKEN)
		return LL_OK;
	return error_set(error, result.end == POST_REFUSED ? LL_DENIED : LL_UNAVAILABLE,
			 "the letter at offset %" PRId64 " was not taken: %s", record->letter.offset, result.reason);
}

static enum ll_code write_mark(struct dlq *dlq, const struct letter *letter, struct error *error)
{
	char offset[24];
	rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
	snprintf(offset, sizeof offset, "%" PRId64, letter->offset);
	rd_kafka_header_add(headers, "dlq-redriven", -1, offset, -1);
	dlq->answered = false;
	rd_kafka_resp_err_t err =
		rd_kafka_producev(dlq->producer.rk, RD_KAFKA_V_TOPIC(dlq->options->topic), RD_KAFKA_V_PARTITION(0),
				  RD_KAFKA_V_KEY(letter->key.at, letter->key.size), RD_KAFKA_V_HEADERS(headers),
				  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
	return await(dlq, err, headers, "marking a letter as redriven", error);
}

enum ll_code dlq_redrive(struct dlq *dlq, size_t index, struct poster *poster, struct error *error)
{
	ENSURE(index < dlq->count);
	struct record *record = dlq->records[index];
	enum ll_code code = LL_OK;
	ENSURE(!record->letter.redriven);
	if (record->letter.bytes >= 0)
		return error_set(error, LL_USAGE,
				 "the letter at offset %" PRId64
				 " holds only the beginning of its record: all of it is in %.*s, "
				 "partition %" PRId64 ", offset %" PRId64,
				 record->letter.offset, SLICE_PRINT(record->letter.topic), record->letter.partition,
				 record->letter.origin_offset);
	if (!dlq->has_producer) {
		code = outside_open(&dlq->producer, &dlq->outside, OUTSIDE_PRODUCER, NULL, error);
		dlq->has_producer = code == LL_OK;
	}
	if (code == LL_OK)
		code = poster ? to_endpoint(record, poster, error) : to_origin(dlq, record, error);
	if (code == LL_OK)
		code = write_mark(dlq, &record->letter, error);
	record->letter.redriven = code == LL_OK;
	return code;
}
