#include "engine/serve/engine.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/data/adopt.h"
#include "engine/data/catch_up.h"
#include "engine/log/log.h"
#include "engine/read/read.h"
#include "engine/serve/internal.h"
#include "schemas/wire/ensure.h"

enum { WATERMARKS_EVERY_MS = 5000 };

/* ---- opening ---- */

static void init_handles(struct engine *engine)
{
	ENSURE(uv_async_init(engine->loop, &engine->flushed, engine_on_flushed_async) == 0);
	ENSURE(uv_check_init(engine->loop, &engine->turn) == 0);
	ENSURE(uv_idle_init(engine->loop, &engine->again) == 0);
	ENSURE(uv_timer_init(engine->loop, &engine->timer) == 0);
	ENSURE(uv_timer_init(engine->loop, &engine->watermarks_timer) == 0);
	ENSURE(uv_timer_init(engine->loop, &engine->adopt_timer) == 0);
	ENSURE(uv_timer_init(engine->loop, &engine->snapshots_timer) == 0);
	ENSURE(uv_timer_init(engine->loop, &engine->peers.timer) == 0);
	engine->flushed.data = engine->turn.data = engine->again.data = engine->timer.data =
		engine->watermarks_timer.data = engine->adopt_timer.data = engine->snapshots_timer.data =
			engine->peers.timer.data = engine;
	engine->handles = 8;
}

static void tell(const char *sentence)
{
	log_warn("projection.begunAnew", LOG_TEXT("message", sentence));
}

static void tell_not_used(const char *sentence)
{
	log_warn("projection.notAdopted", LOG_TEXT("message", sentence));
}

struct progress {
	void (*call)(uint64_t, uint64_t);
};

static void on_progress(void *context, const struct fold *fold, uint64_t end)
{
	struct progress *progress = context;
	if (progress->call)
		progress->call(fold->next_offset, end);
}

static void keep_first_wrong(void *context, bool wrong, const char *sentence)
{
	struct error *first = context;
	if (wrong && first->code == LL_OK)
		error_set(first, LL_SETTINGS, "%s", sentence);
	else if (!wrong)
		log_warn("journal.settings", LOG_TEXT("message", sentence));
}

/* A topic that may forget, or takes too little, is no journal. */
static enum ll_code check_settings(struct journal *journal, struct error *error)
{
	unsigned wrong = 0;
	struct error first = {.code = LL_OK};
	enum ll_code code = journal_check(journal, keep_first_wrong, &first, &wrong, error);
	if (code != LL_OK || wrong == 0)
		return code;
	if (wrong == 1)
		return error_set(error, LL_SETTINGS, "%s", first.text);
	return error_set(error, LL_SETTINGS, "%s (`ledgerline journal check %s` shows what else is wrong)", first.text,
			 journal_url(journal));
}

/* A mistyped --data makes another directory: nobody should have to find that out later. */
static void tell_made(const struct engine *engine)
{
	const char *made = engine->made == ENGINE_MADE_LEDGER ? "ledger" : "directory";
	const struct data *data = &engine->data;
	if (engine->made != ENGINE_MADE_NOTHING && *data->among)
		log_warn("data.made", LOG_TEXT("made", made), LOG_TEXT("data", data->path),
			 LOG_TEXT("journal", data->url), LOG_TEXT("among", data->among));
	else if (engine->made != ENGINE_MADE_NOTHING)
		log_info("data.made", LOG_TEXT("made", made), LOG_TEXT("data", data->path),
			 LOG_TEXT("journal", data->url));
}

