/*
 * Snapshots of a ledger's past: one after every so many entries, in one fold from 0, so that any cut is near one of them.
 *
 * They are as those that were taken at that time would be (engine/snapshots/snapshots.h), and stand where the journal's records end: at
 * the first end at or behind each multiple. Those that are there already are left as they are.
 */
#ifndef LEDGERLINE_AUDIT_SERIES_H
#define LEDGERLINE_AUDIT_SERIES_H

#include "engine/audit/replay.h"
#include "engine/snapshots/snapshots.h"

struct series {
	struct journal *journal; /* borrowed */
	const char *root;        /* where snapshots are kept; made when it is not there. Work is done in it, too */
	uint64_t every;          /* entries, above 0 */
	void (*taken)(void *context, const struct snapshot_manifest *manifest, const char *path, bool was_there);
	void (*progress)(void *context, uint64_t offset, uint64_t end); /* may be NULL */
	void *context;
};

/* walk_journal's errors, replay_to's and snapshot_of_ledger's. What was taken before an error stays. BLOCKING. */
enum ll_code series_take(const struct series *series, struct error *error) LL_CHECKED;

#endif
