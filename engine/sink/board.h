/*
 * How a sink stands, for those who watch it: filled by the thread that delivers, read by any other.
 */
#ifndef LEDGERLINE_SINK_BOARD_H
#define LEDGERLINE_SINK_BOARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "schemas/wire/buffer.h"

enum letter_kind { LETTER_REFUSED, LETTER_ATTEMPTS, LETTER_NO_EVENT, LETTER_KINDS };

struct sink_status {
	uint64_t taken, again, letters[LETTER_KINDS];
	uint64_t restarts;   /* begun anew after the brokers failed it */
	bool down;           /* the endpoint: everything waits */
	uint64_t waiting;    /* events that were read and not delivered */
	int64_t at_hand_ms;  /* time of the event at hand; 0: none is */
	unsigned partitions; /* of the topic that are its own */
};

struct sink_board {
	pthread_mutex_t lock;
	struct sink_status status;
};

void sink_board_init(struct sink_board *board);
void sink_board_release(struct sink_board *board);
void sink_board_post(struct sink_board *board, const struct sink_status *status);
void sink_board_read(struct sink_board *board, struct sink_status *status);

/* Lines for /metrics. */
void sink_write_metrics(const struct sink_status *status, int64_t now_ms, struct buffer *out);

#endif
