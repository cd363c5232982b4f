/*
 * A run: rows of one layer whose keys came in ascending order, beyond every key that the table ever had.
 *
 * They stand packed one after the other, and need no hash, no sorting and no freeing one by one: a run is flushed from its
 * first row to its last, and forgotten as a whole. Finding one is a binary search. A row of the filling run may be
 * overwritten in its place when the new value fits; other changes go to the table's hash, which is newer.
 */
#ifndef LEDGERLINE_STORE_RUN_H
#define LEDGERLINE_STORE_RUN_H

#include "projections/store/row.h"

struct run {
	struct handles rows;   /* in key order; units of 16 bytes, for rows stand closer than pieces of a slab */
	struct handles chunks; /* of the slab */
	uint8_t *at, *end;     /* room in the last chunk */
	size_t bytes;
};

struct row *run_append(struct run *run, struct slab *slab, struct slice key, struct slice value);

/* Overwrites a value when there is room for it. */
bool run_overwrite(struct row *row, struct slice value);

static inline struct row *run_row(const struct run *run, const struct slab *slab, uint32_t index)
{
	return (struct row *)(slab->base + (size_t)run->rows.at[index] * 16);
}

/* How many rows have keys before `key`; that with this key is the next one, if it is there. */
uint32_t run_rank(const struct run *run, const struct slab *slab, struct slice key);
struct row *run_find(const struct run *run, const struct slab *slab, struct slice key);

void run_clear(struct run *run, struct slab *slab);
void run_release(struct run *run); /* the slab is released by its owner */

#endif
