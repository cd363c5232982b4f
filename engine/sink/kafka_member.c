#include "engine/sink/kafka_member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/log/log.h"
#include "engine/sink/alert.h"
#include "schemas/wire/ensure.h"

enum {
	SERVE_MS = 100,
	DOWN_AFTER = 3, /* tries in a row without a useful answer */
	BACK_OFF_MS = 100,
	COMMIT_MS = 500,
	FLUSH_MS = 10000, /* how long the end, or a partition that is taken away, waits for acknowledgements */
	TELL_MS = 10000,
	AGAIN_MS = 1000,
	TOPICS_MAX = 8,
};
#define PENDING_BYTES_MAX ((size_t)32 << 20)

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *member_event(struct member *member, const char *what)
{
	snprintf(member->event, sizeof member->event, "%s.%s", member->options->name, what);
	return member->event;
}

bool member_is_over(const struct member *member)
{
	return member->lost || member->overflowed || member->send_failed != LL_OK || atomic_load(member->options->stop);
}

/* ---- how it stands ---- */

static int64_t oldest_ms(const struct member *member)
{
	int64_t oldest = 0;
	for (size_t i = 0; i < member->pending_count; i++) {
		rd_kafka_timestamp_type_t type;
		int64_t time = rd_kafka_message_timestamp(member->pending[i].message, &type);
		if (time > 0 && (!oldest || time < oldest))
			oldest = time;
	}
	return oldest;
}

void member_show(struct member *member)
{
	member->standing.waiting = member->pending_count;
	member->standing.oldest_ms = oldest_ms(member);
	member_board_post(member->options->board, &member->standing);
}

/* ---- what is sent ---- */

static void on_delivered(void *context, const rd_kafka_message_t *message)
{
	struct member *member = context;
	member->undelivered--;
	if (message->err)
		member->send_failed = outside_fail(&member->producer, message->err, "writing replies or dead letters",
						   &member->failure);
}

/* Waits until all that was sent is acknowledged. false: some is not. */
static bool flush(struct member *member, int64_t ms)
{
	int64_t deadline = now_ms() + ms;
	while (member->undelivered && member->send_failed == LL_OK && now_ms() < deadline)
		rd_kafka_poll(member->producer.rk, SERVE_MS);
	return member->undelivered == 0 && member->send_failed == LL_OK;
}

enum ll_code member_send(struct member *member, const char *topic, int32_t partition, struct slice key,
			 struct slice value, rd_kafka_headers_t *headers, struct error *error)
{
	rd_kafka_resp_err_t err;
	for (;;) {
		err = rd_kafka_producev(member->producer.rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
					RD_KAFKA_V_KEY(key.at, key.size),
					RD_KAFKA_V_VALUE((void *)value.at, value.size), RD_KAFKA_V_HEADERS(headers),
					RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL || member_is_over(member))
			break;
		rd_kafka_poll(member->producer.rk, SERVE_MS);
	}
	if (err) {
		rd_kafka_headers_destroy(headers);
		return outside_fail(&member->producer, err, "writing replies or dead letters", error);
	}
	member->undelivered++;
	rd_kafka_poll(member->producer.rk, 0);
	return LL_OK;
}

enum ll_code member_bury(struct member *member, const rd_kafka_message_t *message, const struct letter_why *given,
			 struct error *error)
{
	struct letter_why why = *given;
	struct slice value;
	why.group = member->options->group;
	rd_kafka_headers_t *headers = letter_headers(message, &why, &value);
	enum ll_code code = member_send(member, member->options->letters, 0, slice_of(message->key, message->key_len),
					value, headers, error);
	if (code != LL_OK)
		return code;
	member->lettered++;
	log_warn(member_event(member, "dead.letter"), LOG_TEXT("topic", rd_kafka_topic_name(message->rkt)),
		 LOG_NUMBER("partition", message->partition), LOG_NUMBER("offset", message->offset),
		 LOG_NUMBER("attempts", why.attempts), LOG_TEXT("reason", why.reason),
		 LOG_TEXT("waitsIn", member->options->letters));
	alert_run(member->options->alert, "dead-letter", why.reason);
	return LL_OK;
}

/* ---- the group ---- */

static void commit(struct member *member, bool wait)
{
	member->committed_ms = now_ms();
	if (!flush(member, wait ? FLUSH_MS : COMMIT_MS))
		return;
	rd_kafka_resp_err_t err = rd_kafka_commit(member->consumer.rk, NULL, !wait);
	if (err && err != RD_KAFKA_RESP_ERR__NO_OFFSET)
		log_warn(member_event(member, "commit.failed"), LOG_TEXT("reason", rd_kafka_err2str(err)));
}

