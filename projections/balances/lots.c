#include "projections/balances/lots.h"

#include "schemas/wire/ensure.h"

int lot_compare(const struct lot *a, const struct lot *b)
{
	if (a->expires_at != b->expires_at) {
		if (a->expires_at == NONE_TIME || b->expires_at == NONE_TIME)
			return a->expires_at == NONE_TIME ? 1 : -1;
		return a->expires_at < b->expires_at ? -1 : 1;
	}
	int sources = lot_source_order(a->source) - lot_source_order(b->source);
	if (sources)
		return sources;
	return a->lot_id < b->lot_id ? -1 : a->lot_id > b->lot_id;
}

bool lots_read_lot(struct view *view, struct slice key, struct slice value, struct lot *lot)
{
	struct lots_key parts;
	struct lots_row row;
	if (!lots_key_read(key, &parts)) {
		view_fail(view, LL_CORRUPT,
			  "projection balances, table lots: a key of %zu bytes is none; rebuild balances", key.size);
		return false;
	}
	if (!lots_read(view, key, value, &row))
		return false;
	*lot = (struct lot){parts.lot_id, row.source, row.amount, row.remaining, parts.expires_at, row.duration_ms};
	return true;
}

struct visiting {
	struct view *view;
	lots_visit_fn *visit;
	void *context;
};

static bool visit_row(void *context, struct slice key, struct slice value)
{
	struct visiting *visiting = context;
	struct lot lot;
	return lots_read_lot(visiting->view, key, value, &lot) && visiting->visit(visiting->context, &lot);
}

void lots_visit(struct view *view, struct slice user_id, const struct accounts_row *row, lots_visit_fn *visit,
		void *context)
{
	for (uint32_t i = 0; i < row->lots.count; i++)
		if (!visit(context, &row->lots.at[i]))
			return;
	if (row->more_lots == 0)
		return;
	struct visiting visiting = {view, visit, context};
	lots_scan_after(view, user_id, row->lots.count ? &row->lots.at[row->lots.count - 1] : NULL, visit_row,
			&visiting);
}

void lots_scan_after(struct view *view, struct slice user_id, const struct lot *last, store_visit_fn *visit,
		     void *context)
{
	struct key from = {.size = 0}, to = {.size = 0};
	key_add_id(&to, user_id, false);
	from = to;
	key_after_prefix(&to);
	if (last)
		from = lots_key(user_id, last->expires_at, lot_source_order(last->source), last->lot_id);
	view_scan(view, BALANCES_LOTS, key_slice(&from), key_slice(&to), false, visit, context);
}

enum { TAKEN_ROOM_FIRST = 8 };

struct taking {
	struct arena *arena;
	struct taken_list *taken;
	uint32_t room;
	int64_t left; /* still to be taken; INT64_MAX: whatever is due */
	int64_t sum;
	int64_t due_by; /* NONE_TIME: due or not */
	uint32_t most;
};

static void add_taken(struct arena *arena, struct taken_list *list, uint32_t *room, uint64_t lot_id, int64_t amount)
{
	if (list->count == *room) {
		*room = *room ? 4 * *room : TAKEN_ROOM_FIRST;
		struct taken *grown = arena_alloc(arena, *room * sizeof *grown);
		if (list->count)
			memcpy(grown, list->at, list->count * sizeof *grown);
		list->at = grown;
	}
	list->at[list->count++] = (struct taken){lot_id, amount};
}

static bool take_lot(void *context, const struct lot *lot)
{
	struct taking *taking = context;
	if (taking->due_by != NONE_TIME && (lot->expires_at == NONE_TIME || lot->expires_at > taking->due_by))
		return false;
	int64_t amount = lot->remaining < taking->left ? lot->remaining : taking->left;
	add_taken(taking->arena, taking->taken, &taking->room, lot->lot_id, amount);
	taking->left -= amount;
	taking->sum += amount;
	return taking->left > 0 && taking->taken->count < taking->most;
}

int64_t lots_plan_take(struct view *view, struct slice user_id, const struct accounts_row *row, int64_t amount,
		       struct arena *arena, struct taken_list *taken)
{
	*taken = (struct taken_list){0};
	struct taking taking = {arena, taken, 0, amount, 0, NONE_TIME, UINT32_MAX};
	if (amount > 0)
		lots_visit(view, user_id, row, take_lot, &taking);
	return taking.sum;
}

int64_t lots_plan_expire(struct view *view, struct slice user_id, const struct accounts_row *row, int64_t now,
			 uint32_t most, struct arena *arena, struct taken_list *taken)
{
	*taken = (struct taken_list){0};
	struct taking taking = {arena, taken, 0, INT64_MAX, 0, now, most};
	lots_visit(view, user_id, row, take_lot, &taking);
	return taking.sum;
}

bool lots_walk_next(struct lots_walk *walk, const struct use_lot **lot, int64_t *amount)
{
	while (walk->amount > 0 && walk->next < walk->from->count) {
		*lot = &walk->from->at[walk->next++];
		int64_t there = (*lot)->taken;
		if (walk->skip >= there) {
			walk->skip -= there;
			continue;
		}
		there -= walk->skip;
		walk->skip = 0;
		*amount = there < walk->amount ? there : walk->amount;
		walk->amount -= *amount;
		return true;
	}
	return false;
}

/* The lot that the points go to when theirs has expired. */
static void replace(const struct lots_return *how, const struct use_lot *lot, uint32_t *opened, struct returned *back)
{
	uint64_t life = (uint64_t)how->regrant_ms_max;
	if (lot->duration_ms != NONE_U64 && lot->duration_ms < life)
		life = lot->duration_ms;
	ENSURE(how->first_index + *opened <= UINT16_MAX);
	back->new_lot_id = LOT_ID(how->seq, how->first_index + (*opened)++);
	back->expires_at = how->now + (int64_t)life;
}

struct lots_returned lots_plan_return(const struct use_lot_list *from, int64_t skip, int64_t amount,
				      const struct lots_return *how, struct arena *arena)
{
	struct lots_returned result = {.repaid = amount < how->debt ? amount : how->debt};
	result.lots.at = arena_alloc(arena, from->count * sizeof *result.lots.at);
	struct lots_walk walk = {.from = from, .skip = skip, .amount = amount};
	const struct use_lot *lot;
	int64_t debt = result.repaid;
	uint32_t opened = 0, room = 0;
	for (int64_t part; lots_walk_next(&walk, &lot, &part);) {
		int64_t repaid = part < debt ? part : debt;
		debt -= repaid;
		struct returned *back = &result.lots.at[result.lots.count++];
		*back = (struct returned){lot->lot_id, part, NONE_U64, part - repaid, lot->expires_at};
		if (back->remaining == 0 || lot->expires_at == NONE_TIME || lot->expires_at > how->now)
			continue;
		if (how->regrant) {
			replace(how, lot, &opened, back);
		} else {
			add_taken(arena, &result.expired, &room, lot->lot_id, back->remaining);
			result.expired_amount += back->remaining;
		}
	}
	ENSURE(walk.amount == 0);
	return result;
}
