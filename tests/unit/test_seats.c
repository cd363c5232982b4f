/* The rules of concerts, schedules, reservations and payments: each command's refusals in their order, and what it
 * leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/decide/seats.h"
#include "engine/read/read.h"
#include "schemas/wire/time.h"
#include "tests/support/seats_world.h"

enum { ACCEPTED = WORLD_ACCEPTED };

#define SHOW (WORLD_START + 30 * DAY)
#define ANY NONE_I64

static int set_up(void **state)
{
	struct world *world = malloc(sizeof *world);
	world_init(world);
	world->after_entry = world_check;
	assert_int_equal(world_concert(world, "c"), ACCEPTED);
	assert_int_equal(world_schedule(world, "s", "c", SHOW, NONE_TIME, NONE_TIME, 6, true), ACCEPTED);
	assert_int_equal(world_charge(world, "rich", 100000), ACCEPTED);
	assert_int_equal(world_charge(world, "poor", 1000), ACCEPTED);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	world_release(*state);
	free(*state);
	return 0;
}

static uint64_t held(struct world *world, const char *user, const char *schedule, uint32_t seat_no)
{
	assert_int_equal(world_hold_one(world, user, schedule, seat_no), ACCEPTED);
	return world->last;
}

static uint64_t paid(struct world *world, const char *user, const char *schedule, uint32_t seat_no)
{
	uint64_t reservation_id = held(world, user, schedule, seat_no);
	assert_int_equal(world_pay(world, user, reservation_id, ANY), ACCEPTED);
	return reservation_id;
}

static struct schedules_row schedule_row(struct world *world, const char *schedule)
{
	struct schedules_row row;
	assert_true(schedules_get(world->view, schedules_key(slice_text(schedule)), &row));
	return row;
}

static struct reservations_row reservation_row(struct world *world, uint64_t reservation_id)
{
	struct reservations_row row;
	assert_true(reservations_get(world->view, reservations_key(reservation_id), &row));
	return row;
}

static int64_t balance_of(struct world *world, const char *user)
{
	struct accounts_row row;
	return accounts_get(world->view, accounts_key(slice_text(user)), &row) ? row.lots_total + row.held - row.debt
									       : 0;
}

static uint8_t seat_status(struct world *world, const char *schedule, uint32_t seat_no)
{
	struct seats_row row;
	assert_true(seats_get(world->view, seats_key(slice_text(schedule), seat_no), &row));
	return row.status;
}

/* ---- reservation.create ---- */

/* Schedules that are closed in one way each: cancelling (seat 1 taken), late (window closed, seat 1 taken), early, s (1
 * taken). */
static void make_closed_schedules(struct world *world)
{
	assert_int_equal(world_schedule(world, "cancelling", "c", SHOW, NONE_TIME, WORLD_START + 10 * SECOND, 6, false),
			 ACCEPTED);
	assert_int_equal(world_schedule(world, "late", "c", SHOW, NONE_TIME, WORLD_START + 10 * SECOND, 6, false),
			 ACCEPTED);
	assert_int_equal(world_schedule(world, "early", "c", SHOW, WORLD_START + DAY, NONE_TIME, 6, false), ACCEPTED);
	held(world, "poor", "cancelling", 1);
	held(world, "poor", "late", 1);
	held(world, "poor", "s", 1);
	assert_int_equal(world_cancel_schedule(world, "cancelling"), ACCEPTED);
	world->now += 10 * SECOND;
}

/* Each request breaks the rule that is named and the ones below it. */
static void refuses_a_reservation_in_the_order_of_the_contract(void **state)
{
	static const struct {
		const char *schedule;
		uint32_t count, seat_nos[6];
		int expected;
	} cases[] = {
		{"none", 6, {1, 2, 3, 4, 5, 99}, CODE_SCHEDULE_NOT_FOUND},
		{"cancelling", 6, {1, 2, 3, 4, 5, 99}, CODE_SEAT_NOT_FOUND},
		{"cancelling", 5, {1, 2, 3, 4, 5}, CODE_SCHEDULE_CANCELLED},
		{"late", 5, {1, 2, 3, 4, 5}, CODE_BOOKING_CLOSED},
		{"early", 5, {1, 2, 3, 4, 5}, CODE_BOOKING_CLOSED},
		{"s", 5, {1, 2, 3, 4, 5}, CODE_SEAT_ALREADY_RESERVED},
		{"s", 5, {2, 3, 4, 5, 6}, CODE_SEAT_LIMIT},
		{"s", 3, {2, 3, 3}, CODE_VALIDATION_ERROR},
		{"s", 3, {4, 3, 2}, CODE_VALIDATION_ERROR},
		{"s", 4, {2, 3, 4, 5}, ACCEPTED},
	};
	struct world *world = *state;
	make_closed_schedules(world);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(world_hold(world, "rich", cases[i].schedule, cases[i].count, cases[i].seat_nos),
				 cases[i].expected);
}

