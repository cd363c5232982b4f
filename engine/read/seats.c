/* Reads of concerts, schedules, seats, reservations and payments. */
#include "engine/read/read.h"

#include <stdlib.h>

#include "engine/decide/queue.h"
#include "engine/reply/reply.h"
#include "projections/views/rows.h"

/* ---- concerts and schedules ---- */

/* For scans that write as they go. */
struct writing {
	struct view *view;
	struct json_writer *writer;
};

static bool write_concert(void *context, struct slice key, struct slice value)
{
	struct writing *writing = context;
	struct concerts_key parts;
	struct concerts_row row;
	if (!concerts_key_read(key, &parts) || !concerts_read(writing->view, key, value, &row))
		return false;
	json_object_begin(writing->writer);
	json_member_string(writing->writer, "concertId", parts.concert_id);
	json_member_string(writing->writer, "title", row.title);
	json_member_uint64(writing->writer, "schedules", row.schedules);
	json_object_end(writing->writer);
	return true;
}

int read_concerts(struct view *view, struct json_writer *writer)
{
	struct writing writing = {view, writer};
	json_object_begin(writer);
	json_key(writer, "concerts");
	json_array_begin(writer);
	view_scan(view, SEATS_CONCERTS, SLICE_EMPTY, SLICE_EMPTY, false, write_concert, &writing);
	json_array_end(writer);
	json_object_end(writer);
	return 0;
}

static uint32_t available_seats(const struct schedules_row *row)
{
	return row->total - row->held - row->reserved;
}

int read_schedule(struct view *view, struct slice schedule_id, struct json_writer *writer)
{
	struct schedules_row row;
	struct concerts_row concert;
	if (!schedules_get(view, schedules_key(schedule_id), &row))
		return CODE_SCHEDULE_NOT_FOUND;
	if (!concerts_get(view, concerts_key(row.concert_id), &concert))
		return CODE_CONCERT_NOT_FOUND;
	json_object_begin(writer);
	json_member_string(writer, "scheduleId", schedule_id);
	json_member_string(writer, "concertId", row.concert_id);
	json_member_string(writer, "concertTitle", concert.title);
	json_member_time(writer, "concertDate", row.concert_date);
	json_member_time(writer, "bookingOpensAt", row.booking_opens_at);
	json_member_time(writer, "bookingClosesAt", row.booking_closes_at);
	json_member_text(writer, "status", enumeration_text(&schedule_status_enumeration, row.status));
	json_member_string(writer, "queueId", queue_or_default(row.queue_id));
	json_member_uint64(writer, "totalSeats", row.total);
	json_member_uint64(writer, "availableSeats", available_seats(&row));
	json_member_uint64(writer, "heldSeats", row.held);
	json_member_uint64(writer, "reservedSeats", row.reserved);
	json_member_int64(writer, "paidAmount", row.paid);
	json_member_int64(writer, "refundedAmount", row.refunded);
	json_object_end(writer);
	return 0;
}

int read_cancellation(struct view *view, struct slice schedule_id, struct json_writer *writer)
{
	struct schedules_row row;
	if (!schedules_get(view, schedules_key(schedule_id), &row))
		return CODE_SCHEDULE_NOT_FOUND;
	json_object_begin(writer);
	json_member_string(writer, "scheduleId", schedule_id);
	json_member_text(writer, "status", enumeration_text(&schedule_status_enumeration, row.status));
	json_member_uint64(writer, "remaining", row.live_reservations);
	json_object_end(writer);
	return 0;
}

/* The schedules of a concert; what they hold lies in the view's arena or points into it. */
struct listed {
	struct slice schedule_id;
	struct schedules_row row;
};

struct listing {
	struct view *view;
	struct listed *at;
	uint32_t count, capacity;
};

static bool list_schedule(void *context, struct slice key, struct slice value)
{
	(void)value;
	struct listing *listing = context;
	struct concert_schedules_key parts;
	if (!concert_schedules_key_read(key, &parts))
		return false;
	if (listing->count == listing->capacity) {
		uint32_t capacity = listing->capacity ? 2 * listing->capacity : 16;
		struct listed *grown = arena_alloc(listing->view->arena, capacity * sizeof *grown);
		if (listing->count)
			memcpy(grown, listing->at, listing->count * sizeof *grown);
		listing->at = grown;
		listing->capacity = capacity;
	}
	struct listed *listed = &listing->at[listing->count];
	listed->schedule_id = arena_copy(listing->view->arena, parts.schedule_id);
	listing->count += schedules_get(listing->view, schedules_key(listed->schedule_id), &listed->row);
	return true;
}

