#include "engine/writer/recent.h"

#include <stdlib.h>

#include "schemas/wire/ensure.h"

static void drop_first(struct recent *recent)
{
	struct recent_block *block = &recent->blocks[recent->first];
	recent->bytes -= block->size;
	free(block->bytes);
	*block = (struct recent_block){0};
	recent->first = (recent->first + 1) % RECENT_BLOCKS;
	recent->count--;
}

void recent_add(struct recent *recent, uint64_t offset, struct slice value)
{
	while (recent->count == RECENT_BLOCKS || (recent->count && recent->bytes + value.size > RECENT_BYTES_MAX))
		drop_first(recent);
	struct recent_block *block = &recent->blocks[(recent->first + recent->count++) % RECENT_BLOCKS];
	*block = (struct recent_block){offset, malloc(value.size ? value.size : 1), value.size};
	ENSURE(block->bytes);
	memcpy(block->bytes, value.at, value.size);
	recent->bytes += value.size;
}

bool recent_find(const struct recent *recent, uint64_t offset, struct slice *value)
{
	for (unsigned i = 0; i < recent->count; i++) {
		const struct recent_block *block = &recent->blocks[(recent->first + i) % RECENT_BLOCKS];
		if (block->offset == offset) {
			*value = slice_of(block->bytes, block->size);
			return true;
		}
	}
	return false;
}

void recent_release(struct recent *recent)
{
	while (recent->count)
		drop_first(recent);
}
