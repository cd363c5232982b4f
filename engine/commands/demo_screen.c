/*
 * The sale as it goes on: on a terminal a board that is written over ten times a second, else a line a second.
 */
#include <inttypes.h>

#include "engine/cli/listing.h"
#include "engine/commands/demo.h"

enum { BAR = 40, BOARD_EVERY_MS = 100, LINE_EVERY_MS = 1000, NAME_WIDTH = 28 };

static void append_times(struct buffer *out, const char *what, uint32_t times)
{
	while (times--)
		buffer_append_text(out, what);
}

static void append_name(struct buffer *out, const struct demo_schedule *schedule)
{
	struct buffer name = {0};
	buffer_printf(&name, "%s · %s", schedule->title, schedule->hall);
	size_t width = listing_width(buffer_slice(&name));
	buffer_append_slice(out, buffer_slice(&name));
	append_times(out, " ", width < NAME_WIDTH ? (uint32_t)(NAME_WIDTH - width) : 1);
	buffer_release(&name);
}

static void append_bar(struct buffer *out, const struct demo_schedule *schedule)
{
	uint32_t sold = (uint32_t)((uint64_t)schedule->sold * BAR / schedule->seats);
	uint32_t taken = (uint32_t)((uint64_t)(schedule->sold + schedule->held) * BAR / schedule->seats);
	append_times(out, "█", sold);
	append_times(out, "▒", taken - sold);
	append_times(out, "·", BAR - taken);
}

static void append_board(struct buffer *out, const struct demo *demo)
{
	const struct demo_counts *c = &demo->counts;
	int64_t since = demo_since_opening(demo);
	buffer_printf(out,
		      "\033[K  %+.1f s   %" PRIu64 " want seats, %" PRIu64 " hold some, %" PRIu64 " have paid, %" PRIu64
		      " went home   %" PRIu64 " commands\n",
		      (double)since / 1e3, c->waiting, c->holding, c->bought, c->went_home, c->commands);
	for (unsigned i = 0; i < DEMO_SCHEDULES; i++) {
		const struct demo_schedule *schedule = &demo->schedules[i];
		buffer_append_text(out, "\033[K  ");
		append_name(out, schedule);
		append_bar(out, schedule);
		buffer_printf(out, " %6u / %-6u", schedule->sold, schedule->seats);
		if (schedule->sold == schedule->seats)
			buffer_printf(out, " sold out after %.1f s", (double)schedule->sold_out_ms / 1e3);
		buffer_append_byte(out, '\n');
	}
}

static void append_line(struct buffer *out, const struct demo *demo)
{
	const struct demo_counts *c = &demo->counts;
	uint64_t sold = 0;
	for (unsigned i = 0; i < DEMO_SCHEDULES; i++)
		sold += demo->schedules[i].sold;
	buffer_printf(out,
		      "  %+5.1f s  %6" PRIu64 " want seats, %5" PRIu64 " hold some, %5" PRIu64 " have paid; %5" PRIu64
		      " seats sold; %6" PRIu64 " commands\n",
		      (double)demo_since_opening(demo) / 1e3, c->waiting, c->holding, c->bought, sold, c->commands);
}

static void count_second(struct demo *demo, int64_t now)
{
	if (now - demo->second_ms < 1000)
		return;
	uint64_t rate = (demo->counts.commands - demo->second_commands) * 1000 / (uint64_t)(now - demo->second_ms);
	if (demo->second_ms && rate > demo->counts.commands_best_second)
		demo->counts.commands_best_second = rate;
	demo->second_ms = now;
	demo->second_commands = demo->counts.commands;
}

void demo_screen(struct demo *demo, bool at_once)
{
	struct buffer out = {0};
	int64_t now = engine_now(demo->engine);
	count_second(demo, now);
	if (!at_once && now - demo->shown_ms < (demo->is_terminal ? BOARD_EVERY_MS : LINE_EVERY_MS))
		return;
	demo->shown_ms = now;
	if (demo->is_terminal) {
		if (demo->screen_lines)
			buffer_printf(&out, "\033[%uA", demo->screen_lines);
		append_board(&out, demo);
		demo->screen_lines = DEMO_SCHEDULES + 1;
	} else {
		append_line(&out, demo);
	}
	fwrite(out.at, 1, out.size, stdout);
	fflush(stdout);
	buffer_release(&out);
}

void demo_screen_sold_out(struct demo *demo, const struct demo_schedule *schedule)
{
	if (!demo->is_terminal)
		printf("  %+5.1f s  SOLD OUT  %s · %s, %u seats\n", (double)schedule->sold_out_ms / 1e3,
		       schedule->title, schedule->hall, schedule->seats);
}
