/* Commands from JSON and msgpack: what is taken, what is refused, and which field is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/api/command_json.h"
#include "engine/api/msgpack_tape.h"
#include "schemas/command_hash.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ID64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TEXT32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define TEXT128 TEXT32 TEXT32 TEXT32 TEXT32

static struct json_reader reader;
static struct arena arena;
static struct parsed_command parsed;

/* "{"id":"c","type":TYPE,FIELDS}", with ' for ". false: parsed says why. */
static bool parse(const char *type, const char *fields)
{
	static char text[1 << 20];
	const struct json_node *root;
	struct error error;
	int size = snprintf(text, sizeof text, "{'id':'c','type':'%s'%s%s}", type, *fields ? "," : "", fields);
	assert_true(size > 0 && (size_t)size < sizeof text);
	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	arena_reset(&arena);
	if (json_read(&reader, slice_text(text), &root, &error) != LL_OK)
		fail_msg("%s: %s", text, error.text);
	return command_from_json(&reader, root, &arena, NULL, &parsed);
}

static void expect_fine(const char *type, const char *fields)
{
	if (!parse(type, fields))
		fail_msg("%s {%s}: %s %s", type, fields, parsed.field, parsed.reason);
}

static void expect_refused(const char *type, const char *fields, const char *field, const char *reason)
{
	if (parse(type, fields))
		fail_msg("%s {%s} was taken", type, fields);
	assert_int_equal(parsed.code, CODE_VALIDATION_ERROR);
	if (strcmp(parsed.field, field) != 0 || !strstr(parsed.reason, reason))
		fail_msg("%s {%s}: %s: %s", type, fields, parsed.field, parsed.reason);
	assert_int_equal(parsed.id.size, 1);
}

/* ---- each type with all its fields ---- */

static const struct {
	const char *type, *least, *most;
} commands[] = {
	{"user.register", "'userId':'u'", NULL},
	{"concert.create", "'concertId':'c','title':'t'", NULL},
	{"schedule.create",
	 "'scheduleId':'s','concertId':'c','concertDate':'2026-03-01','seats':[{'seatNo':1,'price':0}]",
	 "'scheduleId':'s','concertId':'c','concertDate':'2026-03-01T19:00:00Z','bookingOpensAt':'2026-01-01T00:00:00Z',"
	 "'bookingClosesAt':'2026-02-01T00:00:00.5+09:00','queueId':'q','seats':[{'seatNo':1000000,'section':'A','grade':'VIP','price':9007199254740991}]"},
	{"schedule.addSeats", "'scheduleId':'s','seats':[{'seatNo':2,'price':1},{'seatNo':1,'price':1}]", NULL},
	{"schedule.update", "'scheduleId':'s','concertDate':'2026-03-01'",
	 "'scheduleId':'s','concertDate':'2026-03-01','bookingOpensAt':'2026-01-01T00:00:00Z','bookingClosesAt':'2026-01-01T00:00:00Z'"},
	{"schedule.cancel", "'scheduleId':'s','reason':'rain'", NULL},
	{"policy.set", "'holdSeconds':300",
	 "'holdSeconds':1,'chargeMin':1,'chargeMax':1,'balanceMax':0,'seatsPerReservation':1000,"
	 "'bonusExpiresSeconds':0,'paidExpiresSeconds':3153600000,'lotOrder':'expiry-bonus-oldest','refundExpiredLot':'expire',"
	 "'regrantExpiresSeconds':1,'seatsPerUserPerSchedule':0,'timeZone':'UTC','pointHoldSeconds':1,'queueRequired':true,"
	 "'queueActiveMax':1,'queueWaitSeconds':1,'queueActiveSeconds':31536000,'refundTable':[[10,100],[0,0]],"
	 "'refundFullWithinSeconds':0,'registrationRequired':false"},
	{"points.charge", "'userId':'u','amount':1",
	 "'userId':'u','amount':9007199254740991,'source':'bonus','expiresAt':'2030-01-01T00:00:00Z'"},
	{"points.use", "'userId':'u','amount':1", "'userId':'u','amount':1,'reference':'r'"},
	{"points.refund", "'useId':'use-1'", "'useId':'use-1','amount':1"},
	{"points.hold", "'userId':'u','amount':1", "'userId':'u','amount':1,'expiresInSeconds':31536000"},
	{"points.capture", "'holdId':'hold-1'", "'holdId':'hold-1','amount':1"},
	{"points.release", "'holdId':'hold-1'", NULL},
	{"points.adjust", "'userId':'u','amount':-9007199254740991,'reason':'r','approver':'a'",
	 "'userId':'u','amount':1,'reason':'r','approver':'a','source':'paid','expiresAt':'2030-01-01T00:00:00Z','effectiveAt':'2020-01-01T00:00:00Z'"},
	{"queue.enter", "'userId':'u'", "'userId':'u','queueId':'q'"},
	{"queue.leave", "'queueToken':'t'", NULL},
	{"reservation.create", "'userId':'u','scheduleId':'s','seatNo':1",
	 "'userId':'u','scheduleId':'s','seatNos':[1,2],'queueToken':'t'"},
	{"reservation.cancel", "'reservationId':'reservation-1'", "'reservationId':'reservation-1','userId':'u'"},
	{"payment.create", "'reservationId':'reservation-1','userId':'u'",
	 "'reservationId':'reservation-1','userId':'u','amount':0"},
	{"payment.cancel", "'paymentId':'payment-1'", NULL},
};

