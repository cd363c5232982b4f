#include "engine/writer/hit.h"

bool hit_decode(struct hit_place *place, const struct pending *pending, const struct block *block, struct arena *arena,
		struct entry *entry)
{
	if (place->offset != pending->hit_offset || place->index > pending->hit_index || place->at > block->body.size)
		*place = (struct hit_place){.offset = pending->hit_offset};
	struct slice rest = slice_of(block->body.at + place->at, block->body.size - place->at);
	struct cursor cursor = cursor_over(rest, arena);
	for (uint32_t i = place->index; i <= pending->hit_index; i++) {
		cursor.seq = block->first_seq + i;
		*entry = (struct entry){
			.seq = cursor.seq, .offset = pending->hit_offset, .index = i, .time = pending->hit_time};
		if (!entry_decode(&cursor, entry)) {
			*place = (struct hit_place){0};
			return false;
		}
	}
	place->index = pending->hit_index + 1;
	place->at = (size_t)(cursor.at - block->body.at);
	return entry->seq == pending->hit_seq && slice_equal(entry->head.command_id, pending->id);
}
