#include "schemas/wire/record_json.h"

#include "schemas/records.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/hash.h"
#include "schemas/wire/time.h"

/* A list of whatever records: all of them begin like this. */
struct any_list {
	const uint8_t *at;
	uint32_t count;
};

/* A time of 0 that stands where one had to be given is 1970, not absent. One that no calendar has, of a damaged row, is shown
 * as the number that it is; so is a day. */
static void write_time(struct json_writer *writer, int64_t ms)
{
	char text[TIME_TEXT_SIZE + 1];
	if (ms < TIME_MS_MIN || ms > TIME_MS_MAX) {
		json_int64(writer, ms);
		return;
	}
	time_format(ms, text);
	json_text(writer, text);
}

void json_time(struct json_writer *writer, int64_t ms)
{
	if (ms == NONE_TIME)
		json_null(writer);
	else
		write_time(writer, ms);
}

void json_day(struct json_writer *writer, int32_t day)
{
	if (day == NONE_DAY) {
		json_null(writer);
		return;
	}
	if (day < DAY_MIN || day > DAY_MAX) {
		json_int64(writer, day);
		return;
	}
	char text[DAY_TEXT_SIZE + 1];
	day_format(day, text);
	json_text(writer, text);
}

static void write_bytes(struct json_writer *writer, struct slice bytes)
{
	char text[2 * HASH_BYTES + 1];
	ENSURE(bytes.size <= HASH_BYTES);
	hex_text(text, bytes.at, bytes.size);
	json_text(writer, text);
}

void json_reference(struct json_writer *writer, const char *kind, uint64_t id)
{
	if (id == NONE_U64) {
		json_null(writer);
		return;
	}
	char text[REFERENCE_TEXT_MAX];
	json_string(writer, slice_of(text, reference_text(text, kind, id)));
}

static void write_pair(struct json_writer *writer, const struct refund_step *step)
{
	json_array_begin(writer);
	json_uint64(writer, step->days);
	json_uint64(writer, step->percent);
	json_array_end(writer);
}

static void write_list(struct json_writer *writer, const struct record *record, const struct any_list *list)
{
	json_array_begin(writer);
	for (uint32_t i = 0; i < list->count; i++) {
		const void *row = list->at + (size_t)i * record->size;
		if (record == &refund_step_record)
			write_pair(writer, row);
		else
			record_json(writer, record, row);
	}
	json_array_end(writer);
}

static void write_numbers(struct json_writer *writer, const struct u32_list *list)
{
	json_array_begin(writer);
	for (uint32_t i = 0; i < list->count; i++)
		json_uint64(writer, list->at[i]);
	json_array_end(writer);
}

static bool is_absent(const struct field *field, const void *at)
{
	switch (field->kind) {
	case FIELD_U8: return *(const uint8_t *)at == UINT8_MAX;
	case FIELD_U16: return *(const uint16_t *)at == UINT16_MAX;
	case FIELD_U32: return *(const uint32_t *)at == NONE_U32;
	case FIELD_U64:
	case FIELD_REF: return *(const uint64_t *)at == NONE_U64;
	case FIELD_I64:
	case FIELD_AMOUNT:
	case FIELD_WHEN: return *(const int64_t *)at == NONE_I64;
	case FIELD_TIME: return *(const int64_t *)at == NONE_TIME;
	case FIELD_DAY: return *(const int32_t *)at == NONE_DAY;
	case FIELD_BOOL: return *(const int8_t *)at < 0;
	case FIELD_ENUM: return *(const uint8_t *)at == 0;
	case FIELD_ID:
	case FIELD_TEXT:
	case FIELD_BYTES: return ((const struct slice *)at)->size == 0;
	case FIELD_LIST:
	case FIELD_U32S: return ((const struct any_list *)at)->at == NULL;
	case FIELD_RECORD: return false;
	}
	UNREACHABLE();
}

static void write_value(struct json_writer *writer, const struct field *field, const void *at)
{
	switch (field->kind) {
	case FIELD_U8: json_uint64(writer, *(const uint8_t *)at); return;
	case FIELD_U16: json_uint64(writer, *(const uint16_t *)at); return;
	case FIELD_U32: json_uint64(writer, *(const uint32_t *)at); return;
	case FIELD_U64: json_uint64(writer, *(const uint64_t *)at); return;
	case FIELD_I64:
	case FIELD_AMOUNT: json_int64(writer, *(const int64_t *)at); return;
	case FIELD_BOOL: json_bool(writer, *(const int8_t *)at != 0); return;
	case FIELD_TIME: write_time(writer, *(const int64_t *)at); return;
	case FIELD_DAY: json_day(writer, *(const int32_t *)at); return;
	case FIELD_ID:
	case FIELD_TEXT: json_string(writer, *(const struct slice *)at); return;
	case FIELD_BYTES: write_bytes(writer, *(const struct slice *)at); return;
	case FIELD_ENUM: json_text(writer, enumeration_text(field->enumeration, *(const uint8_t *)at)); return;
	case FIELD_REF: json_reference(writer, field->reference, *(const uint64_t *)at); return;
	case FIELD_RECORD: record_json(writer, field->record, at); return;
	case FIELD_LIST: write_list(writer, field->record, at); return;
	case FIELD_U32S: write_numbers(writer, at); return;
	case FIELD_WHEN: {
		int64_t when = *(const int64_t *)at;
		if (when < 0)
			json_day(writer, (int32_t)(-when - 1));
		else
			write_time(writer, when);
		return;
	}
	}
	UNREACHABLE();
}

void record_json_members(struct json_writer *writer, const struct record *record, const void *row)
{
	for (uint16_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];
		const void *at = (const uint8_t *)row + field->offset;
		if (field->flat) {
			record_json_members(writer, field->record, at);
			continue;
		}
		json_key(writer, field->json);
		if ((field->optional || field->kind == FIELD_ENUM) && is_absent(field, at))
			json_null(writer);
		else
			write_value(writer, field, at);
	}
}

void record_json(struct json_writer *writer, const struct record *record, const void *row)
{
	json_object_begin(writer);
	record_json_members(writer, record, row);
	json_object_end(writer);
}
