/* What engine/serve does for a writer, with everything that takes time or can fail drawn from the seed. */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/data/catch_up.h"
#include "schemas/wire/ensure.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/simulation.h"

#define TIME_BEGIN INT64_C(1767225600000) /* 2026-01-01 */

enum { RESTART_MS_MAX = 400, LOOK_US = 500 * 1000, REWIND_MAX = 24 };

/* ---- the host ---- */

static struct engine *engine_of(struct writer_host *host)
{
	return (struct engine *)host;
}

static int64_t host_now(struct writer_host *host)
{
	struct engine *engine = engine_of(host);
	return TIME_BEGIN + engine->simulation->now_us / 1000 + engine->clock_ahead_ms;
}

/* An engine's own, which goes on while it works: so it comes to the end of its share of a turn. */
static int64_t host_monotonic(struct writer_host *host)
{
	struct engine *engine = engine_of(host);
	engine->spent_us += draw(engine->simulation, engine->simulation->busy_us);
	return engine->simulation->now_us + engine->spent_us;
}

static void host_random(struct writer_host *host, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)draw(engine_of(host)->simulation, 256);
}

static int64_t some_time_later(struct simulation *simulation)
{
	return simulation->now_us + 1 + (int64_t)draw(simulation, simulation->elsewhere_ms + 1) * 1000;
}

static void host_open_appender(struct writer_host *host)
{
	struct engine *engine = engine_of(host);
	ENSURE(!engine->open_us && !engine->closing); /* one at a time */
	engine->open_us = some_time_later(engine->simulation);
	engine->open_fold = *ledger_fold_state(engine->ledger);
}

static void host_close_appender(struct writer_host *host, struct journal_appender *appender)
{
	struct engine *engine = engine_of(host);
	ENSURE(!engine->closing);
	engine->closing = appender;
	engine->close_us = some_time_later(engine->simulation);
}

static void host_read_hit(struct writer_host *host, uint64_t offset)
{
	struct engine *engine = engine_of(host);
	ENSURE(!engine->hit_us);
	engine->hit_us = some_time_later(engine->simulation);
	engine->hit_offset = offset;
}

static void host_tell(struct writer_host *host, enum ll_code code, const char *sentence)
{
	note(engine_of(host)->simulation, (int)engine_of(host)->number, "says %s: %s", error_code_text(code), sentence);
}

static void host_state_changed(struct writer_host *host, enum writer_state state)
{
	const struct engine *engine = engine_of(host);
	note(engine->simulation, (int)engine->number, "is %s", writer_state_text(state));
}

/* ---- what is done elsewhere ---- */

static void open_appender(struct engine *engine)
{
	struct journal_appender *appender = NULL;
	struct journal_watermarks marks;
	struct error error;
	engine->open_us = 0;
	enum ll_code code = journal_watermarks(engine->journal, &marks, &error);
	if (code == LL_OK)
		code = check_log_of(engine->journal, &engine->open_fold, &error);
	if (code == LL_OK)
		code = journal_appender_open(engine->journal, &appender, &error);
	if (code == LL_OK)
		writer_log_is_seen(engine->writer, marks.high);
	writer_appender_opened(engine->writer, appender, &error);
}

static void close_appender(struct engine *engine)
{
	struct journal_appender *appender = engine->closing;
	engine->closing = NULL;
	journal_appender_close(appender);
	writer_appender_closed(engine->writer);
}

static void read_hit(struct engine *engine)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	int64_t time_ms;
	engine->hit_us = 0;
	bool fine = journal_read_at(engine->journal, engine->hit_offset, &bytes, &size, &time_ms, NULL) == LL_OK;
	writer_answer_hits(engine->writer, fine ? slice_of(bytes, size) : SLICE_EMPTY);
	free(bytes);
}

