/* Seats and reservations. */
#include "projections/reader/internal.h"

struct seat_walk {
	struct ll_reader *reader;
	struct view *view;
	ll_seat_visit *visit;
	void *context;
};

static bool visit_seat(void *context, struct slice key, struct slice value)
{
	struct seat_walk *walk = context;
	struct buffer *text = &walk->reader->text;
	struct seats_key parts;
	struct seats_row row;
	if (!seats_key_read(key, &parts)) {
		view_fail(walk->view, LL_CORRUPT, "projection seats, table seats: a key cannot be read; rebuild seats");
		return false;
	}
	if (!seats_read(walk->view, key, value, &row))
		return false;
	buffer_clear(text);
	buffer_append_slice(text, row.section);
	buffer_append_byte(text, 0);
	buffer_append_slice(text, row.grade);
	buffer_append_byte(text, 0);
	struct ll_seat seat = {
		.seat_no = parts.seat_no,
		.section = (const char *)text->at,
		.grade = (const char *)text->at + row.section.size + 1,
		.price = row.price,
		.status = enumeration_text(&seat_status_enumeration, row.status),
	};
	reader_copy_reference(seat.reservation_id, "reservation", row.reservation_id);
	return walk->visit(walk->context, &seat) == 0;
}

enum ll_result ll_read_seats(struct ll_reader *reader, const char *schedule_id, ll_seat_visit *visit, void *context)
{
	enum ll_result result;
	struct schedules_row schedule;
	struct view *view = reader_begin(reader, schedule_id, true, &result);
	if (!view)
		return result;
	if (!schedules_get(view, schedules_key(slice_text(schedule_id)), &schedule)) {
		result = reader_end(reader);
		return result == LL_DONE ? reader_absent(reader, "schedule", schedule_id) : result;
	}
	struct seat_walk walk = {.reader = reader, .view = view, .visit = visit, .context = context};
	struct key prefix = {.size = 0};
	key_add_id(&prefix, slice_text(schedule_id), false);
	view_scan_prefix(view, SEATS_SEATS, key_slice(&prefix), false, visit_seat, &walk);
	return reader_end(reader);
}

enum ll_result ll_read_reservation(struct ll_reader *reader, const char *reservation_id,
				   struct ll_reservation *reservation)
{
	enum ll_result result;
	uint64_t id;
	struct reservations_row row;
	struct view *view = reader_begin(reader, reservation_id, true, &result);
	if (!view)
		return result;
	if (!reference_parse(slice_text(reservation_id), "reservation", &id) ||
	    !reservations_get(view, reservations_key(id), &row)) {
		result = reader_end(reader);
		return result == LL_DONE ? reader_absent(reader, "reservation", reservation_id) : result;
	}
	*reservation = (struct ll_reservation){
		.seat_nos = row.seat_nos.at,
		.seat_count = row.seat_nos.count,
		.price = row.price,
		.status = enumeration_text(&reservation_status_enumeration, row.status),
		.created_at_ms = row.created_at,
		.expires_at_ms = row.expires_at,
		.confirmed_at_ms = row.confirmed_at,
		.ended_at_ms = row.ended_at,
		.refund_amount = row.refund_amount,
		.fee = row.fee,
	};
	reader_copy_id(reservation->user_id, row.user_id);
	reader_copy_id(reservation->schedule_id, row.schedule_id);
	reader_copy_id(reservation->concert_id, row.concert_id);
	reader_copy_reference(reservation->payment_id, "payment", row.payment_id);
	return reader_end(reader);
}
