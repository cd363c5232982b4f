/* The projection of seats: what contradicts the state is poison; and the reads, to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/read/read.h"
#include "schemas/wire/time.h"
#include "tests/support/seats_world.h"

enum { ACCEPTED = WORLD_ACCEPTED };

#define SHOW (WORLD_START + 30 * DAY)

/* Concert c, schedule s of six seats; reservation 3 (rich: 1, 2) is held, 4 (rich: 3) is paid by 5. */
static int set_up(void **state)
{
	struct world *world = malloc(sizeof *world);
	world_init(world);
	assert_int_equal(world_concert(world, "c"), ACCEPTED);
	assert_int_equal(world_schedule(world, "s", "c", SHOW, NONE_TIME, NONE_TIME, 6, true), ACCEPTED);
	assert_int_equal(world_charge(world, "rich", 100000), ACCEPTED);
	assert_int_equal(world_hold(world, "rich", "s", 2, (uint32_t[]){1, 2}), ACCEPTED);
	assert_int_equal(world_hold_one(world, "rich", "s", 3), ACCEPTED);
	assert_int_equal(world_pay(world, "rich", 4, NONE_I64), ACCEPTED);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	world_release(*state);
	free(*state);
	return 0;
}

/* ---- poison ---- */

static uint32_t one[] = {1}, two[] = {1, 2}, third[] = {3}, fourth[] = {4}, ninth[] = {9};

#define SEATS_OF(numbers) ((struct u32_list){numbers, sizeof(numbers) / sizeof *(numbers)})

static struct event created(struct u32_list seat_nos, int64_t price)
{
	struct event event = {.type = EVENT_RESERVATION_CREATED, .version = 1};
	event.reservation_created = (struct reservation_created){6,        SLICE("poor"), SLICE("s"), SLICE("c"),
								 seat_nos, price,         SHOW,       SLICE_EMPTY};
	return event;
}

static struct event confirmed(uint64_t reservation_id, struct u32_list seat_nos, int64_t price, uint64_t payment_id)
{
	struct event event = {.type = EVENT_RESERVATION_CONFIRMED, .version = 1};
	event.reservation_confirmed = (struct reservation_confirmed){
		reservation_id, SLICE("rich"), SLICE("s"), seat_nos, price, payment_id, 20000};
	return event;
}

static struct event expired(uint64_t reservation_id, struct u32_list seat_nos, int64_t price)
{
	struct event event = {.type = EVENT_RESERVATION_EXPIRED, .version = 1};
	event.reservation_expired = (struct reservation_expired){
		reservation_id, SLICE("rich"), SLICE("s"), seat_nos, price, WORLD_START + 300 * SECOND};
	return event;
}

static struct event cancelled(uint64_t reservation_id, struct u32_list seat_nos, int64_t price, uint64_t payment_id)
{
	struct event event = {.type = EVENT_RESERVATION_CANCELLED, .version = 1};
	event.reservation_cancelled = (struct reservation_cancelled){
		.reservation_id = reservation_id,
		.user_id = SLICE("rich"),
		.schedule_id = SLICE("s"),
		.seat_nos = seat_nos,
		.price = price,
		.reason = CANCEL_REASON_USER_REQUEST,
		.payment_id = payment_id,
		.confirmed_day = NONE_DAY,
	};
	return event;
}

static struct event completed(uint64_t reservation_id, int64_t amount)
{
	struct event event = {.type = EVENT_PAYMENT_COMPLETED, .version = 1};
	event.payment_completed = (struct payment_completed){
		6, reservation_id, SLICE("rich"), SLICE("s"), SEATS_OF(two), amount, NONE_I64, 6, 0};
	return event;
}

static struct event taken_back(uint64_t payment_id, uint64_t reservation_id)
{
	struct event event = {.type = EVENT_PAYMENT_CANCELLED, .version = 1};
	event.payment_cancelled = (struct payment_cancelled){
		payment_id, reservation_id, SLICE("rich"), SLICE("s"), SEATS_OF(third), 3000, 0};
	return event;
}