static void on_rebalanced(void *context, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions)
{
	struct member *member = context;
	bool given = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
	log_info(member_event(member, given ? "given" : "taken.away"), LOG_NUMBER("partitions", partitions->cnt));
	if (!given) {
		commit(member, true);
		member->lost = true;
		member->stale = member->pending_count;
	}
	rd_kafka_assign(member->consumer.rk, given ? partitions : NULL);
	member->standing.partitions = given ? (unsigned)partitions->cnt : 0;
	if (given)
		rd_kafka_resume_partitions(member->consumer.rk, partitions);
	member->paused = false;
}

static bool is_full(const struct member *member)
{
	return member->pending_count >= member->options->pending_max || member->pending_bytes >= PENDING_BYTES_MAX;
}

static void pause_all(struct member *member, bool pause)
{
	rd_kafka_topic_partition_list_t *all = NULL;
	if (member->paused == pause || rd_kafka_assignment(member->consumer.rk, &all))
		return;
	if (pause)
		rd_kafka_pause_partitions(member->consumer.rk, all);
	else
		rd_kafka_resume_partitions(member->consumer.rk, all);
	rd_kafka_topic_partition_list_destroy(all);
	member->paused = pause;
}

static void drop(struct member *member, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		member->pending_bytes -= member->pending[i].message->len;
		rd_kafka_message_destroy(member->pending[i].message);
	}
	member->pending_count -= count;
	memmove(member->pending, member->pending + count, member->pending_count * sizeof *member->pending);
}

void member_settle(struct member *member, size_t count)
{
	if (member->lost)
		return;
	for (size_t i = 0; i < count; i++) {
		const rd_kafka_message_t *message = member->pending[i].message;
		rd_kafka_offset_store(message->rkt, message->partition, message->offset);
	}
	drop(member, count);
}

bool member_serve(struct member *member, int timeout_ms)
{
	rd_kafka_message_t *message = rd_kafka_consumer_poll(member->consumer.rk, timeout_ms);
	rd_kafka_poll(member->producer.rk, 0);
	if (now_ms() - member->committed_ms >= COMMIT_MS)
		commit(member, false);
	if (!message)
		return false;
	if (!message->err && member->pending_count < MEMBER_PENDING_ROOM) {
		member->pending[member->pending_count++] = (struct member_pending){.message = message};
		member->pending_bytes += message->len;
		return true;
	}
	if (!message->err)
		member->overflowed = true; /* everything is begun anew from what is committed */
	else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
		log_warn(member_event(member, "poll.failed"), LOG_TEXT("reason", rd_kafka_message_errstr(message)));
	rd_kafka_message_destroy(message);
	return false;
}

void member_wait(struct member *member, int64_t ms)
{
	int64_t deadline = now_ms() + ms;
	while (!member_is_over(member)) {
		int64_t left = deadline - now_ms();
		member_show(member);
		if (left <= 0)
			return;
		if (is_full(member))
			pause_all(member, true);
		member_serve(member, left < SERVE_MS ? (int)left : SERVE_MS);
	}
}

/* ---- the other side ---- */

int64_t member_back_off(unsigned attempts, int64_t ms_max, int64_t asked_ms)
{
	int64_t wait = BACK_OFF_MS;
	while (attempts-- > 1 && wait < ms_max)
		wait *= 2;
	if (wait > ms_max)
		wait = ms_max;
	wait = wait / 2 + arc4random_uniform((uint32_t)(wait / 2 + 1));
	return asked_ms > wait ? asked_ms : wait;
}

static const char *way(struct member *member, const char *way, char room[32])
{
	snprintf(room, 32, "%s.%s", member->options->other_side, way);
	return room;
}

void member_answered(struct member *member, const char *who)
{
	char room[32];
	member->failures = 0;
	if (!member->standing.down)
		return;
	member->standing.down = false;
	log_info(member_event(member, way(member, "up", room)), LOG_TEXT("url", who));
	alert_run(member->options->alert, room, who);
}

void member_failed(struct member *member, const char *who, const char *reason)
{
	char room[32];
	member->standing.again++;
	if (++member->failures < DOWN_AFTER || member->standing.down)
		return;
	member->standing.down = true;
	log_error(member_event(member, way(member, "down", room)), LOG_TEXT("url", who), LOG_TEXT("reason", reason));
	alert_run(member->options->alert, room, reason);
}

