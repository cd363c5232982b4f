#include "projections/views/snapshot_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "projections/store/generation.h"
#include "projections/store/snapshot.h"
#include "projections/views/specs.h"
#include "schemas/wire/ensure.h"

struct snapshot_view {
	struct view view; /* first: the operations get its address */
	struct snapshot *snapshots[PROJECTIONS_COUNT];
	struct fold folds[PROJECTIONS_COUNT]; /* where each was pinned */
	struct fold *common;                  /* NULL: not pinned */
	struct arena arena;
	char *root; /* NULL: opened by directories */
	bool tell_failures;
};

static struct snapshot *snapshot_of(struct view *view, enum table_id table)
{
	struct snapshot_view *snapshots = (struct snapshot_view *)view;
	struct snapshot *snapshot = snapshots->snapshots[table_places[table].projection];
	ENSURE(snapshots->common && snapshot);
	return snapshot;
}

static bool get(struct view *view, enum table_id table, struct slice key, struct slice *value)
{
	return snapshot_get(snapshot_of(view, table), table_places[table].index, key, value);
}

static void scan(struct view *view, enum table_id table, struct slice from, struct slice to, bool backwards,
		 store_visit_fn *visit, void *context)
{
	snapshot_scan(snapshot_of(view, table), table_places[table].index, from, to, backwards, visit, context);
}

static const struct view_ops operations = {.get = get, .scan = scan};

/* Opens it in place of the one that is open, if any. */
static enum ll_code open_directory(struct snapshot_view *snapshots, enum projection_id id, const char *directory,
				   struct error *error)
{
	struct snapshot *opened;
	enum ll_code code = snapshot_open(projection_spec(id), directory, &opened, error);
	if (code != LL_OK)
		return code;
	if (snapshots->tell_failures)
		snapshot_tell(opened, &snapshots->view.failure);
	snapshot_close(snapshots->snapshots[id]);
	snapshots->snapshots[id] = opened;
	return LL_OK;
}

/* Opens the generation that `current` names, in place of the one that is open. */
static enum ll_code open_named(struct snapshot_view *snapshots, enum projection_id id, const char *folder,
			       unsigned *number, struct error *error)
{
	char path[GENERATION_PATH_MAX];
	*number = 0;
	enum ll_code code = generation_current(folder, path, number, error);
	return code == LL_OK ? open_directory(snapshots, id, path, error) : code;
}

/* Sees to it that the current generation is the one that is open: whatever put another one in its place. One that could not
 * be opened may have been replaced, and deleted, since its name was read: then the next one is. */
static enum ll_code follow_current(struct snapshot_view *snapshots, enum projection_id id, struct error *error)
{
	enum { SWAPS_MAX = 100 };
	char folder[GENERATION_PATH_MAX], link[GENERATION_PATH_MAX], path[GENERATION_PATH_MAX];
	unsigned number, again;
	snprintf(folder, sizeof folder, "%s/%s", snapshots->root, projection_layouts[id].name);
	if (snprintf(link, sizeof link, "%s/current", folder) >= (int)sizeof link)
		return error_set(error, LL_USAGE, "the path %s is too long", snapshots->root);
	for (unsigned swaps = 0; swaps < SWAPS_MAX; swaps++) {
		if (snapshots->snapshots[id] && snapshot_is_in(snapshots->snapshots[id], link))
			return LL_OK;
		enum ll_code code = open_named(snapshots, id, folder, &number, error);
		if (code != LL_OK && (generation_current(folder, path, &again, NULL) != LL_OK || again == number))
			return code;
	}
	return error_set(error, LL_BUSY, "%s: is replaced faster than it can be opened; try again later", folder);
}

static enum ll_code open_current(struct snapshot_view *snapshots, enum projection_id id, struct error *error)
{
	enum ll_code code = follow_current(snapshots, id, error);
	return code == LL_OK ? code : error_prefix(error, "projection %s", projection_layouts[id].name);
}

enum ll_code snapshot_view_open(const struct snapshot_places *places, struct snapshot_view **result,
				struct error *error)
{
	enum ll_code code = LL_OK;
	struct snapshot_view *snapshots = calloc(1, sizeof *snapshots);
	ENSURE(snapshots);
	snapshots->view = (struct view){.ops = &operations, .arena = &snapshots->arena};
	snapshots->tell_failures = places->tell_failures;
	(void)arena_take(&snapshots->arena, 1, 1); /* so that no usual read has to take memory */
	if (places->root) {
		snapshots->root = strdup(places->root);
		ENSURE(snapshots->root);
	}
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++) {
		if (places->root && places->which >> id & 1)
			code = open_current(snapshots, id, error);
		else if (!places->root && places->directories[id])
			code = open_directory(snapshots, id, places->directories[id], error);
	}
	if (code == LL_OK)
		*result = snapshots;
	else
		snapshot_view_close(snapshots);
	return code;
}

