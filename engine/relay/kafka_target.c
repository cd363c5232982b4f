#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/log/log.h"
#include "engine/relay/kafka_client.h"
#include "engine/relay/kafka_position.h"
#include "engine/relay/target.h"
#include "schemas/wire/ensure.h"

enum {
	PARTITIONS = 3,
	UNDER_WAY_MAX = 8192,
	UNDER_WAY_BYTES_MAX = 16 << 20, /* less than the client's queue takes */
	/* A transaction that could go on is committed after this many times what the last commit took: so commits take a fifth of the time. */
	COMMIT_SHARE = 4,
	COMMIT_MS_LEAST = 5,
	COMMIT_MS_MOST = 200,
	KEEP_MS = 1000,
	SIGN_OF_LIFE_MS = 3000,
	QUIET_MS = 10000, /* without a sign of life another relay is taken for gone */
	BEGIN_MS = 30000, /* for taking over */
	SLICE_MS = 100,
	FULL_POLL_MS = 10,
};
_Static_assert(QUIET_MS > 3 * SIGN_OF_LIFE_MS, "a relay that lives is not taken for gone");

const uint32_t target_delay_bounds_ms[TARGET_DELAYS - 1] = {2,    5,    10,   20,    50,    100,   200,   500,
							    1000, 2000, 5000, 10000, 30000, 60000, 600000};

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

/* An event of the open transaction. */
struct sent {
	int64_t time_ms;
	uint8_t type;
};

struct target {
	const struct target_options *options;
	struct outside outside;
	struct outside_client producer, reader;
	bool has_producer, has_reader;
	struct public_topic topics[PUBLIC_TYPES_COUNT]; /* each name once */
	unsigned topics_count;
	uint8_t topic_of[PUBLIC_TYPES_COUNT];
	struct sent *sent;
	unsigned sent_count;
	size_t sent_bytes;
	bool open, committing;
	int64_t opened_ms, commit_ms_last;
	uint64_t next;                      /* handed over */
	struct kept_position kept, in_kept; /* in_kept: in the open transaction */
	bool keeps;
	int64_t kept_at_ms;
	struct target_counts counts;
	struct error dead; /* code LL_OK: it lives */
	char ledger[UUID_TEXT_SIZE];
};

