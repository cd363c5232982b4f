/*
 * Scans: several sorted sources merged into one, the newer in front.
 *
 *	overlay   its tree; of a table that is not ordered: its rows, collected and sorted
 *	hash      the table's tree; of a table that is not ordered: the changed rows, collected and sorted
 *	runs      of a TABLE_APPEND; the filling one and the flushing one share no key
 *	LMDB      a cursor; not for tables of which all rows are in memory and in order
 *
 * Of equal keys the first source's row counts and the others are passed over; a tombstone hides them. A clean tombstone hides
 * nothing, as LMDB has no such row: it leaves the tree when a scan comes by, so that no scan passes it twice.
 */
#include <stdlib.h>

#include "projections/store/internal.h"
#include "projections/store/sort.h"
#include "schemas/wire/ensure.h"

enum source_kind { SOURCE_TREE, SOURCE_ROWS, SOURCE_RUN, SOURCE_LMDB };
enum { SOURCES_MAX = 5 };

struct source {
	enum source_kind kind;
	bool valid; /* stands on a row */
	struct slice key, value;
	bool deleted;
	struct row *row;                               /* tree */
	struct row_tree *tidied;                       /* tree, but not the overlay's: clean tombstones leave it */
	struct sorted_row *allocated, *spare, *sorted; /* rows */
	size_t at, count;                              /* rows, run: backwards `at` counts what is left */
	const struct run *run;
	struct environment_cursor *cursor;
};

struct scan {
	struct store *store;
	struct slice from, to;
	bool backwards;
	struct source sources[SOURCES_MAX];
	unsigned source_count;
};

static bool within(const struct scan *scan, struct slice key)
{
	if (scan->backwards)
		return slice_compare(key, scan->from) >= 0;
	return scan->to.size == 0 || slice_compare(key, scan->to) < 0;
}

/* Stands on this row, or at the end. */
static void stand(const struct scan *scan, struct source *source, const struct row *row)
{
	source->valid = row && within(scan, row_key(row));
	if (!source->valid)
		return;
	source->key = row_key(row);
	source->value = row_value(row);
	source->deleted = row->deleted;
}

static const struct row *indexed_row(const struct scan *scan, const struct source *source)
{
	if (scan->backwards ? source->at == 0 : source->at >= source->count)
		return NULL;
	size_t index = scan->backwards ? source->at - 1 : source->at;
	if (source->kind == SOURCE_RUN)
		return run_row(source->run, &scan->store->memory.slab, (uint32_t)index);
	return source->sorted[index].row;
}

static void move_lmdb(const struct scan *scan, struct source *source, enum environment_move move, struct slice key)
{
	struct error error;
	enum ll_code code = store_move(scan->store, source->cursor, move, &key, &source->value, &error);
	if (code != LL_OK && code != LL_NOT_FOUND)
		store_read_failed(scan->store, &error);
	source->key = key;
	source->valid = code == LL_OK && within(scan, key);
}

static void start_lmdb(const struct scan *scan, struct source *source)
{
	if (!scan->backwards) {
		move_lmdb(scan, source, scan->from.size ? MOVE_TO_OR_AFTER : MOVE_FIRST, scan->from);
		return;
	}
	struct slice key = scan->to;
	struct error error;
	enum ll_code code = LL_NOT_FOUND;
	if (key.size)
		code = store_move(scan->store, source->cursor, MOVE_TO_OR_AFTER, &key, NULL, &error);
	if (code != LL_OK && code != LL_NOT_FOUND) {
		store_read_failed(scan->store, &error);
		return;
	}
	move_lmdb(scan, source, code == LL_OK ? MOVE_PREVIOUS : MOVE_LAST, SLICE_EMPTY);
}

static void advance_tree(const struct scan *scan, struct source *source)
{
	const struct store *store = scan->store;
	struct row *passed = source->row;
	source->row = scan->backwards ? row_tree_previous(passed) : row_tree_next(passed);
	stand(scan, source, source->row);
	/* Not within another scan: that one may stand on this row. */
	if (source->tidied && passed->deleted && passed->epoch <= store->memory.flushed && store->reading == 1)
		row_tree_remove(source->tidied, passed);
}

