/* The loop's turn: after whatever has come was taken in, the writer is pumped once. So commands of one turn share a block. */
#include "engine/serve/internal.h"

#include "engine/log/log.h"

/* ---- waiting for positions ---- */

static void check_waits(struct engine *engine)
{
	uint64_t next = ledger_fold_state(engine->ledger)->next_seq;
	int64_t now = engine_host_monotonic(&engine->host) / 1000;
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
	wait->deadline_ms = engine_host_monotonic(&engine->host) / 1000 + timeout_ms;
	wait->next = engine->waits;
	engine->waits = wait;
	engine->pump_again = true;
}

/* ---- the loop's turn ---- */

void engine_on_again(uv_idle_t *idle)
{
	(void)idle;
}

/* Timers come before the loop waits for descriptors: the idle handle keeps it from waiting. */
static void on_timer(uv_timer_t *timer)
{
	struct engine *engine = timer->data;
	engine->pump_again = true;
	uv_idle_start(&engine->again, engine_on_again);
}

static void look_for_ready(struct engine *engine)
{
	const struct error *failure = writer_failure(engine->writer);
	if (failure && engine->failed) {
		void (*failed)(void *, const struct error *) = engine->failed;
		engine->failed = NULL;
		failed(engine->context, failure);
	}
	if (!engine->is_ready && engine_has_its_place(engine) && engine->ready) {
		engine->is_ready = true;
		engine->ready(engine->context);
	}
}

static int64_t wait_deadline(const struct engine *engine)
{
	int64_t first = INT64_MAX;
	for (const struct engine_wait *wait = engine->waits; wait; wait = wait->next)
		first = wait->deadline_ms < first ? wait->deadline_ms : first;
	return first;
}

/* A projection that stops alone stops nothing else: it must at least be said. */
static void tell_stopped(struct engine *engine)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		const struct error *failure = ledger_failure(engine->ledger, id);
		if (!failure || engine->told_stopped[id])
			continue;
		engine->told_stopped[id] = true;
		log_error("projection.stopped", LOG_TEXT("projection", projection_layouts[id].name),
			  LOG_TEXT("code", error_code_text(failure->code)), LOG_TEXT("message", failure->text));
	}
}

static void pump(struct engine *engine)
{
	uint64_t begin = uv_hrtime();
	engine->pump_again = false;
	int64_t wake = writer_pump(engine->writer);
	engine_adopt_turn(engine);
	engine_peers_turn(engine);
	check_waits(engine);
	look_for_ready(engine);
	tell_stopped(engine);
	int64_t waits = wait_deadline(engine);
	wake = waits < wake ? waits : wake;
	int64_t now = engine_host_monotonic(&engine->host) / 1000;
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
		engine_finish_stop(engine);
}

/* After every turn of the loop, when whatever has come was taken in: so commands of one turn share a block. */
void engine_on_turn(uv_check_t *check)
{
	struct engine *engine = check->data;
	if (!engine->working || !engine->pump_again)
		return;
	pump(engine);
	if (engine->pump_again)
		uv_idle_start(&engine->again, engine_on_again);
	else
		uv_idle_stop(&engine->again);
}

void engine_on_reader(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	((struct engine *)poll->data)->pump_again = true;
}

void engine_on_flushed_async(uv_async_t *async)
{
	((struct engine *)async->data)->pump_again = true;
}

/* Called by flush threads. */
void engine_on_flushed(void *context)
{
	struct engine *engine = context;
	uv_async_send(&engine->flushed);
}
