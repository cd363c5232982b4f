/*
 * Every described record: what is written is msgpack as msgpack-c understands it, is read back the same, and nothing
 * else is taken: no bytes cut off, no field too many, no unknown type or version.
 *
 * Values are made by the records' descriptions, from a fixed seed. tests/vectors/records.txt keeps the bytes of
 * every version: it is written only by `test_schemas --write`, which adds what is missing and changes nothing that is
 * there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <msgpack.h>

#include "projections/certify/rows.h"
#include "projections/views/rows.h"
#include "schemas/block.h"
#include "schemas/wire/record_read.h"

static const char vectors_path[] = "tests/vectors/records.txt";

enum { ROOM = 1 << 16, ROUNDS = 40, SEQ = 1842 };

/* ---- values by description ---- */

struct maker {
	uint64_t state;
	struct arena *arena;
	unsigned depth;
};

static uint64_t next(struct maker *maker)
{
	maker->state ^= maker->state << 13;
	maker->state ^= maker->state >> 7;
	maker->state ^= maker->state << 17;
	return maker->state * UINT64_C(2685821657736338717);
}

static uint64_t below(struct maker *maker, uint64_t bound)
{
	return (next(maker) >> 20) % bound;
}

/* Any number of bits, so that each length on the wire comes up. */
static uint64_t number(struct maker *maker, unsigned bits)
{
	uint64_t shift =
		64 - 1 - below(maker, bits); /* drawn first: within an expression the order is the compiler's */
	return next(maker) >> shift;
}

static int64_t sign(struct maker *maker, int64_t value)
{
	return below(maker, 2) ? value : -value;
}

static struct slice letters(struct maker *maker, size_t size)
{
	uint8_t *at = arena_alloc(maker->arena, size);
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)('a' + below(maker, 26));
	return slice_of(at, size);
}

static void make(struct maker *maker, const struct record *record, void *to);

static void make_list(struct maker *maker, const struct record *record, void *to)
{
	struct u32_list *list = to; /* every list begins like this */
	list->count = (uint32_t)below(maker, maker->depth > 2 ? 2 : 20);
	uint8_t *at = arena_alloc(maker->arena, (list->count + 1) * (size_t)(record ? record->size : sizeof(uint32_t)));
	list->at = (uint32_t *)(void *)at;
	maker->depth++;
	for (uint32_t i = 0; i < list->count; i++)
		if (record)
			make(maker, record, at + (size_t)i * record->size);
		else
			list->at[i] = (uint32_t)number(maker, 32);
	maker->depth--;
}

static void make_slice(struct maker *maker, const struct field *field, struct slice *to)
{
	static const size_t sizes[] = {1, 2, 16, 31, 32, 64, 255, 256, TEXT_BYTES_MAX};
	size_t size = sizes[below(maker, field->kind == FIELD_ID ? 6 : sizeof sizes / sizeof *sizes)];
	*to = letters(maker, size);
}

static void make_enum(struct maker *maker, const struct enumeration *e, uint8_t *to)
{
	do
		*to = (uint8_t)below(maker, e->count);
	while (!e->texts[*to]);
}

static void make_absent(const struct field *field, void *to)
{
	switch (field->kind) {
	case FIELD_U8: *(uint8_t *)to = UINT8_MAX; break;
	case FIELD_U16: *(uint16_t *)to = UINT16_MAX; break;
	case FIELD_U32: *(uint32_t *)to = NONE_U32; break;
	case FIELD_U64:
	case FIELD_REF: *(uint64_t *)to = NONE_U64; break;
	case FIELD_I64:
	case FIELD_AMOUNT:
	case FIELD_WHEN: *(int64_t *)to = NONE_I64; break;
	case FIELD_TIME: *(int64_t *)to = NONE_TIME; break;
	case FIELD_DAY: *(int32_t *)to = NONE_DAY; break;
	case FIELD_BOOL: *(int8_t *)to = -1; break;
	case FIELD_ENUM: *(uint8_t *)to = 0; break;
	case FIELD_ID:
	case FIELD_TEXT:
	case FIELD_BYTES: *(struct slice *)to = SLICE_EMPTY; break;
	default: memset(to, 0, sizeof(struct u32_list)); break;
	}
}

