/*
 * Real work on a data directory with an embedded journal, drawn from a seed: engines' lives (blocks appended, read back, folded, flushed; ended
 * cleanly or not), snapshots, rebuilds. What each call promised when it returned is marked in the recording.
 */
#ifndef LEDGERLINE_POWERCUTS_WORK_H
#define LEDGERLINE_POWERCUTS_WORK_H

#include <stdint.h>

enum mark {
	MARK_ACKNOWLEDGED, /* the journal holds so many records: an append was reported as written */
	MARK_SNAPSHOT,     /* there is a snapshot of so many entries */
};

/* In `root`, which is empty: makes ROOT/data. Aborts with a sentence when a call fails. */
void work(const char *root, uint64_t seed);

#endif