/* All seats or none; the price is the seats'; the answer is the contract's, to the byte. */
static void holds_all_seats_or_none(void **state)
{
	struct world *world = *state;
	held(world, "poor", "s", 2);
	assert_int_equal(world_hold(world, "rich", "s", 2, (uint32_t[]){1, 2}), CODE_SEAT_ALREADY_RESERVED);
	assert_int_equal(world->decision.facts.count, 1);
	assert_int_equal(world->decision.facts.at[0].numbers.count, 1);
	assert_int_equal(world->decision.facts.at[0].numbers.at[0], 2);
	assert_int_equal(seat_status(world, "s", 1), SEAT_STATUS_AVAILABLE);
	assert_int_equal(world_hold(world, "rich", "s", 3, (uint32_t[]){1, 3, 6}), ACCEPTED);
	assert_int_equal(world->reply_status, 201);
	assert_string_equal(
		buffer_text(&world->reply),
		"{\"reservationId\":\"reservation-6\",\"userId\":\"rich\",\"scheduleId\":\"s\",\"concertId\":\"c\","
		"\"seatNos\":[1,3,6],\"price\":4000,\"status\":\"HELD\",\"createdAt\":\"2026-03-02T00:00:00.000Z\","
		"\"expiresAt\":\"2026-03-02T00:05:00.000Z\"}");
}

/* Held and confirmed seats count towards the limit of a user; cancelled ones do not, and neither do holds that are
 * over. */
static void limits_seats_per_user(void **state)
{
	struct world *world = *state;
	world->policy.seats_per_user_per_schedule = 2;
	paid(world, "rich", "s", 1);
	uint64_t second = held(world, "rich", "s", 2);
	assert_int_equal(world_hold_one(world, "rich", "s", 3), CODE_SEAT_LIMIT);
	assert_int_equal(world_fact(world, FACT_NAME_HELD), 2);
	assert_int_equal(world_cancel(world, second, "rich"), ACCEPTED);
	held(world, "rich", "s", 3);
	world->now += 300 * SECOND;
	assert_int_equal(world_hold_one(world, "rich", "s", 4), ACCEPTED);
}

/* With queueRequired the waiting room's door comes after existence and before the schedule's state; paying ends the
 * token. */
static void asks_for_an_active_token(void **state)
{
	struct world *world = *state;
	struct command enter = {.type = COMMAND_QUEUE_ENTER}, hold = {.type = COMMAND_RESERVATION_CREATE};
	struct tokens_row token;
	char shown[REFERENCE_TEXT_MAX];
	uint32_t seat_no = 99;
	make_closed_schedules(world);
	enter.queue_enter = (struct queue_enter){SLICE("rich"), SLICE("default")};
	assert_int_equal(world_run(world, &enter), ACCEPTED);
	uint64_t token_id = world->last;
	size_t size = reference_text(shown, "tok", token_id);
	world->policy.queue_required = true;
	assert_int_equal(world_hold_one(world, "rich", "none", 1), CODE_TOKEN_REQUIRED);
	hold.reservation_create =
		(struct reservation_create){SLICE("poor"), SLICE("cancelling"), {&seat_no, 1}, slice_of(shown, size)};
	assert_int_equal(world_run(world, &hold), CODE_SEAT_NOT_FOUND);
	seat_no = 2;
	assert_int_equal(world_run(world, &hold), CODE_QUEUE_NOT_ACTIVE);
	hold.reservation_create.user_id = SLICE("rich");
	assert_int_equal(world_run(world, &hold), CODE_SCHEDULE_CANCELLED);
	hold.reservation_create.schedule_id = SLICE("s");
	assert_int_equal(world_run(world, &hold), ACCEPTED);
	assert_int_equal(world_pay(world, "rich", world->last, ANY), ACCEPTED);
	assert_true(tokens_get(world->view, tokens_key(token_id), &token));
	assert_int_equal(token.status, TOKEN_STATUS_EXPIRED);
	assert_int_equal(token.reason, TOKEN_END_PAID);
	seat_no = 3;
	assert_int_equal(world_run(world, &hold), CODE_QUEUE_NOT_ACTIVE);
}