static struct event of_schedule(enum event_type type)
{
	struct event event = {.type = type, .version = 1};
	if (type == EVENT_CONCERT_SCHEDULE_CANCELLING)
		event.concert_schedule_cancelling = (struct concert_schedule_cancelling){SLICE("s"), SLICE("why"), 1};
	else
		event.concert_schedule_cancelled.schedule_id = SLICE("s");
	return event;
}

static struct event concert_again(void)
{
	struct event event = {.type = EVENT_CONCERT_CREATED, .version = 1};
	event.concert_created = (struct concert_created){SLICE("c"), SLICE("again")};
	return event;
}

/* An entry that contradicts the state is poison, and the sentence says what it contradicts. */
static void tells_poison(void **state)
{
	struct {
		struct event events[2];
		uint32_t count;
		const char *sentence;
	} cases[] = {
		{{concert_again()}, 1, "there is a concert \"c\" already"},
		{{created(SEATS_OF(one), 1000)}, 1, "seat 1 of schedule \"s\" is HELD"},
		{{created(SEATS_OF(third), 3000)}, 1, "seat 3 of schedule \"s\" is RESERVED"},
		{{created(SEATS_OF(ninth), 1000)}, 1, "has no seat 9"},
		{{created(SEATS_OF(fourth), 1)}, 1, "cost 4000, not 1"},
		{{created((struct u32_list){0}, 0)}, 1, "without seats"},
		{{confirmed(3, SEATS_OF(two), 3000, 6)}, 1, "by a payment that is not its own"},
		{{confirmed(3, SEATS_OF(two), 3000, 5)}, 1, "by a payment that is not its own"},
		{{confirmed(4, SEATS_OF(third), 3000, 5)}, 1, "reservation 4 is CONFIRMED already"},
		{{confirmed(3, SEATS_OF(one), 3000, 6)}, 1, "has another user, schedule, seats or price"},
		{{confirmed(2, SEATS_OF(one), 3000, 6)}, 1, "there is no reservation 2"},
		{{completed(3, 3000)}, 1, "stand in one entry"},
		{{completed(4, 3000)}, 1, "reservation 4 is CONFIRMED"},
		{{completed(3, 1)}, 1, "another user or price"},
		{{expired(3, SEATS_OF(two), 3000)}, 1, "was not due"},
		{{expired(4, SEATS_OF(third), 3000)}, 1, "reservation 4 is CONFIRMED already"},
		{{cancelled(4, SEATS_OF(third), 3000, NONE_U64)}, 1, "has another payment"},
		{{cancelled(3, SEATS_OF(two), 3000, 5)}, 1, "has another payment"},
		{{taken_back(5, 4)}, 1, "was not cancelled as its payment was"},
		{{taken_back(6, 4)}, 1, "there is no payment 6"},
		{{of_schedule(EVENT_CONCERT_SCHEDULE_CANCELLED)}, 1, "is OPEN, not CANCELLING"},
		{{of_schedule(EVENT_CONCERT_SCHEDULE_CANCELLING)}, 1, "has 2 live reservations, not 1"},
	};
	struct world *world = *state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct layer *layer = layer_new(world->view, &world->entry_arena);
		struct view *view = world->view;
		struct error error = {0};
		world->view = layer_view(layer);
		enum ll_code code = world_apply(world, cases[i].events, cases[i].count, &error);
		world->view = view;
		layer_free(layer);
		if (code != LL_POISON || !strstr(error.text, cases[i].sentence))
			fail_msg("case %zu: %s, \"%s\" instead of \"%s\"", i, error_code_text(code), error.text,
				 cases[i].sentence);
		assert_non_null(strstr(error.text, "entry 6 "));
	}
}

/* ---- reads ---- */

static const char *read_text(struct buffer *buffer, struct world *world,
			     int (*read)(struct world *, struct json_writer *), int expected)
{
	struct json_writer writer;
	buffer_clear(buffer);
	json_writer_init(&writer, buffer, false);
	assert_int_equal(read(world, &writer), expected);
	assert_int_equal(world->view->failure.code, LL_OK);
	return buffer_text(buffer);
}

