/* Waiting rooms, for those who show them. */
#ifndef LEDGERLINE_DECIDE_QUEUE_H
#define LEDGERLINE_DECIDE_QUEUE_H

#include "projections/views/rows.h"

/* The room of a schedule that names none, and of whoever enters without naming one. */
#define QUEUE_DEFAULT SLICE("default")

static inline struct slice queue_or_default(struct slice queue_id)
{
	return queue_id.size ? queue_id : QUEUE_DEFAULT;
}

/* Seconds until the token at this place of the line (1: the next) will be active, at the rate at which the line moved in the
 * minute up to `now`; never more than if every place is used for as long as it may be, which is also the answer where nothing
 * was measured. */
uint32_t queue_estimate(const struct policy *policy, const struct queues_row *queue, uint32_t place, int64_t now);

#endif