void snapshot_view_close(struct snapshot_view *snapshots)
{
	if (!snapshots)
		return;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		snapshot_close(snapshots->snapshots[id]);
	arena_release(&snapshots->arena);
	free(snapshots->root);
	free(snapshots);
}

/* Pins one, in its current generation. */
static enum ll_code pin_one(struct snapshot_view *snapshots, enum projection_id id, struct error *error)
{
	const char *name = projection_layouts[id].name;
	enum ll_code code = snapshots->root ? follow_current(snapshots, id, error) : LL_OK;
	if (code == LL_OK)
		code = snapshot_pin(snapshots->snapshots[id], error);
	if (code != LL_OK)
		return error_prefix(error, "projection %s", name);
	struct slice position = snapshot_position(snapshots->snapshots[id]);
	if (position.size == 0)
		return error_set(error, LL_NOT_FOUND, "projection %s: nothing was ever written to it", name);
	code = fold_from_position(&snapshots->folds[id], position, error);
	return code == LL_OK ? code : error_prefix(error, "projection %s", name);
}

/* The projection that stands furthest, or PROJECTIONS_COUNT when none is open. */
static unsigned furthest(const struct snapshot_view *snapshots)
{
	unsigned first = PROJECTIONS_COUNT;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (snapshots->snapshots[id] &&
		    (first == PROJECTIONS_COUNT ||
		     snapshots->folds[id].next_offset > snapshots->folds[first].next_offset))
			first = id;
	return first;
}

/* One that does not stand where `target` does; PROJECTIONS_COUNT: all do. */
static unsigned lagging(const struct snapshot_view *snapshots, unsigned target)
{
	unsigned id = 0;
	while (id < PROJECTIONS_COUNT &&
	       (!snapshots->snapshots[id] || snapshots->folds[id].next_offset == snapshots->folds[target].next_offset))
		id++;
	return id;
}

static int64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum ll_code meet(struct snapshot_view *snapshots, unsigned wait_ms, unsigned *target, struct error *error)
{
	int64_t deadline = clock_ms() + wait_ms;
	enum ll_code code = LL_OK;
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++)
		if (snapshots->snapshots[id])
			code = pin_one(snapshots, id, error);
	while (code == LL_OK) {
		*target = furthest(snapshots);
		unsigned behind = *target == PROJECTIONS_COUNT ? PROJECTIONS_COUNT : lagging(snapshots, *target);
		if (behind == PROJECTIONS_COUNT)
			break;
		if (clock_ms() >= deadline)
			return error_set(error, LL_TIMEOUT,
					 "projections stand at different places: %s at entry %" PRIu64
					 ", %s at %" PRIu64
					 ": one is being built or has stopped; see `ledgerline status`",
					 projection_layouts[behind].name, snapshots->folds[behind].next_seq,
					 projection_layouts[*target].name, snapshots->folds[*target].next_seq);
		nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
		code = pin_one(snapshots, behind, error);
	}
	return code;
}

static enum ll_code check_same_ledger(const struct snapshot_view *snapshots, unsigned target, struct error *error)
{
	const struct fold *at = &snapshots->folds[target];
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		const struct fold *fold = &snapshots->folds[id];
		if (snapshots->snapshots[id] && (memcmp(fold->ledger, at->ledger, sizeof at->ledger) != 0 ||
						 memcmp(fold->chain.bytes, at->chain.bytes, HASH_BYTES) != 0))
			return error_set(error, LL_DIVERGED,
					 "projections %s and %s are of different ledgers: rebuild one of them",
					 projection_layouts[id].name, projection_layouts[target].name);
	}
	return LL_OK;
}

enum ll_code snapshot_view_pin(struct snapshot_view *snapshots, unsigned wait_ms, struct error *error)
{
	unsigned target = PROJECTIONS_COUNT;
	snapshots->common = NULL;
	snapshot_view_reset(snapshots);
	snapshots->view.failure.code = LL_OK;
	enum ll_code code = meet(snapshots, wait_ms, &target, error);
	if (code == LL_OK && target == PROJECTIONS_COUNT)
		code = error_set(error, LL_USAGE, "no projection was opened");
	if (code == LL_OK)
		code = check_same_ledger(snapshots, target, error);
	if (code != LL_OK) {
		snapshot_view_unpin(snapshots);
		return code;
	}
	snapshots->common = &snapshots->folds[target];
	snapshots->view.next_seq = snapshots->common->next_seq;
	snapshots->view.time = snapshots->common->time;
	return LL_OK;
}

void snapshot_view_unpin(struct snapshot_view *snapshots)
{
	snapshots->common = NULL;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (snapshots->snapshots[id])
			snapshot_unpin(snapshots->snapshots[id]);
}

struct view *snapshot_view_view(struct snapshot_view *snapshots)
{
	ENSURE(snapshots->common);
	return &snapshots->view;
}

const struct fold *snapshot_view_fold(const struct snapshot_view *snapshots)
{
	ENSURE(snapshots->common);
	return snapshots->common;
}

void snapshot_view_reset(struct snapshot_view *snapshots)
{
	arena_reset(&snapshots->arena);
}
