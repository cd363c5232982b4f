/*
 * A fresh replay: projections folded from offset 0 into directories of their own, as far as is asked for; and its comparison with the
 * projections that are in use.
 *
 *	live projection      pinned at its position P
 *	replay               folded from 0 to exactly P, flushed
 *	both                 all tables row by row; then the digests of the whole state
 *
 * Where the journal turns out to annul what was folded, the directories are emptied and all is folded again without it.
 *
 * The live ones may be written meanwhile: they are read through pinned snapshots, some times to learn how far the replay has to go,
 * and once it is nearly there for good, so that pages are not held back longer than the comparison lasts. They may stand at
 * different positions (an engine died between two flushes): each is compared at its own.
 */
#ifndef LEDGERLINE_AUDIT_REPLAY_H
#define LEDGERLINE_AUDIT_REPLAY_H

#include "engine/audit/compare.h"
#include "engine/journal/journal.h"
#include "projections/export/export.h"
#include "projections/ledger/ledger.h"
#include "projections/store/generation.h"

struct replay {
	struct journal *journal; /* borrowed */
	unsigned mask;           /* a bit for each projection that is replayed */
	char directories[PROJECTIONS_COUNT][GENERATION_PATH_MAX];
	struct ledger *ledger;
	struct annulments
		annulled; /* found on the way: the replay has begun anew without those entries. replay_close releases it */
	bool resume;      /* what was left half built is built on */
	/* See each entry before and after it is applied (ledger_options, catch_up); may be NULL. When the replay begins anew, from the first
	 * one again. */
	void (*before)(void *context, const struct entry *entry);
	void (*after)(void *context, const struct entry *entry);
	void *seen_context;
	uint64_t rate; /* at most so many entries a second; 0: as fast as it goes */
	void (*progress)(void *context, uint64_t offset, uint64_t end); /* may be NULL */
	void *context;
};

/* The caller fills journal, mask, directories (which are made) and progress. */
enum ll_code replay_open(struct replay *replay, struct error *error) LL_CHECKED;

/* Folds on until `end` (UINT64_MAX: the journal's end), and flushes. catch_up's errors; LL_DIVERGED also when the journal ends before. */
enum ll_code replay_to(struct replay *replay, uint64_t end, struct error *error) LL_CHECKED;

/* Syncs, marks clean, closes. */
enum ll_code replay_close(struct replay *replay, struct error *error) LL_CHECKED;
void replay_abandon(struct replay *replay); /* NULL ledger allowed */

/* What a comparison found. */
struct verdict {
	struct compared compared;
	unsigned missing; /* projections that are not there: not compared */
	uint64_t entries; /* the state is that after this many */
	bool has_digests; /* only when all projections of the state stand at one position */
	char live_digest[DIGEST_TEXT_SIZE + 1], replayed_digest[DIGEST_TEXT_SIZE + 1];
};

/* Compares the live projections under `root` (DIR/projections) with the replay, which is folded along. A missing one is an error
 * unless `may_miss`. A live one that was never written, is untrusted or of another version: that error. LL_DIVERGED: a live one
 * has another past than the journal, or stands beyond its end. */
enum ll_code replay_compare(struct replay *replay, const char *root, bool may_miss, difference_fn *found, void *context,
			    struct verdict *verdict, char *place, size_t place_size, struct error *error) LL_CHECKED;

#endif
