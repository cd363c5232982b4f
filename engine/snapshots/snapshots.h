/*
 * Snapshots: copies of all projections at one position, from which rebuilds and readers elsewhere may begin.
 *
 *	ROOT/000000001842/           after so many entries
 *		manifest.json        which ledger, which position, which software and layouts, what the rows hash to
 *		balances/ ...        an environment each, compact and clean
 *
 * How one is taken: every projection's current generation is copied as of its last flush, beside an engine or without; the copies,
 * which may stand at different entries, are folded on to the journal's end; then all stand at one position. It is made under
 * another name and renamed when it is whole and on the disk: a directory with the name of a position is a snapshot.
 *
 * Which stay, when an engine takes them by itself: at most so many. When there is one more, that one goes whose neighbours are nearest to
 * each other, counted in entries (before the first one stands the beginning of the journal); the newest stays. So they come to be spread over the
 * whole journal, and with n of them no cut is farther than about 2/n of the journal from one.
 *
 * The hash of a projection: SHA-256 over its tables in order, their rows in key order, each as key size (u32), key, value size
 * (u32), value, sizes big-endian. The sum of a projection: XXH3-64 over the bytes of its data.mdb. LMDB keeps no checksums: it reads a
 * damaged page wrongly, or ends the process. So who reads a snapshot where it lies asks for the sums first (sound.c).
 */
#ifndef LEDGERLINE_SNAPSHOTS_H
#define LEDGERLINE_SNAPSHOTS_H

#include "engine/data/data.h"
#include "engine/journal/journal.h"
#include "projections/export/export.h"
#include "projections/ledger/ledger.h"
#include "schemas/wire/json.h"

enum { SNAPSHOT_PATH_MAX = 3072, SNAPSHOT_FORMAT = 1, SNAPSHOT_TEXT_MAX = 64, SNAPSHOT_SUM_SIZE = 17 };

struct snapshot_of_projection {
	char hash[2 * HASH_BYTES + 1];
	char sum[SNAPSHOT_SUM_SIZE]; /* of its file; empty: nobody noted it, as versions before did not */
	uint64_t rows;
	uint32_t version; /* of its layout */
};

struct snapshot_manifest {
	uint64_t entries;     /* it is the state after so many */
	uint64_t next_offset; /* of the first record that is not in it */
	int64_t time;         /* of the last entry */
	char ledger[UUID_TEXT_SIZE], chain[2 * HASH_BYTES + 1];
	char software[SNAPSHOT_TEXT_MAX];
	char digest[DIGEST_TEXT_SIZE + 1]; /* of the state */
	struct snapshot_of_projection projections[PROJECTIONS_COUNT];
};

/* Takes one of `data` under `root` (made when it is not there). `path` becomes its directory. *was_there: one of this position was
 * there already and was left as it is. `interrupted` (may be NULL): set by somebody, in any thread, to give up: LL_UNAVAILABLE. BLOCKING. LL_NOT_FOUND: a projection is missing. catch_up's errors; LL_FULL, LL_DENIED, LL_IO. */
enum ll_code snapshot_take(const struct data *data, struct journal *journal, const char *root, const bool *interrupted,
			   struct snapshot_manifest *manifest, char path[SNAPSHOT_PATH_MAX], bool *was_there,
			   struct error *error) LL_CHECKED;

/* The same of a ledger that this process folds, and has flushed: `directories` are its projections'. Nothing else may flush it meanwhile. */
enum ll_code snapshot_of_ledger(struct ledger *ledger, const char *const directories[PROJECTIONS_COUNT],
				const char *root, struct snapshot_manifest *manifest, char path[SNAPSHOT_PATH_MAX],
				bool *was_there, struct error *error) LL_CHECKED;

/* The newest one under `root`. LL_NOT_FOUND: there is none. Its manifest is read: LL_CORRUPT, LL_NEWER. */
enum ll_code snapshot_newest(const char *root, struct snapshot_manifest *manifest, char path[SNAPSHOT_PATH_MAX],
			     struct error *error) LL_CHECKED;

/* What a snapshot may be: not beyond so many entries, its last entry not later, of this program's layouts of the projections in `mask`. */
struct snapshot_limit {
	uint64_t entries;
	int64_t time;
	unsigned mask;
};

/* The newest one within a limit. LL_NOT_FOUND: there is none, or none that can be read. */
enum ll_code snapshot_before(const char *root, const struct snapshot_limit *limit, struct snapshot_manifest *manifest,
			     char path[SNAPSHOT_PATH_MAX], struct error *error) LL_CHECKED;

/* Copies one projection of a snapshot into `directory` (there, and empty), and checks the copy against the manifest.
 * LL_DIVERGED: its rows are not those that were written. LL_OLDER, LL_NEWER: of another layout. */
enum ll_code snapshot_restore(const char *path, const struct snapshot_manifest *manifest, enum projection_id id,
			      const char *directory, struct error *error) LL_CHECKED;

/* ---- sound.c ---- */

/* Notes the sums of what lies in `directory`, whose projections are closed. */
enum ll_code snapshot_sum(const char *directory, struct snapshot_manifest *manifest, struct error *error) LL_CHECKED;

/* Are the files of the projections in `mask` those that were written? A file is read once as long as this process lives and nobody changes it.
 * LL_CORRUPT: they are not. LL_NOT_FOUND, LL_DENIED, LL_IO. Any thread. */
enum ll_code snapshot_is_sound(const char *path, const struct snapshot_manifest *manifest, unsigned mask,
			       struct error *error) LL_CHECKED;

/* Does a ledger that was opened over the snapshot stand where the manifest says, with all of its projections? LL_CORRUPT. */
enum ll_code snapshot_is_of(const struct snapshot_manifest *manifest, const struct ledger *ledger,
			    struct error *error) LL_CHECKED;

/* ---- thin.c ---- */

/* Is it the name of a snapshot's directory? After so many entries. */
bool snapshot_name(const char *name, uint64_t *entries);

/* Deletes by the rule above until at most `keep` (1 or more) are there. LL_IO, LL_DENIED. BLOCKING. */
enum ll_code snapshot_thin(const char *root, size_t keep, unsigned *deleted, struct error *error) LL_CHECKED;

/* The next moment after `now` (both ms) that is so many minutes into a day, UTC; INT64_MAX when minute is negative. */
int64_t snapshot_next_daily(int minute, int64_t now);

/* The rule: which of these goes first. `entries` ascends; two at least. */
size_t snapshot_to_delete(const uint64_t *entries, size_t count);

/* ---- manifest.c ---- */

/* Writes DIRECTORY/manifest.json; on the disk when it returns. Reads it. */
enum ll_code manifest_write(const struct snapshot_manifest *manifest, const char *directory,
			    struct error *error) LL_CHECKED;
enum ll_code manifest_read(const char *directory, struct snapshot_manifest *manifest, struct error *error) LL_CHECKED;
void manifest_to_json(const struct snapshot_manifest *manifest, struct json_writer *writer);

#endif
