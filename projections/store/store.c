#include "projections/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "projections/store/flush_spill.h"
#include "projections/store/generation.h"
#include "projections/store/guard.h"
#include "projections/store/internal.h"
#include "projections/store/meta.h"
#include "projections/store/spill.h"
#include "schemas/wire/ensure.h"

#define CLEAN_BYTES_DEFAULT ((size_t)256 << 20)
/* There may be many forks at a time, and each is bounded by who folds into it. */
#define FORK_RANGE_BYTES ((size_t)4 << 30)

enum {
	COLLECT_PER_PUT = 2,
	EVICT_PER_PUT = 16,
	STEPS_PER_POLL = 1000,
	PAGE_ROOM = 4000,  /* bytes for rows in a page of LMDB */
	BRANCH_SHARE = 50, /* leaf pages to one branch page, at least */
	FLUSH_PAGES_MAX = 64000,
};

enum ll_code store_move(const struct store *store, struct environment_cursor *cursor, enum environment_move move,
			struct slice *key, struct slice *value, struct error *error)
{
	enum ll_code code = environment_cursor_move(cursor, move, key, value, error);
	if (code == LL_OK && (key->size == 0 || key->size > STORE_KEY_BYTES_MAX))
		return error_set(error, LL_CORRUPT, "%s: a row has a key of %zu bytes: it was damaged",
				 environment_directory(store->environment), key->size);
	return code;
}

/* ---- opening ---- */

static enum ll_code find_last_key(const struct store *store, struct table *table, struct error *error)
{
	struct environment_cursor *cursor = NULL;
	struct slice key = SLICE_EMPTY;
	enum ll_code code = environment_cursor_open(store->reader, table->database, &cursor, error);
	if (code == LL_OK)
		code = store_move(store, cursor, MOVE_LAST, &key, NULL, error);
	if (code == LL_OK)
		table_set_last_key(table, key);
	environment_cursor_close(cursor);
	return code == LL_NOT_FOUND ? LL_OK : code;
}

/* How large the tables are in LMDB, and where they end. A fork reads on from there. */
static enum ll_code measure_tables(struct store *store, struct error *error)
{
	enum ll_code code = store->reader ? environment_txn_renew(store->reader, error)
					  : environment_txn_begin(store->environment, false, &store->reader, error);
	for (unsigned i = 0; i < store->table_count && code == LL_OK; i++) {
		struct environment_database_size size;
		code = environment_database_size(store->reader, store->tables[i].database, &size, error);
		if (code != LL_OK)
			break;
		store->tables[i].leaf_pages = size.leaf_pages;
		store->tables[i].complete = size.rows == 0;
		if (store->tables[i].append)
			code = find_last_key(store, &store->tables[i], error);
	}
	if (store->reader && !store->fork)
		environment_txn_reset(store->reader);
	return code;
}

static enum ll_code open_table(struct store *store, struct table *table, struct error *error)
{
	enum ll_code code =
		environment_database(store->environment, table->name, !store->fork, &table->database, error);
	if (code != LL_NOT_FOUND)
		return code;
	return error_set(error, LL_CORRUPT, "%s: its table %s cannot be found: it was damaged",
			 environment_directory(store->environment), table->name);
}

static enum ll_code open_tables(struct store *store, const struct store_spec *spec, struct error *error)
{
	enum ll_code code = LL_OK;
	for (unsigned i = 0; i < spec->table_count && code == LL_OK; i++) {
		struct table *table = &store->tables[i];
		table->name = spec->tables[i].name;
		table->ordered = spec->tables[i].flags & TABLE_ORDERED;
		table->lazy = spec->tables[i].flags & TABLE_LAZY;
		table->append = spec->tables[i].flags & TABLE_APPEND;
		table_init(table, &store->memory);
		store->table_count = i + 1;
		table->complete = !store->environment;
		code = store->environment ? open_table(store, table, error) : LL_OK;
	}
	return code == LL_OK && store->environment ? measure_tables(store, error) : code;
}

