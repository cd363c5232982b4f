/* Cuts: how they are written, and that one which was given up on the way is never taken for the state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/audit/cut.h"
#include "engine/data/catch_up.h"
#include "schemas/codes.h"
#include "schemas/tables.h"

static struct error problem;

static void test_parse(void **state)
{
	static const char *const wrong[] = {
		"", "0:", "0:01", "1:5", "0:-1", "0:99999999999999999999", "Latest", "2026-02-30T00:00:00Z"};
	struct cut_point point;
	(void)state;
	assert_true(cut_parse(SLICE("latest"), &point) && point.kind == CUT_LATEST);
	assert_true(cut_parse(SLICE("start"), &point) && point.kind == CUT_START);
	assert_true(cut_parse(SLICE("0:1842"), &point) && point.kind == CUT_ENTRY && point.entry == 1842);
	assert_true(cut_parse(SLICE("1970-01-01T00:00:01Z"), &point) && point.kind == CUT_TIME && point.time == 1000);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(cut_parse(slice_text(wrong[i]), &point));
}

static void test_interrupted(void **state)
{
	struct journal_options options = {.create = true};
	struct journal *journal = NULL;
	struct cut *cut = NULL;
	struct cut_point point = {.kind = CUT_LATEST};
	bool interrupted = false;
	int refused = 0;
	(void)state;
	assert_int_equal(journal_open("memory:cut", &options, &journal, &problem), LL_OK);
	assert_int_equal(write_genesis(journal, "tested", 1000, &problem), LL_OK);
	struct cut_source source = {.journal = journal,
				    .scratch = "/nowhere",
				    .mask = 1u << PROJECTION_BALANCES,
				    .interrupted = &interrupted};
	assert_int_equal(cut_open(&source, &point, 2000, &cut, &refused, &problem), LL_OK);
	assert_int_equal(refused, 0);
	assert_int_equal(cut_entries(cut), 0);
	cut_close(cut);
	point = (struct cut_point){.kind = CUT_ENTRY};
	assert_int_equal(cut_open(&source, &point, 2000, &cut, &refused, &problem), LL_OK);
	assert_int_equal(refused, CODE_CUT_NOT_FOUND);
	interrupted = true;
	assert_int_equal(cut_open(&source, &point, 2000, &cut, &refused, &problem), LL_UNAVAILABLE);
	journal_close(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_interrupted),
	};
	return cmocka_run_group_tests_name("cut", tests, NULL, NULL);
}