/* Every type is taken with the fields it must have, and with all it can have. */
static void each_type_is_taken(void **state)
{
	(void)state;
	unsigned types = 0;
	for (uint16_t type = 0; type < 64; type++)
		types += command_info(type) != NULL;
	assert_int_equal(types, COUNT(commands));
	for (size_t i = 0; i < COUNT(commands); i++) {
		expect_fine(commands[i].type, commands[i].least);
		assert_string_equal(command_info(parsed.command.type)->record->name, commands[i].type);
		if (commands[i].most)
			expect_fine(commands[i].type, commands[i].most);
	}
}

/* ---- each field of each type, by its description ---- */

/* The text of command i with member `name` replaced by `value` (NULL: left out). */
static void with_member(size_t i, const char *name, const char *value, char *out, size_t size)
{
	char text[2048], key[80];
	size_t used = 0;
	bool replaced = false;
	const struct json_node *root;
	snprintf(text, sizeof text, "{%s}", commands[i].most ? commands[i].most : commands[i].least);
	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	assert_int_equal(json_read(&reader, slice_text(text), &root, NULL), LL_OK);
	out[0] = 0;
	for (const struct json_node *child = json_first(&reader, root); child; child = json_next(&reader, child)) {
		bool is_string = child->type == JSON_STRING;
		snprintf(key, sizeof key, "%.*s", SLICE_PRINT(child->key));
		bool is_it = strcmp(key, name) == 0 || (strcmp(name, "seatNos") == 0 && strcmp(key, "seatNo") == 0);
		replaced |= is_it;
		if (is_it && !value)
			continue;
		if (is_it)
			used += (size_t)snprintf(out + used, size - used, "%s'%s':%s", used ? "," : "", name, value);
		else
			used += (size_t)snprintf(out + used, size - used, "%s'%s':%s%.*s%s", used ? "," : "", key,
						 is_string ? "'" : "", SLICE_PRINT(child->text), is_string ? "'" : "");
		assert_true(used < size);
	}
	assert_true(replaced);
}

struct bad_value {
	const char *value, *reason;
};

static const struct bad_value bad_integers[] = {
	{"'1'", "must be an integer"},
	{"1.0", "must be an integer"},
	{"1e3", "must be an integer"},
	{"-0", "must be an integer"},
	{"1.5", "must be an integer"},
	{"true", "must be an integer"},
	{"[]", "must be an integer"},
	{"{}", "must be an integer"},
	{"9223372036854775807", "must be an integer"},
	{"9223372036854775808", "must be an integer"},
	{"-9223372036854775808", "must be an integer"},
	{"99999999999999999999999", "must be an integer"},
	{"9007199254740992", "must be an integer"},
	{"''", "must be an integer"},
};
static const struct bad_value bad_ids[] = {
	{"''", "must be a string of 1 to 64"},
	{"1", "must be a string of 1 to 64"},
	{"[]", "must be a string of 1 to 64"},
	{"'a b'", "must be a string of 1 to 64"},
	{"'a/b'", "must be a string of 1 to 64"},
	{"'\\u00e9'", "must be a string of 1 to 64"},
	{"'" ID64 "a'", "must be a string of 1 to 64"},
	{"'a\\u0000'", "must be a string of 1 to 64"},
	{"true", "must be a string"},
};
static const struct bad_value bad_texts[] = {
	{"''", "must have 1 to 128"},
	{"1", "must be a string"},
	{"{}", "must be a string"},
	{"false", "must be a string"},
	{"'" TEXT128 "x'", "must have 1 to 128"},
};
static const struct bad_value bad_times[] = {
	{"''", ""},
	{"1", "must be a string"},
	{"'2026-02-29T00:00:00Z'", ""},
	{"'2026-13-01T00:00:00Z'", ""},
	{"'2026-01-01T24:00:00Z'", ""},
	{"'2016-12-31T23:59:60Z'", ""},
	{"'2026-01-01T00:00:00'", ""},
	{"'2026-01-01 00:00:00Z'", ""},
	{"'2026-01-01T00:00:00z'", ""},
	{"'2026-01-01T00:00:00.1234Z'", ""},
	{"'2026-01-01T00:00:00+25:00'", ""},
	{"'1969-12-31T23:59:59Z'", ""},
	{"'10000-01-01T00:00:00Z'", ""},
	{"'tomorrow'", ""},
};
static const struct bad_value bad_days[] = {{"'2026-02-30'", ""},
					    {"'2026-00-01'", ""},
					    {"'26-01-01'", ""},
					    {"'2026/01/01'", ""}};
