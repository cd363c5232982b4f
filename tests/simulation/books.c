/* What must hold between events, kept by hand: nothing here asks the product what a balance or a seat is. */
#include <inttypes.h>

#include "schemas/wire/ensure.h"
#include "tests/simulation/simulation.h"

struct posting {
	struct simulation *simulation;
	struct books *books;
	const struct entry *entry;
	unsigned user; /* whose balance the entry touched; USERS: nobody's */
	int64_t balance_after;
};

/* "u2", "s1": the number at the end. */
static unsigned number_of(struct slice name, unsigned below)
{
	unsigned number = name.size == 2 ? (unsigned)(name.at[1] - '0') : below;
	ENSURE(number < below);
	return number;
}

#define WRONG(property, format, ...)                                                                                   \
	violated(posting->simulation, property, "entry %" PRIu64 ": " format, posting->entry->seq, __VA_ARGS__)

/* ---- points ---- */

static struct book_lot *lot_of(struct posting *posting, uint64_t id)
{
	for (unsigned i = 0; i < posting->books->lot_count; i++)
		if (posting->books->lots[i].id == id)
			return &posting->books->lots[i];
	WRONG(PROPERTY_CONSERVATION, "there is no lot %" PRIx64, id);
	return NULL;
}

static void open_lot(struct posting *posting, uint64_t id, unsigned user, int64_t amount, int64_t expires_at)
{
	ENSURE(posting->books->lot_count < LOTS_MAX);
	posting->books->lots[posting->books->lot_count++] = (struct book_lot){id, user, amount, expires_at};
}

static void take(struct posting *posting, const struct taken_list *list, bool expires)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct book_lot *lot = lot_of(posting, list->at[i].lot_id);
		if (!lot)
			return;
		bool is_over = lot->expires_at != NONE_TIME && lot->expires_at <= posting->entry->time;
		if (is_over != expires)
			WRONG(PROPERTY_IN_TIME, "lot %" PRIx64 " %s", lot->id,
			      expires ? "expires before its time" : "is spent after its end");
		lot->remaining -= list->at[i].amount;
		if (lot->remaining < 0 || lot->user != posting->user)
			WRONG(PROPERTY_CONSERVATION, "lot %" PRIx64 " gives what it does not have", lot->id);
	}
}

static void give_back(struct posting *posting, const struct returned_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		const struct returned *returned = &list->at[i];
		if (returned->new_lot_id != NONE_U64) {
			open_lot(posting, returned->new_lot_id, posting->user, returned->remaining,
				 returned->expires_at);
			continue;
		}
		struct book_lot *lot = lot_of(posting, returned->lot_id);
		if (lot)
			lot->remaining += returned->remaining;
	}
}

static void balance(struct posting *posting, struct slice user, int64_t change, int64_t after)
{
	posting->user = number_of(user, USERS);
	posting->balance_after = after;
	posting->books->balances[posting->user] += change;
}

static struct book_hold *hold_of(struct posting *posting, uint64_t id)
{
	for (unsigned i = 0; i < posting->books->hold_count; i++)
		if (posting->books->holds[i].id == id && posting->books->holds[i].amount)
			return &posting->books->holds[i];
	WRONG(PROPERTY_CONSERVATION, "there is no open hold %" PRIu64, id);
	return NULL;
}

static void close_hold(struct posting *posting, uint64_t id, int64_t amount, bool ends_by_time)
{
	struct book_hold *hold = hold_of(posting, id);
	if (!hold)
		return;
	if (hold->amount != amount)
		WRONG(PROPERTY_CONSERVATION, "hold %" PRIu64 " has %" PRId64 ", not %" PRId64, id, hold->amount,
		      amount);
	if ((hold->expires_at <= posting->entry->time) != ends_by_time)
		WRONG(PROPERTY_IN_TIME, "hold %" PRIu64 " %s", id,
		      ends_by_time ? "expires before its time" : "is used after its end");
	hold->amount = 0;
}

