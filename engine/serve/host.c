/* What the writer needs done for it: clocks, what blocks (in the thread pool), and the log. */
#include "engine/serve/internal.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "engine/data/catch_up.h"
#include "engine/log/log.h"
#include "projections/views/specs.h"
#include "schemas/wire/ensure.h"

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

int64_t engine_host_monotonic(struct writer_host *host)
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
	uv_mutex_lock(&job->engine->journal_lock);
	job->code = LL_OK;
	if (job->check_log)
		job->code = journal_watermarks(journal, &job->watermarks, &job->error);
	if (job->check_log && job->code == LL_OK)
		job->code = check_log_of(journal, &job->fold, &job->error);
	if (job->code == LL_OK)
		job->code = journal_appender_open(journal, &job->appender, &job->error);
	uv_mutex_unlock(&job->engine->journal_lock);
}

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

void engine_unpoll_appender(struct engine *engine)
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
	engine_unpoll_appender(engine_of(host));
	job->appender = appender;
	job_run(job, close_appender_work, closed_appender);
}

static void read_hit_work(uv_work_t *work)
{
	struct job *job = work->data;
	int64_t time_ms;
	uv_mutex_lock(&job->engine->journal_lock);
	job->code = journal_read_at(job->engine->journal, job->offset, &job->bytes, &job->size, &time_ms, &job->error);
	uv_mutex_unlock(&job->engine->journal_lock);
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
	uv_mutex_lock(&job->engine->journal_lock);
	job->code = journal_watermarks(job->engine->journal, &job->watermarks, &job->error);
	job->check_log = job->check_log && job->code == LL_OK && job->watermarks.low == 0;
	/* A beginning that is gone is told; it ends nothing that is under way. */
	if (job->check_log)
		job->code = check_log_of(job->engine->journal, &job->fold, &job->error);
	uv_mutex_unlock(&job->engine->journal_lock);
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

/* Tells each reader that stands still once. */
static void look_at_readers(struct engine *engine)
{
	struct store_reader readers[STORE_READERS_MAX];
	for (enum projection_id id = 0; id < PROJECTIONS_COUNT; id++) {
		if (!ledger_holds(engine->ledger, id))
			continue;
		struct store *store = ledger_store(engine->ledger, id);
		store_look_at_readers(store, (int64_t)(uv_hrtime() / 1000000));
		unsigned count = store_long_readers(store, readers, STORE_READERS_MAX);
		for (unsigned i = 0; i < count && i < STORE_READERS_MAX; i++)
			if (readers[i].is_new)
				log_warn("reader.long", LOG_TEXT("projection", projection_spec(id)->projection),
					 LOG_NUMBER("process", readers[i].process),
					 LOG_NUMBER("heldMs", readers[i].held_ms),
					 LOG_NUMBER("commitsBehind", readers[i].commits_behind));
	}
}

void engine_on_watermarks_timer(uv_timer_t *timer)
{
	struct engine *engine = timer->data;
	if (!engine->stopping)
		look_at_readers(engine);
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
	engine_peers_state(engine, state);
	engine->pump_again = true;
}

void engine_host_init(struct writer_host *host)
{
	*host = (struct writer_host){host_now,           engine_host_monotonic, host_random,
				     host_open_appender, host_close_appender,   host_read_hit,
				     host_tell,          host_state_changed};
}
