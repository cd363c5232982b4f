/*
 * The overlay: the rows of the block that is being decided, over all tables of a store.
 *
 * A hash of its own with rows in an arena. Dropping it takes no time that depends on what was in it before: the slots carry
 * the number of the block that wrote them, and the arena starts again at its first byte. Rows do not move.
 */
#ifndef LEDGERLINE_STORE_OVERLAY_H
#define LEDGERLINE_STORE_OVERLAY_H

#include "projections/store/row.h"
#include "projections/store/store.h"

struct overlay_slot {
	struct row *row;
	uint32_t tag, block;
};

struct arena_piece;

struct overlay {
	bool open;
	uint32_t block; /* slots of other blocks are empty */
	uint32_t count, mask;
	struct overlay_slot *slots;
	struct arena_piece *first, *piece;       /* all pieces, and the one in use */
	size_t used;                             /* bytes of that */
	struct row_tree trees[STORE_TABLES_MAX]; /* of ordered tables */
};

void overlay_init(struct overlay *overlay);
void overlay_release(struct overlay *overlay);
void overlay_drop(struct overlay *overlay);

/* A tombstone too; NULL: not in the overlay. */
struct row *overlay_find(const struct overlay *overlay, unsigned table, uint32_t tag, struct slice key);
void overlay_put(struct overlay *overlay, unsigned table, bool ordered, uint32_t tag, struct slice key,
		 struct slice value, bool deleted);

#endif
