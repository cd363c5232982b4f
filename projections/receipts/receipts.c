/*
 * Receipts: where the answer to each command of a client stands. The answer itself is made from the entry.
 *
 * The key is a hash of the command's id, so that keys are short and scattered evenly. That an id is decided only once is
 * the writer's to keep, who looks here before deciding, and `verify`'s to check: asking again for each entry would make
 * a rebuild wait for scattered reads.
 */
#include "projections/projection.h"
#include "projections/views/rows.h"

static enum ll_code apply(struct view *view, const struct entry *entry, struct error *error)
{
	if (entry->head.outcome == OUTCOME_SYSTEM)
		return LL_OK;
	if (!entry->head.command_id.size || entry->head.command_hash.size != SHORT_HASH_BYTES)
		return error_set(error, LL_POISON,
				 "receipts: entry %llu was made for a client, but has no command id or hash",
				 (unsigned long long)entry->seq);
	struct short_hash hash = short_hash_of(entry->head.command_id);
	struct receipts_row row = {
		.offset = entry->offset,
		.index = entry->index,
		.seq = entry->seq,
		.time = entry->time,
		.command_hash = entry->head.command_hash,
	};
	receipts_put(view, receipts_key(short_hash_slice(&hash)), &row);
	return LL_OK;
}

const struct projection projection_receipts = {.id = PROJECTION_RECEIPTS, .decides = true, .apply = apply};
