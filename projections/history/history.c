/*
 * Histories: what happened to an account, a reservation, a seat, in short, one posting an event, in the order of entries, so
 * that a story is one range scan.
 *
 * An account's postings are of everything that moves points, with the amount signed by its effect on the balance (which
 * includes what is held: so holding moves nothing, and capturing what was held takes it away), and of the registration.
 * `reference` is what a posting belongs to: the payment, the client's own reference, the hold, or the use; the first of these
 * that there is. A seat's story begins when it is first offered.
 */
#include "projections/projection.h"
#include "projections/views/rows.h"

struct posting {
	struct view *view;
	const struct entry *entry;
	const struct event *event;
	uint8_t index;
};

struct reference {
	char text[REFERENCE_TEXT_MAX];
};

/* Empty when there is no such id. */
static struct slice reference_of(struct reference *room, const char *kind, uint64_t id)
{
	if (id == NONE_U64)
		return SLICE_EMPTY;
	return slice_of(room->text, reference_text(room->text, kind, id));
}

static void post_account(const struct posting *p, struct slice user_id, int64_t amount, int64_t balance_after,
			 struct slice reference, struct slice reason)
{
	struct account_history_row row = {
		.offset = p->entry->offset,
		.time = p->entry->time,
		.event = p->event->type,
		.amount = amount,
		.balance_after = balance_after,
		.reference = reference,
		.actor_type = p->entry->head.actor_type,
		.actor_id = p->entry->head.actor_id,
		.reason = reason,
	};
	account_history_put(p->view, account_history_key(user_id, p->entry->seq, p->index), &row);
}

/* Registering moves nothing, and the fold of histories reads nothing: so its posting has no balance. */
static void post_registered(const struct posting *p, const struct user_registered *event)
{
	post_account(p, event->user_id, 0, NONE_I64, SLICE_EMPTY, SLICE_EMPTY);
}

static void post_used(const struct posting *p, const struct point_used *event)
{
	struct reference room;
	struct slice reference = reference_of(&room, "payment", event->payment_id);
	if (!reference.size)
		reference = event->reference;
	if (!reference.size)
		reference = reference_of(&room, "hold", event->hold_id);
	post_account(p, event->user_id, -event->amount, event->balance_after, reference, SLICE_EMPTY);
}

static void post_refunded(const struct posting *p, const struct point_refunded *event)
{
	struct reference room;
	struct slice reference = reference_of(&room, "payment", event->payment_id);
	if (!reference.size)
		reference = reference_of(&room, "use", event->use_id);
	post_account(p, event->user_id, event->amount, event->balance_after, reference, SLICE_EMPTY);
}

static void post_hold(const struct posting *p, struct slice user_id, uint64_t hold_id, int64_t balance_after)
{
	struct reference room;
	post_account(p, user_id, 0, balance_after, reference_of(&room, "hold", hold_id), SLICE_EMPTY);
}

/* One for the reservation, and one for each of its seats. */
static void post_reservation(const struct posting *p, uint64_t reservation_id, struct slice user_id,
			     struct slice schedule_id, struct u32_list seat_nos, enum seat_status status,
			     int64_t amount, uint64_t payment_id, struct slice reason)
{
	const struct entry *entry = p->entry;
	struct reservation_history_row row = {
		.offset = entry->offset,
		.time = entry->time,
		.event = p->event->type,
		.user_id = user_id,
		.amount = amount,
		.payment_id = payment_id,
		.actor_type = entry->head.actor_type,
		.actor_id = entry->head.actor_id,
		.reason = reason,
	};
	reservation_history_put(p->view, reservation_history_key(reservation_id, entry->seq, p->index), &row);
	struct seat_history_row seat = {
		.offset = entry->offset,
		.time = entry->time,
		.event = p->event->type,
		.status = (uint8_t)status,
		.user_id = user_id,
		.reservation_id = reservation_id,
		.actor_type = entry->head.actor_type,
		.actor_id = entry->head.actor_id,
	};
	for (uint32_t i = 0; i < seat_nos.count; i++)
		seat_history_put(p->view, seat_history_key(schedule_id, seat_nos.at[i], entry->seq, p->index), &seat);
}

static void post_seats(const struct posting *p, struct slice schedule_id, struct seat_list seats)
{
	struct seat_history_row row = {
		.offset = p->entry->offset,
		.time = p->entry->time,
		.event = p->event->type,
		.status = SEAT_STATUS_AVAILABLE,
		.reservation_id = NONE_U64,
		.actor_type = p->entry->head.actor_type,
		.actor_id = p->entry->head.actor_id,
	};
	for (uint32_t i = 0; i < seats.count; i++)
		seat_history_put(p->view, seat_history_key(schedule_id, seats.at[i].seat_no, p->entry->seq, p->index),
				 &row);
}

