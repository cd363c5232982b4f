/* Reads of accounts, the policy and the totals of points. */
#include "engine/read/read.h"
#include "engine/reply/reply.h"
#include "projections/balances/account.h"
#include "projections/balances/lots.h"

static bool write_lot(void *context, const struct lot *lot)
{
	struct json_writer *writer = context;
	json_object_begin(writer);
	json_member_ref(writer, "lotId", "lot", lot->lot_id);
	json_member_text(writer, "source", enumeration_text(&source_enumeration, lot->source));
	json_member_int64(writer, "amount", lot->amount);
	json_member_int64(writer, "remaining", lot->remaining);
	json_member_time(writer, "expiresAt", lot->expires_at);
	json_object_end(writer);
	return true;
}

int read_balance(struct view *view, struct slice user_id, struct json_writer *writer)
{
	struct accounts_row row;
	if (!accounts_get(view, accounts_key(user_id), &row))
		return CODE_USER_NOT_FOUND;
	json_object_begin(writer);
	json_member_string(writer, "userId", user_id);
	json_member_int64(writer, "balance", account_balance(&row));
	json_member_int64(writer, "held", row.held);
	json_member_int64(writer, "debt", row.debt);
	json_member_int64(writer, "available", account_available(&row));
	json_key(writer, "lots");
	json_array_begin(writer);
	lots_visit(view, user_id, &row, write_lot, writer);
	json_array_end(writer);
	json_member_time(writer, "lastUpdated", row.updated_at);
	json_object_end(writer);
	return 0;
}

struct last_policy {
	struct view *view;
	struct policy *policy;
	uint32_t version; /* 0: none found */
};

static bool take_policy(void *context, struct slice key, struct slice value)
{
	struct last_policy *last = context;
	struct policies_key parts;
	struct policies_row row;
	value = arena_copy(last->view->arena, value); /* its texts are to outlive the visit */
	if (policies_key_read(key, &parts) && policies_read(last->view, key, value, &row)) {
		*last->policy = row.policy;
		last->version = parts.version;
	}
	return false;
}

bool read_policy(struct view *view, struct policy *policy, uint32_t *version)
{
	struct last_policy last = {view, policy, 0};
	view_scan(view, BALANCES_POLICIES, SLICE_EMPTY, SLICE_EMPTY, true, take_policy, &last);
	*version = last.version;
	return last.version > 0;
}

int read_totals_points(struct view *view, struct json_writer *writer)
{
	struct totals_row row;
	if (!totals_get(view, totals_key(0), &row))
		row = (struct totals_row){0};
	json_key(writer, "points");
	json_object_begin(writer);
	json_member_int64(writer, "charged", row.charged);
	json_member_int64(writer, "used", row.used);
	json_member_int64(writer, "refunded", row.refunded);
	json_member_int64(writer, "expired", row.expired);
	json_member_int64(writer, "adjusted", row.adjusted);
	json_member_int64(writer, "held", row.held);
	json_member_int64(writer, "debt", row.debt);
	json_member_int64(writer, "balances", row.balances);
	json_object_end(writer);
	json_member_uint64(writer, "entries", row.accepted + row.refused + row.system);
	json_member_uint64(writer, "accepted", row.accepted);
	json_member_uint64(writer, "refused", row.refused);
	return 0;
}
