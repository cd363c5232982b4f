/*
 * Commands whose key was decided before: their answers are made from the entries of then, read from their blocks.
 *
 *	block among the recent ones  -> answered at once
 *	else                         -> waits; one block is read at a time, for all that wait for it
 *
 * Hits mostly come in the order of their entries (somebody sends a file once more), so a block is walked through once for a run
 * of them, not once for each.
 */
#ifndef LEDGERLINE_HITS_H
#define LEDGERLINE_HITS_H

#include "engine/writer/pending.h"
#include "engine/writer/recent.h"

struct hits {
	struct recent recent;
	struct pending_queue waiting; /* for blocks that are not among the recent ones */
	bool reading;                 /* the block of the first one */
	/* How far a block was walked through. */
	struct slice walked; /* its bytes; empty: none */
	struct block block;
	struct cursor cursor;
	struct arena arena;
	struct entry entry; /* number `next` - 1 of it */
	uint32_t next;
};

/* A block was folded. */
void hits_folded(struct hits *hits, uint64_t offset, struct slice value);

/* Answers it and returns true, or keeps it: then hits_to_read says what is to be read. */
bool hits_take(struct hits *hits, struct pending *pending);

/* One whose block is to be read now, for hits_read; NULL: nothing, or a block is being read. */
struct pending *hits_to_read(struct hits *hits);

/* The block that hits_to_read asked for; empty: it could not be read (OUTCOME_UNKNOWN: they were taken). Answers all that wait
 * for it. */
void hits_read(struct hits *hits, struct slice bytes);

/* Answers what waits with OUTCOME_UNKNOWN, and frees. */
void hits_release(struct hits *hits);

#endif
