/*
 * Taking a rebuilt generation into use, while serving.
 *
 *	LOOK      a generation is named `ready`
 *	CATCH UP  a job of the thread pool opens it and folds the journal on, to its end
 *	FEED      the loop folds into it what came since: every record that the engine folds is kept for that meanwhile
 *	SWAP      when both stand at one record: the ledger takes the new store over, between two records
 *	SETTLE    a job makes it `current`, and leaves the mark `retired` in the old one
 *
 * One projection after another. Too much to keep, or a record that was folded before keeping began: it catches up once more. If
 * anything fails the engine goes on with what it has, and says why (engine/data/adopt.h).
 */
#include "engine/serve/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/data/adopt.h"
#include "engine/data/catch_up.h"
#include "engine/log/log.h"
#include "schemas/wire/ensure.h"

enum { LOOK_EVERY_MS = 200, ROUNDS_MAX = 50, FEED_US_MAX = 3000 };
#define KEPT_BYTES_MAX ((size_t)64 << 20)

/* A record that the engine folded meanwhile. */
struct kept_record {
	struct kept_record *next;
	uint64_t offset;
	size_t size;
	uint8_t bytes[];
};

struct adoption {
	uv_work_t work;
	struct engine *engine;
	enum projection_id id;
	unsigned number, before; /* generations; before 0: none */
	char path[GENERATION_PATH_MAX];
	struct ledger *ledger; /* of the one projection; the job's while one runs */
	struct store *replaced;
	unsigned rounds;
	bool in_job, swapped;
	bool interrupted; /* read by the job */
	enum ll_code code;
	struct error error;
	struct kept_record *first, **last;
	size_t kept_bytes;
};

static void look(struct engine *engine);

/* ---- records kept ---- */

static void drop_first(struct adoption *adoption)
{
	struct kept_record *record = adoption->first;
	adoption->first = record->next;
	if (!adoption->first)
		adoption->last = &adoption->first;
	adoption->kept_bytes -= record->size;
	free(record);
}

static void drop_kept(struct adoption *adoption)
{
	while (adoption->first)
		drop_first(adoption);
}

static void on_folded(void *context, uint64_t offset, struct slice value)
{
	struct engine *engine = context;
	struct adoption *adoption = engine->adoption;
	if (!adoption || adoption->swapped)
		return;
	struct kept_record *record = malloc(sizeof *record + value.size);
	ENSURE(record && "memory is used up");
	record->next = NULL;
	record->offset = offset;
	record->size = value.size;
	memcpy(record->bytes, value.at, value.size);
	*adoption->last = record;
	adoption->last = &record->next;
	adoption->kept_bytes += value.size;
	while (adoption->kept_bytes > KEPT_BYTES_MAX)
		drop_first(adoption);
}

/* ---- the end ---- */

/* Later a new try may help; otherwise the generation is not asked for again. */
static bool may_pass(enum ll_code code)
{
	return code == LL_UNAVAILABLE || code == LL_TIMEOUT || code == LL_BUSY;
}

static void refuse(struct adoption *adoption)
{
	struct engine *engine = adoption->engine;
	char root[DATA_PATH_MAX];
	log_error("projection.notAdopted", LOG_TEXT("projection", projection_layouts[adoption->id].name),
		  LOG_NUMBER("generation", adoption->number), LOG_TEXT("code", error_code_text(adoption->error.code)),
		  LOG_TEXT("message", adoption->error.text));
	adopt_answer(adoption->path, &adoption->error);
	engine->passed_over[adoption->id] = adoption->number;
	/* One of a newer program waits for that program's start. */
	data_projection_root(&engine->data, adoption->id, root);
	if (adoption->error.code != LL_NEWER && generation_take_name(root, GENERATION_READY, NULL) != LL_OK)
		return;
}

static void release(struct adoption *adoption)
{
	drop_kept(adoption);
	if (adoption->ledger)
		ledger_abandon(adoption->ledger);
	adoption->engine->adoption = NULL;
	free(adoption);
}

static void give_up(struct adoption *adoption)
{
	if (!adoption->interrupted && !may_pass(adoption->error.code))
		refuse(adoption);
	release(adoption);
}

