/* Reservations and payments. */
#include "projections/reader/internal.h"

/* The first key of a table by entry beyond `after`, which is an id of this kind (NULL or "": the first of all). false, with
 * *result: it is no such id, or nothing can be beyond it. */
static bool entry_after(struct ll_reader *reader, const char *after, const char *kind, struct key *from,
			enum ll_result *result)
{
	uint64_t id;
	if (!after || !*after)
		return true;
	if (!reader_takes_id(reader, after, result))
		return false;
	if (!reference_parse(slice_text(after), kind, &id) || id == UINT64_MAX) {
		*result = reader_misused(reader, "`after` is not an id of what is walked over");
		return false;
	}
	key_add_u64(from, id + 1);
	return true;
}

/* ---- reservations ---- */

static struct ll_reservation reservation_of(const struct reservations_row *row)
{
	struct ll_reservation reservation = {
		.seat_nos = row->seat_nos.at,
		.seat_count = row->seat_nos.count,
		.price = row->price,
		.status = enumeration_text(&reservation_status_enumeration, row->status),
		.created_at_ms = row->created_at,
		.expires_at_ms = row->expires_at,
		.confirmed_at_ms = row->confirmed_at,
		.ended_at_ms = row->ended_at,
		.refund_amount = row->refund_amount,
		.fee = row->fee,
	};
	reader_copy_id(reservation.user_id, row->user_id);
	reader_copy_id(reservation.schedule_id, row->schedule_id);
	reader_copy_id(reservation.concert_id, row->concert_id);
	reader_copy_reference(reservation.payment_id, "payment", row->payment_id);
	return reservation;
}

enum ll_result ll_read_reservation(struct ll_reader *reader, const char *reservation_id,
				   struct ll_reservation *reservation)
{
	enum ll_result result;
	uint64_t id;
	struct reservations_row row;
	struct view *view = reader_begin_id(reader, LL_SEATS, reservation_id, &result);
	if (!view)
		return result;
	if (!reference_parse(slice_text(reservation_id), "reservation", &id) ||
	    !reservations_get(view, reservations_key(id), &row))
		return reader_end_absent(reader, "reservation", reservation_id);
	*reservation = reservation_of(&row);
	return reader_end(reader);
}

static bool visit_reservation(void *context, struct slice key, struct slice value)
{
	struct reader_walk *walk = context;
	struct reservations_key parts;
	struct reservations_row row;
	char id[LL_ID_SIZE];
	reader_next_row(walk->reader);
	if (!reservations_key_read(key, &parts))
		return reader_bad_key(walk->view, SEATS_RESERVATIONS);
	if (!reservations_read(walk->view, key, value, &row))
		return false;
	struct ll_reservation reservation = reservation_of(&row);
	reader_copy_reference(id, "reservation", parts.reservation_id);
	return reader_walk_on(walk, walk->visit.reservation(walk->context, id, &reservation));
}

enum ll_result ll_walk_reservations(struct ll_reader *reader, const char *after, uint64_t limit,
				    ll_reservation_visit *visit, void *context)
{
	enum ll_result result;
	struct key from = {.size = 0};
	struct view *view = reader_begin(reader, LL_SEATS, &result);
	if (!view || !entry_after(reader, after, "reservation", &from, &result))
		return result;
	struct reader_walk walk = reader_walk_over(reader, view, limit, context);
	walk.visit.reservation = visit;
	view_scan(view, SEATS_RESERVATIONS, key_slice(&from), SLICE_EMPTY, false, visit_reservation, &walk);
	return reader_end(reader);
}

/* ---- payments ---- */

static struct ll_payment payment_of(uint64_t id, const struct payments_row *row)
{
	struct ll_payment payment = {
		.amount = row->amount,
		.status = enumeration_text(&payment_status_enumeration, row->status),
		.paid_at_ms = row->paid_at,
		.cancelled_at_ms = row->cancelled_at,
		.balance_after = row->balance_after,
		.refund_amount = row->refund_amount,
		.fee = row->fee,
	};
	reader_copy_reference(payment.payment_id, "payment", id);
	reader_copy_reference(payment.reservation_id, "reservation", row->reservation_id);
	reader_copy_reference(payment.use_id, "use", row->use_id);
	reader_copy_id(payment.user_id, row->user_id);
	return payment;
}

enum ll_result ll_read_payment(struct ll_reader *reader, const char *payment_id, struct ll_payment *payment)
{
	enum ll_result result;
	uint64_t id;
	struct payments_row row;
	struct view *view = reader_begin_id(reader, LL_SEATS, payment_id, &result);
	if (!view)
		return result;
	if (!reference_parse(slice_text(payment_id), "payment", &id) || !payments_get(view, payments_key(id), &row))
		return reader_end_absent(reader, "payment", payment_id);
	*payment = payment_of(id, &row);
	return reader_end(reader);
}

static bool visit_payment(void *context, struct slice key, struct slice value)
{
	struct reader_walk *walk = context;
	struct payments_key parts;
	struct payments_row row;
	reader_next_row(walk->reader);
	if (!payments_key_read(key, &parts))
		return reader_bad_key(walk->view, SEATS_PAYMENTS);
	if (!payments_read(walk->view, key, value, &row))
		return false;
	struct ll_payment payment = payment_of(parts.payment_id, &row);
	return reader_walk_on(walk, walk->visit.payment(walk->context, &payment));
}

enum ll_result ll_walk_payments(struct ll_reader *reader, const char *after, uint64_t limit, ll_payment_visit *visit,
				void *context)
{
	enum ll_result result;
	struct key from = {.size = 0};
	struct view *view = reader_begin(reader, LL_SEATS, &result);
	if (!view || !entry_after(reader, after, "payment", &from, &result))
		return result;
	struct reader_walk walk = reader_walk_over(reader, view, limit, context);
	walk.visit.payment = visit;
	view_scan(view, SEATS_PAYMENTS, key_slice(&from), SLICE_EMPTY, false, visit_payment, &walk);
	return reader_end(reader);
}
