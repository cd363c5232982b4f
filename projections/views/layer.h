/*
 * A layer: changes in memory over nothing, or over another view.
 *
 * Over nothing it is the memory twin of the stores, for tests and the simulator. Over a snapshot it is a cut: the journal is
 * folded into it up to an entry, and the state there is read with the code that reads today's.
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

/* Takes all changes of `top`, a layer over this one, into this one, and clears `top`: a block was committed. */
void layer_absorb(struct layer *layer, struct layer *top);

size_t layer_bytes(const struct layer *layer);

#endif
