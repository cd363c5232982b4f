/*
 * How a member of a consumer group stands (a sink, an intake), for those who watch it: filled by the thread that works, read by any other.
 */
#ifndef LEDGERLINE_SINK_BOARD_H
#define LEDGERLINE_SINK_BOARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schemas/wire/buffer.h"
#include "schemas/wire/error.h"

enum { BOARD_COUNTS_MAX = 8, BOARD_REASON_MAX = LL_ERROR_TEXT_MAX + 64 };

/* What a member counts beside what all members do. */
struct board_count {
	const char *name, *help;   /* help: NULL: one more of the name before, with another value */
	const char *label, *value; /* NULL: none */
};

/* How a kind of members speaks of itself. */
struct board_words {
	const char *kind;       /* "sink": its metrics are ledgerline_sink_... */
	const char *record;     /* "event" */
	const char *other_side; /* "endpoint" */
	const char *down;       /* "the endpoint does not answer" */
	const struct board_count *counts;
	size_t counts_count; /* at most BOARD_COUNTS_MAX */
};

struct board_standing {
	uint64_t counts[BOARD_COUNTS_MAX]; /* as the words have them */
	uint64_t again;                    /* tries of the other side that brought no useful answer */
	uint64_t restarts;                 /* begun anew after the brokers failed it */
	bool down;                         /* the other side: everything waits */
	uint64_t waiting;                  /* records that were read and are not done with */
	int64_t oldest_ms;                 /* time of the oldest of them; 0: none has one */
	unsigned partitions;               /* of the topic that are its own */
	char failing[LL_ERROR_TEXT_MAX];   /* how the brokers failed it; empty: it is a member of its group */
	char away[LL_ERROR_TEXT_MAX];      /* how they are away in the middle of its work; empty: they answer */
};

struct member_board {
	const struct board_words *words;
	pthread_mutex_t lock;
	struct board_standing standing;
};

void member_board_init(struct member_board *board, const struct board_words *words);
void member_board_release(struct member_board *board);
void member_board_post(struct member_board *board, const struct board_standing *standing);
void member_board_read(struct member_board *board, struct board_standing *standing);

/* Lines for /metrics. */
void member_board_write(struct member_board *board, int64_t now_ms, struct buffer *out);

/* Why it does not get on, in `reason`. false: it does. */
bool member_board_is_ill(struct member_board *board, char reason[BOARD_REASON_MAX]);

#endif
