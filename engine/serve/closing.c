/*
 * A period closed by a serving engine, one at a time.
 *
 *	asked --> job: the cut, its totals and digest --> the writer is handed the entry --> job: is it in the journal? --> answered
 *	             |  the time is not over: a tick                                           |  not yet: once more, for 10 s
 *
 * Only what was read from the journal is told as done.
 */
#include "engine/serve/internal.h"

#include <stdlib.h>
#include <string.h>

#include "engine/audit/period.h"
#include "schemas/codes.h"
#include "schemas/wire/ensure.h"

enum { LOOKS_MAX = 50, LOOK_MS = 200, TICKS_MAX = 5, TICK_WAIT_MS = 5000, READ_MS = 100 };

struct engine_closing {
	uv_work_t work;
	struct engine *engine;
	struct cut_point at;
	uint8_t name[ID_BYTES_MAX], approver[TEXT_BYTES_MAX], actor[ID_BYTES_MAX];
	struct slice actor_id; /* in it */
	char snapshots[DATA_PATH_MAX];
	struct period period;
	struct event event;
	bool is_written;    /* it was handed to the writer */
	struct fold before; /* where the journal stood then */
	unsigned ticks, looks;
	bool is_found, interrupted;
	struct engine_wait wait;
	engine_audited_fn *done;
	void *context;
	/* The job's, then the answer's. */
	struct buffer body;
	uint64_t entries;
	int code;
	enum ll_code failed;
	struct error error;
};

/* ---- in the thread pool ---- */

static enum ll_code compute(struct engine_closing *closing, struct journal *journal)
{
	struct engine *engine = closing->engine;
	struct taken_cut taken;
	struct cut_source source = {.journal = journal,
				    .snapshots = closing->snapshots,
				    .scratch = engine->data.path,
				    .mask = audit_mask(AUDIT_TOTALS),
				    .interrupted = &closing->interrupted};
	enum ll_code code = open_cuts_take(engine->open_cuts, &source, &closing->at, engine_now(engine), false, &taken,
					   &closing->code, &closing->error);
	if (code != LL_OK || closing->code)
		return code;
	code = period_at(taken.cut, &closing->period, &closing->error);
	open_cuts_give(engine->open_cuts, &taken);
	return code;
}

static bool is_ours(const struct engine_closing *closing, const struct entry *entry)
{
	const struct period_closed *ours = &closing->period.closed;
	if (entry->event_count != 1 || entry->events[0].type != EVENT_PERIOD_CLOSED)
		return false;
	const struct period_closed *event = &entry->events[0].period_closed;
	return event->last_seq == ours->last_seq && slice_equal(event->name, ours->name) &&
	       slice_equal(event->approver, ours->approver) && slice_equal(event->state_digest, ours->state_digest);
}

static void look_in_block(struct engine_closing *closing, const struct block *block, uint64_t offset, int64_t time)
{
	struct arena arena = {0};
	struct cursor cursor = cursor_over(block->body, &arena);
	for (uint32_t i = 0; i < block->count && !closing->is_found; i++) {
		cursor.seq = block->first_seq + i;
		struct entry entry = {.seq = cursor.seq, .offset = offset, .index = i, .time = time};
		if (!entry_decode(&cursor, &entry))
			break;
		if (!is_ours(closing, &entry))
			continue;
		struct json_writer writer;
		const struct closing found = {entry.seq, offset, time, closing->period};
		json_writer_init(&writer, &closing->body, false);
		closing_write(&found, &writer);
		closing->entries = entry.seq + 1;
		closing->is_found = true;
	}
	arena_release(&arena);
}

/* Through what was written since, by the fold rule. */
static enum ll_code look(struct engine_closing *closing, struct journal *journal)
{
	struct journal_reader *reader = NULL;
	struct fold fold = closing->before;
	struct journal_record record;
	struct block block;
	enum fold_verdict verdict;
	enum ll_code code = journal_reader_open(journal, fold.next_offset, &reader, &closing->error);
	while (code == LL_OK && !closing->is_found) {
		code = journal_read(reader, READ_MS, &record, &closing->error);
		if (code == LL_OK)
			code = fold_record(&fold, record.offset, record.value, &verdict, &block, &closing->error);
		if (code == LL_OK && verdict == FOLD_ENTRIES)
			look_in_block(closing, &block, record.offset, fold.time);
	}
	journal_reader_close(reader);
	return code == LL_END || code == LL_TIMEOUT || code == LL_UNAVAILABLE ? LL_OK : code;
}

static void closing_work(uv_work_t *work)
{
	struct engine_closing *closing = work->data;
	struct engine *engine = closing->engine;
	struct journal *journal = NULL;
	closing->code = 0;
	closing->failed = journal_open(engine->data.url, &engine->journal_options, &journal, &closing->error);
	if (closing->failed == LL_OK)
		closing->failed = closing->is_written ? look(closing, journal) : compute(closing, journal);
	journal_close(journal);
}

