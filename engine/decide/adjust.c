/* Corrections: up as a credit, down from lots and then into debt. */
#include "engine/decide/limits.h"
#include "engine/decide/rules.h"

static void adjust_up(struct decide_context *context, const struct points_adjust *command,
		      const struct accounts_row *row, struct point_adjusted *event)
{
	event->repaid = command->amount < row->debt ? command->amount : row->debt;
	event->debt_after = row->debt - event->repaid;
	if (event->repaid == command->amount)
		return;
	event->lot_id = LOT_ID(context->seq, 0);
	event->expires_at =
		command->expires_at != NONE_TIME ? command->expires_at : expiry_by_policy(context, command->source);
}

static void adjust_down(struct decide_context *context, const struct points_adjust *command,
			const struct accounts_row *row, struct point_adjusted *event)
{
	int64_t wanted = -command->amount;
	int64_t taken = lots_plan_take(context->view, command->user_id, row, wanted, context->arena, &event->lots);
	event->indebted = wanted - taken;
	event->debt_after = row->debt + event->indebted;
}

void decide_points_adjust(struct decide_context *context, const struct points_adjust *command,
			  struct decision *decision)
{
	struct accounts_row row;
	account_read(context, command->user_id, &row);
	int64_t amount = command->amount, balance = account_balance(&row);
	if (amount == 0 || amount > AMOUNT_MAX || amount < -AMOUNT_MAX) {
		decision_invalid(decision, "amount",
				 "must be an integer of 1 to 9007199254740991, or of -1 to -9007199254740991");
		return;
	}
	if (refuse_past(context, decision, command->expires_at) || refuse_unregistered(context, decision, &row))
		return;
	/* A debt is kept to what JSON can say, too. */
	if (amount > 0
		    ? refuse_balance(context, decision, balance, amount, AMOUNT_MAX, FACT_NAME_LIMIT)
		    : refuse_balance(context, decision, -account_available(&row), -amount, AMOUNT_MAX, FACT_NAME_LIMIT))
		return;
	if (refuse_ledger(context, decision, MOVE_ADJUST, amount))
		return;
	struct point_adjusted *event = &decision_add(decision, EVENT_POINT_ADJUSTED)->point_adjusted;
	*event = (struct point_adjusted){
		.adjustment_id = context->seq,
		.user_id = command->user_id,
		.amount = amount,
		.reason = command->reason,
		.approver = command->approver,
		.effective_at = command->effective_at,
		.source = command->source,
		.lot_id = NONE_U64,
		.expiry_given = command->expires_at,
		.balance_after = balance + amount,
		.available_after = account_available(&row) + amount,
	};
	if (amount > 0)
		adjust_up(context, command, &row, event);
	else
		adjust_down(context, command, &row, event);
}
