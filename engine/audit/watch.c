#include "engine/audit/watch.h"

#include "engine/decide/limits.h"

bool watch_is_same(const struct watch *a, const struct watch *b)
{
	return a->kind == b->kind && a->number == b->number && slice_equal(a->text, b->text) &&
	       slice_equal(a->other, b->other);
}

static void set(struct watch *watch, const struct entry *entry)
{
	watch->is_set = true;
	watch->seq = entry->seq;
	watch->offset = entry->offset;
}

/* What a value begins with was set by nobody. */
static void set_value(struct watch *watch, const struct entry *entry, int64_t value)
{
	if (watch->value == value)
		return;
	watch->value = value;
	set(watch, entry);
}

/* ---- accounts ---- */

/* balance = lots + held - debt, available = lots - debt; where there is debt there are no lots. */
static void see_account(struct watch *watch, const struct entry *entry, const struct event *event)
{
	struct standing standing;
	struct slice user_id;
	if (!event_stands(event, &user_id, &standing) || !slice_equal(user_id, watch->text))
		return;
	switch (watch->kind) {
	case WATCH_BALANCE: set_value(watch, entry, standing.balance); return;
	case WATCH_AVAILABLE: set_value(watch, entry, standing.available); return;
	case WATCH_HELD: set_value(watch, entry, standing.balance - standing.available); return;
	default: set_value(watch, entry, standing.available < 0 ? -standing.available : 0); return;
	}
}

static bool in_taken(const struct taken_list *lots, uint64_t lot_id)
{
	for (uint32_t i = 0; i < lots->count; i++)
		if (lots->at[i].lot_id == lot_id && lots->at[i].amount)
			return true;
	return false;
}

/* What went to debt is in no lot. */
static bool in_returned(const struct returned_list *lots, uint64_t lot_id)
{
	for (uint32_t i = 0; i < lots->count; i++) {
		const struct returned *lot = &lots->at[i];
		uint64_t id = lot->new_lot_id == NONE_U64 ? lot->lot_id : lot->new_lot_id;
		if (id == lot_id && lot->remaining)
			return true;
	}
	return false;
}

/* A use that captures a hold takes what the hold has taken from the lots before. */
static bool sets_lot(const struct event *event, uint64_t lot_id)
{
	switch (event->type) {
	case EVENT_POINT_CHARGED: return event->point_charged.lot_id == lot_id;
	case EVENT_POINT_ADJUSTED:
		return event->point_adjusted.lot_id == lot_id || in_taken(&event->point_adjusted.lots, lot_id);
	case EVENT_POINT_USED:
		return event->point_used.hold_id == NONE_U64 && in_taken(&event->point_used.lots, lot_id);
	case EVENT_POINT_EXPIRED: return in_taken(&event->point_expired.lots, lot_id);
	case EVENT_POINT_HELD: return in_taken(&event->point_held.lots, lot_id);
	case EVENT_POINT_REFUNDED: return in_returned(&event->point_refunded.lots, lot_id);
	case EVENT_POINT_HOLD_CAPTURED: return in_returned(&event->point_hold_captured.lots, lot_id);
	case EVENT_POINT_HOLD_RELEASED: return in_returned(&event->point_hold_released.lots, lot_id);
	default: return false;
	}
}

static bool sets_use(const struct event *event, uint64_t use_id)
{
	return (event->type == EVENT_POINT_USED && event->point_used.use_id == use_id) ||
	       (event->type == EVENT_POINT_REFUNDED && event->point_refunded.use_id == use_id);
}

static bool sets_hold(const struct event *event, uint64_t hold_id)
{
	return (event->type == EVENT_POINT_HELD && event->point_held.hold_id == hold_id) ||
	       (event->type == EVENT_POINT_HOLD_CAPTURED && event->point_hold_captured.hold_id == hold_id) ||
	       (event->type == EVENT_POINT_HOLD_RELEASED && event->point_hold_released.hold_id == hold_id);
}

/* ---- seats ---- */

struct moved {
	struct slice schedule_id, user_id;
	uint64_t reservation_id;
	struct u32_list seat_nos;
};

static bool moved_by(const struct event *event, struct moved *moved)
{
#define MOVES(TYPE, name)                                                                                              \
	case EVENT_##TYPE:                                                                                             \
		*moved = (struct moved){event->name.schedule_id, event->name.user_id, event->name.reservation_id,      \
					event->name.seat_nos};                                                         \
		return true;
	switch (event->type) {
		MOVES(RESERVATION_CREATED, reservation_created)
		MOVES(RESERVATION_CONFIRMED, reservation_confirmed)
		MOVES(RESERVATION_EXPIRED, reservation_expired)
		MOVES(RESERVATION_CANCELLED, reservation_cancelled)
	default: return false;
	}
#undef MOVES
}

