#include "projections/balances/totals.h"

#include "projections/views/rows.h"

void totals_load(struct view *view, struct totals_row *totals)
{
	struct totals_cache *cache = view->totals;
	if (cache && cache->loaded) {
		*totals = cache->row;
		return;
	}
	if (!totals_get(view, totals_key(0), totals))
		*totals = (struct totals_row){0};
	if (cache) {
		cache->row = *totals;
		cache->loaded = true;
	}
}

void totals_save(struct view *view, const struct totals_row *totals)
{
	struct totals_cache *cache = view->totals;
	if (!cache) {
		totals_put(view, totals_key(0), totals);
		return;
	}
	cache->row = *totals;
	cache->loaded = cache->changed = true;
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
