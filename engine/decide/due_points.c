/* What is due of points: lots and point holds whose time has come. */
#include "engine/decide/limits.h"
#include "engine/decide/rules.h"

/* Lots that one entry expires: it stays far below a block's size, and below what stalls the loop. */
enum { LOTS_PER_EXPIRY = 100 };

static bool expire_lots(struct decide_context *context, struct slice user_id, const struct accounts_row *row,
			struct decision *decision)
{
	struct lots_returned due = {.repaid = 0};
	due.expired_amount = lots_plan_expire(context->view, user_id, row, context->now, LOTS_PER_EXPIRY,
					      context->arena, &due.expired);
	add_expired(decision, user_id, &due, (struct standing){account_balance(row), account_available(row)});
	return due.expired.count > 0;
}

struct first_hold {
	struct view *view;
	int64_t expires_at; /* NONE_TIME: none */
	uint64_t hold_id;
};

static bool find_first(void *context, struct slice key, struct slice value)
{
	struct first_hold *first = context;
	struct account_holds_key parts;
	struct account_holds_row row;
	if (!account_holds_key_read(key, &parts) || !account_holds_read(first->view, key, value, &row))
		return false;
	if (first->expires_at == NONE_TIME || row.expires_at < first->expires_at) {
		first->expires_at = row.expires_at;
		first->hold_id = parts.hold_id;
	}
	return true;
}

static bool expire_hold(struct decide_context *context, struct slice user_id, const struct accounts_row *row,
			struct decision *decision)
{
	if (row->next_hold_due == NONE_TIME || row->next_hold_due > context->now)
		return false;
	struct key prefix = {.size = 0};
	key_add_id(&prefix, user_id, false);
	struct first_hold first = {context->view, NONE_TIME, 0};
	view_scan_prefix(context->view, BALANCES_ACCOUNT_HOLDS, key_slice(&prefix), false, find_first, &first);
	struct point_holds_row hold;
	if (first.expires_at == NONE_TIME || first.expires_at > context->now ||
	    !point_holds_get(context->view, point_holds_key(first.hold_id), &hold))
		return false;
	hold.user_id = user_id;
	plan_release(context, first.hold_id, &hold, true, decision);
	return true;
}

bool due_points_for_account(struct decide_context *context, struct slice user_id, struct decision *decision)
{
	struct accounts_row row;
	user_id = arena_copy(context->arena, user_id); /* it may stand in a row, and goes into the event */
	return account_read(context, user_id, &row) &&
	       (expire_lots(context, user_id, &row, decision) || expire_hold(context, user_id, &row, decision));
}

/* The account that a use or a hold belongs to; empty: there is no such thing. */
static struct slice owner_of_use(struct decide_context *context, uint64_t use_id)
{
	struct uses_row use;
	return uses_get(context->view, uses_key(use_id), &use) ? use.user_id : SLICE_EMPTY;
}

static struct slice owner_of_hold(struct decide_context *context, uint64_t hold_id)
{
	struct point_holds_row hold;
	return point_holds_get(context->view, point_holds_key(hold_id), &hold) ? hold.user_id : SLICE_EMPTY;
}

static struct slice account_of(struct decide_context *context, const struct command *command)
{
	switch (command->type) {
	case COMMAND_POINTS_CHARGE: return command->points_charge.user_id;
	case COMMAND_POINTS_USE: return command->points_use.user_id;
	case COMMAND_POINTS_HOLD: return command->points_hold.user_id;
	case COMMAND_POINTS_ADJUST: return command->points_adjust.user_id;
	case COMMAND_PAYMENT_CREATE: return command->payment_create.user_id;
	case COMMAND_POINTS_REFUND: return owner_of_use(context, command->points_refund.use_id);
	case COMMAND_POINTS_CAPTURE: return owner_of_hold(context, command->points_capture.hold_id);
	case COMMAND_POINTS_RELEASE: return owner_of_hold(context, command->points_release.hold_id);
	default: return SLICE_EMPTY;
	}
}

bool due_points_for_command(struct decide_context *context, const struct command *command, struct decision *decision)
{
	struct slice user_id = account_of(context, command);
	return user_id.size && due_points_for_account(context, user_id, decision);
}

/* ---- the first of all accounts ---- */

struct first_due {
	struct view *view;
	struct arena *arena; /* where user_id is copied to; NULL: only the time is wanted */
	int64_t expires_at;  /* NONE_TIME: nothing */
	struct slice user_id;
};

static void note(struct first_due *first, int64_t expires_at, struct slice user_id)
{
	if (first->expires_at != NONE_TIME && first->expires_at <= expires_at)
		return;
	first->expires_at = expires_at;
	if (first->arena)
		first->user_id = arena_copy(first->arena, user_id);
}

static bool first_lot(void *context, struct slice key, struct slice value)
{
	struct first_due *first = context;
	struct lot_due_key parts;
	struct lot_due_row row;
	if (lot_due_key_read(key, &parts) && lot_due_read(first->view, key, value, &row))
		note(first, parts.expires_at, row.user_id);
	return false;
}

static bool first_point_hold(void *context, struct slice key, struct slice value)
{
	struct first_due *first = context;
	struct point_hold_due_key parts;
	struct point_hold_due_row row;
	if (point_hold_due_key_read(key, &parts) && point_hold_due_read(first->view, key, value, &row))
		note(first, parts.expires_at, row.user_id);
	return false;
}

static struct first_due find_due(struct view *view, struct arena *arena)
{
	struct first_due first = {view, arena, NONE_TIME, SLICE_EMPTY};
	view_scan(view, BALANCES_LOT_DUE, SLICE_EMPTY, SLICE_EMPTY, false, first_lot, &first);
	view_scan(view, BALANCES_POINT_HOLD_DUE, SLICE_EMPTY, SLICE_EMPTY, false, first_point_hold, &first);
	return first;
}

bool due_points_next(struct decide_context *context, struct decision *decision)
{
	struct first_due first = find_due(context->view, context->arena);
	if (first.expires_at == NONE_TIME || first.expires_at > context->now)
		return false;
	if (due_points_for_account(context, first.user_id, decision))
		return true;
	view_fail(context->view, LL_CORRUPT,
		  "account %.*s has nothing that is due, though a row of what is due says so; rebuild balances",
		  SLICE_PRINT(first.user_id));
	return false;
}

int64_t due_points_when(struct view *view, int64_t now)
{
	(void)now;
	return find_due(view, NULL).expires_at;
}