/* Every now and then: is it still the same log? */
static void look_at_log(struct engine *engine)
{
	struct journal_watermarks marks;
	struct error error;
	engine->look_us = engine->simulation->now_us + LOOK_US;
	enum ll_code code = journal_watermarks(engine->journal, &marks, &error);
	if (code != LL_OK)
		return;
	code = check_log_of(engine->journal, ledger_fold_state(engine->ledger), &error);
	if (code == LL_OK)
		writer_log_is_seen(engine->writer, marks.high);
	else if (code == LL_DIVERGED || code == LL_FOREIGN)
		writer_log_is_another(engine->writer, &error);
}

static void work_elsewhere(struct engine *engine)
{
	int64_t now = engine->simulation->now_us;
	if (engine->closing && now >= engine->close_us)
		close_appender(engine);
	if (engine->open_us && now >= engine->open_us)
		open_appender(engine);
	if (engine->hit_us && now >= engine->hit_us)
		read_hit(engine);
	if (now >= engine->look_us)
		look_at_log(engine);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		if (!disk_flush_waits(engine->directories[id]) || fault_comes(engine->simulation, FAULT_FLUSH_LATE))
			continue;
		bool fails = fault_comes(engine->simulation, FAULT_FLUSH_FAILED);
		if (fails)
			note(engine->simulation, (int)engine->number, "cannot flush projection %u", id);
		disk_flush(engine->directories[id], fails ? LL_FULL : LL_OK);
	}
}

/* ---- starting ---- */

void name_directories(char directories[PROJECTIONS_COUNT][NAME_SIZE], const char *owner)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		snprintf(directories[id], NAME_SIZE, "%s-%u", owner, id);
}

struct ledger *ledger_on_disk(const char directories[PROJECTIONS_COUNT][NAME_SIZE], size_t clean_bytes,
			      struct error *error)
{
	struct ledger_options options = {.create = true, .clean_bytes_max = clean_bytes};
	struct ledger *ledger = NULL;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		options.directories[id] = directories[id];
	return ledger_open(&options, &ledger, NULL, error) == LL_OK ? ledger : NULL;
}

static int64_t restart_time(struct simulation *simulation)
{
	return simulation->now_us + (1 + (int64_t)draw(simulation, RESTART_MS_MAX)) * 1000;
}

/* An operator, who deletes projections of another past when the engine asks for it. */
static void start_has_failed(struct engine *engine, const struct error *error)
{
	struct simulation *simulation = engine->simulation;
	ledger_abandon(engine->ledger);
	journal_close(engine->journal);
	engine->ledger = NULL;
	engine->journal = NULL;
	engine->back_us = restart_time(simulation);
	if (error->code == LL_UNAVAILABLE)
		return;
	note(simulation, (int)engine->number, "does not start: %s", error->text);
	if (!simulation->was_damaged || error->code == LL_POISON)
		violated(simulation, PROPERTY_RUNNING, "engine %u does not start: %s", engine->number, error->text);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		disk_wipe(engine->directories[id]);
	engine->is_of_another_past = false;
}

static void start(struct engine *engine)
{
	struct simulation *simulation = engine->simulation;
	const struct catch_up how = {.end = UINT64_MAX};
	struct error error;
	if (simulation->away_until_us || engine->cut_until_us || engine->late_until_us ||
	    line_open("memory:" SIMULATION_JOURNAL, &engine->line, &engine->journal, &error) != LL_OK) {
		engine->back_us = restart_time(simulation);
		return;
	}
	engine->ledger = ledger_on_disk(engine->directories, simulation->clean_bytes, &error);
	if (!engine->ledger || catch_up(engine->journal, engine->ledger, &how, &engine->reader, &error) != LL_OK) {
		start_has_failed(engine, &error);
		return;
	}
	engine->writer = writer_new(engine->ledger, engine->reader, &engine->host, &simulation->options);
	engine->up = true;
	engine->look_us = simulation->now_us + LOOK_US;
	simulation->tally->restarts++;
	note(simulation, (int)engine->number, "starts at offset %" PRIu64,
	     ledger_fold_state(engine->ledger)->next_offset);
}

