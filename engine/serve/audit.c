/*
 * Questions about past states, answered in the thread pool: each with a journal handle of its own, so that nobody waits for it.
 *
 *	asked --> waits for its turn --> job: cut, answer --> answered
 *	                                   |  the time is not over in the journal: a tick entry is made, then once more
 *
 * Two at a time: the thread pool has other work, too. Cuts stay open for the next question about the same moment (open_cuts.h): what is opened
 * has all that a state is asked for.
 */
#include "engine/serve/internal.h"

#include <stdlib.h>
#include <string.h>

#include "engine/log/log.h"
#include "schemas/codes.h"
#include "schemas/wire/ensure.h"

enum { AT_ONCE_MAX = 2, WAITING_MAX = 64, TRIES_MAX = 5, TICK_WAIT_MS = 5000 };

struct engine_audit {
	uv_work_t work;
	struct engine *engine;
	struct engine_audit *next;
	struct engine_question question; /* its subject lies in `subject` */
	uint8_t subject[ID_BYTES_MAX];
	char snapshots[DATA_PATH_MAX];
	engine_audited_fn *done;
	void *context;
	struct engine_wait wait;
	unsigned tries;
	bool interrupted;
	/* The job's, then the answer's. */
	struct buffer body;
	int code;
	uint64_t entries;
	enum ll_code failed;
	struct error error;
};

static void begin_next(struct engine *engine);

/* ---- in the thread pool ---- */

static enum ll_code take_cut(struct engine_audit *audit, struct journal *journal, const struct cut_point *point,
			     unsigned mask, bool holds, struct taken_cut *taken)
{
	unsigned all = audit_mask(AUDIT_TOTALS);
	struct cut_source source = {.journal = journal,
				    .snapshots = audit->snapshots,
				    .scratch = audit->engine->data.path,
				    .mask = (mask | all) == all ? all : mask,
				    .interrupted = &audit->interrupted};
	return open_cuts_take(audit->engine->open_cuts, &source, point, engine_now(audit->engine), holds, taken,
			      &audit->code, &audit->error);
}

static enum ll_code answer_state(struct engine_audit *audit, struct journal *journal)
{
	struct taken_cut at;
	const struct audit_asked *asked = &audit->question.asked;
	enum ll_code code = take_cut(audit, journal, &audit->question.at, audit_mask(asked->question), false, &at);
	if (code != LL_OK || audit->code)
		return code;
	audit->code = audit_answer(asked, at.cut, &audit->body, &audit->error);
	audit->entries = cut_entries(at.cut);
	open_cuts_give(audit->engine->open_cuts, &at);
	return audit->error.code;
}

static enum ll_code answer_diff(struct engine_audit *audit, struct journal *journal)
{
	struct taken_cut from, to = {.cut = NULL};
	uint64_t differences;
	enum ll_code code = take_cut(audit, journal, &audit->question.from, AUDIT_DIFF_MASK, false, &from);
	if (code == LL_OK && !audit->code)
		code = take_cut(audit, journal, &audit->question.at, AUDIT_DIFF_MASK, true, &to);
	if (code == LL_OK && !audit->code) {
		code = audit_diff(from.cut, to.cut, &audit->body, &differences, &audit->error);
		audit->entries = cut_entries(to.cut);
	}
	open_cuts_give(audit->engine->open_cuts, &from);
	open_cuts_give(audit->engine->open_cuts, &to);
	return code;
}

static enum ll_code answer_explain(struct engine_audit *audit, struct journal *journal)
{
	struct cut_source source = {.journal = journal,
				    .snapshots = audit->snapshots,
				    .scratch = audit->engine->data.path,
				    .interrupted = &audit->interrupted};
	bool redecided;
	uint64_t seq = 0;
	enum ll_code code = explain(&source, &audit->question.explained, &audit->body, &seq, &redecided, &audit->code,
				    &audit->error);
	audit->entries = seq + 1;
	return code;
}

static enum ll_code answer(struct engine_audit *audit, struct journal *journal)
{
	if (audit->question.explain)
		return answer_explain(audit, journal);
	return audit->question.diff ? answer_diff(audit, journal) : answer_state(audit, journal);
}

static void audit_work(uv_work_t *work)
{
	struct engine_audit *audit = work->data;
	struct engine *engine = audit->engine;
	struct journal *journal = NULL;
	audit->code = 0;
	audit->failed = journal_open(engine->data.url, &engine->journal_options, &journal, &audit->error);
	if (audit->failed == LL_OK)
		audit->failed = answer(audit, journal);
	journal_close(journal);
}

