/*
 * How fast a line moves: tokens that had waited and were activated, in the running minute and the one before it.
 *
 *	rate_before        rate_count
 *	|------------------|---------->           the rate at `now`: rate_count, and of rate_before the share that
 *	        rate_since ^          ^ now       the minute up to now still covers
 *
 * Times are the entries': a replay measures the same.
 */
#ifndef LEDGERLINE_QUEUE_RATE_H
#define LEDGERLINE_QUEUE_RATE_H

#include "projections/views/rows.h"

enum { RATE_MINUTE_MS = 60000, RATE_MS_MIN = 1000 };

/* Moves the running minute on, so that `now` lies in it. */
static inline void rate_move(struct queues_row *row, int64_t now)
{
	int64_t since = row->rate_since;
	if (since != NONE_TIME && now < since + RATE_MINUTE_MS)
		return;
	bool next = since != NONE_TIME && now < since + 2 * RATE_MINUTE_MS;
	row->rate_before = next ? row->rate_count : NONE_U32;
	row->rate_since = next ? since + RATE_MINUTE_MS : now;
	row->rate_count = 0;
}

static inline void rate_count(struct queues_row *row, int64_t now)
{
	rate_move(row, now);
	row->rate_count++;
}

/* Seconds, rounded up, in which `tokens` are activated at the rate measured up to `now`. UINT64_MAX: nobody was for so
 * long, there is no rate. */
static inline uint64_t rate_seconds(struct queues_row row, uint64_t tokens, int64_t now)
{
	rate_move(&row, now);
	uint64_t running = (uint64_t)(now - row.rate_since), ms = RATE_MINUTE_MS;
	uint64_t weighted = (uint64_t)row.rate_count * RATE_MINUTE_MS;
	if (row.rate_before != NONE_U32)
		weighted += row.rate_before * (RATE_MINUTE_MS - running);
	else
		ms = running > RATE_MS_MIN ? running : RATE_MS_MIN;
	/* weighted / RATE_MINUTE_MS tokens came in `ms` */
	return weighted ? (tokens * ms * (RATE_MINUTE_MS / 1000) + weighted - 1) / weighted : UINT64_MAX;
}

#endif
