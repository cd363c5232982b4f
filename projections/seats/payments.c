/* Payments. One is written before the confirmation, and taken back after the cancellation, of its reservation. */
#include "projections/seats/fold.h"

#include <inttypes.h>

enum ll_code seats_payment_completed(struct seats_fold *fold, const struct payment_completed *event)
{
	struct payments_row row;
	struct reservations_row reservation;
	if (payments_get(fold->view, payments_key(event->payment_id), &row))
		return seats_poison(fold, "there is a payment %" PRIu64 " already", event->payment_id);
	if (!reservations_get(fold->view, reservations_key(event->reservation_id), &reservation))
		return seats_poison(fold, "there is no reservation %" PRIu64, event->reservation_id);
	if (reservation.status != RESERVATION_STATUS_HELD || !slice_equal(reservation.user_id, event->user_id) ||
	    reservation.price != event->amount)
		return seats_poison(
			fold, "reservation %" PRIu64 " is %s, or has another user or price than its payment",
			event->reservation_id, enumeration_text(&reservation_status_enumeration, reservation.status));
	fold->paid++;
	row = (struct payments_row){
		.reservation_id = event->reservation_id,
		.user_id = event->user_id,
		.amount = event->amount,
		.status = PAYMENT_STATUS_SUCCESS,
		.paid_at = fold->entry->time,
		.use_id = event->use_id,
		.balance_after = event->balance_after,
	};
	payments_put(fold->view, payments_key(event->payment_id), &row);
	return LL_OK;
}

enum ll_code seats_payment_cancelled(struct seats_fold *fold, const struct payment_cancelled *event)
{
	struct payments_row row;
	struct reservations_row reservation;
	if (!payments_get(fold->view, payments_key(event->payment_id), &row))
		return seats_poison(fold, "there is no payment %" PRIu64, event->payment_id);
	if (row.status != PAYMENT_STATUS_SUCCESS || row.reservation_id != event->reservation_id ||
	    !slice_equal(row.user_id, event->user_id))
		return seats_poison(fold, "payment %" PRIu64 " is %s, or of another reservation or user",
				    event->payment_id, enumeration_text(&payment_status_enumeration, row.status));
	if (!reservations_get(fold->view, reservations_key(event->reservation_id), &reservation) ||
	    reservation.status != RESERVATION_STATUS_CANCELLED || reservation.payment_id != event->payment_id ||
	    reservation.refund_amount != event->refund_amount || reservation.fee != event->fee)
		return seats_poison(fold, "reservation %" PRIu64 " was not cancelled as its payment was",
				    event->reservation_id);
	fold->taken_back++;
	row.status = PAYMENT_STATUS_CANCELLED;
	row.cancelled_at = fold->entry->time;
	row.refund_amount = event->refund_amount;
	row.fee = event->fee;
	payments_put(fold->view, payments_key(event->payment_id), &row);
	return LL_OK;
}
