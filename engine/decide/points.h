/*
 * Points, for the decisions that spend or give back as part of something else (payments).
 *
 * Plans read the view and fill events; they change nothing. What an event points to lies in the context's arena.
 */
#ifndef LEDGERLINE_DECIDE_POINTS_H
#define LEDGERLINE_DECIDE_POINTS_H

#include "engine/decide/decide.h"

/* What an account has, all zero when nobody named it. */
struct points_account {
	bool known;
	int64_t balance;   /* lots + held - debt */
	int64_t available; /* lots - debt */
};
struct points_account points_account(struct decide_context *context, struct slice user_id);

/* Takes `amount` >= 1 from the lots in the policy's order. false: not enough; then the event is not to be used. Fills all of
 * the event but reference, payment_id and hold_id, which are left empty. */
bool points_plan_use(struct decide_context *context, struct slice user_id, int64_t amount, struct point_used *event);

/* LEDGER_LIMIT: the total of all uses would leave int64 by this one. true: it was refused. */
bool points_refuse_use(struct decide_context *context, struct decision *decision, int64_t amount);

/* Gives `amount` (<= what is still refundable) of a use back, as the policy says. Appends to the decision a
 * point.refunded, and under the policy "expire" a point.expired for what had expired. Used by points.refund (payment_id
 * NONE_U64, amount_given as asked) and by cancellations. */
void points_plan_refund(struct decide_context *context, uint64_t use_id, int64_t amount, int64_t amount_given,
			uint64_t payment_id, struct decision *decision);

/* Adds an event of that type to a decision, all zero but the type and version. */
struct event *decision_add(struct decision *decision, enum event_type type);

/* Refuses, with facts added one by one afterwards. */
void decision_refuse(struct decision *decision, enum code code);
void decision_reject(struct decision *decision, enum code code);
void decision_invalid(struct decision *decision, const char *field, const char *reason);
void decision_fact_number(struct decide_context *context, struct decision *decision, enum fact_name name,
			  int64_t number);
void decision_fact_text(struct decide_context *context, struct decision *decision, enum fact_name name,
			struct slice text);
void decision_fact_numbers(struct decide_context *context, struct decision *decision, enum fact_name name,
			   struct u32_list numbers);

#endif
