#include "projections/store/meta.h"

#include <stdio.h>
#include <stdlib.h>

#include "schemas/wire/ensure.h"

enum { LAYOUT = 1, NUMBER_BYTES = 24 };

static uint64_t number_of(struct slice text)
{
	char copy[NUMBER_BYTES] = "";
	memcpy(copy, text.at, text.size < sizeof copy ? text.size : sizeof copy - 1);
	return strtoull(copy, NULL, 10);
}

static struct slice text_of(char text[NUMBER_BYTES], unsigned number)
{
	return slice_of(text, (size_t)snprintf(text, NUMBER_BYTES, "%u", number));
}

static enum ll_code check_version(const char *directory, const char *what, struct slice found, unsigned wanted,
				  struct error *error)
{
	uint64_t version = number_of(found);
	if (version == wanted)
		return LL_OK;
	if (version > wanted)
		return error_set(error, LL_NEWER,
				 "%s: is of %s %llu, made by a newer version of this program, which knows %u; "
				 "use that one, or rebuild",
				 directory, what, (unsigned long long)version, wanted);
	return error_set(error, LL_OLDER, "%s: is of %s %llu, this program's is %u; rebuild the projection", directory,
			 what, (unsigned long long)version, wanted);
}

/* Whose builder stopped before all rows were in their place. */
static enum ll_code check_building(struct environment_txn *txn, unsigned database, const char *directory,
				   struct error *error)
{
	struct slice value;
	enum ll_code code = environment_get(txn, database, SLICE("building"), &value, error);
	if (code == LL_NOT_FOUND)
		return LL_OK;
	return code != LL_OK
		       ? code
		       : error_set(error, LL_UNTRUSTED,
				   "%s: is half built; rebuild the projection, or wait for its rebuild", directory);
}

static enum ll_code check(struct environment_txn *txn, unsigned database, const char *directory,
			  const struct store_spec *spec, bool may_be_half, struct error *error)
{
	struct slice value;
	enum ll_code code = environment_get(txn, database, SLICE("layout"), &value, error);
	if (code == LL_OK)
		code = check_version(directory, "store layout", value, LAYOUT, error);
	if (code == LL_OK)
		code = environment_get(txn, database, SLICE("projection"), &value, error);
	if (code == LL_OK && !slice_equal(value, slice_text(spec->projection)))
		code = error_set(error, LL_FOREIGN, "%s: holds the projection %.*s, not %s; give the right directory",
				 directory, SLICE_PRINT(value), spec->projection);
	if (code == LL_OK)
		code = environment_get(txn, database, SLICE("schema_version"), &value, error);
	if (code == LL_OK)
		code = check_version(directory, "schema version", value, spec->schema_version, error);
	if (code == LL_OK && !may_be_half)
		code = check_building(txn, database, directory, error);
	return code;
}

/* Missing rows are empty ones. */
static enum ll_code copy_row(struct environment_txn *txn, unsigned database, const char *key, struct slice *copied,
			     struct error *error)
{
	struct slice value;
	enum ll_code code = environment_get(txn, database, slice_text(key), &value, error);
	if (code != LL_OK)
		return code == LL_NOT_FOUND ? LL_OK : code;
	uint8_t *copy = malloc(value.size ? value.size : 1);
	ENSURE(copy && "memory is used up");
	memcpy(copy, value.at, value.size);
	*copied = slice_of(copy, value.size);
	return LL_OK;
}

static enum ll_code copy_all(struct environment_txn *txn, unsigned database, struct meta *meta, struct error *error)
{
	struct slice merging = SLICE_EMPTY;
	enum ll_code code = copy_row(txn, database, "position", &meta->position, error);
	if (code == LL_OK)
		code = copy_row(txn, database, "building", &meta->building, error);
	if (code == LL_OK)
		code = copy_row(txn, database, "merging", &merging, error);
	meta->merging = merging.size != 0;
	free((void *)(uintptr_t)merging.at);
	return code;
}

void meta_release(struct meta *meta)
{
	free((void *)(uintptr_t)meta->position.at);
	free((void *)(uintptr_t)meta->building.at);
	*meta = (struct meta){.merging = false};
}

