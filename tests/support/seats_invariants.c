/* What must hold after every entry, found by reading all tables of the projection from one end to the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/seats_world.h"

struct tally {
	struct view *view;
	struct seat_totals_row totals;
	uint64_t live_seats;  /* of live reservations */
	uint64_t taken_seats; /* of the table of seats */
	uint64_t holds, due;  /* HELD reservations, rows of hold_due */
	uint64_t confirmed, paid;
	uint64_t user_seats;                  /* of schedule_users */
	int64_t paid_amount, refunded_amount; /* of the schedules, less those of the payments */
	/* of the schedule that is being looked at */
	struct slice schedule_id;
	uint32_t seats, held, reserved;
};

static bool is_live(uint8_t status)
{
	return status == RESERVATION_STATUS_HELD || status == RESERVATION_STATUS_CONFIRMED;
}

static bool has_seat(const struct reservations_row *row, uint32_t seat_no)
{
	for (uint32_t i = 0; i < row->seat_nos.count; i++)
		if (row->seat_nos.at[i] == seat_no)
			return true;
	return false;
}

/* A seat's status is that of the one live reservation which it names and which names it. */
static bool check_seat(void *context, struct slice key, struct slice value)
{
	struct tally *tally = context;
	struct seats_key parts;
	struct seats_row seat;
	struct reservations_row reservation;
	assert_true(seats_key_read(key, &parts) && seats_read(tally->view, key, value, &seat));
	tally->seats++;
	tally->held += seat.status == SEAT_STATUS_HELD;
	tally->reserved += seat.status == SEAT_STATUS_RESERVED;
	if (seat.status == SEAT_STATUS_AVAILABLE) {
		assert_true(seat.reservation_id == NONE_U64);
		return true;
	}
	tally->taken_seats++;
	assert_true(reservations_get(tally->view, reservations_key(seat.reservation_id), &reservation));
	assert_int_equal(reservation.status,
			 seat.status == SEAT_STATUS_HELD ? RESERVATION_STATUS_HELD : RESERVATION_STATUS_CONFIRMED);
	assert_true(slice_equal(reservation.schedule_id, tally->schedule_id) && has_seat(&reservation, parts.seat_no));
	return true;
}

/* available + held + reserved = total, and the counts are those of the seats. */
static bool check_schedule(void *context, struct slice key, struct slice value)
{
	struct tally *tally = context;
	struct schedules_key parts;
	struct schedules_row row;
	struct cancelling_row cursor;
	assert_true(schedules_key_read(key, &parts) && schedules_read(tally->view, key, value, &row));
	tally->schedule_id = parts.schedule_id;
	tally->seats = tally->held = tally->reserved = 0;
	struct key prefix = {.size = 0};
	key_add_id(&prefix, parts.schedule_id, false);
	view_scan_prefix(tally->view, SEATS_SEATS, key_slice(&prefix), false, check_seat, tally);
	assert_int_equal(row.total, tally->seats);
	assert_int_equal(row.held, tally->held);
	assert_int_equal(row.reserved, tally->reserved);
	assert_int_equal(cancelling_get(tally->view, cancelling_key(parts.schedule_id), &cursor),
			 row.status == SCHEDULE_STATUS_CANCELLING);
	tally->paid_amount += row.paid;
	tally->refunded_amount += row.refunded;
	if (row.status == SCHEDULE_STATUS_CANCELLED) {
		assert_int_equal(row.held + row.reserved + row.live_reservations, 0);
		return true;
	}
	tally->totals.total += row.total;
	tally->totals.held += row.held;
	tally->totals.reserved += row.reserved;
	return true;
}

