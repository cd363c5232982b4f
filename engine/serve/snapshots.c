/*
 * Snapshots that the engine takes by itself: after so many entries, and once a day.
 *
 *	every second:  so many entries since the newest one?  the day's time has come?  --> job: take one, delete by the rule
 *	               one that fails is told, and tried again after a minute
 *
 * Taking is a job for the thread pool (engine/snapshots/snapshots.h): it copies what was flushed, on a read transaction, and folds the
 * copies to the journal's end. Commands do not wait for it; one is taken at a time.
 */
#include "engine/serve/internal.h"

#include <stdlib.h>

#include "engine/log/log.h"
#include "engine/snapshots/snapshots.h"
#include "schemas/wire/ensure.h"

enum { LOOK_EVERY_MS = 1000, AGAIN_MS = 60000 };

struct engine_snapshots {
	uv_work_t work;
	struct engine *engine;
	struct snapshot_plan plan;
	char root[DATA_PATH_MAX];
	uint64_t newest;       /* entries of the newest one */
	int64_t next_daily_ms; /* INT64_MAX: never */
	int64_t again_ms;      /* not before */
	uint64_t taken;        /* ever */
	bool busy, interrupted;
	/* The job's. */
	enum ll_code code;
	struct error error;
	struct snapshot_manifest manifest;
	char path[SNAPSHOT_PATH_MAX];
	bool was_there;
	unsigned deleted;
	int64_t began_ms;
};

static void take_work(uv_work_t *work)
{
	struct engine_snapshots *snapshots = work->data;
	struct engine *engine = snapshots->engine;
	struct journal *journal = NULL;
	struct error *error = &snapshots->error;
	enum ll_code code = journal_open(engine->data.url, &engine->journal_options, &journal, error);
	if (code == LL_OK)
		code = snapshot_take(&engine->data, journal, snapshots->root, &snapshots->interrupted,
				     &snapshots->manifest, snapshots->path, &snapshots->was_there, error);
	if (code == LL_OK)
		code = snapshot_thin(snapshots->root, snapshots->plan.keep, &snapshots->deleted, error);
	journal_close(journal);
	snapshots->code = code;
}

static void taken(uv_work_t *work, int status)
{
	struct engine_snapshots *snapshots = work->data;
	struct engine *engine = snapshots->engine;
	(void)status;
	int64_t now = engine_now(engine);
	snapshots->busy = false;
	engine->jobs--;
	engine->pump_again = true;
	uv_async_send(&engine->flushed);
	if (snapshots->code != LL_OK) {
		snapshots->again_ms = now + AGAIN_MS;
		if (!engine->stopping)
			log_warn("snapshot.failed", LOG_TEXT("message", snapshots->error.text));
		return;
	}
	snapshots->newest = snapshots->manifest.entries;
	if (now >= snapshots->next_daily_ms)
		snapshots->next_daily_ms = snapshot_next_daily(snapshots->plan.daily_minute, now);
	snapshots->taken += !snapshots->was_there;
	if (!snapshots->was_there)
		log_info("snapshot.taken", LOG_TEXT("path", snapshots->path),
			 LOG_NUMBER("entries", snapshots->manifest.entries), LOG_NUMBER("deleted", snapshots->deleted),
			 LOG_NUMBER("ms", now - snapshots->began_ms));
}

static bool is_due(const struct engine_snapshots *snapshots, int64_t now)
{
	uint64_t entries = ledger_fold_state(snapshots->engine->ledger)->next_seq;
	if (snapshots->busy || now < snapshots->again_ms || entries == snapshots->newest)
		return false;
	return now >= snapshots->next_daily_ms ||
	       (snapshots->plan.every && entries >= snapshots->newest + snapshots->plan.every);
}

static void on_timer(uv_timer_t *timer)
{
	struct engine *engine = timer->data;
	struct engine_snapshots *snapshots = engine->snapshots;
	int64_t now = engine_now(engine);
	if (engine->stopping || !is_due(snapshots, now))
		return;
	snapshots->busy = true;
	snapshots->deleted = 0;
	snapshots->began_ms = now;
	snapshots->work.data = snapshots;
	engine->jobs++;
	ENSURE(uv_queue_work(engine->loop, &snapshots->work, take_work, taken) == 0);
}

void engine_snapshots_start(struct engine *engine, const struct snapshot_plan *plan)
{
	struct snapshot_manifest newest;
	char path[SNAPSHOT_PATH_MAX];
	if (!plan->every && plan->daily_minute < 0)
		return;
	struct engine_snapshots *snapshots = calloc(1, sizeof *snapshots);
	ENSURE(snapshots && "memory is used up");
	engine->snapshots = snapshots;
	snapshots->engine = engine;
	snapshots->plan = *plan;
	snprintf(snapshots->root, sizeof snapshots->root, "%s/snapshots", engine->data.path);
	if (snapshot_newest(snapshots->root, &newest, path, NULL) == LL_OK)
		snapshots->newest = newest.entries;
	snapshots->next_daily_ms = snapshot_next_daily(plan->daily_minute, engine_now(engine));
	uv_timer_start(&engine->snapshots_timer, on_timer, LOOK_EVERY_MS, LOOK_EVERY_MS);
}

void engine_snapshots_stop(struct engine *engine)
{
	uv_timer_stop(&engine->snapshots_timer);
	if (engine->snapshots)
		__atomic_store_n(&engine->snapshots->interrupted, true, __ATOMIC_RELAXED);
}

uint64_t engine_snapshots_taken(const struct engine *engine)
{
	return engine->snapshots ? engine->snapshots->taken : 0;
}

void engine_snapshots_release(struct engine *engine)
{
	free(engine->snapshots);
}
