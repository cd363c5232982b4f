#include "tests/support/seats_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/reply/reply.h"
#include "schemas/wire/ensure.h"

void world_init(struct world *world)
{
	struct error error;
	*world = (struct world){.now = WORLD_START, .policy = policy_first, .last = NONE_U64};
	world->layer = layer_new(NULL, &world->arena);
	world->view = layer_view(world->layer);
	world->room_size = BLOCK_BYTES_MAX;
	world->room = malloc(world->room_size);
	ENSURE(world->room);
	assert_int_equal(zone_load(world->policy.time_zone, &world->zone, &error), LL_OK);
}

void world_release(struct world *world)
{
	layer_free(world->layer);
	zone_free(world->zone);
	free(world->room);
	buffer_release(&world->reply);
	arena_release(&world->arena);
	arena_release(&world->entry_arena);
}

static struct decide_context context_of(struct world *world)
{
	return (struct decide_context){
		.view = world->view,
		.policy = &world->policy,
		.policy_version = 1,
		.zone = world->zone,
		.seq = world->next_seq,
		.now = world->now,
		.arena = &world->arena,
	};
}

static enum ll_code fold(struct world *world, const struct entry *entry, struct error *error)
{
	enum ll_code code = projection_balances.apply(world->view, entry, error);
	if (code == LL_OK)
		code = projection_seats.apply(world->view, entry, error);
	if (code == LL_OK)
		code = projection_queue.apply(world->view, entry, error);
	return code;
}

static struct short_hash hash_of_command(const struct command *command)
{
	uint8_t room[8192];
	struct packer p = packer_over(room, sizeof room);
	command_encode(&p, command);
	assert_false(p.full);
	return short_hash_of(slice_of(room, (size_t)(p.at - room)));
}

/* Writes the entry, reads it back into world->entry. */
static void through_bytes(struct world *world, const struct entry *entry, const struct command *command)
{
	struct packer p = packer_over(world->room, world->room_size);
	if (entry->head.outcome == OUTCOME_REFUSED)
		entry_encode_refused(&p, entry, command);
	else
		entry_encode(&p, entry);
	assert_false(p.full);
	arena_reset(&world->entry_arena);
	struct cursor cursor = cursor_over(slice_of(world->room, (size_t)(p.at - world->room)), &world->entry_arena);
	cursor.seq = world->next_seq;
	world->entry = (struct entry){.seq = world->next_seq, .time = world->now};
	assert_true(entry_decode(&cursor, &world->entry));
	assert_ptr_equal(cursor.at, cursor.end);
}

static void append(struct world *world, struct entry *entry, const struct command *command)
{
	struct error error = {0};
	through_bytes(world, entry, command);
	if (fold(world, &world->entry, &error) != LL_OK)
		fail_msg("a decided entry is poison: %s", error.text);
	assert_int_equal(world->view->failure.code, LL_OK);
	world->next_seq++;
	if (world->after_entry)
		world->after_entry(world);
}

static void append_system(struct world *world)
{
	struct entry entry = {
		.head = {.outcome = OUTCOME_SYSTEM, .actor_type = ACTOR_TYPE_SYSTEM, .policy = 1},
		.events = world->decision.events,
		.event_count = world->decision.event_count,
	};
	append(world, &entry, NULL);
}

/* An accepted entry names its command again, byte for byte. */
static void check_command(struct world *world, struct short_hash expected)
{
	struct command again;
	assert_true(command_of_entry(&world->entry, &world->entry_arena, &again));
	struct short_hash found = hash_of_command(&again);
	assert_memory_equal(&found, &expected, sizeof found);
}

static void render(struct world *world)
{
	struct json_writer writer;
	buffer_clear(&world->reply);
	json_writer_init(&writer, &world->reply, false);
	world->reply_status = reply_render(&world->entry, &writer);
}

int world_run(struct world *world, const struct command *command)
{
	struct decide_context context = context_of(world);
	arena_reset(&world->arena);
	while (due_for_command(&context, command, &world->decision)) {
		append_system(world);
		arena_reset(&world->arena);
		context.seq = world->next_seq;
	}
	struct short_hash hash = hash_of_command(command);
	if (world->before_decision)
		world->before_decision(world, &context, command);
	decide(&context, command, &world->decision);
	assert_int_equal(world->view->failure.code, LL_OK);
	if (world->decision.outcome == DECIDED_READ)
		return WORLD_READ;
	if (world->decision.outcome == DECIDED_REJECTED)
		return world->decision.code;
	bool accepted = world->decision.outcome == DECIDED_ACCEPTED;
	assert_true(!accepted || world->decision.event_count > 0);
	struct entry entry = {
		.head =
			{
				.outcome = accepted ? OUTCOME_ACCEPTED : OUTCOME_REFUSED,
				.command_id = SLICE("test"),
				.command_hash = short_hash_slice(&hash),
				.actor_type = ACTOR_TYPE_USER,
				.command = command->type,
				.policy = 1,
			},
		.events = world->decision.events,
		.event_count = world->decision.event_count,
		.code = world->decision.code,
		.facts = world->decision.facts,
	};
	world->last = world->next_seq;
	append(world, &entry, command);
	check_command(world, hash);
	render(world);
	return accepted ? WORLD_ACCEPTED : world->decision.code;
}