/* ---- expiry ---- */

/* A hold lives until just before expires_at; at that instant it is over, for its owner as for everybody else. */
static void expires_holds_at_their_instant(void **state)
{
	struct world *world = *state;
	uint64_t first = held(world, "rich", "s", 1), second = held(world, "rich", "s", 2),
		 third = held(world, "rich", "s", 3);
	world->now += 300 * SECOND - 1;
	assert_int_equal(world_hold_one(world, "poor", "s", 1), CODE_SEAT_ALREADY_RESERVED);
	assert_int_equal(world_pay(world, "rich", third, ANY), ACCEPTED);
	assert_int_equal(world_sweep(world, 10), 0);
	world->now += 1;
	assert_int_equal(world_hold_one(world, "poor", "s", 1), ACCEPTED);
	assert_int_equal(world_pay(world, "rich", first, ANY), CODE_RESERVATION_EXPIRED);
	assert_int_equal(world_pay(world, "rich", second, ANY), CODE_RESERVATION_EXPIRED);
	assert_int_equal(world_cancel(world, second, NULL), CODE_RESERVATION_NOT_ACTIVE);
	assert_int_equal(reservation_row(world, first).status, RESERVATION_STATUS_EXPIRED);
	assert_int_equal(world_sweep(world, 10), 0);
	assert_int_equal(balance_of(world, "rich"), 97000);
}

/* The sweep takes what is due, earliest first, and says when it will be wanted again. */
static void sweeps_what_is_due(void **state)
{
	struct world *world = *state;
	uint64_t first = held(world, "rich", "s", 1);
	world->now += SECOND;
	uint64_t second = held(world, "rich", "s", 2);
	assert_int_equal(due_when(world->view, world->now), WORLD_START + 300 * SECOND);
	world->now = WORLD_START + 300 * SECOND;
	assert_int_equal(world_sweep(world, 10), 1);
	assert_int_equal(reservation_row(world, first).status, RESERVATION_STATUS_EXPIRED);
	assert_int_equal(reservation_row(world, second).status, RESERVATION_STATUS_HELD);
	assert_int_equal(due_when(world->view, world->now), WORLD_START + 301 * SECOND);
}

/* ---- payment.create ---- */

