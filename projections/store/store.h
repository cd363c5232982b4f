/*
 * A store: the tables of one projection, in memory over one LMDB environment.
 *
 *	               get: first that has the key        put, delete go to
 *	overlay        the block being decided            here, while it is open; dropped, never written
 *	filling        committed blocks, not yet frozen   here otherwise
 *	flushing       frozen, on its way to disk         (nobody: rows are copied before they are changed)
 *	clean          rows that equal what LMDB has      (kept for speed, bounded)
 *	LMDB           as of the last flush
 *
 * Rows are bytes: the store knows no layouts. A value that is given to it is copied.
 *
 * Threads. Everything here is called by the store's one owner thread, except what the flush thread does by itself and what
 * snapshots (snapshot.h) do in any thread or process. The flush thread writes one frozen layer in key order, and the
 * position that it was frozen with, in one LMDB transaction. A layer holds only the newest version of a row, so it cannot be
 * split afterwards: store_fill says `full` before it holds more than LMDB can write without spilling (100,000 pages), and
 * the caller then freezes at the next block's end (or, while a flush is under way, takes no more work).
 *
 * Time. The owner never waits for the disk, except in store_open, store_close, store_wait_flushed, and for a read of a row
 * that is neither in memory nor in the page cache.
 *
 * Failure. An error of the flush (disk full, map full, I/O) is final for this store: it is reported by store_poll, nothing
 * more is flushed, and what was flushed before stays whole. Memory that runs out aborts the process: the journal has
 * everything.
 */
#ifndef LEDGERLINE_STORE_H
#define LEDGERLINE_STORE_H

#include "schemas/wire/error.h"
#include "schemas/wire/slice.h"

struct store;

enum { STORE_TABLES_MAX = 16, STORE_KEY_BYTES_MAX = 500, STORE_POSITION_BYTES_MAX = 1024 };

/* Beside each other, but for LAZY, which goes with ORDERED. */
enum table_flags {
	/* Read by whole keys; a scan sorts the rows in memory first: for exports only. */
	TABLE_POINT = 0,
	/* Scans are cheap: rows that are not flushed are also kept in order in memory. */
	TABLE_ORDERED = 1,
	/* New keys nearly always come in ascending order (entry numbers): a hint for flushes. */
	TABLE_APPEND = 2,
	/* For rows of scattered keys that are seldom scanned before they are flushed: what was changed is put in order only
	 * when a scan wants it. */
	TABLE_LAZY = 4,
	/* Rows of scattered keys that the fold only adds and never reads: when the table is filled from nothing in bulk they
	 * are sorted outside, and merged at the end (store_finish). Until then it cannot be read. */
	TABLE_SPILL = 8,
};

struct table_spec {
	const char *name; /* the LMDB database's name */
	unsigned flags;
};

struct store_spec {
	const char *projection; /* its name: that of the folder, and for messages */
	uint32_t schema_version;
	const struct table_spec *tables;
	unsigned table_count; /* <= STORE_TABLES_MAX */
};

struct store_options {
	const char *
		directory; /* the generation's directory; made when it is not there and `create`. Of a fork: may be NULL */
	bool create;
	size_t map_bytes;       /* 0: 64 GiB; grown by itself when full, up to the disk */
	size_t clean_bytes_max; /* 0: 256 MiB: bound of the clean rows kept */
	bool bulk;              /* a rebuild: what is flushed goes on its way to the disk at once */
	bool resume; /* with bulk: one that was left half built may be opened, and is built on from its position */
	void (*flushed)(
		void *); /* by the flush thread when a flush ended, well or not; calls nothing here. May be NULL */
	void *flushed_context;
	/* A fork: what the directory has is only read, and what is changed stays in memory until the store is abandoned. Others may read the
	 * directory meanwhile, or fork it too; nobody may write it. Without a directory it begins with nothing. It has no flushes and no thread,
	 * and may be used by several threads one after another. It has room for 4 GiB of changed rows, and no more. */
	bool fork;
	/* Of a fork: a page that LMDB does not understand ends the read as if nothing were there, and is noted here, if no code is there yet.
	 * NULL: it aborts. */
	struct error *failure;
};

/* Opens or creates. *position: the position row as it was last flushed, copied into malloc'ed bytes that the caller frees;
 * empty in a fresh store.
 * LL_UNTRUSTED: was not synced before the machine stopped (the caller throws it away and rebuilds). LL_OLDER, LL_NEWER:
 * of another schema version. LL_FOREIGN: of another projection. LL_BUSY: somebody else writes it. LL_NOT_FOUND: not there,
 * and not `create`. LL_CORRUPT, LL_FULL, LL_DENIED, LL_IO. After an error nothing in an existing directory was changed. */
enum ll_code store_open(const struct store_spec *spec, const struct store_options *options, struct store **store,
			struct slice *position, struct error *error) LL_CHECKED;

/* Drops the overlay; flushes what was marked with store_mark_block, syncs, marks the directory clean, closes, frees. A filling
 * layer that ends within a block is not flushed: the position then stays that of the last flush. Even when an error comes
 * back, all is freed. NULL allowed. */
enum ll_code store_close(struct store *store, struct error *error) LL_CHECKED;

/* Closes without flushing and without the clean mark, as a crash would (tests, poison, a generation to be deleted); how a fork ends. */
void store_abandon(struct store *store);

/* ---- rows ---- */

/* The newest row with that key: with `overlay` the uncommitted ones first. false: there is none. The value is good until the
 * next call on this store other than store_get, store_prefetch and scans. A page of LMDB that cannot be read aborts with a
 * message. */