/* Tables that are to be filled from nothing, or were being filled so. A merge that had begun is done first. */
static enum ll_code open_spills(struct store *store, const struct store_spec *spec, const struct meta *meta,
				struct error *error)
{
	const char *directory = environment_directory(store->environment);
	enum ll_code code = meta->building.size ? flush_reopen_spilled(&store->flush, meta->building, error) : LL_OK;
	if (code == LL_OK && meta->merging)
		return flush_merge(&store->flush, error);
	for (unsigned i = 0; i < store->table_count && code == LL_OK; i++)
		if (spec->tables[i].flags & TABLE_SPILL && store->tables[i].complete && !store->tables[i].spill)
			code = spill_open(directory, store->tables[i].name, &store->tables[i].spill, error);
	for (unsigned i = 0; i < store->table_count; i++)
		store->spills |= store->tables[i].spill != NULL;
	return code;
}

/* All rows are in their tables. */
static void remove_spills(struct store *store)
{
	for (unsigned i = 0; i < store->table_count; i++) {
		spill_remove(store->tables[i].spill);
		store->tables[i].spill = NULL;
	}
	store->spills = false;
}

static void close_spills(struct store *store)
{
	for (unsigned i = 0; i < store->table_count; i++) {
		spill_close(store->tables[i].spill);
		store->tables[i].spill = NULL;
	}
}

static enum ll_code open_files(struct store *store, const struct store_spec *spec, const struct store_options *options,
			       struct meta *meta, struct error *error)
{
	struct environment_options how = {
		.directory = options->directory, .create = options->create, .map_bytes = options->map_bytes};
	enum ll_code code = options->create ? environment_make_directory(options->directory, error) : LL_OK;
	if (code == LL_OK)
		code = generation_lock(options->directory, &store->lock, error);
	if (code != LL_OK)
		return code;
	code = guard_check(options->directory, error);
	bool fresh = code == LL_NOT_FOUND;
	if (code != LL_OK && !(fresh && options->create))
		return code;
	if (fresh)
		code = guard_write(options->directory, GUARD_RUNNING, error);
	else
		code = LL_OK;
	if (code == LL_OK)
		code = environment_open(&how, &store->environment, error);
	if (code == LL_OK)
		code = meta_read(store->environment, spec, options->bulk && options->resume, meta, error);
	if (code == LL_OK && !fresh)
		code = guard_write(options->directory, GUARD_RUNNING, error);
	if (code == LL_OK)
		code = meta_write(store->environment, spec, &store->meta, error);
	return code;
}

/* What a fork only reads. */
static enum ll_code open_below(struct store *store, const struct store_spec *spec, const char *directory,
			       struct meta *meta, struct error *error)
{
	struct environment_options how = {.directory = directory, .read_only = true};
	if (!directory)
		return LL_OK;
	enum ll_code code = guard_check(directory, error);
	if (code == LL_OK)
		code = environment_open(&how, &store->environment, error);
	return code == LL_OK ? meta_read(store->environment, spec, false, meta, error) : code;
}

static void memory_init(struct memory *memory, size_t range_bytes)
{
	slab_init(&memory->slab, range_bytes);
	memory->filling = 1;
	if (getrandom(&memory->seed, sizeof memory->seed, 0) != sizeof memory->seed)
		memory->seed = (uintptr_t)memory ^ (uint64_t)getpid() << 32;
}

static void store_free(struct store *store)
{
	flush_close(&store->flush);
	close_spills(store);
	environment_txn_abort(store->reader);
	environment_close(store->environment);
	for (unsigned i = 0; i < store->table_count; i++)
		table_release(&store->tables[i]);
	handles_release(&store->memory.replaced);
	handles_release(&store->memory.garbage);
	overlay_release(&store->overlay);
	reader_watch_release(&store->readers);
	slab_release(&store->memory.slab);
	if (store->lock >= 0)
		close(store->lock);
	free(store->projection);
	free(store);
}

