/*
 * Fault injection: the N-th call of LMDB, file write, fsync, rename or allocation fails, once or from then on, in a child process that does
 * real work on a data directory; N rises until a run injects nothing. After each run the directory is used as ever, without faults, and
 * must come to the very state that it would have come to.
 *
 * A child may end well, with an error, or by the program's own abort (memory that runs out, a page that cannot be read); it must
 * not crash. LEDGERLINE_FAULTS=all tries every N; else each run takes a step, so that all is seen in some seconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "engine/data/catch_up.h"
#include "engine/snapshots/snapshots.h"
#include "projections/store/environment.h"
#include "schemas/wire/ensure.h"
#include "tests/support/charged.h"
#include "tests/unit/scratch.h"

enum { BLOCKS = 12, ENDED_WELL = 0, ENDED_WITH_ERROR = 3, CHILD_SECONDS = 60 };

static char data_path[128], url[160];
static char expected[DIGEST_TEXT_SIZE + 1];

/* Shared with the child. */
static struct shared {
	_Atomic long calls, injected;
	_Atomic long allocations;
	_Atomic uint64_t acknowledged;
	char call[32]; /* what failed first */
} * shared;

/* ---- faults ---- */

static long fail_at;
static bool for_ever, allocations_fail;

static int fail_call(const char *call)
{
	long number = ++shared->calls;
	if (allocations_fail || !(number == fail_at || (for_ever && number > fail_at)))
		return 0;
	if (shared->injected++ == 0)
		snprintf(shared->call, sizeof shared->call, "%s", call);
	return number % 2 ? EIO : ENOSPC;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CAN_FAIL_ALLOCATIONS = false }; /* the sanitizers have these functions for themselves */
#else
enum { CAN_FAIL_ALLOCATIONS = true };

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *at, size_t size);

static bool allocation_fails(void)
{
	if (!allocations_fail)
		return false;
	long number = ++shared->allocations;
	bool fails = number == fail_at || (for_ever && number > fail_at);
	shared->injected += fails;
	if (fails)
		errno = ENOMEM;
	return fails;
}

void *malloc(size_t size)
{
	return allocation_fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return allocation_fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *at, size_t size)
{
	return allocation_fails() ? NULL : __libc_realloc(at, size);
}
#endif

/* ---- the journal ---- */

static enum ll_code append(struct journal *journal, struct slice value, struct error *error)
{
	struct journal_appender *appender = NULL;
	struct journal_report report;
	enum ll_code code = journal_appender_open(journal, &appender, error);
	if (code == LL_OK)
		code = journal_append(appender, value, 1, NULL, 0, error);
	if (code == LL_OK)
		code = journal_report(appender, 10000, &report);
	if (code == LL_OK)
		code = report.code;
	journal_appender_close(appender);
	return code;
}

static void append_and_fold(struct journal *journal, struct fold *fold, struct slice value)
{
	struct error error;
	enum fold_verdict verdict;
	struct block block;
	assert_int_equal(append(journal, value, &error), LL_OK);
	assert_int_equal(fold_record(fold, fold->next_offset, value, &verdict, &block, &error), LL_OK);
}

static void make_journal(void)
{
	static uint8_t room[BLOCK_BYTES_MAX];
	struct journal *journal;
	struct error error;
	struct fold fold = {0};
	uint8_t *genesis;
	size_t size;
	int64_t time_ms, balances[CHARGED_USERS] = {0};
	enum fold_verdict verdict;
	struct block block;
	assert_int_equal(journal_open(url, &(struct journal_options){.create = true}, &journal, &error), LL_OK);
	assert_int_equal(write_genesis(journal, "faults", 1, &error), LL_OK);
	assert_int_equal(journal_read_at(journal, 0, &genesis, &size, &time_ms, &error), LL_OK);
	assert_int_equal(fold_record(&fold, 0, slice_of(genesis, size), &verdict, &block, &error), LL_OK);
	free(genesis);
	append_and_fold(journal, &fold, charged_claim(room, &fold));
	for (unsigned i = 0; i < BLOCKS; i++)
		append_and_fold(journal, &fold, charged_block(room, &fold, balances));
	journal_close(journal);
}

/* ---- what is done ---- */

typedef enum ll_code work_fn(struct data *data, struct journal *journal, struct error *error);

