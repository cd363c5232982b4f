/*
 * No value of the policy that decides is missing from the facts: whatever another one is set to, the decision is the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/audit/facts.h"
#include "schemas/codes.h"
#include "tests/support/policy_no_change.h"
#include "tests/support/seats_world.h"

enum { COMMANDS = 6000, USERS = 4, ROOM = 1 << 20 };

static uint8_t rooms[2][ROOM];
static uint64_t probes;
static uint32_t changed[64]; /* by field: how often another value of a used one changed something */

static uint32_t draw(uint32_t below)
{
	static uint64_t state = 20260301;
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % below);
}

/* ---- another value of one field ---- */

static void set_number(const struct field *field, void *at, int64_t number)
{
	if (field->kind == FIELD_U32)
		*(uint32_t *)at = (uint32_t)number;
	else
		*(int64_t *)at = number;
}

static int64_t number_of(const struct field *field, const void *at)
{
	return field->kind == FIELD_U32 ? (int64_t) * (const uint32_t *)at : *(const int64_t *)at;
}

/* false: the field has no other value of that number. */
static bool disturb(const struct field *field, struct policy *policy, unsigned way, struct zone **zone)
{
	static struct refund_step steps[] = {{5, 33}, {0, 1}};
	struct error error;
	void *at = (uint8_t *)policy + field->offset;
	switch (field->kind) {
	case FIELD_BOOL: *(bool *)at = !*(bool *)at; return way == 0;
	case FIELD_ENUM:
		if (field->enumeration->count < 3 || way)
			return false;
		*(uint8_t *)at = *(uint8_t *)at == 1 ? 2 : 1;
		return true;
	case FIELD_LIST: *(struct refund_step_list *)at = (struct refund_step_list){steps, 2}; return way == 0;
	case FIELD_TEXT:
		policy->time_zone = SLICE("Pacific/Honolulu");
		return way == 0 && zone_load(policy->time_zone, zone, &error) == LL_OK;
	default: break;
	}
	if (way == 0)
		set_number(field, at, number_of(field, at) + 1);
	else
		set_number(field, at, way == 1 ? 1 : number_of(field, at) * 3 + 7);
	return way < 3;
}

/* ---- the probe ---- */

static struct slice bytes_of(const struct decision *decision, uint8_t *room)
{
	struct entry entry = {.events = (struct event *)(uintptr_t)decision->events,
			      .event_count = decision->event_count};
	struct packer p = packer_over(room, ROOM);
	room[0] = (uint8_t)decision->outcome;
	p.at++;
	entry.head.outcome = OUTCOME_ACCEPTED;
	entry_encode(&p, &entry);
	fact_list_encode(&p, &decision->facts);
	pack_u64(&p, decision->code);
	assert_false(p.full);
	return slice_of(room, (size_t)(p.at - room));
}

static bool has_word(const char *words, const char *word)
{
	const char *at = strstr(words, word);
	return at && (at == words || at[-1] == ' ') && (at[strlen(word)] == ' ' || !at[strlen(word)]);
}

static void probe(struct decide_context *context, const struct command *command, struct slice wanted)
{
	static struct decision decision;
	struct entry entry = {.head = {.outcome = OUTCOME_ACCEPTED, .command = command->type}};
	const char *used = facts_policy_used(&entry);
	for (uint16_t i = 0; i < policy_record.count; i++) {
		const struct field *field = &policy_record.fields[i];
		for (unsigned way = 0; way < 3; way++) {
			struct policy policy = *context->policy;
			struct zone *zone = NULL;
			if (!disturb(field, &policy, way, &zone))
				continue;
			struct decide_context other = *context;
			other.policy = &policy;
			other.zone = zone ? zone : context->zone;
			decide(&other, command, &decision);
			bool same = slice_equal(bytes_of(&decision, rooms[1]), wanted);
			zone_free(zone);
			probes++;
			changed[i] += !same;
			if (!same && !has_word(used, field->json))
				fail_msg("%s decides %s, and is not among its facts", field->json,
					 command_info(command->type)->record->name);
		}
	}
}

static void before_decision(struct world *world, struct decide_context *context, const struct command *command)
{
	static struct decision decision;
	(void)world;
	if (command->type == COMMAND_POLICY_SET)
		return;
	decide(context, command, &decision);
	probe(context, command, bytes_of(&decision, rooms[0]));
}

/* ---- commands of every type ---- */

static struct slice user(void)
{
	static const char *const names[USERS] = {"kim", "lee", "park", "choi"};
	return slice_text(names[draw(USERS)]);
}