unsigned world_sweep(struct world *world, unsigned max)
{
	unsigned count = 0;
	for (; count < max; count++) {
		struct decide_context context = context_of(world);
		arena_reset(&world->arena);
		int64_t when = due_when(world->view, world->now);
		bool due = due_next(&context, &world->decision);
		assert_int_equal(world->view->failure.code, LL_OK);
		assert_int_equal(due, when != 0 && when <= world->now);
		if (!due)
			break;
		append_system(world);
	}
	return count;
}

enum ll_code world_apply(struct world *world, struct event *events, uint32_t count, struct error *error)
{
	struct entry entry = {
		.head = {.outcome = OUTCOME_SYSTEM, .actor_type = ACTOR_TYPE_SYSTEM, .policy = 1},
		.events = events,
		.event_count = count,
		.seq = world->next_seq,
		.time = world->now,
	};
	return projection_seats.apply(world->view, &entry, error);
}

int world_charge(struct world *world, const char *user, int64_t amount)
{
	struct command command = {.type = COMMAND_POINTS_CHARGE};
	command.points_charge =
		(struct points_charge){.user_id = slice_text(user), .amount = amount, .source = SOURCE_PAID};
	return world_run(world, &command);
}

int world_concert(struct world *world, const char *concert)
{
	struct command command = {.type = COMMAND_CONCERT_CREATE};
	command.concert_create = (struct concert_create){slice_text(concert), SLICE("A title")};
	return world_run(world, &command);
}

int world_schedule(struct world *world, const char *schedule, const char *concert, int64_t date, int64_t opens,
		   int64_t closes, uint32_t seats, bool free_last)
{
	struct seat offered[64];
	struct command command = {.type = COMMAND_SCHEDULE_CREATE};
	ENSURE(seats <= 64);
	for (uint32_t i = 0; i < seats; i++)
		offered[i] = (struct seat){.seat_no = i + 1, .section = SLICE("A"), .price = (int64_t)(i + 1) * 1000};
	if (free_last)
		offered[seats - 1].price = 0;
	command.schedule_create = (struct schedule_create){
		.schedule_id = slice_text(schedule),
		.concert_id = slice_text(concert),
		.concert_date = date,
		.booking_opens_at = opens,
		.booking_closes_at = closes,
		.seats = {offered, seats},
	};
	return world_run(world, &command);
}

int world_add_seats(struct world *world, const char *schedule, uint32_t first, uint32_t count)
{
	struct seat offered[64];
	struct command command = {.type = COMMAND_SCHEDULE_ADD_SEATS};
	ENSURE(count <= 64);
	for (uint32_t i = 0; i < count; i++)
		offered[i] = (struct seat){.seat_no = first + i, .grade = SLICE("VIP"), .price = 500};
	command.schedule_add_seats = (struct schedule_add_seats){slice_text(schedule), {offered, count}};
	return world_run(world, &command);
}

int world_cancel_schedule(struct world *world, const char *schedule)
{
	struct command command = {.type = COMMAND_SCHEDULE_CANCEL};
	command.schedule_cancel = (struct schedule_cancel){slice_text(schedule), SLICE("a storm")};
	return world_run(world, &command);
}

int world_hold(struct world *world, const char *user, const char *schedule, uint32_t count, const uint32_t *seat_nos)
{
	uint32_t numbers[64];
	struct command command = {.type = COMMAND_RESERVATION_CREATE};
	ENSURE(count <= 64);
	memcpy(numbers, seat_nos, count * sizeof *numbers);
	command.reservation_create = (struct reservation_create){
		.user_id = slice_text(user),
		.schedule_id = slice_text(schedule),
		.seat_nos = {numbers, count},
	};
	return world_run(world, &command);
}

int world_hold_one(struct world *world, const char *user, const char *schedule, uint32_t seat_no)
{
	return world_hold(world, user, schedule, 1, &seat_no);
}

int world_pay(struct world *world, const char *user, uint64_t reservation_id, int64_t amount)
{
	struct command command = {.type = COMMAND_PAYMENT_CREATE};
	command.payment_create = (struct payment_create){reservation_id, slice_text(user), amount};
	return world_run(world, &command);
}

int world_cancel(struct world *world, uint64_t reservation_id, const char *user)
{
	struct command command = {.type = COMMAND_RESERVATION_CANCEL};
	command.reservation_cancel = (struct reservation_cancel){reservation_id, slice_text(user)};
	return world_run(world, &command);
}

int world_cancel_payment(struct world *world, uint64_t payment_id)
{
	struct command command = {.type = COMMAND_PAYMENT_CANCEL};
	command.payment_cancel.payment_id = payment_id;
	return world_run(world, &command);
}

int64_t world_fact(const struct world *world, enum fact_name name)
{
	for (uint32_t i = 0; i < world->decision.facts.count; i++)
		if (world->decision.facts.at[i].name == name)
			return world->decision.facts.at[i].number;
	return NONE_I64;
}
