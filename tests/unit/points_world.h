/*
 * A small ledger for tests of points: decide, encode the entry, decode it, fold it into memory. No journal, no clock.
 */
#ifndef LEDGERLINE_TESTS_POINTS_WORLD_H
#define LEDGERLINE_TESTS_POINTS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/decide/due.h"
#include "engine/decide/rules.h"
#include "engine/read/read.h"
#include "engine/reply/reply.h"
#include "projections/projection.h"
#include "projections/views/layer.h"
#include "projections/views/rows.h"
#include "tests/support/policy_no_change.h"

enum { ENTRY_ROOM = 1 << 20 };

struct world {
	struct arena rows;  /* of the view: reset between commands */
	struct arena arena; /* of decisions and decoded entries: likewise */
	struct arena kept;  /* the journal, until the end */
	struct layer *layer;
	struct view *view;
	uint64_t seq;
	int64_t now;
	struct slice *journal; /* encoded entries; their times beside them */
	int64_t *times;
	uint8_t room[ENTRY_ROOM];
	/* of the last command */
	struct decision decision;
	struct entry entry;
	uint32_t entries_before; /* entries that expired something for it */
};

static inline struct slice text(const char *c)
{
	return slice_text(c);
}

static inline void world_genesis(struct view *view)
{
	struct genesis_body genesis = {text("test"), 1, text("1"), policy_first};
	assert_int_equal(projection_balances.begin(view, 1, &genesis, NULL), LL_OK);
}

static inline struct world *world_new(void)
{
	struct world *world = calloc(1, sizeof *world);
	world->layer = layer_new(NULL, &world->rows);
	world->view = layer_view(world->layer);
	world->now = 1767225600000; /* 2026-01-01 */
	world->journal = calloc(1 << 20, sizeof *world->journal);
	world->times = calloc(1 << 20, sizeof *world->times);
	world_genesis(world->view);
	return world;
}

static inline void world_free(struct world *world)
{
	layer_free(world->layer);
	arena_release(&world->rows);
	arena_release(&world->arena);
	arena_release(&world->kept);
	free(world->journal);
	free(world->times);
	free(world);
}

/* Decodes entry `seq` of the journal into world->entry. */
static inline void world_decode(struct world *world, uint64_t seq)
{
	struct cursor cursor = cursor_over(world->journal[seq], &world->arena);
	cursor.seq = seq;
	world->entry.seq = seq;
	world->entry.time = world->times[seq];
	bool well = entry_decode(&cursor, &world->entry);
	if (!well)
		fail_msg("entry %llu: %s", (unsigned long long)seq, cursor.failed);
	assert_ptr_equal(cursor.at, cursor.end);
}

/* Appends an entry of the decision, decodes it and folds it. */
static inline enum ll_code world_commit(struct world *world, const struct command *command, uint32_t policy_version,
					struct error *error)
{
	struct decision *decision = &world->decision;
	uint8_t fields[4096];
	struct short_hash hash;
	struct entry entry = {.seq = world->seq, .time = world->now};
	entry.head = (struct entry_head){
		.outcome = OUTCOME_SYSTEM, .actor_type = ACTOR_TYPE_SYSTEM, .policy = policy_version};
	if (command) {
		struct packer p = packer_over(fields, sizeof fields);
		command_encode(&p, command);
		hash = short_hash_of(slice_of(fields, (size_t)(p.at - fields)));
		entry.head.outcome = decision->outcome == DECIDED_REFUSED ? OUTCOME_REFUSED : OUTCOME_ACCEPTED;
		entry.head.command_id = text("some-key");
		entry.head.command_hash = short_hash_slice(&hash);
		entry.head.command = command->type;
	}
	struct packer p = packer_over(world->room, sizeof world->room);
	if (entry.head.outcome == OUTCOME_REFUSED) {
		entry.code = decision->code;
		entry.facts = decision->facts;
		entry_encode_refused(&p, &entry, command);
	} else {
		entry.events = decision->events;
		entry.event_count = decision->event_count;
		assert_true(entry.event_count > 0);
		entry_encode(&p, &entry);
	}
	assert_false(p.full);
	world->journal[world->seq] = arena_copy(&world->kept, slice_of(world->room, (size_t)(p.at - world->room)));
	world->times[world->seq] = world->now;
	world_decode(world, world->seq);
	enum ll_code code = projection_balances.apply(world->view, &world->entry, error);
	world->seq++;
	return code;
}