/* ---- on the loop ---- */

static void finish(struct engine_audit *audit)
{
	struct engine *engine = audit->engine;
	struct engine_audit **link = &engine->audits;
	while (*link != audit)
		link = &(*link)->next;
	*link = audit->next;
	/* Who asked is told that it failed; who can mend it reads why. */
	if (audit->failed != LL_OK && !engine->stopping)
		log_error("audit.failed", LOG_TEXT("code", error_code_text(audit->failed)),
			  LOG_TEXT("message", audit->error.text));
	struct engine_audited audited = {.code = audit->code,
					 .failure = audit->failed == LL_OK ? NULL : &audit->error,
					 .body = buffer_slice(&audit->body),
					 .entries = audit->entries};
	audit->done(audit->context, &audited);
	buffer_release(&audit->body);
	free(audit);
	begin_next(engine);
}

static void run(struct engine_audit *audit);

static void ticked(struct engine_wait *wait, bool in_time)
{
	struct engine_audit *audit = wait->context;
	if (in_time && !audit->engine->stopping)
		run(audit);
	else
		finish(audit);
}

static void audited(uv_work_t *work, int status)
{
	struct engine_audit *audit = work->data;
	struct engine *engine = audit->engine;
	(void)status;
	engine->jobs--;
	engine->pump_again = true;
	uv_async_send(&engine->flushed);
	/* A moment that has passed is over in the journal once an entry of a later time is there. */
	if (audit->failed == LL_OK && audit->code == CODE_CUT_NOT_FINAL && audit->tries < TRIES_MAX &&
	    audit->question.latest_time < engine_now(engine) && !engine->stopping && writer_tick(engine->writer)) {
		audit->wait.reached = ticked;
		audit->wait.context = audit;
		engine_wait_for(engine, &audit->wait, ledger_fold_state(engine->ledger)->next_seq, TICK_WAIT_MS);
		uv_idle_start(&engine->again, engine_on_again);
		return;
	}
	finish(audit);
}

static void run(struct engine_audit *audit)
{
	audit->tries++;
	audit->engine->jobs++;
	audit->work.data = audit;
	ENSURE(uv_queue_work(audit->engine->loop, &audit->work, audit_work, audited) == 0);
}

/* The list has those that came last in front: those that came first are begun first. */
static void begin_next(struct engine *engine)
{
	unsigned busy = 0;
	struct engine_audit *first = NULL;
	for (struct engine_audit *audit = engine->audits; audit; audit = audit->next) {
		busy += audit->tries != 0;
		if (audit->tries == 0)
			first = audit;
	}
	if (first && busy < AT_ONCE_MAX && !engine->stopping)
		run(first);
}

bool engine_audit(struct engine *engine, const struct engine_question *question, engine_audited_fn *done, void *context)
{
	unsigned waiting = 0;
	for (const struct engine_audit *audit = engine->audits; audit; audit = audit->next)
		waiting++;
	if (waiting >= WAITING_MAX || engine->stopping || !engine->working)
		return false;
	struct engine_audit *audit = calloc(1, sizeof *audit);
	ENSURE(audit && "memory is used up");
	audit->engine = engine;
	audit->question = *question;
	struct slice *subject =
		audit->question.explain ? &audit->question.explained.command_id : &audit->question.asked.subject;
	ENSURE(subject->size <= sizeof audit->subject);
	if (subject->size)
		memcpy(audit->subject, subject->at, subject->size);
	subject->at = audit->subject;
	snprintf(audit->snapshots, sizeof audit->snapshots, "%s/snapshots", engine->data.path);
	audit->done = done;
	audit->context = context;
	audit->next = engine->audits;
	engine->audits = audit;
	begin_next(engine);
	return true;
}

void engine_audits_status(struct engine *engine, struct engine_audits_status *status)
{
	struct open_cuts_counts counts;
	open_cuts_count(engine->open_cuts, &counts);
	*status = (struct engine_audits_status){.cuts_opened = counts.opened,
						.cuts_found = counts.found,
						.cuts_open = counts.open,
						.snapshots = engine_snapshots_taken(engine)};
}

void engine_audit_stop(struct engine *engine)
{
	for (struct engine_audit *audit = engine->audits, *next; audit; audit = next) {
		next = audit->next;
		__atomic_store_n(&audit->interrupted, true, __ATOMIC_RELAXED);
		if (audit->tries == 0) {
			audit->code = CODE_JOURNAL_UNAVAILABLE;
			finish(audit);
		}
	}
}
