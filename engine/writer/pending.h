/*
 * A command on its way: from whoever asks, through the writer, to its answer.
 *
 * The caller owns the struct and everything it points to until `answer` was called, exactly once, on the writer's thread.
 *
 * Commands are decided in the order in which they were handed over, also when a block was lost and they are decided again.
 */
#ifndef LEDGERLINE_PENDING_H
#define LEDGERLINE_PENDING_H

#include "schemas/block.h"

enum answered {
	ANSWER_DECIDED,  /* it has an entry: answer->entry, committed */
	ANSWER_HIT,      /* its key was decided before, with this body: answer->entry is that one */
	ANSWER_REJECTED, /* no entry: answer->code and what goes with it */
	ANSWER_READ,     /* nothing was to change: answer->body shows the state that the command found */
};

struct answer {
	enum answered kind;
	const struct entry *entry; /* good during the call */
	uint16_t code;
	struct fact_list facts; /* good during the call */
	const char *field;      /* with VALIDATION_ERROR */
	const char *reason;
	int status;        /* with ANSWER_READ */
	struct slice body; /* with ANSWER_READ: JSON, with the bare id of a token; empty: none. Good during the call */
};

/* Commands of which none is to be taken behind one that was not: those behind it are rejected as SKIPPED, undecided. All zeros
 * is a whole chain; owned by the caller, longer than its commands are on their way. */
struct pending_chain {
	uint64_t broken_at; /* pending->order of the one that was not taken; 0: whole */
};

struct pending {
	struct pending *next;
	struct command command;
	struct slice id; /* never empty */
	uint8_t actor_type;
	struct slice actor_id; /* may be empty */
	void (*answer)(struct pending *, const struct answer *);
	void *context;               /* the caller's */
	struct pending_chain *chain; /* NULL: it stands alone */

	/* The writer's own. */
	uint64_t order; /* of being handed over, from 1 */
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

/* Both in order of being handed over, and so the result; `more` is empty afterwards. Short when all of `more` comes first. */
static inline void pending_merge(struct pending_queue *queue, struct pending_queue *more)
{
	struct pending **link = &queue->first;
	if (!more->first)
		return;
	while (*link && more->first) {
		if ((*link)->order > more->first->order) {
			struct pending *rest = *link;
			*link = more->first;
			more->first = more->first->next;
			(*link)->next = rest;
		}
		link = &(*link)->next;
	}
	if (more->first) {
		*link = more->first;
		queue->last = more->last;
	}
	queue->count += more->count;
	*more = (struct pending_queue){0};
}

#endif
