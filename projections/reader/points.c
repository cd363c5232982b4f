/* Balances, lots, receipts. */
#include "projections/reader/internal.h"
#include "schemas/wire/hash.h"

static bool get_account(struct ll_reader *reader, struct view *view, const char *user_id, struct accounts_row *row,
			enum ll_result *result)
{
	if (accounts_get(view, accounts_key(slice_text(user_id)), row))
		return true;
	*result = reader_end(reader);
	if (*result == LL_DONE)
		*result = reader_absent(reader, "account of", user_id);
	return false;
}

enum ll_result ll_read_balance(struct ll_reader *reader, const char *user_id, struct ll_balance *balance)
{
	enum ll_result result;
	struct accounts_row row;
	struct view *view = reader_begin(reader, user_id, true, &result);
	if (!view || !get_account(reader, view, user_id, &row, &result))
		return result;
	*balance = (struct ll_balance){
		.balance = row.lots_total + row.held - row.debt,
		.held = row.held,
		.debt = row.debt,
		.available = row.lots_total - row.debt,
		.updated_at_ms = row.updated_at,
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
	if (!lots_key_read(key, &parts)) {
		view_fail(walk->view, LL_CORRUPT,
			  "projection balances, table lots: a key cannot be read; rebuild balances");
		return false;
	}
	return lots_read(walk->view, key, value, &row) &&
	       visit_lot(walk, parts.lot_id, row.source, row.amount, row.remaining, parts.expires_at);
}

enum ll_result ll_read_lots(struct ll_reader *reader, const char *user_id, ll_lot_visit *visit, void *context)
{
	enum ll_result result;
	struct accounts_row row;
	struct view *view = reader_begin(reader, user_id, true, &result);
	if (!view || !get_account(reader, view, user_id, &row, &result))
		return result;
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
	struct view *view = reader_begin(reader, command_id, true, &result);
	if (!view)
		return result;
	struct short_hash hash = short_hash_of(slice_text(command_id));
	if (!receipts_get(view, receipts_key(short_hash_slice(&hash)), &row)) {
		result = reader_end(reader);
		return result == LL_DONE ? reader_absent(reader, "receipt of command", command_id) : result;
	}
	*receipt = (struct ll_receipt){.entry = row.seq, .offset = row.offset, .index = row.index, .time_ms = row.time};
	return reader_end(reader);
}