/* A number of something that some entry may have made, lately. */
static uint64_t made(const struct world *world)
{
	uint64_t back = draw(draw(4) ? 6 : 60) + 1;
	return world->next_seq > back ? world->next_seq - back : 0;
}

static struct command any_points(const struct world *world)
{
	uint64_t id = made(world);
	int64_t amount = 100 * (1 + draw(60));
	int64_t expires = draw(3) ? NONE_TIME : world->now + DAY * (1 + draw(3));
	switch (draw(7)) {
	case 0: return (struct command){COMMAND_POINTS_USE, .points_use = {user(), amount, SLICE_EMPTY}};
	case 1: return (struct command){COMMAND_POINTS_REFUND, .points_refund = {id, draw(2) ? NONE_I64 : amount}};
	case 2: return (struct command){COMMAND_POINTS_HOLD, .points_hold = {user(), amount, draw(2) ? NONE_U32 : 100}};
	case 3: return (struct command){COMMAND_POINTS_CAPTURE, .points_capture = {id, draw(2) ? NONE_I64 : amount}};
	case 4: return (struct command){COMMAND_POINTS_RELEASE, .points_release = {id}};
	case 5:
		return (struct command){COMMAND_POINTS_ADJUST, .points_adjust = {.user_id = user(),
										 .amount = draw(2) ? amount : -amount,
										 .reason = SLICE("x"),
										 .approver = SLICE("y"),
										 .source = (uint8_t)(1 + draw(2)),
										 .expires_at = expires}};
	default:
		return (struct command){COMMAND_POINTS_CHARGE,
					.points_charge = {user(), amount * 10, (uint8_t)(1 + draw(2)), expires}};
	}
}

static struct command any_seats(const struct world *world, uint32_t *seat_nos)
{
	static const char *const schedules[] = {"s0", "s1", "s2"};
	struct slice schedule = slice_text(schedules[draw(3)]);
	uint32_t count = 1 + draw(5);
	for (uint32_t i = 0; i < count; i++)
		seat_nos[i] = (i ? seat_nos[i - 1] : 0) + 1 + draw(8);
	uint64_t id = made(world);
	switch (draw(9)) {
	case 0: return (struct command){COMMAND_RESERVATION_CANCEL, .reservation_cancel = {id, SLICE_EMPTY}};
	case 1: return (struct command){COMMAND_PAYMENT_CANCEL, .payment_cancel = {id}};
	case 2:
	case 3:
	case 4: return (struct command){COMMAND_PAYMENT_CREATE, .payment_create = {id, user(), NONE_I64}};
	case 5:
		return (struct command){
			COMMAND_SCHEDULE_UPDATE,
			.schedule_update = {schedule, -(world->now / DAY + draw(12)) - 1, NONE_TIME, NONE_TIME}};
	case 6: return (struct command){COMMAND_QUEUE_ENTER, .queue_enter = {user(), SLICE("default")}};
	default:
		return (struct command){COMMAND_RESERVATION_CREATE,
					.reservation_create = {user(), schedule, {seat_nos, count}, SLICE_EMPTY}};
	}
}

static void test_no_policy_value_is_missing(void **state)
{
	struct world world;
	uint32_t seat_nos[8], accepted = 0;
	char names[3][3] = {"s0", "s1", "s2"};
	(void)state;
	world_init(&world);
	world.before_decision = before_decision;
	world_concert(&world, "c");
	for (unsigned i = 0; i < 3; i++)
		world_schedule(&world, names[i], "c", world.now + (2 + 5 * i) * DAY, NONE_TIME, NONE_TIME, 40, false);
	for (unsigned i = 0; i < COMMANDS; i++) {
		struct command command = draw(2) ? any_points(&world) : any_seats(&world, seat_nos);
		accepted += world_run(&world, &command) == WORLD_ACCEPTED;
		world.now += draw(50) ? SECOND * draw(20) : DAY / 8;
	}
	world_release(&world);
	assert_true(accepted > COMMANDS / 4);
	assert_true(probes > COMMANDS * 10);
	/* The probe would see it: most of the values have decided something. */
	unsigned seen = 0;
	for (uint16_t i = 0; i < policy_record.count; i++)
		seen += changed[i] > 0;
	if (seen < 15)
		fail_msg("only %u values of the policy have decided something", seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_policy_value_is_missing),
	};
	return cmocka_run_group_tests_name("facts", tests, NULL, NULL);
}
