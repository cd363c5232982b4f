/* Charging, using and refunding points. */
#include "engine/decide/points.h"

#include "engine/decide/limits.h"
#include "engine/decide/rules.h"

struct points_account points_account(struct decide_context *context, struct slice user_id)
{
	struct accounts_row row;
	bool known = account_read(context, user_id, &row);
	return (struct points_account){known, account_balance(&row), account_available(&row)};
}

void decide_points_charge(struct decide_context *context, const struct points_charge *command,
			  struct decision *decision)
{
	const struct policy *policy = context->policy;
	struct accounts_row row;
	account_read(context, command->user_id, &row);
	int64_t amount = command->amount, balance = account_balance(&row);
	if (refuse_amount(decision, amount) || refuse_past(context, decision, command->expires_at) ||
	    refuse_unregistered(context, decision, &row))
		return;
	if ((command->source == SOURCE_PAID && amount < policy->charge_min) || amount > policy->charge_max) {
		decision_refuse(decision, CODE_INVALID_AMOUNT);
		decision_fact_number(context, decision, FACT_NAME_AMOUNT, amount);
		decision_fact_number(context, decision, FACT_NAME_CHARGEMIN, policy->charge_min);
		decision_fact_number(context, decision, FACT_NAME_CHARGEMAX, policy->charge_max);
		return;
	}
	if (policy->balance_max > 0 &&
	    refuse_balance(context, decision, balance, amount, policy->balance_max, FACT_NAME_BALANCEMAX))
		return;
	if (refuse_balance(context, decision, balance, amount, AMOUNT_MAX, FACT_NAME_LIMIT) ||
	    refuse_ledger(context, decision, MOVE_CHARGE, amount))
		return;
	int64_t repaid = amount < row.debt ? amount : row.debt;
	bool opens = amount > repaid;
	int64_t expires_at =
		command->expires_at != NONE_TIME ? command->expires_at : expiry_by_policy(context, command->source);
	decision_add(decision, EVENT_POINT_CHARGED)->point_charged = (struct point_charged){
		.user_id = command->user_id,
		.amount = amount,
		.source = command->source,
		.lot_id = opens ? LOT_ID(context->seq, 0) : NONE_U64,
		.repaid = repaid,
		.expires_at = opens ? expires_at : NONE_TIME,
		.expiry_given = command->expires_at,
		.balance_after = balance + amount,
		.available_after = account_available(&row) + amount,
	};
}

static bool plan_use(struct decide_context *context, struct slice user_id, const struct accounts_row *row,
		     int64_t amount, struct point_used *event)
{
	*event = (struct point_used){
		.use_id = context->seq,
		.user_id = user_id,
		.amount = amount,
		.payment_id = NONE_U64,
		.hold_id = NONE_U64,
		.balance_after = account_balance(row) - amount,
		.available_after = account_available(row) - amount,
	};
	return amount <= account_available(row) &&
	       lots_plan_take(context->view, user_id, row, amount, context->arena, &event->lots) == amount;
}

bool points_refuse_use(struct decide_context *context, struct decision *decision, int64_t amount)
{
	return refuse_ledger(context, decision, MOVE_USE, amount);
}

bool points_plan_use(struct decide_context *context, struct slice user_id, int64_t amount, struct point_used *event)
{
	struct accounts_row row;
	account_read(context, user_id, &row);
	return plan_use(context, user_id, &row, amount, event);
}

/* The lots do not have what the account's row says. */
static void fail_lots(struct decide_context *context, struct slice user_id)
{
	view_fail(context->view, LL_CORRUPT, "account %.*s has less in its lots than its row says; rebuild balances",
		  SLICE_PRINT(user_id));
}

void decide_points_use(struct decide_context *context, const struct points_use *command, struct decision *decision)
{
	struct accounts_row row;
	account_read(context, command->user_id, &row);
	if (refuse_amount(decision, command->amount) || refuse_unregistered(context, decision, &row) ||
	    refuse_insufficient(context, decision, &row, command->amount) ||
	    refuse_ledger(context, decision, MOVE_USE, command->amount))
		return;
	struct point_used *event = &decision_add(decision, EVENT_POINT_USED)->point_used;
	if (!plan_use(context, command->user_id, &row, command->amount, event))
		fail_lots(context, command->user_id);
	event->reference = command->reference;
}

void points_plan_refund(struct decide_context *context, uint64_t use_id, int64_t amount, int64_t amount_given,
			uint64_t payment_id, struct decision *decision)
{
	struct uses_row use;
	if (!uses_get(context->view, uses_key(use_id), &use) || amount < 1 || amount > use.amount - use.refunded) {
		view_fail(context->view, LL_CORRUPT,
			  "use-%llu cannot be refunded as its payment says; rebuild balances",
			  (unsigned long long)use_id);
		return;
	}
	struct slice user_id = arena_copy(context->arena, use.user_id);
	struct standing standing = standing_after(context, decision, user_id);
	struct lots_returned returned = plan_return(context, decision, &use.lots, use.refunded, amount, standing);
	standing.balance += amount;
	standing.available += amount;
	decision_add(decision, EVENT_POINT_REFUNDED)->point_refunded = (struct point_refunded){
		.use_id = use_id,
		.user_id = user_id,
		.amount = amount,
		.amount_given = amount_given,
		.payment_id = payment_id,
		.lots = returned.lots,
		.repaid = returned.repaid,
		.remaining_refundable = use.amount - use.refunded - amount,
		.balance_after = standing.balance,
		.available_after = standing.available,
	};
	add_expired(decision, user_id, &returned, standing);
}

void decide_points_refund(struct decide_context *context, const struct points_refund *command,
			  struct decision *decision)
{
	struct uses_row use;
	bool all = command->amount == NONE_I64;
	if (!all && refuse_amount(decision, command->amount))
		return;
	if (!uses_get(context->view, uses_key(command->use_id), &use)) {
		decision_reject(decision, CODE_USE_NOT_FOUND);
		return;
	}
	if (use.payment_id != NONE_U64) {
		decision_refuse(decision, CODE_USE_BELONGS_TO_PAYMENT);
		decision_fact_number(context, decision, FACT_NAME_USEID, (int64_t)command->use_id);
		decision_fact_number(context, decision, FACT_NAME_PAYMENTID, (int64_t)use.payment_id);
		return;
	}
	int64_t refundable = use.amount - use.refunded;
	int64_t amount = all ? refundable : command->amount;
	if (amount > refundable || refundable == 0) {
		decision_refuse(decision, CODE_REFUND_EXCEEDS_USE);
		decision_fact_number(context, decision, FACT_NAME_USEID, (int64_t)command->use_id);
		decision_fact_number(context, decision, FACT_NAME_REFUNDABLE, refundable);
		if (!all)
			decision_fact_number(context, decision, FACT_NAME_REQUESTED, command->amount);
		return;
	}
	struct accounts_row row;
	account_read(context, use.user_id, &row);
	if (refuse_balance(context, decision, account_balance(&row), amount, AMOUNT_MAX, FACT_NAME_LIMIT))
		return;
	points_plan_refund(context, command->use_id, amount, command->amount, NONE_U64, decision);
}
