/* Reading ahead of the fold: with a thread and without, the same records come out with the same judgement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/data/catch_up.h"
#include "engine/data/read_ahead.h"
#include "engine/journal/memory.h"

enum { CLAIMS = 100, STRANGE_AT = 50, HIGH = CLAIMS + 2 };

struct world {
	struct journal *journal;
	struct journal_reader *reader;
};

static void append(struct journal_appender *appender, struct slice value)
{
	struct journal_report report;
	struct error error;
	assert_int_equal(journal_append(appender, value, 1, NULL, 0, &error), LL_OK);
	assert_int_equal(journal_report(appender, 1000, &report), LL_OK);
	assert_int_equal(report.code, LL_OK);
}

static struct slice claim(uint8_t *room, const uint8_t *ledger, uint64_t epoch)
{
	struct claim_body body = {SLICE("0123456789abcdef"), SLICE("http://127.0.0.1:8080"), SLICE("0.1.0"), 1};
	return block_write_claim(room, slice_of(ledger, LEDGER_UUID_BYTES), 1, epoch, 0, &body);
}

/* A genesis, claims of a hundred epochs, and in their midst a record that is not ours. */
static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	struct journal_options options = {.create = true};
	struct journal_appender *appender;
	struct error error;
	uint8_t room[4096], ledger[LEDGER_UUID_BYTES] = {0};
	struct journal_record genesis;
	assert_int_equal(journal_open("memory:read-ahead", &options, &world->journal, &error), LL_OK);
	assert_int_equal(write_genesis(world->journal, "tests", 1, &error), LL_OK);
	assert_int_equal(journal_reader_open(world->journal, 0, &world->reader, &error), LL_OK);
	assert_int_equal(journal_read(world->reader, 0, &genesis, &error), LL_OK);
	struct block block;
	assert_int_equal(block_read(genesis.value, &block, &error), LL_OK);
	memcpy(ledger, block.ledger.at, sizeof ledger);
	journal_reader_close(world->reader);
	assert_int_equal(journal_appender_open(world->journal, &appender, &error), LL_OK);
	for (unsigned epoch = 1; epoch <= CLAIMS; epoch++) {
		if (epoch == STRANGE_AT)
			append(appender, SLICE("typed by hand"));
		append(appender, claim(room, ledger, epoch));
	}
	journal_appender_close(appender);
	assert_int_equal(journal_reader_open(world->journal, 0, &world->reader, &error), LL_OK);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;
	journal_reader_close(world->reader);
	journal_close(world->journal);
	memory_journal_forget_all();
	free(world);
	return 0;
}

static enum ll_code next(struct read_ahead *ahead, struct read_record **record, struct error *error)
{
	enum ll_code code;
	do {
		code = read_ahead_next(ahead, record, error);
	} while (code == LL_TIMEOUT);
	return code;
}

static void expect_all(struct world *world, uint64_t end, bool with_thread)
{
	struct fold fold = {0};
	struct error error;
	struct read_record *record;
	struct read_ahead *ahead = read_ahead_open(world->reader, &fold, end, with_thread);
	uint64_t count = end < HIGH ? end : HIGH;
	for (uint64_t offset = 0; offset < count; offset++) {
		assert_int_equal(next(ahead, &record, &error), LL_OK);
		assert_int_equal(record->offset, offset);
		assert_int_equal(record->after.next_offset, offset + 1);
		assert_int_equal(record->verdict, offset == 0            ? FOLD_GENESIS
						  : offset == STRANGE_AT ? FOLD_FOREIGN
									 : FOLD_CLAIM);
		if (record->verdict == FOLD_CLAIM)
			assert_int_equal(record->block.epoch, record->after.epoch);
	}
	/* The end is told as often as one asks. */
	assert_int_equal(next(ahead, &record, &error), LL_END);
	assert_int_equal(next(ahead, &record, &error), LL_END);
	read_ahead_close(ahead);
}

/* To the journal's end, by the caller and by the thread. */
static void test_all(void **state)
{
	expect_all(*state, UINT64_MAX, false);
}

static void test_all_with_a_thread(void **state)
{
	expect_all(*state, UINT64_MAX, true);
}

/* Nothing at or beyond `end` is read, so the reader stands there. */
static void test_an_end(void **state)
{
	struct world *world = *state;
	struct journal_record record;
	struct error error;
	expect_all(world, 70, true);
	assert_int_equal(journal_read(world->reader, 0, &record, &error), LL_OK);
	assert_int_equal(record.offset, 70);
}

/* What the fold rule says against a record comes out in its place, behind the sound ones. */
static void damaged(struct world *world, bool with_thread)
{
	struct fold fold = {0};
	struct error error;
	struct read_record *record;
	memory_journal_flip("read-ahead", 60, 200, 0x10);
	struct read_ahead *ahead = read_ahead_open(world->reader, &fold, UINT64_MAX, with_thread);
	for (unsigned offset = 0; offset < 60; offset++)
		assert_int_equal(next(ahead, &record, &error), LL_OK);
	assert_int_equal(next(ahead, &record, &error), LL_CORRUPT);
	assert_non_null(strstr(error.text, "offset 60"));
	read_ahead_close(ahead);
}

static void test_damage(void **state)
{
	damaged(*state, false);
}

static void test_damage_with_a_thread(void **state)
{
	damaged(*state, true);
}

/* Who has seen enough may close while the thread is still reading. */
static void test_closed_early(void **state)
{
	struct world *world = *state;
	struct fold fold = {0};
	struct error error;
	struct read_record *record;
	struct read_ahead *ahead = read_ahead_open(world->reader, &fold, UINT64_MAX, true);
	assert_int_equal(next(ahead, &record, &error), LL_OK);
	read_ahead_close(ahead);
	read_ahead_close(NULL);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(test_all),    WITH_WORLD(test_all_with_a_thread),    WITH_WORLD(test_an_end),
		WITH_WORLD(test_damage), WITH_WORLD(test_damage_with_a_thread), WITH_WORLD(test_closed_early),
	};
	return cmocka_run_group_tests_name("read_ahead", tests, NULL, NULL);
}
