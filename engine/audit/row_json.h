/*
 * Any row of any table, for people: its key and its value as JSON, by the descriptions in schemas/.
 */
#ifndef LEDGERLINE_AUDIT_ROW_JSON_H
#define LEDGERLINE_AUDIT_ROW_JSON_H

#include "schemas/tables.h"
#include "schemas/wire/json.h"

/* {"userId":"kim","lotId":7}; what cannot be read as such a key: its bytes, {"hex":"..."}. */
void row_key_json(struct json_writer *writer, enum table_id table, struct slice key);

/* The row's fields; what cannot be decoded: {"hex":"..."}. An empty value is no row: null. */
void row_value_json(struct json_writer *writer, enum table_id table, struct slice value);

#endif
