#include "engine/data/building.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "engine/data/data.h"
#include "projections/store/generation.h"

enum { PROGRESS_PATH_MAX = GENERATION_PATH_MAX + 32 };

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void building_tell(const char *generation, const struct building *building)
{
	char path[PROGRESS_PATH_MAX], beside[PROGRESS_PATH_MAX];
	snprintf(path, sizeof path, "%s/progress", generation);
	snprintf(beside, sizeof beside, "%s/progress.new", generation);
	FILE *file = fopen(beside, "we");
	if (!file)
		return;
	bool fine = fprintf(file, "%d %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 "\n", building->process,
			    building->entries, building->offset, building->end, building->began_entries,
			    building->began_ms) > 0;
	if (fclose(file) != 0 || !fine || rename(beside, path) != 0)
		unlink(beside);
}

void building_forget(const char *generation)
{
	char path[PROGRESS_PATH_MAX];
	snprintf(path, sizeof path, "%s/progress", generation);
	unlink(path);
}

bool building_look(const char *data, enum projection_id id, struct building *building)
{
	char path[DATA_PATH_MAX + 64];
	struct building told = {.now_ms = now_ms()};
	*building = (struct building){.process = 0};
	snprintf(path, sizeof path, "%s/projections/%s/building/progress", data, projection_layouts[id].name);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	int fields = fscanf(file, "%d %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64, &told.process,
			    &told.entries, &told.offset, &told.end, &told.began_entries, &told.began_ms);
	fclose(file);
	if (fields != 6 || told.process <= 0 || (kill(told.process, 0) != 0 && errno != EPERM))
		return false;
	*building = told;
	return true;
}

uint64_t building_rate(const struct building *building)
{
	int64_t took_ms = building->now_ms - building->began_ms;
	return took_ms > 0 ? (building->entries - building->began_entries) * 1000 / (uint64_t)took_ms : 0;
}