static const struct bad_value only_times[] = {{"'2026-01-01'", ""}, {"'1970-01-01T00:00:00Z'", "must be later"}};
static const struct bad_value bad_enums[] = {{"''", "must be \""},
					     {"'no such'", "must be \""},
					     {"1", "must be \""},
					     {"'PAID'", "must be \""}};
static const struct bad_value bad_bools[] = {{"1", "must be true or false"},
					     {"'true'", "must be true or false"},
					     {"[]", "must be"}};
static const struct bad_value bad_lists[] = {{"[]", "must be an array of 1 to"},
					     {"{}", "must be an array of 1 to"},
					     {"1", "must be an array of 1 to"},
					     {"'1'", "must be an array"}};

static void expect_all(size_t i, const char *name, const struct bad_value *bad, size_t count)
{
	static char text[8192];
	for (size_t n = 0; n < count; n++) {
		with_member(i, name, bad[n].value, text, sizeof text);
		expect_refused(commands[i].type, text, name, bad[n].reason);
	}
}

static void expect_bounds(size_t i, const struct field *field)
{
	char text[4096], value[32];
	int64_t max = field->max ? field->max : field->kind == FIELD_AMOUNT ? 9007199254740991 : 0;
	snprintf(value, sizeof value, "%lld", (long long)field->min - 1);
	with_member(i, field->json, value, text, sizeof text);
	expect_refused(commands[i].type, text, field->json, "must be an integer from");
	snprintf(value, sizeof value, "%lld", (long long)field->min);
	with_member(i, field->json, value, text, sizeof text);
	expect_fine(commands[i].type, text);
	snprintf(value, sizeof value, "%lld", (long long)max);
	with_member(i, field->json, value, text, sizeof text);
	expect_fine(commands[i].type, text);
	snprintf(value, sizeof value, "%lld", (long long)max + 1);
	with_member(i, field->json, value, text, sizeof text);
	expect_refused(commands[i].type, text, field->json, "must be an integer from");
}

static void check_field(size_t i, const struct field *field)
{
#define ALL(bad) expect_all(i, field->json, bad, COUNT(bad))
	switch (field->kind) {
	case FIELD_U32:
	case FIELD_U64:
	case FIELD_AMOUNT:
	case FIELD_I64:
		ALL(bad_integers);
		expect_bounds(i, field);
		break;
	case FIELD_ID:
	case FIELD_REF: ALL(bad_ids); break;
	case FIELD_TEXT: ALL(bad_texts); break;
	case FIELD_TIME:
		ALL(bad_times);
		ALL(only_times);
		break;
	case FIELD_WHEN:
		ALL(bad_times);
		ALL(bad_days);
		break;
	case FIELD_ENUM: ALL(bad_enums); break;
	case FIELD_BOOL: ALL(bad_bools); break;
	case FIELD_LIST:
	case FIELD_U32S: ALL(bad_lists); break;
	default: fail_msg("%s: a kind of field that this test does not know", field->json);
	}
#undef ALL
}

static void check_absent(size_t i, const struct field *field)
{
	char text[4096];
	bool may_be = field->optional || field->preset || field->preset_text;
	const char *values[] = {NULL, "null"};
	for (size_t n = 0; n < COUNT(values); n++) {
		with_member(i, field->json, values[n], text, sizeof text);
		if (may_be && strcmp(commands[i].type, "policy.set") != 0)
			expect_fine(commands[i].type, text);
		else if (!may_be)
			expect_refused(commands[i].type, text, field->json, "is missing");
	}
}