static int64_t now_ms(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- reading back ---- */

struct reading {
	struct target *target;
	struct topic_end *ends;
	unsigned *topics; /* by end: index of its topic */
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
static bool read_public(void *context, size_t index, const rd_kafka_message_t *message)
{
	struct reading *reading = context;
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

/* Which run goes on, and from where. */
static void settle(struct target *target)
{
	struct kept_position *kept = &target->kept;
	uint64_t run = kept->run;
	for (unsigned i = 0; i < target->topics_count; i++)
		for (int p = 0; p < target->topics[i].partitions; p++)
			if (target->topics[i].last[p].any && target->topics[i].last[p].run > run)
				run = target->topics[i].last[p].run;
	/* A run that was begun and whose position was never kept is begun anew, from what its records say. */
	target->next = kept->any && kept->run == run ? kept->next : 0;
	if (target->options->again) {
		run++;
		target->next = target->options->from;
	}
	kept->run = run;
	kept->next = target->next;
	for (unsigned i = 0; i < target->topics_count; i++)
		for (int p = 0; p < target->topics[i].partitions; p++)
			if (target->topics[i].last[p].run != run)
				target->topics[i].last[p].any = false;
}

static enum ll_code read_back(struct target *target, struct error *error)
{
	struct reading reading = {.target = target};
	size_t count = 0;
	for (unsigned i = 0; i < target->topics_count; i++)
		count += (size_t)target->topics[i].partitions;
	ENSURE(count > 0);
	reading.ends = calloc(count, sizeof *reading.ends);
	reading.topics = calloc(count, sizeof *reading.topics);
	ENSURE(reading.ends && reading.topics);
	size_t at = 0;
	for (unsigned i = 0; i < target->topics_count; i++)
		for (int p = 0; p < target->topics[i].partitions; p++, at++) {
			reading.ends[at] = (struct topic_end){.topic = target->topics[i].name, .partition = p};
			reading.topics[at] = i;
		}
	enum ll_code code = topic_ends_read(&target->reader, reading.ends, count, true, read_public, &reading, error);
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
	struct topic_found found[PUBLIC_TYPES_COUNT + 1] = {{0}};
	unsigned count = target->topics_count;
	for (unsigned i = 0; i < count; i++)
		wanted[i] = (struct topic_wanted){.name = target->topics[i].name, .partitions = PARTITIONS};
	wanted[count] =
		(struct topic_wanted){.name = target->options->position_topic, .partitions = 1, .compacted = true};
	enum ll_code code =
		topics_prepare(&target->producer, wanted, count + 1, target->options->replication, found, error);
	for (unsigned i = 0; i < count && code == LL_OK; i++) {
		target->topics[i].partitions = found[i].partitions;
		target->topics[i].last = calloc((size_t)found[i].partitions, sizeof *target->topics[i].last);
		ENSURE(target->topics[i].last);
	}
	return code;
}

/* Only failures are of interest: what was delivered counts once it is committed. */
static void on_delivered(void *context, const rd_kafka_message_t *message)
{
	struct target *target = context;
	bool purged =
		message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
	if (message->err && !purged && target->dead.code == LL_OK)
		outside_fail(&target->producer, message->err, "publishing", &target->dead);
}

static enum ll_code check_alive(struct target *target, struct error *error)
{
	char reason[OUTSIDE_TEXT_MAX];
	rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(target->producer.rk, reason, sizeof reason);
	if (fatal && target->dead.code != LL_BUSY)
		outside_fail(&target->producer, fatal, "publishing", &target->dead);
	return target->dead.code == LL_OK ? LL_OK : error_set(error, target->dead.code, "%s", target->dead.text);
}

/* ---- transactions ---- */

/* What a call of transactions answered, which is let go of. LL_TIMEOUT: call again. */
static enum ll_code judge(struct target *target, rd_kafka_error_t *failed, const char *what, struct error *error)
{
	if (!failed)
		return LL_OK;
	rd_kafka_resp_err_t err = rd_kafka_error_code(failed);
	bool again = rd_kafka_error_is_retriable(failed) || err == RD_KAFKA_RESP_ERR__TIMED_OUT;
	rd_kafka_error_destroy(failed);
	if (again)
		return error_set(error, LL_TIMEOUT, "%s did not answer in time", target->outside.brokers);
	if (check_alive(target, error) != LL_OK)
		return error->code;
	outside_fail(&target->producer, err, what, &target->dead);
	return error_set(error, target->dead.code, "%s", target->dead.text);
}

static enum ll_code begin(struct target *target, struct error *error)
{
	if (target->open)
		return LL_OK;
	enum ll_code code =
		judge(target, rd_kafka_begin_transaction(target->producer.rk), "beginning a transaction", error);
	target->open = code == LL_OK;
	target->opened_ms = now_ms(CLOCK_MONOTONIC);
	return code;
}

/* Into the open transaction: all that was handed over is there once it is committed. */
static enum ll_code keep(struct target *target, const char *by, struct error *error)
{
	struct buffer value = {0};
	target->in_kept = target->kept;
	target->in_kept.next = target->next;
	snprintf(target->in_kept.by, sizeof target->in_kept.by, "%s", by);
	position_write(&target->in_kept, target->options->name, &value);
	rd_kafka_resp_err_t err = rd_kafka_producev(
		target->producer.rk, RD_KAFKA_V_TOPIC(target->options->position_topic), RD_KAFKA_V_PARTITION(0),
		RD_KAFKA_V_KEY(target->ledger, strlen(target->ledger)), RD_KAFKA_V_VALUE(value.at, value.size),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
	buffer_release(&value);
	target->keeps = !err;
	return err ? outside_fail(&target->producer, err, "keeping the position", error) : LL_OK;
}

static void committed(struct target *target, int64_t began_ms)
{
	struct target_counts *counts = &target->counts;
	int64_t now = now_ms(CLOCK_REALTIME);
	for (unsigned i = 0; i < target->sent_count; i++) {
		const struct sent *sent = &target->sent[i];
		int64_t delay = now > sent->time_ms ? now - sent->time_ms : 0;
		unsigned bucket = 0;
		while (bucket < TARGET_DELAYS - 1 && delay > target_delay_bounds_ms[bucket])
			bucket++;
		counts->delays[bucket]++;
		counts->delay_ms_sum += (uint64_t)delay;
		counts->published[sent->type]++;
	}
	counts->transactions++;
	target->commit_ms_last = now_ms(CLOCK_MONOTONIC) - began_ms;
	target->sent_count = 0;
	target->sent_bytes = 0;
	target->open = target->committing = false;
	if (target->keeps)
		target->kept = target->in_kept;
	target->keeps = false;
}

enum ll_code target_commit(struct target *target, int timeout_ms, struct error *error)
{
	int64_t began_ms = now_ms(CLOCK_MONOTONIC);
	enum ll_code code = check_alive(target, error);
	if (code != LL_OK || !target->open)
		return code;
	if (!target->committing && !target->keeps && began_ms - target->kept_at_ms >= KEEP_MS)
		code = keep(target, target->options->self, error);
	if (code != LL_OK)
		return code;
	if (target->keeps)
		target->kept_at_ms = began_ms;
	target->committing = true;
	code = judge(target, rd_kafka_commit_transaction(target->producer.rk, timeout_ms), "committing", error);
	if (code == LL_OK)
		committed(target, began_ms);
	return code;
}

static enum ll_code commit_until(struct target *target, int64_t deadline, const atomic_bool *stop, struct error *error)
{
	enum ll_code code;
	do
		code = target_commit(target, SLICE_MS, error);
	while (code == LL_TIMEOUT && now_ms(CLOCK_MONOTONIC) < deadline && !(stop && atomic_load(stop)));
	return code;
}

/* Commits with a position that names `by`, whatever is open. */
static enum ll_code commit_position(struct target *target, const char *by, int64_t deadline, const atomic_bool *stop,
				    struct error *error)
{
	enum ll_code code = begin(target, error);
	if (code == LL_OK)
		code = keep(target, by, error);
	return code == LL_OK ? commit_until(target, deadline, stop, error) : code;
}

/* At the start: that this one is at work. */
static enum ll_code commit_self(struct target *target, struct error *error)
{
	return commit_position(target, target->options->self, now_ms(CLOCK_MONOTONIC) + OUTSIDE_ASK_MS,
			       target->options->stop, error);
}

/* ---- opening ---- */

/* Does another relay show that it is at work? */
static enum ll_code judge_rival(const struct target_options *options, const struct kept_position *kept,
				struct error *error)
{
	struct target_rival *rival = options->rival;
	int64_t now = now_ms(CLOCK_MONOTONIC);
	if (!*kept->by || strcmp(kept->by, options->self) == 0)
		return LL_OK;
	if (strcmp(rival->by, kept->by) != 0 || rival->offset != kept->offset) {
		memcpy(rival->by, kept->by, sizeof rival->by);
		rival->offset = kept->offset;
		rival->seen_ms = now;
	}
	if (now - rival->seen_ms >= QUIET_MS)
		return LL_OK;
	return error_set(error, LL_BUSY, "another relay of this ledger and prefix is at work: %s, as %s tells",
			 kept->by, options->position_topic);
}

enum ll_code target_look(const struct target_options *options, struct error *error)
{
	struct outside outside = {options->brokers, options->settings, options->settings_count, options->stop};
	struct outside_client reader = {0};
	struct kept_position kept;
	char ledger[UUID_TEXT_SIZE];
	uuid_text(ledger, options->ledger);
	enum ll_code code = outside_open(&reader, &outside, OUTSIDE_READER, NULL, error);
	if (code != LL_OK)
		return code;
	code = position_read(&reader, options->position_topic, ledger, &kept, error);
	outside_close(&reader);
	return code == LL_OK ? judge_rival(options, &kept, error) : code;
}

/* From here on whatever an older relay sends is refused, and what it had not committed is undone. */
static enum ll_code take_over(struct target *target, struct error *error)
{
	int64_t deadline = now_ms(CLOCK_MONOTONIC) + BEGIN_MS;
	enum ll_code code;
	do
		code = judge(target, rd_kafka_init_transactions(target->producer.rk, SLICE_MS * 5),
			     "taking the public topics over", error);
	while (code == LL_TIMEOUT && !atomic_load(target->options->stop) && now_ms(CLOCK_MONOTONIC) < deadline);
	if (code == LL_TIMEOUT)
		return error_set(
			error, LL_UNAVAILABLE,
			"%s did not let a transactional producer begin in time: they are away, or have no topic "
			"__transaction_state (on fewer than three brokers: transaction.state.log.replication.factor "
			"and transaction.state.log.min.isr)",
			target->outside.brokers);
	if (code == LL_OK)
		code = position_read(&target->reader, target->options->position_topic, target->ledger, &target->kept,
				     error);
	target->next = target->kept.next;
	/* At once, so that the older one finds who it was. */
	return code == LL_OK ? commit_self(target, error) : code;
}

static enum ll_code open_clients(struct target *target, struct error *error)
{
	char id[OUTSIDE_TOPIC_MAX + UUID_TEXT_SIZE + 2];
	snprintf(id, sizeof id, "%.*s.%s", OUTSIDE_TOPIC_MAX, target->options->position_topic, target->ledger);
	target->producer.delivered = on_delivered;
	target->producer.context = target;
	enum ll_code code = outside_open(&target->producer, &target->outside, OUTSIDE_TRANSACTOR, id, error);
	target->has_producer = code == LL_OK;
	if (code == LL_OK)
		code = outside_open(&target->reader, &target->outside, OUTSIDE_READER, NULL, error);
	target->has_reader = code == LL_OK && target->has_producer;
	return code;
}

static void close_reader(struct target *target)
{
	if (!target->has_reader)
		return;
	outside_close(&target->reader);
	target->has_reader = false;
}

enum ll_code target_open(const struct target_options *options, struct target **opened, struct error *error)
{
	struct target *target = calloc(1, sizeof *target);
	ENSURE(target);
	target->options = options;
	target->outside = (struct outside){options->brokers, options->settings, options->settings_count, options->stop};
	target->sent = calloc(UNDER_WAY_MAX, sizeof *target->sent);
	ENSURE(target->sent);
	uuid_text(target->ledger, options->ledger);
	name_topics(target);
	enum ll_code code = open_clients(target, error);
	if (code == LL_OK)
		code = prepare_topics(target, error);
	if (code == LL_OK)
		code = take_over(target, error);
	if (code == LL_OK)
		code = read_back(target, error);
	if (code == LL_OK) {
		bool had_position = target->kept.any;
		settle(target);
		/* Before anything of a new run is there. */
		if (options->again || !had_position)
			code = commit_self(target, error);
	}
	close_reader(target);
	if (code == LL_OK)
		*opened = target;
	else
		target_close(target);
	return code == LL_TIMEOUT ? error_set(error, LL_UNAVAILABLE, "%s did not answer in time", options->brokers)
				  : code;
}

void target_close(struct target *target)
{
	if (!target)
		return;
	close_reader(target);
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

static rd_kafka_headers_t *headers_of(const struct target *target, uint64_t seq, uint32_t index)
{
	char text[32];
	rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
	rd_kafka_header_add(headers, "ledger-uuid", -1, target->ledger, -1);
	snprintf(text, sizeof text, "0:%" PRIu64, seq);
	rd_kafka_header_add(headers, "ledger-position", -1, text, -1);
	snprintf(text, sizeof text, "%" PRIu32, index);
	rd_kafka_header_add(headers, "ledger-index", -1, text, -1);
	snprintf(text, sizeof text, "%" PRIu64, target->kept.run);
	rd_kafka_header_add(headers, "ledger-run", -1, text, -1);
	return headers;
}

static bool is_there(const struct reached *last, uint64_t seq, uint32_t index)
{
	return last->any && (seq < last->seq || (seq == last->seq && index <= last->index));
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
	ENSURE(target->sent_count < UNDER_WAY_MAX && !target->committing);
	enum ll_code code = begin(target, error);
	if (code != LL_OK)
		return code;
	target->sent[target->sent_count] = (struct sent){.time_ms = time_ms, .type = type};
	rd_kafka_headers_t *headers = headers_of(target, seq, index);
	for (;;) {
		rd_kafka_resp_err_t err = rd_kafka_producev(
			target->producer.rk, RD_KAFKA_V_TOPIC(topic->name), RD_KAFKA_V_PARTITION(partition),
			RD_KAFKA_V_KEY(key.at, key.size), RD_KAFKA_V_VALUE((void *)json.at, json.size),
			RD_KAFKA_V_TIMESTAMP(time_ms), RD_KAFKA_V_HEADERS(headers),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
		if (!err)
			break;
		if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
			rd_kafka_poll(target->producer.rk, FULL_POLL_MS);
			code = check_alive(target, error);
		} else if (check_alive(target, error) != LL_OK) {
			code = error->code;
		} else {
			code = outside_fail(&target->producer, err, "publishing", error);
		}
		if (code != LL_OK) {
			rd_kafka_headers_destroy(headers);
			return code;
		}
	}
	target->sent_count++;
	target->sent_bytes += key.size + json.size;
	return LL_OK;
}

void target_reached(struct target *target, uint64_t next)
{
	target->next = next;
}

bool target_is_open(const struct target *target)
{
	return target->open;
}

bool target_is_due(const struct target *target, bool is_late)
{
	int64_t wait_ms = COMMIT_SHARE * target->commit_ms_last;
	if (wait_ms < COMMIT_MS_LEAST)
		wait_ms = COMMIT_MS_LEAST;
	if (wait_ms > COMMIT_MS_MOST)
		wait_ms = COMMIT_MS_MOST;
	return target->sent_count >= UNDER_WAY_MAX / 2 || target->sent_bytes >= UNDER_WAY_BYTES_MAX ||
	       (target->open && !is_late && now_ms(CLOCK_MONOTONIC) - target->opened_ms >= wait_ms);
}

int64_t target_oldest_ms(const struct target *target)
{
	return target->open && target->sent_count ? target->sent[0].time_ms : 0;
}

enum ll_code target_poll(struct target *target, struct error *error)
{
	rd_kafka_poll(target->producer.rk, 0);
	enum ll_code code = check_alive(target, error);
	int64_t now = now_ms(CLOCK_MONOTONIC);
	bool is_due = now - target->kept_at_ms >= (target->next == target->kept.next ? SIGN_OF_LIFE_MS : KEEP_MS);
	if (code != LL_OK || target->open || !is_due)
		return code;
	code = begin(target, error);
	return code == LL_OK ? keep(target, target->options->self, error) : code;
}

enum ll_code target_flush(struct target *target, int timeout_ms, struct error *error)
{
	int64_t deadline = now_ms(CLOCK_MONOTONIC) + timeout_ms;
	enum ll_code code = commit_until(target, deadline, NULL, error);
	return code == LL_OK ? commit_position(target, "", deadline, NULL, error) : code;
}

void target_count(const struct target *target, struct target_counts *counts)
{
	*counts = target->counts;
	counts->under_way = target->sent_count;
}
