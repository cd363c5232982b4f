/*
 * Writers on the memory journal, on one thread, with a simulated clock: what the event loop does for a writer, a step at a time.
 *
 * Everything that a host does "somewhere else" (opening and closing appenders, reading old blocks) is done some steps later.
 */
#ifndef LEDGERLINE_TESTS_WRITER_WORLD_H
#define LEDGERLINE_TESTS_WRITER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/bench/bench.h"
#include "engine/data/catch_up.h"
#include "engine/journal/memory.h"
#include "engine/writer/writer.h"
#include "projections/export/export.h"

enum { COMMANDS_MAX = 512, LOG_NAME_MAX = 40, SAID_MAX = 65536 };
#define WORLD_TIME INT64_C(1767225600000) /* 2026-01-01 */

struct ask {
	struct pending pending; /* first */
	char id[24], user[16];
	unsigned answers;
	enum answered kind;
	uint16_t code;
	uint64_t seq;
	uint8_t outcome;
};

struct node {
	struct writer_host host; /* first */
	struct world *world;
	char directory[64];
	struct journal *journal;
	struct journal_reader *reader;
	struct ledger *ledger;
	struct writer *writer;
	int64_t ahead_ms; /* its clock */
	bool wants_appender, wants_hit;
	uint64_t hit_offset;
	struct journal_appender *closing;
	char said[SAID_MAX];
	unsigned states_seen; /* bits by enum writer_state */
};

struct world {
	char name[LOG_NAME_MAX], url[LOG_NAME_MAX + 8];
	int64_t now_us;
	struct bench_draw draw;
	unsigned slow; /* steps that things done elsewhere may take; 0: done in the same step */
	struct writer_options options;
	struct node *nodes[2];
	struct ask asks[COMMANDS_MAX];
	unsigned ask_count;
};

static inline uint32_t draw(struct world *world, uint32_t below)
{
	return (uint32_t)(bench_random(&world->draw) >> 33) % below;
}

/* ---- the host ---- */

static inline struct node *node_of(struct writer_host *host)
{
	return (struct node *)host;
}

static inline int64_t node_now(struct writer_host *host)
{
	return WORLD_TIME + node_of(host)->world->now_us / 1000 + node_of(host)->ahead_ms;
}

static inline int64_t node_monotonic(struct writer_host *host)
{
	return node_of(host)->world->now_us;
}

static inline void node_random(struct writer_host *host, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)draw(node_of(host)->world, 256);
}

static inline void node_open_appender(struct writer_host *host)
{
	assert_false(node_of(host)->wants_appender);
	assert_null(node_of(host)->closing); /* an appender is opened only when the one before is closed */
	node_of(host)->wants_appender = true;
}

static inline void node_close_appender(struct writer_host *host, struct journal_appender *appender)
{
	assert_null(node_of(host)->closing);
	node_of(host)->closing = appender;
}

static inline void node_read_hit(struct writer_host *host, uint64_t offset)
{
	assert_false(node_of(host)->wants_hit);
	node_of(host)->wants_hit = true;
	node_of(host)->hit_offset = offset;
}

static inline void node_tell(struct writer_host *host, enum ll_code code, const char *sentence)
{
	struct node *node = node_of(host);
	size_t size = strlen(node->said);
	snprintf(node->said + size, sizeof node->said - size, "%s: %s\n", error_code_text(code), sentence);
}

static inline void node_state(struct writer_host *host, enum writer_state state)
{
	node_of(host)->states_seen |= 1u << state;
}

static inline bool soon(struct world *world)
{
	return !world->slow || draw(world, world->slow) == 0;
}

/* Opens and closes in that order of a helper thread's queue; an appender that is not closed keeps the handle busy. */
static inline void node_work(struct node *node)
{
	struct error error;
	if (node->closing && soon(node->world)) {
		struct journal_appender *appender = node->closing;
		node->closing = NULL;
		journal_appender_close(appender);
		writer_appender_closed(node->writer);
	}
	if (node->wants_appender && soon(node->world)) {
		struct journal_appender *appender = NULL;
		node->wants_appender = false;
		if (journal_appender_open(node->journal, &appender, &error) != LL_OK)
			appender = NULL;
		writer_appender_opened(node->writer, appender, &error);
	}
	if (node->wants_hit && soon(node->world)) {
		uint8_t *bytes = NULL;
		size_t size = 0;
		int64_t time_ms;
		node->wants_hit = false;
		bool fine = journal_read_at(node->journal, node->hit_offset, &bytes, &size, &time_ms, NULL) == LL_OK;
		writer_answer_hits(node->writer, fine ? slice_of(bytes, size) : SLICE_EMPTY);
		free(bytes);
	}
}

/* ---- nodes ---- */

static inline struct ledger *world_ledger(char directory[64])
{
	static char paths[PROJECTIONS_COUNT][96];
	struct ledger_options options = {.create = true, .clean_bytes_max = 1 << 20};
	struct ledger *ledger;
	struct error error;
	snprintf(directory, 64, "%s/ledgerline_writer.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(directory));
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		snprintf(paths[id], sizeof paths[id], "%s/%u", directory, id);
		options.directories[id] = paths[id];
	}
	if (ledger_open(&options, &ledger, NULL, &error) != LL_OK)
		fail_msg("%s", error.text);
	return ledger;
}

