/* Single values of commands: JSON to the fields of C structs, by their descriptions. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/api/command_reading.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/time.h"
#include "schemas/wire/utf8.h"

/* A number that no entry has: what an id that the ledger cannot have made stands for. */
#define REFERENCE_NOWHERE (UINT64_C(1) << 47)

/* A list of whatever records: all of them begin like this. */
struct any_list {
	void *at;
	uint32_t count;
};

bool id_is_fine(struct slice id)
{
	if (id.size < 1 || id.size > ID_BYTES_MAX)
		return false;
	for (size_t i = 0; i < id.size; i++) {
		uint8_t c = id.at[i];
		bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
			    c == '_' || c == ':' || c == '-';
		if (!fine)
			return false;
	}
	return true;
}

uint64_t reference_or_nowhere(struct slice text, const char *kind)
{
	uint64_t number;
	return reference_parse(text, kind, &number) ? number : REFERENCE_NOWHERE;
}

bool integer_read(struct reading *reading, const struct json_node *node, const struct place *place, int64_t min,
		  int64_t max, int64_t *number)
{
	*number = node->integer;
	if (node->type == JSON_NUMBER && node->is_integer && node->integer >= min && node->integer <= max)
		return true;
	return refuse(reading, place, "must be an integer from %" PRId64 " to %" PRId64, min, max);
}

static bool text_read(struct reading *reading, const struct json_node *node, const struct place *place, void *at)
{
	size_t characters = 0;
	if (node->type != JSON_STRING)
		return refuse(reading, place, "must be a string, not %s", json_type_name(node->type));
	for (size_t i = 0; i < node->text.size; i++)
		characters += (node->text.at[i] & 0xc0) != 0x80;
	if (characters < 1 || characters > TEXT_CHARACTERS_MAX)
		return refuse(reading, place, "must have 1 to %d characters", TEXT_CHARACTERS_MAX);
	*(struct slice *)at = arena_copy(reading->arena, node->text);
	return true;
}

static bool id_check(struct reading *reading, const struct json_node *node, const struct place *place)
{
	if (node->type == JSON_STRING && id_is_fine(node->text))
		return true;
	return refuse(reading, place, "must be a string of 1 to %d characters of A-Z a-z 0-9 . _ : -", ID_BYTES_MAX);
}

static bool time_read(struct reading *reading, const struct json_node *node, const struct place *place, bool day_too,
		      int64_t *time)
{
	struct error error;
	int32_t day;
	if (node->type != JSON_STRING)
		return refuse(reading, place, "must be a string, not %s", json_type_name(node->type));
	if (day_too && node->text.size == DAY_TEXT_SIZE) {
		if (day_parse(node->text, &day, &error) != LL_OK)
			return refuse(reading, place, "%s", error.text);
		*time = -(int64_t)day - 1;
		return true;
	}
	if (time_parse(node->text, time, &error) != LL_OK)
		return refuse(reading, place, "%s", error.text);
	if (!day_too && *time == NONE_TIME)
		return refuse(reading, place, "must be later than 1970-01-01T00:00:00Z");
	return true;
}

static bool enum_read(struct reading *reading, const struct field *field, const struct json_node *node,
		      const struct place *place, uint8_t *value)
{
	*value = node->type == JSON_STRING ? enumeration_value(field->enumeration, node->text) : 0;
	if (*value)
		return true;
	char texts[128] = "";
	for (unsigned i = 1, size = 0; i < field->enumeration->count && size < sizeof texts; i++)
		if (field->enumeration->texts[i])
			size += (unsigned)snprintf(texts + size, sizeof texts - size, "%s\"%s\"", size ? " or " : "",
						   field->enumeration->texts[i]);
	return refuse(reading, place, "must be %s", texts);
}

static bool bool_read(struct reading *reading, const struct field *field, const struct json_node *node,
		      const struct place *place, void *at)
{
	if (node->type != JSON_BOOL)
		return refuse(reading, place, "must be true or false");
	if (field->optional)
		*(int8_t *)at = node->yes;
	else
		*(bool *)at = node->yes;
	return true;
}

/* A row of the refund table is given as people write it: [days, percent]. */
static bool pair_read(struct reading *reading, const struct record *record, const struct json_node *node,
		      const struct place *place, void *row)
{
	const struct json_node *child = json_first(reading->reader, node);
	if (node->type != JSON_ARRAY || node->children != record->count)
		return refuse(reading, place, "must be an array of two integers: days and percent");
	for (unsigned i = 0; i < record->count; i++, child = json_next(reading->reader, child)) {
		const struct place where = {place->list, place->index, record->fields[i].json};
		if (!value_read(reading, &record->fields[i], child, &where, (uint8_t *)row + record->fields[i].offset))
			return false;
	}
	return true;
}

static bool object_read(struct reading *reading, const struct record *record, const struct json_node *node,
			const struct place *place, void *row)
{
	uint32_t seen = 0;
	record_clear(record, row);
	return members_read(reading, record, node, place, row, &seen, NULL, NULL) &&
	       members_complete(reading, record, place, seen);
}