/* One reservation after another, each broken in the way that is named and in those below it that can go with it. */
static void refuses_a_payment_in_the_order_of_the_contract(void **state)
{
	struct world *world = *state;
	assert_int_equal(world_schedule(world, "cancelling", "c", SHOW, NONE_TIME, NONE_TIME, 3, false), ACCEPTED);
	uint64_t cancelled = held(world, "poor", "s", 2), expired = held(world, "poor", "s", 3);
	uint64_t confirmed = paid(world, "poor", "s", 1);
	assert_int_equal(world_cancel(world, cancelled, NULL), ACCEPTED);
	world->now += 300 * SECOND;
	uint64_t open = held(world, "poor", "s", 4), closing = held(world, "poor", "cancelling", 2);
	assert_int_equal(world_cancel_schedule(world, "cancelling"), ACCEPTED);
	struct {
		const char *user;
		uint64_t reservation_id;
		int64_t amount;
		int expected;
	} cases[] = {
		{"rich", 9999, 1, CODE_RESERVATION_NOT_FOUND},
		{"rich", cancelled, 1, CODE_NOT_YOUR_RESERVATION},
		{"rich", confirmed, 1, CODE_NOT_YOUR_RESERVATION},
		{"rich", expired, 1, CODE_NOT_YOUR_RESERVATION},
		{"poor", cancelled, 1, CODE_RESERVATION_NOT_ACTIVE},
		{"poor", confirmed, 1, CODE_PAYMENT_CONFLICT},
		{"poor", expired, 1, CODE_RESERVATION_EXPIRED},
		{"poor", closing, 1, CODE_SCHEDULE_CANCELLED},
		{"poor", open, 1, CODE_AMOUNT_MISMATCH},
		{"poor", open, 4000, CODE_INSUFFICIENT_POINTS},
		{"poor", open, ANY, CODE_INSUFFICIENT_POINTS},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(world_pay(world, cases[i].user, cases[i].reservation_id, cases[i].amount),
				 cases[i].expected);
	assert_int_equal(world_fact(world, FACT_NAME_BALANCE), 0);
	assert_int_equal(world_fact(world, FACT_NAME_AVAILABLE), 0);
	assert_int_equal(world_fact(world, FACT_NAME_REQUIRED), 4000);
	world_sweep(world, 100);
	assert_int_equal(world_pay(world, "poor", closing, ANY), CODE_RESERVATION_NOT_ACTIVE);
}

/* Paying uses the points and sells the seats in one entry; a second time it is a conflict and costs nothing. */
static void pays_once(void **state)
{
	struct world *world = *state;
	uint64_t reservation_id = held(world, "rich", "s", 2);
	assert_int_equal(world_pay(world, "rich", reservation_id, 2000), ACCEPTED);
	assert_string_equal(
		buffer_text(&world->reply),
		"{\"paymentId\":\"payment-5\",\"reservationId\":\"reservation-4\",\"userId\":\"rich\",\"amount\":2000,"
		"\"status\":\"SUCCESS\",\"paidAt\":\"2026-03-02T00:00:00.000Z\",\"remainingBalance\":98000,"
		"\"useId\":\"use-5\"}");
	for (int i = 0; i < 4; i++)
		assert_int_equal(world_pay(world, "rich", reservation_id, ANY), CODE_PAYMENT_CONFLICT);
	struct command refund = {.type = COMMAND_POINTS_REFUND};
	refund.points_refund = (struct points_refund){5, NONE_I64};
	assert_int_equal(world_run(world, &refund), CODE_USE_BELONGS_TO_PAYMENT);
	assert_int_equal(balance_of(world, "rich"), 98000);
	assert_int_equal(seat_status(world, "s", 2), SEAT_STATUS_RESERVED);
	world->now += 301 * SECOND;
	assert_int_equal(world_sweep(world, 10), 0);
}

/* What costs nothing is paid without points, even by somebody who never had any, and gives nothing back. */
static void pays_nothing_without_points(void **state)
{
	struct world *world = *state;
	uint64_t reservation_id = held(world, "nobody", "s", 6);
	assert_int_equal(world_pay(world, "nobody", reservation_id, 0), ACCEPTED);
	assert_non_null(strstr(buffer_text(&world->reply), "\"amount\":0,"));
	assert_non_null(strstr(buffer_text(&world->reply), "\"remainingBalance\":0,\"useId\":null}"));
	assert_int_equal(world_cancel(world, reservation_id, "nobody"), ACCEPTED);
	assert_int_equal(balance_of(world, "nobody"), 0);
}

/* Of five payments of 2,000 from 5,000 points two succeed and 1,000 stay. */
static void spends_no_more_than_there_is(void **state)
{
	struct world *world = *state;
	assert_int_equal(world_charge(world, "five", 5000), ACCEPTED);
	unsigned accepted = 0;
	for (uint32_t i = 0; i < 5; i++) {
		char schedule[8] = {'t', (char)('0' + i)};
		assert_int_equal(world_schedule(world, schedule, "c", SHOW, NONE_TIME, NONE_TIME, 2, false), ACCEPTED);
		uint64_t reservation_id = held(world, "five", schedule, 2);
		accepted += world_pay(world, "five", reservation_id, ANY) == ACCEPTED;
	}
	assert_int_equal(accepted, 2);
	assert_int_equal(balance_of(world, "five"), 1000);
}

/* ---- cancelling ---- */

/* Each cancellation breaks the rule that is named and those below it. */
static void refuses_a_cancellation_in_the_order_of_the_contract(void **state)
{
	struct world *world = *state;
	assert_int_equal(world_schedule(world, "past", "c", WORLD_START + SECOND, NONE_TIME, NONE_TIME, 3, false),
			 ACCEPTED);
	uint64_t gone = held(world, "rich", "past", 1), started = paid(world, "rich", "past", 2);
	uint64_t payment_id = world->last, open = held(world, "rich", "past", 3);
	assert_int_equal(world_cancel(world, gone, "rich"), ACCEPTED);
	world->now += SECOND;
	assert_int_equal(world_cancel(world, 9999, "poor"), CODE_RESERVATION_NOT_FOUND);
	assert_int_equal(world_cancel(world, gone, "poor"), CODE_NOT_YOUR_RESERVATION);
	assert_int_equal(world_cancel(world, started, "poor"), CODE_NOT_YOUR_RESERVATION);
	assert_int_equal(world_cancel(world, gone, "rich"), CODE_RESERVATION_NOT_ACTIVE);
	assert_int_equal(world_cancel(world, started, "rich"), CODE_REFUND_CLOSED);
	assert_int_equal(world_cancel_payment(world, 9999), CODE_PAYMENT_NOT_FOUND);
	assert_int_equal(world_cancel_payment(world, payment_id), CODE_REFUND_CLOSED);
	assert_int_equal(world_cancel(world, open, NULL), ACCEPTED);
	assert_string_equal(
		buffer_text(&world->reply),
		"{\"reservationId\":\"reservation-8\",\"status\":\"CANCELLED\",\"refundAmount\":0,\"fee\":0}");
}

/* Calendar days in Seoul decide the share, rounded down; soon after the payment all comes back while three days remain.
 */
static void refunds_by_the_table(void **state)
{
	/* The show: 2026-03-21 at 00:00 in Seoul. `days` and `before` say when: so many days before, then so long after
	 * midnight. */
	static const struct {
		int64_t days, after_midnight;
		int64_t within; /* refundFullWithinSeconds */
		int64_t refund; /* of 999 */
	} cases[] = {
		{10, 0, 0, 999},       {10, DAY - 1, 0, 999}, {9, 0, 0, 899}, {7, DAY - 1, 0, 899},
		{6, 0, 0, 799},        {3, DAY - 1, 0, 799},  {2, 0, 0, 699}, {1, DAY - 1, 0, 699},
		{3, DAY - 1, 60, 999}, {2, 0, 60, 699},
	};
	struct world *world = *state;
	struct seat seat = {.seat_no = 1, .price = 999};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char schedule[8] = {'r', (char)('0' + i)};
		int32_t show_day = zone_day_of(world->zone, WORLD_START) + 19 + 100 * (int32_t)i;
		struct command command = {.type = COMMAND_SCHEDULE_CREATE};
		command.schedule_create = (struct schedule_create){
			slice_text(schedule), SLICE("c"), -(int64_t)show_day - 1, NONE_TIME, NONE_TIME,
			SLICE_EMPTY,          {&seat, 1}};
		assert_int_equal(world_run(world, &command), ACCEPTED);
		world->policy.refund_full_within_seconds = (uint32_t)cases[i].within;
		world->now = zone_day_start(world->zone, show_day) - cases[i].days * DAY + cases[i].after_midnight;
		int64_t before = balance_of(world, "rich");
		uint64_t reservation_id = paid(world, "rich", schedule, 1);
		assert_int_equal(world_cancel(world, reservation_id, "rich"), ACCEPTED);
		assert_int_equal(before - balance_of(world, "rich"), 999 - cases[i].refund);
		assert_int_equal(reservation_row(world, reservation_id).fee, 999 - cases[i].refund);
	}
}

