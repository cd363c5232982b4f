/* Any described record as members of a JSON object: field by field, by its description. */
#include "engine/reply/reply.h"

#include "schemas/wire/ensure.h"
#include "schemas/wire/time.h"

/* Every list of records has this shape. */
struct any_list {
	const uint8_t *at;
	uint32_t count;
};

static uint64_t unsigned_at(const struct field *field, const void *at)
{
	switch (field->kind) {
	case FIELD_U8: return *(const uint8_t *)at;
	case FIELD_U16: return *(const uint16_t *)at;
	case FIELD_U32: return *(const uint32_t *)at;
	default: return *(const uint64_t *)at;
	}
}

static bool is_absent(const struct field *field, const void *at)
{
	switch (field->kind) {
	case FIELD_U32: return field->optional && *(const uint32_t *)at == NONE_U32;
	case FIELD_U64: return field->optional && *(const uint64_t *)at == NONE_U64;
	case FIELD_REF: return *(const uint64_t *)at == NONE_U64;
	case FIELD_I64:
	case FIELD_AMOUNT:
	case FIELD_WHEN: return field->optional && *(const int64_t *)at == NONE_I64;
	case FIELD_TIME: return *(const int64_t *)at == NONE_TIME;
	case FIELD_DAY: return *(const int32_t *)at == NONE_DAY;
	case FIELD_BOOL: return field->optional && *(const int8_t *)at < 0;
	case FIELD_ENUM: return *(const uint8_t *)at == 0;
	case FIELD_ID:
	case FIELD_TEXT:
	case FIELD_BYTES: return ((const struct slice *)at)->size == 0;
	default: return false;
	}
}

static void day(struct json_writer *writer, int32_t number)
{
	char text[DAY_TEXT_SIZE + 1];
	day_format(number, text);
	json_text(writer, text);
}

static void time_or_day(struct json_writer *writer, int64_t when)
{
	char text[TIME_TEXT_SIZE + 1];
	if (when < 0) {
		day(writer, (int32_t)(-when - 1));
		return;
	}
	time_format(when, text);
	json_text(writer, text);
}

static void records(struct json_writer *writer, const struct field *field, const struct any_list *list)
{
	json_array_begin(writer);
	for (uint32_t i = 0; i < list->count; i++) {
		json_object_begin(writer);
		json_members(writer, field->record, list->at + (size_t)i * field->record->size);
		json_object_end(writer);
	}
	json_array_end(writer);
}

static void steps(struct json_writer *writer, const struct refund_step_list *list)
{
	json_array_begin(writer);
	for (uint32_t i = 0; i < list->count; i++) {
		json_array_begin(writer);
		json_uint64(writer, list->at[i].days);
		json_uint64(writer, list->at[i].percent);
		json_array_end(writer);
	}
	json_array_end(writer);
}

static void value(struct json_writer *writer, const struct field *field, const void *at)
{
	char text[2 * 32 + 1];
	switch (field->kind) {
	case FIELD_U8:
	case FIELD_U16:
	case FIELD_U32:
	case FIELD_U64: json_uint64(writer, unsigned_at(field, at)); break;
	case FIELD_I64:
	case FIELD_AMOUNT: json_int64(writer, *(const int64_t *)at); break;
	case FIELD_BOOL: json_bool(writer, *(const int8_t *)at == 1); break;
	case FIELD_TIME:
	case FIELD_WHEN: time_or_day(writer, *(const int64_t *)at); break;
	case FIELD_DAY: day(writer, *(const int32_t *)at); break;
	case FIELD_ID:
	case FIELD_TEXT: json_string(writer, *(const struct slice *)at); break;
	case FIELD_BYTES: {
		const struct slice *bytes = at;
		ENSURE(bytes->size <= 32);
		hex_text(text, bytes->at, bytes->size);
		json_text(writer, text);
		break;
	}
	case FIELD_ENUM: json_text(writer, enumeration_text(field->enumeration, *(const uint8_t *)at)); break;
	case FIELD_REF:
		_Static_assert(REFERENCE_TEXT_MAX <= sizeof text, "a reference's text fits");
		reference_text(text, field->reference, *(const uint64_t *)at);
		json_text(writer, text);
		break;
	case FIELD_RECORD:
		json_object_begin(writer);
		json_members(writer, field->record, at);
		json_object_end(writer);
		break;
	case FIELD_LIST:
		if (field->record == &refund_step_record) /* people write [days, percent] */
			steps(writer, at);
		else
			records(writer, field, at);
		break;
	case FIELD_U32S: {
		const struct u32_list *list = at;
		json_array_begin(writer);
		for (uint32_t i = 0; i < list->count; i++)
			json_uint64(writer, list->at[i]);
		json_array_end(writer);
		break;
	}
	}
}

void json_members(struct json_writer *writer, const struct record *record, const void *at)
{
	for (uint16_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];
		const void *place = (const uint8_t *)at + field->offset;
		if (field->flat) {
			json_members(writer, field->record, place);
			continue;
		}
		json_key(writer, field->json);
		if (is_absent(field, place))
			json_null(writer);
		else
			value(writer, field, place);
	}
}
