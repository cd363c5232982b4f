/*
 * The fold of concerts, schedules, seats, reservations and payments: what its files share. Private to
 * projections/seats.
 *
 * A row that was read points into the store until the next change of the view: so each row is put back before the next
 * one is touched, and later steps take ids from the event, which stays.
 */
#ifndef LEDGERLINE_SEATS_FOLD_H
#define LEDGERLINE_SEATS_FOLD_H

#include "projections/projection.h"
#include "projections/views/rows.h"

/* One entry being applied. */
struct seats_fold {
	struct view *view;
	const struct entry *entry;
	struct error *error;
	/* Of this entry: a payment and its confirmation, a taken back payment and its cancellation come in pairs. */
	uint32_t paid, confirmed;
	uint32_t taken_back, cancelled_paid;
};

/* LL_POISON with a sentence that begins with the entry's number. */
enum ll_code seats_poison(struct seats_fold *fold, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Changes of the one row of sums. */
struct totals_change {
	int64_t total, held, reserved;
	int64_t reservations[RESERVATION_STATUS_CANCELLED + 1]; /* by status */
};
enum ll_code seats_change_totals(struct seats_fold *fold, const struct totals_change *change) LL_CHECKED;

/* schedules.c */
enum ll_code seats_concert_created(struct seats_fold *, const struct concert_created *) LL_CHECKED;
enum ll_code seats_schedule_created(struct seats_fold *, const struct concert_schedule_created *) LL_CHECKED;
enum ll_code seats_schedule_seats_added(struct seats_fold *, const struct concert_schedule_seats_added *) LL_CHECKED;
enum ll_code seats_schedule_updated(struct seats_fold *, const struct concert_schedule_updated *) LL_CHECKED;
enum ll_code seats_schedule_cancelling(struct seats_fold *, const struct concert_schedule_cancelling *) LL_CHECKED;
enum ll_code seats_schedule_cancelled(struct seats_fold *, const struct concert_schedule_cancelled *) LL_CHECKED;

/* reservations.c */
enum ll_code seats_reservation_created(struct seats_fold *, const struct reservation_created *) LL_CHECKED;
enum ll_code seats_reservation_confirmed(struct seats_fold *, const struct reservation_confirmed *) LL_CHECKED;
enum ll_code seats_reservation_expired(struct seats_fold *, const struct reservation_expired *) LL_CHECKED;
enum ll_code seats_reservation_cancelled(struct seats_fold *, const struct reservation_cancelled *) LL_CHECKED;

/* payments.c */
enum ll_code seats_payment_completed(struct seats_fold *, const struct payment_completed *) LL_CHECKED;
enum ll_code seats_payment_cancelled(struct seats_fold *, const struct payment_cancelled *) LL_CHECKED;

#endif
