/* Point holds: setting points aside, spending them in part or whole, giving them back. */
#include "engine/decide/limits.h"
#include "engine/decide/rules.h"

void decide_points_hold(struct decide_context *context, const struct points_hold *command, struct decision *decision)
{
	struct accounts_row row;
	account_read(context, command->user_id, &row);
	int64_t amount = command->amount;
	if (refuse_amount(decision, amount))
		return;
	if (command->expires_in_seconds == 0) {
		decision_invalid(decision, "expiresInSeconds", "must be at least 1");
		return;
	}
	if (refuse_unregistered(context, decision, &row) || refuse_insufficient(context, decision, &row, amount))
		return;
	uint32_t seconds = command->expires_in_seconds;
	if (seconds == NONE_U32)
		seconds = context->policy->point_hold_seconds;
	struct point_held event = {
		.hold_id = context->seq,
		.user_id = command->user_id,
		.amount = amount,
		.expires_at = context->now + (int64_t)seconds * 1000,
		.seconds_given = command->expires_in_seconds,
		.balance_after = account_balance(&row),
		.available_after = account_available(&row) - amount,
	};
	if (lots_plan_take(context->view, command->user_id, &row, amount, context->arena, &event.lots) != amount)
		view_fail(context->view, LL_CORRUPT,
			  "account %.*s has less in its lots than its row says; rebuild balances",
			  SLICE_PRINT(command->user_id));
	decision_add(decision, EVENT_POINT_HELD)->point_held = event;
}

/* The hold, if it is there and open. Else the decision says what it is not. */
static bool open_hold(struct decide_context *context, uint64_t hold_id, struct point_holds_row *hold,
		      struct decision *decision)
{
	if (!point_holds_get(context->view, point_holds_key(hold_id), hold)) {
		decision_reject(decision, CODE_HOLD_NOT_FOUND);
		return false;
	}
	if (hold->status == HOLD_STATUS_HELD) {
		hold->user_id = arena_copy(context->arena, hold->user_id);
		return true;
	}
	bool expired = hold->status == HOLD_STATUS_EXPIRED;
	decision_refuse(decision, expired ? CODE_HOLD_EXPIRED : CODE_HOLD_CLOSED);
	decision_fact_number(context, decision, FACT_NAME_HOLDID, (int64_t)hold_id);
	if (expired)
		decision_fact_number(context, decision, FACT_NAME_EXPIRESAT, hold->expires_at);
	else
		decision_fact_text(context, decision, FACT_NAME_STATUS,
				   slice_text(enumeration_text(&hold_status_enumeration, hold->status)));
	return false;
}

/* The first `amount` of what the hold took. */
static struct taken_list first_taken(struct decide_context *context, const struct use_lot_list *from, int64_t amount)
{
	struct taken_list taken = {arena_alloc(context->arena, from->count * sizeof *taken.at), 0};
	struct lots_walk walk = {.from = from, .amount = amount};
	const struct use_lot *lot;
	for (int64_t part; lots_walk_next(&walk, &lot, &part);)
		taken.at[taken.count++] = (struct taken){lot->lot_id, part};
	return taken;
}

void decide_points_capture(struct decide_context *context, const struct points_capture *command,
			   struct decision *decision)
{
	struct point_holds_row hold;
	bool all = command->amount == NONE_I64;
	if (!all && refuse_amount(decision, command->amount))
		return;
	if (!open_hold(context, command->hold_id, &hold, decision))
		return;
	int64_t amount = all ? hold.amount : command->amount;
	if (amount > hold.amount) {
		decision_refuse(decision, CODE_CAPTURE_EXCEEDS_HOLD);
		decision_fact_number(context, decision, FACT_NAME_HOLDID, (int64_t)command->hold_id);
		decision_fact_number(context, decision, FACT_NAME_HELD, hold.amount);
		decision_fact_number(context, decision, FACT_NAME_REQUESTED, amount);
		return;
	}
	if (refuse_ledger(context, decision, MOVE_USE, amount))
		return;
	struct standing standing = standing_after(context, decision, hold.user_id);
	struct lots_returned returned =
		plan_return(context, decision, &hold.lots, amount, hold.amount - amount, standing);
	standing.balance -= amount;
	decision_add(decision, EVENT_POINT_USED)->point_used = (struct point_used){
		.use_id = context->seq,
		.user_id = hold.user_id,
		.amount = amount,
		.lots = first_taken(context, &hold.lots, amount),
		.payment_id = NONE_U64,
		.hold_id = command->hold_id,
		.balance_after = standing.balance,
		.available_after = standing.available,
	};
	standing.available += hold.amount - amount;
	decision_add(decision, EVENT_POINT_HOLD_CAPTURED)->point_hold_captured = (struct point_hold_captured){
		.hold_id = command->hold_id,
		.user_id = hold.user_id,
		.captured = amount,
		.amount_given = command->amount,
		.released = hold.amount - amount,
		.lots = returned.lots,
		.repaid = returned.repaid,
		.balance_after = standing.balance,
		.available_after = standing.available,
	};
	add_expired(decision, hold.user_id, &returned, standing);
}

void plan_release(struct decide_context *context, uint64_t hold_id, const struct point_holds_row *hold, bool expired,
		  struct decision *decision)
{
	struct standing standing = standing_after(context, decision, hold->user_id);
	struct lots_returned returned = plan_return(context, decision, &hold->lots, 0, hold->amount, standing);
	standing.available += hold->amount;
	decision_add(decision, EVENT_POINT_HOLD_RELEASED)->point_hold_released = (struct point_hold_released){
		.hold_id = hold_id,
		.user_id = hold->user_id,
		.amount = hold->amount,
		.expired = expired,
		.lots = returned.lots,
		.repaid = returned.repaid,
		.balance_after = standing.balance,
		.available_after = standing.available,
	};
	add_expired(decision, hold->user_id, &returned, standing);
}

void decide_points_release(struct decide_context *context, const struct points_release *command,
			   struct decision *decision)
{
	struct point_holds_row hold;
	if (open_hold(context, command->hold_id, &hold, decision))
		plan_release(context, command->hold_id, &hold, false, decision);
}
