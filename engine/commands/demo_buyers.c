/*
 * The buyers.
 *
 *	CHARGE -> CHOOSE -> (reserve) -> PAY -> (pay) -> at home with tickets -> perhaps CANCEL
 *	            ^          |          |
 *	            +- taken --+          +- no points -> TOP_UP -> PAY, or the hold runs out
 *	            +- sold out: waits for holds that run out, until the sale ends
 *
 * A step in brackets is a command on its way; the others are plans for some tick.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "engine/commands/demo.h"
#include "schemas/wire/ensure.h"

enum step { STEP_CHARGE, STEP_CHOOSE, STEP_PAY, STEP_TOP_UP, STEP_LET_GO, STEP_CANCEL };

enum {
	CHARGE_RICH = 600000,
	CHARGE_POOR = 50000,
	CONFLICTS_MAX = 40,
	CHARGES_AT_ONCE = 4000, /* then others are planned for the next tick */
};

void demo_fail(struct demo *demo, enum ll_code code, const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (demo->code == LL_OK)
		demo->code = error_set(&demo->error, code, "%s", text);
}

uint32_t demo_draw(struct demo *demo, uint32_t below)
{
	return (uint32_t)(bench_random(&demo->draw) >> 32) % below;
}

static bool one_in(struct demo *demo, uint32_t many)
{
	return demo_draw(demo, many) == 0;
}

int64_t demo_since_opening(const struct demo *demo)
{
	return engine_now(demo->engine) - demo->opens_ms;
}

static void plan(struct demo_buyer *buyer, enum step step, int64_t after_ms)
{
	struct demo *demo = buyer->demo;
	int64_t now = (engine_now(demo->engine) - demo->began_ms) / DEMO_TICK_MS;
	uint64_t tick = (uint64_t)(now + (after_ms > 0 ? after_ms : 0) / DEMO_TICK_MS + 1);
	if (tick < demo->tick)
		tick = demo->tick;
	if (tick >= demo->tick + DEMO_TICKS)
		tick = demo->tick + DEMO_TICKS - 1;
	buyer->step = (uint8_t)step;
	buyer->next = demo->plans[tick % DEMO_TICKS];
	demo->plans[tick % DEMO_TICKS] = buyer;
}

static void goes_home(struct demo_buyer *buyer)
{
	buyer->demo->counts.went_home++;
	buyer->demo->counts.waiting--;
	buyer->demo->done++;
}

/* ---- commands ---- */

static void answered(struct pending *pending, const struct answer *answer);

static void submit(struct demo_buyer *buyer, uint16_t type)
{
	struct demo *demo = buyer->demo;
	enum code code;
	int size = snprintf(buyer->id, sizeof buyer->id, "%s-%" PRIu32, buyer->user, ++buyer->commands);
	buyer->pending.command.type = type;
	buyer->pending.id = slice_of(buyer->id, (size_t)size);
	buyer->pending.actor_type = ACTOR_TYPE_USER;
	buyer->pending.actor_id = slice_text(buyer->user);
	buyer->pending.answer = answered;
	demo->out++;
	demo->counts.commands++;
	if (engine_submit(demo->engine, &buyer->pending, &code) == LL_OK)
		return;
	demo->out--;
	demo_fail(demo, LL_UNAVAILABLE, "the engine takes no commands: %s", code_info(code)->name);
}

static void charge(struct demo_buyer *buyer, int64_t amount)
{
	buyer->pending.command.points_charge =
		(struct points_charge){slice_text(buyer->user), amount, SOURCE_PAID, NONE_TIME};
	submit(buyer, COMMAND_POINTS_CHARGE);
}

static void reserve(struct demo_buyer *buyer)
{
	buyer->pending.command.reservation_create = (struct reservation_create){
		.user_id = slice_text(buyer->user),
		.schedule_id = slice_text(buyer->demo->schedules[buyer->schedule].id),
		.seat_nos = {buyer->seat_nos, buyer->seat_count},
	};
	submit(buyer, COMMAND_RESERVATION_CREATE);
}

static void pay(struct demo_buyer *buyer)
{
	buyer->pending.command.payment_create =
		(struct payment_create){buyer->reservation_id, slice_text(buyer->user), NONE_I64};
	submit(buyer, COMMAND_PAYMENT_CREATE);
}

static void cancel(struct demo_buyer *buyer)
{
	buyer->pending.command.reservation_cancel =
		(struct reservation_cancel){buyer->reservation_id, slice_text(buyer->user)};
	submit(buyer, COMMAND_RESERVATION_CANCEL);
}

/* ---- the seat map ---- */

