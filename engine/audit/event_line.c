#include "engine/audit/event_line.h"

#include <inttypes.h>

#include "engine/reply/reply.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/record_json.h"

static void member_id(struct json_writer *writer, const char *key, struct slice id)
{
	json_key(writer, key);
	if (id.size)
		json_string(writer, id);
	else
		json_null(writer);
}

static void line_begin(struct json_writer *writer, struct buffer *out, const struct entry *entry, uint32_t index,
		       const char *type, uint16_t version)
{
	json_writer_init(writer, out, false);
	json_object_begin(writer);
	json_key(writer, "position");
	json_textf(writer, "0:%" PRIu64, entry->seq);
	json_member_uint64(writer, "index", index);
	json_key(writer, "offset");
	if (entry->offset == NONE_U64)
		json_null(writer);
	else
		json_uint64(writer, entry->offset);
	json_member_time(writer, "time", entry->time);
	json_member_text(writer, "type", type);
	json_member_uint64(writer, "version", version);
	member_id(writer, "commandId", entry->head.command_id);
	json_key(writer, "actor");
	json_object_begin(writer);
	json_member_text(writer, "type", enumeration_text(&actor_type_enumeration, entry->head.actor_type));
	member_id(writer, "id", entry->head.actor_id);
	json_object_end(writer);
}

static void line_end(struct json_writer *writer, struct buffer *out)
{
	json_object_end(writer);
	buffer_append_byte(out, '\n');
}

static void refusal_line(const struct entry *entry, struct buffer *out)
{
	struct json_writer writer;
	const struct command_info *command = command_info(entry->head.command);
	const struct code_info *code = code_info(entry->code);
	line_begin(&writer, out, entry, 0, "refused", 1);
	json_member_text(&writer, "command", command ? command->record->name : NULL);
	json_member_text(&writer, "code", code ? code->name : NULL);
	json_key(&writer, "facts");
	json_object_begin(&writer);
	for (uint32_t i = 0; i < entry->facts.count; i++) {
		const struct fact *fact = &entry->facts.at[i];
		json_member_fact(&writer, enumeration_text(&fact_name_enumeration, fact->name), fact);
	}
	json_object_end(&writer);
	line_end(&writer, out);
}

/* Members of a line stand for themselves: an event's field of the same name goes by another one. */
static const struct {
	uint16_t event;
	const char *field, *shown;
} renamed[] = {
	{EVENT_POLICY_CHANGED, "version", "policyVersion"},
	{EVENT_QUEUE_TOKEN_ISSUED, "position", "queuePosition"},
	{EVENT_ANNULLED, "offset", "annulledOffset"},
};

static const char *shown_as(uint16_t event, const char *field)
{
	for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
		if (renamed[i].event == event && strcmp(renamed[i].field, field) == 0)
			return renamed[i].shown;
	return field;
}

/* A line shows what was written: an event of an earlier version has no fields that came after it. */
static void write_fields(struct json_writer *writer, const struct event *event, const struct record *record,
			 const void *row)
{
	for (uint16_t i = 0; i < record->count; i++) {
		struct field field = record->fields[i];
		const struct record alone = {record->name, &field, 1, record->size};
		if (field.since > event->version)
			continue;
		field.json = shown_as(event->type, field.json);
		record_json_members(writer, &alone, row);
	}
}

/* The fields of any event stand at one address: those of the union. */
static const void *fields_of(const struct event *event)
{
	return &event->user_registered;
}

void event_lines(const struct entry *entry, struct buffer *out)
{
	struct json_writer writer;
	if (entry->head.outcome == OUTCOME_REFUSED) {
		refusal_line(entry, out);
		return;
	}
	for (uint32_t i = 0; i < entry->event_count; i++) {
		const struct event *event = &entry->events[i];
		const struct event_info *info = event_info(event->type);
		ENSURE(info);
		line_begin(&writer, out, entry, i, info->record->name, event->version);
		write_fields(&writer, event, info->record, fields_of(event));
		line_end(&writer, out);
	}
}
