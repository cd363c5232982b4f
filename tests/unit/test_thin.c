/* Which snapshots stay when an engine takes them by itself. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/data/scratch.h"
#include "engine/snapshots/snapshots.h"

/* The one goes whose neighbours are nearest to each other; before the first one stands the journal's beginning. */
static void goes_where_it_is_dense(void **state)
{
	static const struct {
		uint64_t entries[5];
		size_t count, goes;
	} cases[] = {
		{{10, 20}, 2, 0},
		{{100, 110, 120, 500}, 4, 1},
		{{5, 10, 400, 500}, 4, 0},
		{{100, 200, 300, 400, 410}, 5, 3},
		{{100, 200, 300, 400, 500}, 5, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(snapshot_to_delete(cases[i].entries, cases[i].count), cases[i].goes);
}

/* Taken one after another for long, those that stay are spread: no cut is farther from the next one below than 2/keep of all, and the
 * newest is there. */
static void stay_spread(void **state)
{
	enum { KEEP = 8, TAKEN = 1000 };
	uint64_t kept[KEEP + 1];
	size_t count = 0;
	(void)state;
	for (uint64_t entries = 1; entries <= TAKEN; entries++) {
		kept[count++] = entries;
		if (count > KEEP) {
			size_t one = snapshot_to_delete(kept, count);
			assert_true(one + 1 < count);
			memmove(kept + one, kept + one + 1, (count - one - 1) * sizeof *kept);
			count--;
		}
		uint64_t before = 0, widest = 0;
		for (size_t i = 0; i < count; before = kept[i++])
			widest = kept[i] - before > widest ? kept[i] - before : widest;
		assert_true(widest <= 2 * entries / KEEP + 1);
		assert_int_equal(kept[count - 1], entries);
	}
}

static unsigned names_in(const char *root)
{
	unsigned names = 0;
	DIR *directory = opendir(root);
	assert_non_null(directory);
	for (struct dirent *one; (one = readdir(directory));)
		names += one->d_name[0] != '.';
	closedir(directory);
	return names;
}

/* Directories of other names are left alone; what goes, goes whole. */
static void deletes_snapshots_alone(void **state)
{
	char root[] = "/tmp/test-thin-XXXXXX", path[128], inside[160];
	struct error error;
	unsigned deleted;
	(void)state;
	assert_non_null(mkdtemp(root));
	for (unsigned i = 1; i <= 5; i++) {
		snprintf(path, sizeof path, "%s/%012u", root, i * 100);
		snprintf(inside, sizeof inside, "%s/balances", path);
		assert_int_equal(mkdir(path, 0700) | mkdir(inside, 0700), 0);
	}
	snprintf(path, sizeof path, "%s/mine", root);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(snapshot_thin(root, 2, &deleted, &error), LL_OK);
	assert_int_equal(deleted, 3);
	assert_int_equal(names_in(root), 3);
	snprintf(path, sizeof path, "%s/000000000500", root);
	assert_int_equal(access(path, F_OK), 0);
	scratch_remove(root);
}

/* The next time of day is always to come, and within a day. */
static void comes_daily(void **state)
{
	const int64_t day = 20000 * INT64_C(86400000), minute = 60000;
	(void)state;
	assert_int_equal(snapshot_next_daily(-1, day), INT64_MAX);
	assert_int_equal(snapshot_next_daily(0, day - 1), day);
	assert_int_equal(snapshot_next_daily(0, day), day + 1440 * minute);
	assert_int_equal(snapshot_next_daily(210, day + 210 * minute - 1), day + 210 * minute);
	assert_int_equal(snapshot_next_daily(210, day + 210 * minute), day + (1440 + 210) * minute);
	assert_int_equal(snapshot_next_daily(1439, day + 1439 * minute + 1), day + (1440 + 1439) * minute);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_where_it_is_dense),
		cmocka_unit_test(stay_spread),
		cmocka_unit_test(comes_daily),
		cmocka_unit_test(deletes_snapshots_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