/* Seats side by side from somewhere on; people like it in front. */
static bool find_seats(struct demo *demo, struct demo_buyer *buyer, unsigned index)
{
	struct demo_schedule *schedule = &demo->schedules[index];
	double where = (double)demo_draw(demo, 1 << 20) / (1 << 20);
	uint32_t first = (uint32_t)(where * where * schedule->seats), run = 0;
	if (schedule->free < buyer->seat_count)
		return false;
	for (uint32_t i = 0; i < schedule->seats; i++) {
		uint32_t seat = (first + i) % schedule->seats + 1;
		run = schedule->taken[seat] ? 0 : seat == 1 ? 1 : run + 1;
		if (run < buyer->seat_count)
			continue;
		for (uint32_t k = 0; k < buyer->seat_count; k++)
			buyer->seat_nos[k] = seat - buyer->seat_count + 1 + k;
		buyer->schedule = (uint8_t)index;
		return true;
	}
	return false;
}

static void mark(struct demo_buyer *buyer, bool taken)
{
	struct demo_schedule *schedule = &buyer->demo->schedules[buyer->schedule];
	for (uint32_t i = 0; i < buyer->seat_count; i++)
		schedule->taken[buyer->seat_nos[i]] = taken;
	schedule->free += taken ? -(uint32_t)buyer->seat_count : buyer->seat_count;
}

static void choose(struct demo_buyer *buyer)
{
	struct demo *demo = buyer->demo;
	if (demo_since_opening(demo) > DEMO_SALE_MS || buyer->conflicts > CONFLICTS_MAX) {
		goes_home(buyer);
		return;
	}
	if (find_seats(demo, buyer, buyer->wish)) {
		reserve(buyer);
		return;
	}
	for (unsigned i = 0; i < DEMO_SCHEDULES; i++) /* anything is better than nothing, the largest hall first */
		if (one_in(demo, 2) && find_seats(demo, buyer, DEMO_SCHEDULES - 1 - i)) {
			reserve(buyer);
			return;
		}
	if (buyer->seat_count > 1 && one_in(demo, 4))
		buyer->seat_count--; /* rather alone than not at all */
	plan(buyer, STEP_CHOOSE, 150 + demo_draw(demo, 300));
}

/* ---- answers ---- */

static void reserved(struct demo_buyer *buyer, const struct entry *entry)
{
	struct demo *demo = buyer->demo;
	for (uint32_t i = 0; i < entry->event_count; i++)
		if (entry->events[i].type == EVENT_RESERVATION_CREATED) {
			buyer->reservation_id = entry->events[i].reservation_created.reservation_id;
			buyer->hold_until_ms = entry->events[i].reservation_created.expires_at;
		}
	demo->counts.waiting--;
	demo->counts.holding++;
	demo->counts.holds++;
	demo->schedules[buyer->schedule].held += buyer->seat_count;
	mark(buyer, true);
	int64_t left = buyer->hold_until_ms - engine_now(demo->engine);
	if (buyer->forgets)
		plan(buyer, STEP_LET_GO, left + 200);
	else if (buyer->comes_late)
		plan(buyer, STEP_PAY, left + 60);
	else
		plan(buyer, STEP_PAY, 50 + demo_draw(demo, 1200));
}

/* The hold is over, or soon will be: the seats are anybody's again. */
static void let_go(struct demo_buyer *buyer)
{
	struct demo *demo = buyer->demo;
	demo->counts.holds_expired++;
	demo->counts.holding--;
	demo->counts.waiting++;
	demo->schedules[buyer->schedule].held -= buyer->seat_count;
	mark(buyer, false);
	goes_home(buyer);
}

static void paid(struct demo_buyer *buyer)
{
	struct demo *demo = buyer->demo;
	struct demo_schedule *schedule = &demo->schedules[buyer->schedule];
	schedule->held -= buyer->seat_count;
	schedule->sold += buyer->seat_count;
	demo->counts.holding--;
	demo->counts.bought++;
	demo->counts.payments++;
	if (schedule->sold == schedule->seats && !schedule->sold_out_ms) {
		schedule->sold_out_ms = demo_since_opening(demo);
		demo_screen_sold_out(demo, schedule);
	}
	if (buyer->cancels)
		plan(buyer, STEP_CANCEL, 200 + demo_draw(demo, 1000));
	else
		demo->done++;
}