/* ---- settling ---- */

static void settle_work(uv_work_t *work)
{
	struct adoption *adoption = work->data;
	struct error error;
	adoption->code = adopt_take(&adoption->engine->data, adoption->id, adoption->number, &adoption->error);
	if (!adoption->replaced)
		return;
	if (adoption->code == LL_OK)
		store_retire(adoption->replaced);
	if (store_wait_flushed(adoption->replaced, &error) == LL_OK)
		(void)store_freeze(adoption->replaced);
	enum ll_code code = store_close(adoption->replaced, &error);
	adoption->replaced = NULL;
	if (code != LL_OK && adoption->code == LL_OK)
		log_warn("projection.oldNotClosed", LOG_TEXT("projection", projection_layouts[adoption->id].name),
			 LOG_TEXT("message", error.text));
}

static void job_ended(struct engine *engine)
{
	engine->jobs--;
	engine->pump_again = true;
	uv_async_send(&engine->flushed);
}

static void settled(uv_work_t *work, int status)
{
	struct adoption *adoption = work->data;
	struct engine *engine = adoption->engine;
	(void)status;
	if (adoption->code == LL_OK)
		log_info("projection.adopted", LOG_TEXT("projection", projection_layouts[adoption->id].name),
			 LOG_NUMBER("generation", adoption->number), LOG_NUMBER("replaced", adoption->before));
	else
		log_error("projection.notSwapped", LOG_TEXT("projection", projection_layouts[adoption->id].name),
			  LOG_TEXT("message", adoption->error.text));
	release(adoption);
	job_ended(engine);
	look(engine); /* for the next one */
}

static void run_job(struct adoption *adoption, uv_work_cb work, uv_after_work_cb after)
{
	adoption->engine->jobs++;
	adoption->work.data = adoption;
	ENSURE(uv_queue_work(adoption->engine->loop, &adoption->work, work, after) == 0);
}

static void swap(struct adoption *adoption)
{
	struct engine *engine = adoption->engine;
	char path[GENERATION_PATH_MAX];
	unsigned number = 0;
	if (adopt_waiting(&engine->data, adoption->id, path, &number, &adoption->error) != LL_OK ||
	    number != adoption->number) {
		release(adoption); /* its rebuild was cancelled, or another one is ready now */
		return;
	}
	if (ledger_take_over(engine->ledger, adoption->ledger, adoption->id, &adoption->replaced, &adoption->error) !=
	    LL_OK) {
		give_up(adoption);
		return;
	}
	ledger_abandon(adoption->ledger); /* it holds nothing any more */
	adoption->ledger = NULL;
	adoption->swapped = true;
	engine->told_stopped[adoption->id] = false;
	drop_kept(adoption);
	run_job(adoption, settle_work, settled);
}

/* ---- catching up ---- */

static enum ll_code open_and_catch_up(struct adoption *adoption, struct error *error)
{
	struct engine *engine = adoption->engine;
	struct ledger_options options = {.flushed = engine_on_flushed, .flushed_context = engine};
	struct catch_up how = {.end = UINT64_MAX, .interrupted = &adoption->interrupted};
	struct journal *journal = NULL;
	enum ll_code code = LL_OK;
	options.directories[adoption->id] = adoption->path;
	if (!adoption->ledger)
		code = ledger_open(&options, &adoption->ledger, NULL, error);
	if (code == LL_OK)
		code = journal_open(engine->data.url, &engine->journal_options, &journal, error);
	if (code == LL_OK)
		code = catch_up(journal, adoption->ledger, &how, NULL, error);
	journal_close(journal);
	if (code == LL_OK && ledger_failure(adoption->ledger, adoption->id))
		code = error_set(error, ledger_failure(adoption->ledger, adoption->id)->code, "%s",
				 ledger_failure(adoption->ledger, adoption->id)->text);
	return code;
}

static void catch_up_work(uv_work_t *work)
{
	struct adoption *adoption = work->data;
	adoption->code = open_and_catch_up(adoption, &adoption->error);
}

