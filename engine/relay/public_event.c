#include "engine/relay/public_event.h"

#include <inttypes.h>
#include <stdio.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/record_json.h"

/* The fields of any event stand at one address: those of the union. */
static const void *field_at(const struct event *event, const struct field *field)
{
	return (const uint8_t *)&event->user_registered + field->offset;
}

static const struct field *field_of(const struct event *event, uint16_t index)
{
	const struct event_info *info = event_info(event->type);
	ENSURE(info && index < info->record->count);
	return &info->record->fields[index];
}

struct slice public_event_key(const struct event *event, const struct public_event *public)
{
	const struct field *field = field_of(event, public->key);
	ENSURE(field->kind == FIELD_ID);
	return *(const struct slice *)field_at(event, field);
}

static struct slice schedule_of(const struct event *event)
{
	const struct event_info *info = event_info(event->type);
	for (uint16_t i = 0; i < info->record->count; i++)
		if (strcmp(info->record->fields[i].name, "schedule_id") == 0)
			return *(const struct slice *)field_at(event, &info->record->fields[i]);
	UNREACHABLE();
}

static void seat_id(struct json_writer *writer, struct slice schedule, uint32_t seat_no)
{
	json_textf(writer, "%.*s:%" PRIu32, SLICE_PRINT(schedule), seat_no);
}

static void seat_ids(struct json_writer *writer, struct slice schedule, const struct u32_list *seats)
{
	json_array_begin(writer);
	for (uint32_t i = 0; i < seats->count; i++)
		seat_id(writer, schedule, seats->at[i]);
	json_array_end(writer);
}

static void write_field(struct json_writer *writer, const struct event *event, const struct public_field *public)
{
	const struct event_info *info = event_info(event->type);
	const struct field *field = field_of(event, public->field);
	if (public->kind == PUBLIC_AS_IT_IS) {
		struct field shown = *field;
		const struct record alone = {info->record->name, &shown, 1, info->record->size};
		shown.json = public->json;
		record_json_members(writer, &alone, &event->user_registered);
		return;
	}
	json_key(writer, public->json);
	switch (public->kind) {
	case PUBLIC_SEAT_IDS: seat_ids(writer, schedule_of(event), field_at(event, field)); return;
	case PUBLIC_FIRST_SEAT_ID: {
		const struct u32_list *seats = field_at(event, field);
		if (seats->count)
			seat_id(writer, schedule_of(event), seats->at[0]);
		else
			json_null(writer);
		return;
	}
	case PUBLIC_COUNT: json_uint64(writer, ((const struct u32_list *)field_at(event, field))->count); return;
	case PUBLIC_TEXT: json_text(writer, public->text); return;
	case PUBLIC_NUMBER: json_int64(writer, public->number); return;
	case PUBLIC_AS_IT_IS: break;
	}
	UNREACHABLE();
}

static void write_id(struct json_writer *writer, const uint8_t *ledger, uint64_t seq, uint32_t index)
{
	char name[48], text[UUID_TEXT_SIZE];
	uint8_t uuid[UUID_BYTES];
	int size = snprintf(name, sizeof name, "0:%" PRIu64 ":%" PRIu32, seq, index);
	uuid_of_name(uuid, ledger, slice_of(name, (size_t)size));
	uuid_text(text, uuid);
	json_member_text(writer, "eventId", text);
}

void public_event_json(const uint8_t ledger[LEDGER_UUID_BYTES], const struct entry *entry, uint32_t index,
		       const struct public_event *public, struct buffer *out)
{
	struct json_writer writer;
	const struct event *event = &entry->events[index];
	ENSURE(index < entry->event_count);
	json_writer_init(&writer, out, false);
	json_object_begin(&writer);
	write_id(&writer, ledger, entry->seq, index);
	json_member_text(&writer, "eventType", public_types[public->type]);
	json_key(&writer, "eventTime");
	json_time(&writer, entry->time);
	json_member_uint64(&writer, "schemaVersion", event_info(event->type)->version);
	json_member_uint64(&writer, "sequence", entry->seq);
	json_key(&writer, "payload");
	json_object_begin(&writer);
	for (uint16_t i = 0; i < public->count; i++)
		write_field(&writer, event, &public->fields[i]);
	json_object_end(&writer);
	json_object_end(&writer);
}