/* The time since the payment counts, up to and with the last instant. */
static void refunds_in_full_soon_after_the_payment(void **state)
{
	struct world *world = *state;
	world->now = SHOW - 5 * DAY;
	uint64_t first = paid(world, "rich", "s", 1), second = paid(world, "rich", "s", 2);
	world->now += 86400 * SECOND;
	assert_int_equal(world_cancel(world, first, NULL), ACCEPTED);
	assert_int_equal(reservation_row(world, first).refund_amount, 1000);
	world->now += 1;
	assert_int_equal(world_cancel(world, second, NULL), ACCEPTED);
	assert_int_equal(reservation_row(world, second).refund_amount, 1600);
}

/* Cancelling a payment is cancelling its reservation; afterwards neither can be cancelled again, and the seat is free.
 */
static void cancels_a_payment_with_its_reservation(void **state)
{
	struct world *world = *state;
	uint64_t reservation_id = paid(world, "rich", "s", 3), payment_id = world->last;
	assert_int_equal(world_cancel_payment(world, payment_id), ACCEPTED);
	assert_string_equal(buffer_text(&world->reply),
			    "{\"paymentId\":\"payment-5\",\"reservationId\":\"reservation-4\","
			    "\"status\":\"CANCELLED\",\"refundAmount\":3000,\"fee\":0}");
	assert_int_equal(world_cancel_payment(world, payment_id), CODE_PAYMENT_CANCELLED);
	assert_int_equal(world_cancel(world, reservation_id, NULL), CODE_RESERVATION_NOT_ACTIVE);
	assert_int_equal(balance_of(world, "rich"), 100000);
	held(world, "poor", "s", 3);
}

