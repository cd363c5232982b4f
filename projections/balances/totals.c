#include "projections/balances/totals.h"

#include "projections/views/rows.h"

static void read_row(struct view *view, struct totals_row *totals)
{
	if (!totals_get(view, totals_key(0), totals))
		*totals = (struct totals_row){0};
}

struct totals_row *totals_begin(struct view *view, struct totals_row *room)
{
	struct totals_cache *cache = view->totals;
	if (!cache) {
		read_row(view, room);
		return room;
	}
	if (!cache->loaded)
		read_row(view, &cache->row);
	cache->loaded = cache->changed = true;
	return &cache->row;
}

void totals_end(struct view *view, const struct totals_row *totals)
{
	if (!view->totals)
		totals_put(view, totals_key(0), totals);
}

void totals_load(struct view *view, struct totals_row *totals)
{
	if (view->totals && view->totals->loaded)
		*totals = view->totals->row;
	else
		read_row(view, totals);
}

void totals_settle(struct view *view)
{
	if (view->totals && view->totals->changed)
		totals_put(view, totals_key(0), &view->totals->row);
	totals_forget(view);
}

void totals_forget(struct view *view)
{
	if (view->totals)
		view->totals->loaded = view->totals->changed = false;
}
