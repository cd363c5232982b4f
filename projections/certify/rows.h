/*
 * Rows across versions of their projection: read, shown, and held against each other.
 *
 * schemas/tables.toml says of each field since which version it is there, until which it was, and from which on it has another
 * value. From that follows what a row of any earlier version looked like, and what may differ when old and new were folded
 * from the same entries:
 *
 *	new since (since > old)            the old row does not have it
 *	gone (until >= old)                the new row does not have it
 *	changed (changed > old)            both have it, and it may differ
 *	every other field                  equal, byte for byte
 *
 * A key never changes: a table with another key is another table. So tables are compared key by key; one that is new
 * (table_is_new) is compared with nothing, and one that is gone is not asked for.
 *
 * Versions are 1 to the projection's own (projection_layouts); another one is a bug of the caller, who has refused it before.
 */
#ifndef LEDGERLINE_CERTIFY_ROWS_H
#define LEDGERLINE_CERTIFY_ROWS_H

#include "schemas/tables.h"
#include "schemas/wire/error.h"
#include "schemas/wire/json.h"

/* May this field differ between a row of version `old` and one of the newest? */
static inline bool field_is_declared(const struct layout_field *field, uint32_t old)
{
	return field->field->since > old || (field->until && field->until >= old) || field->changed > old;
}

/* Is the table itself younger than that version? */
static inline bool table_is_new(enum table_id table, uint32_t old)
{
	return table_places[table].since > old;
}

/* Is there a field in which rows of version `old` and of the newest may differ? */
bool table_is_declared(enum table_id table, uint32_t old);

/* Where two rows differ. */
struct row_difference {
	const struct field *field; /* NULL: one of the rows cannot be read */
	const char *failed;        /* then: what could not be read of it */
	bool old_failed;           /* then: it is the old one */
	struct slice before,
		after; /* else: the field's bytes (msgpack) in the old and in the new row, into those rows */
};

/* Are they equal in every field that is not declared to differ? `old_row` is of version `old`, `new_row` of the newest. false:
 * *difference (may be NULL) is the first field that differs. The table must not be new. */
LL_CHECKED bool row_equal_but_declared(enum table_id table, uint32_t old, struct slice old_row, struct slice new_row,
				       struct row_difference *difference);

/* Writes the row of that version as a JSON object, as record_json does one of the newest. false: it is none, and nothing was
 * written. */
LL_CHECKED bool row_json_of(struct json_writer *writer, enum table_id table, uint32_t version, struct slice row);

/* The same for any layout: those above are of the layout of `table_places[table]`. */
struct row_layout {
	const char *name; /* of the table */
	const struct layout_field *fields;
	uint16_t count;
	uint32_t newest; /* version */
};
LL_CHECKED bool layout_rows_equal(const struct row_layout *layout, uint32_t old, struct slice old_row,
				  struct slice new_row, struct row_difference *difference);
LL_CHECKED bool layout_row_json(struct json_writer *writer, const struct row_layout *layout, uint32_t version,
				struct slice row);

#endif
