/* Seats in canonical order, and the ends of a reservation. */
#include "engine/decide/seats.h"

#include <stdlib.h>

#include "engine/decide/points.h"
#include "schemas/wire/ensure.h"

struct u32_list keep_u32s(struct decide_context *context, struct u32_list list)
{
	struct u32_list kept = {.count = list.count};
	if (list.count) {
		kept.at = arena_alloc(context->arena, list.count * sizeof *kept.at);
		memcpy(kept.at, list.at, list.count * sizeof *kept.at);
	}
	return kept;
}

bool seats_ascending(struct seat_list seats)
{
	for (uint32_t i = 1; i < seats.count; i++)
		if (seats.at[i - 1].seat_no >= seats.at[i].seat_no)
			return false;
	return true;
}

bool seat_nos_ascending(struct u32_list seat_nos)
{
	for (uint32_t i = 1; i < seat_nos.count; i++)
		if (seat_nos.at[i - 1] >= seat_nos.at[i])
			return false;
	return true;
}

static int compare_seats(const void *a, const void *b)
{
	uint32_t left = ((const struct seat *)a)->seat_no, right = ((const struct seat *)b)->seat_no;
	return left < right ? -1 : left > right;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	return left < right ? -1 : left > right;
}

static bool sort_seats(struct seat_list *seats, uint32_t *seat_no)
{
	if (seats_ascending(*seats))
		return true;
	qsort(seats->at, seats->count, sizeof *seats->at, compare_seats);
	for (uint32_t i = 1; i < seats->count; i++)
		if (seats->at[i - 1].seat_no == seats->at[i].seat_no) {
			*seat_no = seats->at[i].seat_no;
			return false;
		}
	return true;
}

static bool sort_numbers(struct u32_list *seat_nos, uint32_t *seat_no)
{
	if (seat_nos_ascending(*seat_nos))
		return true;
	qsort(seat_nos->at, seat_nos->count, sizeof *seat_nos->at, compare_numbers);
	for (uint32_t i = 1; i < seat_nos->count; i++)
		if (seat_nos->at[i - 1] == seat_nos->at[i]) {
			*seat_no = seat_nos->at[i];
			return false;
		}
	return true;
}

bool seats_canonical(struct command *command, uint32_t *seat_no)
{
	switch ((enum command_type)command->type) {
	case COMMAND_SCHEDULE_CREATE: return sort_seats(&command->schedule_create.seats, seat_no);
	case COMMAND_SCHEDULE_ADD_SEATS: return sort_seats(&command->schedule_add_seats.seats, seat_no);
	case COMMAND_RESERVATION_CREATE: return sort_numbers(&command->reservation_create.seat_nos, seat_no);
	default: return true;
	}
}

void plan_expiry(struct decide_context *context, uint64_t reservation_id, const struct reservations_row *row,
		 struct decision *decision)
{
	struct reservation_expired *event = &decision_add(decision, EVENT_RESERVATION_EXPIRED)->reservation_expired;
	event->reservation_id = reservation_id;
	event->user_id = keep(context, row->user_id);
	event->schedule_id = keep(context, row->schedule_id);
	event->seat_nos = keep_u32s(context, row->seat_nos);
	event->price = row->price;
	event->expires_at = row->expires_at;
}

/* Rounded down, without leaving int64. */
static int64_t share_of(int64_t price, uint32_t percent)
{
	return price / 100 * percent + price % 100 * percent / 100;
}

static void plan_payment_cancellation(struct decide_context *context, const struct reservation_cancelled *cancelled,
				      struct decision *decision)
{
	struct payments_row payment;
	if (!payments_get(context->view, payments_key(cancelled->payment_id), &payment)) {
		view_fail(context->view, LL_CORRUPT,
			  "projection seats: a confirmed reservation has no payment; rebuild seats");
		return;
	}
	struct payment_cancelled *event = &decision_add(decision, EVENT_PAYMENT_CANCELLED)->payment_cancelled;
	event->payment_id = cancelled->payment_id;
	event->reservation_id = cancelled->reservation_id;
	event->user_id = cancelled->user_id;
	event->schedule_id = cancelled->schedule_id;
	event->seat_nos = cancelled->seat_nos;
	event->refund_amount = cancelled->refund_amount;
	event->fee = cancelled->fee;
	if (cancelled->refund_amount > 0)
		points_plan_refund(context, payment.use_id, cancelled->refund_amount, NONE_I64, cancelled->payment_id,
				   decision);
}