/* ---- ending ---- */

static void stop(struct engine *engine, bool cleanly)
{
	struct journal_appender *appender = writer_appender(engine->writer);
	struct error error;
	engine->dying = true;
	writer_free(engine->writer);
	engine->dying = false;
	journal_appender_close(appender);
	journal_appender_close(engine->closing);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (draw(engine->simulation, 2))
			disk_flush(engine->directories[id], LL_OK);
	if (!cleanly || ledger_close(engine->ledger, &error) == LL_UNTRUSTED)
		ledger_abandon(engine->ledger);
	journal_reader_close(engine->reader);
	journal_close(engine->journal);
	engine->writer = NULL;
	engine->ledger = NULL;
	engine->closing = NULL;
	engine->journal = NULL;
	engine->open_us = engine->close_us = engine->hit_us = engine->paused_until_us = 0;
	engine->up = false;
}

static void draw_disk(struct engine *engine)
{
	struct simulation *simulation = engine->simulation;
	bool lost = fault_comes(simulation, FAULT_DISK_LOST), rewound = fault_comes(simulation, FAULT_DISK_REWOUND);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		size_t versions = disk_versions(engine->directories[id]);
		if (lost && draw(simulation, 2)) {
			disk_wipe(engine->directories[id]);
		} else if (rewound && draw(simulation, 2)) {
			size_t back = draw(simulation, versions < REWIND_MAX ? (uint32_t)versions : REWIND_MAX);
			disk_rewind(engine->directories[id], versions - back);
		}
	}
}

void engine_crash(struct engine *engine, const char *why, bool disk_is_safe)
{
	bool cleanly = draw(engine->simulation, 8) == 0;
	note(engine->simulation, (int)engine->number, "%s: %s", cleanly ? "stops" : "crashes", why);
	stop(engine, cleanly);
	if (!disk_is_safe)
		draw_disk(engine);
	engine->back_us = restart_time(engine->simulation);
}

void engine_free(struct engine *engine)
{
	if (engine->up)
		stop(engine, false);
}

/* ---- a step ---- */

bool engine_runs(const struct engine *engine)
{
	return engine->up && !engine->paused_until_us;
}

static bool has_failed(const struct engine *engine)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger_failure(engine->ledger, id))
			return true;
	return false;
}

static void look_at_health(struct engine *engine)
{
	struct simulation *simulation = engine->simulation;
	const struct error *failure = writer_failure(engine->writer);
	bool disk_failed = has_failed(engine);
	if (failure) {
		if (!disk_failed && !simulation->was_damaged)
			violated(simulation, PROPERTY_RUNNING, "engine %u halted: %s", engine->number, failure->text);
		engine_crash(engine, "it had halted", true);
	} else if (disk_failed && (simulation->healing || draw(simulation, 20) == 0)) {
		engine_crash(engine, "a projection could not be written", true);
	}
}

void engine_step(struct engine *engine)
{
	struct simulation *simulation = engine->simulation;
	if (!engine->up && simulation->now_us >= engine->back_us)
		start(engine);
	if (!engine_runs(engine))
		return;
	work_elsewhere(engine);
	(void)writer_pump(engine->writer);
	look_at_health(engine);
}

void engines_init(struct simulation *simulation)
{
	for (unsigned i = 0; i < simulation->engine_count; i++) {
		struct engine *engine = &simulation->engines[i];
		char owner[NAME_SIZE];
		engine->host = (struct writer_host){host_now,           host_monotonic,      host_random,
						    host_open_appender, host_close_appender, host_read_hit,
						    host_tell,          host_state_changed};
		engine->simulation = simulation;
		engine->number = i;
		snprintf(owner, sizeof owner, "e%u", i);
		name_directories(engine->directories, owner);
	}
}
