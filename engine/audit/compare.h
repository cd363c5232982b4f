/*
 * Two generations of a projection, row by row: a merge of both tables in key order, over all keys. The left one may be of an earlier
 * layout: then what the description declares to be different may differ, and tables that are new are not compared.
 */
#ifndef LEDGERLINE_AUDIT_COMPARE_H
#define LEDGERLINE_AUDIT_COMPARE_H

#include "projections/views/view.h"

/* Good during the call. An empty value: that side has no such row. */
struct difference {
	enum table_id table;
	uint32_t left_version; /* of the layout of `left`; `right` is of the newest */
	struct slice key, left, right;
};
typedef void difference_fn(void *context, const struct difference *difference);

struct compared {
	uint64_t rows;        /* of the left side */
	uint64_t differences; /* rows that differ, or stand on one side only */
	uint64_t declared;    /* rows that differ in nothing but fields that are declared to */
};

/* Adds to *compared. `left_version`: of the left one's layout. `place` (may be NULL) is told which table is being read; it has `place_size` bytes. Both views are only
 * read, and must stand at the same position. */
void compare_projection(enum projection_id id, struct view *left, uint32_t left_version, struct view *right,
			difference_fn *found, void *context, struct compared *compared, char *place, size_t place_size);

/* One table of two states, both of the newest layout. */
void compare_table_of(enum table_id table, struct view *left, struct view *right, difference_fn *found, void *context);

/* A view that takes each projection from another view: parts[id], NULL where no table of it will be read. `parts` is borrowed. */
struct joined_view {
	struct view view; /* first: the operations get its address */
	struct view **parts;
	struct arena arena;
};
void joined_view_init(struct joined_view *joined, struct view **parts, uint64_t next_seq, int64_t time);
void joined_view_release(struct joined_view *joined);

#endif