/* Each field of each type refuses the wrong type, what is empty, too long, too large, malformed or missing, by its own name. */
static void each_field_is_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(commands); i++) {
		const struct record *record = command_info_named(slice_text(commands[i].type))->record;
		if (record->fields[0].flat)
			record = record->fields[0].record;
		for (uint16_t n = 0; n < record->count; n++) {
			check_field(i, &record->fields[n]);
			check_absent(i, &record->fields[n]);
		}
	}
}

/* A field that the type does not have is refused by name, even when it is null. */
static void unknown_fields_are_refused(void **state)
{
	(void)state;
	char text[4096];
	for (size_t i = 0; i < COUNT(commands); i++) {
		snprintf(text, sizeof text, "%s,'colour':null", commands[i].least);
		expect_refused(commands[i].type, text, "colour", "is not a known field");
		snprintf(text, sizeof text, "%s,'user_id':'u'", commands[i].least);
		expect_refused(commands[i].type, text, "user_id", "is not a known field");
		snprintf(text, sizeof text, "%s,'id\\u0000':1", commands[i].least);
		expect_refused(commands[i].type, text, "id", "is not a known field");
	}
	expect_refused("policy.set", "'change':{'holdSeconds':1}", "change", "is not a known field");
	expect_refused("reservation.create", "'userId':'u','concertId':'c','date':'2026-01-01','seatNumber':1",
		       "concertId", "is not a known field");
}

/* What is wrong inside a list is named with its index. */
static void places_in_lists(void **state)
{
	(void)state;
	static const struct {
		const char *seats, *field, *reason;
	} cases[] = {
		{"[{'seatNo':1,'price':1},{'price':1}]", "seats[1].seatNo", "is missing"},
		{"[{'seatNo':1,'price':1},{'seatNo':2}]", "seats[1].price", "is missing"},
		{"[{'seatNo':0,'price':1}]", "seats[0].seatNo", "from 1 to 1000000"},
		{"[{'seatNo':1000001,'price':1}]", "seats[0].seatNo", "from 1 to 1000000"},
		{"[{'seatNo':1,'price':-1}]", "seats[0].price", "from 0 to 9007199254740991"},
		{"[{'seatNo':1,'price':1.0}]", "seats[0].price", "must be an integer"},
		{"[{'seatNo':1,'price':1,'section':''}]", "seats[0].section", "1 to 128"},
		{"[{'seatNo':1,'price':1,'colour':null}]", "seats[0].colour", "is not a known field"},
		{"[1]", "seats[0]", "must be an object"},
		{"[null]", "seats[0]", "must be an object"},
		{"[{'seatNo':7,'price':1},{'seatNo':1,'price':1},{'seatNo':7,'price':2}]", "seats", "7 stands twice"},
	};
	char text[4096];
	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof text, "'scheduleId':'s','seats':%s", cases[i].seats);
		expect_refused("schedule.addSeats", text, cases[i].field, cases[i].reason);
	}
	static const struct {
		const char *table, *field, *reason;
	} tables[] = {
		{"[[1]]", "refundTable[0]", "an array of two"},
		{"[[1,2,3]]", "refundTable[0]", "an array of two"},
		{"[1]", "refundTable[0]", "an array of two"},
		{"[{'days':1,'percent':2}]", "refundTable[0]", "an array of two"},
		{"[[1,2],[0,101]]", "refundTable[1].percent", "from 0 to 100"},
		{"[[-1,2]]", "refundTable[0].days", "from 0 to 3650"},
		{"[[null,2]]", "refundTable[0].days", "must be an integer"},
		{"[['1',2]]", "refundTable[0].days", "must be an integer"},
	};
	for (size_t i = 0; i < COUNT(tables); i++) {
		snprintf(text, sizeof text, "'refundTable':%s", tables[i].table);
		expect_refused("policy.set", text, tables[i].field, tables[i].reason);
	}
}

/* A list of seats holds 1 to 10,000 of them, each number once, and comes out ascending. */
static void lists_of_seats(void **state)
{
	(void)state;
	static char text[1 << 20];
	for (int count = 10000; count <= 10001; count++) {
		size_t used = (size_t)snprintf(text, sizeof text, "'scheduleId':'s','seats':[");
		for (int i = count; i > 0; i--)
			used += (size_t)snprintf(text + used, sizeof text - used, "{'seatNo':%d,'price':%d}%s", i, i,
						 i > 1 ? "," : "]");
		if (count == 10001) {
			expect_refused("schedule.addSeats", text, "seats", "must be an array of 1 to 10000");
			break;
		}
		expect_fine("schedule.addSeats", text);
		assert_int_equal(parsed.command.schedule_add_seats.seats.count, 10000);
		for (uint32_t i = 0; i < 10000; i++) {
			assert_int_equal(parsed.command.schedule_add_seats.seats.at[i].seat_no, i + 1);
			assert_int_equal(parsed.command.schedule_add_seats.seats.at[i].price, i + 1);
		}
	}
}

