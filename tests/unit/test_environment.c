#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "projections/store/environment.h"
#include "projections/store/store.h"
#include "tests/unit/scratch.h"

static struct error problem;

static struct environment *open_environment(bool read_only, size_t map_bytes)
{
	struct environment_options options = {
		.directory = scratch, .create = !read_only, .read_only = read_only, .map_bytes = map_bytes};
	struct environment *environment = NULL;
	assert_int_equal(environment_open(&options, &environment, &problem), LL_OK);
	return environment;
}

/* ---- faults ---- */

static int fails_left; /* atomic: the flush thread counts too */
static int failure;

static int fail_nth(const char *call)
{
	(void)call;
	return __atomic_fetch_sub(&fails_left, 1, __ATOMIC_RELAXED) == 0 ? failure : 0;
}

static void fail_from(int n, int number)
{
	fails_left = n;
	failure = number;
	environment_fault_set(fail_nth);
}

/* Whether the fault was not reached: then all of them were tried. */
static bool end_of_faults(void)
{
	environment_fault_set(NULL);
	return __atomic_load_n(&fails_left, __ATOMIC_RELAXED) >= 0;
}

/* ---- one environment a directory ---- */

/* Opening a directory twice gives the same environment; read-only first forbids writing; the last close closes. */
static void test_shared(void **state)
{
	(void)state;
	struct environment *first = open_environment(false, 0), *second = open_environment(true, 0), *third = NULL;
	assert_ptr_equal(first, second);
	environment_close(first);
	environment_close(second);
	first = open_environment(true, 0);
	struct environment_options options = {.directory = scratch};
	assert_int_equal(environment_open(&options, &third, &problem), LL_BUSY);
	environment_close(first);
	environment_close(open_environment(false, 0));
	options.directory = "/tmp/ledgerline_test.is_not_there";
	assert_int_equal(environment_open(&options, &third, &problem), LL_NOT_FOUND);
	assert_non_null(strstr(problem.text, "is_not_there"));
}

/* Names of tables are found again, by readers too; unknown ones are not made by reading. */
static void test_databases(void **state)
{
	(void)state;
	unsigned first, second, none;
	struct environment *environment = open_environment(false, 0);
	assert_int_equal(environment_database(environment, "a", true, &first, &problem), LL_OK);
	assert_int_equal(environment_database(environment, "a", false, &second, &problem), LL_OK);
	assert_int_equal(first, second);
	assert_int_equal(environment_database(environment, "b", false, &none, &problem), LL_NOT_FOUND);
	environment_close(environment);
	environment = open_environment(true, 0);
	assert_int_equal(environment_database(environment, "a", false, &second, &problem), LL_OK);
	assert_int_equal(environment_database(environment, "b", true, &none, &problem), LL_NOT_FOUND);
	environment_close(environment);
}

/* A reader keeps its commit until it is renewed. */
static void test_transactions(void **state)
{
	(void)state;
	struct environment_txn *reader, *writer;
	unsigned database;
	struct slice value;
	struct environment *environment = open_environment(false, 0);
	assert_int_equal(environment_database(environment, "a", true, &database, &problem), LL_OK);
	assert_int_equal(environment_txn_begin(environment, false, &reader, &problem), LL_OK);
	assert_int_equal(environment_txn_begin(environment, true, &writer, &problem), LL_OK);
	assert_int_equal(environment_put(writer, database, SLICE("b"), SLICE("1"), false, &problem), LL_OK);
	assert_int_equal(environment_put(writer, database, SLICE("a"), SLICE("1"), true, &problem), LL_EXISTS);
	assert_int_equal(environment_txn_commit(writer, &problem), LL_OK);
	assert_int_equal(environment_get(reader, database, SLICE("b"), &value, &problem), LL_NOT_FOUND);
	assert_int_equal(environment_txn_renew(reader, &problem), LL_OK);
	assert_int_equal(environment_get(reader, database, SLICE("b"), &value, &problem), LL_OK);
	assert_true(slice_equal(value, SLICE("1")));
	environment_txn_reset(reader);
	environment_txn_reset(reader);
	environment_txn_abort(reader);
	environment_close(environment);
}

struct growing {
	struct environment *environment;
	struct environment_txn *reader;
};

