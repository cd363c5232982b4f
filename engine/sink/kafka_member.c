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
	STOP_MS = 3000,   /* the same, once it is told to stop */
	TELL_MS = 10000,
	AGAIN_MS = 1000,
	UNDELIVERED_MS = 5000, /* longer, and brokers are away */
	TOPICS_MAX = 8,
};
#define PENDING_BYTES_MAX ((size_t)32 << 20)

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

static void on_counted(void *context, struct slice statistics)
{
	struct member *member = context;
	member->away = brokers_away(&member->brokers, statistics);
}

/* Brokers that go away in the middle of work are waited for; it is told at once. */
static void look_for_brokers(struct member *member)
{
	char *told = member->standing.away, was = told[0];
	const char *away = member->away;
	if (!away && member->undelivered && outside_now_ms() - member->delivered_ms > UNDELIVERED_MS)
		away = "replies or dead letters are not acknowledged";
	told[0] = 0;
	if (away)
		snprintf(told, sizeof member->standing.away, "the brokers of %s do not answer: %s",
			 member->options->outside.brokers, away);
	if (away && !was)
		log_warn(member_event(member, "brokers.away"), LOG_TEXT("reason", told));
	if (was && !away)
		log_info(member_event(member, "brokers.back"));
}

void member_show(struct member *member)
{
	look_for_brokers(member);
	member->standing.waiting = member->pending_count;
	member->standing.oldest_ms = oldest_ms(member);
	member_board_post(member->options->board, &member->standing);
}

/* ---- what is sent ---- */

static void on_delivered(void *context, const rd_kafka_message_t *message)
{
	struct member *member = context;
	member->undelivered--;
	member->delivered_ms = outside_now_ms();
	if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
		const char *topic = rd_kafka_topic_name(message->rkt), *brokers = member->options->outside.brokers;
		member->send_failed =
			error_set(&member->failure, LL_TOO_LARGE,
				  "the topic %s does not take a record of %zu bytes: kafka-configs.sh "
				  "--bootstrap-server %s --alter --topic %s --add-config max.message.bytes=%d",
				  topic, message->len, brokers, topic, OUTSIDE_RECORD_BYTES_MAX);
	} else if (message->err) {
		member->send_failed = outside_fail(&member->producer, message->err, "writing replies or dead letters",
						   &member->failure);
	}
}

/* How long brokers are waited for that might not answer. */
static int64_t patience_ms(const struct member *member, int64_t ms)
{
	return atomic_load(member->options->stop) && ms > STOP_MS ? STOP_MS : ms;
}

/* Waits until all that was sent is acknowledged. false: some is not. */
static bool flush(struct member *member, int64_t ms)
{
	int64_t began = outside_now_ms();
	while (member->undelivered && member->send_failed == LL_OK &&
	       outside_now_ms() - began < patience_ms(member, ms))
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
	if (!member->undelivered++)
		member->delivered_ms = outside_now_ms();
	rd_kafka_poll(member->producer.rk, 0);
	return LL_OK;
}

enum ll_code member_bury(struct member *member, const rd_kafka_message_t *message, const struct letter_why *given,
			 struct error *error)
{
	struct letter_why why = *given;
	why.group = member->options->group;
	struct letter_parts letter = letter_of(message, &why, (size_t)member->letter_bytes);
	enum ll_code code =
		member_send(member, member->options->letters, 0, letter.key, letter.value, letter.headers, error);
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

/* The client alone would wait for the group's coordinator for a minute. */
static rd_kafka_resp_err_t commit_and_wait(struct member *member)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(member->consumer.rk);
	rd_kafka_resp_err_t err = rd_kafka_commit_queue(member->consumer.rk, NULL, queue, NULL, NULL);
	rd_kafka_event_t *event = NULL;
	int64_t began = outside_now_ms();
	while (!err && !event && outside_now_ms() - began < patience_ms(member, FLUSH_MS))
		event = rd_kafka_queue_poll(queue, SERVE_MS);
	if (!err)
		err = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	return err;
}

