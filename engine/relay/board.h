/*
 * How a relay stands, for those who watch it: filled by the thread that relays, read by any other.
 */
#ifndef LEDGERLINE_RELAY_BOARD_H
#define LEDGERLINE_RELAY_BOARD_H

#include <pthread.h>

#include "engine/relay/target.h"
#include "schemas/wire/buffer.h"

#define RELAY_STATES(X)                                                                                                \
	X(OFF, "off")                /* it is not to relay: another engine leads */                                    \
	X(STARTING, "starting")      /* reads the journal, or asks the brokers */                                      \
	X(PUBLISHING, "publishing")  /* what comes is published */                                                     \
	X(STANDING_BY, "standingBy") /* another relay is at work */                                                    \
	X(WAITING, "waiting")        /* something failed or does not answer; it tries on */                            \
	X(STOPPED, "stopped")        /* for good, with the last error as the reason */

enum relay_state {
#define X(name, text) RELAY_##name,
	RELAY_STATES(X)
#undef X
		RELAY_STATES_COUNT
};
const char *relay_state_text(enum relay_state state);

struct relay_status {
	enum relay_state state;
	uint64_t next;     /* every event of entries before this one is there */
	uint64_t read;     /* entries of the journal that it knows of */
	int64_t oldest_ms; /* time of the oldest entry that was read and is not surely there; 0: there is none */
	struct target_counts counts;
	uint64_t retries, fenced; /* begun anew after a failure; of them, because another relay had begun */
	int64_t error_ms;         /* 0: nothing ever failed */
	char error[LL_ERROR_TEXT_MAX];
};

struct relay_board {
	pthread_mutex_t lock;
	struct relay_status status;
};

void board_init(struct relay_board *board);
void board_release(struct relay_board *board);
/* What failed, and what it does now. Counts a retry unless it stands by or has stopped. */
void board_fail(struct relay_board *board, const struct error *error, enum relay_state state);
/* What it waits for, in the middle of its work. */
void board_wait(struct relay_board *board, const struct error *error);
void board_read(struct relay_board *board, struct relay_status *status);

/* Entries that are in the journal and not surely on the topics. `entries`: how many the journal has, as far as the caller knows. */
uint64_t relay_pending(const struct relay_status *status, uint64_t entries);
/* How long the oldest of them has waited. */
int64_t relay_lag_ms(const struct relay_status *status, int64_t now_ms);

/* Lines for /metrics. */
void relay_write_metrics(const struct relay_status *status, uint64_t entries, int64_t now_ms, struct buffer *out);

#endif
