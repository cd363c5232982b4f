#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/log/log.h"
#include "engine/sink/kafka_member.h"
#include "engine/sink/sink.h"
#include "schemas/wire/ensure.h"

enum { PENDING_MAX = 64, LETTER_TOPIC_MAX = OUTSIDE_TOPIC_MAX + 8 };

static const struct board_count counted[SINK_COUNTS] = {
	[SINK_TAKEN] = {"delivered_total", "Events that the endpoint took.", NULL, NULL},
	[SINK_LETTERS_REFUSED] = {"dead_letters_total", "Events that became dead letters, by why.", "reason",
				  "refused"},
	[SINK_LETTERS_ATTEMPTS] = {"dead_letters_total", NULL, "reason", "attempts"},
	[SINK_LETTERS_NO_EVENT] = {"dead_letters_total", NULL, "reason", "no_event"},
};

const struct board_words sink_words = {
	.kind = "sink",
	.record = "event",
	.other_side = "endpoint",
	.down = "the endpoint does not answer",
	.counts = counted,
	.counts_count = SINK_COUNTS,
};

struct sink {
	const struct sink_options *options;
	struct member member;
	struct poster *poster;
};

static struct slice key_of(const rd_kafka_message_t *message)
{
	return slice_of(message->key, message->key_len);
}

static void post(struct sink *sink, const char *id, const rd_kafka_message_t *message, struct post_result *result)
{
	poster_post(sink->poster, slice_text(id), slice_of(message->payload, message->len), result);
	if (result->end == POST_AGAIN)
		member_failed(&sink->member, sink->options->post.url, result->reason);
	else
		member_answered(&sink->member, sink->options->post.url);
	sink->member.standing.counts[SINK_TAKEN] += result->end == POST_TAKEN;
}

enum endpoint_looks { LOOKS_WELL, LOOKS_ILL, NOBODY_KNOWS };

/* Is the endpoint well, and only this event is not? Tells by another one, of another key, which it takes or refuses. */
static enum endpoint_looks try_another(struct sink *sink, const rd_kafka_message_t *held)
{
	char id[LETTER_ID_MAX + 1];
	for (size_t i = 1; i < sink->member.pending_count; i++) {
		struct member_pending *other = &sink->member.pending[i];
		struct post_result result;
		if (other->done || slice_equal(key_of(other->message), key_of(held)) ||
		    !event_id_of(slice_of(other->message->payload, other->message->len), id))
			continue;
		post(sink, id, other->message, &result);
		other->done = result.end == POST_TAKEN;
		return result.end != POST_AGAIN ? LOOKS_WELL : LOOKS_ILL;
	}
	return NOBODY_KNOWS;
}

/* A try of the event has failed. Is it the event's fault? Only when the endpoint was well before that try, and not seen ill behind it: one that
 * recovers, or goes down, just between two tries must not cost an event. *was_well is kept from try to try. */
static bool is_its_fault(struct sink *sink, const rd_kafka_message_t *held, unsigned attempts, bool *was_well)
{
	if (attempts + 1 < sink->options->attempts)
		return false;
	bool before = *was_well;
	enum endpoint_looks looks = try_another(sink, held);
	*was_well = looks == LOOKS_WELL;
	return before && attempts >= sink->options->attempts && looks != LOOKS_ILL;
}

/* Counts a letter that was written. */
static enum ll_code bury(struct sink *sink, enum sink_count kind, const struct post_result *result, unsigned attempts,
			 struct error *error)
{
	/* What an endpoint refuses it may take once it is mended; what is no event never becomes one. */
	const struct letter_why why = {.reason = result->reason,
				       .status = result->status,
				       .attempts = attempts,
				       .permanent = kind == SINK_LETTERS_NO_EVENT};
	struct member *member = &sink->member;
	uint64_t before = member->lettered;
	enum ll_code code = member_bury(member, member->pending[0].message, &why, error);
	member->standing.counts[kind] += member->lettered - before;
	return code;
}

/* The record at the front is done with: taken, or a dead letter. */
static enum ll_code end_with(struct sink *sink, enum ll_code code)
{
	if (code == LL_OK)
		member_settle(&sink->member, 1);
	return code;
}

static enum ll_code deliver(void *context, struct error *error)
{
	struct sink *sink = context;
	struct member *member = &sink->member;
	const rd_kafka_message_t *message = member->pending[0].message;
	char id[LETTER_ID_MAX + 1];
	struct post_result result = {.reason = "not a public event: no JSON with eventId, eventType and payload"};
	if (member->pending[0].done)
		return end_with(sink, LL_OK);
	if (!event_id_of(slice_of(message->payload, message->len), id))
		return end_with(sink, bury(sink, SINK_LETTERS_NO_EVENT, &result, 0, error));
	bool was_well = false;
	for (unsigned attempts = 1; !member_is_over(member); attempts++) {
		post(sink, id, message, &result);
		if (result.end == POST_TAKEN)
			return end_with(sink, LL_OK);
		bool poison = result.end == POST_REFUSED;
		log_debug("sink.again", LOG_NUMBER("attempts", attempts), LOG_TEXT("reason", result.reason));
		if (poison || is_its_fault(sink, message, attempts, &was_well))
			return end_with(sink, bury(sink, poison ? SINK_LETTERS_REFUSED : SINK_LETTERS_ATTEMPTS, &result,
						   attempts, error));
		member_wait(member, member_back_off(attempts, sink->options->back_off_ms_max, result.retry_after_ms));
	}
	return LL_OK;
}

static void tell(void *context)
{
	const struct member *member = &((const struct sink *)context)->member;
	log_info("sink.progress", LOG_NUMBER("taken", member->standing.counts[SINK_TAKEN]),
		 LOG_NUMBER("deadLetters", member->lettered), LOG_NUMBER("again", member->standing.again),
		 LOG_TEXT("endpoint", member->standing.down ? "down" : "up"));
}

static void begins(void *context)
{
	const struct sink_options *options = ((struct sink *)context)->options;
	log_info("sink.begins", LOG_TEXT("topic", options->topic), LOG_TEXT("group", options->group),
		 LOG_TEXT("to", options->post.url));
}

enum ll_code sink_run(const struct sink_options *options, struct error *error)
{
	char letters[LETTER_TOPIC_MAX];
	struct sink *sink = calloc(1, sizeof *sink);
	ENSURE(sink);
	sink->options = options;
	snprintf(letters, sizeof letters, "%s.dlq", options->topic);
	const struct topic_wanted wanted = {.name = letters, .partitions = 1, .kept = true};
	const struct member_options member = {
		.name = "sink",
		.other_side = "endpoint",
		.outside = {options->brokers, options->settings, options->settings_count, options->stop},
		.topic = options->topic,
		.group = options->group,
		.letters = letters,
		.topics = &wanted,
		.topics_count = 1,
		.replication = options->replication,
		.pending_max = PENDING_MAX,
		.alert = options->alert,
		.stop = options->stop,
		.begins = begins,
		.work = deliver,
		.tell = tell,
		.board = options->board,
		.context = sink,
	};
	enum ll_code code = poster_new(&options->post, &sink->poster, error);
	if (code == LL_OK)
		code = member_run(&sink->member, &member, error);
	poster_free(sink->poster);
	free(sink);
	return code;
}
