/*
 * A journal, read ahead of who folds it: records come out judged by the fold rule, each with the state of the fold after it.
 *
 * Reading, copying and hashing a record is work that needs nothing of the projections. For a long way it is done by a thread
 * of its own, a few records ahead; for a short one by the caller himself, in read_ahead_next: what comes out is the same.
 *
 *	journal_read -> copy -> fold_record | a ring of a few records | ledger_take
 *
 * The reader is the thread's until read_ahead_close.
 */
#ifndef LEDGERLINE_READ_AHEAD_H
#define LEDGERLINE_READ_AHEAD_H

#include "engine/journal/journal.h"
#include "projections/fold/fold.h"

struct read_ahead;

struct read_record {
	uint64_t offset;
	enum fold_verdict verdict;
	struct block block; /* points into the ring: good until the next read_ahead_next */
	struct fold after;  /* the fold's state behind this record */
};

/* Reads on from where `fold` stands, which must be where the reader stands. Nothing at or beyond the offset `end` is read
 * (UINT64_MAX: all there is). `with_thread`: reading has a thread of its own. All arguments but the reader are copied. */
struct read_ahead *read_ahead_open(struct journal_reader *reader, const struct fold *fold, uint64_t end,
				   bool with_thread);

/* The next record. Waits for it. LL_END: there is none before `end`, or in the journal. Every other error is journal_read's or
 * fold_record's, and final. LL_TIMEOUT: nothing came for a while; look whether to go on, and call again. */
enum ll_code read_ahead_next(struct read_ahead *ahead, struct read_record **record, struct error *error) LL_CHECKED;

/* Stops the thread and frees; NULL allowed. After LL_END the reader stands behind the last record that was given; otherwise
 * it may be ahead of it. */
void read_ahead_close(struct read_ahead *ahead);

#endif
