/* Objects: members to fields, what is missing, what is unknown; and the command around them. */
#include "engine/api/command_json.h"

#include <stdarg.h>
#include <stdio.h>

#include "engine/api/command_reading.h"
#include "schemas/wire/ensure.h"

static const struct resolve_context resolve_nothing;

/* ---- saying no ---- */

static void write_place(const struct place *place, char text[COMMAND_FIELD_MAX])
{
	if (!place->list)
		snprintf(text, COMMAND_FIELD_MAX, "%s", place->name);
	else if (place->index == NO_INDEX)
		snprintf(text, COMMAND_FIELD_MAX, "%s%s%s", place->list, place->name ? "." : "",
			 place->name ? place->name : "");
	else if (place->name)
		snprintf(text, COMMAND_FIELD_MAX, "%s[%u].%s", place->list, place->index, place->name);
	else
		snprintf(text, COMMAND_FIELD_MAX, "%s[%u]", place->list, place->index);
}

bool refuse(struct reading *reading, const struct place *place, const char *reason, ...)
{
	struct parsed_command *parsed = reading->parsed;
	va_list args;
	if (parsed->code)
		return false;
	parsed->code = CODE_VALIDATION_ERROR;
	write_place(place, parsed->field);
	va_start(args, reason);
	vsnprintf(parsed->reason, sizeof parsed->reason, reason, args);
	va_end(args);
	return false;
}

bool refuse_unknown(struct reading *reading, const struct place *place, struct slice name)
{
	char text[96];
	snprintf(text, sizeof text, "%.*s", (int)(name.size < sizeof text ? name.size : sizeof text - 1),
		 (const char *)name.at);
	const struct place where = {place->list, place->index, text};
	return refuse(reading, &where, "is not a known field");
}

bool refuse_missing(struct reading *reading, const struct place *place)
{
	return refuse(reading, place, "is missing");
}

/* ---- members ---- */

static bool is_named(struct slice key, const char *name)
{
	return slice_equal(key, slice_text(name));
}

/* The field of that name, also one of a record that stands flat in the object; *at: where its value goes. */
static const struct field *find_field(const struct record *record, struct slice key, uint8_t *row, void **at,
				      uint32_t *bit)
{
	for (uint16_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];
		if (field->flat) {
			const struct field *inner = find_field(field->record, key, row + field->offset, at, bit);
			if (inner)
				return inner;
		} else if (is_named(key, field->json)) {
			*at = row + field->offset;
			*bit = UINT32_C(1) << i;
			return field;
		}
	}
	return NULL;
}

uint32_t field_bit(const struct record *record, const char *json)
{
	for (uint16_t i = 0; i < record->count; i++)
		if (strcmp(record->fields[i].json, json) == 0)
			return UINT32_C(1) << i;
	UNREACHABLE();
}

void record_clear(const struct record *record, void *row)
{
	ENSURE(record->count <= 32);
	for (uint16_t i = 0; i < record->count; i++)
		value_clear(&record->fields[i], (uint8_t *)row + record->fields[i].offset);
}

bool members_read(struct reading *reading, const struct record *record, const struct json_node *object,
		  const struct place *place, void *row, uint32_t *seen, other_member_fn *others, void *context)
{
	if (object->type != JSON_OBJECT)
		return refuse(reading, place, "must be an object, not %s", json_type_name(object->type));
	for (const struct json_node *member = json_first(reading->reader, object); member;
	     member = json_next(reading->reader, member)) {
		void *at = NULL;
		uint32_t bit = 0;
		enum other_member other = others ? others(reading, context, member) : MEMBER_UNKNOWN;
		if (other == MEMBER_REFUSED)
			return false;
		if (other == MEMBER_TAKEN)
			continue;
		const struct field *field = find_field(record, member->key, row, &at, &bit);
		if (!field)
			return refuse_unknown(reading, place, member->key);
		if (member->type == JSON_NULL)
			continue;
		const struct place where = {place->list, place->index, field->json};
		if (!value_read(reading, field, member, &where, at))
			return false;
		*seen |= bit;
	}
	return true;
}

