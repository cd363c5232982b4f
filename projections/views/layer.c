#include "projections/views/layer.h"

#include <bsd/sys/tree.h>
#include <stdlib.h>

#include "schemas/wire/ensure.h"

struct change {
	RB_ENTRY(change) link;
	struct slice key;   /* both behind the struct, in one allocation */
	struct slice value; /* empty: removed */
};

static int change_compare(const struct change *a, const struct change *b)
{
	return slice_compare(a->key, b->key);
}

RB_HEAD(changes, change);
RB_PROTOTYPE_INTERNAL(changes, change, link, change_compare, __attribute__((unused)) static)
RB_GENERATE_INTERNAL(changes, change, link, change_compare, static)

struct layer {
	struct view view;
	struct view *under;
	struct changes tables[TABLES_COUNT];
};

static struct layer *layer_of(struct view *view)
{
	return (struct layer *)view;
}

_Static_assert(offsetof(struct layer, view) == 0, "a layer's view is its first member");

static struct change *find(struct layer *layer, enum table_id table, struct slice key)
{
	struct change sought = {.key = key};
	return RB_FIND(changes, &layer->tables[table], &sought);
}

static bool layer_get(struct view *view, enum table_id table, struct slice key, struct slice *value)
{
	struct layer *layer = layer_of(view);
	struct change *change = find(layer, table, key);
	if (!change)
		return layer->under && view_get(layer->under, table, key, value);
	*value = change->value;
	return change->value.size > 0;
}

static struct change *change_new(struct slice key, struct slice value)
{
	struct change *change = malloc(sizeof *change + key.size + value.size);
	ENSURE(change);
	uint8_t *bytes = (uint8_t *)(change + 1);
	memcpy(bytes, key.at, key.size);
	if (value.size)
		memcpy(bytes + key.size, value.at, value.size);
	change->key = slice_of(bytes, key.size);
	change->value = slice_of(bytes + key.size, value.size);
	return change;
}

static void change_free(struct layer *layer, enum table_id table, struct change *change)
{
	RB_REMOVE(changes, &layer->tables[table], change);
	free(change);
}

static void layer_put(struct view *view, enum table_id table, struct slice key, struct slice value)
{
	struct layer *layer = layer_of(view);
	struct change *old = find(layer, table, key);
	struct change *change = change_new(key, value);
	if (old)
		change_free(layer, table, old);
	if (!layer->under && value.size == 0) {
		free(change);
		return;
	}
	RB_INSERT(changes, &layer->tables[table], change);
}

/* Rows of the layer and of what is under it, merged: the walk under it stops at each row to let the layer's go first. */
struct merge {
	struct layer *layer;
	enum table_id table;
	struct slice from, to;
	bool backwards;
	struct change *next;
	store_visit_fn *visit;
	void *context;
	bool stopped;
};

static bool inside(const struct merge *m, const struct change *change)
{
	if (!change)
		return false;
	if (m->backwards)
		return slice_compare(change->key, m->from) >= 0;
	return m->to.size == 0 || slice_compare(change->key, m->to) < 0;
}

static void step(struct merge *m)
{
	m->next = m->backwards ? RB_PREV(changes, &m->layer->tables[m->table], m->next)
			       : RB_NEXT(changes, &m->layer->tables[m->table], m->next);
}

static bool give(struct merge *m)
{
	struct change *change = m->next;
	step(m);
	if (change->value.size && !m->visit(m->context, change->key, change->value))
		m->stopped = true;
	return !m->stopped;
}

static bool visit_under(void *context, struct slice key, struct slice value)
{
	struct merge *m = context;
	while (inside(m, m->next)) {
		int order = slice_compare(m->next->key, key);
		if (m->backwards)
			order = -order;
		if (order > 0)
			break;
		bool same = order == 0;
		if (!give(m))
			return false;
		if (same)
			return true;
	}
	if (!m->visit(m->context, key, value))
		m->stopped = true;
	return !m->stopped;
}

static struct change *first_change(struct merge *m)
{
	struct changes *table = &m->layer->tables[m->table];
	struct change sought = {.key = m->backwards ? m->to : m->from};
	if (!m->backwards)
		return RB_NFIND(changes, table, &sought);
	if (m->to.size == 0)
		return RB_MAX(changes, table);
	struct change *at = RB_NFIND(changes, table, &sought);
	return at ? RB_PREV(changes, table, at) : RB_MAX(changes, table);
}

static void layer_scan(struct view *view, enum table_id table, struct slice from, struct slice to, bool backwards,
		       store_visit_fn *visit, void *context)
{
	struct merge m = {layer_of(view), table, from, to, backwards, NULL, visit, context, false};
	m.next = first_change(&m);
	if (m.layer->under)
		view_scan(m.layer->under, table, from, to, backwards, visit_under, &m);
	while (!m.stopped && inside(&m, m.next))
		give(&m);
}

static const struct view_ops layer_ops = {layer_get, layer_scan, layer_put};

struct layer *layer_new(struct view *under, struct arena *arena)
{
	struct layer *layer = calloc(1, sizeof *layer);
	ENSURE(layer);
	layer->view.ops = &layer_ops;
	layer->view.arena = arena;
	layer->under = under;
	if (under) {
		layer->view.next_seq = under->next_seq;
		layer->view.time = under->time;
	}
	return layer;
}

void layer_clear(struct layer *layer)
{
	for (unsigned table = 0; table < TABLES_COUNT; table++)
		for (struct change *change, *next = RB_MIN(changes, &layer->tables[table]); (change = next);) {
			next = RB_NEXT(changes, &layer->tables[table], change);
			change_free(layer, table, change);
		}
}

void layer_free(struct layer *layer)
{
	if (!layer)
		return;
	layer_clear(layer);
	free(layer);
}

struct view *layer_view(struct layer *layer)
{
	return &layer->view;
}
