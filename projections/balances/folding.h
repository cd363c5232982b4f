/*
 * What the parts of the fold of `balances` share.
 */
#ifndef LEDGERLINE_BALANCES_FOLDING_H
#define LEDGERLINE_BALANCES_FOLDING_H

#include "projections/balances/account.h"
#include "schemas/block.h"

/* One entry being folded. The totals are taken once for all its events. */
struct folding {
	struct view *view;
	const struct entry *entry;
	struct totals_row *totals; /* changed in place */
	struct error *error;
};

/* The entry contradicts the state: sets the error, returns LL_POISON. */
enum ll_code folding_poison(struct folding *folding, struct slice user_id, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Adds to a total. LL_POISON: it leaves int64. */
LL_CHECKED enum ll_code folding_add(struct folding *folding, int64_t *total, int64_t amount);

/* What an account adds to the totals. */
struct account_sums {
	int64_t balance, held, debt;
};

/* Saves the account, after checking that it stands where the event says. Moves the totals by what the account moved
 * since `before`. */
LL_CHECKED enum ll_code folding_finish(struct folding *folding, struct account *account,
				       const struct account_sums *before, int64_t balance_after,
				       int64_t available_after);

/* Reads the account of an event; a new one when nobody named it before. *before: its sums as they were. */
void folding_begin(struct folding *folding, struct account *account, struct slice user_id, struct account_sums *before);

/* A list of lots is taken, in order; *used (room for all) is what the lots were. The sum must be `amount`. `take` is
 * account_take or account_take_expired. */
typedef enum ll_code account_take_fn(struct account *, uint64_t lot_id, int64_t amount, struct use_lot *,
				     struct error *);
LL_CHECKED enum ll_code folding_take(struct folding *folding, struct account *account, const struct taken_list *lots,
				     int64_t amount, struct use_lot *used, account_take_fn *take);

/* What was taken comes back as `lots` say: they must be what follows the first `skip` of `from`, and sum up to
 * `amount`. */
LL_CHECKED enum ll_code folding_return(struct folding *folding, struct account *account,
				       const struct use_lot_list *from, int64_t skip, int64_t amount,
				       const struct returned_list *lots, int64_t repaid);

/* points.c */
enum ll_code apply_charged(struct folding *, const struct point_charged *);
enum ll_code apply_used(struct folding *, const struct point_used *);
enum ll_code apply_refunded(struct folding *, const struct point_refunded *);
enum ll_code apply_expired(struct folding *, const struct point_expired *);
enum ll_code apply_adjusted(struct folding *, const struct point_adjusted *);

/* holds.c */
enum ll_code apply_held(struct folding *, const struct point_held *);
enum ll_code apply_hold_used(struct folding *, struct account *, const struct point_used *, struct uses_row *);
enum ll_code apply_hold_captured(struct folding *, const struct point_hold_captured *);
enum ll_code apply_hold_released(struct folding *, const struct point_hold_released *);

#endif