bool members_complete(struct reading *reading, const struct record *record, const struct place *place, uint32_t seen)
{
	for (uint16_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];
		if (field->optional || field->flat || field->preset || field->preset_text || (seen >> i & 1))
			continue;
		const struct place where = {place->list, place->index, field->json};
		return refuse_missing(reading, &where);
	}
	return true;
}

/* ---- the command ---- */

struct others {
	uint16_t type;
	const char *const *given;
	bool is_command; /* id, type and actor stand there too */
	struct forms forms;
};

static enum other_member take_other(struct reading *reading, void *context, const struct json_node *member)
{
	struct others *others = context;
	if (others->is_command &&
	    (is_named(member->key, "id") || is_named(member->key, "type") || is_named(member->key, "actor")))
		return MEMBER_TAKEN;
	for (const char *const *name = others->given; name && *name; name++) {
		const struct place where = {.name = *name};
		if (is_named(member->key, *name)) {
			refuse(reading, &where, "is not a known field of the body: it comes with the request");
			return MEMBER_REFUSED;
		}
	}
	return form_take(reading, others->type, &others->forms, member);
}

static bool give(struct reading *reading, const struct record *record, const char *name, struct slice value, void *row,
		 uint32_t *seen)
{
	const struct json_node node = {.type = JSON_STRING, .text = value};
	const struct place where = {.name = name};
	void *at = NULL;
	uint32_t bit = 0;
	if (!value.at)
		return true;
	const struct field *field = find_field(record, slice_text(name), row, &at, &bit);
	ENSURE(field);
	*seen |= bit;
	return value_read(reading, field, &node, &where, at);
}

/* Who may ask comes before what is asked: a credential that this ledger never gave is told before anything else is. What is
 * no text, or an empty one, is no credential, but a field that is not well. */
static bool credential_is_ours(struct reading *reading, const struct command_info *info, const struct json_node *object,
			       const struct others *others, const struct slice *values)
{
	const char *name = "queueToken";
	uint8_t row[sizeof(struct command)];
	void *at;
	uint32_t bit;
	struct slice token = SLICE_EMPTY;
	if (!find_field(info->record, slice_text(name), row, &at, &bit))
		return true;
	for (unsigned i = 0; others->given && others->given[i]; i++)
		if (strcmp(others->given[i], name) == 0)
			token = values[i];
	if (token.size == 0 && object && object->type == JSON_OBJECT) {
		const struct json_node *member = json_member(reading->reader, object, slice_text(name));
		if (member && member->type == JSON_STRING)
			token = member->text;
	}
	return token.size == 0 || token_is_ours(reading, token);
}

static bool fields_read(struct reading *reading, const struct command_info *info, const struct json_node *object,
			struct others *others, const struct slice *values)
{
	struct command *command = &reading->parsed->command;
	void *row = &command->user_register; /* all records of the union begin here */
	const struct place place = {.name = "body"};
	uint32_t seen = 0;
	command->type = info->type;
	others->type = info->type;
	record_clear(info->record, row);
	if (!credential_is_ours(reading, info, object, others, values))
		return false;
	for (unsigned i = 0; others->given && others->given[i]; i++)
		if (!give(reading, info->record, others->given[i], values[i], row, &seen))
			return false;
	if (object && !members_read(reading, info->record, object, &place, row, &seen, take_other, others))
		return false;
	return forms_resolve(reading, &others->forms, command, &seen) &&
	       members_complete(reading, info->record, &place, seen) && command_finish(reading, command);
}