static bool has_number(struct u32_list numbers, uint64_t number)
{
	for (uint32_t i = 0; i < numbers.count; i++)
		if (numbers.at[i] == number)
			return true;
	return false;
}

static bool has_seat(struct seat_list seats, uint64_t number)
{
	for (uint32_t i = 0; i < seats.count; i++)
		if (seats.at[i].seat_no == number)
			return true;
	return false;
}

/* The seats that the event offers in the schedule. */
static struct seat_list seats_offered(const struct event *event, struct slice schedule_id)
{
	if (event->type == EVENT_CONCERT_SCHEDULE_CREATED &&
	    slice_equal(event->concert_schedule_created.schedule_id, schedule_id))
		return event->concert_schedule_created.seats;
	if (event->type == EVENT_CONCERT_SCHEDULE_SEATS_ADDED &&
	    slice_equal(event->concert_schedule_seats_added.schedule_id, schedule_id))
		return event->concert_schedule_seats_added.seats;
	return (struct seat_list){0};
}

static bool sets_seat(const struct event *event, const struct watch *watch)
{
	struct moved moved;
	if (moved_by(event, &moved))
		return slice_equal(moved.schedule_id, watch->text) && has_number(moved.seat_nos, watch->number);
	return has_seat(seats_offered(event, watch->text), watch->number);
}

static bool changes_live(const struct event *event, struct moved *moved)
{
	return moved_by(event, moved) && event->type != EVENT_RESERVATION_CONFIRMED;
}

static bool sets_reservations_of(const struct event *event, const struct watch *watch)
{
	struct moved moved;
	if (watch->kind != WATCH_SEATS_OF_USER && event->type == EVENT_CONCERT_SCHEDULE_CREATED)
		return slice_equal(event->concert_schedule_created.schedule_id, watch->text); /* none yet */
	switch (watch->kind) {
	case WATCH_CONFIRMATIONS:
		return event->type == EVENT_RESERVATION_CONFIRMED &&
		       slice_equal(event->reservation_confirmed.schedule_id, watch->text);
	case WATCH_LIVE_RESERVATIONS: return changes_live(event, &moved) && slice_equal(moved.schedule_id, watch->text);
	default:
		return changes_live(event, &moved) && slice_equal(moved.schedule_id, watch->text) &&
		       slice_equal(moved.user_id, watch->other);
	}
}

static bool sets_payment(const struct event *event, uint64_t payment_id)
{
	return (event->type == EVENT_PAYMENT_COMPLETED && event->payment_completed.payment_id == payment_id) ||
	       (event->type == EVENT_PAYMENT_CANCELLED && event->payment_cancelled.payment_id == payment_id);
}

static void see_times(struct watch *watch, const struct entry *entry, int64_t date, int64_t opens, int64_t closes)
{
	int64_t value = watch->kind == WATCH_CONCERT_DATE ? date : watch->kind == WATCH_BOOKING_OPENS ? opens : closes;
	set_value(watch, entry, value);
}

static void see_schedule(struct watch *watch, const struct entry *entry, const struct event *event)
{
	const struct concert_schedule_created *created = &event->concert_schedule_created;
	const struct concert_schedule_updated *updated = &event->concert_schedule_updated;
	bool is_created =
		event->type == EVENT_CONCERT_SCHEDULE_CREATED && slice_equal(created->schedule_id, watch->text);
	bool is_ended = (event->type == EVENT_CONCERT_SCHEDULE_CANCELLING &&
			 slice_equal(event->concert_schedule_cancelling.schedule_id, watch->text)) ||
			(event->type == EVENT_CONCERT_SCHEDULE_CANCELLED &&
			 slice_equal(event->concert_schedule_cancelled.schedule_id, watch->text));
	switch (watch->kind) {
	case WATCH_SCHEDULE_STATUS:
		if (is_created || is_ended)
			set(watch, entry);
		return;
	case WATCH_SCHEDULE_MADE:
		if (is_created)
			set(watch, entry);
		return;
	case WATCH_TOTAL_SEATS:
		if (seats_offered(event, watch->text).count)
			set(watch, entry);
		return;
	default: break;
	}
	if (is_created) {
		see_times(watch, entry, created->concert_date, created->booking_opens_at, created->booking_closes_at);
		set(watch, entry); /* absent ones too */
	} else if (event->type == EVENT_CONCERT_SCHEDULE_UPDATED && slice_equal(updated->schedule_id, watch->text))
		see_times(watch, entry, updated->concert_date, updated->booking_opens_at, updated->booking_closes_at);
}

