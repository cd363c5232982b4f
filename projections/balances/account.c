#include "projections/balances/account.h"

#include <inttypes.h>

#include "projections/balances/lots.h"
#include "schemas/wire/ensure.h"

void account_load(struct account *account, struct view *view, struct slice user_id)
{
	account->view = view;
	account->user_id = user_id;
	account->known = accounts_get(view, accounts_key(user_id), &account->row);
	struct lot_list *lots = &account->row.lots;
	if (!account->known) {
		account->row = (struct accounts_row){0};
	} else if (lots->count > INLINE_LOTS) {
		view_fail(view, LL_CORRUPT, "account %.*s has %u lots in its row, more than %d; rebuild balances",
			  SLICE_PRINT(user_id), lots->count, INLINE_LOTS);
		lots->count = 0;
	} else if (lots->count) {
		memcpy(account->inline_lots, lots->at, lots->count * sizeof *lots->at);
	}
	lots->at = account->inline_lots;
}

void account_save(struct account *account, uint64_t seq, int64_t time)
{
	account->row.changed_by = seq;
	account->row.updated_at = time;
	accounts_put(account->view, accounts_key(account->user_id), &account->row);
}

static enum ll_code poison(const struct account *account, struct error *error, uint64_t lot_id, const char *what)
{
	char text[REFERENCE_TEXT_MAX];
	reference_text(text, "lot", lot_id);
	return error_set(error, LL_POISON, "account %.*s, %s: %s", SLICE_PRINT(account->user_id), text, what);
}

/* ---- the table of further lots ---- */

static struct key table_key(const struct account *account, const struct lot *lot)
{
	return lots_key(account->user_id, lot->expires_at, lot_source_order(lot->source), lot->lot_id);
}

static void table_put(struct account *account, const struct lot *lot)
{
	struct lots_row row = {lot->source, lot->amount, lot->remaining, lot->duration_ms};
	lots_put(account->view, table_key(account, lot), &row);
}

static bool fill_visit(void *context, struct slice key, struct slice value)
{
	struct account *account = context;
	struct lot_list *lots = &account->row.lots;
	return lots_read_lot(account->view, key, value, &lots->at[lots->count]) && ++lots->count < INLINE_LOTS;
}

/* The row has run out, `last` was its last one: the next ones come from the table. */
static void fill(struct account *account, struct lot last)
{
	struct lot_list *lots = &account->row.lots;
	lots_scan_after(account->view, account->user_id, &last, fill_visit, account);
	for (uint32_t i = 0; i < lots->count; i++)
		lots_remove(account->view, table_key(account, &lots->at[i]));
	if (lots->count == 0 || lots->count > account->row.more_lots)
		view_fail(account->view, LL_CORRUPT,
			  "account %.*s counts %u further lots, the table lots says %u; rebuild balances",
			  SLICE_PRINT(account->user_id), account->row.more_lots, lots->count);
	else
		account->row.more_lots -= lots->count;
}

/* ---- taking ---- */

/* Takes from a lot of the row or of the table; what it has left is the caller's to store. */
static enum ll_code take_from(struct account *account, struct lot *lot, int64_t amount, struct use_lot *taken,
			      struct error *error)
{
	if (amount < 1 || amount > lot->remaining)
		return poison(account, error, lot->lot_id, "more points are taken from it than it has left");
	*taken = (struct use_lot){lot->lot_id, amount, lot->source, lot->amount, lot->expires_at, lot->duration_ms};
	lot->remaining -= amount;
	account->row.lots_total -= amount;
	if (lot->remaining == 0 && lot->expires_at != NONE_TIME)
		lot_due_remove(account->view, lot_due_key(lot->expires_at, lot->lot_id));
	return LL_OK;
}

static enum ll_code take_inline(struct account *account, uint32_t place, int64_t amount, struct use_lot *taken,
				struct error *error)
{
	struct lot_list *lots = &account->row.lots;
	enum ll_code code = take_from(account, &lots->at[place], amount, taken, error);
	if (code != LL_OK || lots->at[place].remaining > 0)
		return code;
	struct lot last = lots->at[place];
	lots->count--;
	memmove(lots->at + place, lots->at + place + 1, (lots->count - place) * sizeof *lots->at);
	if (lots->count == 0 && account->row.more_lots > 0)
		fill(account, last);
	return LL_OK;
}

enum ll_code account_take(struct account *account, uint64_t lot_id, int64_t amount, struct use_lot *taken,
			  struct error *error)
{
	const struct lot_list *lots = &account->row.lots;
	if (lots->count == 0 || lots->at[0].lot_id != lot_id)
		return poison(account, error, lot_id,
			      "points are taken from it, but it is not the lot to be spent next");
	return take_inline(account, 0, amount, taken, error);
}