/* Opens what is there, folds to the end with a flush every two blocks, closes. */
static enum ll_code fill(struct data *data, struct journal *journal, struct error *error)
{
	struct ledger_options options = {.clean_bytes_max = 1 << 20};
	struct catch_up how = {.end = UINT64_MAX, .commit_entries = 2 * CHARGES_PER_BLOCK};
	struct ledger *ledger = NULL;
	struct error closing;
	enum ll_code code = data_open_ledger(data, PROJECTIONS_ALL, &options, NULL, &ledger, error);
	if (code != LL_OK)
		return code;
	code = catch_up(journal, ledger, &how, NULL, error);
	enum ll_code closed = ledger_close(ledger, &closing);
	if (code == LL_OK && closed != LL_OK)
		*error = closing, code = closed;
	return code;
}

static enum ll_code snapshot(struct data *data, struct journal *journal, struct error *error)
{
	struct snapshot_manifest manifest;
	char root[DATA_PATH_MAX], path[SNAPSHOT_PATH_MAX];
	bool was_there;
	snprintf(root, sizeof root, "%s/snapshots", data->path);
	return snapshot_take(data, journal, root, NULL, &manifest, path, &was_there, error);
}

static struct fold at_end; /* of the embedded journal */

static void fold_to_end(void)
{
	struct journal *journal;
	struct journal_reader *reader;
	struct journal_record record;
	struct error error;
	enum fold_verdict verdict;
	struct block block;
	assert_int_equal(journal_open(url, &(struct journal_options){.create = false}, &journal, &error), LL_OK);
	assert_int_equal(journal_reader_open(journal, at_end.next_offset, &reader, &error), LL_OK);
	while (journal_read(reader, 0, &record, &error) == LL_OK)
		if (fold_record(&at_end, record.offset, record.value, &verdict, &block, &error) != LL_OK)
			fail_msg("after %s failed: %s", shared->call, error.text);
	journal_reader_close(reader);
	journal_close(journal);
	assert_int_equal(at_end.stale_blocks + at_end.foreign_blocks, 0);
}

/* Claims into the embedded journal. What was reported as written is counted. */
static enum ll_code claim(struct data *data, struct journal *journal, struct error *error)
{
	uint8_t room[4096];
	enum fold_verdict verdict;
	struct block block;
	enum ll_code code = LL_OK;
	(void)data;
	for (unsigned i = 0; i < 3 && code == LL_OK; i++) {
		struct slice value = charged_claim(room, &at_end);
		code = append(journal, value, error);
		if (code == LL_OK)
			code = fold_record(&at_end, at_end.next_offset, value, &verdict, &block, error);
		if (code == LL_OK)
			shared->acknowledged = at_end.next_offset;
	}
	return code;
}

static enum ll_code do_work(work_fn *work, struct error *error)
{
	struct data data;
	struct journal *journal = NULL;
	enum ll_code code = data_open(data_path, url, DATA_MAKE, &data, error);
	if (code != LL_OK)
		return code;
	code = journal_open(url, &(struct journal_options){.create = false}, &journal, error);
	if (code == LL_OK)
		code = data_remember(&data, error);
	if (code == LL_OK)
		code = work(&data, journal, error);
	journal_close(journal);
	data_close(&data);
	return code;
}

