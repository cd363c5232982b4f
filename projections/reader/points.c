/* Accounts, lots, totals, receipts. */
#include "projections/balances/account.h"
#include "projections/reader/internal.h"
#include "schemas/wire/hash.h"

static struct ll_balance balance_of(const struct accounts_row *row)
{
	return (struct ll_balance){
		.balance = account_balance(row),
		.held = row->held,
		.debt = row->debt,
		.available = account_available(row),
		.updated_at_ms = row->updated_at,
	};
}

enum ll_result ll_read_balance(struct ll_reader *reader, const char *user_id, struct ll_balance *balance)
{
	enum ll_result result;
	struct accounts_row row;
	struct view *view = reader_begin_id(reader, LL_BALANCES, user_id, &result);
	if (!view)
		return result;
	if (!accounts_get(view, accounts_key(slice_text(user_id)), &row))
		return reader_end_absent(reader, "account of", user_id);
	*balance = balance_of(&row);
	return reader_end(reader);
}

static bool visit_account(void *context, struct slice key, struct slice value)
{
	struct reader_walk *walk = context;
	struct accounts_key parts;
	struct accounts_row row;
	reader_next_row(walk->reader);
	if (!accounts_key_read(key, &parts))
		return reader_bad_key(walk->view, BALANCES_ACCOUNTS);
	if (!accounts_read(walk->view, key, value, &row))
		return false;
	struct ll_account account = {.registered_at_ms = row.registered_at, .balance = balance_of(&row)};
	reader_copy_id(account.user_id, parts.user_id);
	return reader_walk_on(walk, walk->visit.account(walk->context, &account));
}

enum ll_result ll_walk_accounts(struct ll_reader *reader, const char *after, uint64_t limit, ll_account_visit *visit,
				void *context)
{
	enum ll_result result;
	struct key from = {.size = 0};
	struct view *view = reader_begin(reader, LL_BALANCES, &result);
	if (!view || !reader_key_after(reader, &from, after, &result))
		return result;
	struct reader_walk walk = reader_walk_over(reader, view, limit, context);
	walk.visit.account = visit;
	view_scan(view, BALANCES_ACCOUNTS, key_slice(&from), SLICE_EMPTY, false, visit_account, &walk);
	return reader_end(reader);
}

enum ll_result ll_read_totals(struct ll_reader *reader, struct ll_totals *totals)
{
	enum ll_result result;
	struct totals_row row;
	struct view *view = reader_begin(reader, LL_BALANCES, &result);
	if (!view)
		return result;
	if (!totals_get(view, totals_key(0), &row))
		row = (struct totals_row){0}; /* nothing has happened yet */
	*totals = (struct ll_totals){
		.account_count = row.accounts,
		.user_count = row.users,
		.charged = row.charged,
		.used = row.used,
		.refunded = row.refunded,
		.expired = row.expired,
		.adjusted = row.adjusted,
		.held = row.held,
		.debt = row.debt,
		.balances = row.balances,
		.accepted = row.accepted,
		.refused = row.refused,
		.system = row.system,
	};
	return reader_end(reader);
}

struct lot_walk {
	struct view *view;
	ll_lot_visit *visit;
	void *context;
	bool stopped;
};

/* false: the visitor has seen enough. */
static bool visit_lot(struct lot_walk *walk, uint64_t lot_id, uint8_t source, int64_t amount, int64_t remaining,
		      int64_t expires_at)
{
	struct ll_lot lot = {
		.source = enumeration_text(&source_enumeration, source),
		.amount = amount,
		.remaining = remaining,
		.expires_at_ms = expires_at,
	};
	reader_copy_reference(lot.lot_id, "lot", lot_id);
	walk->stopped = remaining > 0 && walk->visit(walk->context, &lot) != 0;
	return !walk->stopped;
}

static bool visit_further_lot(void *context, struct slice key, struct slice value)
{
	struct lot_walk *walk = context;
	struct lots_key parts;
	struct lots_row row;
	if (!lots_key_read(key, &parts))
		return reader_bad_key(walk->view, BALANCES_LOTS);
	return lots_read(walk->view, key, value, &row) &&
	       visit_lot(walk, parts.lot_id, row.source, row.amount, row.remaining, parts.expires_at);
}

enum ll_result ll_read_lots(struct ll_reader *reader, const char *user_id, ll_lot_visit *visit, void *context)
{
	enum ll_result result;
	struct accounts_row row;
	struct view *view = reader_begin_id(reader, LL_BALANCES, user_id, &result);
	if (!view)
		return result;
	if (!accounts_get(view, accounts_key(slice_text(user_id)), &row))
		return reader_end_absent(reader, "account of", user_id);
	struct lot_walk walk = {.view = view, .visit = visit, .context = context};
	for (uint32_t i = 0; i < row.lots.count && !walk.stopped; i++) {
		const struct lot *lot = &row.lots.at[i];
		(void)visit_lot(&walk, lot->lot_id, lot->source, lot->amount, lot->remaining, lot->expires_at);
	}
	if (row.more_lots && !walk.stopped) {
		struct key prefix = {.size = 0};
		key_add_id(&prefix, slice_text(user_id), false);
		view_scan_prefix(view, BALANCES_LOTS, key_slice(&prefix), false, visit_further_lot, &walk);
	}
	return reader_end(reader);
}

enum ll_result ll_read_receipt(struct ll_reader *reader, const char *command_id, struct ll_receipt *receipt)
{
	enum ll_result result;
	struct receipts_row row;
	struct view *view = reader_begin_id(reader, LL_RECEIPTS, command_id, &result);
	if (!view)
		return result;
	struct short_hash hash = short_hash_of(slice_text(command_id));
	if (!receipts_get(view, receipts_key(short_hash_slice(&hash)), &row))
		return reader_end_absent(reader, "receipt of command", command_id);
	*receipt = (struct ll_receipt){.entry = row.seq, .offset = row.offset, .index = row.index, .time_ms = row.time};
	return reader_end(reader);
}