static void make_field(struct maker *maker, const struct field *field, void *to)
{
	if (field->self) {
		*(uint64_t *)to = SEQ;
		return;
	}
	if (field->optional && below(maker, 3) == 0) {
		make_absent(field, to);
		return;
	}
	switch (field->kind) {
	case FIELD_U8: *(uint8_t *)to = (uint8_t)below(maker, 255); break;
	case FIELD_U16: *(uint16_t *)to = (uint16_t)below(maker, 65535); break;
	case FIELD_U32: *(uint32_t *)to = (uint32_t)number(maker, 31); break;
	case FIELD_U64:
	case FIELD_REF: *(uint64_t *)to = number(maker, 63); break;
	case FIELD_I64:
	case FIELD_WHEN: *(int64_t *)to = sign(maker, (int64_t)number(maker, 63)); break;
	case FIELD_AMOUNT: *(int64_t *)to = (int64_t)(number(maker, 63) >> 1); break;
	case FIELD_TIME: *(int64_t *)to = 1 + (int64_t)(number(maker, 60) >> 1); break;
	case FIELD_DAY: *(int32_t *)to = (int32_t)sign(maker, (int64_t)number(maker, 31)); break;
	case FIELD_BOOL: *(int8_t *)to = (int8_t)below(maker, 2); break;
	case FIELD_ENUM: make_enum(maker, field->enumeration, to); break;
	case FIELD_ID:
	case FIELD_TEXT: make_slice(maker, field, to); break;
	case FIELD_BYTES: *(struct slice *)to = letters(maker, (size_t)field->max); break;
	case FIELD_RECORD: make(maker, field->record, to); break;
	case FIELD_LIST: make_list(maker, field->record, to); break;
	case FIELD_U32S: make_list(maker, NULL, to); break;
	}
}

static void make(struct maker *maker, const struct record *record, void *to)
{
	for (uint16_t i = 0; i < record->count; i++)
		make_field(maker, &record->fields[i], (uint8_t *)to + record->fields[i].offset);
}

/* ---- everything that has a form on the wire ---- */

struct subject {
	const char *what; /* event, command, row, body */
	const struct record *record;
	uint16_t type; /* of events and commands */
	size_t offset; /* of the record within what encode and decode take */
	void (*encode)(struct packer *p, const void *value);
	bool (*decode)(struct cursor *c, uint16_t type, void *value);
};

union any {
	struct event event;
	struct command command;
	uint8_t bytes[4096];
	max_align_t aligned;
};

static void encode_event(struct packer *p, const void *value)
{
	event_encode(p, value);
}

static bool decode_event(struct cursor *c, uint16_t type, void *value)
{
	(void)type;
	return event_decode(c, value);
}

static void encode_command(struct packer *p, const void *value)
{
	command_encode(p, value);
}

static bool decode_command(struct cursor *c, uint16_t type, void *value)
{
	return command_decode(c, type, value);
}

