/*
 * An LMDB environment: the only wrapper of LMDB, under the store, the snapshots and the local journal.
 *
 * Caveats first.
 * - LMDB forbids to open one environment twice in a process. So environments are shared here: opening a directory that this
 *   process has open gives the same one again and counts; the last close closes. A second opener takes what the first one
 *   chose (synced, map size). One that is open read-only cannot be opened for writing (LL_BUSY).
 * - Never use one after fork(). Never open or close its lock.mdb by other means.
 * - LMDB allows one write transaction at a time; a second one waits for the first, other processes' included.
 * - Slices handed out point into the map: good until their transaction ends, and in a write transaction until its next
 *   change. Nothing may be written through them.
 * - Who opens for writing lets the group write lock.mdb, as readers must; all else is as the umask says.
 * - A read transaction keeps old pages from being used again: keep it for milliseconds, or renew it.
 * - A transaction may be used by one thread at a time, not by its own thread only (MDB_NOTLS); a write transaction must end
 *   in the thread that began it.
 *
 * Keys have 1..511 bytes. Values up to 4 GiB. No duplicates.
 *
 * Errors: every function here says LL_IO for what the disk refused, LL_FULL for a full map or disk, LL_CORRUPT for pages that
 * LMDB does not understand, LL_DENIED for missing rights, LL_NO_MEMORY, unless it says more. The sentence names the directory.
 */
#ifndef LEDGERLINE_STORE_ENVIRONMENT_H
#define LEDGERLINE_STORE_ENVIRONMENT_H

#include "schemas/wire/error.h"
#include "schemas/wire/slice.h"

struct environment;
struct environment_txn;
struct environment_cursor;

#define ENVIRONMENT_MAP_BYTES_DEFAULT ((size_t)64 << 30)
enum { ENVIRONMENT_KEY_BYTES_MAX = 511, ENVIRONMENT_DATABASES_MAX = 32, ENVIRONMENT_READERS_MAX = 510 };

struct environment_options {
	const char *directory;
	bool create;    /* makes the directory (its parent must be there) and what is in it */
	bool read_only; /* needs the right to write lock.mdb all the same: LL_DENIED */
	bool synced;    /* every commit is on the disk when it returns; else only environment_sync puts it there */
	size_t map_bytes; /* 0: ENVIRONMENT_MAP_BYTES_DEFAULT. Address space, not disk. Never smaller than what is there */
};

/* LL_NOT_FOUND: nothing there and not `create`. LL_BUSY: open read-only in this process, and asked for writing. */
enum ll_code environment_open(const struct environment_options *options, struct environment **environment,
			      struct error *error) LL_CHECKED;
/* All transactions of this opener must have ended. NULL allowed. */
void environment_close(struct environment *environment);

const char *environment_directory(const struct environment *environment);
/* Whether its data.mdb is the one that lies in the directory now. One stat(2); nothing is opened. */
bool environment_is_in(const struct environment *environment, const char *directory);

/* A named database's handle, good as long as the environment is open. Call it while this thread has no transaction open.
 * LL_NOT_FOUND: it is not there, and not `create`. */
enum ll_code environment_database(struct environment *environment, const char *name, bool create, unsigned *database,
				  struct error *error) LL_CHECKED;

/* ---- transactions ---- */

/* LL_FULL for a reader: all reader slots are taken. Waits while the map is being grown. LL_TIMEOUT: another process made it grow,
 * and for 10 s some transaction of this process did not end, so that this one could not follow. The same for renewing. */
enum ll_code environment_txn_begin(struct environment *environment, bool write, struct environment_txn **txn,
				   struct error *error) LL_CHECKED;
/* Ends it, whatever comes back; on an error nothing of it was written. */
enum ll_code environment_txn_commit(struct environment_txn *txn, struct error *error) LL_CHECKED;
void environment_txn_abort(struct environment_txn *txn); /* NULL allowed; also how a read transaction ends */

/* A read transaction lets go of its snapshot but keeps its slot; renew begins anew at the last commit. Resetting twice is
 * allowed. After a failed renew it is still reset. Cursors: environment_cursor_renew. */
void environment_txn_reset(struct environment_txn *txn);
enum ll_code environment_txn_renew(struct environment_txn *txn, struct error *error) LL_CHECKED;

/* The commit that a reader sees, or that a writer will make. */
uint64_t environment_txn_number(const struct environment_txn *txn);

/* After an LL_FULL and the abort of the transaction: makes the map larger and says LL_OK when it was the map that was full:
 * do the transaction again. LL_FULL: it was the disk, or the address space is used up. The caller must have no transaction
 * open (a reset one is none); waits until the other threads of this process have ended theirs. */
enum ll_code environment_grow(struct environment *environment, struct error *error) LL_CHECKED;

/* ---- rows ---- */

/* LL_NOT_FOUND leaves *error alone. */
enum ll_code environment_get(struct environment_txn *txn, unsigned database, struct slice key, struct slice *value,
			     struct error *error) LL_CHECKED;
