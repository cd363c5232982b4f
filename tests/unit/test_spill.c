/* Tables that are sorted outside while they are built: the file and its merge, and a store that is filled with it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "projections/store/environment.h"
#include "projections/store/snapshot.h"
#include "projections/store/store.h"
#include "tests/unit/scratch.h"

enum { ROWS = 50000, LARGE = 1500000 };

static const struct table_spec tables[] = {{"plain", TABLE_POINT},
					   {"spilled", TABLE_ORDERED | TABLE_LAZY | TABLE_SPILL},
					   {"in order", TABLE_APPEND}};
static const struct store_spec spec = {"tested", 1, tables, 3};
static struct error problem;

static struct slice key_of(char key[16], uint32_t number)
{
	snprintf(key, 16, "k-%08x", number * 2654435761u); /* every number another key, scattered */
	return slice_of(key, 10);
}

static struct store *open_with(const struct store_options *options, enum ll_code expected)
{
	struct store *store = NULL;
	struct slice position;
	assert_int_equal(store_open(&spec, options, &store, &position, &problem), expected);
	free((void *)position.at);
	return store;
}

static struct store *open_store(bool bulk, enum ll_code expected, size_t map_bytes)
{
	struct store_options options = {.directory = scratch, .create = true, .bulk = bulk, .map_bytes = map_bytes};
	return open_with(&options, expected);
}

static struct store *resume_store(enum ll_code expected)
{
	struct store_options options = {.directory = scratch, .create = true, .bulk = true, .resume = true};
	return open_with(&options, expected);
}

static void put_rows(struct store *store, uint32_t from, uint32_t to, uint32_t salt)
{
	char key[16];
	for (uint32_t number = from; number < to; number++) {
		uint32_t value[2] = {number, salt};
		store_put(store, 1, key_of(key, number), slice_of(value, sizeof value));
	}
	store_put(store, 0, SLICE("last"), slice_of(&to, sizeof to));
	store_mark_block(store, SLICE("here"));
}

static void flush(struct store *store)
{
	assert_true(store_freeze(store));
	assert_int_equal(store_wait_flushed(store, &problem), LL_OK);
}

struct counted {
	uint32_t count, salt;
	uint8_t last[16];
	size_t last_size;
};

static bool count_row(void *context, struct slice key, struct slice value)
{
	struct counted *counted = context;
	uint32_t got[2];
	char expected[16];
	assert_true(slice_compare(key, slice_of(counted->last, counted->last_size)) > 0);
	memcpy(counted->last, key.at, key.size);
	counted->last_size = key.size;
	assert_int_equal(value.size, sizeof got);
	memcpy(got, value.at, sizeof got);
	assert_true(slice_equal(key, key_of(expected, got[0])));
	assert_int_equal(got[1], counted->salt);
	counted->count++;
	return true;
}

static void expect_rows(struct store *store, uint32_t count, uint32_t salt)
{
	struct counted counted = {.salt = salt};
	store_scan(store, 1, SLICE_EMPTY, SLICE_EMPTY, false, false, count_row, &counted);
	assert_int_equal(counted.count, count);
}

/* Many layers become one sorted table; the later of two rows with one key counts. A map that is too small grows on the way. */
static void test_built(void **state)
{
	(void)state;
	struct store *store = open_store(true, LL_OK, 1 << 20);
	put_rows(store, 0, ROWS, 1);
	flush(store);
	for (uint32_t from = 0; from < ROWS; from += ROWS / 10) {
		put_rows(store, from, from + ROWS / 10, 7);
		flush(store);
	}
	store_finish(store);
	flush(store);
	expect_rows(store, ROWS, 7);
	/* From now on it is a table like others. */
	put_rows(store, ROWS, ROWS + 10, 7);
	expect_rows(store, ROWS + 10, 7);
	assert_int_equal(store_close(store, &problem), LL_OK);
	store = open_store(false, LL_OK, 0);
	expect_rows(store, ROWS + 10, 7);
	store_abandon(store);
}

