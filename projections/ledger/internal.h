/* What ledger.c and flushing.c know of a ledger. Nobody else looks inside. */
#ifndef LEDGERLINE_LEDGER_INTERNAL_H
#define LEDGERLINE_LEDGER_INTERNAL_H

#include "projections/balances/totals.h"
#include "projections/ledger/apply.h"
#include "projections/ledger/ledger.h"

struct member {
	struct store *store;
	uint64_t next_offset; /* of the first record that it has not folded */
	uint64_t next_seq;
	struct hash chain;     /* at next_offset, until it was reached */
	bool reached;          /* the ledger's fold has come to its position */
	bool dirty;            /* folded since the last freeze */
	unsigned runs_written; /* since the last freeze */
	struct error failure;
	struct poison poison;          /* when that is LL_POISON */
	struct annulments_ahead ahead; /* as its position said when it was opened */
};

struct ledger {
	struct fold fold;
	struct member members[PROJECTIONS_COUNT];
	struct store *stores[PROJECTIONS_COUNT]; /* as views want them */
	struct view committed, overlay;
	struct totals_cache committed_totals, overlay_totals;
	struct annulments annulled;
	struct applier applier; /* of the committed view */
	struct beside *beside;  /* takes a part of the projections; NULL: the applier takes all */
	struct arena rows;      /* rows read while an entry is applied */
	struct arena answers;   /* rows read through ledger_view */
	bool overlay_is_open;
	bool bulk;
	bool is_fork;
};

static inline bool is_well(const struct member *member)
{
	return member->store && member->failure.code == LL_OK;
}

/* Flushes what is left, all projections at once, on their own threads: the largest of a bulk fold's flushes is that which merges what was
 * spilled. */
void ledger_finish_all(struct ledger *ledger);

#endif
