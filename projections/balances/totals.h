/*
 * The row of totals, kept unpacked while a block is folded or decided: every entry changes it, and packing it each time would be a
 * tenth of the fold.
 *
 * A view that has a cache (view->totals) reads and writes there; totals_settle writes what changed to the row. A view without
 * one (a layer, a snapshot) reads and writes the row itself. Whoever gives a view a cache settles it before anybody
 * reads the row by another way, and begins each block, and each overlay, with an empty one.
 */
#ifndef LEDGERLINE_BALANCES_TOTALS_H
#define LEDGERLINE_BALANCES_TOTALS_H

#include "projections/views/view.h"

struct totals_cache {
	struct totals_row row;
	bool loaded, changed;
};

/* As they are; all zero before the genesis. */
void totals_load(struct view *view, struct totals_row *totals);

/* To be changed in place: the cache's row, or `room` filled from the view's. totals_end puts it where it belongs. */
struct totals_row *totals_begin(struct view *view, struct totals_row *room);
void totals_end(struct view *view, const struct totals_row *totals);

/* Writes the row if it has changed, and empties the cache. */
void totals_settle(struct view *view);

/* Empties the cache without writing. */
void totals_forget(struct view *view);

#endif
