#include "projections/store/flush.h"

#include <time.h>

#include "projections/store/flush_spill.h"
#include "schemas/wire/ensure.h"

enum {
	AHEAD = 8,
	LOOK_UP_EVERY = 1024,
	STEPS_MAX = 6,
	DENSE = 4, /* when more than one of so many rows is changed, stepping beats searching */
};

static uint64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- one table ---- */

void flush_make_room(struct flush *flush, size_t count)
{
	if (count <= flush->sorted_capacity)
		return;
	pages_free(flush->sorted, flush->sorted_capacity * sizeof *flush->sorted);
	pages_free(flush->spare, flush->sorted_capacity * sizeof *flush->spare);
	flush->sorted_capacity = count + count / 4;
	flush->sorted = pages_allocate(flush->sorted_capacity * sizeof *flush->sorted);
	flush->spare = pages_allocate(flush->sorted_capacity * sizeof *flush->spare);
}

/* Sorts the changed rows of the hash. */
static struct sorted_row *sort_changed(struct flush *flush, const struct table *table)
{
	const struct handles *changed = &table->flushing;
	flush_make_room(flush, changed->count);
	for (size_t i = 0; i < changed->count; i++)
		flush->sorted[i].row = slab_at(&table->memory->slab, changed->at[i]);
	return rows_sort(flush->sorted, flush->spare, changed->count);
}

/* Tries to come to a key by small steps from where the cursor stands, which is much faster than to search for it. False: not
 * found this way; the cursor may stand anywhere. */
static bool step_to(struct environment_cursor *cursor, struct slice wanted)
{
	struct slice key = SLICE_EMPTY;
	for (int i = 0; i < STEPS_MAX; i++) {
		if (environment_cursor_move(cursor, MOVE_NEXT, &key, NULL, NULL) != LL_OK)
			return false;
		if (key.size == wanted.size && row_bytes_equal(key.at, wanted.at, key.size))
			return true;
		if (slice_compare(key, wanted) > 0)
			return false;
	}
	return false;
}

/* Writes a row into a table that may have it. `stepping`: the cursor stands on an earlier row, not far away. */
static enum ll_code write_row(struct environment_cursor *cursor, const struct row *row, bool *stepping,
			      struct error *error)
{
	struct slice key = row_key(row);
	bool there = *stepping && step_to(cursor, key);
	*stepping = true;
	if (!row->deleted)
		return there ? environment_cursor_replace(cursor, key, row_value(row), error)
			     : environment_cursor_put(cursor, key, row_value(row), false, error);
	enum ll_code code = there ? LL_OK : environment_cursor_move(cursor, MOVE_TO, &key, NULL, error);
	if (code == LL_OK)
		return environment_cursor_delete(cursor, error);
	*stepping = false;
	return code == LL_NOT_FOUND ? LL_OK : code;
}

/* Adds a row beyond the table's last one. */
static enum ll_code append_row(struct environment_cursor *cursor, const struct row *row, struct error *error)
{
	return row->deleted ? LL_OK : environment_cursor_put(cursor, row_key(row), row_value(row), true, error);
}

bool flush_given_up(const struct flush *flush, size_t rows, struct error *error, enum ll_code *code)
{
	if (rows % LOOK_UP_EVERY != 0 || !__atomic_load_n(&flush->give_up, __ATOMIC_RELAXED))
		return false;
	*code = error_set(error, LL_BUSY, "the store was abandoned");
	return true;
}

/* The last key of the table as it is now; empty when it has none. */
static enum ll_code last_key(struct environment_cursor *cursor, struct slice *key, struct error *error)
{
	*key = SLICE_EMPTY;
	enum ll_code code = environment_cursor_move(cursor, MOVE_LAST, key, NULL, error);
	return code == LL_NOT_FOUND ? LL_OK : code;
}

