#include "projections/store/table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "schemas/wire/ensure.h"

enum {
	SLOTS_MIN = 256,
	AHEAD = 12,
	SETTLED_PER_SCAN = 2048, /* a millisecond's work */
	LARGE_VALUE_BYTES = 2000,
	LARGE_SLOTS_BYTES = 4 << 20,
	PAGE_BYTES = 4096,
	ROW_COST = 10 /* LMDB: a header of 8 and a pointer of 2 */
};

/* ---- rows ---- */

static inline size_t row_bytes(const struct table *table, size_t key_size, size_t value_size)
{
	return ROW_HEADER_BYTES + key_size + value_size + (table->ordered ? ROW_NODE_BYTES : 0);
}

static inline struct row *row_at(const struct table *table, uint32_t handle)
{
	return slab_at(&table->memory->slab, handle);
}

static uint32_t row_make(struct table *table, uint32_t tag, struct slice key, struct slice value)
{
	uint32_t handle = slab_allocate(&table->memory->slab, row_bytes(table, key.size, value.size));
	if (table->ordered)
		handle += ROW_NODE_BYTES / SLAB_UNIT;
	struct row *row = row_at(table, handle);
	memset(row, 0, ROW_HEADER_BYTES);
	row->tag = tag;
	row->key_size = (uint16_t)key.size;
	row->node = table->ordered ? NODE_OUTSIDE : NODE_NONE;
	memcpy(row->bytes, key.at, key.size);
	row_set_value(row, value, false);
	return handle;
}

static void row_free(struct table *table, uint32_t handle)
{
	struct row *row = row_at(table, handle);
	size_t bytes = row_bytes(table, row->key_size, row->value_size);
	slab_free(&table->memory->slab, table->ordered ? handle - ROW_NODE_BYTES / SLAB_UNIT : handle, bytes);
}

static inline size_t footprint(const struct table *table, const struct row *row)
{
	return slab_footprint(row_bytes(table, row->key_size, row->value_size));
}

static inline void count_live(struct table *table, size_t bytes)
{
	table->live_bytes += bytes;
	table->memory->live_bytes += bytes;
}

static inline void count_filling(struct table *table, size_t bytes)
{
	table->filling_bytes += bytes;
	table->memory->filling_bytes += bytes;
}

static inline void count_flushing(struct table *table, size_t bytes)
{
	table->flushing_bytes += bytes;
	table->memory->flushing_bytes += bytes;
}

/* ---- slots ---- */

uint32_t table_tag(const struct table *table, struct slice key)
{
	return (uint32_t)(XXH3_64bits_withSeed(key.at, key.size, table->memory->seed) >> 32);
}

static inline uint32_t home(const struct table *table, uint32_t tag)
{
	return tag >> table->shift;
}

static inline uint64_t slot_of(uint32_t tag, uint32_t handle)
{
	return (uint64_t)tag << 32 | handle;
}

static inline size_t slots_bytes(const struct table *table)
{
	return ((size_t)table->mask + 1) * sizeof *table->slots;
}

static uint32_t *slot_handle(uint64_t *slot)
{
	return (uint32_t *)slot; /* little endian: the lower half */
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "slot_handle");

static void slots_make(struct table *table, unsigned bits)
{
	table->shift = 32 - bits;
	table->mask = (uint32_t)((1ul << bits) - 1);
	table->slots = table->next_slots ? table->next_slots : pages_allocate(slots_bytes(table));
	table->next_slots = NULL;
	table->found = NULL;
}

/* Has the memory for twice as many slots made ready, some time before they are needed: it is as much as the loop would wait for. */
static void slots_announce(struct table *table)
{
	size_t bytes = 2 * slots_bytes(table);
	if (table->next_slots || bytes < LARGE_SLOTS_BYTES)
		return;
	table->next_slots = pages_allocate(bytes);
	slab_warm_also(&table->memory->slab, table->next_slots, bytes);
}