/* Closing finishes by itself, also what was never flushed before. */
static void test_closed(void **state)
{
	(void)state;
	struct store *store = open_store(true, LL_OK, 0);
	put_rows(store, 0, ROWS, 3);
	assert_int_equal(store_close(store, &problem), LL_OK);
	store = open_store(true, LL_OK, 0);
	expect_rows(store, ROWS, 3);
	put_rows(store, 0, 5, 3);
	assert_int_equal(store_close(store, &problem), LL_OK);
}

/* What was abandoned half built is refused, by who would write it and by who would read it. */
static void test_half_built(void **state)
{
	(void)state;
	struct snapshot *snapshot = NULL;
	struct store *store = open_store(true, LL_OK, 0);
	put_rows(store, 0, ROWS, 3);
	flush(store);
	store_abandon(store);
	(void)open_store(false, LL_UNTRUSTED, 0);
	assert_non_null(strstr(problem.text, "half built"));
	assert_int_equal(snapshot_open(&spec, scratch, &snapshot, &problem), LL_UNTRUSTED);
}

/* A value larger than the room that is written at once. */
static void test_large(void **state)
{
	(void)state;
	uint8_t *large = malloc(LARGE);
	struct slice found;
	struct store *store = open_store(true, LL_OK, 0);
	memset(large, 'x', LARGE);
	store_put(store, 1, SLICE("b"), SLICE("small"));
	store_put(store, 1, SLICE("a"), slice_of(large, LARGE));
	store_put(store, 1, SLICE("c"), SLICE_EMPTY);
	store_mark_block(store, SLICE("here"));
	flush(store);
	store_finish(store);
	flush(store);
	assert_true(store_get(store, 1, SLICE("a"), false, &found) && slice_equal(found, slice_of(large, LARGE)));
	assert_true(store_get(store, 1, SLICE("b"), false, &found) && slice_equal(found, SLICE("small")));
	assert_true(store_get(store, 1, SLICE("c"), false, &found) && found.size == 0);
	store_abandon(store);
	free(large);
}

static int calls_left;

static int fail_nth_write(const char *call)
{
	return strcmp(call, "write") == 0 && calls_left-- == 0 ? ENOSPC : 0;
}

/* A disk that is full while sorting stops the store with a sentence; nobody takes the half for the whole. */
static void test_full_disk(void **state)
{
	(void)state;
	struct store *store = open_store(true, LL_OK, 0);
	put_rows(store, 0, ROWS, 3);
	calls_left = 0;
	environment_fault_set(fail_nth_write);
	assert_true(store_freeze(store));
	assert_int_equal(store_wait_flushed(store, &problem), LL_FULL);
	assert_non_null(strstr(problem.text, "file for sorting"));
	store_abandon(store);
	environment_fault_set(NULL);
}

/* What a killed builder had flushed is built on; what it had not is put again, over what it may have left in the file. */
static void test_resumed(void **state)
{
	(void)state;
	char path[256];
	struct store *store = resume_store(LL_OK);
	put_rows(store, 0, ROWS, 1);
	flush(store);
	store_abandon(store);
	snprintf(path, sizeof path, "%s/sorting-spilled", scratch);
	FILE *file = fopen(path, "a");
	assert_non_null(file);
	fputs("a run that was never finished", file);
	fclose(file);
	store = resume_store(LL_OK);
	put_rows(store, ROWS / 2, 2 * ROWS, 1);
	flush(store);
	store_finish(store);
	flush(store);
	expect_rows(store, 2 * ROWS, 1);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(store_close(store, &problem), LL_OK);
	store = open_store(false, LL_OK, 0);
	expect_rows(store, 2 * ROWS, 1);
	store_abandon(store);
}

/* A file for sorting that is gone, or shorter than the environment says, is found out. */
static void test_resumed_without(void **state)
{
	(void)state;
	char path[256];
	struct store *store = resume_store(LL_OK);
	put_rows(store, 0, ROWS, 1);
	flush(store);
	store_abandon(store);
	snprintf(path, sizeof path, "%s/sorting-spilled", scratch);
	assert_int_equal(truncate(path, 1000), 0);
	(void)resume_store(LL_UNTRUSTED);
	assert_non_null(strstr(problem.text, "sorting-spilled"));
	assert_int_equal(unlink(path), 0);
	(void)resume_store(LL_UNTRUSTED);
}