static struct listing schedules_of(struct view *view, struct slice concert_id)
{
	struct listing listing = {.view = view};
	struct key prefix = {.size = 0};
	key_add_id(&prefix, concert_id, false);
	view_scan_prefix(view, SEATS_CONCERT_SCHEDULES, key_slice(&prefix), false, list_schedule, &listing);
	return listing;
}

static int by_date(const void *a, const void *b)
{
	const struct listed *left = a, *right = b;
	if (left->row.concert_date != right->row.concert_date)
		return left->row.concert_date < right->row.concert_date ? -1 : 1;
	return slice_compare(left->schedule_id, right->schedule_id);
}

int read_dates(struct view *view, struct slice concert_id, struct json_writer *writer)
{
	struct concerts_row concert;
	if (!concerts_get(view, concerts_key(concert_id), &concert))
		return CODE_CONCERT_NOT_FOUND;
	struct listing listing = schedules_of(view, concert_id);
	if (listing.count > 1)
		qsort(listing.at, listing.count, sizeof *listing.at, by_date);
	json_object_begin(writer);
	json_key(writer, "dates");
	json_array_begin(writer);
	for (uint32_t i = 0; i < listing.count; i++) {
		const struct listed *listed = &listing.at[i];
		if (listed->row.status != SCHEDULE_STATUS_OPEN)
			continue;
		json_object_begin(writer);
		json_member_string(writer, "scheduleId", listed->schedule_id);
		json_member_string(writer, "concertId", concert_id);
		json_member_string(writer, "concertTitle", concert.title);
		json_member_time(writer, "concertDate", listed->row.concert_date);
		json_member_uint64(writer, "availableSeats", available_seats(&listed->row));
		json_member_uint64(writer, "totalSeats", listed->row.total);
		json_object_end(writer);
	}
	json_array_end(writer);
	json_object_end(writer);
	return 0;
}

/* One that is cancelled counts only where there is no other: so its replacement on the same day can be named by the
 * day. Of several that are cancelled the one with the greatest id. */
int read_schedule_of_day(struct view *view, struct slice concert_id, int32_t day, const struct zone *zone,
			 struct slice *schedule_id)
{
	struct concerts_row concert;
	if (!concerts_get(view, concerts_key(concert_id), &concert))
		return CODE_CONCERT_NOT_FOUND;
	struct listing listing = schedules_of(view, concert_id);
	const struct listed *open = NULL, *closed = NULL;
	uint32_t count = 0;
	for (uint32_t i = 0; i < listing.count; i++) {
		const struct listed *listed = &listing.at[i];
		if (zone_day_of(zone, listed->row.concert_date) != day)
			continue;
		if (listed->row.status == SCHEDULE_STATUS_OPEN) {
			open = listed;
			count++;
		} else {
			closed = listed;
		}
	}
	if (count > 1)
		return CODE_SCHEDULE_AMBIGUOUS;
	if (!open && !closed)
		return CODE_SCHEDULE_NOT_FOUND;
	*schedule_id = open ? open->schedule_id : closed->schedule_id;
	return 0;
}

/* ---- seats ---- */

/* Texts that may be absent: null. */
static void member_text(struct json_writer *writer, const char *key, struct slice text)
{
	if (text.size)
		json_member_string(writer, key, text);
	else
		json_member_null(writer, key);
}

static bool write_seat(void *context, struct slice key, struct slice value)
{
	struct writing *writing = context;
	struct json_writer *writer = writing->writer;
	struct seats_key parts;
	struct seats_row row;
	if (!seats_key_read(key, &parts) || !seats_read(writing->view, key, value, &row))
		return false;
	json_object_begin(writer);
	json_member_uint64(writer, "seatNo", parts.seat_no);
	member_text(writer, "section", row.section);
	member_text(writer, "grade", row.grade);
	json_member_int64(writer, "price", row.price);
	json_member_text(writer, "status", enumeration_text(&seat_status_enumeration, row.status));
	json_object_end(writer);
	return true;
}

