#include "engine/audit/living.h"

#include <stdio.h>
#include <stdlib.h>

#include "projections/store/generation.h"
#include "schemas/wire/ensure.h"

static void scan(struct view *view, enum table_id table, struct slice from, struct slice to, bool backwards,
		 store_visit_fn *visit, void *context)
{
	const struct earlier *earlier = &((struct living *)view)->earlier;
	snapshot_scan(earlier->snapshot, earlier_table(earlier, table), from, to, backwards, visit, context);
}

static const struct view_ops scans = {.scan = scan};

static enum ll_code open_earlier(struct living *living, const char *root, enum projection_id id, struct error *error)
{
	char folder[GENERATION_PATH_MAX], path[GENERATION_PATH_MAX];
	const char *name = projection_layouts[id].name;
	if (snprintf(folder, sizeof folder, "%s/%s", root, name) >= (int)sizeof folder)
		return error_set(error, LL_USAGE, "the path %s is too long", root);
	enum ll_code code = generation_current(folder, path, NULL, error);
	if (code == LL_OK)
		code = earlier_open(&living->earlier, id, path, error);
	living->version = living->earlier.version;
	living->view.ops = &scans;
	return code == LL_OK ? code : error_prefix(error, "projection %s", name);
}

enum ll_code living_open(struct living **opened, const char *root, enum projection_id id, struct error *error)
{
	struct living *living = calloc(1, sizeof *living);
	ENSURE(living && "memory is used up");
	struct snapshot_places places = {.root = root, .which = 1u << id};
	living->version = projection_layouts[id].version;
	enum ll_code code = snapshot_view_open(&places, &living->snapshots, error);
	if (code == LL_OLDER)
		code = open_earlier(living, root, id, error);
	if (code != LL_OK) {
		free(living);
		return code;
	}
	*opened = living;
	return LL_OK;
}

void living_close(struct living *living)
{
	if (!living)
		return;
	if (living->snapshots)
		snapshot_view_close(living->snapshots);
	else
		earlier_close(&living->earlier);
	free(living);
}

static enum ll_code pin_earlier(struct living *living, struct error *error)
{
	enum ll_code code = snapshot_pin(living->earlier.snapshot, error);
	if (code != LL_OK)
		return code;
	struct slice position = snapshot_position(living->earlier.snapshot);
	if (position.size == 0)
		code = error_set(error, LL_NOT_FOUND, "nothing was ever written to it");
	else
		code = fold_from_position(&living->fold, position, error);
	if (code != LL_OK)
		snapshot_unpin(living->earlier.snapshot);
	return code;
}

enum ll_code living_pin(struct living *living, struct error *error)
{
	if (!living->snapshots)
		return pin_earlier(living, error);
	enum ll_code code = snapshot_view_pin(living->snapshots, 0, error);
	if (code == LL_OK)
		living->fold = *snapshot_view_fold(living->snapshots);
	return code;
}

void living_unpin(struct living *living)
{
	if (living->snapshots)
		snapshot_view_unpin(living->snapshots);
	else
		snapshot_unpin(living->earlier.snapshot);
}

struct view *living_view(struct living *living)
{
	return living->snapshots ? snapshot_view_view(living->snapshots) : &living->view;
}

bool living_is_earlier(const struct living *living)
{
	return !living->snapshots;
}
