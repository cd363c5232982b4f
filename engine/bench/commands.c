/*
 * The writer under load: as many debits in flight as asked for, each from its hand-over to its entry read back. The callers
 * are slots of one array on the engine's own loop: what is measured is deciding, journaling and folding, not sockets.
 */
#include "engine/bench/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "engine/serve/engine.h"
#include "schemas/wire/ensure.h"

enum { CHARGE_AMOUNT = 1000000, LATENCY_BUCKETS = 4096, LATENCY_STEPS = 128, CHARGING_IN_FLIGHT = 4096 };

struct slot {
	struct pending pending; /* first: the writer hands it back */
	char user[24], id[32];
	uint64_t since_us;
	struct load *load;
};

/* Latencies: LATENCY_STEPS buckets for each doubling of microseconds: one per cent apart. */
struct latencies {
	uint64_t counts[LATENCY_BUCKETS];
	uint64_t count, max;
};

struct load {
	uv_loop_t loop;
	uv_timer_t timer;
	struct engine *engine;
	struct bench_draw draw;
	const struct bench_commands_options *options;
	struct bench_commands_result *result;
	struct slot *slots;
	uint64_t slot_count;
	uint64_t next_charge, sent, out;
	uint64_t first_seq;
	bool charging, measuring, over;
	double began;
	struct latencies latencies;
	struct error error;
	enum ll_code code;
	uint64_t blocks_before, entries_before;
};

static uint64_t now_us(void)
{
	return uv_hrtime() / 1000;
}

