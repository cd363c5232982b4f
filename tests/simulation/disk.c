#include "tests/simulation/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "projections/store/environment.h"
#include "projections/store/flush.h"
#include "projections/store/generation.h"
#include "projections/store/guard.h"
#include "schemas/wire/arena.h"
#include "schemas/wire/ensure.h"

enum { DIRECTORIES_MAX = 64, DATABASES_MAX = 16, NAME_MAX_BYTES = 48, FLUSHES_MAX = 64, ROOM_FIRST = 16 };

struct saved_row {
	struct slice key, value;
};

struct database {
	char name[NAME_MAX_BYTES];
	struct saved_row *rows; /* in order of keys */
	size_t count, room;
	bool own; /* of the write transaction: `rows` may be changed in place */
};

struct version {
	unsigned count;
	struct database databases[DATABASES_MAX];
};

struct environment {
	char directory[NAME_MAX_BYTES];
	bool guarded; /* a store was made there */
	unsigned opened;
	bool writing;
	struct version **versions;
	size_t count, room;
	enum ll_code failure; /* of the next commit */
};

struct environment_txn {
	struct environment *environment;
	struct version *version; /* NULL: reset */
	bool write;
};

struct environment_cursor {
	struct environment_txn *txn;
	unsigned database;
	size_t at;
	bool before; /* stands before row `at`, not on it */
};

static struct environment environments[DIRECTORIES_MAX];
static unsigned environment_count;
static struct arena arena; /* rows and versions of all directories */
static struct flush *flushes[FLUSHES_MAX];
static unsigned flush_count;
static uint64_t randomness;

static struct environment *find(const char *directory)
{
	for (unsigned i = 0; i < environment_count; i++)
		if (strcmp(environments[i].directory, directory) == 0)
			return &environments[i];
	ENSURE(environment_count < DIRECTORIES_MAX && strlen(directory) < NAME_MAX_BYTES);
	struct environment *environment = &environments[environment_count++];
	*environment = (struct environment){.opened = 0};
	memcpy(environment->directory, directory, strlen(directory) + 1);
	return environment;
}

static struct version *newest(const struct environment *environment)
{
	return environment->versions[environment->count - 1];
}

static void add_version(struct environment *environment, struct version *version)
{
	if (environment->count == environment->room) {
		environment->room = environment->room ? 2 * environment->room : 64;
		environment->versions = realloc(environment->versions, environment->room * sizeof(struct version *));
		ENSURE(environment->versions);
	}
	environment->versions[environment->count++] = version;
}

/* ---- the simulation's side ---- */

void disk_reset(uint64_t seed)
{
	ENSURE(flush_count == 0);
	for (unsigned i = 0; i < environment_count; i++) {
		ENSURE(!environments[i].opened);
		free(environments[i].versions);
	}
	environment_count = 0;
	arena_reset(&arena);
	randomness = seed;
}

static unsigned waiting_in(const char *directory)
{
	unsigned i = 0;
	while (i < flush_count && strcmp(environment_directory(flushes[i]->environment), directory) != 0)
		i++;
	return i;
}

static void do_flush(unsigned index)
{
	struct flush *flush = flushes[index];
	flushes[index] = flushes[--flush_count];
	flush_run(flush);
	flush->state = FLUSH_DONE;
	if (flush->flushed)
		flush->flushed(flush->flushed_context);
}

bool disk_flush_waits(const char *directory)
{
	return waiting_in(directory) < flush_count;
}

bool disk_flush(const char *directory, enum ll_code failure)
{
	unsigned index = waiting_in(directory);
	if (index == flush_count)
		return false;
	find(directory)->failure = failure;
	do_flush(index);
	find(directory)->failure = LL_OK;
	return true;
}

size_t disk_versions(const char *directory)
{
	return find(directory)->count;
}

void disk_rewind(const char *directory, size_t versions)
{
	struct environment *environment = find(directory);
	ENSURE(!environment->opened && versions >= 1 && versions <= environment->count);
	environment->count = versions;
}

void disk_wipe(const char *directory)
{
	struct environment *environment = find(directory);
	ENSURE(!environment->opened);
	environment->count = 0;
	environment->guarded = false;
}

/* ---- what production code calls: the flush thread ---- */

