/* When snapshots are taken by the day, and which stay: spread over the whole journal, so that every cut has one near. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/data/scratch.h"
#include "engine/snapshots/snapshots.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/time.h"

enum { MS_PER_MINUTE = 60000 };

int64_t snapshot_next_daily(int minute, int64_t now)
{
	if (minute < 0)
		return INT64_MAX;
	int64_t next = now - now % TIME_MS_PER_DAY + (int64_t)minute * MS_PER_MINUTE;
	return next > now ? next : next + TIME_MS_PER_DAY;
}

struct listed {
	uint64_t *at; /* entries of each, ascending */
	size_t count;
};

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return left < right ? -1 : left > right;
}

static enum ll_code list(const char *root, struct listed *listed, struct error *error)
{
	DIR *directory = opendir(root);
	uint64_t entries;
	if (!directory)
		return error_set(error, LL_IO, "cannot read %s: %s", root, strerror(errno));
	for (struct dirent *one; (one = readdir(directory));) {
		if (!snapshot_name(one->d_name, &entries))
			continue;
		listed->at = realloc(listed->at, (listed->count + 1) * sizeof *listed->at);
		ENSURE(listed->at);
		listed->at[listed->count++] = entries;
	}
	closedir(directory);
	if (listed->count)
		qsort(listed->at, listed->count, sizeof *listed->at, compare);
	return LL_OK;
}

size_t snapshot_to_delete(const uint64_t *entries, size_t count)
{
	size_t least = 0;
	uint64_t least_gap = UINT64_MAX;
	for (size_t i = 0; i + 1 < count; i++) {
		uint64_t gap = entries[i + 1] - (i ? entries[i - 1] : 0);
		if (gap >= least_gap)
			continue;
		least_gap = gap;
		least = i;
	}
	return least;
}

/* Under another name first: who looks for a snapshot finds a whole one or none. */
static enum ll_code delete_one(const char *root, uint64_t entries, struct error *error)
{
	char path[SNAPSHOT_PATH_MAX], doomed[SNAPSHOT_PATH_MAX], inside[SNAPSHOT_PATH_MAX + 16];
	snprintf(path, sizeof path, "%s/%012" PRIu64, root, entries);
	enum ll_code code = scratch_make(root, "deleting", doomed, sizeof doomed, error);
	if (code != LL_OK)
		return code;
	snprintf(inside, sizeof inside, "%s/snapshot", doomed);
	if (rename(path, inside) != 0)
		code = error_set(error, LL_IO, "cannot delete %s: %s", path, strerror(errno));
	scratch_remove(doomed);
	return code;
}

enum ll_code snapshot_thin(const char *root, size_t keep, unsigned *deleted, struct error *error)
{
	struct listed listed = {NULL, 0};
	enum ll_code code = list(root, &listed, error);
	*deleted = 0;
	while (code == LL_OK && listed.count > keep && listed.count > 1) {
		size_t one = snapshot_to_delete(listed.at, listed.count);
		code = delete_one(root, listed.at[one], error);
		memmove(listed.at + one, listed.at + one + 1, (listed.count - one - 1) * sizeof *listed.at);
		listed.count--;
		*deleted += code == LL_OK;
	}
	free(listed.at);
	return code;
}