static void enter_points(struct posting *posting, const struct event *event)
{
	struct books *books = posting->books;
	switch (event->type) {
	case EVENT_POINT_CHARGED: {
		const struct point_charged *e = &event->point_charged;
		balance(posting, e->user_id, e->amount, e->balance_after);
		open_lot(posting, e->lot_id, posting->user, e->amount - e->repaid, e->expires_at);
		break;
	}
	case EVENT_POINT_USED: {
		const struct point_used *e = &event->point_used;
		balance(posting, e->user_id, -e->amount, e->balance_after);
		if (e->hold_id == NONE_U64)
			take(posting, &e->lots, false);
		if (e->payment_id == NONE_U64 && books->use_count < THINGS_MAX)
			books->uses[books->use_count++] = e->use_id;
		break;
	}
	case EVENT_POINT_REFUNDED: {
		const struct point_refunded *e = &event->point_refunded;
		balance(posting, e->user_id, e->amount, e->balance_after);
		give_back(posting, &e->lots);
		break;
	}
	case EVENT_POINT_EXPIRED: {
		const struct point_expired *e = &event->point_expired;
		balance(posting, e->user_id, -e->amount, e->balance_after);
		take(posting, &e->lots, true);
		break;
	}
	case EVENT_POINT_HELD: {
		const struct point_held *e = &event->point_held;
		balance(posting, e->user_id, 0, e->balance_after);
		take(posting, &e->lots, false);
		ENSURE(books->hold_count < THINGS_MAX);
		books->holds[books->hold_count++] =
			(struct book_hold){e->hold_id, posting->user, e->amount, e->expires_at};
		break;
	}
	case EVENT_POINT_HOLD_CAPTURED: {
		const struct point_hold_captured *e = &event->point_hold_captured;
		balance(posting, e->user_id, 0, e->balance_after);
		close_hold(posting, e->hold_id, e->captured + e->released, false);
		give_back(posting, &e->lots);
		break;
	}
	case EVENT_POINT_HOLD_RELEASED: {
		const struct point_hold_released *e = &event->point_hold_released;
		balance(posting, e->user_id, 0, e->balance_after);
		close_hold(posting, e->hold_id, e->amount, e->expired);
		give_back(posting, &e->lots);
		break;
	}
	default: break;
	}
}

/* After an entry: the balance is what the events add up to, and what lies in lots and holds. */
static void check_balance(struct posting *posting)
{
	const struct books *books = posting->books;
	if (posting->user == USERS)
		return;
	int64_t balance = books->balances[posting->user], kept = 0;
	for (unsigned i = 0; i < books->lot_count; i++)
		kept += books->lots[i].user == posting->user ? books->lots[i].remaining : 0;
	for (unsigned i = 0; i < books->hold_count; i++)
		kept += books->holds[i].user == posting->user ? books->holds[i].amount : 0;
	if (balance != posting->balance_after || balance != kept)
		WRONG(PROPERTY_CONSERVATION,
		      "u%u has %" PRId64 " by its events, %" PRId64 " in lots and holds, and was told %" PRId64,
		      posting->user, balance, kept, posting->balance_after);
}

/* ---- seats ---- */

static struct book_reservation *reservation_of(struct posting *posting, uint64_t id)
{
	for (unsigned i = 0; i < posting->books->reservation_count; i++)
		if (posting->books->reservations[i].id == id)
			return &posting->books->reservations[i];
	WRONG(PROPERTY_SOLD_ONCE, "there is no reservation %" PRIu64, id);
	return NULL;
}

static void hold_seats(struct posting *posting, const struct reservation_created *event)
{
	struct books *books = posting->books;
	struct book_reservation made = {
		.id = event->reservation_id,
		.user = number_of(event->user_id, USERS),
		.schedule = number_of(event->schedule_id, SCHEDULES),
		.price = event->price,
		.expires_at = event->expires_at,
	};
	for (uint32_t i = 0; i < event->seat_nos.count; i++)
		made.seats |= 1u << event->seat_nos.at[i];
	if (books->taken[made.schedule] & made.seats)
		WRONG(PROPERTY_SOLD_ONCE, "seats %x of s%u are taken, and held once more", made.seats, made.schedule);
	books->taken[made.schedule] |= made.seats;
	ENSURE(books->reservation_count < THINGS_MAX);
	books->reservations[books->reservation_count++] = made;
}

static void free_seats(struct posting *posting, struct book_reservation *reservation)
{
	if (reservation->state == BOOK_OVER)
		WRONG(PROPERTY_SOLD_ONCE, "reservation %" PRIu64 " ends twice", reservation->id);
	reservation->state = BOOK_OVER;
	posting->books->taken[reservation->schedule] &= ~reservation->seats;
}

