/* Waiting rooms: who comes, who is next, who may pass, and the credential that proves it. */
#include "tests/unit/fold_fixture.h"

#include "engine/decide/points.h"
#include "engine/decide/queue.h"
#include "engine/decide/rules.h"
#include "engine/decide/seats.h"
#include "engine/decide/token.h"
#include "engine/read/read.h"
#include "engine/reply/reply.h"
#include "projections/queue/line.h"
#include "projections/queue/rate.h"

struct room {
	struct ledger ledger;
	struct policy policy;
	struct decide_context context;
	struct decision decision;
	struct entry entry; /* of the last command that was accepted */
};

static void set_policy(struct room *room)
{
	struct policies_row row = {.since = room->ledger.view->time, .changed_by = NONE_U64, .policy = room->policy};
	policies_put(room->ledger.view, policies_key(1), &row);
}

static void room_init(struct room *room, uint32_t active_max)
{
	memset(room, 0, sizeof *room);
	ledger_init(&room->ledger);
	room->policy = policy_first;
	room->policy.queue_active_max = active_max;
	room->context = (struct decide_context){.view = room->ledger.view,
						.policy = &room->policy,
						.policy_version = 1,
						.now = room->ledger.view->time,
						.arena = &room->ledger.arena};
	set_policy(room);
}

static void room_release(struct room *room)
{
	ledger_release(&room->ledger);
}

static void wait_ms(struct room *room, int64_t ms)
{
	room->context.now += ms;
	room->ledger.view->time = room->context.now;
}

/* Folds what was decided. */
static void apply(struct room *room, uint8_t outcome)
{
	struct decision *decision = &room->decision;
	assert_int_equal(decision->outcome, DECIDED_ACCEPTED);
	room->entry = (struct entry){
		.head = {.outcome = outcome, .command_id = SLICE("cmd"), .policy = 1},
		.seq = room->context.seq++,
		.time = room->context.now,
		.events = decision->events,
		.event_count = decision->event_count,
	};
	room->ledger.view->next_seq = room->context.seq;
	assert_int_equal(projection_queue.apply(room->ledger.view, &room->entry, &room->ledger.error), LL_OK);
}

static void clear(struct room *room)
{
	memset(&room->decision, 0, sizeof room->decision);
}

/* Expires what the command touches and is due, as a writer does; returns how many entries that took. */
static unsigned bring_up_to_date(struct room *room, const struct command *command)
{
	unsigned entries = 0;
	clear(room);
	while (due_queue_for_command(&room->context, command, &room->decision)) {
		apply(room, OUTCOME_SYSTEM);
		clear(room);
		entries++;
	}
	return entries;
}

static enum decided enter(struct room *room, const char *user, const char *queue)
{
	struct command command = {.type = COMMAND_QUEUE_ENTER,
				  .queue_enter = {.user_id = slice_text(user), .queue_id = slice_text(queue)}};
	bring_up_to_date(room, &command);
	decide_queue_enter(&room->context, &command.queue_enter, &room->decision);
	if (room->decision.outcome == DECIDED_ACCEPTED) {
		apply(room, OUTCOME_ACCEPTED);
		room->entry.head.command = COMMAND_QUEUE_ENTER;
	}
	return room->decision.outcome;
}

static enum decided leave(struct room *room, const char *token)
{
	struct command command = {.type = COMMAND_QUEUE_LEAVE, .queue_leave = {.queue_token = slice_text(token)}};
	bring_up_to_date(room, &command);
	decide_queue_leave(&room->context, &command.queue_leave, &room->decision);
	if (room->decision.outcome == DECIDED_ACCEPTED)
		apply(room, OUTCOME_ACCEPTED);
	return room->decision.outcome;
}

/* Everything that is due by now; returns how many entries that took. */
static unsigned sweep(struct room *room)
{
	unsigned entries = 0;
	for (;;) {
		int64_t when = due_queue_when(room->ledger.view, room->context.now);
		clear(room);
		if (when == 0 || when > room->context.now)
			return entries;
		assert_true(due_queue_next(&room->context, &room->decision));
		apply(room, OUTCOME_SYSTEM);
		entries++;
	}
}

static uint8_t status_of(struct room *room, uint64_t token_id)
{
	struct tokens_row row;
	assert_true(tokens_get(room->ledger.view, tokens_key(token_id), &row));
	return row.status;
}

static struct queues_row counts(struct room *room, const char *queue)
{
	struct queues_row row = {0};
	assert_true(queues_get(room->ledger.view, queues_key(slice_text(queue)), &row));
	return row;
}