enum ll_code store_open(const struct store_spec *spec, const struct store_options *options, struct store **result,
			struct slice *position, struct error *error)
{
	ENSURE(spec->table_count <= STORE_TABLES_MAX);
	struct store *store = calloc(1, sizeof *store);
	struct meta meta = {.merging = false};
	ENSURE(store && "memory is used up");
	*result = NULL;
	*position = SLICE_EMPTY;
	store->lock = -1;
	store->projection = strdup(spec->projection);
	store->flush.write_out = options->bulk;
	store->clean_bytes_max = options->clean_bytes_max ? options->clean_bytes_max : CLEAN_BYTES_DEFAULT;
	store->fork = options->fork;
	store->told = options->failure;
	memory_init(&store->memory, store->fork ? FORK_RANGE_BYTES : SLAB_RANGE_BYTES);
	if (!store->fork)
		slab_warm(&store->memory.slab, options->bulk);
	overlay_init(&store->overlay);
	enum ll_code code = store->fork ? open_below(store, spec, options->directory, &meta, error)
					: open_files(store, spec, options, &meta, error);
	if (code == LL_OK)
		code = open_tables(store, spec, error);
	if (code == LL_OK) {
		store->flush.environment = store->environment;
		store->flush.meta = store->meta;
		store->flush.tables = store->tables;
		store->flush.table_count = store->table_count;
		store->flush.flushed = options->flushed;
		store->flush.flushed_context = options->flushed_context;
	}
	store->flush.ahead = options->bulk && options->resume;
	if (code == LL_OK && options->bulk && !store->fork)
		code = open_spills(store, spec, &meta, error);
	if (code == LL_OK && meta.merging) {
		remove_spills(store);
		code = measure_tables(store, error);
	}
	if (code == LL_OK && !store->fork)
		code = flush_open(&store->flush, error);
	if (code != LL_OK) {
		store_free(store);
		meta_release(&meta);
		(void)error_prefix(error, "projection %s", spec->projection);
		return code;
	}
	*position = meta.position; /* the caller's from now on */
	meta.position = SLICE_EMPTY;
	meta_release(&meta);
	memcpy(store->position, position->at ? position->at : store->position, position->size);
	store->position_size = position->size;
	*result = store;
	return LL_OK;
}

enum ll_code store_close(struct store *store, struct error *error)
{
	if (!store)
		return LL_OK;
	ENSURE(!store->fork);
	overlay_drop(&store->overlay);
	enum ll_code code = store_wait_flushed(store, error);
	store_finish(store);
	if (code == LL_OK && !store->block_open && store_freeze(store))
		code = store_wait_flushed(store, error);
	if (code == LL_OK)
		code = environment_sync(store->environment, error);
	if (code == LL_OK)
		code = guard_write(environment_directory(store->environment), GUARD_CLEAN, error);
	store_free(store);
	return code;
}

void store_abandon(struct store *store)
{
	if (!store)
		return;
	__atomic_store_n(&store->flush.give_up, true, __ATOMIC_RELAXED);
	store_free(store);
}

/* ---- reading ---- */

void store_read_failed(struct store *store, const struct error *error)
{
	if (store->told) {
		if (store->told->code == LL_OK)
			*store->told = *error;
		return;
	}
	fprintf(stderr, "ledgerline: projection %s cannot be read, and nothing sound can follow: %s\n",
		store->projection, error->text);
	abort();
}

void store_read_begin(struct store *store)
{
	struct error error;
	if (store->reading++ == 0 && !store->fork && environment_txn_renew(store->reader, &error) != LL_OK)
		store_read_failed(store, &error);
}

void store_read_end(struct store *store)
{
	if (--store->reading == 0 && !store->fork)
		environment_txn_reset(store->reader);
}

