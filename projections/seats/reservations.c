/* Reservations: the seats, the schedule's counts and the sums move with them. */
#include "projections/seats/fold.h"

#include <inttypes.h>

/* Which reservation, as every event of one names it. */
struct named {
	uint64_t reservation_id;
	struct slice user_id, schedule_id;
	struct u32_list seat_nos;
	int64_t price;
};

#define NAMED(event)                                                                                                   \
	(struct named)                                                                                                 \
	{                                                                                                              \
		(event)->reservation_id, (event)->user_id, (event)->schedule_id, (event)->seat_nos, (event)->price     \
	}

/* How the counts of a schedule change. */
struct counts {
	int64_t held, reserved, live;
	int64_t paid, refunded;
	bool confirmation;
};

static bool u32s_equal(struct u32_list a, struct u32_list b)
{
	return a.count == b.count && (a.count == 0 || memcmp(a.at, b.at, a.count * sizeof *a.at) == 0);
}

/* The reservation, which must be as the event names it. */
static enum ll_code get_named(struct seats_fold *fold, const struct named *named, struct reservations_row *row)
{
	if (!reservations_get(fold->view, reservations_key(named->reservation_id), row))
		return seats_poison(fold, "there is no reservation %" PRIu64, named->reservation_id);
	if (!slice_equal(row->user_id, named->user_id) || !slice_equal(row->schedule_id, named->schedule_id) ||
	    !u32s_equal(row->seat_nos, named->seat_nos) || row->price != named->price)
		return seats_poison(fold, "reservation %" PRIu64 " has another user, schedule, seats or price",
				    named->reservation_id);
	return LL_OK;
}

static enum ll_code wrong_status(struct seats_fold *fold, uint64_t reservation_id, uint8_t status)
{
	return seats_poison(fold, "reservation %" PRIu64 " is %s already", reservation_id,
			    enumeration_text(&reservation_status_enumeration, status));
}

/* Gives the seats to a reservation (`after` its id) or takes them from one (`before` its id); *price: of all of them.
 */
static enum ll_code move_seats(struct seats_fold *fold, const struct named *named, uint64_t before, uint64_t after,
			       enum seat_status from, enum seat_status to, int64_t *price)
{
	*price = 0;
	for (uint32_t i = 0; i < named->seat_nos.count; i++) {
		struct key key = seats_key(named->schedule_id, named->seat_nos.at[i]);
		struct seats_row row;
		if (!seats_get(fold->view, key, &row))
			return seats_poison(fold, "schedule \"%.*s\" has no seat %u", SLICE_PRINT(named->schedule_id),
					    named->seat_nos.at[i]);
		if (row.status != from || row.reservation_id != before)
			return seats_poison(
				fold,
				"seat %u of schedule \"%.*s\" is %s, with another reservation than the event says",
				named->seat_nos.at[i], SLICE_PRINT(named->schedule_id),
				enumeration_text(&seat_status_enumeration, row.status));
		if (__builtin_add_overflow(*price, row.price, price))
			return seats_poison(fold, "the price of reservation %" PRIu64 " is too large",
					    named->reservation_id);
		row.status = to;
		row.reservation_id = after;
		row.changed_by = fold->entry->seq;
		seats_put(fold->view, key, &row);
	}
	return LL_OK;
}

static enum ll_code change_schedule(struct seats_fold *fold, const struct named *named, struct counts change)
{
	struct schedules_row row;
	if (!schedules_get(fold->view, schedules_key(named->schedule_id), &row))
		return seats_poison(fold, "there is no schedule \"%.*s\"", SLICE_PRINT(named->schedule_id));
	bool sells = change.live > 0 || change.confirmation;
	if (row.status == SCHEDULE_STATUS_CANCELLED || (sells && row.status != SCHEDULE_STATUS_OPEN))
		return seats_poison(fold, "schedule \"%.*s\" is %s", SLICE_PRINT(named->schedule_id),
				    enumeration_text(&schedule_status_enumeration, row.status));
	int64_t held = row.held + change.held, reserved = row.reserved + change.reserved;
	int64_t live = row.live_reservations + change.live;
	if (held < 0 || reserved < 0 || live < 0 || held + reserved > row.total)
		return seats_poison(fold, "the counts of schedule \"%.*s\" do not add up",
				    SLICE_PRINT(named->schedule_id));
	if (__builtin_add_overflow(row.paid, change.paid, &row.paid) ||
	    __builtin_add_overflow(row.refunded, change.refunded, &row.refunded) || row.refunded > row.paid)
		return seats_poison(fold, "what was paid for schedule \"%.*s\", or given back, does not add up",
				    SLICE_PRINT(named->schedule_id));
	row.held = (uint32_t)held;
	row.reserved = (uint32_t)reserved;
	row.live_reservations = (uint32_t)live;
	row.confirmations += change.confirmation;
	row.changed_by = fold->entry->seq;
	schedules_put(fold->view, schedules_key(named->schedule_id), &row);
	return LL_OK;
}