static void *end_reader(void *argument)
{
	struct growing *growing = argument;
	environment_txn_abort(growing->reader);
	return NULL;
}

/* A full map is told, grows when the readers of this process have ended, and then there is room. */
static void test_growth(void **state)
{
	(void)state;
	static uint8_t large[100000];
	struct growing growing = {.environment = open_environment(false, 64 << 10)};
	struct environment_txn *txn;
	unsigned database;
	pthread_t thread;
	enum ll_code code;
	int grown = 0;
	assert_int_equal(environment_database(growing.environment, "a", true, &database, &problem), LL_OK);
	assert_int_equal(environment_grow(growing.environment, &problem), LL_FULL); /* the map was not full */
	do {
		assert_int_equal(environment_txn_begin(growing.environment, true, &txn, &problem), LL_OK);
		code = environment_put(txn, database, SLICE("a"), slice_of(large, sizeof large), false, &problem);
		if (code == LL_OK) {
			assert_int_equal(environment_txn_commit(txn, &problem), LL_OK);
			break;
		}
		environment_txn_abort(txn);
		assert_int_equal(environment_txn_begin(growing.environment, false, &growing.reader, &problem), LL_OK);
		pthread_create(&thread, NULL, end_reader, &growing);
		assert_int_equal(environment_grow(growing.environment, &problem), LL_OK);
		pthread_join(thread, NULL);
		grown++;
	} while (code == LL_FULL && grown < 10);
	assert_int_equal(code, LL_OK);
	assert_true(grown > 0);
	struct environment_usage usage;
	environment_usage(growing.environment, &usage);
	assert_true(usage.map_bytes >= sizeof large);
	environment_close(growing.environment);
}

/* ---- every fault ---- */

/* One of everything; stops at the first failure, with all released. Returns whether the commit was made. */
static enum ll_code use_everything(const char *copy, bool *committed)
{
	struct environment_options options = {.directory = scratch, .create = true, .map_bytes = 1 << 20};
	struct environment *environment = NULL;
	struct environment_txn *txn = NULL;
	struct environment_cursor *cursor = NULL;
	struct environment_database_size size;
	struct slice key = SLICE("b"), value;
	unsigned database;
	*committed = false;
	enum ll_code code = environment_open(&options, &environment, &problem);
	if (code == LL_OK)
		code = environment_database(environment, "a", true, &database, &problem);
	if (code == LL_OK)
		code = environment_txn_begin(environment, true, &txn, &problem);
	if (code == LL_OK)
		code = environment_put(txn, database, SLICE("a"), SLICE("1"), false, &problem);
	if (code == LL_OK)
		code = environment_cursor_open(txn, database, &cursor, &problem);
	if (code == LL_OK)
		code = environment_cursor_put(cursor, SLICE("b"), SLICE("2"), true, &problem);
	if (code == LL_OK)
		code = environment_cursor_move(cursor, MOVE_TO, &key, &value, &problem);
	if (code == LL_OK)
		code = environment_cursor_delete(cursor, &problem);
	if (code == LL_OK)
		code = environment_put(txn, database, SLICE("c"), SLICE("3"), false, &problem);
	if (code == LL_OK)
		code = environment_delete(txn, database, SLICE("c"), &problem);
	environment_cursor_close(cursor);
	if (code == LL_OK) {
		code = environment_txn_commit(txn, &problem);
		*committed = code == LL_OK;
		txn = NULL;
	}
	if (code == LL_OK)
		code = environment_txn_begin(environment, false, &txn, &problem);
	if (code == LL_OK)
		code = environment_txn_renew(txn, &problem);
	if (code == LL_OK)
		code = environment_get(txn, database, SLICE("a"), &value, &problem);
	if (code == LL_OK)
		code = environment_database_size(txn, database, &size, &problem);
	if (code == LL_OK)
		code = environment_readers_check(environment, NULL, &problem);
	if (code == LL_OK)
		code = environment_sync(environment, &problem);
	if (code == LL_OK)
		code = environment_copy(environment, copy, &problem);
	environment_txn_abort(txn);
	environment_close(environment);
	return code;
}

