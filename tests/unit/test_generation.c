#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "projections/store/environment.h"
#include "projections/store/generation.h"
#include "tests/unit/scratch.h"

static struct error problem;
static char path[GENERATION_PATH_MAX];

/* The first generation is 1, each next one a higher one; only an adopted one is current. */
static void test_make_and_adopt(void **state)
{
	(void)state;
	char root[128];
	unsigned number = 0, numbers[GENERATIONS_MAX];
	size_t count;
	snprintf(root, sizeof root, "%s/balances", scratch);
	assert_int_equal(generation_make(root, path, &number, &problem), LL_OK);
	assert_int_equal(number, 1);
	assert_non_null(strstr(path, "/balances/gen-000001"));
	assert_int_equal(generation_current(root, path, NULL, &problem), LL_NOT_FOUND);
	assert_int_equal(generation_adopt(root, 1, &problem), LL_OK);
	assert_int_equal(generation_make(root, path, &number, &problem), LL_OK);
	assert_int_equal(number, 2);
	assert_int_equal(generation_current(root, path, &number, &problem), LL_OK);
	assert_int_equal(number, 1);
	assert_int_equal(generation_adopt(root, 2, &problem), LL_OK);
	assert_int_equal(generation_current(root, path, &number, &problem), LL_OK);
	assert_int_equal(number, 2);
	assert_non_null(strstr(path, "/balances/gen-000002"));
	assert_int_equal(generation_adopt(root, 7, &problem), LL_NOT_FOUND);
	assert_int_equal(generation_list(root, numbers, &count, &problem), LL_OK);
	assert_int_equal(count, 2);
	assert_true(numbers[0] == 1 && numbers[1] == 2);
}

/* One that is built is named so, then ready; each name is one's or nobody's. */
static void test_names(void **state)
{
	(void)state;
	unsigned number = 0;
	assert_int_equal(generation_make(scratch, path, &number, &problem), LL_OK);
	assert_int_equal(generation_make_ready(scratch, &problem), LL_NOT_FOUND);
	assert_int_equal(generation_named(scratch, GENERATION_BUILDING, path, NULL, &problem), LL_NOT_FOUND);
	assert_int_equal(generation_give_name(scratch, GENERATION_BUILDING, 2, &problem), LL_NOT_FOUND);
	assert_int_equal(generation_give_name(scratch, GENERATION_BUILDING, 1, &problem), LL_OK);
	assert_int_equal(generation_named(scratch, GENERATION_BUILDING, path, &number, &problem), LL_OK);
	assert_int_equal(number, 1);
	assert_int_equal(generation_make_ready(scratch, &problem), LL_OK);
	assert_int_equal(generation_named(scratch, GENERATION_BUILDING, path, NULL, &problem), LL_NOT_FOUND);
	assert_int_equal(generation_named(scratch, GENERATION_READY, path, &number, &problem), LL_OK);
	assert_int_equal(number, 1);
	assert_int_equal(generation_current(scratch, path, NULL, &problem), LL_NOT_FOUND);
	assert_int_equal(generation_take_name(scratch, GENERATION_READY, &problem), LL_OK);
	assert_int_equal(generation_take_name(scratch, GENERATION_READY, &problem), LL_OK);
	assert_int_equal(generation_named(scratch, GENERATION_READY, path, NULL, &problem), LL_NOT_FOUND);
}

/* The current one and one that is being written are not deleted; others are, with all their files. */
static void test_delete(void **state)
{
	(void)state;
	unsigned number, numbers[GENERATIONS_MAX];
	size_t count;
	int lock = -1;
	char file[GENERATION_PATH_MAX + 16];
	assert_int_equal(generation_make(scratch, path, &number, &problem), LL_OK);
	assert_int_equal(generation_make(scratch, path, &number, &problem), LL_OK);
	assert_int_equal(generation_adopt(scratch, 1, &problem), LL_OK);
	assert_int_equal(generation_delete(scratch, 1, &problem), LL_BUSY);
	assert_int_equal(generation_lock(path, &lock, &problem), LL_OK);
	assert_int_equal(generation_delete(scratch, 2, &problem), LL_BUSY);
	close(lock);
	snprintf(file, sizeof file, "%s/data.mdb", path);
	fclose(fopen(file, "w"));
	assert_int_equal(generation_delete(scratch, 2, &problem), LL_OK);
	assert_int_equal(generation_list(scratch, numbers, &count, &problem), LL_OK);
	assert_int_equal(count, 1);
	assert_int_equal(generation_delete(scratch, 2, &problem), LL_NOT_FOUND);
}

/* The writer's lock is given once, in this process too, and comes free when it is closed. */
static void test_lock(void **state)
{
	(void)state;
	int first = -1, second = -1;
	assert_int_equal(generation_lock(scratch, &first, &problem), LL_OK);
	assert_int_equal(generation_lock(scratch, &second, &problem), LL_BUSY);
	assert_int_equal(second, -1);
	close(first);
	assert_int_equal(generation_lock(scratch, &second, &problem), LL_OK);
	close(second);
}

/* A link to something else is told, not followed. */
static void test_strange_links(void **state)
{
	(void)state;
	static const char *const targets[] = {"gen-00001",  "gen-0000001", "../gen-000001",
					      "gen-00000x", "gen-000000",  "x"};
	char link[128];
	snprintf(link, sizeof link, "%s/current", scratch);
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		assert_int_equal(symlink(targets[i], link), 0);
		assert_int_equal(generation_current(scratch, path, NULL, &problem), LL_CORRUPT);
		assert_int_equal(unlink(link), 0);
	}
}

static int fails_left;

static int fail_nth(const char *call)
{
	(void)call;
	return fails_left-- == 0 ? EIO : 0;
}

/* Adopting that fails anywhere leaves the old generation current, or has the new one; never none, nothing left over. */
static void test_failing_adoption(void **state)
{
	(void)state;
	unsigned number;
	char made[128];
	struct stat status;
	assert_int_equal(generation_make(scratch, path, &number, &problem), LL_OK);
	assert_int_equal(generation_make(scratch, path, &number, &problem), LL_OK);
	snprintf(made, sizeof made, "%s/current.new", scratch);
	int failed = 0;
	for (int n = 0;; n++) {
		assert_int_equal(generation_adopt(scratch, 1, &problem), LL_OK);
		fails_left = n;
		environment_fault_set(fail_nth);
		enum ll_code code = generation_adopt(scratch, 2, &problem);
		environment_fault_set(NULL);
		assert_int_equal(generation_current(scratch, path, &number, &problem), LL_OK);
		if (fails_left >= 0)
			break;
		failed++;
		assert_int_equal(code, LL_IO);
		assert_int_equal(number, n < 2 ? 1 : 2);
		assert_int_not_equal(stat(made, &status), 0);
	}
	assert_int_equal(number, 2);
	assert_int_equal(failed, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_make_and_adopt, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_names, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_delete, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_lock, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_strange_links, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_failing_adoption, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