static enum ll_code change_user(struct seats_fold *fold, const struct named *named, int64_t change)
{
	struct key key = schedule_users_key(named->schedule_id, named->user_id);
	struct schedule_users_row row;
	int64_t seats = schedule_users_get(fold->view, key, &row) ? row.seats : 0;
	seats += change;
	if (seats < 0)
		return seats_poison(fold, "user \"%.*s\" has fewer seats than the event takes back",
				    SLICE_PRINT(named->user_id));
	row.seats = (uint32_t)seats;
	if (seats > 0)
		schedule_users_put(fold->view, key, &row);
	else
		schedule_users_remove(fold->view, key);
	return LL_OK;
}

enum ll_code seats_reservation_created(struct seats_fold *fold, const struct reservation_created *event)
{
	struct named named = NAMED(event);
	struct reservations_row row;
	struct schedules_row schedule;
	int64_t seats = event->seat_nos.count, price;
	if (seats == 0)
		return seats_poison(fold, "a reservation without seats");
	if (reservations_get(fold->view, reservations_key(event->reservation_id), &row))
		return seats_poison(fold, "there is a reservation %" PRIu64 " already", event->reservation_id);
	if (!schedules_get(fold->view, schedules_key(event->schedule_id), &schedule) ||
	    !slice_equal(schedule.concert_id, event->concert_id))
		return seats_poison(fold, "concert \"%.*s\" has no schedule \"%.*s\"", SLICE_PRINT(event->concert_id),
				    SLICE_PRINT(event->schedule_id));
	enum ll_code code = move_seats(fold, &named, NONE_U64, event->reservation_id, SEAT_STATUS_AVAILABLE,
				       SEAT_STATUS_HELD, &price);
	if (code != LL_OK)
		return code;
	if (price != event->price)
		return seats_poison(fold, "the seats of reservation %" PRIu64 " cost %" PRIi64 ", not %" PRIi64,
				    event->reservation_id, price, event->price);
	row = (struct reservations_row){
		.user_id = event->user_id,
		.schedule_id = event->schedule_id,
		.concert_id = event->concert_id,
		.seat_nos = event->seat_nos,
		.price = event->price,
		.status = RESERVATION_STATUS_HELD,
		.created_at = fold->entry->time,
		.expires_at = event->expires_at,
		.payment_id = NONE_U64,
		.confirmed_day = NONE_DAY,
		.changed_by = fold->entry->seq,
	};
	reservations_put(fold->view, reservations_key(event->reservation_id), &row);
	hold_due_put(fold->view, hold_due_key(event->expires_at, event->reservation_id), &(struct hold_due_row){});
	code = change_schedule(fold, &named, (struct counts){.held = seats, .live = 1});
	if (code == LL_OK)
		code = change_user(fold, &named, seats);
	if (code == LL_OK)
		code = seats_change_totals(
			fold, &(struct totals_change){.held = seats, .reservations[RESERVATION_STATUS_HELD] = 1});
	return code;
}

enum ll_code seats_reservation_confirmed(struct seats_fold *fold, const struct reservation_confirmed *event)
{
	struct named named = NAMED(event);
	struct reservations_row row;
	struct payments_row payment;
	int64_t seats = event->seat_nos.count, price;
	enum ll_code code = get_named(fold, &named, &row);
	if (code != LL_OK)
		return code;
	if (row.status != RESERVATION_STATUS_HELD)
		return wrong_status(fold, event->reservation_id, row.status);
	if (!payments_get(fold->view, payments_key(event->payment_id), &payment) ||
	    payment.reservation_id != event->reservation_id || payment.status != PAYMENT_STATUS_SUCCESS)
		return seats_poison(fold, "reservation %" PRIu64 " is confirmed by a payment that is not its own",
				    event->reservation_id);
	fold->confirmed++;
	int64_t expires_at = row.expires_at;
	row.status = RESERVATION_STATUS_CONFIRMED;
	row.payment_id = event->payment_id;
	row.confirmed_at = fold->entry->time;
	row.confirmed_day = event->day;
	row.changed_by = fold->entry->seq;
	reservations_put(fold->view, reservations_key(event->reservation_id), &row);
	hold_due_remove(fold->view, hold_due_key(expires_at, event->reservation_id));
	code = move_seats(fold, &named, event->reservation_id, event->reservation_id, SEAT_STATUS_HELD,
			  SEAT_STATUS_RESERVED, &price);
	if (code == LL_OK)
		code = change_schedule(
			fold, &named,
			(struct counts){.held = -seats, .reserved = seats, .paid = event->price, .confirmation = true});
	if (code == LL_OK)
		code = seats_change_totals(fold, &(struct totals_change){
							 .held = -seats,
							 .reserved = seats,
							 .reservations[RESERVATION_STATUS_HELD] = -1,
							 .reservations[RESERVATION_STATUS_CONFIRMED] = 1,
						 });
	return code;
}