#define CODEC(name)                                                                                                    \
	static void encode_##name(struct packer *p, const void *value)                                                 \
	{                                                                                                              \
		_Static_assert(sizeof(struct name) <= sizeof(union any), #name " has room");                           \
		name##_encode(p, value);                                                                               \
	}                                                                                                              \
	static bool decode_##name(struct cursor *c, uint16_t type, void *value)                                        \
	{                                                                                                              \
		(void)type;                                                                                            \
		return name##_decode(c, value);                                                                        \
	}

/* clang-format off: it has no form of its own for such a list */
#define RECORDS(X)                                                                                                     \
	X(accounts_row)                                                                                                \
	X(lots_row)                                                                                                    \
	X(lot_due_row)                                                                                                 \
	X(uses_row)                                                                                                    \
	X(point_holds_row)                                                                                             \
	X(account_holds_row)                                                                                           \
	X(point_hold_due_row)                                                                                          \
	X(policies_row)                                                                                                \
	X(totals_row)                                                                                                  \
	X(concerts_row)                                                                                                \
	X(concert_schedules_row)                                                                                       \
	X(schedules_row)                                                                                               \
	X(seats_row)                                                                                                   \
	X(reservations_row)                                                                                            \
	X(payments_row)                                                                                                \
	X(hold_due_row)                                                                                                \
	X(schedule_users_row)                                                                                          \
	X(cancelling_row)                                                                                              \
	X(seat_totals_row)                                                                                             \
	X(queues_row)                                                                                                  \
	X(tokens_row)                                                                                                  \
	X(queue_users_row)                                                                                             \
	X(queue_open_row)                                                                                              \
	X(queue_line_row)                                                                                              \
	X(queue_due_row)                                                                                               \
	X(receipts_row)                                                                                                \
	X(concert_titles_row)                                                                                          \
	X(ranked_row)                                                                                                  \
	X(popular_counts_row)                                                                                          \
	X(popular_row)                                                                                                 \
	X(sold_out_row)                                                                                                \
	X(account_history_row)                                                                                         \
	X(reservation_history_row)                                                                                     \
	X(seat_history_row)                                                                                            \
	X(genesis_body)                                                                                                \
	X(claim_body)                                                                                                  \
	X(position)
/* clang-format on */
RECORDS(CODEC)

static struct subject subjects[256];
static size_t subject_count;

static void collect(void)
{
	for (uint16_t type = 0; type < 1000; type++)
		if (event_info(type))
			subjects[subject_count++] = (struct subject){"event",      event_info(type)->record,
								     type,         offsetof(struct event, tick),
								     encode_event, decode_event};
	for (uint16_t type = 0; type < 1000; type++)
		if (command_info(type))
			subjects[subject_count++] =
				(struct subject){"command",      command_info(type)->record,
						 type,           offsetof(struct command, user_register),
						 encode_command, decode_command};
#define ADD(name)                                                                                                      \
	subjects[subject_count++] = (struct subject){"record", &name##_record, 0, 0, encode_##name, decode_##name};
	RECORDS(ADD)
#undef ADD
}

static struct slice encoded(const struct subject *subject, struct maker *maker, uint8_t *room)
{
	union any value;
	memset(&value, 0, sizeof value);
	if (subject->encode == encode_event) {
		value.event.type = subject->type;
		value.event.version = event_info(subject->type)->version;
	} else if (subject->encode == encode_command) {
		value.command.type = subject->type;
	}
	make(maker, subject->record, value.bytes + subject->offset);
	struct packer p = packer_over(room, ROOM);
	subject->encode(&p, &value);
	assert_false(p.full);
	return slice_of(room, (size_t)(p.at - room));
}

static const char *failed; /* what was being read when it failed */

static bool decodes(const struct subject *subject, struct slice bytes, struct arena *arena, union any *value)
{
	struct cursor cursor = cursor_over(bytes, arena);
	cursor.seq = SEQ;
	bool well = subject->decode(&cursor, subject->type, value) && cursor.at == cursor.end;
	failed = cursor.failed ? cursor.failed : "bytes left over";
	return well;
}

/* Decodes and encodes again: the same bytes. */
static void check_again(const struct subject *subject, struct slice bytes, struct arena *arena)
{
	static uint8_t room[ROOM];
	union any value;
	memset(&value, 0, sizeof value);
	if (!decodes(subject, bytes, arena, &value))
		fail_msg("%s %s is not read back: %s", subject->what, subject->record->name, failed);
	struct packer p = packer_over(room, sizeof room);
	subject->encode(&p, &value);
	assert_int_equal(p.at - room, bytes.size);
	assert_memory_equal(room, bytes.at, bytes.size);
}

static void check_oracle(const struct subject *subject, struct slice bytes)
{
	msgpack_unpacked unpacked;
	msgpack_unpacked_init(&unpacked);
	size_t used = 0;
	if (msgpack_unpack_next(&unpacked, (const char *)bytes.at, bytes.size, &used) != MSGPACK_UNPACK_SUCCESS)
		fail_msg("%s %s is no msgpack", subject->what, subject->record->name);
	assert_int_equal(used, bytes.size);
	msgpack_sbuffer out;
	msgpack_sbuffer_init(&out);
	msgpack_packer packer;
	msgpack_packer_init(&packer, &out, msgpack_sbuffer_write);
	assert_int_equal(msgpack_pack_object(&packer, unpacked.data), 0);
	assert_int_equal(out.size, bytes.size);
	assert_memory_equal(out.data, bytes.at, bytes.size);
	msgpack_sbuffer_destroy(&out);
	msgpack_unpacked_destroy(&unpacked);
}

/* Runs `check` on random values of every record. */
static void for_all(void (*check)(const struct subject *, struct slice, struct arena *))
{
	static uint8_t room[ROOM];
	struct arena arena = {0};
	for (size_t i = 0; i < subject_count; i++)
		for (unsigned round = 0; round < ROUNDS; round++) {
			struct maker maker = {1 + i * 1000 + round, &arena, 0};
			check(&subjects[i], encoded(&subjects[i], &maker, room), &arena);
			arena_reset(&arena);
		}
	arena_release(&arena);
}

/* ---- tests ---- */

static void round_trip(const struct subject *subject, struct slice bytes, struct arena *arena)
{
	check_oracle(subject, bytes);
	check_again(subject, bytes, arena);
}

/* What is written, msgpack-c reads and writes to the same bytes; reading it back and writing it again gives them too.
 * */
static void test_round_trip(void **state)
{
	(void)state;
	for_all(round_trip);
}

static void read_by_description(const struct subject *subject, struct slice bytes, struct arena *arena)
{
	static uint8_t again[ROOM];
	union any value;
	struct cursor cursor = cursor_over(bytes, arena);
	if (subject->encode == encode_event || subject->encode == encode_command)
		return; /* their fields stand in another's array */
	if (!record_read(&cursor, subject->record, &value) || cursor.at != cursor.end)
		fail_msg("%s is not read by its description: %s", subject->record->name, cursor.failed);
	struct packer p = packer_over(again, sizeof again);
	subject->encode(&p, &value);
	assert_true(slice_equal(slice_of(again, (size_t)(p.at - again)), bytes));
	cursor = cursor_over(slice_of(bytes.at, bytes.size - 1), arena);
	assert_false(record_read(&cursor, subject->record, &value));
	assert_non_null(cursor.failed);
}

/* Read by its description a record is what was written. */
static void test_description(void **state)
{
	(void)state;
	for_all(read_by_description);
}

static void truncated(const struct subject *subject, struct slice bytes, struct arena *arena)
{
	for (size_t size = 0; size<bytes.size; size += bytes.size> 500 ? 1 + size / 40 : 1) {
		/* in memory of its own: a sanitizer sees a read beyond it */
		uint8_t *copy = malloc(size ? size : 1);
		union any value;
		memcpy(copy, bytes.at, size);
		if (decodes(subject, slice_of(copy, size), arena, &value))
			fail_msg("%s %s is read from %zu of %zu bytes", subject->what, subject->record->name, size,
				 bytes.size);
		free(copy);
	}
}

/* Bytes cut off anywhere are not taken. */
static void test_truncation(void **state)
{
	(void)state;
	for_all(truncated);
}

static void one_more(const struct subject *subject, struct slice bytes, struct arena *arena)
{
	static uint8_t room[ROOM];
	union any value;
	struct cursor cursor = cursor_over(bytes, arena);
	uint32_t count = 0;
	assert_true(cursor_array(&cursor, &count, "array"));
	for (int more = -1; more <= 1; more += 2) {
		if (count == 0 && more < 0)
			continue;
		struct packer p = packer_over(room, sizeof room);
		pack_array(&p, count + (uint32_t)more);
		pack_raw(&p, slice_of(cursor.at, cursor_left(&cursor)));
		if (more > 0)
			pack_nil(&p);
		assert_false(p.full);
		if (decodes(subject, slice_of(room, (size_t)(p.at - room)), arena, &value))
			fail_msg("%s %s is read with %d fields more", subject->what, subject->record->name, more);
	}
}

/* A field too many, or one too few, is not taken. */
static void test_field_count(void **state)
{
	(void)state;
	for_all(one_more);
}

static void mangled(const struct subject *subject, struct slice bytes, struct arena *arena)
{
	struct maker maker = {bytes.size + 7, arena, 0};
	for (unsigned i = 0; i < 20; i++) {
		uint8_t *copy = malloc(bytes.size);
		union any value;
		memcpy(copy, bytes.at, bytes.size);
		copy[below(&maker, bytes.size)] = (uint8_t)next(&maker);
		(void)!decodes(subject, slice_of(copy, bytes.size), arena, &value);
		free(copy);
	}
}

/* Damaged bytes are taken or not, but never read beyond (a sanitizer build proves it). */
static void test_mangled(void **state)
{
	(void)state;
	for_all(mangled);
}

/* Events of a type or version that is not known are not taken, nor commands. */
static void test_unknown(void **state)
{
	(void)state;
	struct arena arena = {0};
	static const struct {
		uint16_t type, version;
		const char *says;
	} heads[] = {
		{EVENT_TICK, 2, "newer"},
		{EVENT_TICK, 0, "damaged"},
		{EVENT_CONCERT_SCHEDULE_UPDATED, 3, "newer"},
		{EVENT_CONCERT_SCHEDULE_UPDATED, 0, "damaged"},
		{9999, 1, "newer"},
		{0, 1, "newer"},
		{9, 1, "newer"},
	};
	struct event event;
	struct command command;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		uint8_t room[16];
		struct packer p = packer_over(room, sizeof room);
		pack_array(&p, 2);
		pack_u64(&p, heads[i].type);
		pack_u64(&p, heads[i].version);
		struct cursor cursor = cursor_over(slice_of(room, (size_t)(p.at - room)), &arena);
		assert_false(event_decode(&cursor, &event));
		assert_non_null(strstr(cursor.failed, heads[i].says));
	}
	struct cursor cursor = cursor_over(SLICE("\x90"), &arena);
	assert_false(command_decode(&cursor, 9999, &command));
	arena_release(&arena);
}

/* ---- golden bytes ---- */

/* A row's layout has its projection's version. */
static unsigned version_of(const struct subject *subject)
{
	if (subject->encode == encode_event)
		return event_info(subject->type)->version;
	for (unsigned table = 0; table < TABLES_COUNT; table++)
		if (table_places[table].record == subject->record)
			return projection_layouts[table_places[table].projection].version;
	return 1;
}

static void golden_line(const struct subject *subject, char *line, size_t size)
{
	static uint8_t room[ROOM];
	static char hex[2 * ROOM + 1];
	struct arena arena = {0};
	struct maker maker = {UINT64_C(88172645463325252) + subject->type, &arena, 3};
	struct slice bytes = encoded(subject, &maker, room);
	hex_text(hex, bytes.at, bytes.size);
	int written =
		snprintf(line, size, "%s %s %u %s\n", subject->what, subject->record->name, version_of(subject), hex);
	assert_true(written > 0 && (size_t)written < size);
	arena_release(&arena);
}

/* The file as one text; empty when there is none. */
static char *read_vectors(void)
{
	FILE *file = fopen(vectors_path, "r");
	char *all = calloc(1, 1 << 22);
	if (file) {
		size_t size = fread(all, 1, (1 << 22) - 1, file);
		all[size] = 0;
		fclose(file);
	}
	return all;
}

static bool has_line(const char *all, const char *line)
{
	size_t size = strlen(line);
	for (const char *at = all; *at; at = strchr(at, '\n') + 1) {
		if (strncmp(at, line, size) == 0)
			return true;
		if (!strchr(at, '\n'))
			break;
	}
	return false;
}

/* The line's words before the bytes: "event point.used 1 ". */
static bool has_head(const char *all, const char *line)
{
	char head[256];
	size_t size = (size_t)(strrchr(line, ' ') - line) + 1;
	assert_true(size < sizeof head);
	memcpy(head, line, size);
	head[size] = 0;
	return has_line(all, head);
}

/* Bytes of this version are those that were written when it was made. */
static void test_golden(void **state)
{
	(void)state;
	static char line[2 * ROOM + 256];
	char *all = read_vectors();
	if (!*all)
		fail_msg("%s is not there: run the tests from the root", vectors_path);
	for (size_t i = 0; i < subject_count; i++) {
		golden_line(&subjects[i], line, sizeof line);
		if (!has_line(all, line))
			fail_msg("%s %s %s", subjects[i].what, subjects[i].record->name,
				 has_head(all, line) ? "has other bytes than it had when this version was made"
						     : "has no vector: add it with test_schemas --write");
	}
	free(all);
}

/* ---- bytes of earlier versions ---- */

/* A line of the file. */
struct vector {
	char what[16], name[64];
	unsigned version;
	struct slice bytes; /* in the arena */
};

static bool take_vector(const char **at, struct arena *arena, struct vector *vector)
{
	int used = 0;
	if (sscanf(*at, "%15s %63s %u %n", vector->what, vector->name, &vector->version, &used) != 3)
		return false;
	const char *hex = *at + used;
	size_t size = strcspn(hex, "\n") / 2;
	uint8_t *to = arena_alloc(arena, size);
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)strtoul((char[]){hex[2 * i], hex[2 * i + 1], 0}, NULL, 16);
	vector->bytes = slice_of(to, size);
	*at = hex + 2 * size + 1;
	return true;
}