static void refused(struct demo_buyer *buyer, uint16_t code)
{
	struct demo *demo = buyer->demo;
	demo->counts.refusals[code & 0xff]++;
	switch (code) {
	case CODE_BOOKING_CLOSED: plan(buyer, STEP_CHOOSE, 50 + demo_draw(demo, 300)); break;
	case CODE_SEAT_ALREADY_RESERVED:
		buyer->conflicts++;
		plan(buyer, STEP_CHOOSE, 20 + demo_draw(demo, 100));
		break;
	case CODE_INSUFFICIENT_POINTS:
		if (buyer->tops_up)
			plan(buyer, STEP_TOP_UP, 100 + demo_draw(demo, 300));
		else
			plan(buyer, STEP_LET_GO, buyer->hold_until_ms - engine_now(demo->engine) + 200);
		break;
	case CODE_RESERVATION_EXPIRED:
	case CODE_RESERVATION_NOT_ACTIVE: let_go(buyer); break;
	default: demo_fail(demo, LL_POISON, "a buyer was refused with %s", code_info(code)->name);
	}
}

static void cancelled(struct demo_buyer *buyer)
{
	struct demo *demo = buyer->demo;
	demo->schedules[buyer->schedule].sold -= buyer->seat_count;
	demo->counts.cancellations++;
	mark(buyer, false);
	demo->done++;
}

static void charged(struct demo_buyer *buyer)
{
	struct demo *demo = buyer->demo;
	if (buyer->commands > 1) { /* topped up */
		demo->counts.top_ups++;
		plan(buyer, STEP_PAY, 20 + demo_draw(demo, 100));
		return;
	}
	double when = (double)demo_draw(demo, 1 << 20) / (1 << 20);
	demo->counts.charged++;
	demo->counts.waiting++;
	/* One in two hundred is early, and finds the doors closed. */
	plan(buyer, STEP_CHOOSE,
	     -demo_since_opening(demo) + (one_in(demo, 200) ? -100 : (int64_t)(when * when * DEMO_BURST_MS)));
}

static void answered(struct pending *pending, const struct answer *answer)
{
	struct demo_buyer *buyer = (struct demo_buyer *)pending;
	buyer->demo->out--;
	if (answer->kind != ANSWER_DECIDED) {
		demo_fail(buyer->demo, LL_UNAVAILABLE, "a command was not decided: %s",
			  code_info(answer->code) ? code_info(answer->code)->name : "?");
		return;
	}
	if (answer->entry->head.outcome == OUTCOME_REFUSED) {
		refused(buyer, answer->entry->code);
		return;
	}
	switch (buyer->step) {
	case STEP_CHARGE:
	case STEP_TOP_UP: charged(buyer); break;
	case STEP_CHOOSE: reserved(buyer, answer->entry); break;
	case STEP_PAY: paid(buyer); break;
	case STEP_CANCEL: cancelled(buyer); break;
	}
}

/* ---- time ---- */

static void act(struct demo_buyer *buyer)
{
	switch ((enum step)buyer->step) {
	case STEP_CHARGE: charge(buyer, buyer->is_poor ? CHARGE_POOR : CHARGE_RICH); break;
	case STEP_CHOOSE: choose(buyer); break;
	case STEP_PAY: pay(buyer); break;
	case STEP_TOP_UP: charge(buyer, CHARGE_RICH); break;
	case STEP_LET_GO: let_go(buyer); break;
	case STEP_CANCEL: cancel(buyer); break;
	}
}

void demo_buyers_tick(struct demo *demo)
{
	uint64_t now = (uint64_t)(engine_now(demo->engine) - demo->began_ms) / DEMO_TICK_MS;
	while (demo->tick <= now && demo->code == LL_OK) {
		struct demo_buyer *buyer = demo->plans[demo->tick % DEMO_TICKS], *next;
		demo->plans[demo->tick++ % DEMO_TICKS] = NULL;
		for (; buyer; buyer = next) {
			next = buyer->next;
			act(buyer);
		}
	}
}

void demo_buyers_begin(struct demo *demo)
{
	demo->buyers = calloc(DEMO_BUYERS, sizeof *demo->buyers);
	ENSURE(demo->buyers);
	for (uint32_t i = 0; i < DEMO_BUYERS; i++) {
		struct demo_buyer *buyer = &demo->buyers[i];
		unsigned share = demo_draw(demo, 100), wish = 0;
		while (share >= demo->schedules[wish].wanted)
			share -= demo->schedules[wish++].wanted;
		buyer->demo = demo;
		buyer->number = i;
		snprintf(buyer->user, sizeof buyer->user, "buyer-%05u", i);
		buyer->wish = (uint8_t)wish;
		buyer->seat_count = (uint8_t)(1 + (demo_draw(demo, 10) < 5) + (one_in(demo, 8)) + (one_in(demo, 16)));
		buyer->is_poor = one_in(demo, 12);
		buyer->tops_up = one_in(demo, 2);
		buyer->forgets = one_in(demo, 25);
		buyer->comes_late = one_in(demo, 60);
		buyer->cancels = one_in(demo, 150);
		plan(buyer, STEP_CHARGE, (int64_t)(i / CHARGES_AT_ONCE) * 4 * DEMO_TICK_MS);
	}
}
