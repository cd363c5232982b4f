/*
 * A layer: changes in memory over nothing, or over another view.
 *
 * Over nothing it is the memory twin of the stores, for tests and the simulator. Over another view it takes what is tried there and thrown away
 * again: a decision that is taken once more, to explain or to verify it.
 *
 *	get   the layer's row, or (no row here) the row under it; a removed row hides the one under it
 *	scan  both in key order, the layer's rows winning
 *
 * It grows with each changed row and is never flushed. Used by one thread.
 */
#ifndef LEDGERLINE_LAYER_H
#define LEDGERLINE_LAYER_H

#include "projections/views/view.h"

struct layer;

/* `under` (may be NULL) must live longer and must not change. Rows decoded through the layer's view go to `arena`. */
struct layer *layer_new(struct view *under, struct arena *arena);
void layer_free(struct layer *layer);

/* The view to read and change it by. Lives as long as the layer. */
struct view *layer_view(struct layer *layer);

/* Forgets all changes. */
void layer_clear(struct layer *layer);

#endif