static inline void slot_insert(struct table *table, uint64_t slot)
{
	uint32_t i = home(table, (uint32_t)(slot >> 32));
	while (table->slots[i])
		i = (i + 1) & table->mask;
	table->slots[i] = slot;
}

static void slots_grow(struct table *table)
{
	uint64_t *old = table->slots;
	size_t old_bytes = slots_bytes(table), old_count = (size_t)table->mask + 1;
	ENSURE(table->shift > 1);
	slots_make(table, 32 - table->shift + 1);
	table->hand = 0;
	for (size_t i = 0; i < old_count; i++)
		if (old[i])
			slot_insert(table, old[i]);
	pages_free(old, old_bytes);
}

static void slot_add(struct table *table, uint32_t tag, uint32_t handle)
{
	if (__builtin_expect(table->count >= table->mask / 8u * 5, 0)) {
		slots_announce(table);
		if (table->count >= table->mask / 4u * 3)
			slots_grow(table);
	}
	slot_insert(table, slot_of(tag, handle));
	table->count++;
}

/* Empties slot i and moves back what stands behind it, so that every row is reached from its home without a gap. */
static void slot_remove(struct table *table, uint32_t i)
{
	uint32_t mask = table->mask;
	table->found = NULL;
	for (uint32_t j = (i + 1) & mask;; j = (j + 1) & mask) {
		uint64_t slot = table->slots[j];
		if (!slot)
			break;
		uint32_t distance = (j - home(table, (uint32_t)(slot >> 32))) & mask;
		if (distance >= ((j - i) & mask)) {
			table->slots[i] = slot;
			i = j;
		}
	}
	table->slots[i] = 0;
	table->count--;
}

static inline bool is_key_of(const struct table *table, uint64_t slot, struct slice key)
{
	const struct row *row = row_at(table, (uint32_t)slot);
	return row->key_size == key.size && row_bytes_equal(row->bytes, key.at, key.size);
}

static inline uint64_t *slot_find(struct table *table, uint32_t tag, struct slice key)
{
	for (uint32_t i = home(table, tag);; i = (i + 1) & table->mask) {
		uint64_t slot = table->slots[i];
		if (!slot)
			return NULL;
		if ((uint32_t)(slot >> 32) != tag)
			continue;
		if (is_key_of(table, slot, key))
			return table->found = &table->slots[i];
	}
}

void table_init(struct table *table, struct memory *memory)
{
	table->memory = memory;
	slots_make(table, (unsigned)__builtin_ctz(SLOTS_MIN));
}

void table_release(struct table *table)
{
	if (table->next_slots)
		pages_free(table->next_slots, 2 * slots_bytes(table));
	pages_free(table->slots, slots_bytes(table));
	handles_release(&table->filling);
	handles_release(&table->flushing);
	run_release(&table->filling_run);
	run_release(&table->flushing_run);
}

struct row *table_find(struct table *table, uint32_t tag, struct slice key)
{
	uint64_t *slot = slot_find(table, tag, key);
	if (slot)
		return row_at(table, (uint32_t)*slot);
	if (!table->append)
		return NULL;
	struct row *row = run_find(&table->filling_run, &table->memory->slab, key);
	return row ? row : run_find(&table->flushing_run, &table->memory->slab, key);
}

static inline struct slice last_key(const struct table *table)
{
	return slice_of(table->last_key, table->last_key_size);
}

void table_set_last_key(struct table *table, struct slice key)
{
	ENSURE(key.size <= sizeof table->last_key);
	memcpy(table->last_key, key.at, key.size);
	table->last_key_size = (uint16_t)key.size;
}

bool table_may_be_in_lmdb(const struct table *table, struct slice key)
{
	return !table->complete && !(table->append && slice_compare(key, last_key(table)) > 0);
}

void table_prefetch_slot(const struct table *table, uint32_t tag)
{
	__builtin_prefetch(&table->slots[home(table, tag)]);
}

