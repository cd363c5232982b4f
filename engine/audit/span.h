/*
 * The entries between two cuts, straight from the journal: what an export is made of.
 *
 * Two walks. The first goes through the whole journal by the fold rule and settles where the cuts lie and what is annulled: so a
 * journal that is damaged, or does not reach as far as a cut, is told before anything is given out. The second gives the entries.
 *
 *	from 0:3, at 0:5       entries 4 and 5: after the earlier cut, up to the later one
 *
 * Entries that are annulled anywhere in the journal are left out: they are folded as nothing, and so count in no state.
 */
#ifndef LEDGERLINE_AUDIT_SPAN_H
#define LEDGERLINE_AUDIT_SPAN_H

#include "engine/audit/cut.h"
#include "engine/audit/walk.h"
#include "projections/fold/annulments.h"

struct span {
	struct cut_point from, at;                                      /* the caller's */
	void (*progress)(void *context, uint64_t offset, uint64_t end); /* the caller's; may be NULL */
	void *context;

	uint64_t first, end; /* entries first .. end - 1 */
	int64_t time;        /* of the last entry before `at`; NONE_TIME: there is none */
	struct annulments annulled;
};

/* The first walk. *refused: 0, or CODE_CUT_NOT_FOUND or CODE_CUT_NOT_FINAL, and then *which is the cut that is not there. `from` may
 * come to lie after `at`: then the span is empty. walk_journal's errors. BLOCKING. */
enum ll_code span_find(struct journal *journal, struct span *span, int *refused, const struct cut_point **which,
		       struct error *error) LL_CHECKED;

/* The second: `visit` gets each entry of the span in order. walk_journal's errors, and the visitor's. BLOCKING. */
enum ll_code span_walk(struct journal *journal, const struct span *span, walk_entry_fn *visit, void *context,
		       struct error *error) LL_CHECKED;

void span_release(struct span *span);

#endif
