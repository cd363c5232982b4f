/*
 * One table's rows in memory: a hash table of the newest committed version of each row.
 *
 * Filling, flushing and clean rows stand in one structure; a row's `epoch` (the number of the layer in which it was last
 * changed) tells which it is:
 *
 *	epoch == memory.filling                    filling: changed in place
 *	memory.flushed < epoch < memory.filling    being flushed: a change makes a new version
 *	epoch <= memory.flushed                    clean: equals what LMDB has; changed in place, evicted when there are many
 *
 * A TABLE_APPEND has two runs (run.h) besides, one filling and one flushing, for rows whose keys are beyond every key that
 * the table ever had. What the hash holds is newer than what the runs hold. Once flushed a run is forgotten: rows of such
 * tables are seldom read again.
 *
 * A lazy table's rows enter the tree when a scan comes by: those that it wants, and a few thousand more, so that under
 * many scans all are in order, and without any nothing was spent. Rows that are flushed before never enter it.
 *
 * A tombstone is a row like others; a clean one says that LMDB has no such row. A table is `complete` while every row that
 * LMDB has is in memory too: then a miss needs no look into LMDB.
 *
 * The hash: open addressing, linear probing, eight bytes a slot: 32 bits of the key's hash over the row's handle. The home
 * slot is the hash's upper bits, so growing moves slots in order and reads no rows. Removing shifts back: no gravestones.
 * The clock: a hand goes over all slots, again and again, and evicts clean rows that were not read since it came by last.
 */
#ifndef LEDGERLINE_STORE_TABLE_H
#define LEDGERLINE_STORE_TABLE_H

#include <stdbool.h>

#include "projections/store/row.h"
#include "projections/store/run.h"
#include "projections/store/store.h"

/* What the tables of one store share. */
struct memory {
	struct slab slab;
	uint64_t seed;           /* of the hash: nobody outside can aim at one slot */
	uint32_t filling;        /* number of the layer being filled, from 1 */
	uint32_t flushed;        /* layers up to this one are in LMDB */
	struct handles replaced; /* old versions of rows being flushed */
	struct handles garbage;  /* those of flushes that ended: freed in steps */
	size_t live_bytes;       /* rows that stand in tables */
	size_t filling_bytes;    /* of them, filling */
	size_t flushing_bytes;   /* of them, being flushed */
};

struct table {
	struct memory *memory;
	const char *name;
	bool ordered, lazy, append, complete;
	unsigned database;
	uint64_t *slots;
	uint64_t *next_slots; /* twice as many, being made ready; NULL: not yet */
	uint64_t *
		found; /* the slot that was found last, good until a slot moves: mostly what was read is changed next */
	uint32_t count, mask;
	uint32_t hand;                    /* slots that it went over in this round */
	unsigned shift;                   /* 32 - log2(slots) */
	struct row_tree tree;             /* if ordered: of the rows that were ever changed since they came to memory */
	struct handles filling, flushing; /* changed rows */
	/* If lazy: so many of the changed rows, from the first on, are in the tree; of the others some may be. */
	uint32_t filling_settled, flushing_settled;
	struct run filling_run, flushing_run; /* if append; if it spills, in any order */
	/* Where flushed rows go while it is filled in bulk; NULL: to LMDB. The flush thread's while a flush is under way. */
	struct spill *spill;
	uint16_t last_key_size; /* if append: no key beyond this one was ever there */
	uint8_t last_key[STORE_KEY_BYTES_MAX];
	size_t live_bytes, filling_bytes, flushing_bytes;
	/* For the estimate of what a flush will write. */
	size_t grown_bytes;   /* what the filling layer adds to the table at most */
	uint64_t large_pages; /* of rows too large to stand in a leaf */
	uint64_t leaf_pages;  /* of the table in LMDB, as of the last flush */
};

uint32_t table_tag(const struct table *table, struct slice key);

void table_init(struct table *table, struct memory *memory);
void table_release(struct table *table);

/* The newest version, a tombstone too; NULL: not in memory. */
struct row *table_find(struct table *table, uint32_t tag, struct slice key);

/* Whether LMDB may have a row that is not in memory. */
bool table_may_be_in_lmdb(const struct table *table, struct slice key);

/* Changes a row or adds it, in the filling layer. */
void table_put(struct table *table, struct slice key, struct slice value, bool deleted);
uint64_t table_changed_rows(const struct table *table); /* in the filling layer */

/* For a TABLE_APPEND when it is opened: the last key in LMDB. */
void table_set_last_key(struct table *table, struct slice key);

/* Adds a clean row that was read from LMDB and is not in memory. Moves and frees no other row. */
struct row *table_add_clean(struct table *table, uint32_t tag, struct slice key, struct slice value);

static inline size_t table_clean_bytes(const struct table *table)
{
	return table->live_bytes - table->filling_bytes - table->flushing_bytes;
}

/* Of a lazy table: has every changed row with from <= key < to (empty: no bound) in the tree, and some more. */
void table_settle(struct table *table, struct slice from, struct slice to);

/* The filling layer becomes the flushing one (memory.filling is raised by the caller, once for all tables). */
void table_freeze(struct table *table);
/* Only the filling run becomes the flushing one. */
void table_freeze_run(struct table *table);
/* The flush ended well (memory.flushed is raised by the caller before). */
void table_flushed(struct table *table);

/* Moves the hand over up to `slots` slots, and evicts while more than `clean_bytes_max` are clean. */
void table_evict_some(struct table *table, uint32_t slots, size_t clean_bytes_max);
/* Frees up to `rows` old versions. */
void memory_collect_some(struct memory *memory, uint32_t rows);

/* Hints for the processor: first the slot; some time later, when it has come, the row. */
void table_prefetch_slot(const struct table *table, uint32_t tag);
void table_prefetch_row(const struct table *table, uint32_t tag);

#endif