static inline struct decide_context world_context(struct world *world, struct policy *policy)
{
	struct decide_context context = {
		.view = world->view, .policy = policy, .seq = world->seq, .now = world->now, .arena = &world->arena};
	assert_true(read_policy(world->view, policy, &context.policy_version));
	return context;
}

/* What is due for the command first, then the command. Returns its code: 0 accepted. */
static inline int world_run(struct world *world, const struct command *command)
{
	struct policy policy;
	struct error error = {0};
	arena_reset(&world->rows);
	arena_reset(&world->arena);
	for (world->entries_before = 0;; world->entries_before++) {
		struct decide_context context = world_context(world, &policy);
		if (!due_for_command(&context, command, &world->decision))
			break;
		if (world_commit(world, NULL, context.policy_version, &error) != LL_OK)
			fail_msg("%s", error.text);
	}
	struct decide_context context = world_context(world, &policy);
	decide(&context, command, &world->decision);
	if (world->view->failure.code != LL_OK)
		fail_msg("%s", world->view->failure.text);
	if (world->decision.outcome == DECIDED_REJECTED)
		return world->decision.code;
	if (world_commit(world, command, context.policy_version, &error) != LL_OK)
		fail_msg("%s", error.text);
	return world->decision.outcome == DECIDED_REFUSED ? world->decision.code : 0;
}

/* Expires all that is due by now. Returns how many entries that took. */
static inline unsigned world_sweep(struct world *world)
{
	struct policy policy;
	struct error error = {0};
	unsigned entries = 0;
	for (;; entries++) {
		arena_reset(&world->rows);
		arena_reset(&world->arena);
		struct decide_context context = world_context(world, &policy);
		if (!due_next(&context, &world->decision))
			break;
		if (world_commit(world, NULL, context.policy_version, &error) != LL_OK)
			fail_msg("%s", error.text);
	}
	assert_int_equal(world->view->failure.code, LL_OK);
	return entries;
}

static inline struct command charge(const char *user, int64_t amount, uint8_t source, int64_t expires_at)
{
	return (struct command){COMMAND_POINTS_CHARGE, .points_charge = {text(user), amount, source, expires_at}};
}

static inline struct command use(const char *user, int64_t amount)
{
	return (struct command){COMMAND_POINTS_USE, .points_use = {text(user), amount, SLICE_EMPTY}};
}

static inline struct command refund(uint64_t use_id, int64_t amount)
{
	return (struct command){COMMAND_POINTS_REFUND, .points_refund = {use_id, amount}};
}

static inline struct command hold(const char *user, int64_t amount, uint32_t seconds)
{
	return (struct command){COMMAND_POINTS_HOLD, .points_hold = {text(user), amount, seconds}};
}

static inline struct command capture(uint64_t hold_id, int64_t amount)
{
	return (struct command){COMMAND_POINTS_CAPTURE, .points_capture = {hold_id, amount}};
}

static inline struct command release(uint64_t hold_id)
{
	return (struct command){COMMAND_POINTS_RELEASE, .points_release = {hold_id}};
}

static inline struct command adjust(const char *user, int64_t amount)
{
	return (struct command){COMMAND_POINTS_ADJUST, .points_adjust = {text(user), amount, text("why"), text("who"),
									 SOURCE_PAID, NONE_TIME, NONE_TIME}};
}

static inline struct command user_register(const char *user)
{
	return (struct command){COMMAND_USER_REGISTER, .user_register = {text(user)}};
}

/* A change of nothing yet. */
static inline struct command policy_set(void)
{
	struct command command = {.type = COMMAND_POLICY_SET};
	command.policy_set.change = policy_no_change();
	return command;
}

/* Runs it, and fails the test unless it ends with that code (0: accepted). Returns its entry's number. */
static inline uint64_t run(struct world *world, struct command command, int code)
{
	int found = world_run(world, &command);
	if (found != code)
		fail_msg("expected %s, found %s", code ? code_info((uint16_t)code)->name : "accepted",
			 found ? code_info((uint16_t)found)->name : "accepted");
	return world->seq - 1;
}

static inline struct accounts_row account(struct world *world, const char *user)
{
	struct accounts_row row = {0};
	if (!accounts_get(world->view, accounts_key(text(user)), &row))
		fail_msg("no account %s", user);
	return row;
}

static inline int64_t balance(struct world *world, const char *user)
{
	struct accounts_row row = account(world, user);
	return row.lots_total + row.held - row.debt;
}

#endif
