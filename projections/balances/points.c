/* Events of points that come in, are used, come back, end, or are corrected. */
#include <inttypes.h>

#include "projections/balances/folding.h"

/* What comes in repays debt, and opens a lot with the rest. */
static enum ll_code credit(struct folding *folding, struct account *account, int64_t amount, int64_t repaid,
			   struct lot *lot)
{
	enum ll_code code = account_repay(account, repaid, folding->error);
	if (code != LL_OK)
		return code;
	lot->amount = amount;
	lot->remaining = amount - repaid;
	if (amount < 1 || lot->remaining < 0 || (lot->remaining > 0) != (lot->lot_id != NONE_U64) ||
	    (lot->remaining > 0 && account->row.debt > 0))
		return folding_poison(folding, account->user_id,
				      "a credit of %" PRId64 " with %" PRId64 " repaid makes no sense", amount, repaid);
	if (lot->remaining == 0)
		return LL_OK;
	lot->duration_ms = NONE_U64;
	if (lot->lot_id >> 16 != folding->entry->seq)
		return folding_poison(folding, account->user_id, "a credit opens a lot of another entry");
	if (lot->expires_at != NONE_TIME) {
		if (lot->expires_at <= folding->entry->time)
			return folding_poison(folding, account->user_id, "a credit opens a lot that has expired");
		lot->duration_ms = (uint64_t)(lot->expires_at - folding->entry->time);
	}
	return account_give(account, lot, folding->error);
}

enum ll_code apply_charged(struct folding *folding, const struct point_charged *event)
{
	struct account account;
	struct account_sums before;
	folding_begin(folding, &account, event->user_id, &before);
	struct lot lot = {.lot_id = event->lot_id, .source = event->source, .expires_at = event->expires_at};
	enum ll_code code = credit(folding, &account, event->amount, event->repaid, &lot);
	if (code == LL_OK)
		code = folding_add(folding, &folding->totals->charged, event->amount);
	if (code == LL_OK)
		code = folding_finish(folding, &account, &before, event->balance_after, event->available_after);
	return code;
}

enum ll_code apply_used(struct folding *folding, const struct point_used *event)
{
	struct account account;
	struct account_sums before;
	folding_begin(folding, &account, event->user_id, &before);
	struct uses_row use = {
		.user_id = event->user_id,
		.amount = event->amount,
		.payment_id = event->payment_id,
		.hold_id = event->hold_id,
		.reference = event->reference,
		.lots = {arena_alloc(folding->view->arena, event->lots.count * sizeof(struct use_lot)),
			 event->lots.count},
	};
	enum ll_code code;
	if (event->hold_id == NONE_U64)
		code = folding_take(folding, &account, &event->lots, event->amount, use.lots.at, account_take);
	else
		code = apply_hold_used(folding, &account, event, &use);
	if (code != LL_OK)
		return code;
	uses_put(folding->view, uses_key(event->use_id), &use);
	code = folding_add(folding, &folding->totals->used, event->amount);
	if (code == LL_OK)
		code = folding_finish(folding, &account, &before, event->balance_after, event->available_after);
	return code;
}

enum ll_code apply_refunded(struct folding *folding, const struct point_refunded *event)
{
	struct uses_row use;
	if (!uses_get(folding->view, uses_key(event->use_id), &use))
		return folding_poison(folding, event->user_id, "a use that is not there is refunded");
	if (!slice_equal(use.user_id, event->user_id) || event->amount < 1 || event->amount > use.amount - use.refunded)
		return folding_poison(folding, event->user_id,
				      "%" PRId64 " are refunded of use-%" PRIu64
				      ", which is somebody else's or has less",
				      event->amount, event->use_id);
	int64_t skip = use.refunded;
	use.refunded += event->amount;
	if (use.amount - use.refunded != event->remaining_refundable)
		return folding_poison(folding, event->user_id, "another sum can still be refunded than the event says");
	uses_put(folding->view, uses_key(event->use_id),
		 &use); /* before anything else changes what the row points to */

	struct account account;
	struct account_sums before;
	folding_begin(folding, &account, event->user_id, &before);
	enum ll_code code =
		folding_return(folding, &account, &use.lots, skip, event->amount, &event->lots, event->repaid);
	if (code == LL_OK)
		code = folding_add(folding, &folding->totals->refunded, event->amount);
	if (code == LL_OK)
		code = folding_finish(folding, &account, &before, event->balance_after, event->available_after);
	return code;
}

enum ll_code apply_expired(struct folding *folding, const struct point_expired *event)
{
	struct account account;
	struct account_sums before;
	folding_begin(folding, &account, event->user_id, &before);
	struct use_lot *ended = arena_alloc(folding->view->arena, event->lots.count * sizeof *ended);
	enum ll_code code = folding_take(folding, &account, &event->lots, event->amount, ended, account_take_expired);
	for (uint32_t i = 0; code == LL_OK && i < event->lots.count; i++)
		if (ended[i].expires_at == NONE_TIME || ended[i].expires_at > folding->entry->time)
			return folding_poison(folding, event->user_id, "a lot expires before its time");
	if (code == LL_OK)
		code = folding_add(folding, &folding->totals->expired, event->amount);
	if (code == LL_OK)
		code = folding_finish(folding, &account, &before, event->balance_after, event->available_after);
	return code;
}

/* Down: lots first, then debt. */
static enum ll_code adjust_down(struct folding *folding, struct account *account, const struct point_adjusted *event)
{
	int64_t from_lots;
	if (__builtin_add_overflow(event->amount, event->indebted, &from_lots) || from_lots > 0 || event->indebted < 0)
		return folding_poison(folding, event->user_id, "a correction adds more to debt than it takes");
	struct use_lot *used = arena_alloc(folding->view->arena, event->lots.count * sizeof *used);
	enum ll_code code = folding_take(folding, account, &event->lots, -from_lots, used, account_take);
	if (code == LL_OK && event->indebted > 0 && account->row.lots_total > 0)
		return folding_poison(folding, event->user_id, "a correction makes debt while there are lots");
	if (code == LL_OK)
		code = folding_add(folding, &account->row.debt, event->indebted);
	return code;
}

enum ll_code apply_adjusted(struct folding *folding, const struct point_adjusted *event)
{
	struct account account;
	struct account_sums before;
	folding_begin(folding, &account, event->user_id, &before);
	struct lot lot = {.lot_id = event->lot_id, .source = event->source, .expires_at = event->expires_at};
	enum ll_code code = event->amount < 0 ? adjust_down(folding, &account, event)
					      : credit(folding, &account, event->amount, event->repaid, &lot);
	if (code == LL_OK && account.row.debt != event->debt_after)
		return folding_poison(folding, event->user_id,
				      "the event leaves a debt of %" PRId64 ", the account %" PRId64, event->debt_after,
				      account.row.debt);
	if (code == LL_OK)
		code = folding_add(folding, &folding->totals->adjusted, event->amount);
	if (code == LL_OK)
		code = folding_finish(folding, &account, &before, event->balance_after, event->available_after);
	return code;
}
