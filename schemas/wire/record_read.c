#include "schemas/wire/record_read.h"

#include "schemas/records.h"
#include "schemas/wire/ensure.h"

/* A list of whatever records: all of them begin like this. */
struct any_list {
	uint8_t *at;
	uint32_t count;
};

static void set_absent(const struct field *field, void *at)
{
	switch (field->kind) {
	case FIELD_U8: *(uint8_t *)at = UINT8_MAX; return;
	case FIELD_U16: *(uint16_t *)at = UINT16_MAX; return;
	case FIELD_U32: *(uint32_t *)at = NONE_U32; return;
	case FIELD_U64:
	case FIELD_REF: *(uint64_t *)at = NONE_U64; return;
	case FIELD_I64:
	case FIELD_AMOUNT:
	case FIELD_WHEN: *(int64_t *)at = NONE_I64; return;
	case FIELD_TIME: *(int64_t *)at = NONE_TIME; return;
	case FIELD_DAY: *(int32_t *)at = NONE_DAY; return;
	case FIELD_BOOL: *(int8_t *)at = -1; return;
	case FIELD_ENUM: *(uint8_t *)at = 0; return;
	case FIELD_ID:
	case FIELD_TEXT:
	case FIELD_BYTES: *(struct slice *)at = SLICE_EMPTY; return;
	case FIELD_LIST:
	case FIELD_U32S: *(struct any_list *)at = (struct any_list){NULL, 0}; return;
	case FIELD_RECORD: break; /* is always there */
	}
	UNREACHABLE();
}

static bool read_list(struct cursor *c, const struct field *field, struct any_list *list)
{
	if (!cursor_array(c, &list->count, field->name) || list->count > LIST_COUNT_MAX)
		return cursor_fail(c, field->name);
	list->at = list->count ? arena_alloc(c->arena, list->count * (size_t)field->record->size) : NULL;
	for (uint32_t i = 0; i < list->count; i++)
		if (!record_read(c, field->record, list->at + (size_t)i * field->record->size))
			return false;
	return true;
}

bool record_read_field(struct cursor *c, const struct field *field, void *at)
{
	if (field->self) {
		*(uint64_t *)at = c->seq;
		return true;
	}
	if (field->optional && cursor_is_nil(c)) {
		set_absent(field, at);
		return true;
	}
	switch (field->kind) {
	case FIELD_U8: return cursor_u8(c, at, field->name);
	case FIELD_U16: return cursor_u16(c, at, field->name);
	case FIELD_U32: return cursor_u32(c, at, field->name);
	case FIELD_U64:
	case FIELD_REF: return cursor_u64(c, at, field->name);
	case FIELD_I64:
	case FIELD_WHEN: return cursor_i64(c, at, field->name);
	case FIELD_AMOUNT:
	case FIELD_TIME: return cursor_amount(c, at, field->name);
	case FIELD_DAY: return cursor_i32(c, at, field->name);
	case FIELD_BOOL: return cursor_flag(c, at, field->name);
	case FIELD_ENUM: return cursor_enum(c, at, field->enumeration, field->name);
	case FIELD_ID: return cursor_id(c, at, field->name);
	case FIELD_TEXT: return cursor_text(c, at, field->name);
	case FIELD_BYTES: return cursor_bytes(c, at, (uint8_t)field->max, field->name);
	case FIELD_RECORD: return record_read(c, field->record, at);
	case FIELD_LIST: return read_list(c, field, at);
	case FIELD_U32S: return u32_list_decode(c, at, field->name);
	}
	UNREACHABLE();
}

bool record_read(struct cursor *c, const struct record *record, void *row)
{
	uint32_t count = 0;
	for (uint16_t i = 0; i < record->count; i++)
		count += !record->fields[i].self;
	if (!cursor_array_of(c, count, record->name))
		return false;
	for (uint16_t i = 0; i < record->count; i++)
		if (!record_read_field(c, &record->fields[i], (uint8_t *)row + record->fields[i].offset))
			return false;
	return true;
}
