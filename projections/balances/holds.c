/*
 * Events of point holds. A hold takes from lots at once and keeps what the lots were, so that it can be spent or
 * given back when they are gone:
 *
 *	HELD -> CAPTURED   point.used of what was taken first, then point.hold.captured, which gives the rest back
 *	HELD -> RELEASED   asked for
 *	HELD -> EXPIRED    its time was over
 */
#include <inttypes.h>

#include "projections/balances/folding.h"
#include "projections/balances/lots.h"

enum ll_code apply_held(struct folding *folding, const struct point_held *event)
{
	struct account account;
	struct account_sums before;
	folding_begin(folding, &account, event->user_id, &before);
	struct point_holds_row hold = {
		.user_id = event->user_id,
		.amount = event->amount,
		.status = HOLD_STATUS_HELD,
		.expires_at = event->expires_at,
		.use_id = NONE_U64,
		.lots = {arena_alloc(folding->view->arena, event->lots.count * sizeof(struct use_lot)),
			 event->lots.count},
	};
	enum ll_code code = folding_take(folding, &account, &event->lots, event->amount, hold.lots.at, account_take);
	if (code != LL_OK)
		return code;
	struct view *view = folding->view;
	point_holds_put(view, point_holds_key(event->hold_id), &hold);
	account_holds_put(view, account_holds_key(event->user_id, event->hold_id),
			  &(struct account_holds_row){event->expires_at});
	point_hold_due_put(view, point_hold_due_key(event->expires_at, event->hold_id),
			   &(struct point_hold_due_row){event->user_id});
	account.row.held += event->amount; /* it was in lots: no overflow */
	account.row.open_holds++;
	if (account.row.next_hold_due == NONE_TIME || event->expires_at < account.row.next_hold_due)
		account.row.next_hold_due = event->expires_at;
	return folding_finish(folding, &account, &before, event->balance_after, event->available_after);
}

/* An open hold of that user. */
static enum ll_code open_hold(struct folding *folding, uint64_t hold_id, struct slice user_id,
			      struct point_holds_row *hold)
{
	if (!point_holds_get(folding->view, point_holds_key(hold_id), hold) || hold->status != HOLD_STATUS_HELD ||
	    !slice_equal(hold->user_id, user_id))
		return folding_poison(folding, user_id, "hold-%" PRIu64 " is not there, not open, or somebody else's",
				      hold_id);
	return LL_OK;
}

enum ll_code apply_hold_used(struct folding *folding, struct account *account, const struct point_used *event,
			     struct uses_row *use)
{
	struct point_holds_row hold;
	enum ll_code code = open_hold(folding, event->hold_id, event->user_id, &hold);
	if (code != LL_OK)
		return code;
	struct lots_walk walk = {.from = &hold.lots, .amount = event->amount};
	const struct use_lot *lot;
	uint32_t count = 0;
	for (int64_t part; lots_walk_next(&walk, &lot, &part); count++) {
		if (count == event->lots.count || event->lots.at[count].lot_id != lot->lot_id ||
		    event->lots.at[count].amount != part)
			return folding_poison(folding, event->user_id, "a capture spends other lots than it holds");
		use->lots.at[count] = *lot;
		use->lots.at[count].taken = part;
	}
	if (walk.amount != 0 || count != event->lots.count || event->amount < 1)
		return folding_poison(folding, event->user_id, "a capture spends other lots than it holds");
	account->row.held -= event->amount; /* the hold's amount is part of it */
	return LL_OK;
}

static bool find_first(void *context, struct slice key, struct slice value)
{
	struct account *account = context;
	struct account_holds_row row;
	if (!account_holds_read(account->view, key, value, &row))
		return false;
	int64_t *first = &account->row.next_hold_due;
	if (*first == NONE_TIME || row.expires_at < *first)
		*first = row.expires_at;
	return true;
}

/* The hold is open no more: `released` of it leaves what is held and comes back to lots. */
static enum ll_code close_hold(struct folding *folding, struct account *account, uint64_t hold_id,
			       struct point_holds_row *hold, int64_t released, const struct returned_list *lots,
			       int64_t repaid)
{
	struct view *view = folding->view;
	int64_t expires_at = hold->expires_at;
	point_holds_put(view, point_holds_key(hold_id), hold);
	account_holds_remove(view, account_holds_key(account->user_id, hold_id));
	point_hold_due_remove(view, point_hold_due_key(expires_at, hold_id));
	if (account->row.open_holds == 0 || account->row.held < released)
		return folding_poison(folding, account->user_id, "more holds are closed than are open");
	account->row.open_holds--;
	account->row.held -= released;
	if (account->row.next_hold_due == expires_at) {
		account->row.next_hold_due = NONE_TIME;
		struct key prefix = {.size = 0};
		key_add_id(&prefix, account->user_id, false);
		view_scan_prefix(view, BALANCES_ACCOUNT_HOLDS, key_slice(&prefix), false, find_first, account);
	}
	return folding_return(folding, account, &hold->lots, hold->captured, released, lots, repaid);
}

enum ll_code apply_hold_captured(struct folding *folding, const struct point_hold_captured *event)
{
	struct account account;
	struct account_sums before;
	struct point_holds_row hold;
	folding_begin(folding, &account, event->user_id, &before);
	enum ll_code code = open_hold(folding, event->hold_id, event->user_id, &hold);
	if (code != LL_OK)
		return code;
	if (event->captured < 1 || event->captured > hold.amount || event->released != hold.amount - event->captured)
		return folding_poison(folding, event->user_id,
				      "a capture and what comes back are not the hold's %" PRId64, hold.amount);
	hold.status = HOLD_STATUS_CAPTURED;
	hold.captured = event->captured;
	hold.use_id = folding->entry->seq;
	code = close_hold(folding, &account, event->hold_id, &hold, event->released, &event->lots, event->repaid);
	return code == LL_OK ? folding_finish(folding, &account, &before, event->balance_after, event->available_after)
			     : code;
}

enum ll_code apply_hold_released(struct folding *folding, const struct point_hold_released *event)
{
	struct account account;
	struct account_sums before;
	struct point_holds_row hold;
	folding_begin(folding, &account, event->user_id, &before);
	enum ll_code code = open_hold(folding, event->hold_id, event->user_id, &hold);
	if (code != LL_OK)
		return code;
	if (event->amount != hold.amount || (event->expired && hold.expires_at > folding->entry->time))
		return folding_poison(folding, event->user_id,
				      "a hold ends before its time, or with another amount than its %" PRId64,
				      hold.amount);
	hold.status = event->expired ? HOLD_STATUS_EXPIRED : HOLD_STATUS_RELEASED;
	code = close_hold(folding, &account, event->hold_id, &hold, event->amount, &event->lots, event->repaid);
	return code == LL_OK ? folding_finish(folding, &account, &before, event->balance_after, event->available_after)
			     : code;
}
