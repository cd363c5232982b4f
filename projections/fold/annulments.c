#include "projections/fold/annulments.h"

#include <stdlib.h>

#include "schemas/wire/ensure.h"

void annulments_release(struct annulments *set)
{
	free(set->at);
	*set = (struct annulments){.count = 0};
}

bool annulments_add(struct annulments *set, struct annulment annulment)
{
	for (size_t i = 0; i < set->count; i++) {
		struct annulment *known = &set->at[i];
		if (known->offset != annulment.offset || known->index != annulment.index)
			continue;
		if (annulment.by < known->by)
			known->by = annulment.by;
		return false;
	}
	struct annulment *grown = reallocarray(set->at, set->count + 1, sizeof *grown);
	ENSURE(grown && "memory is used up");
	grown[set->count++] = annulment;
	set->at = grown;
	return true;
}

void annulments_add_all(struct annulments *set, const struct annulments *others)
{
	for (size_t i = 0; i < others->count; i++)
		(void)annulments_add(set, others->at[i]);
}

bool annulments_cover(const struct annulments *set, uint64_t offset, uint32_t index)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->at[i].offset == offset &&
		    (set->at[i].index == index || set->at[i].index == ANNULMENT_WHOLE_BLOCK))
			return true;
	return false;
}

struct annulments_ahead annulments_ahead(const struct annulments *set, uint64_t next_offset)
{
	struct annulments_ahead ahead = {.count = 0};
	for (size_t i = 0; i < set->count; i++) {
		uint8_t bytes[12];
		if (set->at[i].offset >= next_offset || set->at[i].by < next_offset)
			continue;
		store_u64(bytes, set->at[i].offset);
		store_u32(bytes + 8, set->at[i].index);
		ahead.count++;
		ahead.digest += checksum_of(slice_of(bytes, sizeof bytes), 0); /* in whatever order */
	}
	return ahead;
}

bool annulment_of(const struct block *block, const struct entry *entry, struct annulment *annulment)
{
	if (block->count != 1 || entry->event_count != 1 || entry->events[0].type != EVENT_ANNULLED)
		return false;
	const struct annulled *event = &entry->events[0].annulled;
	*annulment = (struct annulment){
		.offset = event->offset,
		.index = event->index,
		.by = entry->offset,
	};
	return event->offset < entry->offset;
}