int read_seats(struct view *view, struct slice schedule_id, struct json_writer *writer)
{
	struct schedules_row row;
	if (!schedules_get(view, schedules_key(schedule_id), &row))
		return CODE_SCHEDULE_NOT_FOUND;
	struct writing writing = {view, writer};
	struct key prefix = {.size = 0};
	key_add_id(&prefix, schedule_id, false);
	json_object_begin(writer);
	json_member_string(writer, "scheduleId", schedule_id);
	json_key(writer, "seats");
	json_array_begin(writer);
	view_scan_prefix(view, SEATS_SEATS, key_slice(&prefix), false, write_seat, &writing);
	json_array_end(writer);
	json_object_end(writer);
	return 0;
}

int read_seat(struct view *view, struct slice schedule_id, uint32_t seat_no, struct json_writer *writer)
{
	struct slice value;
	struct writing writing = {view, writer};
	struct key key = seats_key(schedule_id, seat_no);
	return view_get(view, SEATS_SEATS, key_slice(&key), &value) && write_seat(&writing, key_slice(&key), value)
		       ? 0
		       : CODE_SEAT_NOT_FOUND;
}

/* ---- reservations and payments ---- */

int read_reservation(struct view *view, uint64_t reservation_id, struct json_writer *writer)
{
	struct reservations_row row;
	if (!reservations_get(view, reservations_key(reservation_id), &row))
		return CODE_RESERVATION_NOT_FOUND;
	json_object_begin(writer);
	json_member_ref(writer, "reservationId", "reservation", reservation_id);
	json_member_string(writer, "userId", row.user_id);
	json_member_string(writer, "scheduleId", row.schedule_id);
	json_member_string(writer, "concertId", row.concert_id);
	json_key(writer, "seatNos");
	json_array_begin(writer);
	for (uint32_t i = 0; i < row.seat_nos.count; i++)
		json_uint64(writer, row.seat_nos.at[i]);
	json_array_end(writer);
	json_member_int64(writer, "price", row.price);
	json_member_text(writer, "status", enumeration_text(&reservation_status_enumeration, row.status));
	json_member_time(writer, "createdAt", row.created_at);
	json_member_time(writer, "expiresAt", row.expires_at);
	json_object_end(writer);
	return 0;
}

int read_payment(struct view *view, uint64_t payment_id, struct json_writer *writer)
{
	struct payments_row row;
	if (!payments_get(view, payments_key(payment_id), &row))
		return CODE_PAYMENT_NOT_FOUND;
	json_object_begin(writer);
	json_member_ref(writer, "paymentId", "payment", payment_id);
	json_member_ref(writer, "reservationId", "reservation", row.reservation_id);
	json_member_string(writer, "userId", row.user_id);
	json_member_int64(writer, "amount", row.amount);
	json_member_text(writer, "status", enumeration_text(&payment_status_enumeration, row.status));
	json_member_time(writer, "paidAt", row.paid_at);
	json_member_int64(writer, "remainingBalance", row.balance_after);
	json_member_ref(writer, "useId", "use", row.use_id);
	if (row.status == PAYMENT_STATUS_CANCELLED) {
		json_member_time(writer, "cancelledAt", row.cancelled_at);
		json_member_int64(writer, "refundAmount", row.refund_amount);
		json_member_int64(writer, "fee", row.fee);
	}
	json_object_end(writer);
	return 0;
}

int read_totals_seats(struct view *view, struct json_writer *writer)
{
	struct seat_totals_row row;
	if (!seat_totals_get(view, seat_totals_key(0), &row))
		row = (struct seat_totals_row){0};
	json_key(writer, "seats");
	json_object_begin(writer);
	json_member_uint64(writer, "total", row.total);
	json_member_uint64(writer, "available", row.total - row.held - row.reserved);
	json_member_uint64(writer, "held", row.held);
	json_member_uint64(writer, "reserved", row.reserved);
	json_object_end(writer);
	json_key(writer, "reservations");
	json_object_begin(writer);
	json_member_uint64(writer, "HELD", row.reservations_held);
	json_member_uint64(writer, "CONFIRMED", row.reservations_confirmed);
	json_member_uint64(writer, "EXPIRED", row.reservations_expired);
	json_member_uint64(writer, "CANCELLED", row.reservations_cancelled);
	json_object_end(writer);
	return 0;
}