/* A row that is not in memory. It becomes a clean one, so that its value stays where it is when the transaction ends; that of a fork does
 * not. */
static bool read_through(struct store *store, struct table *table, uint32_t tag, struct slice key, struct slice *value)
{
	struct error error;
	store_read_begin(store);
	enum ll_code code = environment_get(store->reader, table->database, key, value, &error);
	if (code == LL_OK && !store->fork)
		*value = row_value(table_add_clean(table, tag, key, *value));
	else if (code != LL_OK && code != LL_NOT_FOUND)
		store_read_failed(store, &error);
	store_read_end(store);
	return code == LL_OK;
}

bool store_get(struct store *store, unsigned index, struct slice key, bool overlay, struct slice *value)
{
	struct table *table = store_table(store, index);
	ENSURE(!table->spill);
	uint32_t tag = table_tag(table, key);
	struct row *row = NULL;
	if (overlay && store->overlay.open)
		row = overlay_find(&store->overlay, index, tag, key);
	if (!row) {
		row = table_find(table, tag, key);
		if (row && !row->referenced)
			row->referenced = 1;
	}
	if (row) {
		*value = row_value(row);
		return !row->deleted;
	}
	return table_may_be_in_lmdb(table, key) && read_through(store, table, tag, key, value);
}

void store_prefetch(struct store *store, unsigned index, struct slice key)
{
	const struct table *table = store_table(store, index);
	uint32_t tag = table_tag(table, key);
	unsigned next = store->announced_next++ % PREFETCH_DISTANCE;
	table_prefetch_slot(table, tag);
	if (store->announced[next].table)
		table_prefetch_row(store->announced[next].table, store->announced[next].tag);
	store->announced[next].table = table;
	store->announced[next].tag = tag;
}

/* ---- changing ---- */

static size_t clean_bytes(const struct store *store)
{
	return store->memory.live_bytes - store->memory.filling_bytes - store->memory.flushing_bytes;
}

/* The table with the most clean bytes. */
static unsigned choose_victim(const struct store *store)
{
	unsigned victim = 0;
	size_t most = 0;
	for (unsigned i = 0; i < store->table_count; i++) {
		size_t bytes = table_clean_bytes(&store->tables[i]);
		if (bytes > most) {
			most = bytes;
			victim = i;
		}
	}
	return victim;
}

/* The housekeeping that each change pays for, so that nobody ever has to wait for all of it. */
static void tidy(struct store *store)
{
	struct memory *memory = &store->memory;
	if (memory->garbage.count)
		memory_collect_some(memory, COLLECT_PER_PUT);
	if (__builtin_expect(clean_bytes(store) > store->clean_bytes_max, 0)) {
		struct table *victim = store_table(store, store->victim);
		size_t others = clean_bytes(store) - table_clean_bytes(victim);
		size_t share = others < store->clean_bytes_max ? store->clean_bytes_max - others : 0;
		table_evict_some(victim, EVICT_PER_PUT, share);
		if (victim->hand % 64 < EVICT_PER_PUT)
			store->victim = choose_victim(store);
	}
}

static void change(struct store *store, unsigned index, struct slice key, struct slice value, bool deleted)
{
	struct table *table = store_table(store, index);
	ENSURE(key.size >= 1 && key.size <= STORE_KEY_BYTES_MAX);
	if (!deleted)
		head_put(store->overlay.open ? &store->overlay_heads[index] : &store->heads[index], key);
	if (store->overlay.open) {
		overlay_put(&store->overlay, index, table->ordered, table_tag(table, key), key, value, deleted);
		return;
	}
	store->block_open = true;
	table_put(table, key, value, deleted);
	tidy(store);
}

void store_put(struct store *store, unsigned table, struct slice key, struct slice value)
{
	change(store, table, key, value, false);
}