static inline struct node *node_new(struct world *world)
{
	struct node *node = calloc(1, sizeof *node);
	struct error error;
	const struct catch_up how = {.end = UINT64_MAX};
	node->host = (struct writer_host){node_now,           node_monotonic,      node_random,
					  node_open_appender, node_close_appender, node_read_hit,
					  node_tell,          node_state};
	node->world = world;
	node->ledger = world_ledger(node->directory);
	if (journal_open(world->url, &(struct journal_options){0}, &node->journal, &error) != LL_OK ||
	    catch_up(node->journal, node->ledger, &how, &node->reader, &error) != LL_OK)
		fail_msg("%s", error.text);
	node->writer = writer_new(node->ledger, node->reader, &node->host, &world->options);
	return node;
}

static inline void node_free(struct node *node)
{
	if (!node)
		return;
	struct journal_appender *appender = writer_appender(node->writer);
	writer_free(node->writer);
	journal_appender_close(appender);
	journal_appender_close(node->closing);
	ledger_abandon(node->ledger);
	journal_reader_close(node->reader);
	journal_close(node->journal);
	bench_remove_tree(node->directory);
	free(node);
}

/* ---- the world ---- */

static inline struct world *world_new(uint64_t seed)
{
	static unsigned count;
	struct world *world = calloc(1, sizeof *world);
	struct journal *journal;
	struct error error;
	snprintf(world->name, sizeof world->name, "writer-%u", count++);
	snprintf(world->url, sizeof world->url, "memory:%s", world->name);
	bench_draw_init(&world->draw, BENCH_UNIFORM, 1, seed);
	world->options = (struct writer_options){.append_timeout_ms = 60, .answer_timeout_ms = 400};
	if (journal_open(world->url, &(struct journal_options){.create = true}, &journal, &error) != LL_OK ||
	    write_genesis(journal, "test", WORLD_TIME, &error) != LL_OK)
		fail_msg("%s", error.text);
	journal_close(journal);
	memory_journal_set_manual(world->name, true);
	world->nodes[0] = node_new(world);
	return world;
}

static inline void world_free(struct world *world)
{
	node_free(world->nodes[0]);
	node_free(world->nodes[1]);
	memory_journal_forget_all();
	free(world);
}

static inline void world_step(struct world *world)
{
	memory_journal_tick(world->name, 1);
	world->now_us += 1000;
	for (unsigned i = 0; i < 2; i++)
		if (world->nodes[i]) {
			node_work(world->nodes[i]);
			writer_pump(world->nodes[i]->writer);
		}
}

static inline void world_steps(struct world *world, unsigned count)
{
	while (count--)
		world_step(world);
}

/* Steps until the node's writer is in that state; fails when that takes too long. */
static inline void world_until(struct world *world, struct node *node, enum writer_state state)
{
	for (unsigned i = 0; writer_state(node->writer) != state; i++) {
		if (i > 20000)
			fail_msg("it is %s, never %s:\n%s", writer_state_text(writer_state(node->writer)),
				 writer_state_text(state), node->said);
		world_step(world);
	}
}

static inline struct world *world_leading(uint64_t seed)
{
	struct world *world = world_new(seed);
	writer_lead(world->nodes[0]->writer);
	world_until(world, world->nodes[0], WRITER_LEADING);
	return world;
}

/* ---- commands ---- */

static inline void world_answered(struct pending *pending, const struct answer *answer)
{
	struct ask *ask = (struct ask *)pending;
	ask->answers++;
	ask->kind = answer->kind;
	ask->code = answer->code;
	if (answer->entry) {
		ask->seq = answer->entry->seq;
		ask->outcome = answer->entry->head.outcome;
		assert_true(slice_equal(answer->entry->head.command_id, slice_text(ask->id)));
	}
}

static inline struct ask *world_new_ask(struct world *world, const char *id)
{
	assert_true(world->ask_count < COMMANDS_MAX);
	struct ask *ask = &world->asks[world->ask_count++];
	*ask = (struct ask){.answers = 0};
	snprintf(ask->id, sizeof ask->id, "%s", id);
	ask->pending = (struct pending){.id = slice_text(ask->id),
					.actor_type = ACTOR_TYPE_SYSTEM,
					.actor_id = SLICE("test"),
					.answer = world_answered};
	return ask;
}

static inline void world_submit(struct node *node, struct ask *ask)
{
	enum code code;
	if (writer_submit(node->writer, &ask->pending, &code) != LL_OK) {
		ask->answers++;
		ask->kind = ANSWER_REJECTED;
		ask->code = (uint16_t)code;
	}
}

