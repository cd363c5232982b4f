/*
 * A walk over a journal from its genesis: what `journal info`, `cat`, `copy` and `verify` do, each with visitors of its own.
 *
 * Every record goes through the fold rule, so envelopes, checksums, the chain of hashes, sequence numbers, epochs and
 * completeness from 0 are checked on the way. No projection is touched.
 */
#ifndef LEDGERLINE_AUDIT_WALK_H
#define LEDGERLINE_AUDIT_WALK_H

#include "engine/journal/journal.h"
#include "projections/fold/fold.h"

/* Visitors return LL_OK to go on, LL_END to stop without an error, or an error, which ends the walk. What they are given is
 * good during the visit. */
typedef enum ll_code walk_record_fn(void *context, const struct journal_record *record, enum fold_verdict verdict,
				    const struct block *block, struct error *error);
typedef enum ll_code walk_entry_fn(void *context, const struct entry *entry, struct error *error);

/* An entry that cannot be decoded and is not annulled: the last that the walk knows of its block. */
typedef enum ll_code walk_poison_fn(void *context, const struct entry *entry, const char *why, struct error *error);

struct walk {
	uint64_t end;           /* stop before this offset; UINT64_MAX: at the journal's end */
	walk_record_fn *record; /* may be NULL. Called after the record was folded */
	walk_entry_fn *entry;   /* may be NULL: then entries are decoded only with `decode` */
	bool decode;
	walk_poison_fn *poison; /* may be NULL: then it ends the walk with LL_POISON */
	void *context;
	void (*progress)(void *context, uint64_t offset, uint64_t end); /* may be NULL */
};

/* Folds into *fold, which is all zeros, and stands before the bad record after an error.
 * LL_NOT_FOUND: the journal is empty. LL_DIVERGED, LL_CORRUPT, LL_POISON (an entry that cannot be decoded): the journal
 * is not whole, the text names the offset (journal_is_bad); an entry that is annulled further on is no poison, and with the rest of its
 * block it is left out. LL_FOREIGN: no journal. LL_NEWER. LL_UNAVAILABLE: no broker answered for half a
 * minute. Else journal_read's. BLOCKING. */
enum ll_code walk_journal(struct journal *journal, const struct walk *how, struct fold *fold,
			  struct error *error) LL_CHECKED;

/* Is it the journal that is wrong, not the world around it? */
bool journal_is_bad(enum ll_code code);

#endif