static void caught_up(uv_work_t *work, int status)
{
	struct adoption *adoption = work->data;
	struct engine *engine = adoption->engine;
	(void)status;
	adoption->in_job = false;
	if (adoption->code != LL_OK || adoption->interrupted)
		give_up(adoption);
	job_ended(engine);
}

static void catch_up_again(struct adoption *adoption)
{
	if (adoption->rounds++ == ROUNDS_MAX) {
		error_set(&adoption->error, LL_FULL, "the journal grows faster than generation %u can catch up",
			  adoption->number);
		give_up(adoption);
		return;
	}
	adoption->in_job = true;
	run_job(adoption, catch_up_work, caught_up);
}

/* ---- feeding ---- */

/* The kept record that it needs next; NULL: it was not kept. */
static struct kept_record *next_kept(struct adoption *adoption)
{
	uint64_t next = ledger_fold_state(adoption->ledger)->next_offset;
	while (adoption->first && adoption->first->offset < next)
		drop_first(adoption);
	return adoption->first && adoption->first->offset == next ? adoption->first : NULL;
}

/* false: it has failed, and is gone. */
static bool feed_one(struct adoption *adoption, const struct kept_record *record)
{
	enum fold_verdict verdict;
	enum ll_code code = ledger_fold(adoption->ledger, record->offset, slice_of(record->bytes, record->size),
					&verdict, NULL, NULL, &adoption->error);
	const struct error *failure = ledger_failure(adoption->ledger, adoption->id);
	if (code == LL_OK && !failure)
		return true;
	if (failure)
		adoption->error = *failure;
	give_up(adoption);
	return false;
}

void engine_adopt_turn(struct engine *engine)
{
	struct adoption *adoption = engine->adoption;
	if (!adoption || adoption->in_job || adoption->swapped)
		return;
	uint64_t until = uv_hrtime() + FEED_US_MAX * UINT64_C(1000);
	for (;;) {
		uint64_t next = ledger_fold_state(adoption->ledger)->next_offset;
		uint64_t live = ledger_fold_state(engine->ledger)->next_offset;
		struct kept_record *record;
		if (next == live)
			return swap(adoption);
		if (next > live)
			return; /* the job had read further than the engine has */
		if (uv_hrtime() > until) {
			engine->pump_again = true;
			return;
		}
		if (!(record = next_kept(adoption)))
			return catch_up_again(adoption);
		if (!feed_one(adoption, record))
			return;
	}
}

/* ---- looking ---- */

static bool begin(struct engine *engine, enum projection_id id)
{
	char path[GENERATION_PATH_MAX], root[DATA_PATH_MAX], current[GENERATION_PATH_MAX];
	unsigned number = 0;
	struct error error;
	if (adopt_waiting(&engine->data, id, path, &number, &error) != LL_OK || engine->passed_over[id] == number)
		return false;
	struct adoption *adoption = calloc(1, sizeof *adoption);
	ENSURE(adoption && "memory is used up");
	adoption->engine = engine;
	adoption->id = id;
	adoption->number = number;
	adoption->last = &adoption->first;
	memcpy(adoption->path, path, sizeof path);
	data_projection_root(&engine->data, id, root);
	if (generation_current(root, current, &adoption->before, NULL) != LL_OK)
		adoption->before = 0;
	engine->adoption = adoption;
	catch_up_again(adoption);
	return true;
}

static void look(struct engine *engine)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT && !engine->adoption && !engine->stopping; id++)
		if (begin(engine, id))
			return;
}

static void on_timer(uv_timer_t *timer)
{
	look(timer->data);
}

void engine_adopt_start(struct engine *engine)
{
	writer_on_folded(engine->writer, on_folded, engine);
	uv_timer_start(&engine->adopt_timer, on_timer, LOOK_EVERY_MS, LOOK_EVERY_MS);
}

void engine_adopt_stop(struct engine *engine)
{
	struct adoption *adoption = engine->adoption;
	uv_timer_stop(&engine->adopt_timer);
	if (adoption)
		__atomic_store_n(&adoption->interrupted, true, __ATOMIC_RELAXED);
	if (adoption && !adoption->in_job && !adoption->swapped)
		release(adoption);
}