/* ---- schedules ---- */

/* Each request breaks the rule that is named and those below it. */
static void refuses_changes_of_schedules_in_order(void **state)
{
	struct world *world = *state;
	struct command update = {.type = COMMAND_SCHEDULE_UPDATE};
	update.schedule_update = (struct schedule_update){SLICE("none"), NONE_I64, NONE_TIME, NONE_TIME};
	assert_int_equal(world_concert(world, "c"), CODE_CONCERT_EXISTS);
	assert_int_equal(world_schedule(world, "s", "none", SHOW, NONE_TIME, NONE_TIME, 1, false),
			 CODE_CONCERT_NOT_FOUND);
	assert_int_equal(world_schedule(world, "s", "c", SHOW, NONE_TIME, NONE_TIME, 1, false), CODE_SCHEDULE_EXISTS);
	assert_int_equal(world_run(world, &update), CODE_VALIDATION_ERROR);
	update.schedule_update.booking_opens_at = WORLD_START;
	assert_int_equal(world_run(world, &update), CODE_SCHEDULE_NOT_FOUND);
	assert_int_equal(world_add_seats(world, "none", 1, 1), CODE_SCHEDULE_NOT_FOUND);
	assert_int_equal(world_add_seats(world, "s", 6, 2), CODE_SEAT_EXISTS);
	assert_int_equal(world_add_seats(world, "s", 7, 2), ACCEPTED);
	assert_string_equal(buffer_text(&world->reply), "{\"scheduleId\":\"s\",\"addedSeats\":2,\"totalSeats\":8}");
	paid(world, "rich", "s", 1);
	assert_int_equal(world_add_seats(world, "s", 6, 2), CODE_SALES_STARTED);
	assert_int_equal(world_cancel_schedule(world, "none"), CODE_SCHEDULE_NOT_FOUND);
	assert_int_equal(world_cancel_schedule(world, "s"), ACCEPTED);
	assert_int_equal(world_add_seats(world, "s", 6, 2), CODE_SCHEDULE_CANCELLED);
	update.schedule_update.schedule_id = SLICE("s");
	assert_int_equal(world_run(world, &update), CODE_SCHEDULE_CANCELLED);
}

/* A change sets what it names and leaves the rest; a day is its start in the policy's zone. */
static void changes_dates_and_windows(void **state)
{
	struct world *world = *state;
	struct command update = {.type = COMMAND_SCHEDULE_UPDATE};
	update.schedule_update = (struct schedule_update){
		SLICE("s"), -(int64_t)day_of_civil((struct civil){2026, 5, 1}) - 1, NONE_TIME, WORLD_START + DAY};
	assert_int_equal(world_run(world, &update), ACCEPTED);
	assert_string_equal(
		buffer_text(&world->reply),
		"{\"scheduleId\":\"s\",\"concertDate\":\"2026-04-30T15:00:00.000Z\",\"bookingOpensAt\":null,"
		"\"bookingClosesAt\":\"2026-03-03T00:00:00.000Z\"}");
	update.schedule_update = (struct schedule_update){SLICE("s"), NONE_I64, WORLD_START, NONE_TIME};
	assert_int_equal(world_run(world, &update), ACCEPTED);
	assert_non_null(strstr(buffer_text(&world->reply), "2026-04-30T15:00:00.000Z"));
	assert_non_null(strstr(buffer_text(&world->reply), "2026-03-03T00:00:00.000Z"));
}