/* A reservation names its seats in exactly one way; they come out ascending, each once. */
static void seats_of_a_reservation(void **state)
{
	(void)state;
	static const struct {
		const char *seats, *field, *reason;
	} cases[] = {
		{"'seatNo':1,'seatNos':[1]", "seatNo", "beside"},
		{"'seatNumber':1,'seatNos':[1]", "seatNumber", "beside"},
		{"'seatNo':1,'seatNumber':1", "seatNo", "beside"},
		{"'seatNos':[2,1,2]", "seatNos", "2 stands twice"},
		{"'seatNos':[0]", "seatNos[0]", "from 1 to 1000000"},
		{"'seatNos':[1,'2']", "seatNos[1]", "must be an integer"},
		{"'seatNos':[1,1000001]", "seatNos[1]", "from 1 to 1000000"},
		{"'seatNo':0", "seatNo", "from 1 to 1000000"},
		{"'seatNo':1.0", "seatNo", "must be an integer"},
		{"'seatNo':[1]", "seatNo", "must be an integer"},
		{"'seatNo':null", "seatNos", "is missing"},
		{"'seatNumber':'1'", "seatNumber", "must be an integer"},
	};
	char text[1024];
	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof text, "'userId':'u','scheduleId':'s',%s", cases[i].seats);
		expect_refused("reservation.create", text, cases[i].field, cases[i].reason);
	}
	expect_fine("reservation.create", "'userId':'u','scheduleId':'s','seatNo':null,'seatNos':[9,1,5]");
	const struct u32_list *seats = &parsed.command.reservation_create.seat_nos;
	assert_int_equal(seats->count, 3);
	assert_int_equal(seats->at[0], 1);
	assert_int_equal(seats->at[1], 5);
	assert_int_equal(seats->at[2], 9);
}

/* An id that the ledger cannot have made names nothing; that is no error of form. */
static void references(void **state)
{
	(void)state;
	static const char *const nowhere[] = {
		"use-01", "hold-1", "1842", "use-", "use--1", "use-1-1", "USE-1", "use-99999999999999999999", "x"};
	char text[128];
	expect_fine("points.refund", "'useId':'use-1842'");
	assert_int_equal(parsed.command.points_refund.use_id, 1842);
	for (size_t i = 0; i < COUNT(nowhere); i++) {
		snprintf(text, sizeof text, "'useId':'%s'", nowhere[i]);
		expect_fine("points.refund", text);
		assert_int_equal(parsed.command.points_refund.use_id, UINT64_C(1) << 47);
	}
}

/* Values arrive as they were sent. */
static void values(void **state)
{
	(void)state;
	expect_fine("points.charge",
		    "'userId':'u.A_9:-','amount':9007199254740991,'expiresAt':'2026-03-01T09:00:00.5+09:00'");
	assert_int_equal(parsed.command.points_charge.amount, 9007199254740991);
	assert_int_equal(parsed.command.points_charge.expires_at, INT64_C(1772323200500));
	assert_int_equal(parsed.command.points_charge.source, SOURCE_PAID);
	assert_true(slice_equal(parsed.command.points_charge.user_id, SLICE("u.A_9:-")));
	assert_true(slice_equal(parsed.id, SLICE("c")));
	expect_fine("schedule.update", "'scheduleId':'s','concertDate':'1970-01-02'");
	assert_int_equal(parsed.command.schedule_update.concert_date, -2);
	expect_fine("schedule.update", "'scheduleId':'s','concertDate':'1970-01-01T00:00:00Z'");
	assert_int_equal(parsed.command.schedule_update.concert_date, 0);
	expect_fine("user.register", "'userId':'" ID64 "'");
	expect_fine("concert.create", "'concertId':'c','title':'" TEXT128 "'");
	char title[1024] = "'concertId':'c','title':'";
	for (int i = 0; i < 128; i++)
		strncat(title, "\xed\x95\x9c", 4);
	strncat(title, "'", 2);
	expect_fine("concert.create", title); /* 128 characters of three bytes */
	expect_fine("points.adjust", "'userId':'u','amount':-1,'reason':'r','approver':'a'");
	assert_int_equal(parsed.command.points_adjust.amount, -1);
	expect_refused("points.adjust", "'userId':'u','amount':0,'reason':'r','approver':'a'", "amount",
		       "must not be 0");
}