static bool check_reservation(void *context, struct slice key, struct slice value)
{
	struct tally *tally = context;
	struct reservations_key parts;
	struct reservations_row row;
	struct hold_due_row due;
	struct payments_row payment;
	assert_true(reservations_key_read(key, &parts) && reservations_read(tally->view, key, value, &row));
	tally->totals.reservations_held += row.status == RESERVATION_STATUS_HELD;
	tally->totals.reservations_confirmed += row.status == RESERVATION_STATUS_CONFIRMED;
	tally->totals.reservations_expired += row.status == RESERVATION_STATUS_EXPIRED;
	tally->totals.reservations_cancelled += row.status == RESERVATION_STATUS_CANCELLED;
	if (is_live(row.status))
		tally->live_seats += row.seat_nos.count;
	tally->holds += row.status == RESERVATION_STATUS_HELD;
	assert_int_equal(hold_due_get(tally->view, hold_due_key(row.expires_at, parts.reservation_id), &due),
			 row.status == RESERVATION_STATUS_HELD);
	if (row.status == RESERVATION_STATUS_CONFIRMED) {
		tally->confirmed++;
		assert_true(payments_get(tally->view, payments_key(row.payment_id), &payment));
		assert_int_equal(payment.status, PAYMENT_STATUS_SUCCESS);
		assert_int_equal(payment.reservation_id, parts.reservation_id);
		assert_int_equal(payment.amount, row.price);
	}
	return true;
}

/* With check_reservation and equal counts: CONFIRMED exactly while one payment is SUCCESS. */
static bool check_payment(void *context, struct slice key, struct slice value)
{
	struct tally *tally = context;
	struct payments_row row;
	struct uses_row use;
	struct reservations_row reservation;
	assert_true(payments_read(tally->view, key, value, &row));
	assert_true(reservations_get(tally->view, reservations_key(row.reservation_id), &reservation));
	tally->paid += row.status == PAYMENT_STATUS_SUCCESS;
	tally->paid_amount -= row.amount;
	tally->refunded_amount -= row.refund_amount;
	if (row.status == PAYMENT_STATUS_CANCELLED) {
		assert_int_equal(reservation.status, RESERVATION_STATUS_CANCELLED);
		assert_int_equal(row.refund_amount + row.fee, row.amount);
	}
	assert_int_equal(row.use_id == NONE_U64, row.amount == 0);
	if (row.use_id != NONE_U64) {
		assert_true(uses_get(tally->view, uses_key(row.use_id), &use));
		assert_int_equal(use.amount, row.amount);
		assert_int_equal(use.refunded, row.refund_amount);
	}
	return true;
}

static bool count_due(void *context, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	((struct tally *)context)->due++;
	return true;
}

static bool check_user(void *context, struct slice key, struct slice value)
{
	struct tally *tally = context;
	struct schedule_users_row row;
	assert_true(schedule_users_read(tally->view, key, value, &row));
	assert_true(row.seats > 0);
	tally->user_seats += row.seats;
	return true;
}

void world_check(struct world *world)
{
	struct view *view = world->view;
	struct tally tally = {.view = view};
	struct seat_totals_row totals = {0};
	view_scan(view, SEATS_SCHEDULES, SLICE_EMPTY, SLICE_EMPTY, false, check_schedule, &tally);
	view_scan(view, SEATS_RESERVATIONS, SLICE_EMPTY, SLICE_EMPTY, false, check_reservation, &tally);
	view_scan(view, SEATS_PAYMENTS, SLICE_EMPTY, SLICE_EMPTY, false, check_payment, &tally);
	view_scan(view, SEATS_HOLD_DUE, SLICE_EMPTY, SLICE_EMPTY, false, count_due, &tally);
	view_scan(view, SEATS_SCHEDULE_USERS, SLICE_EMPTY, SLICE_EMPTY, false, check_user, &tally);
	if (!seat_totals_get(view, seat_totals_key(0), &totals))
		memset(&totals, 0, sizeof totals);
	assert_memory_equal(&totals, &tally.totals, sizeof totals);
	assert_int_equal(tally.live_seats, tally.taken_seats);
	assert_int_equal(tally.user_seats, tally.taken_seats);
	assert_int_equal(tally.holds, tally.due);
	assert_int_equal(tally.confirmed, tally.paid);
	assert_int_equal(tally.paid_amount, 0);
	assert_int_equal(tally.refunded_amount, 0);
	assert_int_equal(view->failure.code, LL_OK);
}