static void advance(const struct scan *scan, struct source *source)
{
	switch (source->kind) {
	case SOURCE_TREE: advance_tree(scan, source); break;
	case SOURCE_ROWS:
	case SOURCE_RUN:
		source->at += scan->backwards ? (size_t)-1 : 1;
		stand(scan, source, indexed_row(scan, source));
		break;
	case SOURCE_LMDB: move_lmdb(scan, source, scan->backwards ? MOVE_PREVIOUS : MOVE_NEXT, SLICE_EMPTY); break;
	}
}

/* ---- the sources ---- */

static struct source *add(struct scan *scan, enum source_kind kind)
{
	ENSURE(scan->source_count < SOURCES_MAX);
	struct source *source = &scan->sources[scan->source_count++];
	*source = (struct source){.kind = kind};
	return source;
}

static void add_tree(struct scan *scan, struct row_tree *tree, bool tidy)
{
	struct source *source = add(scan, SOURCE_TREE);
	source->tidied = tidy ? tree : NULL;
	source->row = scan->backwards ? row_tree_before(tree, scan->to) : row_tree_at_or_after(tree, scan->from);
	stand(scan, source, source->row);
}

static void add_run(struct scan *scan, const struct run *run)
{
	const struct slab *slab = &scan->store->memory.slab;
	if (run->rows.count == 0)
		return;
	struct source *source = add(scan, SOURCE_RUN);
	source->run = run;
	source->count = run->rows.count;
	source->at = run_rank(run, slab, scan->backwards ? scan->to : scan->from);
	if (scan->backwards && scan->to.size == 0)
		source->at = source->count;
	stand(scan, source, indexed_row(scan, source));
}

/* A list of rows that is filled in any order. `most`: how many there can be. */
static struct source *add_rows(struct scan *scan, size_t most)
{
	struct source *source = add(scan, SOURCE_ROWS);
	source->allocated = malloc((most ? most : 1) * sizeof *source->allocated);
	source->spare = malloc((most ? most : 1) * sizeof *source->spare);
	ENSURE(source->allocated && source->spare && "memory is used up");
	return source;
}

static void collect(const struct scan *scan, struct source *source, struct row *row)
{
	struct slice key = row_key(row);
	if (slice_compare(key, scan->from) >= 0 && (scan->to.size == 0 || slice_compare(key, scan->to) < 0))
		source->allocated[source->count++].row = row;
}

static void rows_are_there(const struct scan *scan, struct source *source)
{
	source->sorted = rows_sort(source->allocated, source->spare, source->count);
	source->at = scan->backwards ? source->count : 0;
	stand(scan, source, indexed_row(scan, source));
}

static void add_overlay_rows(struct scan *scan, unsigned index)
{
	const struct overlay *overlay = &scan->store->overlay;
	struct source *source = add_rows(scan, overlay->count);
	for (size_t i = 0; overlay->count && i <= overlay->mask; i++)
		if (overlay->slots[i].block == overlay->block && overlay->slots[i].row->table == index)
			collect(scan, source, overlay->slots[i].row);
	rows_are_there(scan, source);
}

static void add_changed_rows(struct scan *scan, const struct table *table)
{
	const struct slab *slab = &table->memory->slab;
	struct source *source = add_rows(scan, table->count);
	for (size_t i = 0; i <= table->mask; i++) {
		struct row *row = slab_at(slab, (uint32_t)table->slots[i]);
		if (table->slots[i] && row->epoch > table->memory->flushed)
			collect(scan, source, row);
	}
	rows_are_there(scan, source);
}

static void add_lmdb(struct scan *scan, const struct table *table)
{
	struct error error;
	struct source *source = add(scan, SOURCE_LMDB);
	if (environment_cursor_open(scan->store->reader, table->database, &source->cursor, &error) == LL_OK)
		start_lmdb(scan, source);
	else
		store_read_failed(scan->store, &error);
}