static bool post_points(const struct posting *p, const struct event *event)
{
	switch (event->type) {
	case EVENT_USER_REGISTERED: post_registered(p, &event->user_registered); return true;
	case EVENT_POINT_CHARGED: {
		const struct point_charged *e = &event->point_charged;
		post_account(p, e->user_id, e->amount, e->balance_after, SLICE_EMPTY, SLICE_EMPTY);
		return true;
	}
	case EVENT_POINT_USED: post_used(p, &event->point_used); return true;
	case EVENT_POINT_REFUNDED: post_refunded(p, &event->point_refunded); return true;
	case EVENT_POINT_EXPIRED: {
		const struct point_expired *e = &event->point_expired;
		post_account(p, e->user_id, -e->amount, e->balance_after, SLICE_EMPTY, SLICE_EMPTY);
		return true;
	}
	case EVENT_POINT_ADJUSTED: {
		const struct point_adjusted *e = &event->point_adjusted;
		post_account(p, e->user_id, e->amount, e->balance_after, SLICE_EMPTY, e->reason);
		return true;
	}
	case EVENT_POINT_HELD: {
		const struct point_held *e = &event->point_held;
		post_hold(p, e->user_id, e->hold_id, e->balance_after);
		return true;
	}
	case EVENT_POINT_HOLD_CAPTURED: {
		const struct point_hold_captured *e = &event->point_hold_captured;
		post_hold(p, e->user_id, e->hold_id, e->balance_after);
		return true;
	}
	case EVENT_POINT_HOLD_RELEASED: {
		const struct point_hold_released *e = &event->point_hold_released;
		post_hold(p, e->user_id, e->hold_id, e->balance_after);
		return true;
	}
	default: return false;
	}
}

static void post_sales(const struct posting *p, const struct event *event)
{
	switch (event->type) {
	case EVENT_CONCERT_SCHEDULE_CREATED: {
		const struct concert_schedule_created *e = &event->concert_schedule_created;
		post_seats(p, e->schedule_id, e->seats);
		return;
	}
	case EVENT_CONCERT_SCHEDULE_SEATS_ADDED: {
		const struct concert_schedule_seats_added *e = &event->concert_schedule_seats_added;
		post_seats(p, e->schedule_id, e->seats);
		return;
	}
	case EVENT_RESERVATION_CREATED: {
		const struct reservation_created *e = &event->reservation_created;
		post_reservation(p, e->reservation_id, e->user_id, e->schedule_id, e->seat_nos, SEAT_STATUS_HELD,
				 e->price, NONE_U64, SLICE_EMPTY);
		return;
	}
	case EVENT_RESERVATION_CONFIRMED: {
		const struct reservation_confirmed *e = &event->reservation_confirmed;
		post_reservation(p, e->reservation_id, e->user_id, e->schedule_id, e->seat_nos, SEAT_STATUS_RESERVED,
				 e->price, e->payment_id, SLICE_EMPTY);
		return;
	}
	case EVENT_RESERVATION_EXPIRED: {
		const struct reservation_expired *e = &event->reservation_expired;
		post_reservation(p, e->reservation_id, e->user_id, e->schedule_id, e->seat_nos, SEAT_STATUS_AVAILABLE,
				 e->price, NONE_U64, SLICE_EMPTY);
		return;
	}
	case EVENT_RESERVATION_CANCELLED: {
		const struct reservation_cancelled *e = &event->reservation_cancelled;
		post_reservation(p, e->reservation_id, e->user_id, e->schedule_id, e->seat_nos, SEAT_STATUS_AVAILABLE,
				 e->refund_amount, e->payment_id,
				 slice_text(enumeration_text(&cancel_reason_enumeration, e->reason)));
		return;
	}
	default: return;
	}
}

static enum ll_code apply(struct view *view, const struct entry *entry, struct error *error)
{
	if (entry->event_count > UINT8_MAX)
		return error_set(error, LL_POISON, "history: entry %llu has %u events, more than one can have",
				 (unsigned long long)entry->seq, entry->event_count);
	for (uint32_t i = 0; i < entry->event_count; i++) {
		struct posting posting = {
			.view = view, .entry = entry, .event = &entry->events[i], .index = (uint8_t)i};
		if (!post_points(&posting, posting.event))
			post_sales(&posting, posting.event);
	}
	return LL_OK;
}

const struct projection projection_history = {.id = PROJECTION_HISTORY, .apply = apply};
