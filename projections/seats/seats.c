/*
 * The projection `seats`: concerts, schedules, seats, reservations, payments.
 *
 *	seat          AVAILABLE -> HELD -> RESERVED, and back to AVAILABLE
 *
 *	reservation   created -> HELD --confirmed--> CONFIRMED --cancelled--> CANCELLED
 *	                          |--expired----> EXPIRED
 *	                          '--cancelled--> CANCELLED
 *
 *	schedule      created -> OPEN --cancelling--> CANCELLING --cancelled--> CANCELLED
 *
 * What holds after every entry: a seat has at most one live (HELD or CONFIRMED) reservation, and its status is that
 * one's; a schedule's held and reserved are the counts of its seats; a reservation is CONFIRMED exactly while one
 * payment of it is SUCCESS; the sums are those over all schedules that are not CANCELLED. An event that would break one
 * of these is poison.
 */
#include "projections/seats/fold.h"

#include <inttypes.h>
#include <stdio.h>

enum ll_code seats_poison(struct seats_fold *fold, const char *format, ...)
{
	char text[LL_ERROR_TEXT_MAX / 2];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return error_set(fold->error, LL_POISON, "entry %" PRIu64 " contradicts the state of seats: %s",
			 fold->entry->seq, text);
}

static bool add(uint64_t *sum, int64_t change)
{
	*sum += (uint64_t)change;
	return *sum <= INT64_MAX;
}

enum ll_code seats_change_totals(struct seats_fold *fold, const struct totals_change *change)
{
	struct seat_totals_row row;
	if (!seat_totals_get(fold->view, seat_totals_key(0), &row))
		row = (struct seat_totals_row){0};
	if (!add(&row.total, change->total) || !add(&row.held, change->held) || !add(&row.reserved, change->reserved) ||
	    !add(&row.reservations_held, change->reservations[RESERVATION_STATUS_HELD]) ||
	    !add(&row.reservations_confirmed, change->reservations[RESERVATION_STATUS_CONFIRMED]) ||
	    !add(&row.reservations_expired, change->reservations[RESERVATION_STATUS_EXPIRED]) ||
	    !add(&row.reservations_cancelled, change->reservations[RESERVATION_STATUS_CANCELLED]) ||
	    row.held + row.reserved > row.total)
		return seats_poison(fold, "the totals of seats do not add up");
	seat_totals_put(fold->view, seat_totals_key(0), &row);
	return LL_OK;
}

static enum ll_code apply_event(struct seats_fold *fold, const struct event *event)
{
	switch ((enum event_type)event->type) {
	case EVENT_CONCERT_CREATED: return seats_concert_created(fold, &event->concert_created);
	case EVENT_CONCERT_SCHEDULE_CREATED: return seats_schedule_created(fold, &event->concert_schedule_created);
	case EVENT_CONCERT_SCHEDULE_SEATS_ADDED:
		return seats_schedule_seats_added(fold, &event->concert_schedule_seats_added);
	case EVENT_CONCERT_SCHEDULE_UPDATED: return seats_schedule_updated(fold, &event->concert_schedule_updated);
	case EVENT_CONCERT_SCHEDULE_CANCELLING:
		return seats_schedule_cancelling(fold, &event->concert_schedule_cancelling);
	case EVENT_CONCERT_SCHEDULE_CANCELLED:
		return seats_schedule_cancelled(fold, &event->concert_schedule_cancelled);
	case EVENT_RESERVATION_CREATED: return seats_reservation_created(fold, &event->reservation_created);
	case EVENT_RESERVATION_CONFIRMED: return seats_reservation_confirmed(fold, &event->reservation_confirmed);
	case EVENT_RESERVATION_EXPIRED: return seats_reservation_expired(fold, &event->reservation_expired);
	case EVENT_RESERVATION_CANCELLED: return seats_reservation_cancelled(fold, &event->reservation_cancelled);
	case EVENT_PAYMENT_COMPLETED: return seats_payment_completed(fold, &event->payment_completed);
	case EVENT_PAYMENT_CANCELLED: return seats_payment_cancelled(fold, &event->payment_cancelled);
	default: return LL_OK;
	}
}

static enum ll_code apply(struct view *view, const struct entry *entry, struct error *error)
{
	struct seats_fold fold = {.view = view, .entry = entry, .error = error};
	for (uint32_t i = 0; i < entry->event_count; i++) {
		enum ll_code code = apply_event(&fold, &entry->events[i]);
		if (code != LL_OK)
			return code;
	}
	if (fold.paid != fold.confirmed)
		return seats_poison(&fold, "a payment and the confirmation of its reservation stand in one entry");
	if (fold.taken_back != fold.cancelled_paid)
		return seats_poison(&fold, "the cancellations of a payment and of its reservation stand in one entry");
	return LL_OK;
}

const struct projection projection_seats = {
	.id = PROJECTION_SEATS,
	.decides = true,
	.apply = apply,
};
