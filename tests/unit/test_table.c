/*
 * A table of the store, alone: what its other tests (test_store.c) do not see, as it is about where rows stand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "projections/store/table.h"

static struct memory memory;
static struct table table;

static int set_up(void **state)
{
	(void)state;
	memory = (struct memory){.seed = 4711, .filling = 1};
	slab_init(&memory.slab, SLAB_RANGE_BYTES);
	table = (struct table){0};
	table_init(&table, &memory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	table_release(&table);
	slab_release(&memory.slab);
	return 0;
}

/* How many slots stand full one after the other, at most: that far a search may go. */
static uint32_t longest_run(void)
{
	uint32_t longest = 0, run = 0;
	for (uint32_t i = 0; i < 2 * (table.mask + 1); i++) {
		run = table.slots[i & table.mask] ? run + 1 : 0;
		if (run > longest)
			longest = run;
	}
	return longest;
}

/* Rows come and go while their number stays: at any load that a table may have, and at any time of the hand's round, they stand apart. */
static void rows_stay_apart(void **state)
{
	enum { SLOTS = 1 << 16, ROUNDS = 6 };
	(void)state;
	uint64_t number = 0;
	for (unsigned load = 40; load < 75; load += 5) {
		uint32_t wanted = SLOTS / 100 * load;
		size_t row_bytes = 0;
		for (uint64_t put = 0; put < (uint64_t)ROUNDS * SLOTS; put++, number++) {
			char key[24];
			int size = snprintf(key, sizeof key, "row-%012llu", (unsigned long long)number);
			struct slice name = slice_of((const uint8_t *)key, (size_t)size);
			table_add_clean(&table, table_tag(&table, name), name, slice_text("what it holds"));
			row_bytes = table.live_bytes / table.count;
			table_evict_some(&table, 8, wanted * row_bytes);
			memory_collect_some(&memory, 8);
			if (number % 4096 == 0)
				assert_in_range(longest_run(), 0, 1000);
		}
		assert_int_equal(table.mask, SLOTS - 1);
		assert_in_range(table.count, wanted * 9 / 10, wanted * 11 / 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows_stay_apart, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
