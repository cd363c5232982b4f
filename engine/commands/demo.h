/*
 * The on-sale of `ledgerline demo`: what its files share.
 *
 *	demo.c          the phases, and the proof at the end
 *	demo_setup.c    concerts, schedules, seats, rules
 *	demo_buyers.c   20,000 people with a plan each, who charge, choose seats, pay, or do not
 *	demo_screen.c   the sale as it goes on
 *	demo_report.c   tables of how it ended; sums over the whole state
 *
 * Buyers are actors on the engine's own loop: they hand commands to the writer as the HTTP API does, and know only what they were
 * answered. Who wants what is drawn from one seed; who comes first is up to the clock.
 */
#ifndef LEDGERLINE_DEMO_H
#define LEDGERLINE_DEMO_H

#include "engine/bench/bench.h"
#include "engine/cli/options.h"
#include "engine/serve/engine.h"

enum {
	DEMO_SCHEDULES = 5,
	DEMO_BUYERS = 20000,
	DEMO_SEATS_MAX = 4,    /* of one reservation */
	DEMO_HOLD_SECONDS = 2, /* the policy's, so that holds expire while one watches */
	DEMO_TICK_MS = 10,
	DEMO_TICKS = 4096, /* how far ahead a buyer may plan, in ticks */
	DEMO_BURST_MS =
		6000, /* within that time of the opening everybody has come; half of them in its first quarter */
	DEMO_SALE_MS = 10000, /* who has no seats by then goes home */
};

struct demo_schedule {
	const char *id, *concert_id, *title, *hall;
	uint32_t seats;
	unsigned wanted; /* share of the buyers who want it first, in per cent */
	/* The seat map as buyers see it: what they were told, and when their holds end. */
	uint8_t *taken;
	uint32_t free, held, sold;
	int64_t sold_out_ms; /* after the opening; 0: not yet */
};

struct demo;

struct demo_buyer {
	struct pending pending; /* first: the writer hands it back */
	struct demo *demo;
	struct demo_buyer *next; /* planned for the same tick */
	char user[16], id[32];
	uint32_t number, commands;
	uint8_t step, wish, schedule, seat_count, conflicts;
	bool is_poor, tops_up, forgets, comes_late, cancels;
	uint32_t seat_nos[DEMO_SEATS_MAX];
	uint64_t reservation_id, payment_id;
	int64_t hold_until_ms;
};

struct demo_counts {
	uint64_t charged, waiting, holding, bought, went_home; /* buyers */
	uint64_t holds, holds_expired, payments, cancellations, top_ups;
	uint64_t commands, commands_best_second;
	uint64_t refusals[256]; /* by code */
};

struct demo {
	uv_loop_t loop;
	uv_timer_t timer;
	struct engine *engine;
	struct demo_schedule schedules[DEMO_SCHEDULES];
	struct demo_buyer *buyers;
	struct demo_buyer *plans[DEMO_TICKS];
	uint64_t tick;      /* the next one to be worked off */
	uint64_t done, out; /* buyers who are through; commands on their way */
	struct bench_draw draw;
	struct demo_counts counts;
	int64_t began_ms, opens_ms; /* wall clock */
	bool charging, is_terminal, over;
	unsigned screen_lines; /* on the terminal, to be written over */
	int64_t shown_ms, second_ms;
	uint64_t second_commands;
	enum ll_code code;
	struct error error;
};

/* Stops the sale with an error. */
void demo_fail(struct demo *demo, enum ll_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Rules, concerts and schedules; calls `done` when all are there. Booking opens at demo->opens_ms, which is set here. */
void demo_setup(struct demo *demo, void (*done)(struct demo *));
void demo_release(struct demo *demo);

/* Everybody charges; then they wait for the opening. Afterwards demo_buyers_tick works off what they plan. */
void demo_buyers_begin(struct demo *demo);
void demo_buyers_tick(struct demo *demo);

int64_t demo_since_opening(const struct demo *demo); /* ms; negative: before it */
uint32_t demo_draw(struct demo *demo, uint32_t below);

void demo_screen(struct demo *demo, bool at_once);
void demo_screen_sold_out(struct demo *demo, const struct demo_schedule *schedule);

/* Sums over every line of the canonical export. */
struct demo_sums {
	int64_t balances, paid; /* paid: of payments that stand */
	uint64_t accounts, seats, available, held, reserved;
	char digest[65];
	uint64_t next_seq;
};
enum ll_code demo_sum(struct ledger *ledger, struct demo_sums *sums, struct error *error) LL_CHECKED;

void demo_report(struct demo *demo);
/* Prints the equations of totals and whether they hold. */
bool demo_equations(struct ledger *ledger, const struct demo_sums *sums);

#endif
