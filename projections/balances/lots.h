/*
 * Plans over lots: which ones a sum is taken from, and where a sum that was taken goes back to.
 *
 * They read and change nothing. Decisions make events from them; the fold checks the events against the same functions
 * where it can, and against the rows otherwise (account.h).
 */
#ifndef LEDGERLINE_BALANCES_LOTS_H
#define LEDGERLINE_BALANCES_LOTS_H

#include "projections/views/rows.h"

/* Bonus before paid, in keys and in comparisons. */
static inline uint8_t lot_source_order(uint8_t source)
{
	return source == SOURCE_BONUS ? 0 : 1;
}

/* < 0: a is spent before b. */
int lot_compare(const struct lot *a, const struct lot *b);

/* The account's lots in the order of spending: those of the row, then those of the table. */
typedef bool lots_visit_fn(void *context, const struct lot *lot);
void lots_visit(struct view *view, struct slice user_id, const struct accounts_row *row, lots_visit_fn *visit,
		void *context);

/* Rows of the table `lots` behind `last`, a lot of the account that is not in it (NULL: all). The table has nothing but what
 * is spent after the row's lots: starting there passes over none of those that were spent before. */
void lots_scan_after(struct view *view, struct slice user_id, const struct lot *last, store_visit_fn *visit,
		     void *context);

/* The lot of a row of the table `lots`. false: the view has failed. */
LL_CHECKED bool lots_read_lot(struct view *view, struct slice key, struct slice value, struct lot *lot);

/* Takes `amount` from the first ones; returns what could be taken: less when the lots have less. *taken lies in the
 * arena. */
int64_t lots_plan_take(struct view *view, struct slice user_id, const struct accounts_row *row, int64_t amount,
		       struct arena *arena, struct taken_list *taken);

/* Takes all that is left of lots whose time has come by `now`, of `most` lots at most. Returns the sum. */
int64_t lots_plan_expire(struct view *view, struct slice user_id, const struct accounts_row *row, int64_t now,
			 uint32_t most, struct arena *arena, struct taken_list *taken);

/*
 * What was taken, in the order in which it was taken, from the `skip`th won on: the order in which it goes back.
 *
 *	taken     A 500 | B 300 | C 200
 *	skip 600         ....B 200 | C 200
 */
struct lots_walk {
	const struct use_lot_list *from;
	uint32_t next;
	int64_t skip;
	int64_t amount; /* still to be given */
};

/* The next lot, and how much of it. false: the amount is given, or (walk->amount > 0) nothing more was taken. */
bool lots_walk_next(struct lots_walk *walk, const struct use_lot **lot, int64_t *amount);

/* How returned points find their lots. */
struct lots_return {
	int64_t now;
	int64_t debt; /* is repaid first */
	bool regrant; /* a lot that has expired is replaced; else its points go back to it, to expire at once */
	int64_t regrant_ms_max; /* longest life of the replacement */
	uint64_t seq;           /* of the entry: names the replacements */
	uint32_t first_index;   /* the first replacement's index within the entry */
};

struct lots_returned {
	struct returned_list lots;
	int64_t repaid;
	struct taken_list expired; /* what must expire by the same entry */
	int64_t expired_amount;
};

/* Gives `amount` back, after the first `skip` of what was taken. All lists lie in the arena. */
struct lots_returned lots_plan_return(const struct use_lot_list *from, int64_t skip, int64_t amount,
				      const struct lots_return *how, struct arena *arena);

#endif
