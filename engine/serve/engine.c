#include "engine/serve/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "engine/data/catch_up.h"
#include "engine/data/data.h"
#include "engine/data/secret.h"
#include "engine/log/log.h"
#include "engine/read/read.h"
#include "schemas/wire/ensure.h"

enum { WATERMARKS_EVERY_MS = 5000, LATE_TURN_US = 10000 };

struct engine {
	struct writer_host host; /* first: the writer hands it back */
	uv_loop_t *loop;
	struct data data;
	struct journal *journal;
	struct journal_reader *reader;
	struct ledger *ledger;
	struct writer *writer;
	struct writer_options writer_options;
	char address[WRITER_ADDRESS_MAX + 1];
	bool follow;
	uint8_t secret[SECRET_BYTES];

	uv_poll_t reader_poll, appender_poll;
	int appender_descriptor; /* -1: not polled */
	bool appender_poll_open;
	uv_async_t flushed;
	uv_check_t turn;
	uv_idle_t again; /* keeps the loop turning while there is work */
	uv_timer_t timer, watermarks_timer;
	unsigned handles; /* open ones */
	unsigned jobs;    /* in the thread pool */
	bool working, stopping, pump_again;
	uint64_t turn_us_max;

	struct engine_wait *waits;
	struct journal_watermarks watermarks;
	struct journal_identity identity;
	bool watermarks_asked;
	int64_t started_ms;

	struct arena policy_arena;
	struct policy policy;
	uint32_t policy_version;
	struct zone *zone;

	bool is_ready;
	void (*ready)(void *);
	void (*failed)(void *, const struct error *);
	void *context;
	void (*stopped)(void *);
	void *stopped_context;
};

static struct engine *engine_of(struct writer_host *host)
{
	return (struct engine *)host;
}

/* ---- clocks ---- */

