/*
 * Commands from JSON (and from msgpack maps), by the descriptions of schemas/commands.toml.
 */
#ifndef LEDGERLINE_COMMAND_JSON_H
#define LEDGERLINE_COMMAND_JSON_H

#include "projections/views/view.h"
#include "schemas/codes.h"
#include "schemas/commands.h"
#include "schemas/wire/json.h"
#include "schemas/wire/zone.h"

/* A command as it was read, or why it could not be. */
struct parsed_command {
	struct command command;
	struct slice id;       /* empty: it has none */
	uint8_t actor_type;    /* 0: none was given */
	struct slice actor_id;
	uint16_t code;         /* 0: fine; else VALIDATION_ERROR, or what resolving an alias found (404, 409) */
	char field[128];       /* with VALIDATION_ERROR: "amount", "seats[3].price" */
	char reason[192];      /* and what is wrong with it: "must be an integer from 1 to 9007199254740991" */
};

/* For aliases (concertId with date, seatNumber). view NULL: aliases are refused as unknown fields. */
struct resolve_context {
	struct view *view;
	const struct zone *zone;
};

/* Reads a whole JSON command {"id","type","actor",...fields}. What it points to lies in the reader and the arena. */
bool command_from_json(const struct json_reader *reader, const struct json_node *node, struct arena *arena,
		       const struct resolve_context *resolve, struct parsed_command *parsed);

/* Reads the fields of a command of a known type from an object (a request's body). Names in `given` (a NULL-terminated
 * list, may be NULL) come from the path or the query and are not to stand in the body: they are set from `values`. */
bool command_fields_from_json(uint16_t type, const struct json_reader *reader, const struct json_node *object,
			      const char *const *given, const struct slice *values, struct arena *arena,
			      const struct resolve_context *resolve, struct parsed_command *parsed);

/* Is it 1..64 characters of A-Z a-z 0-9 . _ : - ? */
bool id_is_fine(struct slice id);

#endif
