/* Concerts, schedules, seats, reservations, payments. */
#include "projections/export/lines.h"
#include "projections/views/rows.h"

static void write_seat_nos(struct json_writer *writer, struct u32_list seat_nos)
{
	json_key(writer, "seatNos");
	json_array_begin(writer);
	for (uint32_t i = 0; i < seat_nos.count; i++)
		json_uint64(writer, seat_nos.at[i]);
	json_array_end(writer);
}

static bool write_concert(void *context, struct slice key, struct slice value)
{
	struct lines *lines = context;
	struct concerts_row row;
	struct json_writer *writer = line_begin(lines, "concert");
	if (!concerts_read(lines->view, key, value, &row))
		return false;
	json_member_string(writer, "concertId", key);
	json_member_string(writer, "title", row.title);
	member_time(writer, "createdAt", row.created_at);
	return line_end(lines);
}

static bool write_schedule(void *context, struct slice key, struct slice value)
{
	struct lines *lines = context;
	struct schedules_row row;
	struct json_writer *writer = line_begin(lines, "schedule");
	if (!schedules_read(lines->view, key, value, &row))
		return false;
	json_member_string(writer, "scheduleId", key);
	json_member_string(writer, "concertId", row.concert_id);
	member_time(writer, "concertDate", row.concert_date);
	member_time(writer, "bookingOpensAt", row.booking_opens_at);
	member_time(writer, "bookingClosesAt", row.booking_closes_at);
	member_text(writer, "queueId", row.queue_id);
	member_time(writer, "createdAt", row.created_at);
	member_enum(writer, "status", &schedule_status_enumeration, row.status);
	json_member_uint64(writer, "total", row.total);
	json_member_uint64(writer, "held", row.held);
	json_member_uint64(writer, "reserved", row.reserved);
	json_member_uint64(writer, "confirmations", row.confirmations);
	return line_end(lines);
}

static bool write_seat(void *context, struct slice key, struct slice value)
{
	struct lines *lines = context;
	struct seats_key parts;
	struct seats_row row;
	struct json_writer *writer = line_begin(lines, "seat");
	if (!seats_key_read(key, &parts))
		return line_unreadable(lines, SEATS_SEATS);
	if (!seats_read(lines->view, key, value, &row))
		return false;
	json_member_string(writer, "scheduleId", parts.schedule_id);
	json_member_uint64(writer, "seatNo", parts.seat_no);
	member_text(writer, "section", row.section);
	member_text(writer, "grade", row.grade);
	json_member_int64(writer, "price", row.price);
	member_enum(writer, "status", &seat_status_enumeration, row.status);
	member_reference(writer, "reservationId", "reservation", row.reservation_id);
	return line_end(lines);
}

static bool write_reservation(void *context, struct slice key, struct slice value)
{
	struct lines *lines = context;
	struct reservations_key parts;
	struct reservations_row row;
	struct json_writer *writer = line_begin(lines, "reservation");
	if (!reservations_key_read(key, &parts))
		return line_unreadable(lines, SEATS_RESERVATIONS);
	if (!reservations_read(lines->view, key, value, &row))
		return false;
	member_reference(writer, "reservationId", "reservation", parts.reservation_id);
	json_member_string(writer, "userId", row.user_id);
	json_member_string(writer, "scheduleId", row.schedule_id);
	json_member_string(writer, "concertId", row.concert_id);
	write_seat_nos(writer, row.seat_nos);
	json_member_int64(writer, "price", row.price);
	member_enum(writer, "status", &reservation_status_enumeration, row.status);
	member_time(writer, "createdAt", row.created_at);
	member_time(writer, "expiresAt", row.expires_at);
	member_reference(writer, "paymentId", "payment", row.payment_id);
	member_time(writer, "confirmedAt", row.confirmed_at);
	member_day(writer, "confirmedDay", row.confirmed_day);
	member_time(writer, "endedAt", row.ended_at);
	json_member_int64(writer, "refundAmount", row.refund_amount);
	json_member_int64(writer, "fee", row.fee);
	return line_end(lines);
}

static bool write_payment(void *context, struct slice key, struct slice value)
{
	struct lines *lines = context;
	struct payments_key parts;
	struct payments_row row;
	struct json_writer *writer = line_begin(lines, "payment");
	if (!payments_key_read(key, &parts))
		return line_unreadable(lines, SEATS_PAYMENTS);
	if (!payments_read(lines->view, key, value, &row))
		return false;
	member_reference(writer, "paymentId", "payment", parts.payment_id);
	member_reference(writer, "reservationId", "reservation", row.reservation_id);
	json_member_string(writer, "userId", row.user_id);
	json_member_int64(writer, "amount", row.amount);
	member_enum(writer, "status", &payment_status_enumeration, row.status);
	member_time(writer, "paidAt", row.paid_at);
	member_reference(writer, "useId", "use", row.use_id);
	json_member_int64(writer, "balanceAfter", row.balance_after);
	member_time(writer, "cancelledAt", row.cancelled_at);
	json_member_int64(writer, "refundAmount", row.refund_amount);
	json_member_int64(writer, "fee", row.fee);
	return line_end(lines);
}

void export_sales(struct lines *lines)
{
	static const struct {
		enum table_id table;
		store_visit_fn *visit;
	} tables[] = {
		{SEATS_CONCERTS, write_concert},         {SEATS_SCHEDULES, write_schedule}, {SEATS_SEATS, write_seat},
		{SEATS_RESERVATIONS, write_reservation}, {SEATS_PAYMENTS, write_payment},
	};
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		view_scan(lines->view, tables[i].table, SLICE_EMPTY, SLICE_EMPTY, false, tables[i].visit, lines);
}
