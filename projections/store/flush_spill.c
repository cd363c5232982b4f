#include "projections/store/flush_spill.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "projections/store/spill.h"
#include "schemas/wire/buffer.h"
#include "schemas/wire/ensure.h"

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
	unsigned runs = 0;
	for (unsigned i = 0; i < flush->table_count && runs == 0; i++)
		if (flush->tables[i].spill)
			(void)spill_ends(flush->tables[i].spill, &runs);
	return runs != 0;
}

/* ---- where the runs end, as text: a line "TABLE END END ..." for each table ---- */

enum ll_code flush_note_spilled(struct flush *flush, struct environment_txn *txn, struct error *error)
{
	struct buffer text = {0};
	for (unsigned i = 0; i < flush->table_count; i++) {
		unsigned count = 0;
		if (!flush->tables[i].spill)
			continue;
		const uint64_t *ends = spill_ends(flush->tables[i].spill, &count);
		buffer_append_text(&text, flush->tables[i].name);
		for (unsigned run = 0; run < count; run++)
			buffer_printf(&text, " %" PRIu64, ends[run]);
		buffer_append_text(&text, "\n");
	}
	enum ll_code code = environment_put(txn, flush->meta, SLICE("building"), buffer_slice(&text), false, error);
	buffer_release(&text);
	return code;
}

static struct table *table_named(struct flush *flush, const char *name)
{
	for (unsigned i = 0; i < flush->table_count; i++)
		if (strcmp(flush->tables[i].name, name) == 0)
			return &flush->tables[i];
	return NULL;
}

static enum ll_code reopen_table(struct flush *flush, char *line, struct error *error)
{
	char *rest = NULL;
	const char *name = strtok_r(line, " ", &rest);
	struct table *table = name ? table_named(flush, name) : NULL;
	unsigned count = 0, room = 1;
	for (const char *at = rest; *at; at++)
		room += *at == ' ';
	uint64_t *ends = calloc(room, sizeof *ends);
	ENSURE(ends && "memory is used up");
	for (char *word; (word = strtok_r(NULL, " ", &rest));)
		ends[count++] = strtoull(word, NULL, 10);
	const char *directory = environment_directory(flush->environment);
	enum ll_code code =
		table && !table->spill
			? spill_reopen(directory, table->name, ends, count, &table->spill, error)
			: error_set(error, LL_UNTRUSTED, "%s: is half built; rebuild the projection", directory);
	free(ends);
	return code;
}

enum ll_code flush_reopen_spilled(struct flush *flush, struct slice building, struct error *error)
{
	enum ll_code code = LL_OK;
	char *rest = NULL, *text = strndup((const char *)building.at, building.size);
	ENSURE(text && "memory is used up");
	for (char *line = strtok_r(text, "\n", &rest); line && code == LL_OK; line = strtok_r(NULL, "\n", &rest))
		code = reopen_table(flush, line, error);
	free(text);
	return code;
}

/* ---- merging ---- */

static enum ll_code begin_merging(struct flush *flush, struct error *error)
{
	struct environment_txn *txn = NULL;
	enum ll_code code = environment_txn_begin(flush->environment, true, &txn, error);
	if (code == LL_OK)
		code = environment_put(txn, flush->meta, SLICE("merging"), SLICE("yes"), false, error);
	if (code == LL_OK)
		return environment_txn_commit(txn, error);
	environment_txn_abort(txn);
	return code;
}

/* What an earlier merge had appended before it was killed. */
static enum ll_code skip_merged(struct flush *flush, const struct table *table, struct error *error)
{
	struct environment_txn *txn = NULL;
	struct environment_cursor *cursor = NULL;
	struct slice last = SLICE_EMPTY;
	enum ll_code code = environment_txn_begin(flush->environment, false, &txn, error);
	if (code == LL_OK)
		code = environment_cursor_open(txn, table->database, &cursor, error);
	if (code == LL_OK)
		code = environment_cursor_move(cursor, MOVE_LAST, &last, NULL, error);
	if (code == LL_OK)
		spill_skip(table->spill, last);
	environment_cursor_close(cursor);
	environment_txn_abort(txn);
	return code == LL_NOT_FOUND ? LL_OK : code;
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
	if (code == LL_OK)
		code = skip_merged(flush, table, error);
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
	static const char *const marks[] = {"building", "merging"};
	for (unsigned i = 0; i < 2 && code == LL_OK; i++) {
		code = environment_delete(txn, flush->meta, slice_text(marks[i]), error);
		code = code == LL_NOT_FOUND ? LL_OK : code;
	}
	if (code == LL_OK)
		return environment_txn_commit(txn, error);
	environment_txn_abort(txn);
	return code;
}

enum ll_code flush_merge(struct flush *flush, struct error *error)
{
	enum ll_code code = begin_merging(flush, error);
	for (unsigned i = 0; i < flush->table_count && code == LL_OK; i++)
		if (flush->tables[i].spill)
			code = merge_table(flush, &flush->tables[i], error);
	return code == LL_OK ? end_building(flush, error) : code;
}