/* amount > 0: a charge; < 0: a use. */
static inline struct ask *world_ask(struct world *world, struct node *node, const char *id, const char *user,
				    int64_t amount)
{
	struct ask *ask = world_new_ask(world, id);
	snprintf(ask->user, sizeof ask->user, "%s", user);
	if (amount > 0) {
		ask->pending.command.type = COMMAND_POINTS_CHARGE;
		ask->pending.command.points_charge =
			(struct points_charge){slice_text(ask->user), amount, SOURCE_PAID, NONE_TIME};
	} else {
		ask->pending.command.type = COMMAND_POINTS_USE;
		ask->pending.command.points_use =
			(struct points_use){.user_id = slice_text(ask->user), .amount = -amount};
	}
	world_submit(node, ask);
	return ask;
}

static inline struct ask *world_refund(struct world *world, struct node *node, const char *id, uint64_t use_id)
{
	struct ask *ask = world_new_ask(world, id);
	ask->pending.command.type = COMMAND_POINTS_REFUND;
	ask->pending.command.points_refund = (struct points_refund){use_id, NONE_I64};
	world_submit(node, ask);
	return ask;
}

/* ---- what is true afterwards ---- */

struct fresh {
	struct world *world;
	unsigned times[COMMANDS_MAX]; /* entries with the ask's id */
	bool same[COMMANDS_MAX];      /* with its body too */
	uint64_t seqs[COMMANDS_MAX];
};

static inline void fresh_visit(void *context, const struct entry *entry)
{
	struct fresh *fresh = context;
	for (unsigned i = 0; i < fresh->world->ask_count; i++) {
		const struct ask *ask = &fresh->world->asks[i];
		if (!slice_equal(entry->head.command_id, slice_text(ask->id)))
			continue;
		fresh->times[i]++;
		fresh->seqs[i] = entry->seq;
		fresh->same[i] = slice_equal(entry->head.command_hash, short_hash_slice(&ask->pending.command_hash));
	}
}

static inline void digest_of(struct ledger *ledger, char text[DIGEST_TEXT_SIZE + 1])
{
	struct error error;
	if (digest_of_view(ledger_view(ledger), text, &error) != LL_OK)
		fail_msg("%s", error.text);
	ledger_view_reset(ledger);
}

/* Whether all askings of this id were told that it was not taken. */
static inline bool all_not_taken(const struct world *world, const char *id)
{
	for (unsigned i = 0; i < world->ask_count; i++) {
		const struct ask *ask = &world->asks[i];
		bool not_taken = ask->answers == 1 && ask->kind == ANSWER_REJECTED &&
				 ask->code != CODE_OUTCOME_UNKNOWN && ask->code != CODE_IDEMPOTENCY_KEY_REUSED;
		if (strcmp(ask->id, id) == 0 && !not_taken)
			return false;
	}
	return true;
}

static inline void judge_ask(const struct fresh *fresh, unsigned i)
{
	const struct ask *ask = &fresh->world->asks[i];
	if (ask->answers > 1)
		fail_msg("%s was answered %u times", ask->id, ask->answers);
	if (fresh->times[i] > 1)
		fail_msg("%s stands in the log %u times", ask->id, fresh->times[i]);
	if (ask->answers == 0)
		return;
	if ((ask->kind == ANSWER_DECIDED || ask->kind == ANSWER_HIT) &&
	    (fresh->times[i] != 1 || fresh->seqs[i] != ask->seq || !fresh->same[i]))
		fail_msg("%s was told that it is entry %llu, which the log does not have", ask->id,
			 (unsigned long long)ask->seq);
	if (ask->kind == ANSWER_REJECTED && ask->code == CODE_IDEMPOTENCY_KEY_REUSED &&
	    (fresh->times[i] != 1 || fresh->same[i]))
		fail_msg("%s was told that its key was reused, and it was not", ask->id);
	if (fresh->times[i] && all_not_taken(fresh->world, ask->id))
		fail_msg("%s was told that it was not taken (%s), and it was", ask->id, code_info(ask->code)->name);
}

/* Folds the whole log anew: each answer was true, nothing stands twice, and each node's state is what the log says. */
static inline void world_judge(struct world *world)
{
	char directory[64], wanted[DIGEST_TEXT_SIZE + 1], found[DIGEST_TEXT_SIZE + 1];
	struct fresh *fresh = calloc(1, sizeof *fresh);
	struct ledger *ledger = world_ledger(directory);
	struct journal *journal;
	struct error error;
	fresh->world = world;
	const struct catch_up how = {.end = UINT64_MAX, .visit = fresh_visit, .context = fresh};
	if (journal_open(world->url, &(struct journal_options){0}, &journal, &error) != LL_OK ||
	    catch_up(journal, ledger, &how, NULL, &error) != LL_OK)
		fail_msg("%s", error.text);
	for (unsigned i = 0; i < world->ask_count; i++)
		judge_ask(fresh, i);
	digest_of(ledger, wanted);
	for (unsigned i = 0; i < 2; i++)
		if (world->nodes[i] &&
		    ledger_fold_state(world->nodes[i]->ledger)->next_offset == ledger_fold_state(ledger)->next_offset) {
			digest_of(world->nodes[i]->ledger, found);
			assert_string_equal(found, wanted);
		}
	ledger_abandon(ledger);
	journal_close(journal);
	bench_remove_tree(directory);
	free(fresh);
}

#endif
