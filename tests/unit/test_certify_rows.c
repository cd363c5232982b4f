/* Rows across versions of their projection: projections/certify/rows.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "projections/certify/rows.h"
#include "schemas/wire/buffer.h"

enum { ROOM = 512, OPEN = SCHEDULE_STATUS_OPEN };

/* A schedule as version 1 of seats had it. */
static struct slice old_schedule(uint8_t *room, uint32_t total, unsigned fields)
{
	struct packer p = packer_over(room, ROOM);
	pack_array(&p, fields);
	pack_string(&p, SLICE("seoul"));
	pack_i64(&p, 1000);
	for (unsigned i = 0; i < 3; i++)
		pack_nil(&p);
	pack_i64(&p, 1);
	pack_u64(&p, OPEN);
	pack_u64(&p, total);
	pack_u64(&p, 1);
	pack_u64(&p, 2);
	pack_u64(&p, 3);
	pack_u64(&p, 3);
	for (unsigned i = 12; i < fields; i++)
		pack_u64(&p, 70);
	assert_false(p.full);
	return slice_of(room, (size_t)(p.at - room));
}

static struct slice new_schedule(uint8_t *room, uint32_t total, int64_t paid)
{
	struct packer p = packer_over(room, ROOM);
	struct schedules_row row = {
		.concert_id = SLICE("seoul"),
		.concert_date = 1000,
		.created_at = 1,
		.status = OPEN,
		.total = total,
		.held = 1,
		.reserved = 2,
		.confirmations = 3,
		.live_reservations = 3,
		.paid = paid,
		.refunded = 5,
		.changed_by = 70,
	};
	schedules_row_encode(&p, &row);
	assert_false(p.full);
	return slice_of(room, (size_t)(p.at - room));
}

/* What is new in a version may be anything; every other field is compared, and the one that differs is named. */
static void test_schedules(void **state)
{
	uint8_t before[ROOM], after[ROOM];
	struct row_difference found;
	(void)state;
	struct slice old = old_schedule(before, 9, 13);
	assert_true(row_equal_but_declared(SEATS_SCHEDULES, 1, old, new_schedule(after, 9, 0), &found));
	assert_true(row_equal_but_declared(SEATS_SCHEDULES, 1, old, new_schedule(after, 9, 4000), NULL));
	assert_false(row_equal_but_declared(SEATS_SCHEDULES, 1, old, new_schedule(after, 8, 4000), &found));
	assert_string_equal(found.field->name, "total");
	assert_true(slice_equal(found.before, SLICE("\x09")) && slice_equal(found.after, SLICE("\x08")));
	assert_false(row_equal_but_declared(SEATS_SCHEDULES, 1, old, new_schedule(after, 8, 4000), NULL));
}

/* Of one version, rows are equal when their bytes are. */
static void test_same_version(void **state)
{
	uint8_t before[ROOM], after[ROOM];
	struct row_difference found;
	(void)state;
	struct slice old = new_schedule(before, 9, 1);
	assert_true(row_equal_but_declared(SEATS_SCHEDULES, 2, old, new_schedule(after, 9, 1), &found));
	assert_false(row_equal_but_declared(SEATS_SCHEDULES, 2, old, new_schedule(after, 9, 2), &found));
	assert_string_equal(found.field->name, "paid");
}

/* A row that is none of its version is told apart from one that differs: which of the two it is, and what is wrong. */
static void test_unreadable(void **state)
{
	uint8_t before[ROOM], after[ROOM];
	struct row_difference found;
	(void)state;
	struct slice new = new_schedule(after, 9, 1);
	for (unsigned fields = 12; fields <= 14; fields += 2) {
		assert_false(row_equal_but_declared(SEATS_SCHEDULES, 1, old_schedule(before, 9, fields), new, &found));
		assert_null(found.field);
		assert_true(found.old_failed);
		assert_string_equal(found.failed, "schedules");
	}
	struct slice old = old_schedule(before, 9, 13);
	assert_false(row_equal_but_declared(SEATS_SCHEDULES, 1, slice_of(old.at, old.size - 1), new, &found));
	assert_true(!found.field && found.old_failed);
	assert_string_equal(found.failed, "changed_by");
	before[old.size] = 0xc0;
	assert_false(row_equal_but_declared(SEATS_SCHEDULES, 1, slice_of(old.at, old.size + 1), new, &found));
	assert_string_equal(found.failed, "bytes left over");
	assert_false(row_equal_but_declared(SEATS_SCHEDULES, 1, old, slice_of(new.at, 5), &found));
	assert_true(!found.field && !found.old_failed);
}

/* A table without fields has rows too; and a younger table is known as such. */
static void test_tables(void **state)
{
	struct row_difference found;
	(void)state;
	assert_true(row_equal_but_declared(SEATS_HOLD_DUE, 1, SLICE("\x90"), SLICE("\x90"), &found));
	assert_false(row_equal_but_declared(SEATS_HOLD_DUE, 1, SLICE("\x91\x01"), SLICE("\x90"), &found));
	assert_true(found.old_failed);
	assert_true(table_is_declared(SEATS_SCHEDULES, 1) && !table_is_declared(SEATS_SCHEDULES, 2));
	assert_false(table_is_declared(SEATS_SEATS, 1));
	assert_true(table_is_new(QUEUE_QUEUE_LINE, 1) && !table_is_new(QUEUE_QUEUE_LINE, 2));
	assert_false(table_is_new(QUEUE_QUEUES, 1));
}

static void assert_json(bool well, struct buffer *text, const char *expected)
{
	assert_true(well);
	assert_string_equal(buffer_text(text), expected);
	buffer_release(text);
}