enum ll_code flush_open(struct flush *flush, struct error *error)
{
	(void)error;
	flush->running = true;
	return LL_OK;
}

static unsigned index_of(const struct flush *flush)
{
	unsigned i = 0;
	while (i < flush_count && flushes[i] != flush)
		i++;
	return i;
}

/* What was not done by now never is: whoever wants it waits before. */
void flush_close(struct flush *flush)
{
	unsigned index = index_of(flush);
	if (index < flush_count)
		flushes[index] = flushes[--flush_count];
	flush_release(flush);
}

void flush_start(struct flush *flush)
{
	ENSURE(flush->state == FLUSH_IDLE && flush_count < FLUSHES_MAX);
	flush->state = FLUSH_STARTED;
	flushes[flush_count++] = flush;
}

bool flush_under_way(struct flush *flush)
{
	return flush->state == FLUSH_STARTED;
}

void flush_wait(struct flush *flush)
{
	if (flush->state == FLUSH_STARTED)
		do_flush(index_of(flush));
}

void flush_take(struct flush *flush)
{
	ENSURE(flush->state == FLUSH_DONE);
	flush->state = FLUSH_IDLE;
}

/* ---- guard and lock ---- */

enum ll_code guard_check(const char *directory, struct error *error)
{
	return find(directory)->guarded ? LL_OK : error_set(error, LL_NOT_FOUND, "%s: nothing is there", directory);
}

enum ll_code guard_write(const char *directory, enum guard_state state, struct error *error)
{
	(void)state;
	(void)error;
	find(directory)->guarded = true;
	return LL_OK;
}

enum ll_code generation_lock(const char *directory, int *descriptor, struct error *error)
{
	(void)directory;
	(void)error;
	*descriptor = -1;
	return LL_OK;
}

/* The only randomness of production code that is not its host's: seeds of hash tables, the uuid of a genesis. */
ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
	(void)flags;
	for (size_t i = 0; i < size; i++) {
		randomness = randomness * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)bytes)[i] = (uint8_t)(randomness >> 56);
	}
	return (ssize_t)size;
}

/* ---- files ---- */

enum ll_code environment_make_directory(const char *path, struct error *error)
{
	(void)path;
	(void)error;
	return LL_OK;
}

enum ll_code environment_sync_file(const char *path, struct error *error)
{
	return environment_make_directory(path, error);
}

enum ll_code environment_sync_directory(const char *directory, struct error *error)
{
	return environment_make_directory(directory, error);
}

enum ll_code environment_sync_name(const char *path, struct error *error)
{
	return environment_make_directory(path, error);
}

/* For the local journal, which is linked and not used. */
bool environment_faults;

int environment_fault(const char *call)
{
	(void)call;
	return 0;
}

enum ll_code environment_code(int number)
{
	return number == ENOSPC ? LL_FULL : LL_IO;
}

/* ---- environments ---- */

enum ll_code environment_open(const struct environment_options *options, struct environment **opened,
			      struct error *error)
{
	struct environment *environment = find(options->directory);
	if (!environment->count && !options->create)
		return error_set(error, LL_NOT_FOUND, "%s: nothing is there", options->directory);
	if (!environment->count) {
		struct version *version = arena_alloc(&arena, sizeof *version);
		version->count = 0;
		add_version(environment, version);
	}
	environment->opened++;
	*opened = environment;
	return LL_OK;
}

void environment_close(struct environment *environment)
{
	if (environment)
		environment->opened--;
}

const char *environment_directory(const struct environment *environment)
{
	return environment->directory;
}

bool environment_is_in(const struct environment *environment, const char *directory)
{
	return strcmp(environment->directory, directory) == 0;
}

enum ll_code environment_database(struct environment *environment, const char *name, bool create, unsigned *database,
				  struct error *error)
{
	struct version *version = newest(environment);
	for (*database = 0; *database < version->count; (*database)++)
		if (strcmp(version->databases[*database].name, name) == 0)
			return LL_OK;
	if (!create)
		return error_set(error, LL_NOT_FOUND, "%s: there is no database %s", environment->directory, name);
	struct version *next = arena_alloc(&arena, sizeof *next);
	*next = *version;
	ENSURE(next->count < DATABASES_MAX && strlen(name) < NAME_MAX_BYTES);
	struct database *made = &next->databases[next->count++];
	*made = (struct database){.rows = NULL};
	memcpy(made->name, name, strlen(name) + 1);
	add_version(environment, next);
	return LL_OK;
}

