#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/log/log.h"
#include "engine/relay/kafka_client.h"
#include "engine/relay/target.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/hash.h"
#include "schemas/wire/json.h"

enum {
	PARTITIONS = 3,
	PARTITIONS_MAX = 1024,
	UNDER_WAY_MAX = 1 << 16, /* a power of two */
	KEEP_MS = 1000,
	FULL_POLL_MS = 10,
};

/* The last event of ours in a partition. */
struct reached {
	bool any;
	uint64_t run, seq;
	uint32_t index;
};

struct public_topic {
	const char *name;
	int partitions;
	struct reached *last; /* by partition */
};

struct sent {
	uint64_t seq;
	uint8_t type;
	bool done;
};

struct target {
	const struct target_options *options;
	struct outside outside;
	struct outside_client producer;
	bool has_producer;
	struct public_topic topics[PUBLIC_TYPES_COUNT]; /* each name once */
	unsigned topics_count;
	uint8_t topic_of[PUBLIC_TYPES_COUNT];
	struct sent *sent; /* a ring: what was sent from `first` on, in the journal's order */
	uint64_t first, next_sent;
	uint64_t run, next, kept; /* next: of the relay; kept: what the position topic says */
	bool has_kept;
	int64_t kept_at_ms;
	struct target_counts counts;
	struct error dead; /* code LL_OK: it lives */
	char ledger[UUID_TEXT_SIZE];
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- reading back ---- */

struct reading {
	struct target *target;
	struct topic_end *ends;
	unsigned *topics; /* by end: index of its topic; topics_count: the position's */
	uint64_t foreign;
};

static bool header_number(const rd_kafka_message_t *message, const char *name, const char *prefix, uint64_t *number)
{
	struct slice text;
	char digits[24], *end;
	size_t skip = strlen(prefix);
	if (!message_header(message, name, &text) || text.size <= skip || text.size - skip >= sizeof digits ||
	    memcmp(text.at, prefix, skip) != 0 || text.at[skip] < '0' || text.at[skip] > '9')
		return false;
	memcpy(digits, text.at + skip, text.size - skip);
	digits[text.size - skip] = 0;
	*number = strtoull(digits, &end, 10);
	return *end == 0;
}

/* A record of a public topic: the last one of ours counts. */
static bool read_public(struct reading *reading, size_t index, const rd_kafka_message_t *message)
{
	struct target *target = reading->target;
	struct reached *last = &target->topics[reading->topics[index]].last[message->partition];
	struct reached read = {.any = true};
	struct slice ledger;
	uint64_t event;
	if (!message_header(message, "ledger-uuid", &ledger) || !slice_equal(ledger, slice_text(target->ledger)) ||
	    !header_number(message, "ledger-position", "0:", &read.seq) ||
	    !header_number(message, "ledger-index", "", &event) ||
	    !header_number(message, "ledger-run", "", &read.run)) {
		reading->foreign++;
		return false;
	}
	read.index = (uint32_t)event;
	*last = read;
	return true;
}

static bool read_position(struct target *target, const rd_kafka_message_t *message)
{
	struct json_reader reader = {0};
	const struct json_node *root, *run, *next;
	bool read = false;
	if (!slice_equal(slice_of(message->key, message->key_len), slice_text(target->ledger)))
		return false;
	if (json_read(&reader, slice_of(message->payload, message->len), &root, NULL) == LL_OK &&
	    (run = json_member(&reader, root, SLICE("run"))) && (next = json_member(&reader, root, SLICE("next"))) &&
	    run->is_integer && next->is_integer && run->integer >= 0 && next->integer >= 0) {
		target->run = (uint64_t)run->integer;
		target->kept = (uint64_t)next->integer;
		target->has_kept = read = true;
	}
	json_reader_release(&reader);
	return read;
}

static bool on_record(void *context, size_t index, const rd_kafka_message_t *message)
{
	struct reading *reading = context;
	if (reading->topics[index] == reading->target->topics_count)
		return read_position(reading->target, message);
	return read_public(reading, index, message);
}

/* Which run goes on, and from where. */
static void settle(struct target *target)
{
	uint64_t run = target->run;
	for (unsigned i = 0; i < target->topics_count; i++)
		for (int p = 0; p < target->topics[i].partitions; p++)
			if (target->topics[i].last[p].any && target->topics[i].last[p].run > run)
				run = target->topics[i].last[p].run;
	/* A run that was begun and whose position was never kept is begun anew, from what its records say. */
	target->next = target->has_kept && target->run == run ? target->kept : 0;
	if (target->options->again) {
		run++;
		target->next = target->options->from;
	}
	target->run = run;
	for (unsigned i = 0; i < target->topics_count; i++)
		for (int p = 0; p < target->topics[i].partitions; p++)
			if (target->topics[i].last[p].run != run)
				target->topics[i].last[p].any = false;
	target->kept = target->next;
	if (target->options->again)
		target->has_kept = false;
}

static enum ll_code read_back(struct target *target, struct error *error)
{
	struct outside_client client = {0};
	struct reading reading = {.target = target};
	size_t count = 1;
	for (unsigned i = 0; i < target->topics_count; i++)
		count += (size_t)target->topics[i].partitions;
	reading.ends = calloc(count, sizeof *reading.ends);
	reading.topics = calloc(count, sizeof *reading.topics);
	ENSURE(reading.ends && reading.topics);
	size_t at = 0;
	for (unsigned i = 0; i < target->topics_count; i++)
		for (int p = 0; p < target->topics[i].partitions; p++, at++) {
			reading.ends[at] = (struct topic_end){.topic = target->topics[i].name, .partition = p};
			reading.topics[at] = i;
		}
	reading.ends[at].topic = target->options->position_topic;
	reading.topics[at] = target->topics_count;
	enum ll_code code = outside_open(&client, &target->outside, OUTSIDE_READER, NULL, error);
	if (code == LL_OK) {
		code = topic_ends_read(&client, reading.ends, count, on_record, &reading, error);
		rd_kafka_consumer_close(client.rk);
		outside_close(&client);
	}
	if (code == LL_OK && reading.foreign)
		log_warn("relay.foreign", LOG_NUMBER("records", reading.foreign),
			 LOG_TEXT("reason", "records at the ends of public topics are not this ledger's"));
	free(reading.ends);
	free(reading.topics);
	return code;
}

/* ---- opening ---- */

static void name_topics(struct target *target)
{
	for (unsigned type = 0; type < PUBLIC_TYPES_COUNT; type++) {
		const char *name = target->options->topics[type];
		unsigned i = 0;
		while (i < target->topics_count && strcmp(target->topics[i].name, name) != 0)
			i++;
		if (i == target->topics_count)
			target->topics[target->topics_count++].name = name;
		target->topic_of[type] = (uint8_t)i;
	}
}

static enum ll_code prepare_topics(struct target *target, struct error *error)
{
	struct topic_wanted wanted[PUBLIC_TYPES_COUNT + 1];
	int partitions[PUBLIC_TYPES_COUNT + 1] = {0};
	unsigned count = target->topics_count;
	for (unsigned i = 0; i < count; i++)
		wanted[i] = (struct topic_wanted){.name = target->topics[i].name, .partitions = PARTITIONS};
	wanted[count] =
		(struct topic_wanted){.name = target->options->position_topic, .partitions = 1, .compacted = true};
	enum ll_code code =
		topics_prepare(&target->producer, wanted, count + 1, target->options->replication, partitions, error);
	for (unsigned i = 0; i < count && code == LL_OK; i++) {
		target->topics[i].partitions = partitions[i];
		target->topics[i].last = calloc((size_t)partitions[i], sizeof *target->topics[i].last);
		ENSURE(target->topics[i].last);
	}
	return code;
}

static void on_delivered(void *context, const rd_kafka_message_t *message)
{
	struct target *target = context;
	uint64_t number = (uint64_t)(uintptr_t)message->_private;
	if (message->err) {
		if (target->dead.code == LL_OK)
			outside_fail(&target->producer, message->err, "publishing", &target->dead);
		return;
	}
	if (number == 0) /* a position */
		return;
	struct sent *sent = &target->sent[(number - 1) % UNDER_WAY_MAX];
	sent->done = true;
	target->counts.published[sent->type]++;
	while (target->first < target->next_sent && target->sent[target->first % UNDER_WAY_MAX].done)
		target->first++;
}

enum ll_code target_open(const struct target_options *options, struct target **opened, struct error *error)
{
	struct target *target = calloc(1, sizeof *target);
	ENSURE(target);
	target->options = options;
	target->outside = (struct outside){options->brokers, options->settings, options->settings_count};
	target->sent = calloc(UNDER_WAY_MAX, sizeof *target->sent);
	ENSURE(target->sent);
	uuid_text(target->ledger, options->ledger);
	name_topics(target);
	target->producer.delivered = on_delivered;
	target->producer.context = target;
	enum ll_code code = outside_open(&target->producer, &target->outside, OUTSIDE_PRODUCER, NULL, error);
	target->has_producer = code == LL_OK;
	if (code == LL_OK)
		code = prepare_topics(target, error);
	if (code == LL_OK)
		code = read_back(target, error);
	if (code == LL_OK) {
		settle(target);
		/* Before anything of a new run is there. */
		code = options->again ? target_flush(target, OUTSIDE_ASK_MS, error) : LL_OK;
	}
	if (code == LL_OK)
		*opened = target;
	else
		target_close(target);
	return code;
}

void target_close(struct target *target)
{
	if (!target)
		return;
	if (target->has_producer) {
		rd_kafka_purge(target->producer.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		outside_close(&target->producer);
	}
	for (unsigned i = 0; i < target->topics_count; i++)
		free(target->topics[i].last);
	free(target->sent);
	free(target);
}

uint64_t target_next(const struct target *target)
{
	return target->next;
}

/* ---- publishing ---- */

static enum ll_code check_alive(struct target *target, struct error *error)
{
	char reason[OUTSIDE_TEXT_MAX];
	rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(target->producer.rk, reason, sizeof reason);
	if (target->dead.code == LL_OK && fatal)
		error_set(&target->dead, LL_UNAVAILABLE, "the producer gave up: %s (%s)", rd_kafka_err2str(fatal),
			  reason);
	return target->dead.code == LL_OK ? LL_OK : error_set(error, target->dead.code, "%s", target->dead.text);
}

static rd_kafka_headers_t *headers_of(const struct target *target, uint64_t seq, uint32_t index)
{
	char text[32];
	rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
	rd_kafka_header_add(headers, "ledger-uuid", -1, target->ledger, -1);
	snprintf(text, sizeof text, "0:%" PRIu64, seq);
	rd_kafka_header_add(headers, "ledger-position", -1, text, -1);
	snprintf(text, sizeof text, "%" PRIu32, index);
	rd_kafka_header_add(headers, "ledger-index", -1, text, -1);
	snprintf(text, sizeof text, "%" PRIu64, target->run);
	rd_kafka_header_add(headers, "ledger-run", -1, text, -1);
	return headers;
}

static bool is_there(const struct reached *last, uint64_t seq, uint32_t index)
{
	return last->any && (seq < last->seq || (seq == last->seq && index <= last->index));
}

/* Waits until one more can be taken. */
static enum ll_code wait_for_room(struct target *target, struct error *error)
{
	enum ll_code code = LL_OK;
	while (code == LL_OK && target->next_sent - target->first >= UNDER_WAY_MAX)
		code = target_poll(target, FULL_POLL_MS, error);
	return code;
}

enum ll_code target_publish(struct target *target, uint8_t type, struct slice key, struct slice json, uint64_t seq,
			    uint32_t index, int64_t time_ms, struct error *error)
{
	struct public_topic *topic = &target->topics[target->topic_of[type]];
	/* As Java's and JavaScript's clients place keys. */
	int32_t partition =
		rd_kafka_msg_partitioner_murmur2_random(NULL, key.at, key.size, topic->partitions, NULL, NULL);
	if (is_there(&topic->last[partition], seq, index)) {
		target->counts.there_already++;
		return LL_OK;
	}
	enum ll_code code = wait_for_room(target, error);
	if (code != LL_OK)
		return code;
	uint64_t number = target->next_sent;
	target->sent[number % UNDER_WAY_MAX] = (struct sent){.seq = seq, .type = type};
	rd_kafka_headers_t *headers = headers_of(target, seq, index);
	for (;;) {
		rd_kafka_resp_err_t err =
			rd_kafka_producev(target->producer.rk, RD_KAFKA_V_TOPIC(topic->name),
					  RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY(key.at, key.size),
					  RD_KAFKA_V_VALUE((void *)json.at, json.size), RD_KAFKA_V_TIMESTAMP(time_ms),
					  RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
					  RD_KAFKA_V_OPAQUE((void *)(uintptr_t)(number + 1)), RD_KAFKA_V_END);
		if (!err)
			break;
		code = err == RD_KAFKA_RESP_ERR__QUEUE_FULL ? target_poll(target, FULL_POLL_MS, error)
							    : outside_fail(&target->producer, err, "publishing", error);
		if (code != LL_OK) {
			rd_kafka_headers_destroy(headers);
			return code;
		}
	}
	target->next_sent++;
	return LL_OK;
}

void target_reached(struct target *target, uint64_t next)
{
	target->next = next;
}

/* Everything before this entry is acknowledged. */
static uint64_t acknowledged(const struct target *target)
{
	return target->first < target->next_sent ? target->sent[target->first % UNDER_WAY_MAX].seq : target->next;
}

static void keep(struct target *target)
{
	struct buffer value = {0};
	struct json_writer writer;
	uint64_t next = acknowledged(target);
	if (target->has_kept && next == target->kept)
		return;
	json_writer_init(&writer, &value, false);
	json_object_begin(&writer);
	json_member_text(&writer, "ledger", target->options->name);
	json_member_uint64(&writer, "run", target->run);
	json_member_uint64(&writer, "next", next);
	json_object_end(&writer);
	rd_kafka_resp_err_t err = rd_kafka_producev(
		target->producer.rk, RD_KAFKA_V_TOPIC(target->options->position_topic), RD_KAFKA_V_PARTITION(0),
		RD_KAFKA_V_KEY(target->ledger, strlen(target->ledger)), RD_KAFKA_V_VALUE(value.at, value.size),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(NULL), RD_KAFKA_V_END);
	if (!err) {
		target->kept = next;
		target->has_kept = true;
	}
	target->kept_at_ms = now_ms();
	buffer_release(&value);
}

enum ll_code target_poll(struct target *target, int timeout_ms, struct error *error)
{
	rd_kafka_poll(target->producer.rk, timeout_ms);
	if (now_ms() - target->kept_at_ms >= KEEP_MS)
		keep(target);
	return check_alive(target, error);
}

enum ll_code target_flush(struct target *target, int timeout_ms, struct error *error)
{
	int64_t deadline = now_ms() + timeout_ms;
	enum ll_code code = LL_OK;
	bool kept = false;
	while (code == LL_OK && (!kept || rd_kafka_outq_len(target->producer.rk) > 0)) {
		if (!kept && target->first == target->next_sent) {
			keep(target);
			kept = true;
		}
		if (now_ms() >= deadline)
			return error_set(error, LL_TIMEOUT, "%s did not acknowledge everything in time",
					 target->outside.brokers);
		rd_kafka_flush(target->producer.rk, FULL_POLL_MS);
		code = check_alive(target, error);
	}
	return code;
}

void target_count(const struct target *target, struct target_counts *counts)
{
	*counts = target->counts;
	counts->under_way = target->next_sent - target->first;
}
