/*
 * The entry of a command that was decided before, found in its block.
 *
 * Repeats mostly come in the order of their entries (a file that is loaded again): where the last one ended is kept, so that a
 * block is not decoded from its beginning for each.
 */
#ifndef LEDGERLINE_HIT_H
#define LEDGERLINE_HIT_H

#include "engine/writer/pending.h"

/* Where entry `index` of the block at journal offset `offset` begins in its body. All zeros: nothing is known. */
struct hit_place {
	uint64_t offset;
	uint32_t index;
	size_t at;
};

/* Decodes the entry that pending->hit_* names; pending->hit_index is below block->count. It points into the block and the
 * arena. false: it is not there: this is not the block that the receipt meant. */
LL_CHECKED bool hit_decode(struct hit_place *place, const struct pending *pending, const struct block *block,
			   struct arena *arena, struct entry *entry);

#endif