bool command_fields_from_json(uint16_t type, const struct json_reader *reader, const struct json_node *object,
			      const char *const *given, const struct slice *values, struct arena *arena,
			      const struct resolve_context *resolve, struct parsed_command *parsed)
{
	const struct command_info *info = command_info(type);
	struct reading reading = {reader, arena, resolve ? resolve : &resolve_nothing, parsed};
	struct others others = {.given = given};
	ENSURE(info);
	memset(parsed, 0, sizeof *parsed);
	return fields_read(&reading, info, object, &others, values);
}

/* ---- id, type, actor ---- */

static bool read_id(struct reading *reading, const struct json_node *node)
{
	const struct place place = {.name = "id"};
	if (!node || node->type == JSON_NULL)
		return true;
	if (node->type != JSON_STRING || !id_is_fine(node->text))
		return refuse(reading, &place, "must be a string of 1 to %d characters of A-Z a-z 0-9 . _ : -",
			      ID_BYTES_MAX);
	reading->parsed->id = arena_copy(reading->arena, node->text);
	return true;
}

static bool read_actor(struct reading *reading, const struct json_node *node)
{
	struct actor {
		uint8_t type;
		struct slice id;
	} actor;
	static const struct field fields[] = {
		{.name = "type",
		 .json = "type",
		 .kind = FIELD_ENUM,
		 .offset = offsetof(struct actor, type),
		 .enumeration = &actor_type_enumeration},
		{.name = "id", .json = "id", .kind = FIELD_ID, .offset = offsetof(struct actor, id), .optional = true},
	};
	static const struct record record = {"actor", fields, 2, sizeof(struct actor)};
	const struct place place = {"actor", NO_INDEX, NULL};
	uint32_t seen = 0;
	if (!node || node->type == JSON_NULL)
		return true;
	record_clear(&record, &actor);
	if (!members_read(reading, &record, node, &place, &actor, &seen, NULL, NULL) ||
	    !members_complete(reading, &record, &place, seen))
		return false;
	reading->parsed->actor_type = actor.type;
	reading->parsed->actor_id = actor.id;
	return true;
}

static const struct command_info *read_type(struct reading *reading, const struct json_node *node)
{
	const struct place place = {.name = "type"};
	const struct command_info *info = NULL;
	if (!node || node->type == JSON_NULL)
		refuse_missing(reading, &place);
	else if (node->type != JSON_STRING)
		refuse(reading, &place, "must be a string, not %s", json_type_name(node->type));
	else if (!(info = command_info_named(node->text)))
		refuse(reading, &place, "is not a known type of command");
	return info;
}

bool command_from_json(const struct json_reader *reader, const struct json_node *node, struct arena *arena,
		       const struct resolve_context *resolve, struct parsed_command *parsed)
{
	struct reading reading = {reader, arena, resolve ? resolve : &resolve_nothing, parsed};
	struct others others = {.is_command = true};
	const struct place place = {.name = "command"};
	memset(parsed, 0, sizeof *parsed);
	if (node->type != JSON_OBJECT)
		return refuse(&reading, &place, "must be an object, not %s", json_type_name(node->type));
	const struct json_node *type = json_member(reader, node, SLICE("type")),
			       *id = json_member(reader, node, SLICE("id"));
	const struct command_info *info = type && type->type == JSON_STRING ? command_info_named(type->text) : NULL;
	bool ours = !info || credential_is_ours(&reading, info, node, &others, NULL);
	if (!read_id(&reading, id) || !ours) /* the id also for the receipt of who may not ask */
		return false;
	info = read_type(&reading, type);
	return info && read_actor(&reading, json_member(reader, node, SLICE("actor"))) &&
	       fields_read(&reading, info, node, &others, NULL);
}

bool command_changes_schedules(uint16_t type)
{
	return type == COMMAND_SCHEDULE_CREATE || type == COMMAND_SCHEDULE_UPDATE || type == COMMAND_SCHEDULE_CANCEL ||
	       type == COMMAND_POLICY_SET || type == COMMAND_CONCERT_CREATE;
}
