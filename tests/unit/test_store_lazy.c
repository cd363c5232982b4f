/* A lazy table against a plain array, with more rows than one scan puts in order: in every layer, changed, removed, flushed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "projections/store/store.h"
#include "tests/unit/scratch.h"

enum { KEYS = 60000, STEPS = 400, CHANGES_PER_STEP = 1500 };

static const struct table_spec tables[] = {{"lazy", TABLE_ORDERED | TABLE_LAZY}};
static const struct store_spec spec = {"tested", 1, tables, 1};

static uint32_t model[KEYS]; /* the value of each key; 0: not there */
static uint64_t random_state;
static struct error problem;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % limit);
}

static struct slice key_numbered(char key[16], uint32_t number)
{
	snprintf(key, 16, "k-%06u", number);
	return slice_of(key, 8);
}

static void change(struct store *store)
{
	static uint8_t value[256];
	char key[16];
	uint32_t number = random_below(KEYS), made = random_below(10) ? 1 + random_below(1u << 30) : 0;
	model[number] = made;
	memcpy(value, &made, sizeof made);
	if (made) /* sizes of several pieces of memory: many changes make a new version */
		store_put(store, 0, key_numbered(key, number), slice_of(value, sizeof made + made % 200));
	else
		store_delete(store, 0, key_numbered(key, number));
}

struct visit {
	uint32_t at, end, count;
	bool backwards;
};

static uint32_t next_there(const struct visit *visit)
{
	uint32_t at = visit->at;
	if (visit->backwards)
		while (at > visit->end && !model[at - 1])
			at--;
	else
		while (at < visit->end && !model[at])
			at++;
	return at;
}

static bool visit_row(void *context, struct slice key, struct slice value)
{
	struct visit *visit = context;
	char text[16];
	uint32_t got;
	visit->at = next_there(visit);
	assert_true(visit->at != visit->end);
	uint32_t number = visit->backwards ? visit->at - 1 : visit->at;
	assert_true(slice_equal(key, key_numbered(text, number)));
	memcpy(&got, value.at, sizeof got);
	assert_int_equal(got, model[number]);
	visit->at += visit->backwards ? (uint32_t)-1 : 1;
	visit->count++;
	return true;
}

static void check_scan(struct store *store, uint32_t width)
{
	char from[16], to[16];
	uint32_t low = random_below(KEYS), high = low + width < KEYS ? low + width : KEYS;
	struct visit visit = {.backwards = random_below(2)};
	visit.at = visit.backwards ? high : low;
	visit.end = visit.backwards ? low : high;
	store_scan(store, 0, key_numbered(from, low), key_numbered(to, high), visit.backwards, false, visit_row,
		   &visit);
	assert_int_equal(next_there(&visit), visit.end);
}

/* Whatever layers the rows of a range lie in, a scan gives each once, in order, as it was last put. */
static void test_random(void **state)
{
	struct store_options options = {.directory = scratch, .create = true, .clean_bytes_max = 1 << 20};
	struct store *store;
	struct slice position;
	const char *seed = getenv("STORE_TEST_SEED");
	(void)state;
	random_state = seed ? strtoull(seed, NULL, 10) : 11;
	memset(model, 0, sizeof model);
	assert_int_equal(store_open(&spec, &options, &store, &position, &problem), LL_OK);
	for (int step = 0; step < STEPS; step++) {
		for (int i = 0; i < CHANGES_PER_STEP; i++)
			change(store);
		store_mark_block(store, SLICE("here"));
		if (random_below(8) == 0)
			check_scan(store, random_below(50) ? random_below(40) : KEYS);
		if (random_below(12) == 0)
			store_freeze(store);
		enum ll_code code = random_below(6) ? store_poll(store, &problem) : store_wait_flushed(store, &problem);
		assert_true(code == LL_OK || code == LL_BUSY);
	}
	check_scan(store, KEYS);
	assert_int_equal(store_close(store, &problem), LL_OK);
	assert_int_equal(store_open(&spec, &options, &store, &position, &problem), LL_OK);
	for (int i = 0; i < 100; i++)
		check_scan(store, 500);
	store_abandon(store);
	free((void *)position.at);
}

/* What was flushed without ever having been put in order is found on the disk. */
static void test_flushed_unseen(void **state)
{
	struct store_options options = {.directory = scratch, .create = true};
	struct store *store;
	struct slice position;
	char key[16];
	(void)state;
	memset(model, 0, sizeof model);
	assert_int_equal(store_open(&spec, &options, &store, &position, &problem), LL_OK);
	for (uint32_t number = 0; number < KEYS; number++) {
		model[number] = number + 1;
		store_put(store, 0, key_numbered(key, number), slice_of(&model[number], sizeof model[number]));
	}
	store_mark_block(store, SLICE("here"));
	assert_true(store_freeze(store));
	assert_int_equal(store_wait_flushed(store, &problem), LL_OK);
	check_scan(store, 10);
	check_scan(store, KEYS);
	store_abandon(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_flushed_unseen, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests_name("store_lazy", tests, NULL, NULL);
}
