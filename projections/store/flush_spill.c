#include "projections/store/flush_spill.h"

#include "projections/store/spill.h"

enum { MERGE_BYTES = 128 << 20 }; /* of rows in one transaction: 40,000 pages or so */

static enum ll_code spill_table(struct flush *flush, const struct table *table, struct error *error)
{
	const struct run *run = &table->flushing_run;
	uint32_t count = run->rows.count;
	if (count == 0)
		return LL_OK;
	flush_make_room(flush, count);
	for (uint32_t i = 0; i < count; i++)
		flush->sorted[i].row = run_row(run, &table->memory->slab, i);
	flush->rows += count;
	return spill_write(table->spill, rows_sort(flush->sorted, flush->spare, count), count, error);
}

enum ll_code flush_spill(struct flush *flush, struct error *error)
{
	enum ll_code code = LL_OK;
	for (unsigned i = 0; i < flush->table_count && code == LL_OK; i++)
		if (flush->tables[i].spill)
			code = spill_table(flush, &flush->tables[i], error);
	return code;
}

bool flush_has_spilled(const struct flush *flush)
{
	for (unsigned i = 0; i < flush->table_count; i++)
		if (flush->tables[i].spill && spill_rows(flush->tables[i].spill))
			return true;
	return false;
}

/* Appends merged rows, as many as one transaction may write. *more: there are others. */
static enum ll_code merge_some(struct flush *flush, const struct table *table, bool *more, struct error *error)
{
	struct environment_txn *txn = NULL;
	struct environment_cursor *cursor = NULL;
	struct slice key, value;
	size_t bytes = 0, rows = 0;
	spill_mark(table->spill);
	enum ll_code code = environment_txn_begin(flush->environment, true, &txn, error);
	if (code == LL_OK)
		code = environment_cursor_open(txn, table->database, &cursor, error);
	*more = true;
	while (code == LL_OK && bytes < MERGE_BYTES && (*more = spill_next(table->spill, &key, &value))) {
		bytes += key.size + value.size;
		if (!flush_given_up(flush, ++rows, error, &code))
			code = environment_cursor_put(cursor, key, value, true, error);
	}
	environment_cursor_close(cursor);
	if (code == LL_OK)
		return environment_txn_commit(txn, error);
	environment_txn_abort(txn);
	return code;
}

static enum ll_code merge_table(struct flush *flush, const struct table *table, struct error *error)
{
	bool more = true;
	enum ll_code code = spill_begin(table->spill, error);
	while (code == LL_OK && more) {
		code = merge_some(flush, table, &more, error);
		if (code == LL_FULL && environment_grow(flush->environment, error) == LL_OK) {
			spill_back(table->spill);
			code = LL_OK;
			more = true;
		} else if (code == LL_OK) {
			environment_writeback(flush->environment);
		}
	}
	return code;
}

/* Every table is whole: their sizes are known, and others may open the store. */
static enum ll_code end_building(struct flush *flush, struct error *error)
{
	struct environment_txn *txn = NULL;
	enum ll_code code = environment_txn_begin(flush->environment, true, &txn, error);
	if (code != LL_OK)
		return code;
	for (unsigned i = 0; i < flush->table_count && code == LL_OK; i++) {
		struct environment_database_size size;
		code = environment_database_size(txn, flush->tables[i].database, &size, error);
		flush->leaf_pages[i] = code == LL_OK ? size.leaf_pages : 0;
	}
	if (code == LL_OK)
		code = environment_delete(txn, flush->meta, SLICE("building"), error);
	if (code == LL_OK || code == LL_NOT_FOUND)
		return environment_txn_commit(txn, error);
	environment_txn_abort(txn);
	return code;
}

enum ll_code flush_merge(struct flush *flush, struct error *error)
{
	enum ll_code code = LL_OK;
	for (unsigned i = 0; i < flush->table_count && code == LL_OK; i++)
		if (flush->tables[i].spill)
			code = merge_table(flush, &flush->tables[i], error);
	return code == LL_OK ? end_building(flush, error) : code;
}