struct sought {
	struct view *view;
	struct lot lot; /* lot_id is what is sought */
	bool found;
};

static bool seek(void *context, struct slice key, struct slice value)
{
	struct sought *sought = context;
	struct lot lot;
	if (!lots_read_lot(sought->view, key, value, &lot))
		return false;
	sought->found = lot.lot_id == sought->lot.lot_id;
	if (sought->found)
		sought->lot = lot;
	return !sought->found;
}

enum ll_code account_take_expired(struct account *account, uint64_t lot_id, int64_t amount, struct use_lot *taken,
				  struct error *error)
{
	const struct lot_list *lots = &account->row.lots;
	for (uint32_t i = 0; i < lots->count; i++)
		if (lots->at[i].lot_id == lot_id)
			return take_inline(account, i, amount, taken, error);
	struct sought sought = {account->view, {.lot_id = lot_id}, false};
	struct key prefix = {.size = 0};
	key_add_id(&prefix, account->user_id, false);
	if (account->row.more_lots > 0)
		view_scan_prefix(account->view, BALANCES_LOTS, key_slice(&prefix), false, seek, &sought);
	if (!sought.found)
		return poison(account, error, lot_id, "it expires, but the account has no such lot");
	enum ll_code code = take_from(account, &sought.lot, amount, taken, error);
	if (code != LL_OK)
		return code;
	if (sought.lot.remaining > 0) {
		table_put(account, &sought.lot);
	} else {
		lots_remove(account->view, table_key(account, &sought.lot));
		account->row.more_lots--;
	}
	return LL_OK;
}

/* ---- giving ---- */

static enum ll_code add_to(struct account *account, struct lot *there, const struct lot *lot, struct error *error)
{
	if (lot->remaining > there->amount - there->remaining)
		return poison(account, error, lot->lot_id, "more points come back to it than it was opened with");
	there->remaining += lot->remaining;
	return LL_OK;
}

static void open_lot(struct account *account, uint32_t place, const struct lot *lot)
{
	struct lot_list *lots = &account->row.lots;
	if (lot->expires_at != NONE_TIME)
		lot_due_put(account->view, lot_due_key(lot->expires_at, lot->lot_id),
			    &(struct lot_due_row){account->user_id});
	if (place == lots->count && (place == INLINE_LOTS || account->row.more_lots > 0)) {
		table_put(account, lot);
		account->row.more_lots++;
		return;
	}
	memmove(lots->at + place + 1, lots->at + place, (lots->count - place) * sizeof *lots->at);
	lots->at[place] = *lot;
	if (++lots->count <= INLINE_LOTS)
		return;
	table_put(account, &lots->at[--lots->count]);
	account->row.more_lots++;
}

static bool table_get(struct account *account, const struct lot *lot, struct lot *there)
{
	struct lots_row row;
	if (account->row.more_lots == 0 || !lots_get(account->view, table_key(account, lot), &row))
		return false;
	*there = *lot;
	there->amount = row.amount;
	there->remaining = row.remaining;
	there->duration_ms = row.duration_ms;
	return true;
}

enum ll_code account_give(struct account *account, const struct lot *lot, struct error *error)
{
	struct lot_list *lots = &account->row.lots;
	if (lot->remaining < 1 || lot->remaining > lot->amount)
		return poison(account, error, lot->lot_id, "it is given nothing, or more than it was opened with");
	if (__builtin_add_overflow(account->row.lots_total, lot->remaining, &account->row.lots_total))
		return poison(account, error, lot->lot_id, "the lots of the account pass what can be counted");
	uint32_t place = 0;
	while (place < lots->count && lot_compare(&lots->at[place], lot) < 0)
		place++;
	if (place < lots->count && lots->at[place].lot_id == lot->lot_id)
		return add_to(account, &lots->at[place], lot, error);
	struct lot there;
	if (place == lots->count && table_get(account, lot, &there)) {
		enum ll_code code = add_to(account, &there, lot, error);
		if (code == LL_OK)
			table_put(account, &there);
		return code;
	}
	open_lot(account, place, lot);
	return LL_OK;
}

enum ll_code account_repay(struct account *account, int64_t amount, struct error *error)
{
	if (amount < 0 || amount > account->row.debt)
		return error_set(error, LL_POISON, "account %.*s: %" PRId64 " are to repay a debt of %" PRId64,
				 SLICE_PRINT(account->user_id), amount, account->row.debt);
	account->row.debt -= amount;
	return LL_OK;
}