/* ---- transactions ---- */

enum ll_code environment_txn_begin(struct environment *environment, bool write, struct environment_txn **begun,
				   struct error *error)
{
	(void)error;
	struct environment_txn *txn = calloc(1, sizeof *txn);
	ENSURE(txn && !(write && environment->writing));
	txn->environment = environment;
	txn->write = write;
	txn->version = newest(environment);
	if (write) {
		environment->writing = true;
		txn->version = arena_alloc(&arena, sizeof *txn->version);
		*txn->version = *newest(environment);
		for (unsigned i = 0; i < txn->version->count; i++)
			txn->version->databases[i].own = false;
	}
	*begun = txn;
	return LL_OK;
}

void environment_txn_abort(struct environment_txn *txn)
{
	if (txn && txn->write)
		txn->environment->writing = false;
	free(txn);
}

enum ll_code environment_txn_commit(struct environment_txn *txn, struct error *error)
{
	struct environment *environment = txn->environment;
	enum ll_code failure = txn->write ? environment->failure : LL_OK;
	if (failure == LL_OK && txn->write)
		add_version(environment, txn->version);
	environment_txn_abort(txn);
	return failure == LL_OK ? LL_OK
				: error_set(error, failure, "%s: the simulated disk failed", environment->directory);
}

void environment_txn_reset(struct environment_txn *txn)
{
	if (txn)
		txn->version = NULL;
}

enum ll_code environment_txn_renew(struct environment_txn *txn, struct error *error)
{
	(void)error;
	txn->version = newest(txn->environment);
	return LL_OK;
}

uint64_t environment_txn_number(const struct environment_txn *txn)
{
	return txn->environment->count + txn->write;
}

enum ll_code environment_grow(struct environment *environment, struct error *error)
{
	return error_set(error, LL_FULL, "%s: the simulated disk is full", environment->directory);
}

/* ---- rows ---- */

