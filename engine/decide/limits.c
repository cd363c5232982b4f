#include "engine/decide/limits.h"
#include "projections/balances/totals.h"

#include "schemas/wire/ensure.h"

bool account_read(struct decide_context *context, struct slice user_id, struct accounts_row *row)
{
	if (accounts_get(context->view, accounts_key(user_id), row))
		return true;
	*row = (struct accounts_row){0};
	return false;
}

bool refuse_amount(struct decision *decision, int64_t amount)
{
	if (amount >= 1 && amount <= AMOUNT_MAX)
		return false;
	decision_invalid(decision, "amount", "must be an integer of 1 to 9007199254740991");
	return true;
}

bool refuse_past(struct decide_context *context, struct decision *decision, int64_t expires_at)
{
	if (expires_at == NONE_TIME || expires_at > context->now)
		return false;
	decision_invalid(decision, "expiresAt", "must be in the future");
	return true;
}

bool refuse_unregistered(struct decide_context *context, struct decision *decision, const struct accounts_row *row)
{
	if (!context->policy->registration_required || row->registered_at != NONE_TIME)
		return false;
	decision_reject(decision, CODE_USER_NOT_FOUND);
	return true;
}

bool refuse_balance(struct decide_context *context, struct decision *decision, int64_t balance, int64_t amount,
		    int64_t limit, enum fact_name name)
{
	/* All three are within 2^53; a balance may be below zero, so an amount above the limit may still fit. */
	if (balance + amount <= limit)
		return false;
	decision_refuse(decision, CODE_BALANCE_LIMIT);
	decision_fact_number(context, decision, FACT_NAME_BALANCE, balance);
	decision_fact_number(context, decision, FACT_NAME_AMOUNT, amount);
	decision_fact_number(context, decision, name, limit);
	return true;
}

bool refuse_insufficient(struct decide_context *context, struct decision *decision, const struct accounts_row *row,
			 int64_t required)
{
	int64_t available = account_available(row);
	if (required <= available)
		return false;
	decision_refuse(decision, CODE_INSUFFICIENT_POINTS);
	decision_fact_number(context, decision, FACT_NAME_BALANCE, account_balance(row));
	decision_fact_number(context, decision, FACT_NAME_AVAILABLE, available);
	decision_fact_number(context, decision, FACT_NAME_REQUIRED, required);
	return true;
}

static bool fits(__int128 sum)
{
	return sum <= INT64_MAX && sum >= INT64_MIN;
}

bool refuse_ledger(struct decide_context *context, struct decision *decision, enum movement movement, int64_t amount)
{
	struct totals_row totals;
	totals_load(context->view, &totals);
	int64_t total = movement == MOVE_CHARGE ? totals.charged : movement == MOVE_USE ? totals.used : totals.adjusted;
	__int128 came_in = (__int128)totals.charged + totals.adjusted + totals.debt;
	bool well = fits((__int128)total + amount);
	if (movement != MOVE_USE && amount > 0)
		well = well && fits(came_in + amount);
	else if (movement == MOVE_ADJUST)
		well = well && fits((__int128)totals.debt - amount) && fits((__int128)totals.balances + amount);
	if (well)
		return false;
	decision_refuse(decision, CODE_LEDGER_LIMIT);
	decision_fact_number(context, decision, FACT_NAME_TOTAL, total);
	decision_fact_number(context, decision, FACT_NAME_AMOUNT, amount);
	return true;
}

int64_t expiry_by_policy(const struct decide_context *context, uint8_t source)
{
	const struct policy *policy = context->policy;
	uint64_t seconds = source == SOURCE_BONUS ? policy->bonus_expires_seconds : policy->paid_expires_seconds;
	return seconds == 0 ? NONE_TIME : context->now + (int64_t)seconds * 1000;
}

bool event_stands(const struct event *event, struct slice *user_id, struct standing *standing)
{
#define STANDS(TYPE, name)                                                                                             \
	case EVENT_##TYPE:                                                                                             \
		*user_id = event->name.user_id;                                                                        \
		*standing = (struct standing){event->name.balance_after, event->name.available_after};                 \
		return true;
	switch (event->type) {
		STANDS(POINT_CHARGED, point_charged)
		STANDS(POINT_USED, point_used)
		STANDS(POINT_REFUNDED, point_refunded)
		STANDS(POINT_EXPIRED, point_expired)
		STANDS(POINT_ADJUSTED, point_adjusted)
		STANDS(POINT_HELD, point_held)
		STANDS(POINT_HOLD_CAPTURED, point_hold_captured)
		STANDS(POINT_HOLD_RELEASED, point_hold_released)
	default: return false;
	}
#undef STANDS
}

struct standing standing_after(struct decide_context *context, const struct decision *decision, struct slice user_id)
{
	struct standing standing;
	struct slice whose;
	for (uint32_t i = decision->event_count; i-- > 0;)
		if (event_stands(&decision->events[i], &whose, &standing) && slice_equal(whose, user_id))
			return standing;
	struct accounts_row row;
	account_read(context, user_id, &row);
	return (struct standing){account_balance(&row), account_available(&row)};
}

static const struct returned_list *returned_of(const struct event *event)
{
	switch (event->type) {
	case EVENT_POINT_REFUNDED: return &event->point_refunded.lots;
	case EVENT_POINT_HOLD_CAPTURED: return &event->point_hold_captured.lots;
	case EVENT_POINT_HOLD_RELEASED: return &event->point_hold_released.lots;
	default: return NULL;
	}
}

/* How many lots the decision's events open already: the next one's index within the entry. */
static uint32_t lots_opened(const struct decision *decision)
{
	uint32_t opened = 0;
	for (uint32_t i = 0; i < decision->event_count; i++) {
		const struct returned_list *lots = returned_of(&decision->events[i]);
		for (uint32_t j = 0; lots && j < lots->count; j++)
			opened += lots->at[j].new_lot_id != NONE_U64;
	}
	return opened;
}

struct lots_returned plan_return(struct decide_context *context, const struct decision *decision,
				 const struct use_lot_list *from, int64_t skip, int64_t amount,
				 struct standing standing)
{
	const struct policy *policy = context->policy;
	struct lots_return how = {
		.now = context->now,
		/* Where there is debt there are no lots: so what is not available is the debt. */
		.debt = standing.available < 0 ? -standing.available : 0,
		.regrant = policy->refund_expired_lot == REFUND_EXPIRED_LOT_REGRANT,
		.regrant_ms_max = (int64_t)policy->regrant_expires_seconds * 1000,
		.seq = context->seq,
		.first_index = lots_opened(decision),
	};
	return lots_plan_return(from, skip, amount, &how, context->arena);
}

void add_expired(struct decision *decision, struct slice user_id, const struct lots_returned *returned,
		 struct standing standing)
{
	if (returned->expired.count == 0)
		return;
	decision_add(decision, EVENT_POINT_EXPIRED)->point_expired = (struct point_expired){
		.user_id = user_id,
		.amount = returned->expired_amount,
		.lots = returned->expired,
		.balance_after = standing.balance - returned->expired_amount,
		.available_after = standing.available - returned->expired_amount,
	};
}
