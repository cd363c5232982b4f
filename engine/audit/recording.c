#include "engine/audit/recording.h"

static struct recording *recording_of(struct view *view)
{
	return (struct recording *)view;
}

_Static_assert(offsetof(struct recording, view) == 0, "a recording's view is its first member");

static void remember(struct recording *recording, enum table_id table, struct slice key, struct slice value)
{
	struct row_read *read = arena_alloc(recording->arena, sizeof *read);
	*read = (struct row_read){NULL, table, arena_copy(recording->arena, key), arena_copy(recording->arena, value)};
	*recording->last = read;
	recording->last = &read->next;
}

static void take_failure(struct recording *recording)
{
	if (recording->under->failure.code != LL_OK && recording->view.failure.code == LL_OK)
		recording->view.failure = recording->under->failure;
}

static bool recording_get(struct view *view, enum table_id table, struct slice key, struct slice *value)
{
	struct recording *recording = recording_of(view);
	bool found = view_get(recording->under, table, key, value);
	remember(recording, table, key, found ? *value : SLICE_EMPTY);
	take_failure(recording);
	return found;
}

struct scanning {
	struct recording *recording;
	enum table_id table;
	store_visit_fn *visit;
	void *context;
};

static bool visit_and_remember(void *context, struct slice key, struct slice value)
{
	struct scanning *scanning = context;
	remember(scanning->recording, scanning->table, key, value);
	return scanning->visit(scanning->context, key, value);
}

static void recording_scan(struct view *view, enum table_id table, struct slice from, struct slice to, bool backwards,
			   store_visit_fn *visit, void *context)
{
	struct scanning scanning = {recording_of(view), table, visit, context};
	view_scan(scanning.recording->under, table, from, to, backwards, visit_and_remember, &scanning);
	take_failure(scanning.recording);
}

static const struct view_ops recording_ops = {recording_get, recording_scan, NULL};

void recording_init(struct recording *recording, struct view *under, struct arena *arena)
{
	*recording = (struct recording){
		.view = {.ops = &recording_ops,
			 .arena = under->arena,
			 .next_seq = under->next_seq,
			 .time = under->time},
		.under = under,
		.arena = arena,
	};
	recording->last = &recording->first;
}