static int fail_nth_commit(const char *call)
{
	return strcmp(call, "mdb_txn_commit") == 0 && calls_left-- == 0 ? EIO : 0;
}

/* Whichever commit of the last flush and its merge was the last that came through: it is finished from there. */
static void test_resumed_merge(void **state)
{
	(void)state;
	unsigned failed = 0;
	for (int commit = 0;; commit++) {
		struct store *store = resume_store(LL_OK);
		put_rows(store, 0, ROWS, 1);
		flush(store);
		put_rows(store, ROWS, ROWS + 100, 1);
		store_finish(store);
		calls_left = commit;
		environment_fault_set(fail_nth_commit);
		assert_true(store_freeze(store));
		enum ll_code code = store_wait_flushed(store, &problem);
		environment_fault_set(NULL);
		store_abandon(store);
		store = resume_store(LL_OK);
		put_rows(store, 0, ROWS + 200, 1);
		assert_int_equal(store_close(store, &problem), LL_OK);
		store = open_store(false, LL_OK, 0);
		expect_rows(store, ROWS + 200, 1);
		store_abandon(store);
		if (code == LL_OK)
			break;
		failed++;
		assert_int_equal(scratch_remove(state), 0);
		assert_int_equal(scratch_make(state), 0);
	}
	assert_int_equal(failed, 4); /* the layer, the mark, the rows, the marks away */
}

static void put_in_order(struct store *store, uint32_t from, uint32_t to)
{
	for (uint32_t number = from; number < to; number++) {
		uint8_t key[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
				  (uint8_t)number};
		store_put(store, 2, slice_of(key, sizeof key), slice_of(&number, sizeof number));
	}
}

static bool count_in_order(void *context, struct slice key, struct slice value)
{
	uint32_t *count = context, number;
	assert_int_equal(key.size, 4);
	memcpy(&number, value.at, sizeof number);
	assert_int_equal(number, *count);
	++*count;
	return true;
}

static uint32_t rows_in_order(struct store *store)
{
	uint32_t count = 0;
	store_scan(store, 2, SLICE_EMPTY, SLICE_EMPTY, false, false, count_in_order, &count);
	return count;
}

/* Rows that come in order go ahead of the position: until that has followed, the store is half built, and nobody but a builder opens it. */
static void test_ahead(void **state)
{
	(void)state;
	struct store *store = resume_store(LL_OK);
	put_in_order(store, 0, ROWS);
	store_put(store, 0, SLICE("changes"), SLICE("1"));
	struct store_fill fill = store_fill(store);
	assert_int_equal(fill.run_rows, ROWS);
	assert_int_equal(fill.rows, ROWS + 1);
	assert_true(store_freeze_runs(store)); /* within a block */
	assert_int_equal(store_wait_flushed(store, &problem), LL_OK);
	assert_false(store_freeze_runs(store));
	put_in_order(store, ROWS, 2 * ROWS);
	assert_int_equal(rows_in_order(store), 2 * ROWS);
	store_abandon(store);
	(void)open_store(false, LL_UNTRUSTED, 0);
	assert_non_null(strstr(problem.text, "half built"));

	store = resume_store(LL_OK);
	assert_int_equal(rows_in_order(store), ROWS); /* the same rows are put once more */
	put_in_order(store, 0, 2 * ROWS);
	store_put(store, 0, SLICE("changes"), SLICE("2"));
	assert_true(store_freeze_runs(store));
	assert_int_equal(store_wait_flushed(store, &problem), LL_OK);
	store_mark_block(store, SLICE("here"));
	flush(store);
	assert_int_equal(rows_in_order(store), 2 * ROWS);
	store_abandon(store);
	store = open_store(false, LL_OK, 0);
	assert_int_equal(rows_in_order(store), 2 * ROWS);
	store_abandon(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_built, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_closed, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_half_built, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_large, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_full_disk, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_resumed, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_resumed_without, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_resumed_merge, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_ahead, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests_name("spill", tests, NULL, NULL);
}