/* A row of an earlier version is shown with the fields that it had. */
static void test_json(void **state)
{
	uint8_t room[ROOM];
	struct buffer text = {0};
	struct json_writer writer;
	(void)state;
	struct slice old = old_schedule(room, 9, 13);
	json_writer_init(&writer, &text, false);
	assert_false(row_json_of(&writer, SEATS_SCHEDULES, 2, old));
	assert_false(row_json_of(&writer, SEATS_SCHEDULES, 1, slice_of(old.at, old.size - 1)));
	assert_int_equal(text.size, 0);
	assert_json(row_json_of(&writer, SEATS_SCHEDULES, 1, old), &text,
		    "{\"concertId\":\"seoul\",\"concertDate\":\"1970-01-01T00:00:01.000Z\",\"bookingOpensAt\":null,"
		    "\"bookingClosesAt\":null,\"queueId\":null,\"createdAt\":\"1970-01-01T00:00:00.001Z\","
		    "\"status\":\"OPEN\",\"total\":9,\"held\":1,\"reserved\":2,\"confirmations\":3,"
		    "\"liveReservations\":3,\"changedBy\":70}");
}

/* A time that no calendar has, of a damaged row, is shown as the number that it is. */
static void test_damaged_time(void **state)
{
	struct buffer text = {0};
	struct json_writer writer;
	(void)state;
	json_writer_init(&writer, &text, false);
	assert_json(row_json_of(&writer, BALANCES_ACCOUNT_HOLDS, 1, SLICE("\x91\xcf\x10\0\0\0\0\0\0\0")), &text,
		    "{\"expiresAt\":1152921504606846976}");
}

/* ---- a layout with everything that can happen to one ---- */

/* Version 1: name, gone, count, meant. 2: name, count, meant (another value), lots. 3: first, name, count, meant, lots. */
static const struct field field_first = {.name = "first",
					 .json = "first",
					 .kind = FIELD_U64,
					 .optional = true,
					 .since = 3};
static const struct field field_name = {.name = "name", .json = "name", .kind = FIELD_ID};
static const struct field field_gone = {.name = "gone", .json = "gone", .kind = FIELD_TIME};
static const struct field field_count = {.name = "count", .json = "count", .kind = FIELD_U32};
static const struct field field_meant = {.name = "meant",
					 .json = "meant",
					 .kind = FIELD_RECORD,
					 .record = &taken_record};
static const struct field field_lots = {.name = "lots",
					.json = "lots",
					.kind = FIELD_LIST,
					.record = &taken_record,
					.since = 2};
static const struct layout_field fields[] = {
	{&field_first, 0, 0}, {&field_name, 0, 0},  {&field_gone, 1, 0},
	{&field_count, 0, 0}, {&field_meant, 0, 2}, {&field_lots, 0, 0},
};
static const struct row_layout layout = {"things", fields, 6, 3};

#define OLD_1 SLICE("\x94\xa1x\x07\x05\x92\x01\x02")
#define OLD_2 SLICE("\x94\xa1x\x05\x92\x01\x02\x90")
#define NEW SLICE("\x95\x06\xa1x\x05\x92\x01\x02\x90")

/* Fields that come, go, or change their value are passed over, each from the version on that says so. */
static void test_layout(void **state)
{
	struct row_difference found;
	(void)state;
	assert_true(layout_rows_equal(&layout, 1, OLD_1, NEW, &found));
	assert_true(layout_rows_equal(&layout, 2, OLD_2, NEW, &found));
	assert_true(
		layout_rows_equal(&layout, 1, OLD_1, SLICE("\x95\xc0\xa1x\x05\x92\x01\x03\x91\x92\x01\x01"), &found));
	assert_false(layout_rows_equal(&layout, 2, OLD_2, SLICE("\x95\x06\xa1x\x05\x92\x01\x03\x90"), &found));
	assert_ptr_equal(found.field, &field_meant);
	assert_true(slice_equal(found.before, SLICE("\x92\x01\x02")) &&
		    slice_equal(found.after, SLICE("\x92\x01\x03")));
	assert_false(
		layout_rows_equal(&layout, 2, OLD_2, SLICE("\x95\x06\xa1x\x05\x92\x01\x02\x91\x92\x01\x01"), &found));
	assert_ptr_equal(found.field, &field_lots);
	assert_false(layout_rows_equal(&layout, 1, OLD_1, SLICE("\x95\x06\xa1y\x05\x92\x01\x02\x90"), &found));
	assert_ptr_equal(found.field, &field_name);
	assert_false(layout_rows_equal(&layout, 2, OLD_1, NEW, &found));
	assert_true(!found.field && found.old_failed);
}

/* A field that is gone is shown in the rows that had it. */
static void test_layout_json(void **state)
{
	struct buffer text = {0};
	struct json_writer writer;
	(void)state;
	json_writer_init(&writer, &text, false);
	assert_json(layout_row_json(&writer, &layout, 1, OLD_1), &text,
		    "{\"name\":\"x\",\"gone\":\"1970-01-01T00:00:00.007Z\",\"count\":5,"
		    "\"meant\":{\"lotId\":\"lot-0-1\",\"amount\":2}}");
	json_writer_init(&writer, &text, false);
	assert_json(
		layout_row_json(&writer, &layout, 3, NEW), &text,
		"{\"first\":6,\"name\":\"x\",\"count\":5,\"meant\":{\"lotId\":\"lot-0-1\",\"amount\":2},\"lots\":[]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedules),    cmocka_unit_test(test_same_version),
		cmocka_unit_test(test_unreadable),   cmocka_unit_test(test_tables),
		cmocka_unit_test(test_json),         cmocka_unit_test(test_layout),
		cmocka_unit_test(test_damaged_time), cmocka_unit_test(test_layout_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
