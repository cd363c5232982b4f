#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/log/log.h"
#include "engine/sink/alert.h"
#include "engine/sink/kafka_letters.h"
#include "engine/sink/sink.h"
#include "schemas/wire/ensure.h"

enum {
	SERVE_MS = 100,
	PENDING_MAX = 64,    /* then the partitions are paused */
	PENDING_ROOM = 4096, /* what may come in all the same */
	DOWN_AFTER = 3,      /* tries in a row without a useful answer */
	BACK_OFF_MS = 100,
	COMMIT_MS = 500,
	PROGRESS_MS = 10000,
	AGAIN_MS = 1000,
	LETTER_TOPIC_MAX = OUTSIDE_TOPIC_MAX + 8,
};

struct pending {
	rd_kafka_message_t *message;
	bool done; /* it was tried out of turn, and taken */
};

struct sink {
	const struct sink_options *options;
	struct outside outside;
	struct outside_client member, producer;
	bool has_member, has_producer;
	struct poster *poster;
	char letters[LETTER_TOPIC_MAX];
	struct pending pending[PENDING_ROOM]; /* polled, not begun; in their order */
	size_t pending_count;
	bool paused, lost, overflowed; /* lost: partitions were taken away: what was polled belongs to another member */
	unsigned failures;             /* in a row */
	bool letter_written, letter_failed;
	int64_t committed_ms, told_ms;
	struct sink_status status;
	struct error dead; /* of the letters' producer */
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t event_ms(const rd_kafka_message_t *message)
{
	rd_kafka_timestamp_type_t type;
	int64_t time = rd_kafka_message_timestamp(message, &type);
	return time > 0 ? time : 0;
}

/* `at_hand`: the event that is being delivered; NULL: none is. */
static void post_status(struct sink *sink, const rd_kafka_message_t *at_hand)
{
	sink->status.waiting = sink->pending_count + (at_hand != NULL);
	sink->status.at_hand_ms = at_hand ? event_ms(at_hand) : 0;
	sink_board_post(sink->options->board, &sink->status);
}

static bool is_over(const struct sink *sink)
{
	return sink->lost || sink->overflowed || atomic_load(sink->options->stop);
}

/* ---- the group ---- */

static void commit(struct sink *sink, bool wait)
{
	sink->committed_ms = now_ms();
	rd_kafka_resp_err_t err = rd_kafka_commit(sink->member.rk, NULL, !wait);
	if (err && err != RD_KAFKA_RESP_ERR__NO_OFFSET)
		log_warn("sink.commit.failed", LOG_TEXT("reason", rd_kafka_err2str(err)));
}

static void on_rebalanced(void *context, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions)
{
	struct sink *sink = context;
	bool given = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
	log_info(given ? "sink.given" : "sink.taken.away", LOG_NUMBER("partitions", partitions->cnt));
	if (!given) {
		commit(sink, true);
		sink->lost = true;
	}
	rd_kafka_assign(sink->member.rk, given ? partitions : NULL);
	sink->status.partitions = given ? (unsigned)partitions->cnt : 0;
}

static void pause_all(struct sink *sink, bool pause)
{
	rd_kafka_topic_partition_list_t *all = NULL;
	if (sink->paused == pause || rd_kafka_assignment(sink->member.rk, &all))
		return;
	if (pause)
		rd_kafka_pause_partitions(sink->member.rk, all);
	else
		rd_kafka_resume_partitions(sink->member.rk, all);
	rd_kafka_topic_partition_list_destroy(all);
	sink->paused = pause;
}

static void drop_pending(struct sink *sink)
{
	for (size_t i = 0; i < sink->pending_count; i++)
		rd_kafka_message_destroy(sink->pending[i].message);
	sink->pending_count = 0;
}

/* One poll: what comes is pending. */
static void serve(struct sink *sink, int timeout_ms)
{
	rd_kafka_message_t *message = rd_kafka_consumer_poll(sink->member.rk, timeout_ms);
	if (sink->has_producer)
		rd_kafka_poll(sink->producer.rk, 0);
	if (now_ms() - sink->committed_ms >= COMMIT_MS)
		commit(sink, false);
	if (!message)
		return;
	if (message->err) {
		if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
			log_warn("sink.poll.failed", LOG_TEXT("reason", rd_kafka_message_errstr(message)));
		rd_kafka_message_destroy(message);
		return;
	}
	if (sink->pending_count == PENDING_ROOM) {
		sink->overflowed = true; /* everything is begun anew from what is committed */
		rd_kafka_message_destroy(message);
		return;
	}
	sink->pending[sink->pending_count++] = (struct pending){.message = message};
}

static void wait_ms(struct sink *sink, int64_t ms)
{
	int64_t deadline = now_ms() + ms;
	while (!is_over(sink)) {
		int64_t left = deadline - now_ms();
		if (left <= 0)
			return;
		if (sink->pending_count >= PENDING_MAX)
			pause_all(sink, true);
		serve(sink, left < SERVE_MS ? (int)left : SERVE_MS);
	}
}

/* Its offset may be committed. */
static void settle(struct sink *sink, const rd_kafka_message_t *message)
{
	(void)sink;
	rd_kafka_offset_store(message->rkt, message->partition, message->offset);
}

/* ---- dead letters ---- */

static void on_delivered(void *context, const rd_kafka_message_t *message)
{
	struct sink *sink = context;
	sink->letter_written = !message->err;
	sink->letter_failed = message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
	if (message->err)
		outside_fail(&sink->producer, message->err, "writing a dead letter", &sink->dead);
}

static enum ll_code bury(struct sink *sink, const rd_kafka_message_t *message, enum letter_kind kind,
			 const struct post_result *why, unsigned attempts, struct error *error)
{
	struct letter_why letter = {why->reason, sink->options->group, why->status, attempts};
	sink->letter_written = sink->letter_failed = false;
	rd_kafka_resp_err_t err = letter_write(sink->producer.rk, sink->letters, message, &letter, NULL);
	if (err)
		return outside_fail(&sink->producer, err, "writing a dead letter", error);
	while (!sink->letter_written && !sink->letter_failed && !is_over(sink))
		rd_kafka_poll(sink->producer.rk, SERVE_MS), serve(sink, 0);
	if (sink->letter_failed)
		return error_set(error, LL_UNAVAILABLE, "%s", sink->dead.text);
	if (!sink->letter_written)
		return LL_OK;
	sink->status.letters[kind]++;
	log_warn("sink.dead.letter", LOG_TEXT("topic", rd_kafka_topic_name(message->rkt)),
		 LOG_NUMBER("partition", message->partition), LOG_NUMBER("offset", message->offset),
		 LOG_NUMBER("attempts", attempts), LOG_TEXT("reason", why->reason));
	alert_run(sink->options->alert, "dead-letter", why->reason);
	settle(sink, message);
	return LL_OK;
}

/* ---- delivering ---- */

static void endpoint_answers(struct sink *sink)
{
	sink->failures = 0;
	if (!sink->status.down)
		return;
	sink->status.down = false;
	log_info("sink.endpoint.up", LOG_TEXT("url", sink->options->post.url));
	alert_run(sink->options->alert, "endpoint.up", sink->options->post.url);
}

static void endpoint_fails(struct sink *sink, const char *reason)
{
	sink->status.again++;
	if (++sink->failures < DOWN_AFTER || sink->status.down)
		return;
	sink->status.down = true;
	log_error("sink.endpoint.down", LOG_TEXT("url", sink->options->post.url), LOG_TEXT("reason", reason));
	alert_run(sink->options->alert, "endpoint.down", reason);
}

static struct slice key_of(const rd_kafka_message_t *message)
{
	return slice_of(message->key, message->key_len);
}

static void post(struct sink *sink, const char *id, const rd_kafka_message_t *message, struct post_result *result)
{
	poster_post(sink->poster, slice_text(id), slice_of(message->payload, message->len), result);
	if (result->end == POST_AGAIN)
		endpoint_fails(sink, result->reason);
	else
		endpoint_answers(sink);
	sink->status.taken += result->end == POST_TAKEN;
}

/* Is the endpoint well, and only this event is not? Tells by another one, of another key, which it takes or refuses. */
static bool another_passes(struct sink *sink, const rd_kafka_message_t *held)
{
	char id[LETTER_ID_MAX + 1];
	for (size_t i = 0; i < sink->pending_count; i++) {
		struct pending *other = &sink->pending[i];
		struct post_result result;
		if (other->done || slice_equal(key_of(other->message), key_of(held)) ||
		    !event_id_of(slice_of(other->message->payload, other->message->len), id))
			continue;
		post(sink, id, other->message, &result);
		other->done = result.end == POST_TAKEN;
		return result.end != POST_AGAIN;
	}
	return false;
}

static int64_t back_off(const struct sink *sink, unsigned attempts, int64_t asked_ms)
{
	int64_t wait = BACK_OFF_MS;
	while (attempts-- > 1 && wait < sink->options->back_off_ms_max)
		wait *= 2;
	if (wait > sink->options->back_off_ms_max)
		wait = sink->options->back_off_ms_max;
	wait = wait / 2 + arc4random_uniform((uint32_t)(wait / 2 + 1));
	return asked_ms > wait ? asked_ms : wait;
}

static enum ll_code deliver(struct sink *sink, const rd_kafka_message_t *message, struct error *error)
{
	char id[LETTER_ID_MAX + 1];
	struct post_result result = {.reason = "not a public event: no JSON with eventId, eventType and payload"};
	if (!event_id_of(slice_of(message->payload, message->len), id))
		return bury(sink, message, LETTER_NO_EVENT, &result, 0, error);
	for (unsigned attempts = 1; !is_over(sink); attempts++) {
		post(sink, id, message, &result);
		if (result.end == POST_TAKEN) {
			settle(sink, message);
			return LL_OK;
		}
		if (result.end == POST_REFUSED)
			return bury(sink, message, LETTER_REFUSED, &result, attempts, error);
		post_status(sink, message);
		log_debug("sink.again", LOG_NUMBER("attempts", attempts), LOG_TEXT("reason", result.reason));
		if (attempts >= sink->options->attempts && another_passes(sink, message))
			return bury(sink, message, LETTER_ATTEMPTS, &result, attempts, error);
		wait_ms(sink, back_off(sink, attempts, result.retry_after_ms));
	}
	return LL_OK;
}

static void tell(struct sink *sink)
{
	if (now_ms() - sink->told_ms < PROGRESS_MS)
		return;
	sink->told_ms = now_ms();
	log_info("sink.progress", LOG_NUMBER("taken", sink->status.taken),
		 LOG_NUMBER("deadLetters", sink->status.letters[LETTER_REFUSED] +
						   sink->status.letters[LETTER_ATTEMPTS] +
						   sink->status.letters[LETTER_NO_EVENT]),
		 LOG_NUMBER("again", sink->status.again), LOG_TEXT("endpoint", sink->status.down ? "down" : "up"));
}

static enum ll_code consume(struct sink *sink, struct error *error)
{
	enum ll_code code = LL_OK;
	while (code == LL_OK && !sink->overflowed && !atomic_load(sink->options->stop)) {
		if (sink->lost) {
			drop_pending(sink);
			sink->lost = sink->paused = false;
		}
		if (sink->pending_count < PENDING_MAX)
			pause_all(sink, false);
		serve(sink, sink->pending_count ? 0 : SERVE_MS);
		tell(sink);
		post_status(sink, sink->pending_count ? sink->pending[0].message : NULL);
		if (sink->pending_count == 0 || sink->lost)
			continue;
		struct pending next = sink->pending[0];
		memmove(sink->pending, sink->pending + 1, --sink->pending_count * sizeof *sink->pending);
		if (next.done)
			settle(sink, next.message);
		else
			code = deliver(sink, next.message, error);
		rd_kafka_message_destroy(next.message);
	}
	return code;
}

/* ---- its life ---- */

static enum ll_code prepare(struct sink *sink, struct error *error)
{
	struct topic_wanted wanted = {.name = sink->letters, .partitions = 1, .kept = true};
	int partitions = 0;
	enum ll_code code = outside_open(&sink->producer, &sink->outside, OUTSIDE_PRODUCER, NULL, error);
	sink->has_producer = code == LL_OK;
	if (code == LL_OK)
		code = topic_partitions(&sink->producer, sink->options->topic, &partitions, error);
	return code == LL_OK
		       ? topics_prepare(&sink->producer, &wanted, 1, sink->options->replication, &partitions, error)
		       : code;
}

static enum ll_code join(struct sink *sink, struct error *error)
{
	enum ll_code code = outside_open(&sink->member, &sink->outside, OUTSIDE_MEMBER, sink->options->group, error);
	sink->has_member = code == LL_OK;
	if (code != LL_OK)
		return code;
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(topics, sink->options->topic, RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t err = rd_kafka_subscribe(sink->member.rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	return err ? outside_fail(&sink->member, err, "joining the group", error) : LL_OK;
}

static enum ll_code run_once(struct sink *sink, struct error *error)
{
	sink->producer = (struct outside_client){.delivered = on_delivered, .context = sink};
	sink->member = (struct outside_client){.rebalanced = on_rebalanced, .context = sink};
	sink->lost = sink->paused = sink->overflowed = sink->has_member = sink->has_producer = false;
	enum ll_code code = prepare(sink, error);
	if (code == LL_OK)
		code = join(sink, error);
	if (code == LL_OK) {
		log_info("sink.begins", LOG_TEXT("topic", sink->options->topic),
			 LOG_TEXT("group", sink->options->group), LOG_TEXT("to", sink->options->post.url));
		code = consume(sink, error);
	}
	drop_pending(sink);
	if (sink->has_member) {
		commit(sink, true);
		rd_kafka_consumer_close(sink->member.rk);
		outside_close(&sink->member);
	}
	if (sink->has_producer)
		outside_close(&sink->producer);
	return code == LL_OK && sink->overflowed ? error_set(error, LL_UNAVAILABLE, "more was sent than was asked for")
						 : code;
}

enum ll_code sink_run(const struct sink_options *options, struct error *error)
{
	struct sink *sink = calloc(1, sizeof *sink);
	ENSURE(sink);
	sink->options = options;
	sink->outside = (struct outside){options->brokers, options->settings, options->settings_count};
	sink->told_ms = now_ms();
	snprintf(sink->letters, sizeof sink->letters, "%s.dlq", options->topic);
	enum ll_code code = poster_new(&options->post, &sink->poster, error);
	while (code == LL_OK) {
		code = run_once(sink, error);
		if (code != LL_UNAVAILABLE || atomic_load(options->stop))
			break;
		sink->status.restarts++;
		post_status(sink, NULL);
		log_warn("sink.begins.again", LOG_TEXT("reason", error->text));
		for (int waited = 0; waited < AGAIN_MS && !atomic_load(options->stop); waited += SERVE_MS) {
			struct timespec pause = {.tv_nsec = SERVE_MS * 1000000L};
			nanosleep(&pause, NULL);
		}
		code = LL_OK;
	}
	if (atomic_load(options->stop) && code == LL_UNAVAILABLE)
		code = LL_OK; /* nothing that is not committed is lost */
	poster_free(sink->poster);
	free(sink);
	return code;
}