/* How many of the sorted rows come before the table's last key, or at it. The others can be appended. */
static size_t rows_within(const struct sorted_row *rows, size_t count, struct slice last)
{
	size_t low = 0, high = last.size ? count : 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (slice_compare(row_key(rows[middle].row), last) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static enum ll_code write_changed(struct flush *flush, const struct table *table, uint64_t rows_there,
				  struct environment_cursor *cursor, struct error *error)
{
	size_t count = table->flushing.count;
	struct sorted_row *rows = sort_changed(flush, table);
	struct slice last;
	enum ll_code code = last_key(cursor, &last, error);
	if (code != LL_OK)
		return code;
	size_t within = rows_within(rows, count, last);
	bool dense = within * DENSE > rows_there, stepping = false;
	for (size_t i = 0; i < count && code == LL_OK; i++) {
		if (i + AHEAD < count) {
			__builtin_prefetch(rows[i + AHEAD].row);
			__builtin_prefetch((const char *)rows[i + AHEAD].row + 64);
		}
		stepping = stepping && dense;
		if (!flush_given_up(flush, i, error, &code))
			code = i < within ? write_row(cursor, rows[i].row, &stepping, error)
					  : append_row(cursor, rows[i].row, error);
	}
	return code;
}

static enum ll_code write_run(struct flush *flush, const struct table *table, struct environment_cursor *cursor,
			      struct error *error)
{
	const struct run *run = &table->flushing_run;
	enum ll_code code = LL_OK;
	for (uint32_t i = 0; i < run->rows.count && code == LL_OK; i++)
		if (!flush_given_up(flush, i, error, &code))
			code = append_row(cursor, run_row(run, &table->memory->slab, i), error);
	return code;
}

/* What one transaction writes. */
enum part { PART_RUNS = 1, PART_CHANGED = 2, PART_ALL = PART_RUNS | PART_CHANGED };

/* The run first: what the hash holds is newer. */
static enum ll_code write_table(struct flush *flush, struct environment_txn *txn, unsigned index, enum part part,
				struct error *error)
{
	struct table *table = &flush->tables[index];
	size_t in_run = part & PART_RUNS ? table->flushing_run.rows.count : 0;
	size_t changed = part & PART_CHANGED ? table->flushing.count : 0;
	struct environment_cursor *cursor = NULL;
	struct environment_database_size size;
	enum ll_code code = LL_OK;
	if (in_run + changed) {
		code = environment_database_size(txn, table->database, &size, error);
		if (code == LL_OK)
			code = environment_cursor_open(txn, table->database, &cursor, error);
		if (code == LL_OK && in_run)
			code = write_run(flush, table, cursor, error);
		if (code == LL_OK && changed)
			code = write_changed(flush, table, size.rows, cursor, error);
		environment_cursor_close(cursor);
		flush->rows += in_run + changed;
	}
	if (code == LL_OK)
		code = environment_database_size(txn, table->database, &size, error);
	if (code == LL_OK)
		flush->leaf_pages[index] = size.leaf_pages;
	return code;
}

/* ---- one flush ---- */

static bool has_runs(const struct flush *flush)
{
	for (unsigned i = 0; i < flush->table_count; i++)
		if (!flush->tables[i].spill && flush->tables[i].flushing_run.rows.count)
			return true;
	return false;
}

/* Whether all that the position says is there, and nothing else. */
static enum ll_code write_building(struct flush *flush, struct environment_txn *txn, bool ahead, struct error *error)
{
	if (ahead || flush_has_spilled(flush)) {
		flush->ahead |= ahead;
		return flush_note_spilled(flush, txn, error);
	}
	if (!flush->ahead)
		return LL_OK;
	flush->ahead = false;
	enum ll_code code = environment_delete(txn, flush->meta, SLICE("building"), error);
	return code == LL_NOT_FOUND ? LL_OK : code;
}

static enum ll_code write_part(struct flush *flush, enum part part, struct error *error)
{
	struct environment_txn *txn = NULL;
	bool ahead = part == PART_RUNS;
	uint64_t spilled = flush->rows;
	enum ll_code code = environment_txn_begin(flush->environment, true, &txn, error);
	if (code != LL_OK)
		return code;
	for (unsigned i = 0; i < flush->table_count && code == LL_OK; i++)
		if (!flush->tables[i].spill)
			code = write_table(flush, txn, i, part, error);
	if (code == LL_OK)
		code = write_building(flush, txn, ahead, error);
	if (code == LL_OK && flush->position_size && !ahead)
		code = environment_put(txn, flush->meta, SLICE("position"),
				       slice_of(flush->position, flush->position_size), false, error);
	if (code == LL_OK && flush->retire && !ahead)
		code = environment_put(txn, flush->meta, SLICE("retired"), SLICE("yes"), false, error);
	if (code == LL_OK)
		return environment_txn_commit(txn, error);
	environment_txn_abort(txn);
	flush->rows = spilled;
	return code;
}

/* A full map is grown, and the transaction done again. */
static enum ll_code write_or_grow(struct flush *flush, enum part part, struct error *error)
{
	enum ll_code code;
	do {
		code = write_part(flush, part, error);
	} while (code == LL_FULL && environment_grow(flush->environment, error) == LL_OK);
	return code;
}

/* While building, runs go in a transaction of their own, ahead of the position: what LMDB keeps of a transaction in memory is as much
 * as it writes. */
static enum ll_code write_layer(struct flush *flush, struct error *error)
{
	if (!flush->write_out)
		return write_or_grow(flush, PART_ALL, error);
	enum ll_code code = has_runs(flush) ? write_or_grow(flush, PART_RUNS, error) : LL_OK;
	return code == LL_OK && !flush->runs_only ? write_or_grow(flush, PART_CHANGED, error) : code;
}

void flush_run(struct flush *flush)
{
	struct error *error = &flush->error;
	uint64_t begin_us = now_us();
	flush->rows = 0;
	enum ll_code code = flush_spill(flush, error);
	if (code == LL_OK)
		code = write_layer(flush, error);
	if (code == LL_OK && flush->finish)
		code = flush_merge(flush, error);
	if (code == LL_OK && flush->sync)
		code = environment_sync(flush->environment, error);
	else if (code == LL_OK && flush->write_out)
		environment_writeback(flush->environment);
	flush->us = now_us() - begin_us;
	flush->result = code;
}

void flush_release(struct flush *flush)
{
	pages_free(flush->sorted, flush->sorted_capacity * sizeof *flush->sorted);
	pages_free(flush->spare, flush->sorted_capacity * sizeof *flush->spare);
}
