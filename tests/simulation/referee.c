/*
 * The referee: which records of the log are history, by a rule that was written down once more, so that a fault of the
 * product's own cannot hide itself.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "projections/views/specs.h"
#include "schemas/wire/ensure.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/simulation.h"

void referee_open(struct simulation *simulation)
{
	struct referee *referee = &simulation->referee;
	struct error error;
	ENSURE(journal_open("memory:" SIMULATION_JOURNAL, NULL, &referee->journal, &error) == LL_OK);
	ENSURE(journal_reader_open(referee->journal, 0, &referee->reader, &error) == LL_OK);
	referee->next_offset = 0;
	referee->damaged = false;
	referee->past[0] = (struct past){0};
	referee->books = (struct books){.active_max = policy_first.queue_active_max};
	char directories[PROJECTIONS_COUNT][NAME_SIZE];
	name_directories(directories, "replay");
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		disk_wipe(directories[id]);
	referee->replay = ledger_on_disk(directories, 1 << 20, &error);
	ENSURE(referee->replay);
}

void referee_close(struct simulation *simulation)
{
	struct referee *referee = &simulation->referee;
	ledger_abandon(referee->replay);
	journal_reader_close(referee->reader);
	journal_close(referee->journal);
	arena_release(&referee->arena);
}

void referee_start_over(struct simulation *simulation)
{
	referee_close(simulation);
	clients_forget_history(simulation);
	referee_open(simulation);
	referee_read(simulation);
}

/* ---- the rule ---- */

enum judged { JUDGED_HISTORY, JUDGED_VOID, JUDGED_DAMAGE };

static enum judged judge(struct referee *referee, const struct past *past, struct slice value, struct block *block)
{
	enum ll_code code = block_read(value, block, NULL);
	if (referee->next_offset == 0) {
		ENSURE(code == LL_OK && block->kind == BLOCK_GENESIS);
		memcpy(referee->uuid, block->ledger.at, sizeof referee->uuid);
		return JUDGED_HISTORY;
	}
	if (code == LL_FOREIGN || (code == LL_OK && memcmp(block->ledger.at, referee->uuid, LEDGER_UUID_BYTES) != 0))
		return JUDGED_VOID;
	if (code != LL_OK || block->kind == BLOCK_GENESIS)
		return JUDGED_DAMAGE;
	if (block->kind == BLOCK_CLAIM)
		return block->epoch <= past->epoch       ? JUDGED_VOID
		       : block->epoch == past->epoch + 1 ? JUDGED_HISTORY
							 : JUDGED_DAMAGE;
	if (block->epoch < past->epoch || (block->epoch == past->epoch && block->first_seq < past->next_seq))
		return JUDGED_VOID;
	bool follows = block->epoch == past->epoch && block->first_seq == past->next_seq &&
		       slice_equal(block->chain, hash_slice(&past->chain));
	return follows ? JUDGED_HISTORY : JUDGED_DAMAGE;
}

static void read_entries(struct simulation *simulation, uint64_t offset, const struct block *block, int64_t time)
{
	struct referee *referee = &simulation->referee;
	struct cursor cursor = cursor_over(block->body, &referee->arena);
	for (uint32_t i = 0; i < block->count && !simulation->failed; i++) {
		arena_reset(&referee->arena);
		cursor.seq = block->first_seq + i;
		struct entry entry = {.seq = cursor.seq, .offset = offset, .index = i, .time = time};
		if (!entry_decode(&cursor, &entry)) {
			violated(simulation, PROPERTY_ONE_HISTORY, "entry %" PRIu64 " cannot be decoded", entry.seq);
			return;
		}
		simulation->tally->entries++;
		clients_entry(simulation, &entry);
		books_enter(simulation, &entry);
	}
}

static void fold_replay(struct simulation *simulation, uint64_t offset, struct slice value)
{
	struct error error;
	enum fold_verdict verdict;
	if (ledger_fold(simulation->referee.replay, offset, value, &verdict, NULL, NULL, &error) != LL_OK)
		violated(simulation, PROPERTY_REPLAY, "a replay from 0 stops: %s", error.text);
}

static void take_record(struct simulation *simulation, struct slice value)
{
	struct referee *referee = &simulation->referee;
	const struct past *past = &referee->past[referee->next_offset];
	ENSURE(referee->next_offset < PAST_MAX);
	struct past *next = &referee->past[referee->next_offset + 1];
	struct block block;
	*next = *past;
	enum judged judged = judge(referee, past, value, &block);
	if (judged == JUDGED_DAMAGE) {
		referee->damaged = true;
		if (!simulation->was_damaged)
			violated(simulation, PROPERTY_ONE_HISTORY,
				 "record %" PRIu64 " follows from nothing that was written before it",
				 referee->next_offset);
		return;
	}
	uint64_t offset = referee->next_offset++;
	fold_replay(simulation, offset, value);
	if (judged == JUDGED_VOID) {
		next->void_records++;
		simulation->tally->void_records++;
		note(simulation, -1, "record %" PRIu64 " is void", offset);
		return;
	}
	next->chain = offset ? hash_of_two(hash_slice(&past->chain), value) : hash_of(value);
	next->epoch = block.epoch;
	if (block.kind == BLOCK_CLAIM) {
		simulation->tally->claims++;
		note(simulation, -1, "record %" PRIu64 ": the claim of epoch %" PRIu64, offset, block.epoch);
	} else if (block.kind == BLOCK_ENTRIES) {
		simulation->tally->blocks++;
		next->next_seq += block.count;
		note(simulation, -1, "record %" PRIu64 ": entries %" PRIu64 " to %" PRIu64 " of epoch %" PRIu64, offset,
		     block.first_seq, next->next_seq - 1, block.epoch);
		read_entries(simulation, offset, &block, block.time);
	}
}