/* Rows and their position are written in one transaction: without a position there are none. */
static enum ll_code check_tables(struct environment *environment, const struct store_spec *spec, struct error *error)
{
	enum ll_code code = LL_OK;
	for (unsigned i = 0; i < spec->table_count && code == LL_OK; i++) {
		struct environment_txn *txn = NULL;
		struct environment_database_size size = {.rows = 0};
		unsigned database;
		code = environment_database(environment, spec->tables[i].name, false, &database, error);
		if (code == LL_NOT_FOUND) {
			code = LL_OK;
			continue;
		}
		if (code == LL_OK)
			code = environment_txn_begin(environment, false, &txn, error);
		if (code == LL_OK)
			code = environment_database_size(txn, database, &size, error);
		environment_txn_abort(txn);
		if (code == LL_OK && size.rows)
			code = error_set(
				error, LL_CORRUPT,
				"%s: has rows in %s, but not the position that was written with them: it was damaged; "
				"rebuild the projection",
				environment_directory(environment), spec->tables[i].name);
	}
	return code;
}

/* Tables are made after the meta rows: without these there are none either, under whatever names; but their own, while it has none yet. */
static enum ll_code check_empty(struct environment *environment, const struct store_spec *spec, bool has_meta,
				struct error *error)
{
	struct environment_usage usage;
	environment_usage(environment, &usage);
	if (!has_meta && usage.databases <= 1)
		return LL_OK;
	if (!has_meta)
		return error_set(
			error, LL_CORRUPT,
			"%s: has %llu tables, but not the rows that say what it is: it was damaged; rebuild the "
			"projection",
			environment_directory(environment), (unsigned long long)usage.databases);
	return check_tables(environment, spec, error);
}

/* *begun: it has a position, or is being built. *has_meta: it has the rows that every one has. */
static enum ll_code read_rows(struct environment *environment, unsigned database, const struct store_spec *spec,
			      bool may_be_half, struct meta *meta, bool *begun, bool *has_meta, struct error *error)
{
	struct environment_txn *txn = NULL;
	enum ll_code code = environment_txn_begin(environment, false, &txn, error);
	if (code == LL_OK)
		code = check(txn, database, environment_directory(environment), spec, may_be_half, error);
	if (code == LL_OK)
		code = copy_all(txn, database, meta, error);
	environment_txn_abort(txn);
	*has_meta = code == LL_OK;
	*begun = code == LL_OK && (meta->position.size || meta->building.size || meta->merging);
	return code == LL_NOT_FOUND ? LL_OK : code;
}

/* Once. Between the look at the position and that at the tables another process may have written both. */
static enum ll_code read_once(struct environment *environment, const struct store_spec *spec, bool may_be_half,
			      struct meta *meta, struct error *error)
{
	unsigned database;
	bool begun = false, has_meta = false;
	*meta = (struct meta){.merging = false};
	enum ll_code code = environment_database(environment, META_DATABASE, false, &database, error);
	if (code == LL_OK)
		code = read_rows(environment, database, spec, may_be_half, meta, &begun, &has_meta, error);
	else if (code == LL_NOT_FOUND)
		code = LL_OK;
	if (code == LL_OK && !begun)
		code = check_empty(environment, spec, has_meta, error);
	if (code != LL_OK)
		meta_release(meta);
	return code;
}

enum ll_code meta_read(struct environment *environment, const struct store_spec *spec, bool may_be_half,
		       struct meta *meta, struct error *error)
{
	struct meta own;
	enum ll_code code = read_once(environment, spec, may_be_half, &own, error);
	if (code == LL_CORRUPT)
		code = read_once(environment, spec, may_be_half, &own, error);
	if (meta)
		*meta = own;
	else
		meta_release(&own);
	return code;
}

enum ll_code meta_write(struct environment *environment, const struct store_spec *spec, unsigned *database,
			struct error *error)
{
	struct environment_txn *txn = NULL;
	struct slice value;
	char number[NUMBER_BYTES];
	enum ll_code code = environment_database(environment, META_DATABASE, true, database, error);
	if (code == LL_OK)
		code = environment_txn_begin(environment, true, &txn, error);
	if (code != LL_OK)
		return code;
	code = environment_delete(txn, *database, SLICE("retired"), error);
	if (code == LL_OK || code == LL_NOT_FOUND)
		code = environment_get(txn, *database, SLICE("layout"), &value, error);
	if (code == LL_NOT_FOUND) {
		code = environment_put(txn, *database, SLICE("layout"), text_of(number, LAYOUT), false, error);
		if (code == LL_OK)
			code = environment_put(txn, *database, SLICE("projection"), slice_text(spec->projection), false,
					       error);
		if (code == LL_OK)
			code = environment_put(txn, *database, SLICE("schema_version"),
					       text_of(number, spec->schema_version), false, error);
	}
	if (code == LL_OK)
		return environment_txn_commit(txn, error);
	environment_txn_abort(txn);
	return code;
}