/* `append`: the key is beyond the last one, which is faster and fills pages up; LL_EXISTS when it is not. */
enum ll_code environment_put(struct environment_txn *txn, unsigned database, struct slice key, struct slice value,
			     bool append, struct error *error) LL_CHECKED;
enum ll_code environment_delete(struct environment_txn *txn, unsigned database, struct slice key,
				struct error *error) LL_CHECKED; /* LL_NOT_FOUND leaves *error alone */

enum environment_move {
	MOVE_FIRST,
	MOVE_LAST,
	MOVE_NEXT,
	MOVE_PREVIOUS,
	MOVE_TO,          /* exactly to *key */
	MOVE_TO_OR_AFTER, /* to *key or the first one after it */
};

enum ll_code environment_cursor_open(struct environment_txn *txn, unsigned database, struct environment_cursor **cursor,
				     struct error *error) LL_CHECKED;
/* Must be closed before its write transaction ends; that of a reader may outlive it for environment_cursor_renew. */
void environment_cursor_close(struct environment_cursor *cursor); /* NULL allowed */
enum ll_code environment_cursor_renew(struct environment_cursor *cursor, struct environment_txn *txn,
				      struct error *error) LL_CHECKED;
/* LL_NOT_FOUND: there is none (*error is left alone). *value may be NULL. */
enum ll_code environment_cursor_move(struct environment_cursor *cursor, enum environment_move move, struct slice *key,
				     struct slice *value, struct error *error) LL_CHECKED;
enum ll_code environment_cursor_put(struct environment_cursor *cursor, struct slice key, struct slice value,
				    bool append, struct error *error) LL_CHECKED;
/* A new value for the row that it stands on, whose key is `key`. */
enum ll_code environment_cursor_replace(struct environment_cursor *cursor, struct slice key, struct slice value,
					struct error *error) LL_CHECKED;
/* Removes the row that it stands on; MOVE_NEXT then gives the one behind it. */
enum ll_code environment_cursor_delete(struct environment_cursor *cursor, struct error *error) LL_CHECKED;

/* ---- upkeep ---- */

struct environment_database_size {
	uint64_t rows, leaf_pages, branch_pages, overflow_pages;
	unsigned depth;
};
enum ll_code environment_database_size(struct environment_txn *txn, unsigned database,
				       struct environment_database_size *size, struct error *error) LL_CHECKED;

struct environment_usage {
	uint64_t databases;             /* whatever they are called */
	uint64_t map_bytes, used_bytes; /* used: up to the last page ever used */
	uint64_t last_txn;
	unsigned readers, readers_max; /* reader slots in use by any process, of how many */
};
void environment_usage(struct environment *environment, struct environment_usage *usage);

/* Frees the slots of processes that died. *dead may be NULL. */
enum ll_code environment_readers_check(struct environment *environment, unsigned *dead, struct error *error) LL_CHECKED;
struct environment_reader {
	int process;   /* its pid */
	size_t thread; /* which of its transactions, more or less */
	size_t commit; /* that it has pinned; 0: none, it only has its slot */
};
/* Those that have a slot, of all processes; how many there are, `room` at most. */
unsigned environment_readers(struct environment *environment, struct environment_reader *readers, unsigned room);

/* Puts all commits on the disk. After an error nothing that was committed since the last good sync can be trusted. */
enum ll_code environment_sync(struct environment *environment, struct error *error) LL_CHECKED;
/* Tells the system to begin to write out what was committed. Waits for nothing; only a hint. */
void environment_writeback(struct environment *environment);

/* A compact copy as of now, in `directory` (which must be there and empty), on the disk when this returns. */
enum ll_code environment_copy(struct environment *environment, const char *directory, struct error *error) LL_CHECKED;

/* ---- files beside environments ---- */

/* The code for an errno: LL_FULL, LL_DENIED, LL_NOT_FOUND, LL_EXISTS, LL_NO_MEMORY, else LL_IO. */
enum ll_code environment_code(int number);

/* Put a file's bytes, or a directory's entries, on the disk. */
enum ll_code environment_sync_file(const char *path, struct error *error) LL_CHECKED;
enum ll_code environment_sync_directory(const char *directory, struct error *error) LL_CHECKED;

/* The name of `path` itself, which may be a new directory's. A parent that may not be read by this user is left alone. */
enum ll_code environment_sync_name(const char *path, struct error *error) LL_CHECKED;

/* Makes one; one that is there already is fine. */
enum ll_code environment_make_directory(const char *path, struct error *error) LL_CHECKED;

/* For tests: asked before every call that can fail, with the call's name; what it returns (an errno or LMDB's code) happens
 * in its place, 0: the call is made. NULL: never. Must be set while no other thread is at work. */
typedef int environment_fault_fn(const char *call);
void environment_fault_set(environment_fault_fn *fault);
int environment_fault(const char *call);
extern bool environment_faults; /* whether one is set */

#endif
