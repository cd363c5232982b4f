/*
 * `ledgerline demo`: an on-sale from opening to sold out on the embedded journal, then the proof: the projections are deleted,
 * built again from the first entry on, and are the same.
 */
#include "engine/commands/demo.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/cli/listing.h"
#include "engine/cli/progress.h"
#include "engine/commands/commands.h"
#include "engine/data/data.h"
#include "engine/log/log.h"
#include "projections/views/rows.h"
#include "schemas/wire/ensure.h"

enum { SEED = 20260301, GIVE_UP_MS = 25000 };

/* ---- the sale ---- */

static void stopped(void *context)
{
	uv_stop(&((struct demo *)context)->loop);
}

static void end_sale(struct demo *demo)
{
	if (demo->over)
		return;
	demo->over = true;
	demo_screen(demo, true);
	uv_close((uv_handle_t *)&demo->timer, NULL);
	engine_stop(demo->engine, stopped, demo);
}

/* Nobody has anything to do any more, and the last hold has run out in the ledger too. */
static bool is_settled(struct demo *demo)
{
	struct seat_totals_row totals;
	if (demo->done < DEMO_BUYERS || demo->out)
		return false;
	struct ledger *ledger = engine_ledger(demo->engine);
	bool settled = seat_totals_get(ledger_view(ledger), seat_totals_key(0), &totals) && totals.held == 0;
	ledger_view_reset(ledger);
	return settled;
}

static void on_tick(uv_timer_t *timer)
{
	struct demo *demo = timer->data;
	demo_buyers_tick(demo);
	if (demo->charging && demo->counts.charged == DEMO_BUYERS) {
		demo->charging = false;
		printf("All have their points, %.1f s before the doors open.\n\n",
		       -(double)demo_since_opening(demo) / 1e3);
	}
	if (!demo->charging && demo_since_opening(demo) > -200)
		demo_screen(demo, false);
	if (demo_since_opening(demo) > GIVE_UP_MS)
		demo_fail(demo, LL_TIMEOUT, "the sale has not ended after %d s", GIVE_UP_MS / 1000);
	if (demo->code != LL_OK || is_settled(demo))
		end_sale(demo);
}

static void stage_is_set(struct demo *demo)
{
	uint32_t seats = 0;
	for (unsigned i = 0; i < DEMO_SCHEDULES; i++)
		seats += demo->schedules[i].seats;
	printf("Three concerts, %d schedules, %u seats. %d buyers charge their points.\n", DEMO_SCHEDULES, seats,
	       DEMO_BUYERS);
	fflush(stdout);
	demo->began_ms = engine_now(demo->engine);
	demo->charging = true;
	demo_buyers_begin(demo);
	uv_timer_start(&demo->timer, on_tick, DEMO_TICK_MS, DEMO_TICK_MS);
}

static void ready(void *context)
{
	demo_setup(context, stage_is_set);
}

static void failed(void *context, const struct error *error)
{
	struct demo *demo = context;
	demo_fail(demo, error->code, "%s", error->text);
	end_sale(demo);
}

static enum ll_code sell(struct demo *demo, const char *directory, struct demo_sums *sums, bool *equations,
			 struct error *error)
{
	struct engine_options options = {.data = directory};
	struct error closing;
	enum ll_code code = engine_open(&demo->loop, &options, NULL, &demo->engine, error);
	if (code != LL_OK)
		return code;
	ENSURE(uv_timer_init(&demo->loop, &demo->timer) == 0);
	demo->timer.data = demo;
	engine_start(demo->engine, ready, failed, demo);
	uv_run(&demo->loop, UV_RUN_DEFAULT);
	if (demo->code != LL_OK)
		code = error_set(error, demo->error.code, "%s", demo->error.text);
	if (code == LL_OK) {
		demo_report(demo);
		code = demo_sum(engine_ledger(demo->engine), sums, error);
	}
	if (code == LL_OK) {
		puts("\nThe books");
		*equations = demo_equations(engine_ledger(demo->engine), sums);
	}
	if (engine_close(demo->engine, &closing) != LL_OK && code == LL_OK)
		code = error_set(error, closing.code, "%s", closing.text);
	return code;
}

static void print_rates(const struct demo *demo, double seconds)
{
	struct buffer out = {0};
	listing_amount(&out, (int64_t)demo->counts.commands);
	buffer_printf(&out, " commands in %.1f s; the busiest second took ", seconds);
	listing_amount(&out, (int64_t)demo->counts.commands_best_second);
	buffer_append_text(&out, ". Each was journaled, synced and read back before it was answered.");
	printf("\n%s\n", buffer_text(&out));
	buffer_release(&out);
}

/* ---- the proof ---- */

static struct progress *folding;

static void on_folding(uint64_t offset, uint64_t end)
{
	folding->total = end;
	progress_update(folding, offset);
}