void plan_cancellation(struct decide_context *context, const struct cancellation *cancellation,
		       const struct reservations_row *row, struct decision *decision)
{
	bool paid = row->status == RESERVATION_STATUS_CONFIRMED;
	ENSURE(paid || row->status == RESERVATION_STATUS_HELD);
	struct reservation_cancelled *event =
		&decision_add(decision, EVENT_RESERVATION_CANCELLED)->reservation_cancelled;
	event->reservation_id = cancellation->reservation_id;
	event->user_id = keep(context, row->user_id);
	event->schedule_id = keep(context, row->schedule_id);
	event->seat_nos = keep_u32s(context, row->seat_nos);
	event->price = row->price;
	event->reason = cancellation->reason;
	event->user_given = cancellation->user_given;
	event->payment_id = row->payment_id;
	event->confirmed_day = row->confirmed_day;
	if (paid) {
		event->percent = cancellation->percent;
		event->refund_amount = share_of(row->price, cancellation->percent);
		event->fee = row->price - event->refund_amount;
		plan_payment_cancellation(context, event, decision);
	}
}

/* The row of the refund table with the most days that are still left; below all of them nothing comes back. */
static uint32_t refund_percent(const struct policy *policy, int32_t days_left)
{
	const struct refund_step *best = NULL;
	for (uint32_t i = 0; i < policy->refund_table.count; i++) {
		const struct refund_step *step = &policy->refund_table.at[i];
		if ((int64_t)step->days <= days_left && (!best || step->days > best->days))
			best = step;
	}
	return best ? best->percent : 0;
}

enum { FULL_REFUND_DAYS_LEFT_MIN = 3 };

static bool is_fresh(const struct decide_context *context, const struct reservations_row *row, int32_t days_left)
{
	int64_t within = context->policy->refund_full_within_seconds;
	return within > 0 && days_left >= FULL_REFUND_DAYS_LEFT_MIN &&
	       context->now - row->confirmed_at <= within * 1000;
}

/* false: the show has started. */
static bool user_percent(struct decide_context *context, const struct reservations_row *row,
			 const struct schedules_row *schedule, uint32_t *percent)
{
	if (schedule->status != SCHEDULE_STATUS_OPEN) {
		*percent = 100; /* the organiser cancels: as its own steps would give */
		return true;
	}
	if (context->now >= schedule->concert_date)
		return false;
	int32_t days_left =
		zone_day_of(context->zone, schedule->concert_date) - zone_day_of(context->zone, context->now);
	*percent = is_fresh(context, row, days_left) ? 100 : refund_percent(context->policy, days_left);
	return true;
}

bool plan_user_cancellation(struct decide_context *context, uint64_t reservation_id, const struct reservations_row *row,
			    struct slice user_given, struct decision *decision)
{
	struct cancellation cancellation = {
		.reservation_id = reservation_id,
		.reason = CANCEL_REASON_USER_REQUEST,
		.user_given = user_given,
	};
	struct schedules_row schedule;
	if (!schedules_get(context->view, schedules_key(row->schedule_id), &schedule)) {
		view_fail(context->view, LL_CORRUPT, "projection seats: a reservation has no schedule; rebuild seats");
		return false;
	}
	if (row->status == RESERVATION_STATUS_CONFIRMED &&
	    !user_percent(context, row, &schedule, &cancellation.percent)) {
		decision_refuse(decision, CODE_REFUND_CLOSED);
		decision_fact_number(context, decision, FACT_NAME_CONCERTDATE, schedule.concert_date);
		return false;
	}
	plan_cancellation(context, &cancellation, row, decision);
	return true;
}
