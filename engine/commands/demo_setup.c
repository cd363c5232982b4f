/* The stage: rules, three concerts, five schedules, every seat. As JSON commands, the way a client would send them. */
#include <stdlib.h>

#include "engine/api/command_json.h"
#include "engine/commands/demo.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/time.h"

enum { SETUP_COMMANDS = 1 + 3 + DEMO_SCHEDULES, OPENS_AFTER_MS = 1800, DAYS_AHEAD = 45 };

static const struct demo_schedule schedules[DEMO_SCHEDULES] = {
	{.id = "seoul-club", .concert_id = "seoul", .title = "서울의 밤", .hall = "클럽", .seats = 50, .wanted = 6},
	{.id = "winter-small",
	 .concert_id = "winter",
	 .title = "겨울 소나타",
	 .hall = "소극장",
	 .seats = 500,
	 .wanted = 12},
	{.id = "winter-hall",
	 .concert_id = "winter",
	 .title = "겨울 소나타",
	 .hall = "대극장",
	 .seats = 2000,
	 .wanted = 18},
	{.id = "hangang-arena",
	 .concert_id = "hangang",
	 .title = "한강 재즈 페스티벌",
	 .hall = "아레나",
	 .seats = 5000,
	 .wanted = 26},
	{.id = "seoul-dome", .concert_id = "seoul", .title = "서울의 밤", .hall = "돔", .seats = 10000, .wanted = 38},
};

struct setup {
	struct demo *demo;
	void (*done)(struct demo *);
	struct arena arena;
	struct pending pending[SETUP_COMMANDS];
	unsigned count, answered;
};

static void answered(struct pending *pending, const struct answer *answer)
{
	struct setup *setup = pending->context;
	if (answer->kind != ANSWER_DECIDED || answer->entry->head.outcome != OUTCOME_ACCEPTED)
		demo_fail(setup->demo, LL_UNAVAILABLE, "the stage could not be set: %.*s was not accepted",
			  SLICE_PRINT(pending->id));
	if (++setup->answered < SETUP_COMMANDS)
		return;
	struct demo *demo = setup->demo;
	void (*done)(struct demo *) = setup->done;
	arena_release(&setup->arena);
	free(setup);
	done(demo);
}

static void submit(struct setup *setup, struct buffer *json)
{
	struct json_reader reader = {0};
	const struct json_node *root;
	struct parsed_command parsed;
	struct pending *pending = &setup->pending[setup->count++];
	enum code code;
	ENSURE(json_read(&reader, buffer_slice(json), &root, NULL) == LL_OK);
	ENSURE(command_from_json(&reader, root, &setup->arena, NULL, &parsed));
	json_reader_release(&reader);
	*pending = (struct pending){
		.command = parsed.command,
		.id = parsed.id,
		.actor_type = ACTOR_TYPE_ADMIN,
		.actor_id = SLICE("demo"),
		.answer = answered,
		.context = setup,
	};
	if (engine_submit(setup->demo->engine, pending, &code) != LL_OK)
		demo_fail(setup->demo, LL_UNAVAILABLE, "the engine takes no commands: %s", code_info(code)->name);
	buffer_clear(json);
}

/* The dearest seats stand in front. */
static void write_seats(struct buffer *out, uint32_t count)
{
	for (uint32_t i = 1; i <= count; i++) {
		unsigned part = i * 10 / count;
		const char *grade = part < 1 ? "VIP" : part < 4 ? "R" : "S";
		int price = part < 1 ? 150000 : part < 4 ? 110000 : 77000;
		buffer_printf(out, "%s{\"seatNo\":%u,\"grade\":\"%s\",\"price\":%d}", i > 1 ? "," : "", i, grade,
			      price);
	}
}

static void write_schedule(struct buffer *out, const struct demo *demo, const struct demo_schedule *schedule,
			   unsigned index)
{
	char opens[TIME_TEXT_SIZE + 1], day[DAY_TEXT_SIZE + 1];
	time_format(demo->opens_ms, opens);
	day_format(time_utc_day(demo->opens_ms) + DAYS_AHEAD + (int32_t)index, day);
	buffer_printf(
		out,
		"{\"id\":\"demo-%s\",\"type\":\"schedule.create\",\"scheduleId\":\"%s\",\"concertId\":\"%s\",\"concertDate\":\"%s\",\"bookingOpensAt\":\"%s\",\"seats\":[",
		schedule->id, schedule->id, schedule->concert_id, day, opens);
	write_seats(out, schedule->seats);
	buffer_append_text(out, "]}");
}

void demo_setup(struct demo *demo, void (*done)(struct demo *))
{
	struct setup *setup = calloc(1, sizeof *setup);
	struct buffer json = {0};
	ENSURE(setup);
	setup->demo = demo;
	setup->done = done;
	demo->opens_ms = engine_now(demo->engine) + OPENS_AFTER_MS;
	buffer_printf(&json, "{\"id\":\"demo-rules\",\"type\":\"policy.set\",\"holdSeconds\":%d}", DEMO_HOLD_SECONDS);
	submit(setup, &json);
	static const char *const concerts[][2] = {
		{"seoul", "서울의 밤"}, {"winter", "겨울 소나타"}, {"hangang", "한강 재즈 페스티벌"}};
	for (unsigned i = 0; i < 3; i++) {
		buffer_printf(&json,
			      "{\"id\":\"demo-%s\",\"type\":\"concert.create\",\"concertId\":\"%s\",\"title\":\"%s\"}",
			      concerts[i][0], concerts[i][0], concerts[i][1]);
		submit(setup, &json);
	}
	for (unsigned i = 0; i < DEMO_SCHEDULES; i++) {
		demo->schedules[i] = schedules[i];
		demo->schedules[i].free = schedules[i].seats;
		demo->schedules[i].taken = calloc(schedules[i].seats + 1, 1);
		ENSURE(demo->schedules[i].taken);
		write_schedule(&json, demo, &schedules[i], i);
		submit(setup, &json);
	}
	buffer_release(&json);
}

void demo_release(struct demo *demo)
{
	for (unsigned i = 0; i < DEMO_SCHEDULES; i++)
		free(demo->schedules[i].taken);
	free(demo->buyers);
}