/* A change must change something. */
static void empty_changes(void **state)
{
	(void)state;
	expect_refused("schedule.update", "'scheduleId':'s'", "body", "at least");
	expect_refused("schedule.update", "'scheduleId':'s','concertDate':null", "body", "at least");
	expect_refused("policy.set", "", "body", "at least");
	expect_refused("policy.set", "'holdSeconds':null", "body", "at least");
	expect_fine("policy.set", "'queueRequired':false");
	expect_fine("policy.set", "'balanceMax':0");
	expect_fine("policy.set", "'timeZone':'UTC'");
	expect_fine("policy.set", "'refundTable':[[0,0]]");
}

/* ---- id, type, actor ---- */

static bool parse_whole(const char *text)
{
	static char json[4096];
	const struct json_node *root;
	snprintf(json, sizeof json, "%s", text);
	for (char *c = json; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	assert_int_equal(json_read(&reader, slice_text(json), &root, NULL), LL_OK);
	return command_from_json(&reader, root, &arena, NULL, &parsed);
}

/* What stands around the fields is checked too, and the id is known whenever it can be read. */
static void around_the_fields(void **state)
{
	(void)state;
	static const struct {
		const char *text, *field;
		bool id;
	} cases[] = {
		{"1", "command", false},
		{"[]", "command", false},
		{"null", "command", false},
		{"'x'", "command", false},
		{"{}", "type", false},
		{"{'id':'a'}", "type", true},
		{"{'id':'a','type':null}", "type", true},
		{"{'id':'a','type':1}", "type", true},
		{"{'id':'a','type':'points.steal'}", "type", true},
		{"{'id':'a b','type':'user.register','userId':'u'}", "id", false},
		{"{'id':1,'type':'user.register','userId':'u'}", "id", false},
		{"{'id':'','type':'user.register','userId':'u'}", "id", false},
		{"{'id':'" ID64 "a','type':'user.register','userId':'u'}", "id", false},
		{"{'id':'a','type':'user.register','userId':'u','actor':1}", "actor", true},
		{"{'id':'a','type':'user.register','userId':'u','actor':{}}", "actor.type", true},
		{"{'id':'a','type':'user.register','userId':'u','actor':{'type':'god'}}", "actor.type", true},
		{"{'id':'a','type':'user.register','userId':'u','actor':{'type':'user','id':'a b'}}", "actor.id", true},
		{"{'id':'a','type':'user.register','userId':'u','actor':{'type':'user','name':null}}", "actor.name",
		 true},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_false(parse_whole(cases[i].text));
		assert_int_equal(parsed.code, CODE_VALIDATION_ERROR);
		assert_string_equal(parsed.field, cases[i].field);
		assert_int_equal(parsed.id.size > 0, cases[i].id);
	}
	assert_true(parse_whole("{'type':'user.register','userId':'u','actor':null,'id':null}"));
	assert_int_equal(parsed.id.size, 0);
	assert_int_equal(parsed.actor_type, 0);
	assert_true(parse_whole("{'actor':{'id':'root','type':'admin'},'userId':'u','type':'user.register'}"));
	assert_int_equal(parsed.actor_type, ACTOR_TYPE_ADMIN);
	assert_true(slice_equal(parsed.actor_id, SLICE("root")));
}

/* Fields that come with the request (path, query, header) are not to stand in the body, and are checked alike. */
static void given_fields(void **state)
{
	(void)state;
	const char *const names[] = {"reservationId", "userId", NULL};
	struct slice given[] = {SLICE("reservation-7"), SLICE("kim")};
	const struct json_node *root;
	assert_true(command_fields_from_json(COMMAND_RESERVATION_CANCEL, &reader, NULL, names, given, &arena, NULL,
					     &parsed));
	assert_int_equal(parsed.command.reservation_cancel.reservation_id, 7);
	assert_true(slice_equal(parsed.command.reservation_cancel.user_id, SLICE("kim")));
	given[1] = SLICE_EMPTY; /* not sent */
	assert_true(command_fields_from_json(COMMAND_RESERVATION_CANCEL, &reader, NULL, names, given, &arena, NULL,
					     &parsed));
	assert_int_equal(parsed.command.reservation_cancel.user_id.size, 0);
	given[1] = SLICE(""); /* sent empty */
	assert_false(command_fields_from_json(COMMAND_RESERVATION_CANCEL, &reader, NULL, names, given, &arena, NULL,
					      &parsed));
	assert_string_equal(parsed.field, "userId");
	given[1] = SLICE("kim");
	assert_int_equal(json_read(&reader, SLICE("{\"userId\":\"kim\"}"), &root, NULL), LL_OK);
	assert_false(command_fields_from_json(COMMAND_RESERVATION_CANCEL, &reader, root, names, given, &arena, NULL,
					      &parsed));
	assert_string_equal(parsed.field, "userId");
	/* id, type and actor are no fields of a body. */
	assert_int_equal(json_read(&reader, SLICE("{\"userId\":\"kim\",\"id\":null}"), &root, NULL), LL_OK);
	assert_false(command_fields_from_json(COMMAND_USER_REGISTER, &reader, root, NULL, NULL, &arena, NULL, &parsed));
	assert_string_equal(parsed.field, "id");
}

/* ---- the same body ---- */

static struct short_hash hash_of_fields(const char *type, const char *fields)
{
	expect_fine(type, fields);
	return command_hash(&parsed.command);
}

/* Order, spaces, escapes, nulls, absent defaults, the offset of a time and the order of seats do not make another body;
 * everything else does. */
static void same_body(void **state)
{
	(void)state;
	static const struct {
		const char *type, *a, *b;
		bool same;
	} cases[] = {
		{"points.charge", "'userId':'u','amount':5", " 'amount' : 5 , 'userId' : '\\u0075' ", true},
		{"points.charge", "'userId':'u','amount':5", "'userId':'u','amount':5,'source':'paid','expiresAt':null",
		 true},
		{"points.charge", "'userId':'u','amount':5",
		 "'userId':'u','amount':5,'actor':{'type':'admin','id':'x'}", true},
		{"points.charge", "'userId':'u','amount':5", "'userId':'u','amount':5,'source':'bonus'", false},
		{"points.charge", "'userId':'u','amount':5", "'userId':'u','amount':6", false},
		{"points.charge", "'userId':'u','amount':5,'expiresAt':'2030-01-01T09:00:00+09:00'",
		 "'userId':'u','amount':5,'expiresAt':'2030-01-01T00:00:00.000Z'", true},
		{"queue.enter", "'userId':'u'", "'userId':'u','queueId':'default'", true},
		{"queue.enter", "'userId':'u'", "'userId':'u','queueId':'other'", false},
		{"reservation.create", "'userId':'u','scheduleId':'s','seatNo':3",
		 "'userId':'u','scheduleId':'s','seatNos':[3]", true},
		{"reservation.create", "'userId':'u','scheduleId':'s','seatNumber':3",
		 "'userId':'u','scheduleId':'s','seatNo':3", true},
		{"reservation.create", "'userId':'u','scheduleId':'s','seatNos':[2,1]",
		 "'userId':'u','scheduleId':'s','seatNos':[1,2]", true},
		{"reservation.create", "'userId':'u','scheduleId':'s','seatNo':3",
		 "'userId':'u','scheduleId':'s','seatNo':3,'queueToken':'t'", false},
		{"schedule.addSeats", "'scheduleId':'s','seats':[{'seatNo':2,'price':1},{'price':3,'seatNo':1}]",
		 "'scheduleId':'s','seats':[{'seatNo':1,'price':3,'grade':null},{'seatNo':2,'price':1}]", true},
		{"schedule.create",
		 "'scheduleId':'s','concertId':'c','concertDate':'2026-03-01','seats':[{'seatNo':1,'price':0}]",
		 "'scheduleId':'s','concertId':'c','concertDate':'2026-03-01','queueId':'default','seats':[{'seatNo':1,'price':0}]",
		 true},
		{"schedule.update", "'scheduleId':'s','concertDate':'2026-03-01'",
		 "'scheduleId':'s','concertDate':'2026-03-01T00:00:00Z'", false},
		{"points.refund", "'useId':'use-1'", "'useId':'use-1','amount':null", true},
		{"points.refund", "'useId':'use-1'", "'useId':'use-1','amount':1", false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct short_hash a = hash_of_fields(cases[i].type, cases[i].a),
				  b = hash_of_fields(cases[i].type, cases[i].b);
		if ((memcmp(&a, &b, sizeof a) == 0) != cases[i].same)
			fail_msg("%s {%s} {%s}", cases[i].type, cases[i].a, cases[i].b);
	}
}

/* ---- msgpack ---- */

/* Commands in msgpack are the same commands; and what msgpack_write makes of a tree reads back as it was. */
static void msgpack_is_the_same(void **state)
{
	(void)state;
	struct buffer packed = {0};
	struct json_reader other = {0};
	const struct json_node *root;
	for (size_t i = 0; i < COUNT(commands); i++) {
		struct short_hash hash =
			hash_of_fields(commands[i].type, commands[i].most ? commands[i].most : commands[i].least);
		buffer_clear(&packed);
		msgpack_write(&reader, &reader.nodes[0], &packed);
		assert_int_equal(msgpack_read(&other, buffer_slice(&packed), &root, NULL), LL_OK);
		assert_true(command_from_json(&other, root, &arena, NULL, &parsed));
		struct short_hash again = command_hash(&parsed.command);
		assert_memory_equal(&hash, &again, sizeof hash);
	}
	buffer_release(&packed);
	json_reader_release(&other);
}

/* Integers of every width keep their value; floats and what is too large are no integers. */
static void msgpack_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t size;
		bool is_integer;
		int64_t value;
	} cases[] = {
		{"\x00", 1, true, 0},
		{"\x7f", 1, true, 127},
		{"\xff", 1, true, -1},
		{"\xe0", 1, true, -32},
		{"\xcc\xff", 2, true, 255},
		{"\xcd\x01\x00", 3, true, 256},
		{"\xce\xff\xff\xff\xff", 5, true, UINT32_MAX},
		{"\xd0\x80", 2, true, -128},
		{"\xd1\xff\x00", 3, true, -256},
		{"\xd2\x80\x00\x00\x00", 5, true, INT32_MIN},
		{"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9, true, INT64_MAX},
		{"\xcf\x80\x00\x00\x00\x00\x00\x00\x00", 9, false, 0},
		{"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9, true, INT64_MIN},
		{"\xca\x3f\x80\x00\x00", 5, false, 0},
		{"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", 9, false, 0},
	};
	const struct json_node *root;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(msgpack_read(&reader, slice_of(cases[i].bytes, cases[i].size), &root, NULL), LL_OK);
		assert_int_equal(root->type, JSON_NUMBER);
		assert_int_equal(root->is_integer, cases[i].is_integer);
		assert_int_equal(root->integer, cases[i].value);
	}
}

/* What is cut off, nested too deep, of a type that no command has, or stands twice is refused; nothing is read past the end. */
static void bad_msgpack(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t size;
		const char *why;
	} cases[] = {
		{"", 0, "nothing"},
		{"\xcd\x01", 2, "cut off"},
		{"\xa2x", 2, "cut off"},
		{"\x92\x01", 2, "cut off"},
		{"\x92\x01\xcd", 3, "cut off"},
		{"\xdd\xff\xff\xff\xff", 5, "cut off"},
		{"\xdf\xff\xff\xff\xff", 5, "more members"},
		{"\xdb\xff\xff\xff\xff", 5, "cut off"},
		{"\x81\x01\x01", 3, "not a string"},
		{"\x82\xa1x\x01\xa1x\x02", 7, "twice"},
		{"\xc4\x01x", 3, "bytes"},
		{"\xc1", 1, "bytes"},
		{"\xd4\x01x", 3, "bytes"},
		{"\xc7\x01\x01x", 4, "bytes"},
		{"\xa1\xff", 2, "UTF-8"},
		{"\x01\x01", 2, "behind"},
		{"\x81\xa1\xff\x01", 4, "UTF-8"},
		{"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01", 18, "levels"},
	};
	const struct json_node *root;
	struct error error;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t *exact = malloc(cases[i].size + 1);
		memcpy(exact, cases[i].bytes, cases[i].size);
		uint8_t *tight = realloc(exact, cases[i].size ? cases[i].size : 1);
		assert_int_equal(msgpack_read(&reader, slice_of(tight, cases[i].size), &root, &error), LL_USAGE);
		if (!strstr(error.text, cases[i].why))
			fail_msg("case %zu: %s", i, error.text);
		free(tight);
	}
}

static int release(void **state)
{
	(void)state;
	json_reader_release(&reader);
	arena_release(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_is_taken),
		cmocka_unit_test(each_field_is_checked),
		cmocka_unit_test(unknown_fields_are_refused),
		cmocka_unit_test(places_in_lists),
		cmocka_unit_test(lists_of_seats),
		cmocka_unit_test(seats_of_a_reservation),
		cmocka_unit_test(references),
		cmocka_unit_test(values),
		cmocka_unit_test(empty_changes),
		cmocka_unit_test(around_the_fields),
		cmocka_unit_test(given_fields),
		cmocka_unit_test(same_body),
		cmocka_unit_test(msgpack_is_the_same),
		cmocka_unit_test(msgpack_numbers),
		cmocka_unit_test(bad_msgpack),
	};
	return cmocka_run_group_tests(tests, NULL, release);
}