static enum ll_code open_journal(struct engine *engine, const struct engine_options *options, struct error *error)
{
	bool is_local = strncmp(engine->data.url, "local:", 6) == 0;
	struct journal_options journal_options = {
		.settings = options->settings,
		.settings_count = options->settings_count,
		.create = is_local,
	};
	engine->journal_options = journal_options;
	engine->journal_options.create = false;
	struct journal_watermarks marks;
	enum ll_code code = journal_open(engine->data.url, &journal_options, &engine->journal, error);
	if (code == LL_OK)
		code = journal_identity(engine->journal, &engine->identity, error);
	if (code == LL_OK)
		code = journal_watermarks(engine->journal, &marks, error);
	if (code == LL_OK && !is_local)
		code = check_settings(engine->journal, error);
	engine->made = engine->data.is_known ? ENGINE_MADE_NOTHING : ENGINE_MADE_DIRECTORY;
	if (code == LL_OK && is_local && marks.high == 0) {
		code = write_genesis(engine->journal, "ledger", engine_now(engine), error);
		engine->made = ENGINE_MADE_LEDGER;
	}
	if (code == LL_OK)
		code = check_log_of(engine->journal, &(struct fold){.begun = false}, error);
	if (code == LL_OK)
		code = data_remember(&engine->data, error);
	if (code == LL_OK)
		tell_made(engine);
	return code;
}

/* Whether a projection begins at the journal's first record, and has a long way to go. */
static bool begins_far_behind(struct engine *engine)
{
	struct journal_watermarks marks;
	struct error error;
	return ledger_fold_state(engine->ledger)->next_offset == 0 &&
	       journal_watermarks(engine->journal, &marks, &error) == LL_OK && marks.high >= FAR_RECORDS;
}

/* What begins with nothing is built as a rebuild builds it: in large layers, sorted outside; and then opened as ever. */
static enum ll_code build_in_bulk(struct engine *engine, const struct catch_up *how, struct error *error)
{
	struct ledger_options options = {.bulk = true};
	struct ledger *ledger = NULL;
	struct error closing;
	enum ll_code code = ledger_close(engine->ledger, error);
	engine->ledger = NULL;
	options.annulled = how->annulled->count ? how->annulled : NULL;
	if (code == LL_OK)
		code = data_open_ledger(&engine->data, PROJECTIONS_ALL, &options, tell, &ledger, error);
	if (code != LL_OK)
		return code;
	code = catch_up(engine->journal, ledger, how, NULL, error);
	if (code == LL_UNTRUSTED) {
		ledger_abandon(ledger);
		return code;
	}
	if (ledger_close(ledger, &closing) != LL_OK && code == LL_OK)
		code = error_set(error, closing.code, "%s", closing.text);
	return code;
}

static enum ll_code open_and_catch_up(struct engine *engine, const struct catch_up *how, struct error *error)
{
	struct ledger_options ledger_options = {.flushed = engine_on_flushed,
						.flushed_context = engine,
						.annulled = how->annulled->count ? how->annulled : NULL};
	enum ll_code code =
		data_open_ledger(&engine->data, PROJECTIONS_ALL, &ledger_options, tell, &engine->ledger, error);
	if (code == LL_OK && begins_far_behind(engine)) {
		code = build_in_bulk(engine, how, error);
		ledger_options.annulled = how->annulled->count ? how->annulled : NULL;
		if (code == LL_OK)
			code = data_open_ledger(&engine->data, PROJECTIONS_ALL, &ledger_options, tell, &engine->ledger,
						error);
	}
	return code == LL_OK ? catch_up(engine->journal, engine->ledger, how, &engine->reader, error) : code;
}

/* Again when the journal turns out to annul what was folded: what folded it is then begun anew. */
static enum ll_code open_ledger(struct engine *engine, void (*progress)(uint64_t, uint64_t), struct error *error)
{
	struct progress context = {progress};
	struct annulments annulled = {.count = 0};
	struct catch_up how = {.progress = on_progress, .context = &context, .end = UINT64_MAX, .annulled = &annulled};
	size_t known;
	enum ll_code code = adopt_all_waiting(&engine->data, PROJECTIONS_ALL, tell_not_used, error);
	if (code != LL_OK)
		return code;
	do {
		known = annulled.count;
		if (engine->ledger)
			ledger_abandon(engine->ledger);
		engine->ledger = NULL;
		code = open_and_catch_up(engine, &how, error);
	} while (catch_up_found_more(&how, code, known));
	annulments_release(&annulled);
	return code;
}