/* In a child, with faults. Returns how it ended. */
static int run_with_faults(work_fn *work, long at, bool ever, bool of_allocations)
{
	int status;
	*shared = (struct shared){.acknowledged = 0};
	pid_t pid = fork();
	if (pid == 0) {
		struct error error = {.text = ""};
		const struct rlimit no_core = {0, 0};
		int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
		(void)setrlimit(RLIMIT_CORE, &no_core);
		for (int number = 1; number < 32; number++)
			(void)signal(number, SIG_DFL);
		(void)dup2(nowhere, STDERR_FILENO);
		alarm(CHILD_SECONDS);
		fail_at = at;
		for_ever = ever;
		environment_fault_set(fail_call);
		allocations_fail = of_allocations;
		enum ll_code code = do_work(work, &error);
		allocations_fail = false;
		_exit(code == LL_OK ? ENDED_WELL : ENDED_WITH_ERROR);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void digest_of(char digest[DIGEST_TEXT_SIZE + 1])
{
	struct ledger_options options = {.clean_bytes_max = 1 << 20};
	struct catch_up how = {.end = UINT64_MAX};
	struct ledger *ledger;
	struct journal *journal;
	struct data data;
	struct error error;
	if (data_open(data_path, url, DATA_MAKE, &data, &error) != LL_OK ||
	    journal_open(url, &(struct journal_options){.create = false}, &journal, &error) != LL_OK ||
	    data_open_ledger(&data, PROJECTIONS_ALL, &options, NULL, &ledger, &error) != LL_OK ||
	    catch_up(journal, ledger, &how, NULL, &error) != LL_OK ||
	    digest_of_view(ledger_view(ledger), digest, &error) != LL_OK)
		fail_msg("after %s failed: %s", shared->call, error.text);
	ledger_view_reset(ledger);
	assert_int_equal(ledger_stopped(ledger), 0);
	if (ledger_close(ledger, &error) != LL_OK || data_remember(&data, &error) != LL_OK)
		fail_msg("%s", error.text);
	data_close(&data);
	journal_close(journal);
}

static void clear_projections(void)
{
	char command[200];
	snprintf(command, sizeof command, "rm -rf %s/projections %s/snapshots", data_path, data_path);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a text of our own */
}

/* N rises by `step`. With `anew` each run begins with no projections; else with those that the run before left. */
static void raise_n(const char *name, work_fn *work, bool of_allocations, long step, bool anew)
{
	const char *wanted = getenv("LEDGERLINE_FAULTS");
	long points = 0, aborted = 0, errors = 0;
	if (wanted && strcmp(wanted, "all") == 0)
		step = of_allocations ? 1 + step / 20 : 1;
	for (int ever = 0; ever < 2; ever++) {
		for (long at = 1;; at += step) {
			char digest[DIGEST_TEXT_SIZE + 1];
			if (anew)
				clear_projections();
			int status = run_with_faults(work, at, ever, of_allocations);
			if (WIFSIGNALED(status) && WTERMSIG(status) != SIGABRT)
				fail_msg("%s: N=%ld (%s): signal %d", name, at, shared->call, WTERMSIG(status));
			points += shared->injected > 0;
			aborted += WIFSIGNALED(status);
			errors += WIFEXITED(status) && WEXITSTATUS(status) == ENDED_WITH_ERROR;
			digest_of(digest);
			if (strcmp(digest, expected) != 0)
				fail_msg("%s: N=%ld (%s): another state", name, at, shared->call);
			if (shared->injected == 0)
				break;
		}
	}
	print_message("%s: %ld points, %ld ended with an error, %ld by the program's own abort, 0 wrong\n", name,
		      points, errors, aborted);
	assert_true(points > 0);
}

/* ---- the tests ---- */

static int set_up(void **state)
{
	if (scratch_make(state) != 0)
		return -1;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snprintf(data_path, sizeof data_path, "%s/data", scratch);
	snprintf(url, sizeof url, "local:%s/journal", scratch);
	make_journal();
	digest_of(expected);
	return 0;
}

static int tear_down(void **state)
{
	munmap(shared, sizeof *shared);
	return scratch_remove(state);
}

static void test_fill(void **state)
{
	(void)state;
	raise_n("fill and flush", fill, false, 83, true);
}

static void test_rebuild(void **state)
{
	(void)state;
	raise_n("rebuild and adopt", charged_rebuild, false, 41, false);
}

static void test_snapshot(void **state)
{
	(void)state;
	raise_n("snapshot", snapshot, false, 67, false);
}

static void test_allocations(void **state)
{
	(void)state;
	if (!CAN_FAIL_ALLOCATIONS)
		skip();
	raise_n("allocations of a fill", fill, true, 19, true);
}

/* What the embedded journal reported as written is there, and what is there is history. */
static void test_journal(void **state)
{
	(void)state;
	long points = 0, step = getenv("LEDGERLINE_FAULTS") ? 1 : 3;
	for (int ever = 0; ever < 2; ever++) {
		for (long at = 1;; at += step) {
			char digest[DIGEST_TEXT_SIZE + 1];
			fold_to_end();
			int status = run_with_faults(claim, at, ever, false);
			if (WIFSIGNALED(status))
				fail_msg("N=%ld (%s): signal %d", at, shared->call, WTERMSIG(status));
			fold_to_end();
			assert_true(at_end.next_offset >= shared->acknowledged);
			digest_of(digest); /* claims do not change the state */
			assert_string_equal(digest, expected);
			points += shared->injected > 0;
			if (shared->injected == 0)
				break;
		}
	}
	print_message("journal: %ld points, 0 lost\n", points);
	assert_true(points > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fill),        cmocka_unit_test(test_rebuild), cmocka_unit_test(test_snapshot),
		cmocka_unit_test(test_allocations), cmocka_unit_test(test_journal),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
