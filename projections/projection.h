/*
 * A projection: one fold of the journal's entries into the tables of one store.
 *
 * `apply` changes rows through the view, which is the committed state, or the overlay of the block being decided. It reads
 * only its own tables and the entry: so each projection can be rebuilt alone. It is a function of these: no clock, no
 * file, no configuration.
 *
 * An entry that contradicts the state (a balance below zero without an adjustment, a seat sold twice, a reference to what is
 * not there) is poison: LL_POISON with a sentence that names entity and rule; what was changed by then is thrown away by the
 * caller.
 */
#ifndef LEDGERLINE_PROJECTION_H
#define LEDGERLINE_PROJECTION_H

#include "projections/views/view.h"
#include "schemas/block.h"

typedef enum ll_code projection_apply_fn(struct view *view, const struct entry *entry, struct error *error);

struct projection {
	enum projection_id id;
	bool decides; /* decisions read it: it takes part in overlays */
	projection_apply_fn *apply;
	/* The genesis. NULL: nothing to do. */
	enum ll_code (*begin)(struct view *view, int64_t time, const struct genesis_body *genesis, struct error *error);
	/* Tells the processor which rows an entry will touch; called some entries ahead. NULL: nothing to tell. */
	void (*prefetch)(struct view *view, const struct entry *entry);
};

extern const struct projection projection_balances, projection_seats, projection_queue, projection_receipts,
	projection_rankings, projection_history;

/* By enum projection_id. */
extern const struct projection *const projections[PROJECTIONS_COUNT];

#endif