/* The first row whose key is not below `key`. */
static size_t row_from(const struct database *database, struct slice key, bool *found)
{
	size_t low = 0, high = database->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (slice_compare(database->rows[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low < database->count && slice_equal(database->rows[low].key, key);
	return low;
}

static struct database *database_of(struct environment_txn *txn, unsigned database)
{
	ENSURE(txn->version && database < txn->version->count);
	return &txn->version->databases[database];
}

/* Makes the database the transaction's own, with room for one row more. */
static struct database *changed(struct environment_txn *txn, unsigned index)
{
	ENSURE(txn->write);
	struct database *database = database_of(txn, index);
	if (!database->own || database->count == database->room) {
		database->room = database->count + database->count / 2 + ROOM_FIRST;
		struct saved_row *rows = arena_alloc(&arena, database->room * sizeof *rows);
		if (database->count)
			memcpy(rows, database->rows, database->count * sizeof *rows);
		database->rows = rows;
		database->own = true;
	}
	return database;
}

enum ll_code environment_get(struct environment_txn *txn, unsigned database, struct slice key, struct slice *value,
			     struct error *error)
{
	(void)error;
	bool found;
	const struct database *rows = database_of(txn, database);
	size_t at = row_from(rows, key, &found);
	if (found)
		*value = rows->rows[at].value;
	return found ? LL_OK : LL_NOT_FOUND;
}

enum ll_code environment_put(struct environment_txn *txn, unsigned database, struct slice key, struct slice value,
			     bool append, struct error *error)
{
	bool found;
	struct database *rows = changed(txn, database);
	size_t at = row_from(rows, key, &found);
	if (append && (found || at < rows->count))
		return error_set(error, LL_EXISTS, "%s: the key is not beyond the last one",
				 txn->environment->directory);
	if (!found) {
		memmove(&rows->rows[at + 1], &rows->rows[at], (rows->count - at) * sizeof *rows->rows);
		rows->rows[at].key = arena_copy(&arena, key);
		rows->count++;
	}
	rows->rows[at].value = arena_copy(&arena, value);
	return LL_OK;
}

static void delete_at(struct database *rows, size_t at)
{
	memmove(&rows->rows[at], &rows->rows[at + 1], (rows->count - at - 1) * sizeof *rows->rows);
	rows->count--;
}

enum ll_code environment_delete(struct environment_txn *txn, unsigned database, struct slice key, struct error *error)
{
	(void)error;
	bool found;
	struct database *rows = changed(txn, database);
	size_t at = row_from(rows, key, &found);
	if (!found)
		return LL_NOT_FOUND;
	delete_at(rows, at);
	return LL_OK;
}

enum ll_code environment_cursor_open(struct environment_txn *txn, unsigned database, struct environment_cursor **opened,
				     struct error *error)
{
	(void)error;
	struct environment_cursor *cursor = calloc(1, sizeof *cursor);
	ENSURE(cursor);
	*cursor = (struct environment_cursor){.txn = txn, .database = database, .before = true};
	*opened = cursor;
	return LL_OK;
}

void environment_cursor_close(struct environment_cursor *cursor)
{
	free(cursor);
}

enum ll_code environment_cursor_renew(struct environment_cursor *cursor, struct environment_txn *txn,
				      struct error *error)
{
	(void)error;
	cursor->txn = txn;
	cursor->at = 0;
	cursor->before = true;
	return LL_OK;
}

enum ll_code environment_cursor_move(struct environment_cursor *cursor, enum environment_move move, struct slice *key,
				     struct slice *value, struct error *error)
{
	(void)error;
	bool found;
	const struct database *rows = database_of(cursor->txn, cursor->database);
	size_t at = 0;
	switch (move) {
	case MOVE_FIRST: break;
	case MOVE_LAST: at = rows->count - 1; break; /* of none: beyond the end */
	case MOVE_NEXT: at = cursor->before ? cursor->at : cursor->at + 1; break;
	case MOVE_PREVIOUS: at = cursor->at - 1; break; /* of the first: beyond the end */
	case MOVE_TO:
	case MOVE_TO_OR_AFTER:
		at = row_from(rows, *key, &found);
		if (move == MOVE_TO && !found)
			return LL_NOT_FOUND;
		break;
	}
	if (at >= rows->count)
		return LL_NOT_FOUND;
	cursor->at = at;
	cursor->before = false;
	*key = rows->rows[at].key;
	if (value)
		*value = rows->rows[at].value;
	return LL_OK;
}

enum ll_code environment_cursor_put(struct environment_cursor *cursor, struct slice key, struct slice value,
				    bool append, struct error *error)
{
	bool found;
	enum ll_code code = environment_put(cursor->txn, cursor->database, key, value, append, error);
	if (code == LL_OK)
		cursor->at = row_from(database_of(cursor->txn, cursor->database), key, &found);
	cursor->before = false;
	return code;
}

enum ll_code environment_cursor_replace(struct environment_cursor *cursor, struct slice key, struct slice value,
					struct error *error)
{
	return environment_cursor_put(cursor, key, value, false, error);
}

enum ll_code environment_cursor_delete(struct environment_cursor *cursor, struct error *error)
{
	(void)error;
	delete_at(changed(cursor->txn, cursor->database), cursor->at);
	cursor->before = true;
	return LL_OK;
}

/* ---- upkeep ---- */

enum ll_code environment_database_size(struct environment_txn *txn, unsigned database,
				       struct environment_database_size *size, struct error *error)
{
	(void)error;
	const struct database *rows = database_of(txn, database);
	*size = (struct environment_database_size){.rows = rows->count, .leaf_pages = rows->count / 8 + 1, .depth = 1};
	return LL_OK;
}

void environment_usage(struct environment *environment, struct environment_usage *usage)
{
	*usage = (struct environment_usage){.databases = newest(environment)->count, .last_txn = environment->count};
}

enum ll_code environment_readers_check(struct environment *environment, unsigned *dead, struct error *error)
{
	(void)environment;
	(void)error;
	if (dead)
		*dead = 0;
	return LL_OK;
}

unsigned environment_readers(struct environment *environment, struct environment_reader *readers, unsigned room)
{
	(void)environment;
	(void)readers;
	(void)room;
	return 0;
}

enum ll_code environment_sync(struct environment *environment, struct error *error)
{
	(void)environment;
	(void)error;
	return LL_OK;
}

void environment_writeback(struct environment *environment)
{
	(void)environment;
}