void table_prefetch_row(const struct table *table, uint32_t tag)
{
	for (uint32_t i = home(table, tag);; i = (i + 1) & table->mask) {
		uint64_t slot = table->slots[i];
		if (!slot)
			return;
		if ((uint32_t)(slot >> 32) == tag) {
			const char *row = (const char *)row_at(table, (uint32_t)slot);
			__builtin_prefetch(row, 1);
			__builtin_prefetch(row + 64, 1);
			return;
		}
	}
}

/* ---- changes ---- */

/* Puts a row that is not yet dirty into the filling layer. */
static inline void make_dirty(struct table *table, struct row *row, uint32_t handle)
{
	row->epoch = table->memory->filling;
	row->dirty_index = table->filling.count;
	handles_add(&table->filling, handle);
	if (table->ordered && !table->lazy && row->node != NODE_IN_TREE)
		row_tree_insert(&table->tree, row);
}

static inline void estimate(struct table *table, size_t key_size, size_t value_size, size_t old_size)
{
	size_t size = key_size + value_size + ROW_COST;
	if (value_size > LARGE_VALUE_BYTES)
		table->large_pages += value_size / PAGE_BYTES + 2;
	else
		table->grown_bytes += size > old_size ? size - old_size : 0;
}

static void put_new(struct table *table, uint32_t tag, struct slice key, struct slice value, bool deleted)
{
	uint32_t handle = row_make(table, tag, key, value);
	struct row *row = row_at(table, handle);
	size_t bytes = footprint(table, row);
	row->deleted = deleted;
	count_live(table, bytes);
	count_filling(table, bytes);
	make_dirty(table, row, handle);
	slot_add(table, tag, handle);
	if (!deleted)
		estimate(table, key.size, value.size, 0);
}

/* A new version in the place of an old one, which nobody but the flush thread may still read. */
static void put_version(struct table *table, uint64_t *slot, struct slice value, bool deleted, bool frozen)
{
	uint32_t old_handle = (uint32_t)*slot;
	struct row *old = row_at(table, old_handle);
	size_t old_bytes = footprint(table, old);
	uint32_t handle = row_make(table, old->tag, row_key(old), value);
	struct row *row = row_at(table, handle);
	size_t bytes = footprint(table, row);
	row->deleted = deleted;
	row->referenced = 1;
	bool was_in_tree = old->node == NODE_IN_TREE;
	if (was_in_tree)
		row_tree_remove(&table->tree, old);
	if (old->node != NODE_NONE)
		old->node = NODE_REPLACED;
	if (old->epoch == table->memory->filling) {
		row->epoch = old->epoch;
		row->dirty_index = old->dirty_index;
		table->filling.at[row->dirty_index] = handle;
		if (was_in_tree)
			row_tree_insert(&table->tree, row);
		count_filling(table, bytes - old_bytes);
	} else {
		make_dirty(table, row, handle);
		count_filling(table, bytes);
	}
	count_live(table, bytes - old_bytes);
	*slot_handle(slot) = handle;
	if (!frozen) {
		row_free(table, old_handle);
		return;
	}
	count_flushing(table, -old_bytes);
	handles_add(&table->memory->replaced, old_handle);
}

static void put_in_hash(struct table *table, uint64_t *slot, struct slice value, bool deleted)
{
	uint32_t handle = (uint32_t)*slot;
	struct row *row = row_at(table, handle);
	bool filling = row->epoch == table->memory->filling;
	bool frozen = !filling && row->epoch > table->memory->flushed;
	size_t bytes = footprint(table, row);
	if (!deleted)
		estimate(table, row->key_size, value.size,
			 row->deleted ? 0 : row->key_size + row->value_size + ROW_COST);
	if (frozen || slab_footprint(row_bytes(table, row->key_size, value.size)) != bytes) {
		put_version(table, slot, value, deleted, frozen);
		return;
	}
	if (!filling) {
		make_dirty(table, row, handle);
		count_filling(table, bytes);
	}
	row_set_value(row, value, deleted);
}

