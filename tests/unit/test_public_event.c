/* Public events: engine/relay/public_event.h, and what older events of schedules left unsaid (schedules.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/relay/public_event.h"
#include "engine/relay/schedules.h"
#include "schemas/wire/hash.h"

static const uint8_t ledger[LEDGER_UUID_BYTES] = {0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1,
						  0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8};

/* The UUID of a name is that of RFC 9562, appendix A.4: any language makes the same one. */
static void test_uuid(void **state)
{
	char text[UUID_TEXT_SIZE];
	uint8_t uuid[UUID_BYTES];
	(void)state;
	for (int again = 0; again < 2; again++) {
		uuid_of_name(uuid, ledger, SLICE("www.example.com"));
		uuid_text(text, uuid);
		assert_string_equal(text, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
	}
}

static void publish(const struct entry *entry, uint32_t index, const char *wanted)
{
	struct buffer out = {0};
	const struct public_event *public = public_event_of(entry->events[index].type);
	assert_non_null(public);
	public_event_json(ledger, entry, index, public, &out);
	assert_string_equal(buffer_text(&out), wanted);
	buffer_release(&out);
}

/* A payment's bytes, for ever. */
static void test_golden(void **state)
{
	uint32_t numbers[] = {7, 8};
	struct event event = {.type = EVENT_PAYMENT_COMPLETED, .version = 1};
	struct entry entry = {.seq = 42, .time = 1767225600123, .events = &event, .event_count = 1};
	(void)state;
	event.payment_completed = (struct payment_completed){
		.payment_id = 42,
		.reservation_id = 41,
		.user_id = SLICE("kim"),
		.schedule_id = SLICE("jazz-1"),
		.seat_nos = {numbers, 2},
		.amount = 30000,
		.amount_given = NONE_I64,
		.use_id = 42,
		.balance_after = -5,
	};
	assert_true(slice_equal(public_event_key(&event, public_event_of(event.type)), SLICE("kim")));
	publish(&entry, 0,
		"{\"eventId\":\"9c3d8684-6ab7-58a2-b442-3e7203ac29e8\",\"eventType\":\"payment.completed\","
		"\"eventTime\":\"2026-01-01T00:00:00.123Z\",\"schemaVersion\":1,\"sequence\":42,\"payload\":{\"paymentId\":"
		"\"payment-42\",\"reservationId\":\"reservation-41\",\"userId\":\"kim\",\"concertScheduleId\":\"jazz-1\","
		"\"seatId\":\"jazz-1:7\",\"seatIds\":[\"jazz-1:7\",\"jazz-1:8\"],\"amount\":30000,\"amountGiven\":null,"
		"\"useId\":\"use-42\",\"balanceAfter\":-5}}");
}

static struct event created(const char *id)
{
	struct event event = {.type = EVENT_CONCERT_SCHEDULE_CREATED, .version = 1};
	static struct seat seats[3];
	event.concert_schedule_created = (struct concert_schedule_created){
		.schedule_id = slice_text(id),
		.concert_id = SLICE("jazz"),
		.concert_date = 1000,
		.date_given = 1000,
		.booking_opens_at = 500,
		.booking_closes_at = NONE_TIME,
		.seats = {seats, 3},
	};
	return event;
}

/* Version 1 of what happens to a schedule is completed from what happened before; version 2 stays as it is. Many schedules are kept
 * apart, also those of one entry. */
static void test_older(void **state)
{
	char ids[500][16];
	struct schedules *schedules = schedules_new();
	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		snprintf(ids[i], sizeof ids[i], "s-%u", i);
		struct event event = created(ids[i]);
		struct entry entry = {.events = &event, .event_count = 1};
		schedules_apply(schedules, &entry);
	}
	for (unsigned i = 0; i < 500; i++) {
		struct event events[3] = {{.type = EVENT_CONCERT_SCHEDULE_SEATS_ADDED, .version = 1},
					  {.type = EVENT_CONCERT_SCHEDULE_UPDATED, .version = 1},
					  {.type = EVENT_CONCERT_SCHEDULE_CANCELLED, .version = 1}};
		struct entry entry = {.events = events, .event_count = 3};
		events[0].concert_schedule_seats_added.schedule_id = slice_text(ids[i]);
		events[0].concert_schedule_seats_added.total_seats = 3 + i;
		events[1].concert_schedule_updated.schedule_id = slice_text(ids[i]);
		events[1].concert_schedule_updated.concert_date = 2000 + i;
		events[1].concert_schedule_updated.booking_closes_at = 1900;
		events[2].concert_schedule_cancelled.schedule_id = slice_text(ids[i]);
		schedules_apply(schedules, &entry);
		assert_true(slice_equal(events[0].concert_schedule_seats_added.concert_id, SLICE("jazz")));
		assert_int_equal(events[0].concert_schedule_seats_added.concert_date, 1000);
		assert_int_equal(events[0].concert_schedule_seats_added.booking_opens_at, 500);
		assert_int_equal(events[1].concert_schedule_updated.total_seats, 3 + i);
		assert_true(slice_equal(events[1].concert_schedule_updated.concert_id, SLICE("jazz")));
		assert_int_equal(events[2].concert_schedule_cancelled.concert_date, 2000 + i);
		assert_int_equal(events[2].concert_schedule_cancelled.booking_closes_at, 1900);
		assert_int_equal(events[2].concert_schedule_cancelled.total_seats, 3 + i);
	}
	struct event newer = {.type = EVENT_CONCERT_SCHEDULE_CANCELLED, .version = 2};
	struct entry entry = {.events = &newer, .event_count = 1};
	newer.concert_schedule_cancelled.schedule_id = SLICE("s-1");
	newer.concert_schedule_cancelled.total_seats = 77;
	schedules_apply(schedules, &entry);
	assert_int_equal(newer.concert_schedule_cancelled.total_seats, 77);
	schedules_free(schedules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uuid),
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_older),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