static const char *reply(struct room *room, int *status)
{
	assert_true(reply_queue(&room->entry, ledger_ask(&room->ledger), status));
	return ledger_answer(&room->ledger);
}

/* Who comes first is active at once; the one who comes when the places are taken waits in line. */
static void places_go_to_who_comes_first(void **state)
{
	(void)state;
	struct room room;
	int status = 0;
	room_init(&room, 1);
	assert_int_equal(enter(&room, "ann", "default"), DECIDED_ACCEPTED);
	assert_string_equal(reply(&room, &status), "{\"token\":\"tok-0\",\"userId\":\"ann\",\"queuePosition\":0,"
						   "\"estimatedWaitTime\":0,\"status\":\"ACTIVE\","
						   "\"expiresAt\":\"2026-03-01T09:10:00.000Z\"}");
	assert_int_equal(status, 201);
	wait_ms(&room, 1000);
	assert_int_equal(enter(&room, "bob", "default"), DECIDED_ACCEPTED);
	assert_string_equal(reply(&room, &status), "{\"token\":\"tok-1\",\"userId\":\"bob\",\"queuePosition\":1,"
						   "\"estimatedWaitTime\":600,\"status\":\"WAITING\","
						   "\"expiresAt\":\"2026-03-01T09:10:01.000Z\"}");
	enter(&room, "cid", "default");
	assert_non_null(strstr(reply(&room, &status), "\"queuePosition\":2,\"estimatedWaitTime\":1200"));
	assert_int_equal(counts(&room, "default").active, 1);
	assert_int_equal(counts(&room, "default").waiting, 2);
	/* Another room has places of its own. */
	enter(&room, "bob", "other");
	assert_int_equal(status_of(&room, 3), TOKEN_STATUS_ACTIVE);
	room_release(&room);
}

/* Of 60 who come 50 are active and 10 wait, at places 1 to 10. */
static void sixty_come_and_ten_wait(void **state)
{
	(void)state;
	struct room room;
	room_init(&room, 50);
	for (int i = 0; i < 60; i++) {
		char user[16];
		snprintf(user, sizeof user, "u%d", i);
		assert_int_equal(enter(&room, user, "default"), DECIDED_ACCEPTED);
	}
	assert_int_equal(counts(&room, "default").active, 50);
	assert_int_equal(counts(&room, "default").waiting, 10);
	for (uint64_t i = 50; i < 60; i++) {
		char place[32];
		snprintf(place, sizeof place, "\"queuePosition\":%d,", (int)i - 49);
		assert_int_equal(read_queue_status(room.ledger.view, i, ledger_ask(&room.ledger)), 0);
		assert_non_null(strstr(ledger_answer(&room.ledger), place));
	}
	room_release(&room);
}

/* Asking again while a token lives is a read, and answers with the same token. */
static void asking_again_is_a_read(void **state)
{
	(void)state;
	struct room room;
	room_init(&room, 1);
	enter(&room, "ann", "default");
	enter(&room, "bob", "default");
	assert_int_equal(enter(&room, "bob", "default"), DECIDED_READ);
	assert_int_equal(read_queue_enter(room.ledger.view, SLICE("default"), SLICE("bob"), ledger_ask(&room.ledger)),
			 0);
	assert_non_null(
		strstr(ledger_answer(&room.ledger), "{\"token\":\"tok-1\",\"userId\":\"bob\",\"queuePosition\":1,"));
	room_release(&room);
}

/* Who leaves makes room for the next in line; who has left needs a new token; leaving twice is a read. */
static void leaving_makes_room(void **state)
{
	(void)state;
	struct room room;
	room_init(&room, 1);
	enter(&room, "ann", "default");
	enter(&room, "bob", "default");
	enter(&room, "cid", "default");
	assert_int_equal(leave(&room, "tok-1"), DECIDED_ACCEPTED);
	assert_int_equal(read_queue_status(room.ledger.view, 2, ledger_ask(&room.ledger)), 0);
	assert_non_null(strstr(ledger_answer(&room.ledger), "\"queuePosition\":1,"));
	assert_int_equal(leave(&room, "tok-0"), DECIDED_ACCEPTED);
	assert_int_equal(leave(&room, "tok-0"), DECIDED_READ);
	assert_int_equal(due_queue_when(room.ledger.view, room.context.now), room.context.now);
	assert_int_equal(sweep(&room), 1);
	assert_int_equal(status_of(&room, 2), TOKEN_STATUS_ACTIVE);
	assert_int_equal(enter(&room, "ann", "default"), DECIDED_ACCEPTED);
	assert_int_equal(leave(&room, "tok-999"), DECIDED_REJECTED);
	assert_int_equal(room.decision.code, CODE_TOKEN_INVALID);
	room_release(&room);
}