/* A key beyond all others. */
static void put_in_run(struct table *table, struct slice key, struct slice value)
{
	size_t before = table->filling_run.bytes;
	run_append(&table->filling_run, &table->memory->slab, key, value);
	table_set_last_key(table, key);
	if (table->filling_run.bytes != before) {
		count_live(table, table->filling_run.bytes - before);
		count_filling(table, table->filling_run.bytes - before);
	}
	estimate(table, key.size, value.size, 0);
}

/* A row of a table that spills: nobody reads it before all are there. */
static void put_to_spill(struct table *table, struct slice key, struct slice value)
{
	size_t before = table->filling_run.bytes;
	run_append(&table->filling_run, &table->memory->slab, key, value);
	count_live(table, table->filling_run.bytes - before);
	count_filling(table, table->filling_run.bytes - before);
}

void table_put(struct table *table, struct slice key, struct slice value, bool deleted)
{
	if (table->spill) {
		ENSURE(!deleted);
		put_to_spill(table, key, value);
		return;
	}
	if (table->append && slice_compare(key, last_key(table)) > 0) {
		if (!deleted)
			put_in_run(table, key, value);
		return;
	}
	if (table->found && is_key_of(table, *table->found, key)) {
		put_in_hash(table, table->found, value, deleted);
		return;
	}
	uint32_t tag = table_tag(table, key);
	uint64_t *slot = slot_find(table, tag, key);
	if (slot) {
		put_in_hash(table, slot, value, deleted);
		return;
	}
	struct row *row = table->append ? run_find(&table->filling_run, &table->memory->slab, key) : NULL;
	if (!row || deleted || !run_overwrite(row, value))
		put_new(table, tag, key, value, deleted);
}

uint64_t table_changed_rows(const struct table *table)
{
	return (uint64_t)table->filling.count + table->filling_run.rows.count;
}

struct row *table_add_clean(struct table *table, uint32_t tag, struct slice key, struct slice value)
{
	uint32_t handle = row_make(table, tag, key, value);
	struct row *row = row_at(table, handle);
	count_live(table, footprint(table, row));
	slot_add(table, tag, handle);
	return row;
}

/* ---- order, of lazy tables ---- */

static void settle_one(struct table *table, struct row *row)
{
	if (row->node == NODE_OUTSIDE)
		row_tree_insert(&table->tree, row);
}

static void settle_some(struct table *table, const struct handles *rows, uint32_t *settled, uint32_t some)
{
	uint32_t end = rows->count - *settled < some ? rows->count : *settled + some;
	for (; *settled < end; ++*settled)
		settle_one(table, row_at(table, rows->at[*settled]));
}

static void settle_wanted(struct table *table, const struct handles *rows, uint32_t settled, struct slice from,
			  struct slice to)
{
	for (uint32_t i = settled; i < rows->count; i++) {
		if (i + AHEAD < rows->count)
			__builtin_prefetch(row_at(table, rows->at[i + AHEAD]));
		struct row *row = row_at(table, rows->at[i]);
		struct slice key = row_key(row);
		if (slice_compare(key, from) >= 0 && (to.size == 0 || slice_compare(key, to) < 0))
			settle_one(table, row);
	}
}

void table_settle(struct table *table, struct slice from, struct slice to)
{
	settle_some(table, &table->flushing, &table->flushing_settled, SETTLED_PER_SCAN);
	settle_some(table, &table->filling, &table->filling_settled, SETTLED_PER_SCAN);
	settle_wanted(table, &table->flushing, table->flushing_settled, from, to);
	settle_wanted(table, &table->filling, table->filling_settled, from, to);
}

/* ---- layers ---- */

void table_freeze(struct table *table)
{
	struct handles empty = table->flushing;
	struct run empty_run = table->flushing_run;
	ENSURE(empty.count == 0 && empty_run.rows.count == 0);
	table->flushing = table->filling;
	table->filling = empty;
	table->flushing_settled = table->filling_settled;
	table->filling_settled = 0;
	table->flushing_run = table->filling_run;
	table->filling_run = empty_run;
	count_flushing(table, table->filling_bytes);
	count_filling(table, -table->filling_bytes);
	table->grown_bytes = 0;
	table->large_pages = 0;
}

