/* What store.c and scan.c know of a store. Nobody else looks inside. */
#ifndef LEDGERLINE_STORE_INTERNAL_H
#define LEDGERLINE_STORE_INTERNAL_H

#include "projections/store/environment.h"
#include "projections/store/flush.h"
#include "projections/store/overlay.h"
#include "projections/store/readers.h"
#include "projections/store/store.h"
#include "projections/store/table.h"

enum { PREFETCH_DISTANCE = 8 };

/*
 * Where the live rows of an ordered table begin: none has a smaller key. What is due is found by scanning from a table's start,
 * where rows are removed one after another: without this each such scan would pass over all that was removed since the last
 * flush. Learned by scans from the start, lowered by puts.
 */
struct head {
	bool known, none; /* none: the table has no rows at all */
	uint16_t size;
	uint8_t key[STORE_KEY_BYTES_MAX];
};

void head_set(struct head *head, struct slice key);

static inline void head_put(struct head *head, struct slice key)
{
	if (head->known && (head->none || slice_compare(key, slice_of(head->key, head->size)) < 0))
		head_set(head, key);
}

struct store {
	char *projection;
	struct environment *environment;
	int lock; /* the writer's */
	unsigned meta;
	unsigned table_count;
	struct table tables[STORE_TABLES_MAX];
	struct memory memory;
	struct overlay overlay;
	struct head heads[STORE_TABLES_MAX];         /* of ordered tables, committed */
	struct head overlay_heads[STORE_TABLES_MAX]; /* the same with the overlay, while it is open */
	struct flush flush;

	struct environment_txn *
		reader; /* reset but within a read; of a fork: open as long as the store is, NULL without a directory */
	unsigned reading; /* reads within reads: a scan whose visitor gets */

	bool fork;          /* nothing is ever flushed */
	struct error *told; /* of a fork, where a read that failed is noted; NULL: it aborts */

	bool block_open;     /* rows were put since the last mark */
	bool position_moved; /* since the last freeze */
	bool checkpoint;     /* sync after the next flush */
	bool spills;         /* some tables do */
	bool finish;         /* merge what was spilled with the next flush */
	bool retire;         /* leave the mark with the next flush */
	bool flushing;       /* a flush was started and not yet taken note of */
	enum ll_code failed; /* for good */
	struct error failure;
	size_t position_size;
	uint8_t position[STORE_POSITION_BYTES_MAX];

	size_t clean_bytes_max;
	unsigned victim; /* the table whose clean rows are evicted */

	/* Keys that were announced: the slot is on its way, the row is asked for some calls later. */
	struct {
		const struct table *table;
		uint32_t tag;
	} announced[PREFETCH_DISTANCE];
	unsigned announced_next;

	struct reader_watch readers;
	struct store_statistics statistics;
};

static inline struct table *store_table(struct store *store, unsigned table)
{
	return &store->tables[table];
}

/* Around every look into LMDB. Aborts when LMDB cannot be read. */
void store_read_begin(struct store *store);
void store_read_end(struct store *store);
/* Returns only to who reads a fork that tells its failures: as if nothing were there. */
void store_read_failed(struct store *store, const struct error *error);

/* environment_cursor_move. LL_CORRUPT also for a key that no store has put: there is room for none. */
enum ll_code store_move(const struct store *store, struct environment_cursor *cursor, enum environment_move move,
			struct slice *key, struct slice *value, struct error *error) LL_CHECKED;

#endif