/* The seats of a live reservation are free again: `row` stands as it was before. */
static enum ll_code free_seats(struct seats_fold *fold, const struct named *named, bool was_confirmed, int64_t refunded,
			       enum reservation_status status)
{
	int64_t seats = named->seat_nos.count, price;
	struct counts counts = {
		.held = was_confirmed ? 0 : -seats,
		.reserved = was_confirmed ? -seats : 0,
		.live = -1,
		.refunded = refunded,
	};
	struct totals_change totals = {.held = counts.held, .reserved = counts.reserved};
	totals.reservations[was_confirmed ? RESERVATION_STATUS_CONFIRMED : RESERVATION_STATUS_HELD] = -1;
	totals.reservations[status] = 1;
	enum ll_code code =
		move_seats(fold, named, named->reservation_id, NONE_U64,
			   was_confirmed ? SEAT_STATUS_RESERVED : SEAT_STATUS_HELD, SEAT_STATUS_AVAILABLE, &price);
	if (code == LL_OK)
		code = change_schedule(fold, named, counts);
	if (code == LL_OK)
		code = change_user(fold, named, -seats);
	if (code == LL_OK)
		code = seats_change_totals(fold, &totals);
	return code;
}

enum ll_code seats_reservation_expired(struct seats_fold *fold, const struct reservation_expired *event)
{
	struct named named = NAMED(event);
	struct reservations_row row;
	enum ll_code code = get_named(fold, &named, &row);
	if (code != LL_OK)
		return code;
	if (row.status != RESERVATION_STATUS_HELD)
		return wrong_status(fold, event->reservation_id, row.status);
	if (row.expires_at != event->expires_at || row.expires_at > fold->entry->time)
		return seats_poison(fold, "the hold of reservation %" PRIu64 " was not due", event->reservation_id);
	row.status = RESERVATION_STATUS_EXPIRED;
	row.ended_at = fold->entry->time;
	row.changed_by = fold->entry->seq;
	reservations_put(fold->view, reservations_key(event->reservation_id), &row);
	hold_due_remove(fold->view, hold_due_key(event->expires_at, event->reservation_id));
	return free_seats(fold, &named, false, 0, RESERVATION_STATUS_EXPIRED);
}

/* Steps of a schedule's cancellation take the lowest seat first: all below it are dealt with. */
static enum ll_code advance_cancelling(struct seats_fold *fold, const struct named *named)
{
	struct cancelling_row row;
	if (!cancelling_get(fold->view, cancelling_key(named->schedule_id), &row))
		return seats_poison(fold, "schedule \"%.*s\" is not being cancelled", SLICE_PRINT(named->schedule_id));
	if (named->seat_nos.at[0] < row.next_seat)
		return seats_poison(fold, "the seats below %u of schedule \"%.*s\" are dealt with", row.next_seat,
				    SLICE_PRINT(named->schedule_id));
	row.next_seat = named->seat_nos.at[0] + 1;
	cancelling_put(fold->view, cancelling_key(named->schedule_id), &row);
	return LL_OK;
}

enum ll_code seats_reservation_cancelled(struct seats_fold *fold, const struct reservation_cancelled *event)
{
	struct named named = NAMED(event);
	struct reservations_row row;
	enum ll_code code = get_named(fold, &named, &row);
	if (code != LL_OK)
		return code;
	bool was_confirmed = row.status == RESERVATION_STATUS_CONFIRMED;
	if (!was_confirmed && row.status != RESERVATION_STATUS_HELD)
		return wrong_status(fold, event->reservation_id, row.status);
	if (event->payment_id != row.payment_id || event->confirmed_day != row.confirmed_day ||
	    event->refund_amount + event->fee != (was_confirmed ? row.price : 0))
		return seats_poison(fold, "reservation %" PRIu64 " has another payment than its cancellation says",
				    event->reservation_id);
	fold->cancelled_paid += was_confirmed;
	int64_t expires_at = row.expires_at;
	row.status = RESERVATION_STATUS_CANCELLED;
	row.ended_at = fold->entry->time;
	row.refund_amount = event->refund_amount;
	row.fee = event->fee;
	row.changed_by = fold->entry->seq;
	reservations_put(fold->view, reservations_key(event->reservation_id), &row);
	if (!was_confirmed)
		hold_due_remove(fold->view, hold_due_key(expires_at, event->reservation_id));
	if (event->reason == CANCEL_REASON_SCHEDULE_CANCELLED)
		code = advance_cancelling(fold, &named);
	if (code == LL_OK)
		code = free_seats(fold, &named, was_confirmed, event->refund_amount, RESERVATION_STATUS_CANCELLED);
	return code;
}