#define READ(name, call)                                                                                               \
	static int name(struct world *world, struct json_writer *writer)                                               \
	{                                                                                                              \
		return call;                                                                                           \
	}

READ(concerts, read_concerts(world->view, writer))
READ(schedule, read_schedule(world->view, SLICE("s"), writer))
READ(no_schedule, read_schedule(world->view, SLICE("none"), writer))
READ(cancellation, read_cancellation(world->view, SLICE("s"), writer))
READ(dates, read_dates(world->view, SLICE("c"), writer))
READ(no_dates, read_dates(world->view, SLICE("none"), writer))
READ(seats, read_seats(world->view, SLICE("s"), writer))
READ(no_seats, read_seats(world->view, SLICE("none"), writer))
READ(reservation, read_reservation(world->view, 3, writer))
READ(no_reservation, read_reservation(world->view, 5, writer))
READ(payment, read_payment(world->view, 5, writer))
READ(no_payment, read_payment(world->view, 4, writer))

static int totals(struct world *world, struct json_writer *writer)
{
	json_object_begin(writer);
	int code = read_totals_seats(world->view, writer);
	json_object_end(writer);
	return code;
}

/* Each read gives the contract's fields in their order, or the code of what is not there. */
static void reads_to_the_byte(void **state)
{
	struct world *world = *state;
	struct buffer buffer = {0};
	assert_string_equal(read_text(&buffer, world, concerts, 0),
			    "{\"concerts\":[{\"concertId\":\"c\",\"title\":\"A title\",\"schedules\":1}]}");
	assert_string_equal(
		read_text(&buffer, world, schedule, 0),
		"{\"scheduleId\":\"s\",\"concertId\":\"c\",\"concertTitle\":\"A title\","
		"\"concertDate\":\"2026-04-01T00:00:00.000Z\",\"bookingOpensAt\":null,\"bookingClosesAt\":null,"
		"\"status\":\"OPEN\",\"queueId\":\"default\",\"totalSeats\":6,\"availableSeats\":3,\"heldSeats\":2,"
		"\"reservedSeats\":1,\"paidAmount\":3000,\"refundedAmount\":0}");
	assert_string_equal(read_text(&buffer, world, dates, 0),
			    "{\"dates\":[{\"scheduleId\":\"s\",\"concertId\":\"c\",\"concertTitle\":\"A title\","
			    "\"concertDate\":\"2026-04-01T00:00:00.000Z\",\"availableSeats\":3,\"totalSeats\":6}]}");
	assert_non_null(
		strstr(read_text(&buffer, world, seats, 0),
		       "{\"scheduleId\":\"s\",\"seats\":[{\"seatNo\":1,\"section\":\"A\",\"grade\":null,\"price\":1000,"
		       "\"status\":\"HELD\"},{\"seatNo\":2,"));
	assert_string_equal(
		read_text(&buffer, world, reservation, 0),
		"{\"reservationId\":\"reservation-3\",\"userId\":\"rich\",\"scheduleId\":\"s\",\"concertId\":\"c\","
		"\"seatNos\":[1,2],\"price\":3000,\"status\":\"HELD\",\"createdAt\":\"2026-03-02T00:00:00.000Z\","
		"\"expiresAt\":\"2026-03-02T00:05:00.000Z\"}");
	assert_string_equal(read_text(&buffer, world, totals, 0),
			    "{\"seats\":{\"total\":6,\"available\":3,\"held\":2,\"reserved\":1},"
			    "\"reservations\":{\"HELD\":1,\"CONFIRMED\":1,\"EXPIRED\":0,\"CANCELLED\":0}}");
	read_text(&buffer, world, no_schedule, CODE_SCHEDULE_NOT_FOUND);
	read_text(&buffer, world, no_seats, CODE_SCHEDULE_NOT_FOUND);
	read_text(&buffer, world, no_dates, CODE_CONCERT_NOT_FOUND);
	read_text(&buffer, world, no_reservation, CODE_RESERVATION_NOT_FOUND);
	read_text(&buffer, world, no_payment, CODE_PAYMENT_NOT_FOUND);
	buffer_release(&buffer);
}