static uint64_t rows_there(void)
{
	struct environment_txn *txn;
	struct environment_database_size size;
	unsigned database;
	struct environment *environment = open_environment(false, 0);
	assert_int_equal(environment_database(environment, "a", true, &database, &problem), LL_OK);
	assert_int_equal(environment_txn_begin(environment, false, &txn, &problem), LL_OK);
	assert_int_equal(environment_database_size(txn, database, &size, &problem), LL_OK);
	environment_txn_abort(txn);
	environment_close(environment);
	return size.rows;
}

/* Each call that can fail, failed once: it is told in a sentence with the directory, all is released, and the rows of the
 * transaction are there or not, as the commit said. */
static void test_every_fault(void **state)
{
	(void)state;
	char copy[128], file[160];
	int n = 0;
	for (;; n++) {
		bool committed;
		snprintf(copy, sizeof copy, "%s/copy", scratch);
		snprintf(file, sizeof file, "%s/data.mdb", copy);
		mkdir(copy, 0700);
		fail_from(n, EIO);
		enum ll_code code = use_everything(copy, &committed);
		bool end = end_of_faults();
		assert_int_equal(code, end ? LL_OK : LL_IO);
		assert_true(end || strstr(problem.text, scratch));
		assert_int_equal(rows_there(), committed ? 1 : 0);
		if (end)
			break;
		remove(file);
		assert_int_equal(scratch_remove(NULL), 0);
		assert_int_equal(scratch_make(NULL), 0);
	}
	assert_true(n > 20);
}

/* ---- every fault under a store ---- */

static const struct table_spec tables[] = {{"point", TABLE_POINT}, {"append", TABLE_ORDERED | TABLE_APPEND}};
static const struct store_spec spec = {"failing", 1, tables, 2};

/* Two blocks, each flushed. `done`: the last position of which a flush said that it is there. */
static enum ll_code use_store(uint64_t *done)
{
	struct store_options options = {.directory = scratch, .create = true};
	struct store *store = NULL;
	struct slice position;
	*done = 0;
	enum ll_code code = store_open(&spec, &options, &store, &position, &problem);
	for (uint64_t block = 1; block <= 2 && code == LL_OK; block++) {
		store_put(store, 0, SLICE("counter"), slice_of(&block, sizeof block));
		store_put(store, 1, slice_of(&block, 1), slice_of(&block, sizeof block));
		store_mark_block(store, slice_of(&block, sizeof block));
		store_checkpoint(store);
		assert_true(store_freeze(store));
		code = store_wait_flushed(store, &problem);
		if (code == LL_OK)
			*done = block;
	}
	enum ll_code closed = store_close(store, code == LL_OK ? &problem : NULL);
	return code != LL_OK ? code : closed;
}

static void check_store(uint64_t done)
{
	struct store_options options = {.directory = scratch, .create = true};
	struct store *store;
	struct slice position, value;
	uint64_t at = 0, counter = 0;
	assert_int_equal(store_open(&spec, &options, &store, &position, &problem), LL_OK);
	if (position.size)
		memcpy(&at, position.at, sizeof at);
	free((void *)position.at);
	if (store_get(store, 0, SLICE("counter"), false, &value))
		memcpy(&counter, value.at, sizeof counter);
	assert_int_equal(counter, at);
	assert_true(at >= done);
	store_abandon(store);
}

/* Each call that can fail, failed once by a full disk, a failing disk or missing rights: the store says so, and what it said
 * was flushed is there, rows and position of one moment. */
static void test_every_fault_under_a_store(void **state)
{
	(void)state;
	static const struct {
		int number;
		enum ll_code code;
	} kinds[] = {{EIO, LL_IO}, {ENOSPC, LL_FULL}, {EACCES, LL_DENIED}};
	for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
		for (int n = 0;; n++) {
			uint64_t done;
			fail_from(n, kinds[kind].number);
			enum ll_code code = use_store(&done);
			bool end = end_of_faults();
			assert_int_equal(code, end ? LL_OK : kinds[kind].code);
			check_store(done);
			assert_int_equal(scratch_remove(NULL), 0);
			assert_int_equal(scratch_make(NULL), 0);
			if (end)
				break;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests_here[] = {
		cmocka_unit_test_setup_teardown(test_shared, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_databases, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_transactions, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_growth, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_every_fault, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_every_fault_under_a_store, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests_here, NULL, NULL);
}