/* ---- its life ---- */

static enum ll_code consume(struct member *member, struct error *error)
{
	const struct member_options *options = member->options;
	enum ll_code code = LL_OK;
	while (code == LL_OK && !member->overflowed && member->send_failed == LL_OK && !atomic_load(options->stop)) {
		if (member->lost) {
			drop(member, member->stale);
			member->lost = false;
		}
		if (!is_full(member))
			pause_all(member, false);
		member_serve(member, member->pending_count ? 0 : SERVE_MS);
		if (now_ms() - member->told_ms >= TELL_MS) {
			member->told_ms = now_ms();
			options->tell(options->context);
		}
		member_show(member);
		if (member->pending_count && !member->lost)
			code = options->work(options->context, error);
	}
	if (code == LL_OK && member->send_failed != LL_OK)
		code = error_set(error, member->send_failed, "%s", member->failure.text);
	if (code == LL_OK && member->overflowed)
		code = error_set(error, LL_UNAVAILABLE, "more was sent than was asked for");
	return code;
}

static enum ll_code prepare(struct member *member, struct error *error)
{
	const struct member_options *options = member->options;
	int partitions[TOPICS_MAX] = {0};
	ENSURE(options->topics_count <= TOPICS_MAX);
	enum ll_code code = outside_open(&member->producer, &options->outside, OUTSIDE_PRODUCER, NULL, error);
	member->has_producer = code == LL_OK;
	/* What was just made is not known to every broker at once. */
	for (int tries = 0; code == LL_OK && tries < 40; tries++) {
		code = topic_partitions(&member->producer, options->topic, partitions, error);
		if (code != LL_NOT_FOUND || atomic_load(options->stop))
			break;
		rd_kafka_poll(member->producer.rk, 50);
		if (tries < 39)
			code = LL_OK;
	}
	return code == LL_OK ? topics_prepare(&member->producer, options->topics, options->topics_count,
					      options->replication, partitions, error)
			     : code;
}

static enum ll_code join(struct member *member, struct error *error)
{
	const struct member_options *options = member->options;
	enum ll_code code = outside_open(&member->consumer, &options->outside, OUTSIDE_MEMBER, options->group, error);
	member->has_consumer = code == LL_OK;
	if (code != LL_OK)
		return code;
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(topics, options->topic, RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t err = rd_kafka_subscribe(member->consumer.rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	return err ? outside_fail(&member->consumer, err, "joining the group", error) : LL_OK;
}

static enum ll_code run_once(struct member *member, struct error *error)
{
	member->producer = (struct outside_client){.delivered = on_delivered, .context = member};
	member->consumer = (struct outside_client){.rebalanced = on_rebalanced, .context = member};
	member->lost = member->paused = member->overflowed = member->has_consumer = member->has_producer = false;
	member->undelivered = 0;
	member->send_failed = LL_OK;
	enum ll_code code = prepare(member, error);
	if (code == LL_OK)
		code = join(member, error);
	if (code == LL_OK) {
		member->standing.failing[0] = 0;
		member->options->begins(member->options->context);
		code = consume(member, error);
	}
	drop(member, member->pending_count);
	if (member->has_consumer) {
		commit(member, true);
		rd_kafka_consumer_close(member->consumer.rk);
		outside_close(&member->consumer);
	}
	if (member->has_producer)
		outside_close(&member->producer);
	return code;
}

enum ll_code member_run(struct member *member, const struct member_options *options, struct error *error)
{
	member->options = options;
	member->told_ms = now_ms();
	for (;;) {
		enum ll_code code = run_once(member, error);
		member->standing.restarts += code == LL_UNAVAILABLE;
		if (code != LL_OK)
			memcpy(member->standing.failing, error->text, sizeof member->standing.failing);
		member_show(member);
		if (code != LL_UNAVAILABLE)
			return code;
		if (!atomic_load(options->stop))
			log_warn(member_event(member, "begins.again"), LOG_TEXT("reason", error->text));
		for (int waited = 0; waited < AGAIN_MS && !atomic_load(options->stop); waited += SERVE_MS) {
			struct timespec pause = {.tv_nsec = SERVE_MS * 1000000L};
			nanosleep(&pause, NULL);
		}
		if (atomic_load(options->stop))
			return LL_OK; /* nothing that is not committed is lost */
	}
}
