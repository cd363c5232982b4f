/*
 * A row in memory, and lists of rows.
 *
 *	[tree node, only in ordered tables] header | key | value
 *
 * Who may write what: the owner thread everything, but of a row that is frozen (being flushed) only `referenced`, `node`
 * and the tree node; the flush thread reads the other fields of frozen rows, and nothing else.
 */
#ifndef LEDGERLINE_STORE_ROW_H
#define LEDGERLINE_STORE_ROW_H

#include <bsd/sys/tree.h>

#include "projections/store/slab.h"
#include "schemas/wire/slice.h"

enum row_node_state {
	NODE_NONE,    /* it has none: its table is not ordered */
	NODE_OUTSIDE, /* not in the tree: as LMDB has it, or of a lazy table */
	NODE_IN_TREE,
	NODE_REPLACED, /* a newer version stands in its place: never in the tree again */
};

struct row {
	uint32_t tag;   /* of the key's hash: where it stands in the table, and a first comparison */
	uint32_t epoch; /* number of the layer in which it was last changed; 0: as read from LMDB */
	union {
		uint32_t dirty_index; /* its place in that layer's list */
		uint32_t table;       /* in the overlay, which is one for all tables */
	};
	uint32_t value_size;
	uint16_t key_size;
	uint8_t deleted;    /* a tombstone: there is no such row */
	uint8_t referenced; /* was read since the clock's hand passed */
	uint8_t node;       /* enum row_node_state */
	uint8_t bytes[];
};

enum { ROW_HEADER_BYTES = offsetof(struct row, bytes) };

struct row_node {
	RB_ENTRY(row_node) entry;
	struct row row[];
};

enum { ROW_NODE_BYTES = SLAB_UNIT };
_Static_assert(sizeof(struct row_node) == SLAB_UNIT, "so that the row behind it has a handle too");

RB_HEAD(row_tree, row_node);

static inline struct row_node *row_node_of(struct row *row)
{
	return (struct row_node *)((uint8_t *)row - ROW_NODE_BYTES);
}

static inline struct slice row_key(const struct row *row)
{
	return slice_of(row->bytes, row->key_size);
}

static inline struct slice row_value(const struct row *row)
{
	return slice_of(row->bytes + row->key_size, row->value_size);
}

/* memcmp() == 0, without the call for the usual sizes of keys. */
static inline bool row_bytes_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
	uint64_t x, y, z, w;
	if (size < sizeof x || size > 2 * sizeof x)
		return memcmp(a, b, size) == 0;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	memcpy(&z, a + size - sizeof z, sizeof z);
	memcpy(&w, b + size - sizeof w, sizeof w);
	return ((x ^ y) | (z ^ w)) == 0;
}

/* Sets value and size. `value` may overlap the row's own. */
static inline void row_set_value(struct row *row, struct slice value, bool deleted)
{
	if (value.size)
		memmove(row->bytes + row->key_size, value.at, value.size);
	row->value_size = (uint32_t)value.size;
	row->deleted = deleted;
}

/* Trees of rows in key order. */
void row_tree_insert(struct row_tree *tree, struct row *row);
void row_tree_remove(struct row_tree *tree, struct row *row);
/* The first row whose key is >= key (or > key); NULL: none. */
struct row *row_tree_at_or_after(struct row_tree *tree, struct slice key);
struct row *row_tree_before(struct row_tree *tree, struct slice key); /* the last one < key; empty key: the last one */
struct row *row_tree_next(struct row *row);
struct row *row_tree_previous(struct row *row);

/* A growing list of handles. */
struct handles {
	uint32_t *at;
	uint32_t count, capacity;
};

void handles_grow(struct handles *handles);
void handles_release(struct handles *handles);

static inline void handles_add(struct handles *handles, uint32_t handle)
{
	if (__builtin_expect(handles->count == handles->capacity, 0))
		handles_grow(handles);
	handles->at[handles->count++] = handle;
}

#endif
