/*
 * Commands from JSON (and from msgpack maps, msgpack_tape.h), by the descriptions of schemas/commands.toml.
 *
 * One generic reader for all types: fields come from the descriptors, and what no descriptor can say (the two ways of naming
 * a seat, a schedule named by its concert and day, lists that are sorted) stands in command_forms.c.
 *
 * Absent and null are the same, but an unknown member is refused even when null. Everything is copied into the arena:
 * what was parsed outlives the reader.
 */
#ifndef LEDGERLINE_COMMAND_JSON_H
#define LEDGERLINE_COMMAND_JSON_H

#include "engine/decide/token.h"
#include "projections/views/view.h"
#include "schemas/codes.h"
#include "schemas/commands.h"
#include "schemas/wire/json.h"
#include "schemas/wire/zone.h"

enum { COMMAND_FIELD_MAX = 128, COMMAND_REASON_MAX = 192 };

/* A command as it was read, or why it could not be. */
struct parsed_command {
	struct command command;
	struct slice id;    /* empty: it has none that can be read */
	uint8_t actor_type; /* 0: none was given */
	struct slice actor_id;
	bool later; /* nothing was decided: ask again when what is under way is done (resolve_context.busy) */
	uint16_t
		code; /* 0: fine; else VALIDATION_ERROR, or what resolving an alias (404, 409) or a token (401) found */
	char field[COMMAND_FIELD_MAX]; /* with VALIDATION_ERROR: "amount", "seats[3].price" */
	char reason
		[COMMAND_REASON_MAX]; /* and what is wrong with it: "must be an integer from 1 to 9007199254740991" */
};

/* What a command may need beside its text. */
struct resolve_context {
	struct view *view; /* for aliases (concertId with date). NULL: those are refused as unknown fields */
	const struct zone *(*zone)(
		void *context); /* with view: asked for when a day is to be found. NULL: cannot be told */
	bool (*token_required)(void *context); /* with view, may be NULL: whether holding seats needs a token now */
	void *context;
	const struct token_secret
		*secret; /* checks waiting-room credentials and takes their digits off. NULL: kept as they are */
	bool busy;       /* commands are under way that may change what an alias means: set parsed->later instead */
};

/* A waiting-room credential that is none of this ledger's is TOKEN_INVALID whatever else is wrong.
 *
 * Reads a whole JSON command {"id","type","actor",...fields}. resolve may be NULL. false: parsed->code says why, or
 * parsed->later. */
bool command_from_json(const struct json_reader *reader, const struct json_node *node, struct arena *arena,
		       const struct resolve_context *resolve, struct parsed_command *parsed);

/* Reads the fields of a command of a known type from an object (a request's body; NULL: an empty one). Names in `given` (a
 * NULL-terminated list, may be NULL) come from the path or the query and are not to stand in the body: they are set from
 * `values`; an empty value is absent. */
bool command_fields_from_json(uint16_t type, const struct json_reader *reader, const struct json_node *object,
			      const char *const *given, const struct slice *values, struct arena *arena,
			      const struct resolve_context *resolve, struct parsed_command *parsed);

/* Whether commands of this type may change which schedule a concert and a day mean (resolve_context.busy). */
bool command_changes_schedules(uint16_t type);

/* Is it 1..64 characters of A-Z a-z 0-9 . _ : - ? */
bool id_is_fine(struct slice id);

/* The number of an id like "use-1842" for a look-up; of one that the ledger cannot have made, a number that nothing has. */
uint64_t reference_or_nowhere(struct slice text, const char *kind);

#endif
