/*
 * A snapshot: one store's LMDB environment as another thread or process reads it, at one transaction.
 *
 * The rows of the last flush, all of one position, for as long as the snapshot is pinned. A pinned snapshot keeps old pages
 * from being used again: pin for milliseconds, not minutes.
 */
#ifndef LEDGERLINE_SNAPSHOT_H
#define LEDGERLINE_SNAPSHOT_H

#include "projections/store/store.h"

struct snapshot;

/* Opens read-only. The guard is asked first (guard.h): LL_UNTRUSTED. LL_DENIED when the lock file cannot be written: LMDB
 * would read without a reader's slot and hand out garbage. LL_NOT_FOUND, LL_OLDER, LL_NEWER, LL_FOREIGN, LL_CORRUPT, LL_IO.
 * The environment of a directory is opened once per process and shared (LMDB forbids more): opens count references. */
enum ll_code snapshot_open(const struct store_spec *spec, const char *directory, struct snapshot **snapshot,
			   struct error *error) LL_CHECKED;
void snapshot_close(struct snapshot *snapshot); /* NULL allowed; unpins */

/* Whether it reads what lies in the directory now: another generation may have got the same name, or a link another end. */
bool snapshot_is_in(const struct snapshot *snapshot, const char *directory);

/* Begins (or begins anew) reading at the last flush. LL_FULL: all reader slots are taken. */
enum ll_code snapshot_pin(struct snapshot *snapshot, struct error *error) LL_CHECKED;
void snapshot_unpin(struct snapshot *snapshot);

/* From now on a page that LMDB does not understand ends the read as if nothing were there, and is noted in *failure (the
 * first one, if it has no code yet); without this it aborts with a message, as in a store. What is damaged so that LMDB
 * itself stumbles ends the process either way. */
void snapshot_tell(struct snapshot *snapshot, struct error *failure);

/* All of these need a pinned snapshot; slices are good until it is unpinned or pinned anew. */
struct slice snapshot_position(struct snapshot *snapshot); /* empty: nothing was ever flushed */
bool snapshot_retired(struct snapshot *snapshot);          /* another generation took its place: open that one */
bool snapshot_get(struct snapshot *snapshot, unsigned table, struct slice key, struct slice *value);
void snapshot_scan(struct snapshot *snapshot, unsigned table, struct slice from, struct slice to, bool backwards,
		   store_visit_fn *visit, void *context);
uint64_t snapshot_rows(struct snapshot *snapshot, unsigned table);

#endif
