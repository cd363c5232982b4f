#include "engine/audit/row_json.h"

#include "schemas/wire/hash.h"
#include "schemas/wire/record_json.h"

enum { SHOWN_BYTES_MAX = 256 };

static void write_hex(struct json_writer *writer, struct slice bytes)
{
	char text[2 * SHOWN_BYTES_MAX + 1];
	size_t shown = bytes.size < SHOWN_BYTES_MAX ? bytes.size : SHOWN_BYTES_MAX;
	hex_text(text, bytes.at, shown);
	json_object_begin(writer);
	json_member_text(writer, "hex", text);
	json_object_end(writer);
}

/* Bytes of a part of the key, and what is left. */
static bool take_part(const struct key_part *part, bool last, struct slice *rest, struct slice *taken)
{
	static const size_t sizes[] = {[KEY_PART_U8] = 1, [KEY_PART_U32] = 4, [KEY_PART_U64] = 8, [KEY_PART_TIME] = 8};
	const uint8_t *at;
	if (part->kind == KEY_PART_ID)
		return key_take_id(rest, taken, last);
	size_t size = part->kind == KEY_PART_BYTES ? part->size : sizes[part->kind];
	if (!key_take(rest, size, &at))
		return false;
	*taken = slice_of(at, size);
	return true;
}

static void write_part(struct json_writer *writer, const struct key_part *part, struct slice bytes)
{
	char text[2 * UINT8_MAX + 1];
	json_key(writer, part->json);
	switch (part->kind) {
	case KEY_PART_ID: json_string(writer, bytes); return;
	case KEY_PART_BYTES:
		hex_text(text, bytes.at, bytes.size);
		json_text(writer, text);
		return;
	case KEY_PART_U8: json_uint64(writer, *bytes.at); return;
	case KEY_PART_U32: json_uint64(writer, load_u32(bytes.at)); return;
	case KEY_PART_U64: json_uint64(writer, load_u64(bytes.at)); return;
	case KEY_PART_TIME: json_uint64(writer, load_u64(bytes.at)); return;
	}
}

static bool is_readable(const struct table_place *place, struct slice rest)
{
	struct slice taken;
	for (unsigned i = 0; i < place->key_parts; i++)
		if (!take_part(&place->key[i], i + 1u == place->key_parts, &rest, &taken))
			return false;
	return rest.size == 0;
}

void row_key_json(struct json_writer *writer, enum table_id table, struct slice key)
{
	const struct table_place *place = &table_places[table];
	struct slice taken;
	if (!is_readable(place, key)) {
		write_hex(writer, key);
		return;
	}
	json_object_begin(writer);
	for (unsigned i = 0;
	     i < place->key_parts && take_part(&place->key[i], i + 1u == place->key_parts, &key, &taken); i++)
		write_part(writer, &place->key[i], taken);
	json_object_end(writer);
}

void row_value_json(struct json_writer *writer, enum table_id table, struct slice value)
{
	const struct table_place *place = &table_places[table];
	struct arena arena = {0};
	struct cursor cursor = cursor_over(value, &arena);
	void *row = arena_alloc(&arena, place->record->size + 1u);
	if (value.size == 0)
		json_null(writer);
	else if (place->decode(&cursor, row) && cursor.at == cursor.end)
		record_json(writer, place->record, row);
	else
		write_hex(writer, value);
	arena_release(&arena);
}
