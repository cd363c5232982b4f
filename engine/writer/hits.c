#include "engine/writer/hits.h"

static void forget_walk(struct hits *hits)
{
	hits->walked = SLICE_EMPTY;
	arena_reset(&hits->arena);
}

void hits_folded(struct hits *hits, uint64_t offset, struct slice value)
{
	forget_walk(hits); /* its block may be the one that makes room */
	recent_add(&hits->recent, offset, value);
}

static bool begin_walk(struct hits *hits, struct slice bytes)
{
	forget_walk(hits);
	if (block_read(bytes, &hits->block, NULL) != LL_OK || hits->block.kind != BLOCK_ENTRIES)
		return false;
	hits->walked = bytes;
	hits->cursor = cursor_over(hits->block.body, &hits->arena);
	hits->next = 0;
	return true;
}

/* hits->entry becomes number `index` of the block. */
static bool walk_to(struct hits *hits, struct slice bytes, const struct pending *pending)
{
	bool goes_on = hits->walked.at && hits->walked.at == bytes.at && pending->hit_index + 1 >= hits->next;
	if (!goes_on && !begin_walk(hits, bytes))
		return false;
	if (pending->hit_index >= hits->block.count)
		return false;
	while (hits->next <= pending->hit_index) {
		arena_reset(&hits->arena); /* of the entry before */
		hits->cursor.seq = hits->block.first_seq + hits->next;
		hits->entry = (struct entry){.seq = hits->cursor.seq,
					     .offset = pending->hit_offset,
					     .index = hits->next,
					     .time = pending->hit_time};
		if (!entry_decode(&hits->cursor, &hits->entry)) {
			forget_walk(hits);
			return false;
		}
		hits->next++;
	}
	return true;
}

static void answer(struct hits *hits, struct pending *pending, struct slice bytes)
{
	struct answer answer = {.kind = ANSWER_HIT, .entry = &hits->entry};
	if (!walk_to(hits, bytes, pending) || hits->entry.seq != pending->hit_seq ||
	    !slice_equal(hits->entry.head.command_id, pending->id))
		answer = (struct answer){.kind = ANSWER_REJECTED, .code = CODE_OUTCOME_UNKNOWN};
	pending->answer(pending, &answer);
}

bool hits_take(struct hits *hits, struct pending *pending)
{
	struct slice bytes;
	if (recent_find(&hits->recent, pending->hit_offset, &bytes)) {
		answer(hits, pending, bytes);
		return true;
	}
	pending_push(&hits->waiting, pending);
	return false;
}

struct pending *hits_to_read(struct hits *hits)
{
	if (hits->reading || !hits->waiting.first)
		return NULL;
	hits->reading = true;
	return hits->waiting.first;
}

void hits_read(struct hits *hits, struct slice bytes)
{
	struct pending_queue all = hits->waiting;
	uint64_t offset = all.first->hit_offset;
	struct pending *pending;
	hits->waiting = (struct pending_queue){0};
	hits->reading = false;
	forget_walk(hits);
	while ((pending = pending_pop(&all)))
		if (pending->hit_offset == offset)
			answer(hits, pending, bytes);
		else
			pending_push(&hits->waiting, pending);
	forget_walk(hits);
}

void hits_release(struct hits *hits)
{
	struct pending *pending;
	struct answer answer = {.kind = ANSWER_REJECTED, .code = CODE_OUTCOME_UNKNOWN};
	while ((pending = pending_pop(&hits->waiting)))
		pending->answer(pending, &answer);
	recent_release(&hits->recent);
	arena_release(&hits->arena);
}
