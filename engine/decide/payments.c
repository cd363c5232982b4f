/*
 * Payments: points are used and the reservation is confirmed in one entry; both are taken back together, too.
 *
 * A hold that is over by now was expired before (due_seats.c): HELD here means in time.
 */
#include "engine/decide/points.h"
#include "engine/decide/queue.h"
#include "engine/decide/rules.h"
#include "engine/decide/seats.h"

static void refuse_with_status(struct decide_context *context, struct decision *decision, enum code code,
			       const char *status)
{
	decision_refuse(decision, code);
	decision_fact_text(context, decision, FACT_NAME_STATUS, slice_text(status));
}

/* Reads a reservation that can be paid by this user, and its schedule; else the decision is made. */
static bool get_payable(struct decide_context *context, const struct payment_create *command,
			struct reservations_row *row, struct schedules_row *schedule, struct decision *decision)
{
	if (!reservations_get(context->view, reservations_key(command->reservation_id), row)) {
		decision_reject(decision, CODE_RESERVATION_NOT_FOUND);
		return false;
	}
	if (!slice_equal(row->user_id, command->user_id)) {
		decision_refuse(decision, CODE_NOT_YOUR_RESERVATION);
		return false;
	}
	const char *status = enumeration_text(&reservation_status_enumeration, row->status);
	switch ((enum reservation_status)row->status) {
	case RESERVATION_STATUS_CANCELLED:
		refuse_with_status(context, decision, CODE_RESERVATION_NOT_ACTIVE, status);
		return false;
	case RESERVATION_STATUS_CONFIRMED:
		refuse_with_status(context, decision, CODE_PAYMENT_CONFLICT, status);
		return false;
	case RESERVATION_STATUS_EXPIRED:
		decision_refuse(decision, CODE_RESERVATION_EXPIRED);
		decision_fact_number(context, decision, FACT_NAME_EXPIRESAT, row->expires_at);
		return false;
	case RESERVATION_STATUS_HELD: break;
	}
	if (!schedules_get(context->view, schedules_key(row->schedule_id), schedule)) {
		view_fail(context->view, LL_CORRUPT, "projection seats: a reservation has no schedule; rebuild seats");
		return false;
	}
	if (schedule->status != SCHEDULE_STATUS_OPEN) {
		refuse_with_status(context, decision, CODE_SCHEDULE_CANCELLED,
				   enumeration_text(&schedule_status_enumeration, schedule->status));
		return false;
	}
	if (command->amount != NONE_I64 && command->amount != row->price) {
		decision_refuse(decision, CODE_AMOUNT_MISMATCH);
		decision_fact_number(context, decision, FACT_NAME_AMOUNT, command->amount);
		decision_fact_number(context, decision, FACT_NAME_PRICE, row->price);
		return false;
	}
	return true;
}

/* Adds the use of points; *balance: after it. A price of 0 needs none. */
static bool plan_price(struct decide_context *context, struct slice user_id, int64_t price, int64_t *balance,
		       struct decision *decision)
{
	struct points_account account;
	if (price > 0) {
		struct point_used *used = &decision_add(decision, EVENT_POINT_USED)->point_used;
		if (points_plan_use(context, user_id, price, used)) {
			used->reference = SLICE_EMPTY;
			used->payment_id = context->seq;
			used->hold_id = NONE_U64;
			*balance = used->balance_after;
			return !points_refuse_use(context, decision, price);
		}
	}
	account = points_account(context, user_id);
	*balance = account.balance;
	if (price == 0)
		return true;
	decision_refuse(decision, CODE_INSUFFICIENT_POINTS);
	decision_fact_number(context, decision, FACT_NAME_BALANCE, account.balance);
	decision_fact_number(context, decision, FACT_NAME_AVAILABLE, account.available);
	decision_fact_number(context, decision, FACT_NAME_REQUIRED, price);
	return false;
}

/* Who has bought leaves the schedule's waiting room. */
static void plan_leaving_queue(struct decide_context *context, struct slice user_id, struct slice queue_id,
			       struct decision *decision)
{
	struct queue_users_row token;
	struct slice room = queue_or_default(queue_id);
	if (!queue_users_get(context->view, queue_users_key(room, user_id), &token))
		return;
	struct queue_token_expired *event = &decision_add(decision, EVENT_QUEUE_TOKEN_EXPIRED)->queue_token_expired;
	event->token_id = token.token_id;
	event->user_id = user_id;
	event->queue_id = keep(context, room);
	event->reason = TOKEN_END_PAID;
}

void decide_payment_create(struct decide_context *context, const struct payment_create *command,
			   struct decision *decision)
{
	struct reservations_row row;
	struct schedules_row schedule;
	int64_t balance;
	if (!get_payable(context, command, &row, &schedule, decision) ||
	    !plan_price(context, command->user_id, row.price, &balance, decision))
		return;
	struct slice schedule_id = keep(context, row.schedule_id);
	struct u32_list seat_nos = keep_u32s(context, row.seat_nos);

	struct payment_completed *completed = &decision_add(decision, EVENT_PAYMENT_COMPLETED)->payment_completed;
	completed->payment_id = context->seq;
	completed->reservation_id = command->reservation_id;
	completed->user_id = command->user_id;
	completed->schedule_id = schedule_id;
	completed->seat_nos = seat_nos;
	completed->amount = row.price;
	completed->amount_given = command->amount;
	completed->use_id = row.price > 0 ? context->seq : NONE_U64;
	completed->balance_after = balance;

	struct reservation_confirmed *confirmed =
		&decision_add(decision, EVENT_RESERVATION_CONFIRMED)->reservation_confirmed;
	confirmed->reservation_id = command->reservation_id;
	confirmed->user_id = command->user_id;
	confirmed->schedule_id = schedule_id;
	confirmed->seat_nos = seat_nos;
	confirmed->price = row.price;
	confirmed->payment_id = context->seq;
	confirmed->day = zone_day_of(context->zone, context->now);

	plan_leaving_queue(context, command->user_id, schedule.queue_id, decision);
}

void decide_payment_cancel(struct decide_context *context, const struct payment_cancel *command,
			   struct decision *decision)
{
	struct payments_row payment;
	struct reservations_row row;
	if (!payments_get(context->view, payments_key(command->payment_id), &payment)) {
		decision_reject(decision, CODE_PAYMENT_NOT_FOUND);
		return;
	}
	if (payment.status != PAYMENT_STATUS_SUCCESS) {
		refuse_with_status(context, decision, CODE_PAYMENT_CANCELLED,
				   enumeration_text(&payment_status_enumeration, payment.status));
		return;
	}
	if (!reservations_get(context->view, reservations_key(payment.reservation_id), &row)) {
		view_fail(context->view, LL_CORRUPT, "projection seats: a payment has no reservation; rebuild seats");
		return;
	}
	plan_user_cancellation(context, payment.reservation_id, &row, SLICE_EMPTY, decision);
}
