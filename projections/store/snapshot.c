#include "projections/store/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "projections/store/environment.h"
#include "projections/store/guard.h"
#include "projections/store/meta.h"
#include "schemas/wire/ensure.h"

struct snapshot {
	struct environment *environment;
	struct environment_txn *txn; /* reset while not pinned; NULL before the first pin */
	bool pinned;
	unsigned meta;
	unsigned databases[STORE_TABLES_MAX];
	struct error *failure; /* where failures are noted; NULL: they abort */
};

/* Tables are made before anything is written: with a position, none is missing. */
static enum ll_code open_databases(struct snapshot *snapshot, const struct store_spec *spec, struct error *error)
{
	struct environment *environment = snapshot->environment;
	struct meta meta;
	enum ll_code code = meta_read(environment, spec, false, &meta, error);
	bool is_written = code == LL_OK && meta.position.size;
	if (code == LL_OK)
		code = environment_database(environment, META_DATABASE, false, &snapshot->meta, error);
	for (unsigned i = 0; i < spec->table_count && code == LL_OK; i++) {
		code = environment_database(environment, spec->tables[i].name, false, &snapshot->databases[i], error);
		if (code == LL_NOT_FOUND && is_written)
			code = error_set(error, LL_CORRUPT,
					 "%s: its table %s cannot be found: it was damaged; rebuild the projection",
					 environment_directory(environment), spec->tables[i].name);
	}
	meta_release(&meta);
	return code;
}

enum ll_code snapshot_open(const struct store_spec *spec, const char *directory, struct snapshot **result,
			   struct error *error)
{
	struct environment_options options = {.directory = directory, .read_only = true};
	struct snapshot *snapshot = calloc(1, sizeof *snapshot);
	ENSURE(snapshot && "memory is used up");
	*result = NULL;
	enum ll_code code = guard_check(directory, error);
	if (code == LL_OK)
		code = environment_open(&options, &snapshot->environment, error);
	if (code == LL_OK)
		code = open_databases(snapshot, spec, error);
	if (code != LL_OK) {
		snapshot_close(snapshot);
		return code;
	}
	*result = snapshot;
	return LL_OK;
}

void snapshot_close(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	environment_txn_abort(snapshot->txn);
	environment_close(snapshot->environment);
	free(snapshot);
}

bool snapshot_is_in(const struct snapshot *snapshot, const char *directory)
{
	return environment_is_in(snapshot->environment, directory);
}

enum ll_code snapshot_pin(struct snapshot *snapshot, struct error *error)
{
	enum ll_code code = snapshot->txn ? environment_txn_renew(snapshot->txn, error)
					  : environment_txn_begin(snapshot->environment, false, &snapshot->txn, error);
	snapshot->pinned = code == LL_OK;
	return code;
}

void snapshot_unpin(struct snapshot *snapshot)
{
	if (snapshot->pinned)
		environment_txn_reset(snapshot->txn);
	snapshot->pinned = false;
}

void snapshot_tell(struct snapshot *snapshot, struct error *failure)
{
	snapshot->failure = failure;
}

/* What cannot be read is not "not there": an answer made from it would be wrong. */
static void read_failed(struct snapshot *snapshot, const struct error *error)
{
	if (snapshot->failure) {
		if (snapshot->failure->code == LL_OK)
			*snapshot->failure = *error;
		return;
	}
	fprintf(stderr, "ledgerline: a snapshot cannot be read: %s\n", error->text);
	abort();
}

static bool get(struct snapshot *snapshot, unsigned database, struct slice key, struct slice *value)
{
	struct error error;
	ENSURE(snapshot->pinned);
	enum ll_code code = environment_get(snapshot->txn, database, key, value, &error);
	if (code != LL_OK && code != LL_NOT_FOUND)
		read_failed(snapshot, &error);
	return code == LL_OK;
}

struct slice snapshot_position(struct snapshot *snapshot)
{
	struct slice position = SLICE_EMPTY;
	return get(snapshot, snapshot->meta, SLICE("position"), &position) ? position : SLICE_EMPTY;
}

bool snapshot_retired(struct snapshot *snapshot)
{
	struct slice mark;
	return get(snapshot, snapshot->meta, SLICE("retired"), &mark);
}

bool snapshot_get(struct snapshot *snapshot, unsigned table, struct slice key, struct slice *value)
{
	return get(snapshot, snapshot->databases[table], key, value);
}

/* The first move of a scan. */
static enum ll_code start(struct environment_cursor *cursor, struct slice from, struct slice to, bool backwards,
			  struct slice *key, struct slice *value, struct error *error)
{
	if (!backwards) {
		*key = from;
		return environment_cursor_move(cursor, from.size ? MOVE_TO_OR_AFTER : MOVE_FIRST, key, value, error);
	}
	enum ll_code code = LL_NOT_FOUND;
	*key = to;
	if (to.size)
		code = environment_cursor_move(cursor, MOVE_TO_OR_AFTER, key, value, error);
	if (code != LL_OK && code != LL_NOT_FOUND)
		return code;
	return environment_cursor_move(cursor, code == LL_OK ? MOVE_PREVIOUS : MOVE_LAST, key, value, error);
}

static bool within(struct slice key, struct slice from, struct slice to, bool backwards)
{
	if (backwards)
		return slice_compare(key, from) >= 0;
	return to.size == 0 || slice_compare(key, to) < 0;
}

void snapshot_scan(struct snapshot *snapshot, unsigned table, struct slice from, struct slice to, bool backwards,
		   store_visit_fn *visit, void *context)
{
	struct environment_cursor *cursor = NULL;
	struct slice key = SLICE_EMPTY, value = SLICE_EMPTY;
	struct error error;
	ENSURE(snapshot->pinned);
	enum ll_code code = environment_cursor_open(snapshot->txn, snapshot->databases[table], &cursor, &error);
	if (code == LL_OK)
		code = start(cursor, from, to, backwards, &key, &value, &error);
	while (code == LL_OK && within(key, from, to, backwards) && visit(context, key, value))
		code = environment_cursor_move(cursor, backwards ? MOVE_PREVIOUS : MOVE_NEXT, &key, &value, &error);
	environment_cursor_close(cursor);
	if (code != LL_OK && code != LL_NOT_FOUND)
		read_failed(snapshot, &error);
}

uint64_t snapshot_rows(struct snapshot *snapshot, unsigned table)
{
	struct environment_database_size size = {.rows = 0};
	struct error error;
	ENSURE(snapshot->pinned);
	if (environment_database_size(snapshot->txn, snapshot->databases[table], &size, &error) != LL_OK)
		read_failed(snapshot, &error);
	return size.rows;
}