void store_delete(struct store *store, unsigned table, struct slice key)
{
	change(store, table, key, SLICE_EMPTY, true);
}

void store_overlay_open(struct store *store)
{
	ENSURE(!store->overlay.open);
	store->overlay.open = true;
	for (unsigned i = 0; i < store->table_count; i++) {
		const struct head *head = &store->heads[i];
		memcpy(&store->overlay_heads[i], head, offsetof(struct head, key) + head->size);
	}
}

void store_overlay_drop(struct store *store)
{
	if (store->overlay.open)
		overlay_drop(&store->overlay);
}

/* ---- blocks and flushes ---- */

void store_mark_block(struct store *store, struct slice position)
{
	ENSURE(position.size <= STORE_POSITION_BYTES_MAX);
	memcpy(store->position, position.at, position.size);
	store->position_size = position.size;
	store->position_moved = true;
	store->block_open = false;
}

/* How many pages of LMDB the filling layer will write, about: an upper bound but for many half-filled pages. */
static uint64_t flush_pages(const struct table *table)
{
	uint64_t changed = table->filling.count; /* those of a run touch no page that is there */
	uint64_t touched = changed < table->leaf_pages ? changed : table->leaf_pages;
	uint64_t grown = table->grown_bytes / PAGE_ROOM + 1;
	if (table->leaf_pages && !table->append)
		grown += grown / 2;
	uint64_t leaves = touched + grown;
	return leaves + leaves / BRANCH_SHARE + table->large_pages;
}

/* Do new rows of the table stand in a run that goes to LMDB? */
static bool has_run(const struct table *table)
{
	return table->append && !table->spill;
}

struct store_fill store_fill(const struct store *store)
{
	struct store_fill fill = {.bytes = store->memory.filling_bytes, .flushing = store->flushing};
	uint64_t pages = 0;
	for (unsigned i = 0; i < store->table_count; i++) {
		const struct run *run = &store->tables[i].filling_run;
		fill.rows += table_changed_rows(&store->tables[i]);
		if (has_run(&store->tables[i])) {
			fill.run_rows += run->rows.count;
			fill.run_bytes += run->bytes;
		}
		pages += store->tables[i].filling.count ? flush_pages(&store->tables[i]) : 0;
	}
	fill.bytes += fill.rows * sizeof(uint32_t);
	fill.spills = store->spills;
	fill.full = pages > FLUSH_PAGES_MAX;
	return fill;
}

bool store_freeze(struct store *store)
{
	ENSURE(!store->block_open && !store->fork);
	uint64_t rows = 0;
	if (store->flushing || store->failed != LL_OK)
		return false;
	for (unsigned i = 0; i < store->table_count; i++)
		rows += table_changed_rows(&store->tables[i]);
	if (rows == 0 && !store->position_moved && !store->checkpoint && !store->retire && !store->finish)
		return false;
	for (unsigned i = 0; i < store->table_count; i++)
		table_freeze(&store->tables[i]);
	store->memory.filling++;
	memcpy(store->flush.position, store->position, store->position_size);
	store->flush.position_size = store->position_size;
	store->flush.sync = store->checkpoint;
	store->flush.retire = store->retire;
	store->flush.finish = store->finish;
	store->flush.runs_only = false;
	store->checkpoint = store->retire = store->finish = store->position_moved = false;
	store->flushing = true;
	flush_start(&store->flush);
	return true;
}

bool store_freeze_runs(struct store *store)
{
	uint64_t rows = 0;
	if (store->flushing || store->failed != LL_OK)
		return false;
	for (unsigned i = 0; i < store->table_count; i++)
		rows += has_run(&store->tables[i]) ? store->tables[i].filling_run.rows.count : 0;
	if (rows == 0)
		return false;
	for (unsigned i = 0; i < store->table_count; i++)
		if (has_run(&store->tables[i]))
			table_freeze_run(&store->tables[i]);
	store->flush.runs_only = true;
	store->flush.sync = store->flush.retire = store->flush.finish = false;
	store->flushing = true;
	flush_start(&store->flush);
	return true;
}

