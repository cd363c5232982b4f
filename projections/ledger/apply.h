/*
 * The entries of one block, decoded and applied to some projections: by the ledger itself, and in a long fold also by a thread beside it
 * (beside.h). Each applier has rows and arenas of its own; two may work on the same block for different projections at once, as no
 * projection reads another one's tables.
 */
#ifndef LEDGERLINE_LEDGER_APPLY_H
#define LEDGERLINE_LEDGER_APPLY_H

#include "projections/ledger/ledger.h"

struct applier {
	const struct annulments *annulled; /* borrowed; NULL: nothing */
	struct view *view; /* borrowed; rows that are read meanwhile go to its arena, which is reset after each entry */
	void (*before)(void *context,
		       const struct entry *entry); /* sees each entry before it is applied; may be NULL */
	void *before_context;
	struct arena decoded[2];                  /* entries of two windows */
	unsigned failed;                          /* a bit for each projection that the last block stopped */
	struct error failures[PROJECTIONS_COUNT]; /* of those */
	struct poison poisons[PROJECTIONS_COUNT]; /* where it stands, of those with LL_POISON */
};

void applier_release(struct applier *applier);

/* Applies the first `count` entries of a block (all of them: block->count) to the projections in `mask`, but for those that are annulled.
 * What annuls an entry that is not left out stops them with LL_UNTRUSTED. `time` is the effective time of the block. `visit` (may be
 * NULL) sees each entry after it was applied. */
void apply_block(struct applier *applier, const struct block *block, uint32_t count, uint64_t offset, int64_t time,
		 unsigned mask, ledger_visit_fn *visit, void *context);

#endif