static enum ll_code rebuild(struct demo *demo, const char *directory, struct demo_sums *sums, bool *equations,
			    struct error *error)
{
	char folder[DATA_PATH_MAX];
	struct engine_options options = {.data = directory};
	struct error closing;
	struct progress progress;
	struct buffer out = {0};
	snprintf(folder, sizeof folder, "%s/projections", directory);
	bench_remove_tree(folder);
	puts("\nThe projections are deleted. Everything is built again from the journal's first entry on.");
	fflush(stdout);
	progress_begin(&progress, stderr, "folding", "blocks", 0);
	folding = &progress;
	double began = bench_seconds();
	enum ll_code code = engine_open(&demo->loop, &options, on_folding, &demo->engine, error);
	double seconds = bench_seconds() - began;
	progress_end(&progress);
	if (code != LL_OK)
		return code;
	code = demo_sum(engine_ledger(demo->engine), sums, error);
	listing_amount(&out, (int64_t)sums->next_seq);
	buffer_printf(&out, " entries in %.2f s, ", seconds);
	listing_amount(&out, (int64_t)((double)sums->next_seq / seconds));
	printf("  %s a second\n", buffer_text(&out));
	buffer_release(&out);
	if (code == LL_OK)
		*equations = demo_equations(engine_ledger(demo->engine), sums);
	if (engine_close(demo->engine, &closing) != LL_OK && code == LL_OK)
		code = error_set(error, closing.code, "%s", closing.text);
	return code;
}

static enum ll_code play(struct demo *demo, const char *directory, bool *equal, struct error *error)
{
	struct demo_sums before, after;
	bool holds = false, holds_again = false;
	double began = bench_seconds();
	enum ll_code code = sell(demo, directory, &before, &holds, error);
	if (code != LL_OK)
		return code;
	print_rates(demo, bench_seconds() - began);
	code = rebuild(demo, directory, &after, &holds_again, error);
	if (code != LL_OK)
		return code;
	bool same = strcmp(before.digest, after.digest) == 0 && before.next_seq == after.next_seq;
	printf("\n  digest before  %s  at 0:%" PRIu64 "\n  digest after   %s  at 0:%" PRIu64 "\n\n", before.digest,
	       before.next_seq - 1, after.digest, after.next_seq - 1);
	*equal = same && holds && holds_again;
	puts(*equal ? "All is as before: the journal is the truth, the ledger is what the journal says."
	     : same ? "THE EQUATIONS DO NOT HOLD."
		    : "THE REBUILT STATE IS ANOTHER ONE.");
	return LL_OK;
}

/* ---- the command ---- */

static int run(const struct options *options, void *context)
{
	char temporary[] = "/tmp/ledgerline-demo-XXXXXX";
	struct error error;
	bool equal = false;
	struct demo *demo = calloc(1, sizeof *demo);
	const char *given = option_text(options, "data"), *directory = given;
	struct stat status;
	(void)context;
	ENSURE(demo);
	if (given && stat(given, &status) == 0) {
		free(demo);
		return option_complain(options, EXIT_USAGE,
				       "%s is there already: the demo wants a directory of its own", given);
	}
	if (!given)
		directory = mkdtemp(temporary);
	if (!directory) {
		free(demo);
		return option_complain(options, EXIT_FAILED, "cannot make a directory under /tmp");
	}
	log_configure(LOG_WARN, LOG_WORDS);
	demo->is_terminal = isatty(STDOUT_FILENO);
	bench_draw_init(&demo->draw, BENCH_UNIFORM, DEMO_BUYERS, SEED);
	ENSURE(uv_loop_init(&demo->loop) == 0);
	enum ll_code code = play(demo, directory, &equal, &error);
	while (uv_run(&demo->loop, UV_RUN_NOWAIT))
		continue;
	ENSURE(uv_loop_close(&demo->loop) == 0);
	if (!given)
		bench_remove_tree(directory);
	else
		printf("It is all in %s: try `ledgerline serve --data %s`.\n", directory, directory);
	demo_release(demo);
	free(demo);
	if (code != LL_OK)
		return command_failed(options, &error);
	return equal ? EXIT_DONE : EXIT_NO;
}

static const struct option options[] = {
	{.name = "data",
	 .kind = OPTION_TEXT,
	 .value = "DIR",
	 .help = "keep it in DIR, which must not exist yet; without it all is removed at the end"},
	{0},
};

const struct cli_command command_demo = {
	.name = "demo",
	.summary = "an on-sale from opening to sold out, and the proof that it can be rebuilt",
	.description =
		"20,000 buyers, three concerts, five halls of 50 to 10,000 seats, on the embedded journal: points are charged, seats\n"
		"held, paid, given back; holds run out, payments fail, halls sell out. Then the projections are deleted and built\n"
		"again from the journal, and must be the same. Takes less than half a minute.",
	.options = options,
	.exits = "1: the rebuilt state is another one, or a sum does not hold",
	.run = run,
};
