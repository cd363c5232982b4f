#include "engine/audit/series.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/audit/walk.h"
#include "engine/data/scratch.h"
#include "schemas/wire/ensure.h"

/* Offsets before which the fold is to stop. */
struct ends {
	uint64_t every, next;
	uint64_t *at;
	size_t count, capacity;
};

static enum ll_code on_record(void *context, const struct journal_record *record, enum fold_verdict verdict,
			      const struct block *block, struct error *error)
{
	struct ends *ends = context;
	(void)error;
	if (verdict != FOLD_ENTRIES || block->first_seq + block->count < ends->next)
		return LL_OK;
	if (ends->count == ends->capacity) {
		ends->capacity = ends->capacity ? 2 * ends->capacity : 64;
		ends->at = reallocarray(ends->at, ends->capacity, sizeof *ends->at);
		ENSURE(ends->at && "memory is used up");
	}
	ends->at[ends->count++] = record->offset + 1;
	while (ends->next <= block->first_seq + block->count)
		ends->next += ends->every;
	return LL_OK;
}

static enum ll_code make_directories(struct replay *replay, const char *scratch, struct error *error)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		char *path = replay->directories[id];
		snprintf(path, GENERATION_PATH_MAX, "%s/%s", scratch, projection_layouts[id].name);
		if (mkdir(path, 0775) != 0)
			return error_set(error, LL_IO, "cannot make %s: %s", path, strerror(errno));
	}
	return LL_OK;
}

static enum ll_code take_all(const struct series *series, struct replay *replay, const struct ends *ends,
			     struct error *error)
{
	const char *directories[PROJECTIONS_COUNT];
	enum ll_code code = replay_open(replay, error);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		directories[id] = replay->directories[id];
	for (size_t i = 0; i < ends->count && code == LL_OK; i++) {
		struct snapshot_manifest manifest;
		char path[SNAPSHOT_PATH_MAX];
		bool was_there = false;
		code = replay_to(replay, ends->at[i], error);
		if (code == LL_OK)
			code = snapshot_of_ledger(replay->ledger, directories, series->root, &manifest, path,
						  &was_there, error);
		if (code == LL_OK)
			series->taken(series->context, &manifest, path, was_there);
	}
	replay_abandon(replay);
	return code;
}

enum ll_code series_take(const struct series *series, struct error *error)
{
	char scratch[SNAPSHOT_PATH_MAX] = "";
	struct ends ends = {.every = series->every, .next = series->every};
	struct walk walk = {.end = UINT64_MAX, .record = on_record, .context = &ends};
	struct fold fold = {0};
	struct replay replay = {.journal = series->journal,
				.mask = (1u << PROJECTIONS_COUNT) - 1,
				.progress = series->progress,
				.context = series->context};
	enum ll_code code = walk_journal(series->journal, &walk, &fold, error);
	if (code == LL_OK && mkdir(series->root, 0775) != 0 && errno != EEXIST)
		code = error_set(error, LL_IO, "cannot make %s: %s", series->root, strerror(errno));
	if (code == LL_OK && ends.count)
		code = scratch_make(series->root, "folding", scratch, sizeof scratch, error);
	if (code == LL_OK && ends.count)
		code = make_directories(&replay, scratch, error);
	if (code == LL_OK && ends.count)
		code = take_all(series, &replay, &ends, error);
	scratch_remove(scratch);
	free(ends.at);
	return code;
}
