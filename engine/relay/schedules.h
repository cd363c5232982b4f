/*
 * What older events of schedules left unsaid.
 *
 * Version 1 of concert.schedule.seats.added, .updated and .cancelled (formats.md) named only what changed; the public event says the
 * whole schedule. This is the small fold that knows the rest: one row a schedule, of events alone.
 */
#ifndef LEDGERLINE_RELAY_SCHEDULES_H
#define LEDGERLINE_RELAY_SCHEDULES_H

#include "schemas/block.h"

struct schedules;

struct schedules *schedules_new(void);
void schedules_free(struct schedules *schedules); /* NULL allowed */

/* Folds the entry's events, in order, and completes those of an older version in place. What they then point to is good until the
 * next call. */
void schedules_apply(struct schedules *schedules, struct entry *entry);

#endif