const uint64_t store_flush_bounds_us[STORE_FLUSH_BUCKETS] = {1000,   2500,   5000,    10000,   25000,   50000,
							     100000, 250000, 1000000, 2500000, 5000000, 10000000};

static void note_time(struct store_statistics *statistics, uint64_t us)
{
	unsigned bucket = 0;
	while (bucket < STORE_FLUSH_BUCKETS && us > store_flush_bounds_us[bucket])
		bucket++;
	statistics->flush_us[bucket]++;
	statistics->flush_us_sum += us;
	statistics->flush_us_last = us;
	if (us > statistics->flush_us_max)
		statistics->flush_us_max = us;
}

/* The rows of the flush that ended are clean now; the versions that it kept alive can go. */
static void take_note(struct store *store)
{
	struct memory *memory = &store->memory;
	struct store_statistics *statistics = &store->statistics;
	memory->flushed = memory->filling - 1;
	statistics->bytes_flushed += memory->flushing_bytes;
	if (store->flush.finish)
		remove_spills(store);
	for (unsigned i = 0; i < store->table_count; i++) {
		store->tables[i].leaf_pages = store->flush.leaf_pages[i];
		table_flushed(&store->tables[i]);
	}
	if (memory->garbage.count == 0) {
		struct handles empty = memory->garbage;
		memory->garbage = memory->replaced;
		memory->replaced = empty;
	}
	while (memory->replaced.count)
		handles_add(&memory->garbage, memory->replaced.at[--memory->replaced.count]);
	statistics->flushes++;
	statistics->rows_flushed += store->flush.rows;
	note_time(statistics, store->flush.us);
}

enum ll_code store_poll(struct store *store, struct error *error)
{
	if (store->flushing && flush_under_way(&store->flush))
		return LL_BUSY;
	if (store->flushing) {
		store->flushing = false;
		flush_take(&store->flush);
		if (store->flush.result == LL_OK) {
			take_note(store);
		} else {
			store->failed = store->flush.result;
			store->failure = store->flush.error;
			error_prefix(&store->failure, "projection %s stops being flushed", store->projection);
		}
	}
	memory_collect_some(&store->memory, STEPS_PER_POLL);
	if (store->failed != LL_OK && error)
		*error = store->failure;
	return store->failed;
}

enum ll_code store_wait_flushed(struct store *store, struct error *error)
{
	if (store->flushing)
		flush_wait(&store->flush);
	return store_poll(store, error);
}

void store_checkpoint(struct store *store)
{
	store->checkpoint = true;
}

void store_finish(struct store *store)
{
	store->finish = store->spills;
}

void store_retire(struct store *store)
{
	store->retire = true;
}

void store_look_at_readers(struct store *store, int64_t now_ms)
{
	(void)!reader_watch_look(&store->readers, store->environment, now_ms, NULL);
}

unsigned store_long_readers(const struct store *store, struct store_reader *readers, unsigned room)
{
	return reader_watch_long(&store->readers, readers, room);
}

void store_statistics(struct store *store, struct store_statistics *statistics)
{
	struct environment_usage usage;
	environment_usage(store->environment, &usage);
	*statistics = store->statistics;
	statistics->map_bytes = usage.map_bytes;
	statistics->map_used_bytes = usage.used_bytes;
	statistics->readers = usage.readers;
	statistics->readers_max = usage.readers_max;
	statistics->readers_cleared = store->readers.cleared;
	statistics->clean_bytes = clean_bytes(store);
	statistics->dirty_bytes = store->memory.filling_bytes + store->memory.flushing_bytes;
	statistics->clean_rows = 0;
	for (unsigned i = 0; i < store->table_count; i++)
		statistics->clean_rows += store->tables[i].count - store->tables[i].filling.count;
}