/* Read as the newest version; what is written of it is read as the same. */
static void check_older_event(const struct vector *vector, struct arena *arena)
{
	static uint8_t again[ROOM], twice[ROOM];
	const struct event_info *info = event_info_named(slice_text(vector->name));
	assert_non_null(info);
	struct subject subject = {"event",      info->record, info->type, offsetof(struct event, tick),
				  encode_event, decode_event};
	union any old, new;
	memset(&old, 0xee, sizeof old); /* what is not said is absent, not what lay there */
	if (!decodes(&subject, vector->bytes, arena, &old))
		fail_msg("%s of version %u cannot be read: %s", vector->name, vector->version, failed);
	assert_int_equal(old.event.version, vector->version);
	struct packer p = packer_over(again, sizeof again);
	event_encode(&p, &old.event);
	assert_true(decodes(&subject, slice_of(again, (size_t)(p.at - again)), arena, &new));
	assert_int_equal(new.event.version, info->version);
	p = packer_over(twice, sizeof twice);
	event_encode(&p, &new.event);
	assert_memory_equal(twice, again, sizeof again);
	truncated(&subject, vector->bytes, arena);
	one_more(&subject, vector->bytes, arena);
}

/* Read by the layout of its version; false: the table is gone. */
static bool check_older_row(const struct vector *vector)
{
	unsigned table = 0;
	while (table < TABLES_COUNT && strcmp(table_places[table].name, vector->name) != 0)
		table++;
	if (table == TABLES_COUNT)
		return false;
	struct buffer text = {0};
	struct json_writer writer;
	json_writer_init(&writer, &text, false);
	if (!row_json_of(&writer, table, vector->version, vector->bytes))
		fail_msg("a row of %s of version %u cannot be read", vector->name, vector->version);
	buffer_release(&text);
	return true;
}