static unsigned bucket_of(uint64_t us)
{
	if (us < LATENCY_STEPS)
		return (unsigned)us;
	unsigned doublings = 63u - (unsigned)__builtin_clzll(us) - 7u; /* us / 2^doublings is in [128, 256) */
	unsigned bucket = LATENCY_STEPS * (doublings + 1) + (unsigned)(us >> doublings) - LATENCY_STEPS;
	return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

static uint64_t bucket_us(unsigned bucket)
{
	if (bucket < LATENCY_STEPS)
		return bucket;
	unsigned doublings = bucket / LATENCY_STEPS - 1;
	return (uint64_t)(bucket % LATENCY_STEPS + LATENCY_STEPS) << doublings;
}

static uint64_t percentile(const struct latencies *l, double share)
{
	uint64_t wanted = (uint64_t)((double)l->count * share), seen = 0;
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		if ((seen += l->counts[i]) > wanted)
			return bucket_us(i);
	return l->max;
}

static void send_one(struct slot *slot);

static void answered(struct pending *pending, const struct answer *answer)
{
	struct slot *slot = (struct slot *)pending;
	struct load *load = slot->load;
	load->out--;
	if (answer->kind != ANSWER_DECIDED && load->code == LL_OK) {
		const struct code_info *info = code_info(answer->code);
		load->code = error_set(&load->error, LL_UNAVAILABLE, "a command was not decided: %s",
				       info ? info->name : "?");
	}
	if (load->measuring && answer->kind == ANSWER_DECIDED) {
		uint64_t us = now_us() - slot->since_us;
		load->latencies.counts[bucket_of(us)]++;
		load->latencies.count++;
		load->latencies.max = us > load->latencies.max ? us : load->latencies.max;
		load->result->accepted += answer->entry->head.outcome == OUTCOME_ACCEPTED;
		load->result->refused += answer->entry->head.outcome == OUTCOME_REFUSED;
	}
	send_one(slot);
}

static void finish(struct load *load)
{
	if (load->out == 0 && !load->over) {
		load->over = true;
		uv_stop(&load->loop);
	}
}

static void begin_measuring(struct load *load)
{
	const struct writer_statistics *statistics = writer_statistics(engine_writer(load->engine));
	load->charging = false;
	load->measuring = true;
	load->blocks_before = statistics->own_blocks;
	load->entries_before = statistics->entries;
	load->began = bench_seconds();
	load->latencies = (struct latencies){0};
	load->result->accepted = load->result->refused = 0;
}

static void send_one(struct slot *slot)
{
	struct load *load = slot->load;
	enum code code;
	uint64_t account;
	if (load->charging && load->next_charge == load->options->accounts) {
		if (load->out > 0)
			return; /* the last charges are still out: whoever is last starts the clock */
		begin_measuring(load);
		for (uint64_t i = 0; i < load->options->in_flight; i++)
			send_one(&load->slots[i]);
		return;
	}
	if (load->code != LL_OK || (load->measuring && bench_seconds() - load->began >= load->options->seconds)) {
		finish(load);
		return;
	}
	account = load->charging ? load->next_charge++ : bench_account(&load->draw);
	struct slice user = slice_of(slot->user, bench_account_id(slot->user, account));
	int size = snprintf(slot->id, sizeof slot->id, "%c%" PRIx64 "-%" PRIx64, load->charging ? 'c' : 'd',
			    load->first_seq, load->sent++);
	slot->pending.id = slice_of(slot->id, (size_t)size);
	slot->pending.actor_type = ACTOR_TYPE_SYSTEM;
	slot->pending.actor_id = SLICE("bench");
	slot->pending.answer = answered;
	if (load->charging) {
		slot->pending.command.type = COMMAND_POINTS_CHARGE;
		slot->pending.command.points_charge =
			(struct points_charge){user, CHARGE_AMOUNT, SOURCE_PAID, NONE_TIME};
	} else {
		slot->pending.command.type = COMMAND_POINTS_USE;
		slot->pending.command.points_use =
			(struct points_use){.user_id = user, .amount = 1 + (int64_t)(bench_random(&load->draw) & 7)};
	}
	slot->since_us = now_us();
	load->out++;
	if (engine_submit(load->engine, &slot->pending, &code) != LL_OK) {
		load->out--;
		load->code =
			error_set(&load->error, LL_UNAVAILABLE, "a command was not taken: %s", code_info(code)->name);
		finish(load);
	}
}

static void ready(void *context)
{
	struct load *load = context;
	load->charging = true;
	load->first_seq = ledger_fold_state(engine_ledger(load->engine))->next_seq;
	/* Charging is not measured: as many at a time as goes fast, whatever the measurement asks for. */
	for (uint64_t i = 0; i < load->slot_count; i++)
		load->slots[i].load = load;
	for (uint64_t i = 0; i < load->slot_count && load->next_charge < load->options->accounts; i++)
		send_one(&load->slots[i]);
}

static void failed(void *context, const struct error *error)
{
	struct load *load = context;
	load->code = error->code;
	load->error = *error;
	load->over = true;
	uv_stop(&load->loop);
}

static void stopped(void *context)
{
	uv_stop(&((struct load *)context)->loop);
}

static void report(struct load *load)
{
	struct bench_commands_result *r = load->result;
	const struct writer_statistics *statistics = writer_statistics(engine_writer(load->engine));
	r->seconds = bench_seconds() - load->began;
	r->decided = load->latencies.count;
	r->blocks = statistics->own_blocks - load->blocks_before;
	r->entries_per_block = r->blocks ? (double)(statistics->entries - load->entries_before) / (double)r->blocks : 0;
	r->p50_us = percentile(&load->latencies, 0.5);
	r->p99_us = percentile(&load->latencies, 0.99);
	r->p999_us = percentile(&load->latencies, 0.999);
	r->max_us = load->latencies.max;
}

enum ll_code bench_commands(const struct bench_commands_options *options, struct bench_commands_result *result,
			    struct error *error)
{
	struct load load = {.options = options, .result = result};
	struct error closing;
	struct engine_options engine_options = {.data = options->data,
						.journal = options->journal,
						.settings = options->settings,
						.settings_count = options->settings_count};
	*result = (struct bench_commands_result){0};
	ENSURE(uv_loop_init(&load.loop) == 0);
	load.slot_count = options->in_flight > CHARGING_IN_FLIGHT ? options->in_flight : CHARGING_IN_FLIGHT;
	load.slots = calloc(load.slot_count, sizeof *load.slots);
	ENSURE(load.slots);
	bench_draw_init(&load.draw, options->shape, options->accounts, options->seed);
	enum ll_code code = engine_open(&load.loop, &engine_options, NULL, &load.engine, error);
	if (code == LL_OK) {
		engine_start(load.engine, ready, failed, &load);
		uv_run(&load.loop, UV_RUN_DEFAULT);
		code = load.code;
		if (code == LL_OK)
			report(&load);
		else
			*error = load.error;
		engine_stop(load.engine, stopped, &load);
		uv_run(&load.loop, UV_RUN_DEFAULT);
		if (engine_close(load.engine, &closing) != LL_OK && code == LL_OK)
			code = error_set(error, closing.code, "%s", closing.text);
	}
	free(load.slots);
	while (uv_run(&load.loop, UV_RUN_NOWAIT))
		continue;
	ENSURE(uv_loop_close(&load.loop) == 0);
	return code;
}
