/*
 * Records as JSON, by their descriptions: events in exports and `journal cat`, policies, lots.
 *
 * Members stand in the order of the description, under their JSON names. Absent ones are null. Times are RFC 3339,
 * days YYYY-MM-DD, references as clients know them ("use-1842"), bytes lower-case hexadecimal, enumerations their
 * texts, records objects, lists arrays. A step of the refund table is the pair that people write: [days, percent].
 */
#ifndef LEDGERLINE_WIRE_RECORD_JSON_H
#define LEDGERLINE_WIRE_RECORD_JSON_H

#include "schemas/wire/json.h"
#include "schemas/wire/record.h"

/* One object. `row` is the struct that `record` describes. */
void record_json(struct json_writer *writer, const struct record *record, const void *row);

/* Its members, into the object that is open. */
void record_json_members(struct json_writer *writer, const struct record *record, const void *row);

/* The pieces, as values: null when absent (NONE_TIME, NONE_DAY, NONE_U64). */
void json_time(struct json_writer *writer, int64_t ms);
void json_day(struct json_writer *writer, int32_t day);
void json_reference(struct json_writer *writer, const char *kind, uint64_t id);

#endif