/* A token ends when its time is over: a waiting one, and an active one counted from its activation. Places then go on. */
static void time_ends_tokens(void **state)
{
	(void)state;
	struct room room;
	room_init(&room, 1);
	room.policy.queue_wait_seconds = 1000;
	enter(&room, "ann", "default");
	wait_ms(&room, 1000);
	enter(&room, "bob", "default");
	assert_int_equal(due_queue_when(room.ledger.view, room.context.now), room.context.now + 599000);
	wait_ms(&room, 598999);
	assert_int_equal(sweep(&room), 0);
	wait_ms(&room, 1);
	assert_int_equal(sweep(&room), 2);
	assert_int_equal(status_of(&room, 0), TOKEN_STATUS_EXPIRED);
	assert_int_equal(status_of(&room, 1), TOKEN_STATUS_ACTIVE);
	wait_ms(&room, 600000);
	assert_int_equal(sweep(&room), 1);
	assert_int_equal(read_queue_status(room.ledger.view, 1, ledger_ask(&room.ledger)), 0);
	assert_string_equal(ledger_answer(&room.ledger),
			    "{\"userId\":\"bob\",\"queuePosition\":0,\"estimatedWaitTime\":0,"
			    "\"status\":\"EXPIRED\",\"activeUntil\":null}");
	assert_int_equal(due_queue_when(room.ledger.view, room.context.now), 0);
	room_release(&room);
}

/* What a command touches is brought up to date before it, and nothing else: an old token does not answer a new entry. */
static void a_command_ends_its_own_token_first(void **state)
{
	(void)state;
	struct room room;
	room_init(&room, 2);
	enter(&room, "ann", "default");
	enter(&room, "bob", "default");
	wait_ms(&room, 600000);
	assert_int_equal(enter(&room, "ann", "default"), DECIDED_ACCEPTED);
	assert_int_equal(status_of(&room, 0), TOKEN_STATUS_EXPIRED);
	assert_int_equal(status_of(&room, 1), TOKEN_STATUS_ACTIVE);
	assert_int_equal(leave(&room, "tok-1"), DECIDED_READ);
	assert_int_equal(status_of(&room, 1), TOKEN_STATUS_EXPIRED);
	room_release(&room);
}

/* Free places are filled in steps, each an entry of bounded size, in the order of coming. */
static void free_places_are_filled_in_order(void **state)
{
	(void)state;
	struct room room;
	room_init(&room, 1);
	for (int i = 0; i < 20; i++) {
		char user[16];
		snprintf(user, sizeof user, "u%d", i);
		enter(&room, user, "default");
	}
	room.policy.queue_active_max = 15;
	set_policy(&room);
	assert_int_equal(sweep(&room), (14 + EVENTS_MAX - 1) / EVENTS_MAX);
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(status_of(&room, i), i < 15 ? TOKEN_STATUS_ACTIVE : TOKEN_STATUS_WAITING);
	room_release(&room);
}

/* The door opens for the user's own active token of the schedule's room, and for no other. */
static void the_gate_knows_its_own(void **state)
{
	(void)state;
	struct room room;
	room_init(&room, 1);
	enter(&room, "ann", "vip");     /* tok-0, active */
	enter(&room, "bob", "vip");     /* tok-1, waits */
	enter(&room, "ann", "default"); /* tok-2, active */
	static const struct {
		const char *user, *token, *queue;
		uint16_t code;
	} cases[] = {
		{"ann", "tok-0", "vip", 0},
		{"ann", "tok-2", "", 0},
		{"bob", "tok-1", "vip", CODE_QUEUE_NOT_ACTIVE},
		{"bob", "tok-0", "vip", CODE_QUEUE_NOT_ACTIVE},
		{"ann", "tok-0", "", CODE_QUEUE_NOT_ACTIVE},
		{"ann", "tok-7", "vip", CODE_TOKEN_INVALID},
		{"ann", "tok-00", "vip", CODE_TOKEN_INVALID},
		{"ann", "payment-0", "vip", CODE_TOKEN_INVALID},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reservation_create command = {.user_id = slice_text(cases[i].user),
						     .queue_token = slice_text(cases[i].token)};
		struct schedules_row schedule = {.queue_id = slice_text(cases[i].queue)};
		clear(&room);
		assert_int_equal(queue_gate(&room.context, &command, &schedule, &room.decision), cases[i].code == 0);
		assert_int_equal(room.decision.code, cases[i].code);
	}
	room_release(&room);
}