void referee_read(struct simulation *simulation)
{
	struct referee *referee = &simulation->referee;
	struct journal_record record;
	struct error error;
	while (!referee->damaged && !simulation->failed && journal_read(referee->reader, 0, &record, &error) == LL_OK)
		take_record(simulation, record.value);
}

void referee_compare(struct simulation *simulation, unsigned number)
{
	const struct referee *referee = &simulation->referee;
	const struct engine *engine = &simulation->engines[number];
	if (!engine->up || engine->is_of_another_past)
		return;
	const struct fold *fold = ledger_fold_state(engine->ledger);
	if (fold->next_offset > referee->next_offset) {
		violated(simulation, PROPERTY_PREFIX,
			 "engine %u has folded offset %" PRIu64 ", the history ends at %" PRIu64, number,
			 fold->next_offset - 1, referee->next_offset);
		return;
	}
	const struct past *past = &referee->past[fold->next_offset];
	if (fold->epoch != past->epoch)
		violated(simulation, PROPERTY_ONE_CLAIM,
			 "engine %u stands in epoch %" PRIu64 " before offset %" PRIu64 ", where it is %" PRIu64,
			 number, fold->epoch, fold->next_offset, past->epoch);
	else if (fold->next_seq != past->next_seq || !slice_equal(hash_slice(&fold->chain), hash_slice(&past->chain)) ||
		 fold->stale_blocks + fold->foreign_blocks != past->void_records)
		violated(simulation, PROPERTY_PREFIX,
			 "engine %u stands at entry %" PRIu64 " before offset %" PRIu64 ", the history at %" PRIu64
			 ", or has another chain",
			 number, fold->next_seq, fold->next_offset, past->next_seq);
}

/* ---- rows ---- */

static bool sum_row(void *context, struct slice key, struct slice value)
{
	uint64_t *sum = context;
	*sum = checksum_of(value, checksum_of(key, *sum));
	return true;
}

/* For the trace: a table whose rows differ, of one side. */
struct shown {
	struct simulation *simulation;
	int engine;
};

static bool show_row(void *context, struct slice key, struct slice value)
{
	enum { SHOWN_MAX = 120 };
	const struct shown *shown = context;
	char key_text[2 * SHOWN_MAX + 1], value_text[2 * SHOWN_MAX + 1];
	hex_text(key_text, key.at, key.size < SHOWN_MAX ? key.size : SHOWN_MAX);
	hex_text(value_text, value.at, value.size < SHOWN_MAX ? value.size : SHOWN_MAX);
	note(shown->simulation, shown->engine, "has the row %s = %s", key_text, value_text);
	return true;
}

static void compare_table(struct simulation *simulation, unsigned engine, enum projection_id id, unsigned table)
{
	struct store *stores[] = {ledger_store(simulation->engines[engine].ledger, id),
				  ledger_store(simulation->referee.replay, id)};
	uint64_t sums[2] = {0, 0};
	for (unsigned i = 0; i < 2; i++)
		store_scan(stores[i], table, SLICE_EMPTY, SLICE_EMPTY, false, false, sum_row, &sums[i]);
	if (sums[0] == sums[1])
		return;
	for (unsigned i = 0; i < 2 && simulation->trace; i++) {
		struct shown shown = {simulation, i ? -1 : (int)engine};
		store_scan(stores[i], table, SLICE_EMPTY, SLICE_EMPTY, false, false, show_row, &shown);
	}
	violated(simulation, PROPERTY_REPLAY, "table %s of engine %u is not that of a replay, before offset %" PRIu64,
		 projection_spec(id)->tables[table].name, engine,
		 ledger_fold_state(simulation->referee.replay)->next_offset);
}

void referee_compare_rows(struct simulation *simulation, unsigned number)
{
	const struct engine *engine = &simulation->engines[number];
	if (!engine->up || ledger_fold_state(engine->ledger)->next_offset != simulation->referee.next_offset)
		return;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		if (ledger_failure(engine->ledger, id))
			continue; /* its disk has failed */
		for (unsigned table = 0; table < projection_spec(id)->table_count; table++)
			compare_table(simulation, number, id, table);
	}
}