/* false: no answer came. */
static bool commit(struct member *member, bool wait)
{
	member->committed_ms = outside_now_ms();
	if (!flush(member, wait ? FLUSH_MS : COMMIT_MS))
		return false;
	rd_kafka_resp_err_t err = wait ? commit_and_wait(member) : rd_kafka_commit(member->consumer.rk, NULL, true);
	if (err && err != RD_KAFKA_RESP_ERR__NO_OFFSET)
		log_warn(member_event(member, "commit.failed"), LOG_TEXT("reason", rd_kafka_err2str(err)));
	return err != RD_KAFKA_RESP_ERR__TIMED_OUT;
}

static void on_rebalanced(void *context, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions)
{
	struct member *member = context;
	bool given = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
	log_info(member_event(member, given ? "given" : "taken.away"), LOG_NUMBER("partitions", partitions->cnt));
	if (!given) {
		if (!member->leaving)
			(void)commit(member, true);
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
	if (outside_now_ms() - member->committed_ms >= COMMIT_MS)
		(void)commit(member, false);
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
	int64_t deadline = outside_now_ms() + ms;
	while (!member_is_over(member)) {
		int64_t left = deadline - outside_now_ms();
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
		if (outside_now_ms() - member->told_ms >= TELL_MS) {
			member->told_ms = outside_now_ms();
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
	struct topic_found found[TOPICS_MAX] = {{0}};
	int partitions;
	ENSURE(options->topics_count <= TOPICS_MAX);
	enum ll_code code = outside_open(&member->producer, &options->outside, OUTSIDE_PRODUCER, NULL, error);
	member->has_producer = code == LL_OK;
	if (code == LL_OK)
		code = topic_await(&member->producer, options->topic, &partitions, error);
	if (code == LL_OK)
		code = topics_prepare(&member->producer, options->topics, options->topics_count, options->replication,
				      found, error);
	for (size_t i = 0; i < options->topics_count && code == LL_OK; i++)
		if (strcmp(options->topics[i].name, options->letters) == 0)
			member->letter_bytes = found[i].record_bytes;
	return code;
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

static void say_farewell(struct member *member)
{
	rd_kafka_t *rk = member->consumer.rk;
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	int64_t began = outside_now_ms();
	rd_kafka_error_destroy(rd_kafka_consumer_close_queue(rk, queue));
	while (!rd_kafka_consumer_closed(rk) && outside_now_ms() - began < patience_ms(member, FLUSH_MS)) {
		rd_kafka_event_t *event = rd_kafka_queue_poll(queue, OUTSIDE_LOOK_MS);
		if (event && rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
			on_rebalanced(member, rd_kafka_event_error(event), rd_kafka_event_topic_partition_list(event));
		rd_kafka_event_destroy(event);
	}
	rd_kafka_queue_destroy(queue);
}

/* Commits, and leaves the group: without a word when nobody is there to hear it. */
static void leave(struct member *member)
{
	member->leaving = true;
	if (commit(member, true))
		say_farewell(member);
	outside_close(&member->consumer);
	member->away = NULL; /* the next one begins anew */
	member->brokers.bad = 0;
}

static enum ll_code run_once(struct member *member, struct error *error)
{
	member->producer = (struct outside_client){.delivered = on_delivered, .context = member};
	member->consumer =
		(struct outside_client){.rebalanced = on_rebalanced, .counted = on_counted, .context = member};
	member->lost = member->paused = member->overflowed = member->leaving = false;
	member->has_consumer = member->has_producer = false;
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
	if (member->has_consumer)
		leave(member);
	if (member->has_producer)
		outside_close(&member->producer);
	return code;
}

static enum ll_code run_on(struct member *member, struct error *error)
{
	const struct member_options *options = member->options;
	int64_t too_large = -1; /* what letters could have when something was too large for its topic */
	member->told_ms = outside_now_ms();
	for (;;) {
		enum ll_code code = run_once(member, error);
		/* The topic may have come to take less than it did at the start: that is asked for again. */
		bool again = code == LL_UNAVAILABLE || (code == LL_TOO_LARGE && member->letter_bytes != too_large);
		if (code == LL_TOO_LARGE)
			too_large = member->letter_bytes;
		member->standing.restarts += again;
		if (code != LL_OK)
			memcpy(member->standing.failing, error->text, sizeof member->standing.failing);
		member_show(member);
		if (!again)
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

enum ll_code member_run(struct member *member, const struct member_options *options, struct error *error)
{
	member->options = options;
	enum ll_code code = run_on(member, error);
	brokers_release(&member->brokers);
	return code;
}
