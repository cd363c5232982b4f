/*
 * Why a command was decided as it was: the decision is made again on the state right before its entry.
 *
 *	{"commandId","type","actor","position","offset","time","outcome","code","policyVersion",
 *	 "facts":[{"fact","value","position","offset"}],"redecided","again"}
 *
 * `outcome`: accepted or refused; system of the engine's own entries, which have no command. A fact's position is that of the entry which set
 * its value; null when none did. `again` is null while `redecided` is true; otherwise {"outcome","code","key","recorded","decided"}: what comes
 * of deciding now, and the first thing in which it differs.
 */
#ifndef LEDGERLINE_AUDIT_EXPLAIN_H
#define LEDGERLINE_AUDIT_EXPLAIN_H

#include "engine/audit/cut.h"
#include "schemas/wire/buffer.h"

struct explain_asked {
	struct slice command_id; /* empty: the entry is asked for by its number */
	uint64_t seq;
	/* Where the entry stands, when a receipt said so: then the journal is not searched for it. */
	bool is_found;
	uint64_t offset;
	uint32_t index;
	int64_t time;
};

/* Reads what is asked for as a person writes it: an entry's position (0:1842), or else a command's id, borrowed; whether that is a fine one
 * is not looked at. */
void explain_parse(struct slice text, struct explain_asked *asked);

/* The projections of the cut on which it is decided again. */
#define EXPLAIN_MASK (1u << PROJECTION_BALANCES | 1u << PROJECTION_SEATS | 1u << PROJECTION_QUEUE)

/* *refused: 0 and the answer was appended; or CODE_RECEIPT_NOT_FOUND (no entry has that command's id), CODE_CUT_NOT_FOUND (there is no such
 * entry, or it is annulled). *redecided: the decision is the same. source->mask is not looked at. cut_open's errors; LL_DIVERGED: a receipt is not of
 * this journal. BLOCKING. */
enum ll_code explain(const struct cut_source *source, const struct explain_asked *asked, struct buffer *out,
		     uint64_t *seq, bool *redecided, int *refused, struct error *error) LL_CHECKED;

#endif