/* ---- waiting rooms ---- */

struct token {
	struct slice queue_id, user_id;
	uint64_t token_id;
};

static bool token_of(const struct event *event, struct token *token)
{
#define TOKEN(TYPE, name)                                                                                              \
	case EVENT_##TYPE:                                                                                             \
		*token = (struct token){event->name.queue_id, event->name.user_id, event->name.token_id};              \
		return true;
	switch (event->type) {
		TOKEN(QUEUE_TOKEN_ISSUED, queue_token_issued)
		TOKEN(QUEUE_TOKEN_ACTIVATED, queue_token_activated)
		TOKEN(QUEUE_TOKEN_EXPIRED, queue_token_expired)
	default: return false;
	}
#undef TOKEN
}

static bool sets_queue(const struct event *event, const struct watch *watch)
{
	struct token token;
	if (!token_of(event, &token))
		return false;
	if (watch->kind == WATCH_TOKEN)
		return token.token_id == watch->number;
	if (!slice_equal(token.queue_id, watch->text))
		return false;
	return watch->kind == WATCH_QUEUE ||
	       (event->type != EVENT_QUEUE_TOKEN_ACTIVATED && slice_equal(token.user_id, watch->other));
}

/* ---- all of them ---- */

static bool sets(const struct event *event, const struct watch *watch)
{
	switch (watch->kind) {
	case WATCH_USER:
		return event->type == EVENT_USER_REGISTERED && slice_equal(event->user_registered.user_id, watch->text);
	case WATCH_CONCERT:
		return event->type == EVENT_CONCERT_CREATED &&
		       slice_equal(event->concert_created.concert_id, watch->text);
	case WATCH_LOT: return sets_lot(event, watch->number);
	case WATCH_USE: return sets_use(event, watch->number);
	case WATCH_HOLD: return sets_hold(event, watch->number);
	case WATCH_PAYMENT: return sets_payment(event, watch->number);
	case WATCH_RESERVATION: {
		struct moved moved;
		return moved_by(event, &moved) && moved.reservation_id == watch->number;
	}
	case WATCH_SEAT: return sets_seat(event, watch);
	case WATCH_CONFIRMATIONS:
	case WATCH_LIVE_RESERVATIONS:
	case WATCH_SEATS_OF_USER: return sets_reservations_of(event, watch);
	case WATCH_TOKEN:
	case WATCH_QUEUE:
	case WATCH_LIVE_TOKEN: return sets_queue(event, watch);
	case WATCH_CHARGED: return event->type == EVENT_POINT_CHARGED;
	case WATCH_USED: return event->type == EVENT_POINT_USED;
	case WATCH_ADJUSTED: return event->type == EVENT_POINT_ADJUSTED;
	default: return false;
	}
}

static void see(struct watch *watch, const struct entry *entry, const struct event *event)
{
	switch (watch->kind) {
	case WATCH_BALANCE:
	case WATCH_AVAILABLE:
	case WATCH_HELD:
	case WATCH_DEBT: see_account(watch, entry, event); return;
	case WATCH_SCHEDULE_STATUS:
	case WATCH_SCHEDULE_MADE:
	case WATCH_CONCERT_DATE:
	case WATCH_BOOKING_OPENS:
	case WATCH_BOOKING_CLOSES:
	case WATCH_TOTAL_SEATS: see_schedule(watch, entry, event); return;
	default:
		if (sets(event, watch))
			set(watch, entry);
	}
}

static bool carries_value(enum watch_kind kind)
{
	return kind >= WATCH_BALANCE && kind <= WATCH_DEBT;
}

void watch_entry(struct watch *watch, const struct entry *entry)
{
	struct watch before = *watch;
	if (watch->kind == WATCH_ENTRY && entry->seq == watch->number)
		set(watch, entry);
	if (watch->kind == WATCH_COMMAND && !watch->is_set && slice_equal(entry->head.command_id, watch->text))
		set(watch, entry);
	for (uint32_t i = 0; i < entry->event_count; i++)
		see(watch, entry, &entry->events[i]);
	/* What went and came back within one entry was not set by it. */
	if (carries_value(watch->kind) && watch->value == before.value)
		*watch = before;
}
