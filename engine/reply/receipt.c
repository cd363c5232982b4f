#include "engine/reply/receipt.h"

#include <inttypes.h>

#include "engine/reply/reply.h"

bool receipt_find(const struct receipts_row *row, struct slice id, struct slice value, struct arena *arena,
		  struct entry *entry)
{
	struct block block;
	if (block_read(value, &block, NULL) != LL_OK || row->index >= block.count)
		return false;
	struct cursor cursor = cursor_over(block.body, arena);
	for (uint32_t i = 0; i <= row->index; i++) {
		cursor.seq = block.first_seq + i;
		*entry = (struct entry){.seq = cursor.seq, .offset = row->offset, .index = i, .time = row->time};
		if (!entry_decode(&cursor, entry))
			return false;
	}
	return entry->seq == row->seq && slice_equal(entry->head.command_id, id);
}

static void write_events(const struct entry *entry, struct json_writer *writer)
{
	json_key(writer, "events");
	json_array_begin(writer);
	for (uint32_t i = 0; entry->head.outcome == OUTCOME_ACCEPTED && i < entry->event_count; i++)
		json_text(writer, event_info(entry->events[i].type)->record->name);
	json_array_end(writer);
}

void receipt_write(const struct entry *entry, int status, struct slice body, bool hit, struct json_writer *writer)
{
	const struct command_info *info = command_info(entry->head.command);
	json_object_begin(writer);
	json_member_string(writer, "commandId", entry->head.command_id);
	json_member_text(writer, "type", info ? info->record->name : NULL);
	json_member_text(writer, "outcome", enumeration_text(&outcome_enumeration, entry->head.outcome));
	json_key(writer, "position");
	json_textf(writer, "0:%" PRIu64, entry->seq);
	json_member_uint64(writer, "offset", entry->offset);
	json_member_time(writer, "time", entry->time);
	json_member_int64(writer, "status", status);
	json_key(writer, "body");
	if (body.size)
		json_raw(writer, body);
	else
		json_null(writer);
	write_events(entry, writer);
	if (hit)
		json_member_bool(writer, "hit", true);
	json_object_end(writer);
}
