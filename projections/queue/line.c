#include "projections/queue/line.h"

#include "schemas/wire/ensure.h"

enum { LEVELS = 9, LEVEL_BITS = 6, PARTS = 1 << LEVEL_BITS };
_Static_assert(LEVELS *LEVEL_BITS >= 53, "every entry's number has its place");

static uint32_t part_of(uint64_t token_id, unsigned level)
{
	return (uint32_t)(token_id >> level * LEVEL_BITS) % PARTS;
}

static struct key key_of(struct slice queue_id, uint64_t token_id, unsigned level)
{
	return queue_line_key(queue_id, (uint8_t)level, token_id >> (level + 1) * LEVEL_BITS);
}

/* The counts of a row; all 0 when it is not there. false: the view has failed. */
static bool get(struct view *view, const struct key *key, uint32_t counts[PARTS])
{
	struct queue_line_row row;
	memset(counts, 0, PARTS * sizeof *counts);
	if (!queue_line_get(view, *key, &row))
		return view->failure.code == LL_OK;
	if (row.counts.count != PARTS) {
		view_fail(view, LL_CORRUPT, "projection queue, table queue_line: a row has %u counts; rebuild queue",
			  row.counts.count);
		return false;
	}
	memcpy(counts, row.counts.at, PARTS * sizeof *counts);
	return true;
}

static void put(struct view *view, const struct key *key, uint32_t counts[PARTS])
{
	uint32_t any = 0;
	for (unsigned i = 0; i < PARTS; i++)
		any |= counts[i];
	if (any)
		queue_line_put(view, *key, &(struct queue_line_row){.counts = {counts, PARTS}});
	else
		queue_line_remove(view, *key);
}

/* From the leaf, where alone it shows whether the token may come or go. */
static bool change(struct view *view, struct slice queue_id, uint64_t token_id, bool join)
{
	for (unsigned level = 0; level < LEVELS; level++) {
		uint32_t counts[PARTS], part = part_of(token_id, level);
		struct key key = key_of(queue_id, token_id, level);
		if (!get(view, &key, counts) || (join ? counts[part] != 0 && level == 0 : counts[part] == 0))
			return false;
		counts[part] += join ? 1 : UINT32_MAX;
		put(view, &key, counts);
	}
	return true;
}

bool line_join(struct view *view, struct slice queue_id, uint64_t token_id)
{
	return change(view, queue_id, token_id, true);
}

bool line_leave(struct view *view, struct slice queue_id, uint64_t token_id)
{
	return change(view, queue_id, token_id, false);
}

uint32_t line_before(struct view *view, struct slice queue_id, uint64_t token_id)
{
	uint32_t before = 0;
	for (unsigned level = 0; level < LEVELS; level++) {
		uint32_t counts[PARTS], part = part_of(token_id, level);
		struct key key = key_of(queue_id, token_id, level);
		if (!get(view, &key, counts))
			return 0;
		for (unsigned i = 0; i < part; i++)
			before += counts[i];
	}
	return before;
}

bool line_at(struct view *view, struct slice queue_id, uint32_t before, uint64_t *token_id)
{
	uint64_t id = 0; /* its upper parts, as far as they are known */
	for (unsigned level = LEVELS; level-- > 0;) {
		uint32_t counts[PARTS], part = 0;
		struct key key = queue_line_key(queue_id, (uint8_t)level, id);
		if (!get(view, &key, counts))
			return false;
		while (part < PARTS && before >= counts[part])
			before -= counts[part++];
		if (part == PARTS)
			return false;
		id = id << LEVEL_BITS | part;
	}
	*token_id = id;
	return true;
}
