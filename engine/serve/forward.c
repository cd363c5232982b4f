/*
 * Commands on their way to the engine that leads.
 *
 *	WAITING ── a leader is known ──> SENT ── answer ──> done
 *	   ^                              |
 *	   +── not taken: not sent, or the other does not lead
 *	   +── perhaps taken, and it has a key: sent again, the key sees to it that it counts once
 *
 * It waits through a change of leaders, up to its time. When this engine leads meanwhile, it is given back to be decided here.
 */
#include <stdio.h>

#include "engine/serve/internal.h"

enum {
	FORWARD_MS = 10000,    /* from being handed over to the answer */
	FORWARD_AGAIN_MS = 60, /* between two tries */
	FORWARDS_MAX = 4096,   /* at once */
	RETIRE_MS = 200,       /* answers of a leader that was deposed are waited for so long */
};

static int64_t monotonic(struct engine *engine)
{
	return engine_host_monotonic(&engine->host) / 1000;
}

static void unlink_forward(struct engine_forward *forward)
{
	struct engine_forward **link = &forward->engine->forwards.first;
	while (*link != forward)
		link = &(*link)->next;
	*link = forward->next;
	forward->engine->forwards.count--;
}

static void forward_end(struct engine_forward *forward, enum engine_forwarded how,
			const struct http_call_answer *answer)
{
	unlink_forward(forward);
	forward->engine->forwards.ended[how]++;
	forward->done(forward, how, answer);
}

static bool says_not_leader(const struct http_call_answer *answer)
{
	static const char begin[] = "{\"code\":\"NOT_LEADER\"";
	return answer->status == 503 && answer->body.size >= sizeof begin - 1 &&
	       memcmp(answer->body.at, begin, sizeof begin - 1) == 0;
}

static void answered(void *context, enum http_call_end end, const struct http_call_answer *answer)
{
	struct engine_forward *forward = context;
	struct engine *engine = forward->engine;
	forward->sent = false;
	forward->again_ms = monotonic(engine) + FORWARD_AGAIN_MS;
	forward->doubtful |= end == HTTP_CALL_BROKEN;
	engine->pump_again = true;
	if (end == HTTP_CALL_ANSWERED && !says_not_leader(answer))
		forward_end(forward, FORWARD_ANSWERED, answer);
	else if (forward->doubtful && !forward->may_repeat)
		forward_end(forward, FORWARD_UNKNOWN, NULL);
	else if (engine->stopping)
		forward_end(forward, forward->doubtful ? FORWARD_UNKNOWN : FORWARD_NOT_TAKEN, NULL);
}

static void send_on(struct engine_forward *forward, const char *leader, int64_t now)
{
	struct engine *engine = forward->engine;
	const struct http_call call = {
		.url = leader,
		.method = forward->method,
		.target = forward->target,
		.fields = forward->fields,
		.field_count = forward->field_count,
		.body = forward->body,
		.timeout_ms = (unsigned)(forward->deadline_ms - now),
		.done = answered,
		.context = forward,
	};
	forward->sent = true;
	http_caller_ask(engine->forwards.caller, &call);
}

/* What was sent to a leader that was deposed ends soon. */
static void look_at_leader(struct engine *engine, int64_t now)
{
	struct forwards *forwards = &engine->forwards;
	uint64_t epoch = ledger_fold_state(engine->ledger)->epoch;
	if (forwards->retired && (now >= forwards->retire_at_ms || forwards->epoch != epoch)) {
		http_caller_free(forwards->retired, engine_forward_caller_freed, engine);
		forwards->retired = NULL;
	}
	if (forwards->caller && forwards->epoch == epoch)
		return;
	forwards->retired = forwards->caller;
	forwards->retire_at_ms = now + RETIRE_MS;
	forwards->epoch = epoch;
	forwards->caller = http_caller_new(engine->loop, &engine->caller_options);
	engine->handles++;
}

void engine_forward_caller_freed(void *context)
{
	((struct engine *)context)->handles--;
}

static void try_once(struct engine_forward *forward, const char *leader, int64_t now)
{
	struct engine *engine = forward->engine;
	if (now >= forward->deadline_ms)
		forward_end(forward, forward->doubtful ? FORWARD_UNKNOWN : FORWARD_NOT_TAKEN, NULL);
	else if (!engine_follows(engine))
		forward_end(forward, FORWARD_LEADS_HERE, NULL);
	else if (leader && now >= forward->again_ms)
		send_on(forward, leader, now);
}

/* A leader that does not answer its probes is left alone until it does, or another one leads. */
static const char *leader_to_ask(struct engine *engine)
{
	const struct lookout *lookout = &engine->peers.lookout;
	bool doubted = engine->peers.watches && !engine->peers.denied && lookout->bad_probes >= LOOKOUT_BAD_PROBES_MIN;
	return doubted ? NULL : engine_leader_address(engine);
}

void engine_forward_turn(struct engine *engine)
{
	if (!engine->forwards.first && !engine->forwards.retired)
		return;
	int64_t now = monotonic(engine);
	const char *leader = leader_to_ask(engine);
	look_at_leader(engine, now);
	for (struct engine_forward *forward = engine->forwards.first, *next; forward; forward = next) {
		next = forward->next;
		if (!forward->sent)
			try_once(forward, leader, now);
	}
}

bool engine_forward(struct engine *engine, struct engine_forward *forward)
{
	struct forwards *forwards = &engine->forwards;
	if (engine->stopping || !engine->peers.caller || forwards->count >= FORWARDS_MAX)
		return false;
	forward->engine = engine;
	forward->sent = forward->doubtful = false;
	forward->again_ms = 0;
	forward->deadline_ms = monotonic(engine) + FORWARD_MS;
	forward->next = forwards->first;
	forwards->first = forward;
	forwards->count++;
	engine->pump_again = true;
	uv_idle_start(&engine->again, engine_on_again);
	return true;
}

void engine_forward_stop(struct engine *engine)
{
	struct forwards *forwards = &engine->forwards;
	http_caller_free(forwards->retired, engine_forward_caller_freed, engine);
	http_caller_free(forwards->caller, engine_forward_caller_freed, engine);
	forwards->retired = forwards->caller = NULL;
	while (forwards->first)
		forward_end(forwards->first, forwards->first->doubtful ? FORWARD_UNKNOWN : FORWARD_NOT_TAKEN, NULL);
}
