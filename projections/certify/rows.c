#include "projections/certify/rows.h"

#include "schemas/wire/ensure.h"
#include "schemas/wire/record_json.h"
#include "schemas/wire/record_read.h"

enum { FIELDS_MAX = 64, SLOT_BYTES = 16 };

/* A row of one version, taken apart. Fields lie in a struct of our own making: each in its slot. */
struct parts {
	struct arena arena; /* of the struct and its lists */
	struct field fields[FIELDS_MAX];
	struct slice bytes[FIELDS_MAX]; /* of each field, in the row */
	uint16_t count;
	uint16_t size; /* of the struct */
	uint8_t *values;
	const char *failed;
};

_Static_assert(sizeof(struct slice) <= SLOT_BYTES && sizeof(struct u32_list) <= SLOT_BYTES, "a slot holds any value");

static bool is_in(const struct layout_field *field, uint32_t version)
{
	return field->field->since <= version && (!field->until || field->until >= version);
}

static void lay_out(struct parts *parts, const struct row_layout *layout, uint32_t version)
{
	ENSURE(layout->count <= FIELDS_MAX);
	for (uint16_t i = 0; i < layout->count; i++) {
		if (!is_in(&layout->fields[i], version))
			continue;
		struct field *field = &parts->fields[parts->count++];
		*field = *layout->fields[i].field;
		field->offset = parts->size;
		size_t size = field->kind == FIELD_RECORD ? field->record->size : SLOT_BYTES;
		parts->size = (uint16_t)(parts->size + (size + SLOT_BYTES - 1) / SLOT_BYTES * SLOT_BYTES);
	}
}

/* false: parts->failed says what is wrong. The parts are released either way. */
static bool take_apart(struct parts *parts, const struct row_layout *layout, uint32_t version, struct slice row)
{
	ENSURE(version >= 1 && version <= layout->newest);
	*parts = (struct parts){.count = 0};
	lay_out(parts, layout, version);
	parts->values = arena_alloc(&parts->arena, parts->size);
	struct cursor cursor = cursor_over(row, &parts->arena);
	bool well = cursor_array_of(&cursor, parts->count, layout->name);
	for (uint16_t i = 0; well && i < parts->count; i++) {
		const uint8_t *start = cursor.at;
		well = record_read_field(&cursor, &parts->fields[i], parts->values + parts->fields[i].offset);
		parts->bytes[i] = slice_of(start, (size_t)(cursor.at - start));
	}
	parts->failed = !well ? cursor.failed : cursor.at != cursor.end ? "bytes left over" : NULL;
	return !parts->failed;
}

static bool tell(struct row_difference *to, struct row_difference difference)
{
	if (to)
		*to = difference;
	return false;
}

/* Both rows are in parts: walks over the fields of all versions. */
static bool compare(const struct row_layout *layout, uint32_t old, const struct parts *before,
		    const struct parts *after, struct row_difference *difference)
{
	uint16_t at_before = 0, at_after = 0;
	for (uint16_t i = 0; i < layout->count; i++) {
		const struct layout_field *field = &layout->fields[i];
		bool had = is_in(field, old), has = is_in(field, layout->newest);
		if (had && has && !field_is_declared(field, old) &&
		    !slice_equal(before->bytes[at_before], after->bytes[at_after]))
			return tell(difference, (struct row_difference){
							.field = field->field,
							.before = before->bytes[at_before],
							.after = after->bytes[at_after],
						});
		at_before += had;
		at_after += has;
	}
	return true;
}

bool layout_rows_equal(const struct row_layout *layout, uint32_t old, struct slice old_row, struct slice new_row,
		       struct row_difference *difference)
{
	struct parts before, after;
	bool equal = take_apart(&before, layout, old, old_row);
	if (!equal)
		tell(difference, (struct row_difference){.failed = before.failed, .old_failed = true});
	else if (!(equal = take_apart(&after, layout, layout->newest, new_row)))
		tell(difference, (struct row_difference){.failed = after.failed});
	else
		equal = compare(layout, old, &before, &after, difference);
	if (!before.failed)
		arena_release(&after.arena);
	arena_release(&before.arena);
	return equal;
}

bool layout_row_json(struct json_writer *writer, const struct row_layout *layout, uint32_t version, struct slice row)
{
	struct parts parts;
	bool well = take_apart(&parts, layout, version, row);
	const struct record record = {layout->name, parts.fields, parts.count, parts.size};
	if (well)
		record_json(writer, &record, parts.values);
	arena_release(&parts.arena);
	return well;
}

/* ---- the tables that there are ---- */

static struct row_layout layout_of(enum table_id table)
{
	const struct table_place *place = &table_places[table];
	return (struct row_layout){place->name, place->layout, place->layout_fields,
				   projection_layouts[place->projection].version};
}

bool table_is_declared(enum table_id table, uint32_t old)
{
	const struct table_place *place = &table_places[table];
	for (uint16_t i = 0; i < place->layout_fields; i++)
		if (field_is_declared(&place->layout[i], old))
			return true;
	return false;
}

bool row_equal_but_declared(enum table_id table, uint32_t old, struct slice old_row, struct slice new_row,
			    struct row_difference *difference)
{
	struct row_layout layout = layout_of(table);
	ENSURE(!table_is_new(table, old));
	/* Nearly every row of nearly every table: nothing is to be taken apart. */
	if (slice_equal(old_row, new_row) && !table_is_declared(table, old))
		return true;
	return layout_rows_equal(&layout, old, old_row, new_row, difference);
}

bool row_json_of(struct json_writer *writer, enum table_id table, uint32_t version, struct slice row)
{
	struct row_layout layout = layout_of(table);
	return layout_row_json(writer, &layout, version, row);
}