enum ll_code engine_open(uv_loop_t *loop, const struct engine_options *options,
			 void (*progress)(uint64_t offset, uint64_t end), struct engine **opened, struct error *error)
{
	struct engine *engine = calloc(1, sizeof *engine);
	ENSURE(engine);
	engine_host_init(&engine->host);
	engine->loop = loop;
	engine->appender_descriptor = -1;
	engine->role = options->role;
	engine->patience_ms = options->patience_ms;
	engine->snapshot_plan = options->snapshots;
	engine->started_ms = engine_now(engine);
	engine->open_cuts = open_cuts_new();
	init_handles(engine);
	ENSURE(uv_mutex_init(&engine->journal_lock) == 0);
	engine_set_address(engine, options->address);
	enum ll_code code = data_open(options->data, options->journal, DATA_MAKE, &engine->data, error);
	if (code == LL_OK)
		code = open_journal(engine, options, error);
	if (code == LL_OK)
		code = options->secret ? secret_read_file(options->secret, engine->secret, error)
				       : secret_open(&engine->data, engine->secret, error);
	if (code == LL_OK)
		code = open_ledger(engine, progress, error);
	if (code != LL_OK) {
		struct error ignored;
		if (engine_close(engine, &ignored) != LL_OK)
			return code;
		return code;
	}
	engine->writer_options.address = engine->address;
	engine->writer = writer_new(engine->ledger, engine->reader, &engine->host, &engine->writer_options);
	*opened = engine;
	return LL_OK;
}

void engine_set_address(struct engine *engine, const char *address)
{
	snprintf(engine->address, sizeof engine->address, "%s", address ? address : "");
}

void engine_start(struct engine *engine, void (*ready)(void *), void (*failed)(void *, const struct error *),
		  void *context)
{
	engine->ready = ready;
	engine->failed = failed;
	engine->context = context;
	engine->working = true;
	engine->pump_again = true;
	int descriptor = journal_reader_descriptor(engine->reader);
	if (descriptor >= 0) {
		ENSURE(uv_poll_init(engine->loop, &engine->reader_poll, descriptor) == 0);
		engine->reader_poll.data = engine;
		engine->handles++;
		ENSURE(uv_poll_start(&engine->reader_poll, UV_READABLE, engine_on_reader) == 0);
	}
	uv_check_start(&engine->turn, engine_on_turn);
	uv_idle_start(&engine->again, engine_on_again);
	uv_timer_start(&engine->watermarks_timer, engine_on_watermarks_timer, 0, WATERMARKS_EVERY_MS);
	engine_adopt_start(engine);
	engine_peers_start(engine);
	engine_snapshots_start(engine, &engine->snapshot_plan);
}

/* ---- stopping ---- */

static void one_closed(uv_handle_t *handle)
{
	struct engine *engine = handle->data;
	engine->handles--;
}

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, one_closed);
}

void engine_finish_stop(struct engine *engine)
{
	if (engine->jobs || !engine->working)
		return;
	struct journal_appender *appender = writer_appender(engine->writer);
	engine->working = false;
	uv_idle_stop(&engine->again);
	uv_check_stop(&engine->turn);
	uv_timer_stop(&engine->timer);
	uv_timer_stop(&engine->watermarks_timer);
	engine_unpoll_appender(engine);
	writer_free(engine->writer);
	engine->writer = NULL;
	journal_appender_close(appender);
	engine->stopped(engine->stopped_context);
}

