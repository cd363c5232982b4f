/*
 * The laws of the ledger, held against the state: where an entry touched it, and all of it.
 */
#include <stdio.h>

#include "engine/audit/recheck.h"
#include "projections/balances/account.h"
#include "projections/balances/totals.h"
#include "projections/views/rows.h"

struct judging {
	struct recheck *recheck;
	struct view *view;
	const struct entry *entry;
};

/* The two sides of a law. */
static void hold(const struct judging *judging, const char *law, struct slice of, __int128 left, __int128 right)
{
	char key[128], texts[2][32];
	if (left == right)
		return;
	snprintf(key, sizeof key, "%s%s%.*s", law, of.size ? " of " : "", SLICE_PRINT(of));
	snprintf(texts[0], sizeof texts[0], "%lld", (long long)left);
	snprintf(texts[1], sizeof texts[1], "%lld", (long long)right);
	recheck_finding(judging->recheck, judging->entry, "invariants", key, slice_text(texts[0]),
			slice_text(texts[1]));
}

static struct slice named(char text[REFERENCE_TEXT_MAX], const char *kind, uint64_t id)
{
	return slice_of(text, reference_text(text, kind, id));
}

/* ---- sums ---- */

static void totals_of_points(const struct judging *judging)
{
	struct totals_row totals;
	totals_load(judging->view, &totals);
	hold(judging, "charged - used + refunded - expired + adjusted = balances", SLICE_EMPTY,
	     (__int128)totals.charged - totals.used + totals.refunded - totals.expired + totals.adjusted,
	     totals.balances);
}

static void totals_of_seats(const struct judging *judging)
{
	struct seat_totals_row totals;
	if (!seat_totals_get(judging->view, seat_totals_key(0), &totals))
		return;
	__int128 available = (__int128)totals.total - totals.held - totals.reserved;
	hold(judging, "available + held + reserved = total", SLICE_EMPTY, available < 0 ? 0 : available, available);
}

/* ---- accounts ---- */

struct standing {
	struct slice user_id;
	int64_t balance, available;
};

static bool standing_of(const struct event *event, struct standing *standing)
{
	static const char *const names[] = {"user_id", "balance_after", "available_after"};
	const struct record *record = event_info(event->type)->record;
	const uint8_t *fields = (const uint8_t *)&event->user_registered;
	const void *found[3] = {NULL};
	for (uint16_t i = 0; i < record->count; i++)
		for (unsigned j = 0; j < 3; j++)
			if (strcmp(record->fields[i].name, names[j]) == 0)
				found[j] = fields + record->fields[i].offset;
	if (!found[0] || !found[1] || !found[2])
		return false;
	*standing = (struct standing){*(const struct slice *)found[0], *(const int64_t *)found[1],
				      *(const int64_t *)found[2]};
	return true;
}

static void account(const struct judging *judging, const struct standing *standing, bool is_last)
{
	struct accounts_row row;
	struct slice user = standing->user_id;
	int64_t lots = 0;
	if (!accounts_get(judging->view, accounts_key(user), &row)) {
		hold(judging, "an account that is named is there", user, 1, 0);
		return;
	}
	for (uint32_t i = 0; i < row.lots.count; i++)
		lots += row.lots.at[i].remaining;
	if (row.more_lots == 0)
		hold(judging, "sum of lots = lots_total", user, lots, row.lots_total);
	hold(judging, "no debt where lots are", user, 0, row.lots_total && row.debt ? row.debt : 0);
	hold(judging, "nothing held is below zero", user, row.held < 0 ? 0 : row.held, row.held);
	if (!is_last)
		return;
	hold(judging, "balance after = balance", user, standing->balance, account_balance(&row));
	hold(judging, "available after = available", user, standing->available, account_available(&row));
}

static void accounts(const struct judging *judging)
{
	const struct entry *entry = judging->entry;
	for (uint32_t i = 0; i < entry->event_count; i++) {
		struct standing standing, later;
		bool is_last = true;
		if (!standing_of(&entry->events[i], &standing))
			continue;
		for (uint32_t j = i + 1; j < entry->event_count; j++)
			is_last &= !standing_of(&entry->events[j], &later) ||
				   !slice_equal(later.user_id, standing.user_id);
		account(judging, &standing, is_last);
	}
}

/* ---- reservations ---- */

static uint64_t reservation_of(const struct event *event)
{
	switch (event->type) {
	case EVENT_RESERVATION_CREATED: return event->reservation_created.reservation_id;
	case EVENT_RESERVATION_CONFIRMED: return event->reservation_confirmed.reservation_id;
	case EVENT_RESERVATION_EXPIRED: return event->reservation_expired.reservation_id;
	case EVENT_RESERVATION_CANCELLED: return event->reservation_cancelled.reservation_id;
	default: return NONE_U64;
	}
}

static enum seat_status seat_status_of(uint8_t status)
{
	return status == RESERVATION_STATUS_HELD        ? SEAT_STATUS_HELD
	       : status == RESERVATION_STATUS_CONFIRMED ? SEAT_STATUS_RESERVED
							: SEAT_STATUS_AVAILABLE;
}

