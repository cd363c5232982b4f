/*
 * The fold rule: which records of the log are history.
 *
 * Leader, follower, rebuild, audit and verification all read the log through this one function. It is pure: state and a
 * record in, verdict and new state out.
 *
 *	             offset 0, well-formed genesis          -> GENESIS
 *	claim        epoch == current + 1                   -> CLAIM: opens the epoch
 *	entries      epoch == current, first_seq == next,
 *	             chain hash matches                     -> ENTRIES
 *	void, counted and skipped:
 *	             no magic; another ledger's uuid        -> FOREIGN (somebody wrote what is not ours: alarm)
 *	             epoch below the current one; a claim
 *	             of the current epoch or below; the
 *	             current epoch with entries that were
 *	             folded already                         -> STALE (a writer that was fenced)
 *	everything else                                     -> LL_DIVERGED: this reader's past and the log's differ, or the
 *	                                                       log is damaged. Whoever reads can tell them apart by reading
 *	                                                       the block at its own position again (fold_knows)
 *
 * Time is never a rule of validity: effective time = max(last, the block's). Claims do not move it.
 */
#ifndef LEDGERLINE_FOLD_H
#define LEDGERLINE_FOLD_H

#include "projections/fold/annulments.h"

enum { WRITER_ADDRESS_MAX = 128, POSITION_BYTES_MAX = 1024, JOURNAL_NAME_MAX = 256 };

struct fold {
	bool begun; /* a genesis was folded */
	uint8_t ledger[LEDGER_UUID_BYTES];
	uint64_t next_offset; /* the offset that the next record must have */
	uint64_t next_seq;
	uint64_t epoch;
	int64_t time;
	struct hash chain;
	uint64_t block_offset;                   /* of the last valid block */
	struct hash chain_before;                /* the chain before it */
	uint8_t claim_writer[LEDGER_UUID_BYTES]; /* who leads: zeros before the first claim */
	char claim_address[WRITER_ADDRESS_MAX + 1];
	uint64_t stale_blocks, foreign_blocks;
	struct annulments_ahead ahead; /* of who applies the entries; fold_record leaves it alone */
	/* Which log it is: set once by whoever opened it, kept in positions. */
	char journal_kind[16], journal_cluster[JOURNAL_NAME_MAX + 1], journal_topic[JOURNAL_NAME_MAX + 1];
};

enum fold_verdict { FOLD_GENESIS, FOLD_CLAIM, FOLD_ENTRIES, FOLD_STALE, FOLD_FOREIGN };

/* Takes the record at `offset`, which must be fold->next_offset (else LL_DIVERGED). On LL_OK the state has moved on and *block
 * is its envelope (for FOREIGN it may be empty). On every error the state is as before.
 * LL_FOREIGN: offset 0 is no genesis: not a journal. LL_DIVERGED, LL_CORRUPT (damaged), LL_NEWER. The text names the offset. */
enum ll_code fold_record(struct fold *fold, uint64_t offset, struct slice value, enum fold_verdict *verdict,
			 struct block *block, struct error *error) LL_CHECKED;

/* Is `value`, read at fold->block_offset, the block that was folded there? */
bool fold_knows(const struct fold *fold, struct slice value);

/* As a position row, and back. `room` has POSITION_BYTES_MAX bytes. */
struct slice fold_to_position(const struct fold *fold, uint8_t *room);
enum ll_code fold_from_position(struct fold *fold, struct slice position, struct error *error) LL_CHECKED;

#endif