void engine_stop(struct engine *engine, void (*stopped)(void *), void *context)
{
	engine->stopped = stopped;
	engine->stopped_context = context;
	engine->stopping = true;
	engine->pump_again = true;
	engine_adopt_stop(engine);
	engine_audit_stop(engine);
	engine_closing_stop(engine);
	engine_snapshots_stop(engine);
	engine_peers_stop(engine);
	writer_stop(engine->writer);
	for (struct engine_wait *wait = engine->waits, *next; wait; wait = next) {
		next = wait->next;
		wait->reached(wait, false);
	}
	engine->waits = NULL;
	uv_idle_start(&engine->again, engine_on_again);
}

enum ll_code engine_close(struct engine *engine, struct error *error)
{
	enum ll_code code = LL_OK;
	writer_free(engine->writer);
	if (engine->reader_poll.data)
		close_handle((uv_handle_t *)&engine->reader_poll);
	engine_unpoll_appender(engine);
	code = ledger_close(engine->ledger, error);
	close_handle((uv_handle_t *)&engine->flushed);
	close_handle((uv_handle_t *)&engine->turn);
	close_handle((uv_handle_t *)&engine->again);
	close_handle((uv_handle_t *)&engine->timer);
	close_handle((uv_handle_t *)&engine->watermarks_timer);
	close_handle((uv_handle_t *)&engine->adopt_timer);
	close_handle((uv_handle_t *)&engine->snapshots_timer);
	close_handle((uv_handle_t *)&engine->peers.timer);
	while (engine->handles || engine->jobs)
		uv_run(engine->loop, UV_RUN_ONCE);
	open_cuts_free(engine->open_cuts);
	journal_reader_close(engine->reader);
	journal_close(engine->journal);
	data_close(&engine->data);
	uv_mutex_destroy(&engine->journal_lock);
	arena_release(&engine->policy_arena);
	zone_free(engine->zone);
	engine_peers_release(engine);
	engine_snapshots_release(engine);
	free(engine);
	return code;
}

/* ---- for the API ---- */

enum ll_code engine_submit(struct engine *engine, struct pending *pending, enum code *code)
{
	engine->pump_again = true;
	uv_idle_start(&engine->again, engine_on_again);
	return writer_submit(engine->writer, pending, code);
}

struct writer *engine_writer(struct engine *engine)
{
	return engine->writer;
}

struct ledger *engine_ledger(struct engine *engine)
{
	return engine->ledger;
}

const struct policy *engine_policy(struct engine *engine, const struct zone **zone)
{
	uint32_t version;
	struct policy policy;
	struct view *view = ledger_view(engine->ledger);
	if (!read_policy(view, &policy, &version))
		return NULL;
	if (version != engine->policy_version) {
		struct zone *loaded;
		arena_reset(&engine->policy_arena);
		engine->policy = policy;
		engine->policy.time_zone = arena_copy(&engine->policy_arena, policy.time_zone);
		engine->policy.refund_table.at = NULL; /* decisions read it; the API does not */
		engine->policy.refund_table.count = 0;
		if (zone_load(policy.time_zone, &loaded, NULL) != LL_OK)
			return NULL;
		zone_free(engine->zone);
		engine->zone = loaded;
		engine->policy_version = version;
	}
	*zone = engine->zone;
	return &engine->policy;
}

void engine_status(struct engine *engine, struct engine_status *status)
{
	*status = (struct engine_status){
		.made = engine->made,
		.made_among = engine->data.among,
		.journal_url = journal_url(engine->journal),
		.identity = engine->identity,
		.watermarks = engine->watermarks,
		.data = engine->data.path,
		.started_ms = engine->started_ms,
		.is_ready = engine->is_ready,
		.loop_late_us_max = engine->turn_us_max,
		.role = engine->role,
		.takeovers = engine->peers.takeovers,
		.handovers = engine->peers.handovers,
	};
	memcpy(status->forwarded, engine->forwards.ended, sizeof status->forwarded);
	uint64_t folded = ledger_fold_state(engine->ledger)->next_offset;
	if (status->watermarks.high < folded)
		status->watermarks.high = folded;
}

const uint8_t *engine_secret(struct engine *engine)
{
	return engine->secret;
}