void table_freeze_run(struct table *table)
{
	struct run empty_run = table->flushing_run;
	size_t bytes = table->filling_run.bytes;
	ENSURE(empty_run.rows.count == 0);
	table->flushing_run = table->filling_run;
	table->filling_run = empty_run;
	count_flushing(table, bytes);
	count_filling(table, -bytes);
	if (table->filling.count == 0)
		table->grown_bytes = 0;
}

void table_flushed(struct table *table)
{
	if (table->lazy && table->flushing_settled < table->flushing.count)
		table->complete = false; /* the others are found in LMDB from now on */
	table->flushing.count = table->flushing_settled = 0;
	count_flushing(table, -table->flushing_bytes);
	if (table->flushing_run.rows.count) {
		count_live(table, -table->flushing_run.bytes);
		run_clear(&table->flushing_run, &table->memory->slab);
		table->complete = false;
	}
}

/* Forgets the row in slot i. It is clean. */
static void forget(struct table *table, uint32_t i)
{
	uint32_t handle = (uint32_t)table->slots[i];
	struct row *row = row_at(table, handle);
	if (!row->deleted)
		table->complete = false;
	if (row->node == NODE_IN_TREE)
		row_tree_remove(&table->tree, row);
	count_live(table, -footprint(table, row));
	slot_remove(table, i);
	row_free(table, handle);
}

/* The slot under the hand. From slot to slot it would leave those behind itself empty and find twice as many rows as on average before
 * itself: at two thirds of what the table may hold they would touch, and every step through them be millions long. So it goes from line to line
 * of the cache by golden sections, which are spread evenly at any time. */
static inline uint32_t under_hand(const struct table *table, uint32_t hand)
{
	enum { LINE_SLOTS = 8 };
	uint32_t lines_mask = table->mask / LINE_SLOTS;
	uint32_t step = (uint32_t)((uint64_t)lines_mask * 0x9e3779b9u >> 32) | 1;
	return (hand / LINE_SLOTS * step & lines_mask) * LINE_SLOTS + hand % LINE_SLOTS;
}

void table_evict_some(struct table *table, uint32_t slots, size_t clean_bytes_max)
{
	while (slots-- && table_clean_bytes(table) > clean_bytes_max) {
		__builtin_prefetch(&table->slots[under_hand(table, (table->hand + 4 * AHEAD) & table->mask)]);
		uint32_t ahead = (uint32_t)table->slots[under_hand(table, (table->hand + AHEAD) & table->mask)];
		if (ahead)
			__builtin_prefetch(row_at(table, ahead));
		uint32_t place = under_hand(table, table->hand);
		uint64_t slot = table->slots[place];
		struct row *row = row_at(table, (uint32_t)slot);
		if (slot && row->epoch <= table->memory->flushed) {
			if (!row->referenced) {
				forget(table, place); /* what was shifted back into this slot is next */
				continue;
			}
			row->referenced = 0;
		}
		table->hand = (table->hand + 1) & table->mask;
	}
}

void memory_collect_some(struct memory *memory, uint32_t rows)
{
	struct handles *garbage = &memory->garbage;
	while (rows-- && garbage->count) {
		uint32_t handle = garbage->at[--garbage->count];
		if (garbage->count > AHEAD)
			__builtin_prefetch(slab_at(&memory->slab, garbage->at[garbage->count - AHEAD]));
		struct row *row = slab_at(&memory->slab, handle);
		size_t node = row->node != NODE_NONE ? ROW_NODE_BYTES : 0;
		slab_free(&memory->slab, handle - (uint32_t)node / SLAB_UNIT,
			  ROW_HEADER_BYTES + row->key_size + row->value_size + node);
	}
}