static void open_sources(struct scan *scan, unsigned index, bool overlay)
{
	struct store *store = scan->store;
	struct table *table = store_table(store, index);
	ENSURE(!table->spill);
	if (overlay && store->overlay.open && table->ordered)
		add_tree(scan, &store->overlay.trees[index], false);
	else if (overlay && store->overlay.open)
		add_overlay_rows(scan, index);
	if (table->lazy)
		table_settle(table, scan->from, scan->to);
	if (table->ordered)
		add_tree(scan, &table->tree, true);
	else
		add_changed_rows(scan, table);
	add_run(scan, &table->filling_run);
	add_run(scan, &table->flushing_run);
	if (store->reader && (!table->ordered || !table->complete))
		add_lmdb(scan, table);
}

static void close_sources(struct scan *scan)
{
	for (unsigned i = 0; i < scan->source_count; i++) {
		free(scan->sources[i].allocated);
		free(scan->sources[i].spare);
		environment_cursor_close(scan->sources[i].cursor);
	}
}

static struct source *choose(struct scan *scan)
{
	struct source *best = NULL;
	for (unsigned i = 0; i < scan->source_count; i++) {
		struct source *source = &scan->sources[i];
		if (!source->valid)
			continue;
		int order = best ? slice_compare(source->key, best->key) : 0;
		if (!best || (scan->backwards ? order > 0 : order < 0))
			best = source;
	}
	return best;
}

/* ---- where a table's rows begin ---- */

void head_set(struct head *head, struct slice key)
{
	head->known = true;
	head->none = false;
	head->size = (uint16_t)key.size;
	memcpy(head->key, key.at, key.size);
}

/* The head that this scan can use and move on: it begins at the table's start, as far as there are rows. NULL: none. */
static struct head *head_of(struct scan *scan, unsigned index, bool overlay)
{
	struct store *store = scan->store;
	struct head *head = overlay && store->overlay.open ? &store->overlay_heads[index] : &store->heads[index];
	if (scan->backwards || !store_table(store, index)->ordered)
		return NULL;
	if (!head->known)
		return scan->from.size == 0 ? head : NULL;
	struct slice key = slice_of(head->key, head->size);
	if (!head->none && slice_compare(scan->from, key) > 0)
		return NULL;
	if (!head->none)
		scan->from = key;
	return head;
}

/* No row stands before the end of the scan. */
static void head_passed(struct head *head, struct slice to)
{
	if (to.size > 0 && (!head->known || (!head->none && slice_compare(to, slice_of(head->key, head->size)) > 0)))
		head_set(head, to);
	else if (to.size == 0)
		head->known = head->none = true;
}

void store_scan(struct store *store, unsigned table, struct slice from, struct slice to, bool backwards, bool overlay,
		store_visit_fn *visit, void *context)
{
	struct scan scan = {.store = store, .from = from, .to = to, .backwards = backwards};
	struct head *head = head_of(&scan, table, overlay);
	bool first = true;
	if (head && head->none)
		return;
	store_read_begin(store);
	open_sources(&scan, table, overlay);
	for (struct source *best; (best = choose(&scan)) != NULL;) {
		struct slice key = best->key;
		if (!best->deleted && first && head)
			head_set(head, key);
		first = first && best->deleted;
		if (!best->deleted && !visit(context, key, best->value))
			break;
		for (unsigned i = 0; i < scan.source_count; i++)
			if (&scan.sources[i] != best && scan.sources[i].valid && slice_equal(scan.sources[i].key, key))
				advance(&scan, &scan.sources[i]);
		advance(&scan, best);
	}
	if (first && head)
		head_passed(head, to);
	if (head && overlay && store->overlay.open && store->overlay.count == 0)
		store->heads[table] = *head; /* there is no difference yet */
	close_sources(&scan);
	store_read_end(store);
}
