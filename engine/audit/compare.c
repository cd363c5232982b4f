#include "engine/audit/compare.h"

#include <stdio.h>
#include <stdlib.h>

#include "projections/certify/rows.h"
#include "schemas/wire/buffer.h"
#include "schemas/wire/ensure.h"

enum { BATCH = 512 };

/* Scans push rows, a merge pulls them: each side takes a batch at a time. */
struct side {
	struct view *view;
	enum table_id table;
	struct buffer bytes; /* of the batch: keys and values, one after another */
	struct {
		size_t at, key_size, value_size;
	} rows[BATCH];
	size_t count, next;
	struct buffer after; /* where the next batch begins: behind the last key */
	bool ended;
};

static bool take(void *context, struct slice key, struct slice value)
{
	struct side *side = context;
	side->rows[side->count].at = side->bytes.size;
	side->rows[side->count].key_size = key.size;
	side->rows[side->count++].value_size = value.size;
	buffer_append_slice(&side->bytes, key);
	buffer_append_slice(&side->bytes, value);
	if (side->count < BATCH)
		return true;
	buffer_clear(&side->after);
	buffer_append_slice(&side->after, key);
	buffer_append_byte(&side->after, 0); /* the first key behind this one */
	return false;
}

static void refill(struct side *side)
{
	side->count = side->next = 0;
	buffer_clear(&side->bytes);
	view_scan(side->view, side->table, buffer_slice(&side->after), SLICE_EMPTY, false, take, side);
	side->ended = side->count < BATCH;
}

/* The row at hand; false: there are no more. */
static bool peek(struct side *side, struct slice *key, struct slice *value)
{
	if (side->next == side->count && !side->ended)
		refill(side);
	if (side->next == side->count)
		return false;
	const uint8_t *at = side->bytes.at + side->rows[side->next].at;
	*key = slice_of(at, side->rows[side->next].key_size);
	*value = slice_of(at + key->size, side->rows[side->next].value_size);
	return true;
}

static void begin(struct side *side, struct view *view, enum table_id table)
{
	side->view = view;
	side->table = table;
	side->count = side->next = 0;
	side->ended = false;
	buffer_clear(&side->after);
}

static struct side *side_new(void)
{
	struct side *side = calloc(1, sizeof *side);
	ENSURE(side);
	return side;
}

static void side_free(struct side *side)
{
	buffer_release(&side->bytes);
	buffer_release(&side->after);
	free(side);
}

/* Two rows of one key: equal; different in what is declared only; or different. */
static bool is_fine(const struct difference *rows, struct compared *compared)
{
	if (slice_equal(rows->left, rows->right))
		return true;
	if (!table_is_declared(rows->table, rows->left_version) ||
	    !row_equal_but_declared(rows->table, rows->left_version, rows->left, rows->right, NULL))
		return false;
	compared->declared++;
	return true;
}

static void compare_table(struct side *left, uint32_t left_version, struct side *right, difference_fn *found,
			  void *context, struct compared *compared)
{
	struct slice key_left, key_right, value_left, value_right;
	for (;;) {
		bool has_left = peek(left, &key_left, &value_left), has_right = peek(right, &key_right, &value_right);
		if (!has_left && !has_right)
			return;
		int order = !has_left ? 1 : !has_right ? -1 : slice_compare(key_left, key_right);
		struct difference difference = {
			.table = left->table,
			.left_version = left_version,
			.key = order <= 0 ? key_left : key_right,
			.left = order <= 0 ? value_left : SLICE_EMPTY,
			.right = order >= 0 ? value_right : SLICE_EMPTY,
		};
		if (order != 0 || !is_fine(&difference, compared)) {
			compared->differences++;
			found(context, &difference);
		}
		compared->rows += order <= 0;
		left->next += order <= 0;
		right->next += order >= 0;
	}
}

void compare_projection(enum projection_id id, struct view *left, uint32_t left_version, struct view *right,
			difference_fn *found, void *context, struct compared *compared, char *place, size_t place_size)
{
	const struct projection_layout *layout = &projection_layouts[id];
	struct side *a = side_new(), *b = side_new();
	for (unsigned i = 0; i < layout->table_count; i++) {
		if (table_is_new(layout->first_table + i, left_version))
			continue;
		if (place)
			snprintf(place, place_size, "projection %s, table %s", layout->name, layout->tables[i].name);
		begin(a, left, layout->first_table + i);
		begin(b, right, layout->first_table + i);
		compare_table(a, left_version, b, found, context, compared);
	}
	side_free(a);
	side_free(b);
}

void compare_table_of(enum table_id table, struct view *left, struct view *right, difference_fn *found, void *context)
{
	struct side *a = side_new(), *b = side_new();
	struct compared compared = {.rows = 0};
	begin(a, left, table);
	begin(b, right, table);
	compare_table(a, projection_layouts[table_places[table].projection].version, b, found, context, &compared);
	side_free(a);
	side_free(b);
}

/* ---- joined views ---- */

static struct view *part_of(struct view *view, enum table_id table)
{
	struct view *part = ((struct joined_view *)view)->parts[table_places[table].projection];
	ENSURE(part);
	return part;
}

static bool get(struct view *view, enum table_id table, struct slice key, struct slice *value)
{
	return view_get(part_of(view, table), table, key, value);
}

static void scan(struct view *view, enum table_id table, struct slice from, struct slice to, bool backwards,
		 store_visit_fn *visit, void *context)
{
	view_scan(part_of(view, table), table, from, to, backwards, visit, context);
}

void joined_view_init(struct joined_view *joined, struct view **parts, uint64_t next_seq, int64_t time)
{
	static const struct view_ops operations = {.get = get, .scan = scan};
	*joined =
		(struct joined_view){.view = {.ops = &operations, .next_seq = next_seq, .time = time}, .parts = parts};
	joined->view.arena = &joined->arena;
}

void joined_view_release(struct joined_view *joined)
{
	arena_release(&joined->arena);
}