/* The doors close at once; then one reservation an entry ends, in order of seats, paid ones refunded in full. */
static void cancels_a_schedule_step_by_step(void **state)
{
	struct world *world = *state;
	uint64_t own = paid(world, "rich", "s", 2);
	assert_int_equal(world_hold(world, "rich", "s", 2, (uint32_t[]){1, 4}), ACCEPTED);
	uint64_t hold = world->last, later = paid(world, "rich", "s", 5);
	world->now = SHOW + DAY;
	world_sweep(world, 10);
	assert_int_equal(reservation_row(world, hold).status, RESERVATION_STATUS_EXPIRED);
	uint64_t open = held(world, "poor", "s", 3);
	assert_int_equal(world_cancel_schedule(world, "s"), ACCEPTED);
	assert_string_equal(buffer_text(&world->reply),
			    "{\"scheduleId\":\"s\",\"status\":\"CANCELLING\",\"remaining\":3}");
	assert_int_equal(world->reply_status, 202);
	assert_int_equal(world_cancel_schedule(world, "s"), WORLD_READ);
	assert_int_equal(due_when(world->view, world->now), world->now);
	assert_int_equal(world_sweep(world, 1), 1);
	assert_int_equal(reservation_row(world, own).status, RESERVATION_STATUS_CANCELLED);
	assert_int_equal(reservation_row(world, open).status, RESERVATION_STATUS_HELD);
	assert_int_equal(schedule_row(world, "s").live_reservations, 2);
	assert_int_equal(world_cancel(world, later, "rich"), ACCEPTED);
	assert_int_equal(world_sweep(world, 10), 2);
	assert_int_equal(schedule_row(world, "s").status, SCHEDULE_STATUS_CANCELLED);
	assert_int_equal(balance_of(world, "rich"), 100000);
	assert_int_equal(balance_of(world, "poor"), 1000);
	assert_int_equal(world_cancel_schedule(world, "s"), WORLD_READ);
	assert_int_equal(due_when(world->view, world->now), 0);
}

/* Lists of seats are put into order, and a number that stands twice is found. */
static void puts_seats_into_order(void **state)
{
	(void)state;
	uint32_t numbers[] = {3, 1, 2}, again[] = {3, 1, 3}, twice = 0;
	struct seat seats[] = {{.seat_no = 9}, {.seat_no = 4}};
	struct command command = {.type = COMMAND_RESERVATION_CREATE};
	command.reservation_create.seat_nos = (struct u32_list){numbers, 3};
	assert_true(seats_canonical(&command, &twice));
	assert_true(numbers[0] == 1 && numbers[1] == 2 && numbers[2] == 3);
	command.reservation_create.seat_nos = (struct u32_list){again, 3};
	assert_false(seats_canonical(&command, &twice));
	assert_int_equal(twice, 3);
	command.type = COMMAND_SCHEDULE_ADD_SEATS;
	command.schedule_add_seats = (struct schedule_add_seats){SLICE("s"), {seats, 2}};
	assert_true(seats_canonical(&command, &twice));
	assert_int_equal(seats[0].seat_no, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(refuses_a_reservation_in_the_order_of_the_contract),
		TEST(holds_all_seats_or_none),
		TEST(limits_seats_per_user),
		TEST(asks_for_an_active_token),
		TEST(expires_holds_at_their_instant),
		TEST(sweeps_what_is_due),
		TEST(refuses_a_payment_in_the_order_of_the_contract),
		TEST(pays_once),
		TEST(pays_nothing_without_points),
		TEST(spends_no_more_than_there_is),
		TEST(refuses_a_cancellation_in_the_order_of_the_contract),
		TEST(refunds_by_the_table),
		TEST(refunds_in_full_soon_after_the_payment),
		TEST(cancels_a_payment_with_its_reservation),
		TEST(refuses_changes_of_schedules_in_order),
		TEST(changes_dates_and_windows),
		TEST(cancels_a_schedule_step_by_step),
		cmocka_unit_test(puts_seats_into_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
