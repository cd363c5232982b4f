/* A journal that a newer version wrote in: the fold stops where it no longer understands, and says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "projections/ledger/ledger.h"
#include "tests/unit/scratch.h"

static const uint8_t uuid[LEDGER_UUID_BYTES] = "ledger-of-tests";
static uint8_t room[BLOCK_BYTES_MAX];

static struct ledger *open_ledger(void)
{
	static char paths[PROJECTIONS_COUNT][96];
	struct ledger_options options = {.create = true, .clean_bytes_max = 1 << 20};
	struct ledger *ledger;
	struct error error;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		snprintf(paths[id], sizeof paths[id], "%s/%u", scratch, id);
		options.directories[id] = paths[id];
	}
	if (ledger_open(&options, &ledger, NULL, &error) != LL_OK)
		fail_msg("%s", error.text);
	return ledger;
}

static enum ll_code fold(struct ledger *ledger, struct slice value, struct error *error)
{
	enum fold_verdict verdict;
	return ledger_fold(ledger, ledger_fold_state(ledger)->next_offset, value, &verdict, NULL, NULL, error);
}

static struct slice genesis(void)
{
	struct genesis_body body = {SLICE("tests"), 1, SLICE("0.1.0"), policy_first};
	return block_write_genesis(room, slice_of(uuid, sizeof uuid), 1000, &body);
}

static struct slice claim(void)
{
	struct claim_body body = {SLICE("0123456789abcdef"), SLICE_EMPTY, SLICE("0.1.0"), BLOCK_FORMAT};
	return block_write_claim(room, slice_of(uuid, sizeof uuid), 1000, 1, 0, &body);
}

/* One entry with one tick of that version: its number and version stand last. */
static struct slice tick(const struct fold *state, uint8_t version)
{
	struct packer p = packer_over(room + ENVELOPE_SIZE, sizeof room - ENVELOPE_SIZE);
	struct event event = {.type = EVENT_TICK};
	struct entry entry = {.head = {.outcome = OUTCOME_SYSTEM, .actor_type = ACTOR_TYPE_SYSTEM},
			      .events = &event,
			      .event_count = 1};
	entry_encode(&p, &entry);
	assert_int_equal(p.at[-1], 1);
	p.at[-1] = version;
	struct block block = {.kind = BLOCK_ENTRIES,
			      .ledger = slice_of(uuid, sizeof uuid),
			      .count = 1,
			      .epoch = 1,
			      .first_seq = state->next_seq,
			      .time = 1000,
			      .chain = hash_slice(&state->chain)};
	block.body.size = (size_t)(p.at - room) - ENVELOPE_SIZE;
	return block_write(room, &block);
}

/* An event of a newer version stops every projection at its block: poison, with the offset and the reason. */
static void test_newer_event(void **state)
{
	struct ledger *ledger = open_ledger();
	struct error error;
	(void)state;
	assert_int_equal(fold(ledger, genesis(), &error), LL_OK);
	assert_int_equal(fold(ledger, claim(), &error), LL_OK);
	assert_int_equal(fold(ledger, tick(ledger_fold_state(ledger), 1), &error), LL_OK);
	assert_int_equal(fold(ledger, tick(ledger_fold_state(ledger), 9), &error), LL_POISON);
	assert_non_null(strstr(error.text,
			       "stopped at journal offset 3: position 0:1: event version: made by a newer version"));
	assert_int_equal(fold(ledger, tick(ledger_fold_state(ledger), 1), &error), LL_POISON);
	ledger_abandon(ledger);
}

/* A claim of a newer format is not folded at all: no older program writes behind it. */
static void test_newer_format(void **state)
{
	struct ledger *ledger = open_ledger();
	struct error error;
	(void)state;
	assert_int_equal(fold(ledger, genesis(), &error), LL_OK);
	struct slice value = claim();
	store_u16(room + ENVELOPE_FORMAT, BLOCK_FORMAT + 1);
	uint64_t seed = checksum_of(slice_of(room, ENVELOPE_CHECK), 0);
	store_u64(room + ENVELOPE_CHECK, checksum_of(slice_of(room + ENVELOPE_SIZE, value.size - ENVELOPE_SIZE), seed));
	assert_int_equal(fold(ledger, value, &error), LL_NEWER);
	assert_non_null(strstr(error.text, "offset 1: the block was made by a newer version"));
	assert_int_equal(ledger_fold_state(ledger)->epoch, 0);
	ledger_abandon(ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_newer_event, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_newer_format, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