/* ---- on the loop ---- */

static void finish(struct engine_closing *closing)
{
	struct engine *engine = closing->engine;
	engine->closing = NULL;
	(void)writer_note(engine->writer, NULL, SLICE_EMPTY);
	struct engine_audited audited = {.code = closing->code,
					 .failure = closing->failed == LL_OK ? NULL : &closing->error,
					 .body = buffer_slice(&closing->body),
					 .entries = closing->entries};
	closing->done(closing->context, &audited);
	buffer_release(&closing->body);
	free(closing);
}

static void closing_worked(uv_work_t *work, int status);

static void run(struct engine_closing *closing)
{
	closing->engine->jobs++;
	closing->work.data = closing;
	ENSURE(uv_queue_work(closing->engine->loop, &closing->work, closing_work, closing_worked) == 0);
}

static void waited(struct engine_wait *wait, bool in_time)
{
	struct engine_closing *closing = wait->context;
	(void)in_time;
	if (!closing->engine->stopping) {
		run(closing);
		return;
	}
	closing->code = closing->is_written ? CODE_OUTCOME_UNKNOWN : CODE_JOURNAL_UNAVAILABLE;
	finish(closing);
}

static void wait_for_entry(struct engine_closing *closing, int64_t timeout_ms)
{
	struct engine *engine = closing->engine;
	closing->wait.reached = waited;
	closing->wait.context = closing;
	engine->pump_again = true;
	uv_idle_start(&engine->again, engine_on_again);
	engine_wait_for(engine, &closing->wait, ledger_fold_state(engine->ledger)->next_seq, timeout_ms);
}

/* false: there is nothing to wait for. */
static bool go_on(struct engine_closing *closing)
{
	struct engine *engine = closing->engine;
	if (closing->failed != LL_OK || closing->is_found || engine->stopping)
		return false;
	if (closing->code == CODE_CUT_NOT_FINAL && closing->ticks++ < TICKS_MAX &&
	    closing->at.time < engine_now(engine) && writer_tick(engine->writer)) {
		wait_for_entry(closing, TICK_WAIT_MS);
		return true;
	}
	if (closing->code)
		return false;
	if (!closing->is_written) {
		closing->before = *ledger_fold_state(engine->ledger);
		closing->event = (struct event){.type = EVENT_PERIOD_CLOSED,
						.version = event_info(EVENT_PERIOD_CLOSED)->version,
						.period_closed = closing->period.closed};
		closing->is_written = writer_note(engine->writer, &closing->event, closing->actor_id);
		closing->code = closing->is_written ? 0 : CODE_NOT_LEADER;
	} else if (closing->looks++ == LOOKS_MAX) {
		closing->code = CODE_OUTCOME_UNKNOWN;
	}
	if (!closing->code)
		wait_for_entry(closing, LOOK_MS);
	return !closing->code;
}

static void closing_worked(uv_work_t *work, int status)
{
	struct engine_closing *closing = work->data;
	struct engine *engine = closing->engine;
	(void)status;
	engine->jobs--;
	engine->pump_again = true;
	uv_async_send(&engine->flushed);
	if (go_on(closing))
		return;
	if (engine->stopping && !closing->is_found && closing->failed == LL_OK && !closing->code)
		closing->code = closing->is_written ? CODE_OUTCOME_UNKNOWN : CODE_JOURNAL_UNAVAILABLE;
	finish(closing);
}

bool engine_close_period(struct engine *engine, const struct engine_close *close, engine_audited_fn *done,
			 void *context)
{
	if (engine->closing || engine->stopping || !engine->working)
		return false;
	struct engine_closing *closing = calloc(1, sizeof *closing);
	ENSURE(closing && "memory is used up");
	ENSURE(close->name.size <= sizeof closing->name && close->approver.size <= sizeof closing->approver &&
	       close->actor_id.size <= sizeof closing->actor);
	memcpy(closing->name, close->name.at, close->name.size);
	memcpy(closing->approver, close->approver.at, close->approver.size);
	if (close->actor_id.size)
		memcpy(closing->actor, close->actor_id.at, close->actor_id.size);
	closing->actor_id = slice_of(closing->actor, close->actor_id.size);
	closing->period.closed.name = slice_of(closing->name, close->name.size);
	closing->period.closed.approver = slice_of(closing->approver, close->approver.size);
	closing->engine = engine;
	closing->at = close->at;
	closing->done = done;
	closing->context = context;
	snprintf(closing->snapshots, sizeof closing->snapshots, "%s/snapshots", engine->data.path);
	engine->closing = closing;
	run(closing);
	return true;
}

void engine_closing_stop(struct engine *engine)
{
	if (engine->closing)
		__atomic_store_n(&engine->closing->interrupted, true, __ATOMIC_RELAXED);
}