int64_t engine_now(struct engine *engine)
{
	(void)engine;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t host_now(struct writer_host *host)
{
	return engine_now(engine_of(host));
}

static int64_t host_monotonic(struct writer_host *host)
{
	(void)host;
	return (int64_t)(uv_hrtime() / 1000);
}

void engine_random(struct engine *engine, uint8_t *bytes, size_t size)
{
	(void)engine;
	ENSURE(getrandom(bytes, size, 0) == (ssize_t)size);
}

static void host_random(struct writer_host *host, uint8_t *bytes, size_t size)
{
	engine_random(engine_of(host), bytes, size);
}

/* ---- work for the thread pool ---- */

struct job {
	uv_work_t work;
	struct engine *engine;
	struct journal_appender *appender;
	uint64_t offset;
	uint8_t *bytes;
	size_t size;
	void (*read)(void *context, struct slice bytes);
	void *read_context;
	struct journal_watermarks watermarks;
	struct fold fold; /* as it was when the job was made */
	bool check_log;   /* is it still the log that was folded? */
	enum ll_code code;
	struct error error;
};

static struct job *job_new(struct engine *engine)
{
	struct job *job = calloc(1, sizeof *job);
	ENSURE(job);
	job->engine = engine;
	job->work.data = job;
	engine->jobs++;
	return job;
}

static void job_run(struct job *job, uv_work_cb work, uv_after_work_cb after)
{
	ENSURE(uv_queue_work(job->engine->loop, &job->work, work, after) == 0);
}

static void job_done(struct job *job)
{
	job->engine->jobs--;
	job->engine->pump_again = true;
	uv_async_send(&job->engine->flushed);
	free(job);
}

/* Have the job look whether the log is still the one that was folded; at the start that was just seen. */
static void look_at_log(struct job *job)
{
	job->fold = *ledger_fold_state(job->engine->ledger);
	job->check_log = job->engine->is_ready;
}

static void open_appender_work(uv_work_t *work)
{
	struct job *job = work->data;
	struct journal *journal = job->engine->journal;
	job->code = LL_OK;
	if (job->check_log)
		job->code = journal_watermarks(journal, &job->watermarks, &job->error);
	if (job->check_log && job->code == LL_OK)
		job->code = check_log_of(journal, &job->fold, &job->error);
	if (job->code == LL_OK)
		job->code = journal_appender_open(journal, &job->appender, &job->error);
}

static void pump(struct engine *engine);

static void on_appender(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	((struct engine *)poll->data)->pump_again = true;
}

static void appender_poll_closed(uv_handle_t *handle)
{
	((struct engine *)handle->data)->appender_poll_open = false;
	((struct engine *)handle->data)->handles--;
}

static void poll_appender(struct engine *engine, struct journal_appender *appender)
{
	engine->appender_descriptor = journal_appender_descriptor(appender);
	if (engine->appender_descriptor < 0 || engine->appender_poll_open)
		return;
	ENSURE(uv_poll_init(engine->loop, &engine->appender_poll, engine->appender_descriptor) == 0);
	engine->appender_poll.data = engine;
	engine->appender_poll_open = true;
	engine->handles++;
	ENSURE(uv_poll_start(&engine->appender_poll, UV_READABLE, on_appender) == 0);
}

static void unpoll_appender(struct engine *engine)
{
	engine->appender_descriptor = -1;
	if (engine->appender_poll_open && !uv_is_closing((uv_handle_t *)&engine->appender_poll))
		uv_close((uv_handle_t *)&engine->appender_poll, appender_poll_closed);
}

static void opened_appender(uv_work_t *work, int status)
{
	struct job *job = work->data;
	struct engine *engine = job->engine;
	(void)status;
	struct journal_appender *appender = job->code == LL_OK ? job->appender : NULL;
	if (appender)
		poll_appender(engine, appender);
	if (appender && job->check_log)
		writer_log_is_seen(engine->writer, job->watermarks.high);
	writer_appender_opened(engine->writer, appender, &job->error);
	job_done(job);
}

static void host_open_appender(struct writer_host *host)
{
	struct engine *engine = engine_of(host);
	struct job *job = job_new(engine);
	look_at_log(job);
	job_run(job, open_appender_work, opened_appender);
}

static void close_appender_work(uv_work_t *work)
{
	journal_appender_close(((struct job *)work->data)->appender);
}

static void closed_appender(uv_work_t *work, int status)
{
	(void)status;
	writer_appender_closed(((struct job *)work->data)->engine->writer);
	job_done(work->data);
}

static void host_close_appender(struct writer_host *host, struct journal_appender *appender)
{
	struct job *job = job_new(engine_of(host));
	unpoll_appender(engine_of(host));
	job->appender = appender;
	job_run(job, close_appender_work, closed_appender);
}

static void read_hit_work(uv_work_t *work)
{
	struct job *job = work->data;
	int64_t time_ms;
	job->code = journal_read_at(job->engine->journal, job->offset, &job->bytes, &job->size, &time_ms, &job->error);
}

static void read_hit_done(uv_work_t *work, int status)
{
	struct job *job = work->data;
	(void)status;
	writer_answer_hits(job->engine->writer, job->code == LL_OK ? slice_of(job->bytes, job->size) : SLICE_EMPTY);
	free(job->bytes);
	job_done(job);
}

static void host_read_hit(struct writer_host *host, uint64_t offset)
{
	struct job *job = job_new(engine_of(host));
	job->offset = offset;
	job_run(job, read_hit_work, read_hit_done);
}

static void read_block_done(uv_work_t *work, int status)
{
	struct job *job = work->data;
	(void)status;
	job->read(job->read_context, job->code == LL_OK ? slice_of(job->bytes, job->size) : SLICE_EMPTY);
	free(job->bytes);
	job_done(job);
}

void engine_read_block(struct engine *engine, uint64_t offset, void (*done)(void *context, struct slice bytes),
		       void *context)
{
	struct slice recent;
	if (!engine->working || writer_recent(engine->writer, offset, &recent)) {
		done(context, engine->working ? recent : SLICE_EMPTY);
		return;
	}
	struct job *job = job_new(engine);
	job->offset = offset;
	job->read = done;
	job->read_context = context;
	job_run(job, read_hit_work, read_block_done);
}

static void watermarks_work(uv_work_t *work)
{
	struct job *job = work->data;
	job->code = journal_watermarks(job->engine->journal, &job->watermarks, &job->error);
	/* A beginning that is gone is told; it ends nothing that is under way. */
	if (job->code == LL_OK && job->watermarks.low == 0 && job->check_log)
		job->code = check_log_of(job->engine->journal, &job->fold, &job->error);
}

static void watermarks_done(uv_work_t *work, int status)
{
	struct job *job = work->data;
	(void)status;
	if (job->code == LL_OK)
		job->engine->watermarks = job->watermarks;
	if (job->code == LL_OK && job->check_log)
		writer_log_is_seen(job->engine->writer, job->watermarks.high);
	else if (job->code == LL_DIVERGED || job->code == LL_FOREIGN)
		writer_log_is_another(job->engine->writer, &job->error);
	if (job->code == LL_OK && job->watermarks.low != 0)
		log_error("journal.beginningGone", LOG_NUMBER("low", job->watermarks.low),
			  LOG_TEXT("url", journal_url(job->engine->journal)));
	job->engine->watermarks_asked = false;
	job_done(job);
}

static void on_watermarks_timer(uv_timer_t *timer)
{
	struct engine *engine = timer->data;
	if (engine->watermarks_asked || engine->stopping)
		return;
	engine->watermarks_asked = true;
	struct job *job = job_new(engine);
	look_at_log(job);
	job_run(job, watermarks_work, watermarks_done);
}

/* ---- what the writer tells ---- */

static void host_tell(struct writer_host *host, enum ll_code code, const char *sentence)
{
	(void)host;
	if (code == LL_OK)
		log_info("writer.note", LOG_TEXT("message", sentence));
	else
		log_warn("writer.trouble", LOG_TEXT("code", error_code_text(code)), LOG_TEXT("message", sentence));
}

static void host_state_changed(struct writer_host *host, enum writer_state state)
{
	struct engine *engine = engine_of(host);
	const struct fold *fold = ledger_fold_state(engine->ledger);
	log_info("writer.state", LOG_TEXT("state", writer_state_text(state)), LOG_NUMBER("epoch", fold->epoch),
		 LOG_NUMBER("nextSeq", fold->next_seq));
	engine->pump_again = true;
}

/* ---- waiting for positions ---- */

static void check_waits(struct engine *engine)
{
	uint64_t next = ledger_fold_state(engine->ledger)->next_seq;
	int64_t now = host_monotonic(&engine->host) / 1000;
	struct engine_wait **link = &engine->waits, *done = NULL;
	while (*link) {
		struct engine_wait *wait = *link;
		if (wait->seq >= next && now < wait->deadline_ms) {
			link = &wait->next;
			continue;
		}
		*link = wait->next;
		wait->next = done;
		done = wait;
	}
	while (done) {
		struct engine_wait *wait = done;
		done = wait->next;
		wait->reached(wait, wait->seq < next);
	}
}

void engine_wait_for(struct engine *engine, struct engine_wait *wait, uint64_t seq, int64_t timeout_ms)
{
	if (seq < ledger_fold_state(engine->ledger)->next_seq) {
		wait->reached(wait, true);
		return;
	}
	wait->seq = seq;
	wait->deadline_ms = host_monotonic(&engine->host) / 1000 + timeout_ms;
	wait->next = engine->waits;
	engine->waits = wait;
	engine->pump_again = true;
}

/* ---- the loop's turn ---- */

static void on_again(uv_idle_t *idle)
{
	(void)idle;
}

/* Timers come before the loop waits for descriptors: the idle handle keeps it from waiting. */
static void on_timer(uv_timer_t *timer)
{
	struct engine *engine = timer->data;
	engine->pump_again = true;
	uv_idle_start(&engine->again, on_again);
}

static void look_for_ready(struct engine *engine)
{
	enum writer_state state = writer_state(engine->writer);
	const struct error *failure = writer_failure(engine->writer);
	if (failure && engine->failed) {
		void (*failed)(void *, const struct error *) = engine->failed;
		engine->failed = NULL;
		failed(engine->context, failure);
	}
	bool follows = state == WRITER_FOLLOWING && ledger_fold_state(engine->ledger)->epoch > 0;
	if (!engine->is_ready && (state == WRITER_LEADING || follows) && engine->ready) {
		engine->is_ready = true;
		engine->ready(engine->context);
	}
}

static void finish_stop(struct engine *engine);

static int64_t wait_deadline(const struct engine *engine)
{
	int64_t first = INT64_MAX;
	for (const struct engine_wait *wait = engine->waits; wait; wait = wait->next)
		first = wait->deadline_ms < first ? wait->deadline_ms : first;
	return first;
}

static void pump(struct engine *engine)
{
	uint64_t begin = uv_hrtime();
	engine->pump_again = false;
	int64_t wake = writer_pump(engine->writer);
	check_waits(engine);
	look_for_ready(engine);
	int64_t waits = wait_deadline(engine);
	wake = waits < wake ? waits : wake;
	int64_t now = host_monotonic(&engine->host) / 1000;
	uv_update_time(engine->loop);
	if (wake == INT64_MAX)
		uv_timer_stop(&engine->timer);
	else if (wake <= now)
		engine->pump_again = true;
	else
		uv_timer_start(&engine->timer, on_timer, (uint64_t)(wake - now), 0);
	uint64_t us = (uv_hrtime() - begin) / 1000;
	engine->turn_us_max = us > engine->turn_us_max ? us : engine->turn_us_max;
	if (engine->stopping && writer_is_idle(engine->writer))
		finish_stop(engine);
}

/* After every turn of the loop, when whatever has come was taken in: so commands of one turn share a block. */
static void on_turn(uv_check_t *check)
{
	struct engine *engine = check->data;
	if (!engine->working || !engine->pump_again)
		return;
	pump(engine);
	if (engine->pump_again)
		uv_idle_start(&engine->again, on_again);
	else
		uv_idle_stop(&engine->again);
}

static void on_reader(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	((struct engine *)poll->data)->pump_again = true;
}

static void on_flushed_async(uv_async_t *async)
{
	((struct engine *)async->data)->pump_again = true;
}

/* Called by flush threads. */
static void on_flushed(void *context)
{
	struct engine *engine = context;
	uv_async_send(&engine->flushed);
}

/* ---- opening ---- */

static void init_handles(struct engine *engine)
{
	ENSURE(uv_async_init(engine->loop, &engine->flushed, on_flushed_async) == 0);
	ENSURE(uv_check_init(engine->loop, &engine->turn) == 0);
	ENSURE(uv_idle_init(engine->loop, &engine->again) == 0);
	ENSURE(uv_timer_init(engine->loop, &engine->timer) == 0);
	ENSURE(uv_timer_init(engine->loop, &engine->watermarks_timer) == 0);
	engine->flushed.data = engine->turn.data = engine->again.data = engine->timer.data =
		engine->watermarks_timer.data = engine;
	engine->handles = 5;
}

static void tell(const char *sentence)
{
	log_warn("projection.begunAnew", LOG_TEXT("message", sentence));
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
	return error_set(error, LL_SETTINGS, "%s%s", first.text,
			 wrong > 1 ? " (`ledgerline journal check` shows what else is wrong)" : "");
}

static enum ll_code open_journal(struct engine *engine, const struct engine_options *options, struct error *error)
{
	bool is_local = strncmp(engine->data.url, "local:", 6) == 0;
	struct journal_options journal_options = {
		.settings = options->settings,
		.settings_count = options->settings_count,
		.create = is_local,
	};
	struct journal_watermarks marks;
	enum ll_code code = journal_open(engine->data.url, &journal_options, &engine->journal, error);
	if (code == LL_OK)
		code = journal_identity(engine->journal, &engine->identity, error);
	if (code == LL_OK)
		code = journal_watermarks(engine->journal, &marks, error);
	if (code == LL_OK && !is_local)
		code = check_settings(engine->journal, error);
	if (code == LL_OK && is_local && marks.high == 0)
		code = write_genesis(engine->journal, "ledger", engine_now(engine), error);
	if (code == LL_OK)
		code = check_log_of(engine->journal, &(struct fold){.begun = false}, error);
	return code == LL_OK ? data_remember(&engine->data, error) : code;
}

static enum ll_code open_ledger(struct engine *engine, const struct engine_options *options,
				void (*progress)(uint64_t, uint64_t), struct error *error)
{
	struct ledger_options ledger_options = {.flushed = on_flushed, .flushed_context = engine};
	struct progress context = {progress};
	struct catch_up how = {.progress = on_progress, .context = &context, .end = UINT64_MAX};
	(void)options;
	enum ll_code code =
		data_open_ledger(&engine->data, PROJECTIONS_ALL, &ledger_options, tell, &engine->ledger, error);
	if (code == LL_OK)
		code = catch_up(engine->journal, engine->ledger, &how, &engine->reader, error);
	return code;
}

enum ll_code engine_open(uv_loop_t *loop, const struct engine_options *options,
			 void (*progress)(uint64_t offset, uint64_t end), struct engine **opened, struct error *error)
{
	struct engine *engine = calloc(1, sizeof *engine);
	ENSURE(engine);
	engine->host = (struct writer_host){host_now,           host_monotonic,      host_random,
					    host_open_appender, host_close_appender, host_read_hit,
					    host_tell,          host_state_changed};
	engine->loop = loop;
	engine->appender_descriptor = -1;
	engine->follow = options->follow;
	engine->started_ms = engine_now(engine);
	init_handles(engine);
	engine_set_address(engine, options->address);
	enum ll_code code = data_open(options->data, options->journal, DATA_MAKE, &engine->data, error);
	if (code == LL_OK)
		code = open_journal(engine, options, error);
	if (code == LL_OK)
		code = secret_open(&engine->data, engine->secret, error);
	if (code == LL_OK)
		code = open_ledger(engine, options, progress, error);
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
		ENSURE(uv_poll_start(&engine->reader_poll, UV_READABLE, on_reader) == 0);
	}
	uv_check_start(&engine->turn, on_turn);
	uv_idle_start(&engine->again, on_again);
	uv_timer_start(&engine->watermarks_timer, on_watermarks_timer, 0, WATERMARKS_EVERY_MS);
	if (!engine->follow)
		writer_lead(engine->writer);
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

static void finish_stop(struct engine *engine)
{
	if (engine->jobs || !engine->working)
		return;
	struct journal_appender *appender = writer_appender(engine->writer);
	engine->working = false;
	uv_idle_stop(&engine->again);
	uv_check_stop(&engine->turn);
	uv_timer_stop(&engine->timer);
	uv_timer_stop(&engine->watermarks_timer);
	unpoll_appender(engine);
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
	writer_stop(engine->writer);
	for (struct engine_wait *wait = engine->waits, *next; wait; wait = next) {
		next = wait->next;
		wait->reached(wait, false);
	}
	engine->waits = NULL;
	uv_idle_start(&engine->again, on_again);
}

enum ll_code engine_close(struct engine *engine, struct error *error)
{
	enum ll_code code = LL_OK;
	writer_free(engine->writer);
	if (engine->reader_poll.data)
		close_handle((uv_handle_t *)&engine->reader_poll);
	unpoll_appender(engine);
	code = ledger_close(engine->ledger, error);
	close_handle((uv_handle_t *)&engine->flushed);
	close_handle((uv_handle_t *)&engine->turn);
	close_handle((uv_handle_t *)&engine->again);
	close_handle((uv_handle_t *)&engine->timer);
	close_handle((uv_handle_t *)&engine->watermarks_timer);
	while (engine->handles || engine->jobs)
		uv_run(engine->loop, UV_RUN_ONCE);
	journal_reader_close(engine->reader);
	journal_close(engine->journal);
	data_close(&engine->data);
	arena_release(&engine->policy_arena);
	zone_free(engine->zone);
	free(engine);
	return code;
}

/* ---- for the API ---- */

enum ll_code engine_submit(struct engine *engine, struct pending *pending, enum code *code)
{
	engine->pump_again = true;
	uv_idle_start(&engine->again, on_again);
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
		.journal_url = journal_url(engine->journal),
		.identity = engine->identity,
		.watermarks = engine->watermarks,
		.data = engine->data.path,
		.started_ms = engine->started_ms,
		.is_ready = engine->is_ready,
		.loop_late_us_max = engine->turn_us_max,
	};
	uint64_t folded = ledger_fold_state(engine->ledger)->next_offset;
	if (status->watermarks.high < folded)
		status->watermarks.high = folded;
}

const uint8_t *engine_secret(struct engine *engine)
{
	return engine->secret;
}
