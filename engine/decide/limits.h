/*
 * What the rules about points share: an account as decisions see it, the checks that several commands make, and
 * giving back what was taken.
 *
 * Each refuse_X returns true when it has refused (or rejected): the rule then ends. They are called in the order in
 * which API.md names the codes.
 */
#ifndef LEDGERLINE_DECIDE_LIMITS_H
#define LEDGERLINE_DECIDE_LIMITS_H

#include "engine/decide/points.h"
#include "projections/balances/account.h"
#include "projections/balances/lots.h"

/* The largest balance, and the largest amount: what a JSON number holds exactly. */
#define AMOUNT_MAX ((int64_t)9007199254740991)

/* The account's row, all zero when nobody named it. Its lots are good until the view changes. */
bool account_read(struct decide_context *context, struct slice user_id, struct accounts_row *row);

/* Form: VALIDATION_ERROR. */
bool refuse_amount(struct decision *decision, int64_t amount);
bool refuse_past(struct decide_context *context, struct decision *decision, int64_t expires_at);
/* USER_NOT_FOUND under the policy registrationRequired. */
bool refuse_unregistered(struct decide_context *context, struct decision *decision, const struct accounts_row *row);
/* BALANCE_LIMIT: `balance` + `amount` would pass `limit`, which is called `name`. */
bool refuse_balance(struct decide_context *context, struct decision *decision, int64_t balance, int64_t amount,
		    int64_t limit, enum fact_name name);
bool refuse_insufficient(struct decide_context *context, struct decision *decision, const struct accounts_row *row,
			 int64_t required);

/*
 * LEDGER_LIMIT: a total would leave int64. What ever came in (charged + adjusted + debt) stays within int64, so that
 * what can come of it (expired, balances, used but not refunded) does too; charged, used and adjusted are looked at
 * by themselves.
 */
enum movement { MOVE_CHARGE, MOVE_USE, MOVE_ADJUST };
bool refuse_ledger(struct decide_context *context, struct decision *decision, enum movement movement, int64_t amount);

/* When a lot of that source ends that names no end: NONE_TIME for never. */
int64_t expiry_by_policy(const struct decide_context *context, uint8_t source);

/* Where the account stands after the events that the decision has so far. */
struct standing {
	int64_t balance;
	int64_t available;
};
/* Where an event leaves an account, and whose it is. false: it moves no points. */
bool event_stands(const struct event *event, struct slice *user_id, struct standing *standing);
struct standing standing_after(struct decide_context *context, const struct decision *decision, struct slice user_id);

/* Gives back what was taken, by the policy for lots that have expired; debt is repaid first. */
struct lots_returned plan_return(struct decide_context *context, const struct decision *decision,
				 const struct use_lot_list *from, int64_t skip, int64_t amount,
				 struct standing standing);

/* Adds the point.expired for what came back to expired lots under the policy "expire"; nothing when there is none. */
void add_expired(struct decision *decision, struct slice user_id, const struct lots_returned *returned,
		 struct standing standing);

/* Adds the events by which an open hold comes back. hold->user_id lies in the context's arena. */
void plan_release(struct decide_context *context, uint64_t hold_id, const struct point_holds_row *hold, bool expired,
		  struct decision *decision);

#endif
