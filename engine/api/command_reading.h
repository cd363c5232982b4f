/*
 * Reading a command: what the pieces of command_json.h share. Seen by engine/api/command_*.c only.
 */
#ifndef LEDGERLINE_COMMAND_READING_H
#define LEDGERLINE_COMMAND_READING_H

#include "engine/api/command_json.h"

enum { SEAT_NO_MAX = 1000000, TEXT_CHARACTERS_MAX = 128, REFUND_ROWS_MAX = 100 };
#define AMOUNT_JSON_MAX INT64_C(9007199254740991) /* 2^53 - 1 */

/* Where a value stands, for messages: `list`[index].`name`, `list`.`name` for an object, or just the name. */
#define NO_INDEX UINT32_MAX
struct place {
	const char *list; /* NULL: not in a list or object */
	uint32_t index;
	const char *name; /* NULL: the element itself */
};

struct reading {
	const struct json_reader *reader;
	struct arena *arena;
	const struct resolve_context *resolve; /* never NULL */
	struct parsed_command *parsed;
};

/* Sets VALIDATION_ERROR, unless something is set already. Returns false. */
__attribute__((format(printf, 3, 4))) bool refuse(struct reading *reading, const struct place *place,
						  const char *reason, ...);
bool refuse_unknown(struct reading *reading, const struct place *place, struct slice name);
bool refuse_missing(struct reading *reading, const struct place *place);

/* One value into the field `at`. The node is not null. (command_values.c) */
bool value_read(struct reading *reading, const struct field *field, const struct json_node *node,
		const struct place *place, void *at);
void value_clear(const struct field *field, void *at); /* absent, or the default */
bool integer_read(struct reading *reading, const struct json_node *node, const struct place *place, int64_t min,
		  int64_t max, int64_t *number);

/* The members of an object into a record's struct, which was cleared; *seen has a bit for each field that was there and not
 * null. `others` (may be NULL) is asked about names that the record does not have. false: refused. */
enum other_member { MEMBER_UNKNOWN, MEMBER_TAKEN, MEMBER_REFUSED };
typedef enum other_member other_member_fn(struct reading *reading, void *context, const struct json_node *member);
bool members_read(struct reading *reading, const struct record *record, const struct json_node *object,
		  const struct place *place, void *row, uint32_t *seen, other_member_fn *others, void *context);
/* Whether all fields that must be there are; `seen` counts those that were read. */
bool members_complete(struct reading *reading, const struct record *record, const struct place *place, uint32_t seen);
void record_clear(const struct record *record, void *row);
uint32_t field_bit(const struct record *record, const char *json); /* of a field that it has */

/* ---- what descriptors cannot say (command_forms.c) ---- */

/* Other ways of naming what a command is about. */
struct forms {
	const struct json_node *seat_no, *seat_number, *concert_id, *date;
};

/* Whether a member is one of them. */
enum other_member form_take(struct reading *reading, uint16_t type, struct forms *forms,
			    const struct json_node *member);
/* Puts them into the fields that they stand for, before it is asked what is missing. */
bool forms_resolve(struct reading *reading, const struct forms *forms, struct command *command, uint32_t *seen);
/* Whether a waiting-room credential is one of this ledger, if that can be told; else TOKEN_INVALID is set. */
bool token_is_ours(struct reading *reading, struct slice token);
/* What is to be true of a command whose fields are all well; brings lists into their order. */
bool command_finish(struct reading *reading, struct command *command);

#endif
