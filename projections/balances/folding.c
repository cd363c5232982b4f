#include "projections/balances/folding.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "projections/balances/lots.h"

enum ll_code folding_poison(struct folding *folding, struct slice user_id, const char *format, ...)
{
	char what[LL_ERROR_TEXT_MAX / 2];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	return error_set(folding->error, LL_POISON, "entry %" PRIu64 ", account %.*s: %s", folding->entry->seq,
			 SLICE_PRINT(user_id), what);
}

enum ll_code folding_add(struct folding *folding, int64_t *total, int64_t amount)
{
	if (__builtin_add_overflow(*total, amount, total))
		return error_set(folding->error, LL_POISON,
				 "entry %" PRIu64 ": a total of the ledger leaves what it can hold",
				 folding->entry->seq);
	return LL_OK;
}

void folding_begin(struct folding *folding, struct account *account, struct slice user_id, struct account_sums *before)
{
	account_load(account, folding->view, user_id);
	if (!account->known)
		folding->totals->accounts++;
	*before = (struct account_sums){account_balance(&account->row), account->row.held, account->row.debt};
}

enum ll_code folding_finish(struct folding *folding, struct account *account, const struct account_sums *before,
			    int64_t balance_after, int64_t available_after)
{
	const struct accounts_row *row = &account->row;
	int64_t balance = account_balance(row), available = account_available(row);
	if (balance != balance_after || available != available_after)
		return folding_poison(folding, account->user_id,
				      "the event leaves a balance of %" PRId64 " (available %" PRId64
				      "), the account %" PRId64 " (available %" PRId64 ")",
				      balance_after, available_after, balance, available);
	account_save(account, folding->entry->seq, folding->entry->time);
	enum ll_code code = LL_OK;
	if (row->held != before->held)
		code = folding_add(folding, &folding->totals->held, row->held - before->held);
	if (code == LL_OK && row->debt != before->debt)
		code = folding_add(folding, &folding->totals->debt, row->debt - before->debt);
	if (code == LL_OK)
		code = folding_add(folding, &folding->totals->balances, balance - before->balance);
	return code;
}

enum ll_code folding_take(struct folding *folding, struct account *account, const struct taken_list *lots,
			  int64_t amount, struct use_lot *used, account_take_fn *take)
{
	int64_t left = amount;
	for (uint32_t i = 0; i < lots->count; i++) {
		const struct taken *lot = &lots->at[i];
		enum ll_code code = take(account, lot->lot_id, lot->amount, &used[i], folding->error);
		if (code != LL_OK)
			return error_prefix(folding->error, "entry %" PRIu64, folding->entry->seq);
		left -= lot->amount; /* not below int64: each part was in its lot */
	}
	if (left != 0)
		return folding_poison(folding, account->user_id, "its lots do not give the %" PRId64 " of the event",
				      amount);
	return LL_OK;
}

static enum ll_code return_one(struct folding *folding, struct account *account, const struct use_lot *from,
			       const struct returned *back)
{
	struct lot lot = {from->lot_id,    from->source,     from->amount,
			  back->remaining, from->expires_at, from->duration_ms};
	if (back->remaining == 0)
		return LL_OK;
	if (account->row.debt > 0)
		return folding_poison(folding, account->user_id, "points come back to lots while there is debt");
	if (back->new_lot_id != NONE_U64) {
		lot.lot_id = back->new_lot_id;
		lot.amount = back->amount;
		lot.expires_at = back->expires_at;
		lot.duration_ms = (uint64_t)(back->expires_at - folding->entry->time);
		if (back->expires_at <= folding->entry->time || lot.lot_id >> 16 != folding->entry->seq)
			return folding_poison(folding, account->user_id,
					      "points come back to a new lot that cannot be opened");
	} else if (back->expires_at != from->expires_at) {
		return folding_poison(folding, account->user_id, "points come back to a lot with another expiry");
	}
	return account_give(account, &lot, folding->error);
}

enum ll_code folding_return(struct folding *folding, struct account *account, const struct use_lot_list *from,
			    int64_t skip, int64_t amount, const struct returned_list *lots, int64_t repaid)
{
	enum ll_code code = account_repay(account, repaid, folding->error);
	struct lots_walk walk = {.from = from, .skip = skip, .amount = amount};
	const struct use_lot *lot;
	int64_t part, lost = 0;
	for (uint32_t i = 0; code == LL_OK && i < lots->count; i++) {
		const struct returned *back = &lots->at[i];
		if (!lots_walk_next(&walk, &lot, &part) || back->lot_id != lot->lot_id || back->amount != part ||
		    back->remaining > part)
			return folding_poison(folding, account->user_id,
					      "points come back to other lots than they were taken from");
		lost += part - back->remaining;
		code = return_one(folding, account, lot, back);
	}
	if (code == LL_OK && (walk.amount != 0 || lost != repaid))
		return folding_poison(folding, account->user_id,
				      "the lots do not give the %" PRId64 " of the event back", amount);
	return code;
}
