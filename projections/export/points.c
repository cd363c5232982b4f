/* Policy, users, accounts with lots, uses, point holds. */
#include "projections/export/lines.h"
#include "projections/views/rows.h"
#include "schemas/wire/record_json.h"

static bool write_policy(void *context, struct slice key, struct slice value)
{
	struct lines *lines = context;
	struct policies_key parts;
	struct policies_row row;
	struct json_writer *writer = line_begin(lines, "policy");
	if (!policies_key_read(key, &parts))
		return line_unreadable(lines, BALANCES_POLICIES);
	if (!policies_read(lines->view, key, value, &row))
		return false;
	json_member_uint64(writer, "version", parts.version);
	member_time(writer, "since", row.since);
	record_json_members(writer, &policy_record, &row.policy);
	(void)line_end(lines);
	return false; /* only the last version holds */
}

static bool write_user(void *context, struct slice key, struct slice value)
{
	struct lines *lines = context;
	struct accounts_row row;
	arena_reset(lines->view->arena);
	if (!accounts_read(lines->view, key, value, &row))
		return false;
	if (row.registered_at == NONE_TIME)
		return true;
	struct json_writer *writer = line_begin(lines, "user");
	json_member_string(writer, "userId", key);
	member_time(writer, "registeredAt", row.registered_at);
	return line_end(lines);
}

/* What a lot is, and stays: what is taken from it changes only what remains. */
static void write_lot_terms(struct json_writer *writer, uint8_t source, int64_t amount, int64_t expires_at,
			    uint64_t duration_ms)
{
	member_enum(writer, "source", &source_enumeration, source);
	json_member_int64(writer, "amount", amount);
	member_time(writer, "expiresAt", expires_at);
	json_key(writer, "durationMs");
	if (duration_ms == NONE_U64)
		json_null(writer);
	else
		json_uint64(writer, duration_ms);
}

static void write_lot(struct json_writer *writer, const struct lot *lot)
{
	json_object_begin(writer);
	member_reference(writer, "lotId", "lot", lot->lot_id);
	json_member_int64(writer, "remaining", lot->remaining);
	write_lot_terms(writer, lot->source, lot->amount, lot->expires_at, lot->duration_ms);
	json_object_end(writer);
}

static bool write_further_lot(void *context, struct slice key, struct slice value)
{
	struct lines *lines = context;
	struct lots_key parts;
	struct lots_row row;
	if (!lots_key_read(key, &parts))
		return line_unreadable(lines, BALANCES_LOTS);
	if (!lots_read(lines->view, key, value, &row))
		return false;
	struct lot lot = {
		.lot_id = parts.lot_id,
		.source = row.source,
		.amount = row.amount,
		.remaining = row.remaining,
		.expires_at = parts.expires_at,
		.duration_ms = row.duration_ms,
	};
	write_lot(&lines->writer, &lot);
	return true;
}

static bool write_account(void *context, struct slice key, struct slice value)
{
	struct lines *lines = context;
	struct accounts_row row;
	struct json_writer *writer = line_begin(lines, "account");
	if (!accounts_read(lines->view, key, value, &row))
		return false;
	json_member_string(writer, "userId", key);
	json_member_int64(writer, "balance", row.lots_total + row.held - row.debt);
	json_member_int64(writer, "held", row.held);
	json_member_int64(writer, "debt", row.debt);
	member_time(writer, "updatedAt", row.updated_at);
	json_key(writer, "lots");
	json_array_begin(writer);
	for (uint32_t i = 0; i < row.lots.count; i++)
		if (row.lots.at[i].remaining)
			write_lot(writer, &row.lots.at[i]);
	if (row.more_lots) {
		struct key prefix = {.size = 0};
		key_add_id(&prefix, key, false);
		view_scan_prefix(lines->view, BALANCES_LOTS, key_slice(&prefix), false, write_further_lot, lines);
	}
	json_array_end(writer);
	return line_end(lines);
}

/* What was taken from which lot, with what is needed to give it back. */
static void write_taken(struct json_writer *writer, const struct use_lot_list *list)
{
	json_key(writer, "lots");
	json_array_begin(writer);
	for (uint32_t i = 0; i < list->count; i++) {
		const struct use_lot *lot = &list->at[i];
		json_object_begin(writer);
		member_reference(writer, "lotId", "lot", lot->lot_id);
		json_member_int64(writer, "taken", lot->taken);
		write_lot_terms(writer, lot->source, lot->amount, lot->expires_at, lot->duration_ms);
		json_object_end(writer);
	}
	json_array_end(writer);
}

static bool write_use(void *context, struct slice key, struct slice value)
{
	struct lines *lines = context;
	struct uses_key parts;
	struct uses_row row;
	struct json_writer *writer = line_begin(lines, "use");
	if (!uses_key_read(key, &parts))
		return line_unreadable(lines, BALANCES_USES);
	if (!uses_read(lines->view, key, value, &row))
		return false;
	member_reference(writer, "useId", "use", parts.use_id);
	json_member_string(writer, "userId", row.user_id);
	json_member_int64(writer, "amount", row.amount);
	json_member_int64(writer, "refunded", row.refunded);
	member_reference(writer, "paymentId", "payment", row.payment_id);
	member_reference(writer, "holdId", "hold", row.hold_id);
	member_text(writer, "reference", row.reference);
	write_taken(writer, &row.lots);
	return line_end(lines);
}

static bool write_hold(void *context, struct slice key, struct slice value)
{
	struct lines *lines = context;
	struct point_holds_key parts;
	struct point_holds_row row;
	struct json_writer *writer = line_begin(lines, "hold");
	if (!point_holds_key_read(key, &parts))
		return line_unreadable(lines, BALANCES_POINT_HOLDS);
	if (!point_holds_read(lines->view, key, value, &row))
		return false;
	member_reference(writer, "holdId", "hold", parts.hold_id);
	json_member_string(writer, "userId", row.user_id);
	json_member_int64(writer, "amount", row.amount);
	member_enum(writer, "status", &hold_status_enumeration, row.status);
	member_time(writer, "expiresAt", row.expires_at);
	json_member_int64(writer, "captured", row.captured);
	member_reference(writer, "useId", "use", row.use_id);
	write_taken(writer, &row.lots);
	return line_end(lines);
}

void export_points(struct lines *lines)
{
	struct view *view = lines->view;
	struct totals_row totals;
	view_scan(view, BALANCES_POLICIES, SLICE_EMPTY, SLICE_EMPTY, true, write_policy, lines);
	/* Most ledgers register nobody: a scan of all accounts saved. */
	if (totals_get(view, totals_key(0), &totals) && totals.users)
		view_scan(view, BALANCES_ACCOUNTS, SLICE_EMPTY, SLICE_EMPTY, false, write_user, lines);
	view_scan(view, BALANCES_ACCOUNTS, SLICE_EMPTY, SLICE_EMPTY, false, write_account, lines);
	view_scan(view, BALANCES_USES, SLICE_EMPTY, SLICE_EMPTY, false, write_use, lines);
	view_scan(view, BALANCES_POINT_HOLDS, SLICE_EMPTY, SLICE_EMPTY, false, write_hold, lines);
}