/* Its seats are its own while it lives, and nobody else's. */
static void seats(const struct judging *judging, uint64_t id, const struct reservations_row *row, struct slice name)
{
	enum seat_status wanted = seat_status_of(row->status);
	bool lives = wanted != SEAT_STATUS_AVAILABLE;
	for (uint32_t i = 0; i < row->seat_nos.count; i++) {
		struct seats_row seat;
		if (!seats_get(judging->view, seats_key(row->schedule_id, row->seat_nos.at[i]), &seat)) {
			hold(judging, "a reserved seat is there", name, 1, 0);
			continue;
		}
		hold(judging, "a live reservation has its seats, an ended one has none", name, lives,
		     seat.reservation_id == id);
		if (lives)
			hold(judging, "the status of a seat is its reservation's", name, wanted, seat.status);
	}
}

static void payment(const struct judging *judging, const struct reservations_row *row, struct slice name)
{
	struct payments_row paid;
	struct uses_row use;
	bool confirmed = row->status == RESERVATION_STATUS_CONFIRMED;
	if (row->payment_id == NONE_U64) {
		hold(judging, "what is confirmed is paid", name, 0, confirmed);
		return;
	}
	if (!payments_get(judging->view, payments_key(row->payment_id), &paid)) {
		hold(judging, "a payment that is named is there", name, 1, 0);
		return;
	}
	hold(judging, "confirmed = a payment that stands", name, confirmed, paid.status == PAYMENT_STATUS_SUCCESS);
	hold(judging, "the amount of the payment = the price", name, row->price, paid.amount);
	if (paid.use_id == NONE_U64)
		hold(judging, "without a use the price is 0", name, 0, row->price);
	else if (!uses_get(judging->view, uses_key(paid.use_id), &use))
		hold(judging, "the use of a payment is there", name, 1, 0);
	else
		hold(judging, "the amount of the use = the price", name, row->price, use.amount);
}

static void reservations(const struct judging *judging)
{
	const struct entry *entry = judging->entry;
	for (uint32_t i = 0; i < entry->event_count; i++) {
		char text[REFERENCE_TEXT_MAX];
		struct reservations_row row;
		uint64_t id = reservation_of(&entry->events[i]);
		if (id == NONE_U64)
			continue;
		struct slice name = named(text, "reservation", id);
		if (!reservations_get(judging->view, reservations_key(id), &row)) {
			hold(judging, "a reservation that is named is there", name, 1, 0);
			continue;
		}
		seats(judging, id, &row, name);
		payment(judging, &row, name);
	}
}

void laws_of_entry(struct recheck *recheck, struct view *view, const struct entry *entry)
{
	struct judging judging = {recheck, view, entry};
	if (entry->event_count == 0)
		return; /* it changed counts of entries alone */
	totals_of_points(&judging);
	totals_of_seats(&judging);
	accounts(&judging);
	reservations(&judging);
}

/* ---- all of the state ---- */

struct counted {
	const struct judging *judging;
	__int128 lots_total, row_lots, table_lots, held, debt;
	uint64_t accounts, more_lots, table_rows;
	uint64_t seats, seats_held, seats_reserved; /* as schedules that are not cancelled say */
	uint64_t reservations[RESERVATION_STATUS_CANCELLED + 1], payments;
	/* Of the schedule whose seats are being counted. */
	struct key schedule_id;
	uint64_t of_schedule[SEAT_STATUS_RESERVED + 1];
};

static bool count_account(void *context, struct slice key, struct slice value)
{
	struct counted *counted = context;
	struct view *view = counted->judging->view;
	struct accounts_row row;
	if (!accounts_read(view, key, value, &row))
		return false;
	for (uint32_t i = 0; i < row.lots.count; i++)
		counted->row_lots += row.lots.at[i].remaining;
	counted->lots_total += row.lots_total;
	counted->held += row.held;
	counted->debt += row.debt;
	counted->more_lots += row.more_lots;
	counted->accounts++;
	arena_reset(view->arena);
	return true;
}

static bool count_lot(void *context, struct slice key, struct slice value)
{
	struct counted *counted = context;
	struct lots_row row;
	if (!lots_read(counted->judging->view, key, value, &row))
		return false;
	counted->table_lots += row.remaining;
	counted->table_rows++;
	return true;
}

static bool count_schedule(void *context, struct slice key, struct slice value)
{
	struct counted *counted = context;
	struct schedules_row row;
	if (!schedules_read(counted->judging->view, key, value, &row))
		return false;
	if (row.status != SCHEDULE_STATUS_CANCELLED) {
		counted->seats += row.total;
		counted->seats_held += row.held;
		counted->seats_reserved += row.reserved;
	}
	return true;
}