bool store_get(struct store *store, unsigned table, struct slice key, bool overlay, struct slice *value);

/* Tells the processor that this key will be asked for soon. Has no other effect. */
void store_prefetch(struct store *store, unsigned table, struct slice key);

/* Sets or removes a row, in the overlay while one is open, else in the filling layer. Removing what is not there is
 * allowed. Key: 1..STORE_KEY_BYTES_MAX bytes. `value` may be what store_get gave for the same key. */
void store_put(struct store *store, unsigned table, struct slice key, struct slice value);
void store_delete(struct store *store, unsigned table, struct slice key);

/* Rows with from <= key < to (an empty `to`: to the table's end) in key order, or backwards. `visit` returns false to stop;
 * it must not change the store. Key and value are good during the visit. */
typedef bool store_visit_fn(void *context, struct slice key, struct slice value);
void store_scan(struct store *store, unsigned table, struct slice from, struct slice to, bool backwards, bool overlay,
		store_visit_fn *visit, void *context);

/* ---- the overlay ---- */

void store_overlay_open(struct store *store); /* from now on put and delete go there. It must not be open */
void store_overlay_drop(struct store *store); /* forgets it. Allowed when none is open */

/* ---- blocks and flushes ---- */

/* A committed block was applied in whole: `position` (<= STORE_POSITION_BYTES_MAX, copied) is where the filling layer now stands. */
void store_mark_block(struct store *store, struct slice position);

/* How much the filling layer holds. */
struct store_fill {
	uint64_t rows;     /* changed rows, each counted once */
	size_t bytes;      /* memory of the filling layer */
	bool flushing;     /* a flush is under way */
	bool full;         /* freeze now: much more would not fit into one transaction of LMDB */
	bool spills;       /* its rows are sorted outside (TABLE_SPILL) */
	size_t run_bytes;  /* of `bytes`, and */
	uint64_t run_rows; /* of `rows`: what store_freeze_runs would write out */
};
struct store_fill store_fill(const struct store *store);

/* Freezes the filling layer as of the last store_mark_block and starts its flush; an empty one whose position moved is
 * flushed too. false, and nothing happens: a flush is still under way, or there is nothing to flush, or the store failed. It
 * must not be called between the first put of a block and its store_mark_block. */
bool store_freeze(struct store *store);

/* Of a store that is being built in bulk: starts a flush of only those rows that came in order at the end of a TABLE_APPEND, ahead of
 * the position. They are most of what is written, and go for nothing more than appending, while rows that change again and again stay in
 * memory. Until the next store_freeze the store says `building`: built on from its position it becomes right again, as the same rows are
 * put once more. false as of store_freeze. Allowed within a block. */
bool store_freeze_runs(struct store *store);

/* Takes note of a flush that ended, frees what it held. LL_OK: none is under way. LL_BUSY: one is. Else: it failed for
 * good, *error says how. Call it after `flushed` fired, and before store_freeze. */
enum ll_code store_poll(struct store *store, struct error *error) LL_CHECKED;

/* Waits for the flush under way, then store_poll. */
enum ll_code store_wait_flushed(struct store *store, struct error *error) LL_CHECKED;

/* The next flush is followed by a sync, after which the generation would survive a stop of the machine only together with
 * a clean close; it bounds what a later sync has to write, and finds failing disks early. */
void store_checkpoint(struct store *store);

/* The next flush also merges what was spilled (TABLE_SPILL), so that every row can be read. Does nothing when nothing was;
 * store_close does it by itself. */
void store_finish(struct store *store);

/* The next flush leaves the mark `retired`, which snapshots see: another generation has taken its place. */
void store_retire(struct store *store);

/* Looks who reads the store in other processes, or in this one: clears the slots of processes that died, so that their pages
 * can be used again, and notes who has been standing still behind the newest commit. Wants to be called every few seconds, with
 * a clock that only goes forward. What the lock file refuses is passed over: the next look tries again. */
void store_look_at_readers(struct store *store, int64_t now_ms);

enum { STORE_READER_LONG_MS = 5000, STORE_READERS_MAX = 510 };

struct store_reader {
	int process;                      /* its pid */
	uint64_t commits_behind, held_ms; /* held: since the first look that saw it behind */
	bool is_new;                      /* it was not long at the look before */
};
/* Those that have stood still for STORE_READER_LONG_MS or longer, as of the last look. Writes `room` of them at most, and says how
 * many there are. */
unsigned store_long_readers(const struct store *store, struct store_reader *readers, unsigned room);

/* How many flushes took so long at most; the last one: longer than the greatest bound. */
enum { STORE_FLUSH_BUCKETS = 12 };
extern const uint64_t store_flush_bounds_us[STORE_FLUSH_BUCKETS];

struct store_statistics {
	uint64_t flushes;
	uint64_t flush_us[STORE_FLUSH_BUCKETS + 1], flush_us_sum;
	uint64_t bytes_flushed; /* of memory, as long as they were not */
	uint64_t rows_flushed;
	uint64_t flush_us_last, flush_us_max;
	uint64_t map_bytes, map_used_bytes;
	uint64_t clean_rows, clean_bytes, dirty_bytes;
	uint32_t readers, readers_max; /* read slots in use, of how many */
	uint64_t readers_cleared;      /* slots of processes that died, since the store was opened */
};
void store_statistics(struct store *store, struct store_statistics *statistics);

#endif