/* What earlier versions wrote is read: events as the newest, rows by the layout that they had. */
static void test_older(void **state)
{
	(void)state;
	char *all = read_vectors();
	struct arena arena = {0};
	unsigned events = 0, rows = 0;
	struct vector vector;
	for (const char *at = all; take_vector(&at, &arena, &vector); arena_reset(&arena)) {
		bool is_event = strcmp(vector.what, "event") == 0;
		if (is_event && vector.version < event_info_named(slice_text(vector.name))->version) {
			check_older_event(&vector, &arena);
			events++;
		} else if (strcmp(vector.what, "record") == 0) {
			rows += check_older_row(&vector);
		}
	}
	assert_true(events >= 3 && rows >= TABLES_COUNT);
	arena_release(&arena);
	free(all);
}

static int write_vectors(void)
{
	static char line[2 * ROOM + 256];
	char *all = read_vectors();
	FILE *file = fopen(vectors_path, "a");
	if (!file)
		return 1;
	for (size_t i = 0; i < subject_count; i++) {
		golden_line(&subjects[i], line, sizeof line);
		if (!has_head(all, line))
			fputs(line, file);
	}
	free(all);
	return fclose(file);
}

int main(int count, char **arguments)
{
	collect();
	if (count == 2 && strcmp(arguments[1], "--write") == 0)
		return write_vectors();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_field_count), cmocka_unit_test(test_mangled),
		cmocka_unit_test(test_unknown),     cmocka_unit_test(test_golden),
		cmocka_unit_test(test_older),       cmocka_unit_test(test_description),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