static bool list_check(struct reading *reading, const struct json_node *node, const struct place *place, int64_t min,
		       int64_t max)
{
	if (node->type == JSON_ARRAY && node->children >= min && node->children <= max)
		return true;
	return refuse(reading, place, "must be an array of %" PRId64 " to %" PRId64 " elements", min, max);
}

static bool list_read(struct reading *reading, const struct field *field, const struct json_node *node,
		      const struct place *place, struct any_list *list)
{
	bool pairs = field->record == &refund_step_record;
	uint32_t size = field->record->size;
	if (!list_check(reading, node, place, pairs ? 1 : field->min, pairs ? REFUND_ROWS_MAX : field->max))
		return false;
	uint8_t *rows = arena_alloc(reading->arena, (size_t)node->children * size);
	uint32_t i = 0;
	for (const struct json_node *child = json_first(reading->reader, node); child;
	     child = json_next(reading->reader, child), i++) {
		const struct place where = {place->name, i, NULL};
		uint8_t *row = rows + (size_t)i * size;
		if (pairs ? !pair_read(reading, field->record, child, &where, row)
			  : !object_read(reading, field->record, child, &where, row))
			return false;
	}
	*list = (struct any_list){rows, i};
	return true;
}

/* Numbers of seats. */
static bool numbers_read(struct reading *reading, const struct field *field, const struct json_node *node,
			 const struct place *place, struct u32_list *list)
{
	if (!list_check(reading, node, place, field->min, field->max))
		return false;
	uint32_t *numbers = arena_alloc(reading->arena, (size_t)node->children * sizeof *numbers);
	uint32_t i = 0;
	for (const struct json_node *child = json_first(reading->reader, node); child;
	     child = json_next(reading->reader, child), i++) {
		const struct place where = {place->name, i, NULL};
		int64_t number;
		if (!integer_read(reading, child, &where, 1, SEAT_NO_MAX, &number))
			return false;
		numbers[i] = (uint32_t)number;
	}
	*list = (struct u32_list){numbers, i};
	return true;
}

static int64_t bound(const struct field *field, int64_t none)
{
	return field->max ? field->max : none;
}

bool value_read(struct reading *reading, const struct field *field, const struct json_node *node,
		const struct place *place, void *at)
{
	int64_t number = 0;
	switch (field->kind) {
	case FIELD_U32:
		if (!integer_read(reading, node, place, field->min, bound(field, (int64_t)UINT32_MAX - 1), &number))
			return false;
		*(uint32_t *)at = (uint32_t)number;
		return true;
	case FIELD_U64:
		if (!integer_read(reading, node, place, field->min, bound(field, AMOUNT_JSON_MAX), &number))
			return false;
		*(uint64_t *)at = (uint64_t)number;
		return true;
	case FIELD_I64: return integer_read(reading, node, place, field->min, field->max, at);
	case FIELD_AMOUNT: return integer_read(reading, node, place, field->min, bound(field, AMOUNT_JSON_MAX), at);
	case FIELD_BOOL: return bool_read(reading, field, node, place, at);
	case FIELD_TIME: return time_read(reading, node, place, false, at);
	case FIELD_WHEN: return time_read(reading, node, place, true, at);
	case FIELD_TEXT: return text_read(reading, node, place, at);
	case FIELD_ENUM: return enum_read(reading, field, node, place, at);
	case FIELD_LIST: return list_read(reading, field, node, place, at);
	case FIELD_U32S: return numbers_read(reading, field, node, place, at);
	case FIELD_ID:
		if (!id_check(reading, node, place))
			return false;
		*(struct slice *)at = arena_copy(reading->arena, node->text);
		return true;
	case FIELD_REF:
		if (!id_check(reading, node, place))
			return false;
		*(uint64_t *)at = reference_or_nowhere(node->text, field->reference);
		return true;
	default: UNREACHABLE(); /* no command has others */
	}
}

void value_clear(const struct field *field, void *at)
{
	switch (field->kind) {
	case FIELD_U32: *(uint32_t *)at = NONE_U32; return;
	case FIELD_U64:
	case FIELD_REF: *(uint64_t *)at = NONE_U64; return;
	case FIELD_I64:
	case FIELD_AMOUNT:
	case FIELD_WHEN: *(int64_t *)at = NONE_I64; return;
	case FIELD_TIME: *(int64_t *)at = NONE_TIME; return;
	case FIELD_BOOL:
		if (field->optional)
			*(int8_t *)at = -1;
		else
			*(bool *)at = false;
		return;
	case FIELD_TEXT: *(struct slice *)at = SLICE_EMPTY; return;
	case FIELD_ID: *(struct slice *)at = slice_text(field->preset_text); return;
	case FIELD_ENUM: *(uint8_t *)at = (uint8_t)field->preset; return;
	case FIELD_LIST: *(struct any_list *)at = (struct any_list){0}; return;
	case FIELD_U32S: *(struct u32_list *)at = (struct u32_list){0}; return;
	case FIELD_RECORD: record_clear(field->record, at); return;
	default: UNREACHABLE();
	}
}