static void end_schedule(struct counted *counted)
{
	const struct judging *judging = counted->judging;
	struct schedules_row row;
	struct slice id = key_slice(&counted->schedule_id);
	uint64_t *seats = counted->of_schedule;
	if (id.size && schedules_get(judging->view, schedules_key(id), &row)) {
		hold(judging, "seats held", id, row.held, seats[SEAT_STATUS_HELD]);
		hold(judging, "seats reserved", id, row.reserved, seats[SEAT_STATUS_RESERVED]);
		hold(judging, "seats", id, row.total,
		     seats[SEAT_STATUS_AVAILABLE] + seats[SEAT_STATUS_HELD] + seats[SEAT_STATUS_RESERVED]);
	}
	memset(counted->of_schedule, 0, sizeof counted->of_schedule);
}

static bool count_seat(void *context, struct slice key, struct slice value)
{
	struct counted *counted = context;
	struct seats_key parts;
	struct seats_row row;
	if (!seats_key_read(key, &parts) || !seats_read(counted->judging->view, key, value, &row))
		return false;
	if (!slice_equal(parts.schedule_id, key_slice(&counted->schedule_id))) {
		end_schedule(counted);
		counted->schedule_id.size = 0;
		key_add_bytes(&counted->schedule_id, parts.schedule_id);
	}
	if (row.status <= SEAT_STATUS_RESERVED)
		counted->of_schedule[row.status]++;
	return true;
}

static bool count_reservation(void *context, struct slice key, struct slice value)
{
	struct counted *counted = context;
	struct view *view = counted->judging->view;
	struct reservations_row row;
	if (!reservations_read(view, key, value, &row))
		return false;
	if (row.status <= RESERVATION_STATUS_CANCELLED)
		counted->reservations[row.status]++;
	arena_reset(view->arena);
	return true;
}

static bool count_payment(void *context, struct slice key, struct slice value)
{
	struct counted *counted = context;
	struct payments_row row;
	if (!payments_read(counted->judging->view, key, value, &row))
		return false;
	counted->payments += row.status == PAYMENT_STATUS_SUCCESS;
	return true;
}

static void count(struct counted *counted, enum table_id table, store_visit_fn *visit)
{
	view_scan(counted->judging->view, table, SLICE_EMPTY, SLICE_EMPTY, false, visit, counted);
}

static void hold_points(const struct judging *judging, const struct counted *counted)
{
	struct totals_row totals;
	totals_load(judging->view, &totals);
	hold(judging, "totals: balances", SLICE_EMPTY, totals.balances,
	     counted->lots_total + counted->held - counted->debt);
	hold(judging, "totals: held", SLICE_EMPTY, totals.held, counted->held);
	hold(judging, "totals: debt", SLICE_EMPTY, totals.debt, counted->debt);
	hold(judging, "totals: accounts", SLICE_EMPTY, totals.accounts, counted->accounts);
	hold(judging, "sum of all lots", SLICE_EMPTY, counted->lots_total, counted->row_lots + counted->table_lots);
	hold(judging, "lots beside the accounts' rows", SLICE_EMPTY, counted->more_lots, counted->table_rows);
}

static void hold_seats(const struct judging *judging, const struct counted *counted)
{
	struct seat_totals_row totals;
	if (!seat_totals_get(judging->view, seat_totals_key(0), &totals))
		totals = (struct seat_totals_row){0};
	const uint64_t *reservations = counted->reservations;
	hold(judging, "totals: seats", SLICE_EMPTY, totals.total, counted->seats);
	hold(judging, "totals: seats held", SLICE_EMPTY, totals.held, counted->seats_held);
	hold(judging, "totals: seats reserved", SLICE_EMPTY, totals.reserved, counted->seats_reserved);
	hold(judging, "totals: HELD", SLICE_EMPTY, totals.reservations_held, reservations[RESERVATION_STATUS_HELD]);
	hold(judging, "totals: CONFIRMED", SLICE_EMPTY, totals.reservations_confirmed,
	     reservations[RESERVATION_STATUS_CONFIRMED]);
	hold(judging, "totals: EXPIRED", SLICE_EMPTY, totals.reservations_expired,
	     reservations[RESERVATION_STATUS_EXPIRED]);
	hold(judging, "totals: CANCELLED", SLICE_EMPTY, totals.reservations_cancelled,
	     reservations[RESERVATION_STATUS_CANCELLED]);
	hold(judging, "payments that stand = CONFIRMED", SLICE_EMPTY, counted->payments,
	     reservations[RESERVATION_STATUS_CONFIRMED]);
}

void laws_of_state(struct recheck *recheck, struct view *view, const struct entry *entry)
{
	struct judging judging = {recheck, view, entry};
	struct counted counted = {.judging = &judging};
	count(&counted, BALANCES_ACCOUNTS, count_account);
	count(&counted, BALANCES_LOTS, count_lot);
	count(&counted, SEATS_SCHEDULES, count_schedule);
	count(&counted, SEATS_SEATS, count_seat);
	end_schedule(&counted);
	count(&counted, SEATS_RESERVATIONS, count_reservation);
	count(&counted, SEATS_PAYMENTS, count_payment);
	hold_points(&judging, &counted);
	hold_seats(&judging, &counted);
}