static void confirm(struct posting *posting, const struct reservation_confirmed *event)
{
	struct book_reservation *reservation = reservation_of(posting, event->reservation_id);
	if (!reservation)
		return;
	if (reservation->state != BOOK_HELD || reservation->price != event->price ||
	    reservation->user != number_of(event->user_id, USERS))
		WRONG(PROPERTY_SOLD_ONCE, "reservation %" PRIu64 " is confirmed, and was not held so", reservation->id);
	if (reservation->expires_at <= posting->entry->time)
		WRONG(PROPERTY_IN_TIME, "reservation %" PRIu64 " is paid after its end", reservation->id);
	reservation->state = BOOK_CONFIRMED;
	reservation->payment = event->payment_id;
}

static void enter_seats(struct posting *posting, const struct event *event)
{
	struct book_reservation *reservation;
	switch (event->type) {
	case EVENT_RESERVATION_CREATED: hold_seats(posting, &event->reservation_created); break;
	case EVENT_RESERVATION_CONFIRMED: confirm(posting, &event->reservation_confirmed); break;
	case EVENT_RESERVATION_EXPIRED:
		reservation = reservation_of(posting, event->reservation_expired.reservation_id);
		if (!reservation)
			return;
		if (reservation->state != BOOK_HELD || reservation->expires_at > posting->entry->time)
			WRONG(PROPERTY_IN_TIME, "reservation %" PRIu64 " expires before its time", reservation->id);
		free_seats(posting, reservation);
		break;
	case EVENT_RESERVATION_CANCELLED:
		reservation = reservation_of(posting, event->reservation_cancelled.reservation_id);
		if (reservation)
			free_seats(posting, reservation);
		break;
	default: break;
	}
}

/* ---- the waiting room ---- */

static struct book_token *token_of(struct posting *posting, uint64_t id)
{
	for (unsigned i = 0; i < posting->books->token_count; i++)
		if (posting->books->tokens[i].id == id && posting->books->tokens[i].state != TOKEN_OVER)
			return &posting->books->tokens[i];
	WRONG(PROPERTY_WAITING_ROOM, "there is no living token %" PRIu64, id);
	return NULL;
}

static void issue(struct posting *posting, const struct queue_token_issued *event)
{
	struct books *books = posting->books;
	struct book_token made = {.id = event->token_id, .user = number_of(event->user_id, USERS)};
	for (unsigned i = 0; i < books->token_count; i++)
		if (books->tokens[i].user == made.user && books->tokens[i].state != TOKEN_OVER)
			WRONG(PROPERTY_WAITING_ROOM, "u%u has a living token, and is given another", made.user);
	ENSURE(books->token_count < THINGS_MAX);
	books->tokens[books->token_count++] = made;
}

static void activate(struct posting *posting, uint64_t id)
{
	struct books *books = posting->books;
	struct book_token *token = token_of(posting, id);
	unsigned active = 1;
	for (unsigned i = 0; i < books->token_count && token; i++) {
		active += books->tokens[i].state == TOKEN_ACTIVE;
		if (books->tokens[i].id < id && books->tokens[i].state == TOKEN_WAITS)
			WRONG(PROPERTY_WAITING_ROOM, "token %" PRIu64 " passes %" PRIu64, id, books->tokens[i].id);
	}
	if (token && active > books->active_max)
		WRONG(PROPERTY_WAITING_ROOM, "%u are let in, of %" PRIu32 " that may be", active, books->active_max);
	if (token)
		token->state = TOKEN_ACTIVE;
}

static void enter_queue(struct posting *posting, const struct event *event)
{
	if (event->type == EVENT_QUEUE_TOKEN_ISSUED)
		issue(posting, &event->queue_token_issued);
	else if (event->type == EVENT_QUEUE_TOKEN_ACTIVATED)
		activate(posting, event->queue_token_activated.token_id);
	else if (event->type == EVENT_QUEUE_TOKEN_EXPIRED) {
		struct book_token *token = token_of(posting, event->queue_token_expired.token_id);
		if (token)
			token->state = TOKEN_OVER;
	} else if (event->type == EVENT_POLICY_CHANGED) {
		posting->books->active_max = event->policy_changed.policy.queue_active_max;
	}
}

void books_enter(struct simulation *simulation, const struct entry *entry)
{
	struct posting posting = {simulation, &simulation->referee.books, entry, USERS, 0};
	for (uint32_t i = 0; i < entry->event_count && !simulation->failed; i++) {
		enter_points(&posting, &entry->events[i]);
		enter_seats(&posting, &entry->events[i]);
		enter_queue(&posting, &entry->events[i]);
	}
	check_balance(&posting);
}
