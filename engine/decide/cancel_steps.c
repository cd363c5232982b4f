/*
 * The steps of a schedule's cancellation: one live reservation an entry, then the end.
 *
 *	client's entry    concert.schedule.cancelling                       sales and payments end
 *	system entries    reservation.cancelled [payment.cancelled point.refunded ...]     lowest seat first
 *	last entry        concert.schedule.cancelled                        no live reservation remains
 *
 * The cursor is the row `cancelling`: seats below next_seat are free, so each step looks for the next taken one from
 * there, and the whole walk passes each seat once. Where a step stands is read from the state alone: any leader goes on
 * with it.
 */
#include "engine/decide/points.h"
#include "engine/decide/rules.h"
#include "engine/decide/seats.h"

struct first_cancelling {
	struct slice schedule_id;
	struct decide_context *context;
};

static bool take_schedule(void *context, struct slice key, struct slice value)
{
	(void)value;
	struct first_cancelling *first = context;
	struct cancelling_key parts;
	if (cancelling_key_read(key, &parts))
		first->schedule_id = keep(first->context, parts.schedule_id);
	return false;
}

struct first_taken {
	struct view *view;
	uint64_t reservation_id;
};

static bool take_seat(void *context, struct slice key, struct slice value)
{
	struct first_taken *first = context;
	struct seats_row row;
	if (!seats_read(first->view, key, value, &row))
		return false;
	first->reservation_id = row.reservation_id;
	return row.reservation_id == NONE_U64;
}

/* The reservation of the first taken seat from `next_seat` on, or NONE_U64. */
static uint64_t first_taken(struct view *view, struct slice schedule_id, uint32_t next_seat)
{
	struct first_taken first = {view, NONE_U64};
	struct key from = seats_key(schedule_id, next_seat);
	struct key to = {.size = 0};
	key_add_id(&to, schedule_id, false);
	key_after_prefix(&to);
	view_scan(view, SEATS_SEATS, key_slice(&from), key_slice(&to), false, take_seat, &first);
	return first.reservation_id;
}

static void end_cancellation(struct decide_context *context, struct slice schedule_id,
			     const struct schedules_row *schedule, struct decision *decision)
{
	struct concert_schedule_cancelled *event =
		&decision_add(decision, EVENT_CONCERT_SCHEDULE_CANCELLED)->concert_schedule_cancelled;
	event->schedule_id = schedule_id;
	event->concert_id = keep(context, schedule->concert_id);
	event->concert_date = schedule->concert_date;
	event->booking_opens_at = schedule->booking_opens_at;
	event->booking_closes_at = schedule->booking_closes_at;
	event->total_seats = schedule->total;
}

bool plan_cancel_step(struct decide_context *context, struct decision *decision)
{
	struct first_cancelling first = {SLICE_EMPTY, context};
	struct cancelling_row cursor;
	struct schedules_row schedule;
	struct reservations_row row;
	view_scan(context->view, SEATS_CANCELLING, SLICE_EMPTY, SLICE_EMPTY, false, take_schedule, &first);
	if (first.schedule_id.size == 0 || !cancelling_get(context->view, cancelling_key(first.schedule_id), &cursor) ||
	    !schedules_get(context->view, schedules_key(first.schedule_id), &schedule))
		return false;
	if (schedule.live_reservations == 0) {
		end_cancellation(context, first.schedule_id, &schedule, decision);
		return true;
	}
	uint64_t reservation_id = first_taken(context->view, first.schedule_id, cursor.next_seat);
	if (reservation_id == NONE_U64 || !reservations_get(context->view, reservations_key(reservation_id), &row)) {
		view_fail(context->view, LL_CORRUPT,
			  "projection seats: the live reservations of schedule %.*s are not there; rebuild seats",
			  SLICE_PRINT(first.schedule_id));
		return false;
	}
	if (row.status == RESERVATION_STATUS_CONFIRMED && due_points_for_account(context, row.user_id, decision))
		return true;
	struct cancellation cancellation = {
		.reservation_id = reservation_id,
		.reason = CANCEL_REASON_SCHEDULE_CANCELLED,
		.percent = 100,
	};
	plan_cancellation(context, &cancellation, &row, decision);
	return true;
}