/* Reading a payment gives what paying answered; after its cancellation also when, how much came back, and the fee. */
static void reads_a_payment_as_it_was_answered(void **state)
{
	struct world *world = *state;
	struct buffer buffer = {0};
	assert_string_equal(read_text(&buffer, world, payment, 0), buffer_text(&world->reply));
	world->now += SECOND;
	assert_int_equal(world_cancel_payment(world, 5), ACCEPTED);
	assert_string_equal(
		read_text(&buffer, world, payment, 0),
		"{\"paymentId\":\"payment-5\",\"reservationId\":\"reservation-4\",\"userId\":\"rich\",\"amount\":3000,"
		"\"status\":\"CANCELLED\",\"paidAt\":\"2026-03-02T00:00:00.000Z\",\"remainingBalance\":97000,"
		"\"useId\":\"use-5\",\"cancelledAt\":\"2026-03-02T00:00:01.000Z\",\"refundAmount\":3000,\"fee\":0}");
	buffer_release(&buffer);
}

/* A cancelled schedule leaves the dates at once, and the totals when nothing of it remains. */
static void forgets_cancelled_schedules(void **state)
{
	struct world *world = *state;
	struct buffer buffer = {0};
	assert_int_equal(world_cancel_schedule(world, "s"), ACCEPTED);
	assert_string_equal(read_text(&buffer, world, dates, 0), "{\"dates\":[]}");
	assert_string_equal(read_text(&buffer, world, cancellation, 0),
			    "{\"scheduleId\":\"s\",\"status\":\"CANCELLING\",\"remaining\":2}");
	assert_int_equal(world_sweep(world, 10), 3);
	assert_string_equal(read_text(&buffer, world, cancellation, 0),
			    "{\"scheduleId\":\"s\",\"status\":\"CANCELLED\",\"remaining\":0}");
	assert_string_equal(read_text(&buffer, world, totals, 0),
			    "{\"seats\":{\"total\":0,\"available\":0,\"held\":0,\"reserved\":0},"
			    "\"reservations\":{\"HELD\":0,\"CONFIRMED\":0,\"EXPIRED\":0,\"CANCELLED\":2}}");
	buffer_release(&buffer);
}

/* A day names the concert's one schedule on it; two are ambiguous; a cancelled one gives way to its replacement. */
static void finds_the_schedule_of_a_day(void **state)
{
	struct world *world = *state;
	struct slice found;
	int32_t day = zone_day_of(world->zone, SHOW);
	assert_int_equal(read_schedule_of_day(world->view, SLICE("none"), day, world->zone, &found),
			 CODE_CONCERT_NOT_FOUND);
	assert_int_equal(read_schedule_of_day(world->view, SLICE("c"), day + 1, world->zone, &found),
			 CODE_SCHEDULE_NOT_FOUND);
	assert_int_equal(read_schedule_of_day(world->view, SLICE("c"), day, world->zone, &found), 0);
	assert_true(slice_equal(found, SLICE("s")));
	assert_int_equal(world_schedule(world, "a", "c", SHOW + 1, NONE_TIME, NONE_TIME, 1, false), ACCEPTED);
	assert_int_equal(read_schedule_of_day(world->view, SLICE("c"), day, world->zone, &found),
			 CODE_SCHEDULE_AMBIGUOUS);
	assert_int_equal(world_cancel_schedule(world, "s"), ACCEPTED);
	assert_int_equal(read_schedule_of_day(world->view, SLICE("c"), day, world->zone, &found), 0);
	assert_true(slice_equal(found, SLICE("a")));
	/* Only cancelled ones: that of the greatest id. */
	assert_int_equal(world_cancel_schedule(world, "a"), ACCEPTED);
	assert_int_equal(read_schedule_of_day(world->view, SLICE("c"), day, world->zone, &found), 0);
	assert_true(slice_equal(found, SLICE("s")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(tells_poison),
		TEST(reads_to_the_byte),
		TEST(reads_a_payment_as_it_was_answered),
		TEST(forgets_cancelled_schedules),
		TEST(finds_the_schedule_of_a_day),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