/* The command of an accepted entry is made again from its events. */
static void commands_are_made_again(void **state)
{
	(void)state;
	struct room room;
	room_init(&room, 1);
	enter(&room, "ann", "vip");
	struct command command = {.type = COMMAND_QUEUE_ENTER};
	assert_true(command_of_queue(&room.entry, &room.ledger.arena, &command));
	assert_true(slice_equal(command.queue_enter.user_id, SLICE("ann")));
	assert_true(slice_equal(command.queue_enter.queue_id, SLICE("vip")));
	leave(&room, "tok-0");
	command = (struct command){.type = COMMAND_QUEUE_LEAVE};
	assert_true(command_of_queue(&room.entry, &room.ledger.arena, &command));
	assert_true(slice_equal(command.queue_leave.queue_token, SLICE("tok-0")));
	room_release(&room);
}

/* A credential is taken only whole, unchanged, and under the secret that made it; it is an id of the API's alphabet. */
static void credentials_cannot_be_made_up(void **state)
{
	(void)state;
	struct token_secret secret = {{1, 2, 3}}, other = {{1, 2, 4}};
	char text[TOKEN_TEXT_MAX];
	uint64_t id = 0;
	size_t size = token_write(&secret, 1842, text);
	assert_true(token_check(&secret, slice_of(text, size), &id));
	assert_int_equal(id, 1842);
	assert_int_equal(strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-") >= size, 1);
	assert_false(token_check(&other, slice_of(text, size), &id));
	for (size_t i = 0; i < size; i++) {
		char changed[TOKEN_TEXT_MAX];
		memcpy(changed, text, size);
		changed[i] ^= 1;
		assert_false(token_check(&secret, slice_of(changed, size), &id));
		assert_false(token_check(&secret, slice_of(text, i), &id));
	}
	assert_false(token_check(&secret, SLICE("tok-1842"), &id));
	assert_false(token_check(&secret, SLICE_EMPTY, &id));
}

/* Signing puts the digits behind the id, whatever follows it, and leaves bodies without a token alone. */
static void bodies_are_signed(void **state)
{
	(void)state;
	struct token_secret secret = {{9}};
	static const char *const bodies[] = {"{\"token\":\"tok-12\",\"userId\":\"ann\"}",
					     "{\n  \"token\": \"tok-12\",\n  \"userId\": \"ann\"\n}"};
	char text[TOKEN_TEXT_MAX];
	size_t size = token_write(&secret, 12, text);
	for (size_t i = 0; i < 2; i++) {
		struct buffer body = {0};
		buffer_append_text(&body, "[1,");
		buffer_append_text(&body, bodies[i]);
		token_sign_body(&secret, &body, 3);
		const char *at = strstr(buffer_text(&body), "tok-12");
		assert_non_null(at);
		assert_memory_equal(at, text, size);
		assert_string_equal(at + size, strstr(bodies[i], "tok-12") + 6);
		buffer_release(&body);
	}
	struct buffer body = {0};
	buffer_append_text(&body, "{\"useId\":\"use-1\",\"token\":\"x\"}");
	token_sign_body(&secret, &body, 0);
	assert_string_equal(buffer_text(&body), "{\"useId\":\"use-1\",\"token\":\"x\"}");
	buffer_release(&body);
}

/* A line tells places and who is next as a list would, whoever comes and goes, and with numbers of any size. */
static void a_line_is_a_list(void **state)
{
	(void)state;
	enum { PEOPLE = 600, STEPS = 6000 };
	struct room room;
	bool waits[PEOPLE] = {false};
	uint64_t ids[PEOPLE], random = 5, token_id;
	room_init(&room, 1);
	struct view *view = room.ledger.view;
	for (unsigned i = 0; i < PEOPLE; i++)
		ids[i] = i < 200 ? i : i < 400 ? 1000000 + i * 977 : ((UINT64_C(1) << 53) - PEOPLE + i);
	for (unsigned step = 0; step < STEPS; step++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		unsigned who = (unsigned)(random >> 33) % PEOPLE, before = 0;
		assert_true(waits[who] ? line_leave(view, SLICE("a"), ids[who])
				       : line_join(view, SLICE("a"), ids[who]));
		waits[who] = !waits[who];
		if (step % 50)
			continue;
		for (unsigned i = 0; i < PEOPLE; i++) {
			if (!waits[i])
				continue;
			assert_int_equal(line_before(view, SLICE("a"), ids[i]), before);
			assert_true(line_at(view, SLICE("a"), before++, &token_id));
			assert_int_equal(token_id, ids[i]);
		}
		assert_false(line_at(view, SLICE("a"), before, &token_id));
		arena_reset(view->arena);
	}
	for (unsigned i = 0; i < PEOPLE; i++)
		assert_true(!waits[i] || line_leave(view, SLICE("a"), ids[i]));
	assert_false(line_leave(view, SLICE("a"), ids[0]));
	assert_true(line_join(view, SLICE("a"), ids[0]));
	assert_false(line_join(view, SLICE("a"), ids[0]));
	assert_false(line_at(view, SLICE("b"), 0, &token_id));
	room_release(&room);
}

/* The rate is that of the last minute; of the first one, that of its time so far; and nothing after two quiet ones. */
static void the_rate_is_measured(void **state)
{
	(void)state;
	struct queues_row row = {.rate_before = NONE_U32};
	assert_int_equal(rate_seconds(row, 10, 1000000), UINT64_MAX);
	for (int64_t now = 1000000; now < 1030000; now += 500) /* two a second */
		rate_count(&row, now);
	assert_int_equal(rate_seconds(row, 10, 1030000), 5);
	assert_int_equal(rate_seconds(row, 11, 1030000), 6);
	for (int64_t now = 1030000; now < 1060000; now += 500)
		rate_count(&row, now);
	for (int64_t now = 1060000; now < 1090000;
	     now += 250) /* four a second: half of the minute is of the one before */
		rate_count(&row, now);
	assert_int_equal(rate_seconds(row, 30, 1090000), 10);
	assert_int_equal(rate_seconds(row, 120, 1120000), 60); /* nobody for 30 s: 120 in the minute from 1060000 on */
	assert_int_equal(rate_seconds(row, 60, 1150000), 60);  /* a minute on, half of them still count */
	assert_int_equal(rate_seconds(row, 60, 1180000), UINT64_MAX);
}

/* Who waits is told the time by the measured rate, and at most the time that the policy's numbers give. */
static void the_wait_is_estimated(void **state)
{
	(void)state;
	struct room room;
	room_init(&room, 1);
	room.policy.queue_wait_seconds = 100000;
	set_policy(&room);
	for (int i = 0; i < 100; i++) {
		char user[16];
		snprintf(user, sizeof user, "u%d", i);
		enter(&room, user, "default");
	}
	assert_int_equal(read_queue_status(room.ledger.view, 10, ledger_ask(&room.ledger)), 0);
	assert_non_null(strstr(ledger_answer(&room.ledger), "\"queuePosition\":10,\"estimatedWaitTime\":6000,"));
	for (int i = 0; i < 50; i++) { /* each buys after two seconds, and the next one gets the place */
		char token[16];
		wait_ms(&room, 2000);
		snprintf(token, sizeof token, "tok-%d", i);
		assert_int_equal(leave(&room, token), DECIDED_ACCEPTED);
		assert_int_equal(sweep(&room), 1);
	}
	assert_int_equal(read_queue_status(room.ledger.view, 60, ledger_ask(&room.ledger)), 0);
	assert_non_null(strstr(ledger_answer(&room.ledger), "\"queuePosition\":10,\"estimatedWaitTime\":20,"));
	room_release(&room);
}

/* Who comes into a room with free places does not count: the line did not move. */
static void an_empty_room_measures_nothing(void **state)
{
	(void)state;
	struct room room;
	int status = 0;
	room_init(&room, 3);
	enter(&room, "ann", "default");
	enter(&room, "bob", "default");
	enter(&room, "cid", "default");
	enter(&room, "dan", "default");
	assert_non_null(strstr(reply(&room, &status), "\"queuePosition\":1,\"estimatedWaitTime\":200"));
	room_release(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_a_list),
		cmocka_unit_test(the_rate_is_measured),
		cmocka_unit_test(the_wait_is_estimated),
		cmocka_unit_test(an_empty_room_measures_nothing),
		cmocka_unit_test(places_go_to_who_comes_first),
		cmocka_unit_test(sixty_come_and_ten_wait),
		cmocka_unit_test(asking_again_is_a_read),
		cmocka_unit_test(leaving_makes_room),
		cmocka_unit_test(time_ends_tokens),
		cmocka_unit_test(a_command_ends_its_own_token_first),
		cmocka_unit_test(free_places_are_filled_in_order),
		cmocka_unit_test(the_gate_knows_its_own),
		cmocka_unit_test(commands_are_made_again),
		cmocka_unit_test(credentials_cannot_be_made_up),
		cmocka_unit_test(bodies_are_signed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
