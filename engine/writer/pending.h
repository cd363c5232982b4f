/*
 * A command on its way: from whoever asks, through the writer, to its answer.
 *
 * The caller owns the struct and everything it points to until `answer` was called, exactly once, on the writer's thread.
 */
#ifndef LEDGERLINE_PENDING_H
#define LEDGERLINE_PENDING_H

#include "schemas/block.h"

enum answered {
	ANSWER_DECIDED,  /* it has an entry: answer->entry, committed */
	ANSWER_HIT,      /* its key was decided before, with this body: answer->entry is that one */
	ANSWER_REJECTED, /* no entry: answer->code and what goes with it */
	ANSWER_READ,     /* nothing was to change: the answer comes from the state */
};

struct answer {
	enum answered kind;
	const struct entry *entry; /* good during the call */
	uint16_t code;
	struct fact_list facts;    /* good during the call */
	const char *field;         /* with VALIDATION_ERROR */
	const char *reason;
};

struct pending {
	struct pending *next;
	struct command command;
	struct slice id; /* never empty */
	uint8_t actor_type;
	struct slice actor_id; /* may be empty */
	void (*answer)(struct pending *, const struct answer *);
	void *context; /* the caller's */

	/* The writer's own. */
	struct short_hash id_hash, command_hash;
	uint64_t seq; /* of its entry, once it has one */
	uint64_t hit_offset;
	uint32_t hit_index;
	uint64_t hit_seq;
	int64_t hit_time;
	struct answer held; /* of one without an entry that waits for its block */
	int64_t deadline_ms;
};

struct pending_queue {
	struct pending *first, *last;
	size_t count;
};

static inline void pending_push(struct pending_queue *queue, struct pending *pending)
{
	pending->next = NULL;
	if (queue->last)
		queue->last->next = pending;
	else
		queue->first = pending;
	queue->last = pending;
	queue->count++;
}

static inline struct pending *pending_pop(struct pending_queue *queue)
{
	struct pending *pending = queue->first;
	if (!pending)
		return NULL;
	queue->first = pending->next;
	if (!queue->first)
		queue->last = NULL;
	queue->count--;
	pending->next = NULL;
	return pending;
}

static inline void pending_push_front(struct pending_queue *queue, struct pending *pending)
{
	pending->next = queue->first;
	queue->first = pending;
	if (!queue->last)
		queue->last = pending;
	queue->count++;
}

/* All of `more` goes before what is in `queue`; `more` is empty afterwards. */
static inline void pending_prepend(struct pending_queue *queue, struct pending_queue *more)
{
	if (!more->first)
		return;
	more->last->next = queue->first;
	if (!queue->last)
		queue->last = more->last;
	queue->first = more->first;
	queue->count += more->count;
	*more = (struct pending_queue){0};
}

#endif
