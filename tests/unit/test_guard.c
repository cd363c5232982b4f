#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "projections/store/environment.h"
#include "projections/store/guard.h"
#include "projections/store/snapshot.h"
#include "projections/store/store.h"
#include "tests/unit/scratch.h"

static struct error problem;

static void write_text(const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", scratch, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void read_text(const char *name, char *text, size_t size)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", scratch, name);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	text[fread(text, 1, size - 1, file)] = 0;
	fclose(file);
}

/* Without a guard: nothing there is "not found", an environment is not trusted. */
static void test_no_guard(void **state)
{
	(void)state;
	assert_int_equal(guard_check(scratch, &problem), LL_NOT_FOUND);
	write_text("data.mdb", "");
	assert_int_equal(guard_check(scratch, &problem), LL_UNTRUSTED);
	assert_non_null(strstr(problem.text, "rebuild"));
}

/* What was written here, in this run of the machine, is trusted, running or clean. */
static void test_same_boot(void **state)
{
	(void)state;
	assert_int_equal(guard_write(scratch, GUARD_RUNNING, &problem), LL_OK);
	assert_int_equal(guard_check(scratch, &problem), LL_OK);
	assert_int_equal(guard_write(scratch, GUARD_CLEAN, &problem), LL_OK);
	assert_int_equal(guard_check(scratch, &problem), LL_OK);
}

/* One field of a good guard changed: what each change means. */
static void test_changed_fields(void **state)
{
	(void)state;
	static const struct {
		enum guard_state state;
		const char *from, *to;
		enum ll_code code;
	} cases[] = {
		{GUARD_RUNNING, "\nboot ", "\nboot 0000", LL_UNTRUSTED},
		{GUARD_CLEAN, "\nboot ", "\nboot 0000", LL_OK},
		{GUARD_RUNNING, "\ndirectory ", "\ndirectory 9", LL_UNTRUSTED},
		{GUARD_CLEAN, "\ndirectory ", "\ndirectory 9", LL_OK},
		{GUARD_RUNNING, "state running", "state sleeping", LL_UNTRUSTED},
		{GUARD_CLEAN, "guard 1", "guard 2", LL_UNTRUSTED},
		{GUARD_CLEAN, "state clean", "state clea", LL_UNTRUSTED},
		{GUARD_CLEAN, "state clean\n", "", LL_UNTRUSTED},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[512], changed[600];
		assert_int_equal(guard_write(scratch, cases[i].state, &problem), LL_OK);
		read_text(GUARD_FILE, text, sizeof text);
		char *at = strstr(text, cases[i].from);
		assert_non_null(at);
		snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, cases[i].to,
			 at + strlen(cases[i].from));
		write_text(GUARD_FILE, changed);
		assert_int_equal(guard_check(scratch, &problem), cases[i].code);
	}
}

/* A guard cut off anywhere is not trusted. */
static void test_cut_off(void **state)
{
	(void)state;
	char text[512];
	assert_int_equal(guard_write(scratch, GUARD_CLEAN, &problem), LL_OK);
	read_text(GUARD_FILE, text, sizeof text);
	for (size_t size = strlen(text) - 2; size > 0; size--) { /* without the last line's end it still says all */
		text[size] = 0;
		write_text(GUARD_FILE, text);
		if (strstr(text, "directory ") && strchr(strstr(text, "directory "), ' ')[1])
			continue; /* the inode is cut: a clean guard does not ask for it */
		assert_int_equal(guard_check(scratch, &problem), LL_UNTRUSTED);
	}
}

static const struct table_spec tables[] = {{"rows", TABLE_POINT}};
static const struct store_spec spec = {"guarded", 1, tables, 1};

static void forge_boot(void)
{
	char text[512], changed[600];
	read_text(GUARD_FILE, text, sizeof text);
	char *at = strstr(text, "boot ") + 5;
	snprintf(changed, sizeof changed, "%.*s0%s", (int)(at - text), text, at);
	write_text(GUARD_FILE, changed);
}

/* After a stop of the machine neither the writer nor a reader opens what was not closed; what was closed, both do. */
static void test_store_and_snapshot_ask(void **state)
{
	(void)state;
	struct store_options options = {.directory = scratch, .create = true};
	struct store *store;
	struct snapshot *snapshot;
	struct slice position;
	assert_int_equal(store_open(&spec, &options, &store, &position, &problem), LL_OK);
	store_abandon(store);
	assert_int_equal(store_open(&spec, &options, &store, &position, &problem), LL_OK); /* the process died only */
	assert_int_equal(store_close(store, &problem), LL_OK);
	forge_boot();
	assert_int_equal(snapshot_open(&spec, scratch, &snapshot, &problem), LL_OK);
	snapshot_close(snapshot);
	assert_int_equal(store_open(&spec, &options, &store, &position, &problem), LL_OK);
	store_abandon(store);
	forge_boot();
	assert_int_equal(store_open(&spec, &options, &store, &position, &problem), LL_UNTRUSTED);
	assert_int_equal(snapshot_open(&spec, scratch, &snapshot, &problem), LL_UNTRUSTED);
}

/* Killed when the file was made and nothing was in it: to a reader that is no projection yet, and the next writer goes on. */
static void test_begun_and_killed(void **state)
{
	(void)state;
	char path[128];
	struct store_options options = {.directory = scratch, .create = true};
	struct store *store;
	struct snapshot *snapshot;
	struct slice position;
	assert_int_equal(guard_write(scratch, GUARD_RUNNING, &problem), LL_OK);
	snprintf(path, sizeof path, "%s/data.mdb", scratch);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(snapshot_open(&spec, scratch, &snapshot, &problem), LL_NOT_FOUND);
	assert_int_equal(store_open(&spec, &options, &store, &position, &problem), LL_OK);
	assert_int_equal(store_close(store, &problem), LL_OK);
	assert_int_equal(snapshot_open(&spec, scratch, &snapshot, &problem), LL_OK);
	snapshot_close(snapshot);
}

static int fails_left;

static int fail_nth(const char *call)
{
	(void)call;
	return fails_left-- == 0 ? EIO : 0;
}

/* A guard that cannot be written leaves the one that was there. */
static void test_failing_writes(void **state)
{
	(void)state;
	char before[512], after[512];
	assert_int_equal(guard_write(scratch, GUARD_RUNNING, &problem), LL_OK);
	read_text(GUARD_FILE, before, sizeof before);
	int failed = 0;
	for (int n = 0;; n++) {
		fails_left = n;
		environment_fault_set(fail_nth);
		enum ll_code code = guard_write(scratch, GUARD_CLEAN, &problem);
		environment_fault_set(NULL);
		if (fails_left >= 0)
			break;
		failed++;
		assert_int_equal(code, LL_IO);
		read_text(GUARD_FILE, after, sizeof after);
		if (n < 2) /* the third is the directory's fsync, after the rename */
			assert_string_equal(before, after);
	}
	assert_int_equal(failed, 3);
}

int main(void)
{
	const struct CMUnitTest tests_here[] = {
		cmocka_unit_test_setup_teardown(test_no_guard, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_same_boot, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_changed_fields, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_cut_off, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_store_and_snapshot_ask, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_begun_and_killed, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_failing_writes, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests_here, NULL, NULL);
}
