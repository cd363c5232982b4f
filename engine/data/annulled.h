/*
 * Looking ahead in a journal for what is annulled there.
 *
 * A fold asks for this when it meets poison, or an annulment that it has not honoured: neither happens to a ledger that is well, so
 * no journal is ever read twice for it.
 */
#ifndef LEDGERLINE_ANNULLED_H
#define LEDGERLINE_ANNULLED_H

#include "engine/journal/journal.h"
#include "projections/fold/fold.h"

/* Reads on from where `from` stands to the journal's end, by the fold rule, and adds what valid entries annul. Stops where the log
 * is no history any more: the fold that follows says so. journal_read's errors. BLOCKING. */
enum ll_code annulled_find(struct journal *journal, const struct fold *from, struct annulments *found,
			   struct error *error) LL_CHECKED;

/* A fold that honoured `known` stopped at the record behind `before`, with `code`: is the reason annulled further on? LL_UNTRUSTED: it is, and
 * *found has all that is annulled: what was folded is to be thrown away, and folded again with that set. `code`: it is not, and *error
 * is left alone. Else journal_read's errors. BLOCKING. */
enum ll_code annulled_reason(struct journal *journal, const struct fold *before, const struct annulments *known,
			     enum ll_code code, struct annulments *found, struct error *error) LL_CHECKED;

/* Adds what the block annuls, if it annuls anything; `offset` is its own. */
void annulled_of_block(const struct block *block, uint64_t offset, struct annulments *found);

#endif
