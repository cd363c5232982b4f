/*
 * The journals that need no broker: the port's contract on memory and local, the fault plan of memory, crashes of local.
 */
#include "tests/unit/journal_contract.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/journal/memory.h"
#include "projections/store/environment.h"

static bool testing_local;
static char scratch[64];
static unsigned urls_count;

static const char *contract_url(void)
{
	static char url[128];
	snprintf(url, sizeof url, testing_local ? "local:%s/log%u" : "memory:%s/log%u", scratch, ++urls_count);
	return url;
}

/* ---- URLs ---- */

/* What is no journal URL is refused with the sentence that says what one is. */
static void bad_urls_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *url, *sentence;
	} cases[] = {
		{"", "\"\" is no journal URL: give local:DIR or kafka://HOST:PORT,HOST:PORT/NAME"},
		{"/var/journal",
		 "\"/var/journal\" is no journal URL: give local:DIR or kafka://HOST:PORT,HOST:PORT/NAME"},
		{"redis://x", "\"redis://x\" is no journal URL: give local:DIR or kafka://HOST:PORT,HOST:PORT/NAME"},
		{"local", "\"local\" is no journal URL: give local:DIR or kafka://HOST:PORT,HOST:PORT/NAME"},
		{"local:", "\"local:\" is no journal URL: give local:DIR"},
		{"memory:", "\"memory:\" is no journal URL: give memory:NAME"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct journal *journal = NULL;
		struct error error = {0};
		assert_int_equal(journal_open(cases[i].url, NULL, &journal, &error), LL_USAGE);
		assert_string_equal(error.text, cases[i].sentence);
		assert_int_equal(journal_create(cases[i].url, NULL, 0, &error), LL_USAGE);
		assert_string_equal(error.text, cases[i].sentence);
	}
	char longest[JOURNAL_URL_MAX + 1];
	memset(longest, 'x', sizeof longest);
	longest[JOURNAL_URL_MAX] = 0;
	struct journal *journal = NULL;
	struct error error = {0};
	assert_int_equal(journal_open(longest, NULL, &journal, &error), LL_USAGE);
	assert_string_equal(error.text, "this journal URL is longer than 1023 bytes");
}

/* Settings that a journal does not have are refused by name. */
static void unknown_settings_are_refused(void **state)
{
	(void)state;
	struct journal_option setting = {"map.bites", "1"};
	struct journal_options options = {.settings = &setting, .settings_count = 1, .create = true};
	struct journal *journal = NULL;
	struct error error = {0};
	testing_local = true;
	assert_int_equal(journal_open(contract_url(), &options, &journal, &error), LL_USAGE);
	assert_string_equal(error.text, "the embedded journal has no setting \"map.bites\" (it has: map.bytes)");
	setting = (struct journal_option){"map.bytes", "a lot"};
	assert_int_equal(journal_open(contract_url(), &options, &journal, &error), LL_USAGE);
	assert_string_equal(error.text, "map.bytes=a lot: give a number of bytes from 65536 on");
	testing_local = false;
	assert_int_equal(journal_open(contract_url(), &options, &journal, &error), LL_USAGE);
}

/* ---- the fault plan ---- */

struct faulty {
	const char *name;
	struct journal *journal;
	struct journal_appender *appender;
	struct journal_reader *reader;
};

static struct faulty faulty_open(void)
{
	struct faulty faulty = {.journal = contract_fresh()};
	faulty.name = journal_url(faulty.journal) + strlen("memory:");
	faulty.appender = contract_appender(faulty.journal);
	faulty.reader = contract_reader(faulty.journal, 0);
	memory_journal_set_manual(faulty.name, true);
	return faulty;
}

static void faulty_close(struct faulty *faulty)
{
	journal_reader_close(faulty->reader);
	journal_appender_close(faulty->appender);
	journal_close(faulty->journal);
}

static enum ll_code read_now(struct faulty *faulty, struct journal_record *record)
{
	struct error error;
	return journal_read(faulty->reader, 0, record, &error);
}

static void hand_over(struct faulty *faulty, unsigned number)
{
	struct error error = {0};
	must(journal_append(faulty->appender, contract_value(number), 1000 + number, NULL, 0, &error), &error);
}

static struct journal_report report_now(struct faulty *faulty)
{
	struct journal_report report = {0};
	assert_int_equal(journal_report(faulty->appender, 0, &report), LL_OK);
	return report;
}

static void expect_number(struct faulty *faulty, uint64_t offset, unsigned number)
{
	struct journal_record record;
	assert_int_equal(read_now(faulty, &record), LL_OK);
	assert_int_equal(record.offset, offset);
	assert_true(slice_equal(record.value, contract_value(number)));
}

static void expect_end(struct faulty *faulty)
{
	struct journal_record record;
	assert_int_equal(read_now(faulty, &record), LL_END);
}

/* A failed append is reported so and does not land; the next one takes its offset. */
static void fault_fail(void **state)
{
	(void)state;
	struct faulty faulty = faulty_open();
	memory_journal_fault(faulty.name,
			     (struct memory_fault){.append = 1, .kind = MEMORY_FAIL, .code = LL_TOO_LARGE});
	hand_over(&faulty, 1);
	struct journal_report report = report_now(&faulty);
	assert_int_equal(report.code, LL_TOO_LARGE);
	assert_true(report.offset == JOURNAL_NO_OFFSET);
	assert_int_not_equal(report.error.text[0], 0);
	expect_end(&faulty);
	hand_over(&faulty, 2);
	assert_int_equal(report_now(&faulty).offset, 0);
	expect_number(&faulty, 0, 2);
	faulty_close(&faulty);
}

/* A delayed append is neither reported nor read before its tick, and lands even when its appender was closed. */
static void fault_delay(void **state)
{
	(void)state;
	struct faulty faulty = faulty_open();
	struct journal_report report;
	memory_journal_fault(faulty.name, (struct memory_fault){.append = 1, .kind = MEMORY_DELAY, .amount = 2});
	memory_journal_fault(faulty.name, (struct memory_fault){.append = 2, .kind = MEMORY_DELAY, .amount = 2});
	hand_over(&faulty, 1);
	memory_journal_tick(faulty.name, 1);
	assert_int_equal(journal_report(faulty.appender, 0, &report), LL_TIMEOUT);
	expect_end(&faulty);
	memory_journal_tick(faulty.name, 1);
	assert_int_equal(report_now(&faulty).offset, 0);
	expect_number(&faulty, 0, 1);
	hand_over(&faulty, 2);
	journal_appender_close(faulty.appender);
	faulty.appender = contract_appender(faulty.journal);
	hand_over(&faulty, 3);
	assert_int_equal(report_now(&faulty).offset, 1);
	memory_journal_tick(faulty.name, 2);
	expect_number(&faulty, 1, 3);
	expect_number(&faulty, 2, 2);
	faulty_close(&faulty);
}

/* A delayed report comes after its record was read; with ticks by calls a loop that only follows descriptors gets it. */
static void fault_delay_report(void **state)
{
	(void)state;
	struct faulty faulty = faulty_open();
	struct journal_report report;
	memory_journal_set_manual(faulty.name, false);
	memory_journal_fault(faulty.name, (struct memory_fault){.append = 1, .kind = MEMORY_DELAY_REPORT, .amount = 5});
	hand_over(&faulty, 1);
	expect_number(&faulty, 0, 1);
	unsigned turns = 0;
	enum ll_code code = LL_TIMEOUT;
	while (code == LL_TIMEOUT) {
		struct pollfd polled = {.fd = journal_appender_descriptor(faulty.appender), .events = POLLIN};
		assert_int_equal(poll(&polled, 1, 0), 1);
		journal_appender_acknowledge(faulty.appender);
		code = journal_report(faulty.appender, 0, &report);
		turns++;
	}
	assert_int_equal(turns, 6);
	assert_int_equal(report.code, LL_OK);
	faulty_close(&faulty);
}

/* A doubled append is reported once and read twice. */
static void fault_duplicate(void **state)
{
	(void)state;
	struct faulty faulty = faulty_open();
	memory_journal_fault(faulty.name, (struct memory_fault){.append = 1, .kind = MEMORY_DUPLICATE, .amount = 1});
	hand_over(&faulty, 1);
	assert_int_equal(report_now(&faulty).offset, 0);
	hand_over(&faulty, 2);
	assert_int_equal(report_now(&faulty).offset, 2);
	expect_number(&faulty, 0, 1);
	expect_number(&faulty, 1, 1);
	expect_number(&faulty, 2, 2);
	faulty_close(&faulty);
}

/* A reordered append is reported as written but lands behind its followers. */
static void fault_reorder(void **state)
{
	(void)state;
	struct faulty faulty = faulty_open();
	memory_journal_fault(faulty.name, (struct memory_fault){.append = 1, .kind = MEMORY_REORDER, .amount = 2});
	for (unsigned i = 1; i <= 3; i++) {
		hand_over(&faulty, i);
		assert_int_equal(report_now(&faulty).code, LL_OK);
	}
	expect_number(&faulty, 0, 2);
	expect_number(&faulty, 1, 3);
	expect_number(&faulty, 2, 1);
	faulty_close(&faulty);
}

/* A lost append and a silent one are never reported; the silent one lands. Closing the appender lets go of both. */
static void fault_lose_and_silent(void **state)
{
	(void)state;
	struct faulty faulty = faulty_open();
	struct journal_report report;
	memory_journal_fault(faulty.name, (struct memory_fault){.append = 1, .kind = MEMORY_LOSE});
	memory_journal_fault(faulty.name, (struct memory_fault){.append = 2, .kind = MEMORY_SILENT});
	for (unsigned i = 1; i <= 2; i++) {
		hand_over(&faulty, i);
		memory_journal_tick(faulty.name, 100);
		assert_int_equal(journal_report(faulty.appender, 0, &report), LL_TIMEOUT);
		journal_appender_close(faulty.appender);
		faulty.appender = contract_appender(faulty.journal);
	}
	expect_number(&faulty, 0, 2);
	expect_end(&faulty);
	assert_int_equal(memory_journal_appends(faulty.name), 2);
	faulty_close(&faulty);
}

/* Reports lie in every direction: success for the lost, failure for the landed, a wrong offset. */
static void fault_lies(void **state)
{
	(void)state;
	struct faulty faulty = faulty_open();
	memory_journal_fault(faulty.name, (struct memory_fault){.append = 1, .kind = MEMORY_LIE_WRITTEN});
	memory_journal_fault(faulty.name, (struct memory_fault){.append = 2, .kind = MEMORY_LIE_FAILED});
	memory_journal_fault(faulty.name, (struct memory_fault){.append = 3, .kind = MEMORY_WRONG_OFFSET, .amount = 7});
	hand_over(&faulty, 1);
	struct journal_report report = report_now(&faulty);
	assert_int_equal(report.code, LL_OK);
	assert_int_equal(report.offset, 0);
	hand_over(&faulty, 2);
	assert_int_equal(report_now(&faulty).code, LL_UNAVAILABLE);
	hand_over(&faulty, 3);
	assert_int_equal(report_now(&faulty).offset, 8);
	expect_number(&faulty, 0, 2);
	expect_number(&faulty, 1, 3);
	expect_end(&faulty);
	faulty_close(&faulty);
}

/* An appender that died takes nothing more; a new one does. */
static void fault_death(void **state)
{
	(void)state;
	struct faulty faulty = faulty_open();
	memory_journal_fault(faulty.name, (struct memory_fault){.append = 1, .kind = MEMORY_LIE_FAILED, .dies = true});
	hand_over(&faulty, 1);
	assert_true(report_now(&faulty).appender_is_dead);
	hand_over(&faulty, 2);
	struct journal_report report = report_now(&faulty);
	assert_int_equal(report.code, LL_UNAVAILABLE);
	assert_true(report.appender_is_dead);
	journal_appender_close(faulty.appender);
	faulty.appender = contract_appender(faulty.journal);
	hand_over(&faulty, 3);
	assert_int_equal(report_now(&faulty).offset, 1);
	faulty_close(&faulty);
}

/* A log cut short, or without its beginning, is divergence for readers outside of what is left, and only for them. */
static void cut_and_trimmed(void **state)
{
	(void)state;
	struct faulty faulty = faulty_open();
	struct journal_record record;
	struct journal_watermarks watermarks;
	struct error error = {0};
	contract_append_some(faulty.appender, 0, 6);
	contract_expect(faulty.reader, 0, 6);
	memory_journal_cut(faulty.name, 5);
	assert_int_equal(read_now(&faulty, &record), LL_DIVERGED);
	memory_journal_trim(faulty.name, 2);
	must(journal_watermarks(faulty.journal, &watermarks, &error), &error);
	assert_int_equal(watermarks.low, 2);
	assert_int_equal(watermarks.high, 5);
	struct journal_reader *reader = contract_reader(faulty.journal, 1);
	assert_int_equal(journal_read(reader, 0, &record, &error), LL_DIVERGED);
	journal_reader_close(reader);
	uint8_t *bytes;
	size_t size;
	int64_t time_ms;
	assert_int_equal(journal_read_at(faulty.journal, 1, &bytes, &size, &time_ms, &error), LL_DIVERGED);
	reader = contract_reader(faulty.journal, 2);
	contract_expect(reader, 2, 5);
	journal_reader_close(reader);
	faulty_close(&faulty);
}

/* A replaced log that has grown past a reader's position takes him in without a word, as Kafka does; its identity tells. */
static void replaced(void **state)
{
	(void)state;
	struct faulty faulty = faulty_open();
	struct journal_identity before, after;
	struct error error = {0};
	must(journal_identity(faulty.journal, &before, &error), &error);
	contract_append_some(faulty.appender, 0, 2);
	contract_expect(faulty.reader, 0, 2);
	memory_journal_replace(faulty.name, false);
	must(journal_identity(faulty.journal, &after, &error), &error);
	assert_string_not_equal(before.cluster, after.cluster);
	contract_append_some(faulty.appender, 0, 3);
	expect_number(&faulty, 2, 2);
	memory_journal_flip(faulty.name, 0, 3, 0x01);
	uint8_t *bytes = NULL;
	size_t size = 0;
	int64_t time_ms = 0;
	must(journal_read_at(faulty.journal, 0, &bytes, &size, &time_ms, &error), &error);
	assert_false(slice_equal(slice_of(bytes, size), contract_value(0)));
	free(bytes);
	faulty_close(&faulty);
}

/* While the log is away nothing lands and readers hear so; when it is back all goes on. A deleted log is not found. */
static void away_and_deleted(void **state)
{
	(void)state;
	struct faulty faulty = faulty_open();
	struct journal_record record;
	struct journal_report report;
	memory_journal_set_away(faulty.name, true);
	hand_over(&faulty, 1);
	memory_journal_tick(faulty.name, 10);
	assert_int_equal(journal_report(faulty.appender, 0, &report), LL_TIMEOUT);
	assert_int_equal(read_now(&faulty, &record), LL_UNAVAILABLE);
	memory_journal_set_away(faulty.name, false);
	assert_int_equal(report_now(&faulty).offset, 0);
	expect_number(&faulty, 0, 1);
	memory_journal_delete(faulty.name);
	assert_int_equal(read_now(&faulty, &record), LL_NOT_FOUND);
	hand_over(&faulty, 2);
	assert_int_equal(report_now(&faulty).code, LL_NOT_FOUND);
	struct journal *journal = NULL;
	assert_int_equal(journal_open(journal_url(faulty.journal), NULL, &journal, NULL), LL_NOT_FOUND);
	faulty_close(&faulty);
}

/* What a log looks like after 200 appends under chaos, as one number. */
static uint64_t chaos_digest(uint64_t seed)
{
	struct faulty faulty = faulty_open();
	uint64_t digest = 0;
	memory_journal_set_manual(faulty.name, false);
	memory_journal_chaos(faulty.name, seed, 500, true);
	for (unsigned i = 0; i < 200; i++) {
		struct journal_report report = {0};
		hand_over(&faulty, i);
		unsigned tries = 20;
		enum ll_code code = LL_TIMEOUT;
		while (code == LL_TIMEOUT && tries--)
			code = journal_report(faulty.appender, 0, &report);
		digest = digest * 31 + (uint64_t)report.code * 2 + report.appender_is_dead;
		if (code == LL_TIMEOUT || report.appender_is_dead) {
			journal_appender_close(faulty.appender);
			faulty.appender = contract_appender(faulty.journal);
		}
	}
	memory_journal_heal(faulty.name);
	struct journal_record record;
	while (read_now(&faulty, &record) == LL_OK)
		for (size_t i = 0; i < record.value.size; i++)
			digest = digest * 31 + record.value.at[i];
	faulty_close(&faulty);
	return digest;
}

/* Chaos is a function of its seed. */
static void chaos_repeats(void **state)
{
	(void)state;
	assert_true(chaos_digest(1) == chaos_digest(1));
	assert_true(chaos_digest(2) == chaos_digest(2));
	assert_false(chaos_digest(1) == chaos_digest(2));
}

/* ---- local ---- */

/* Only one appender of a directory, in this process and in others; the refusal names the process that holds it. */
static void local_appender_is_alone(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh(), *second = contract_open(journal_url(journal));
	struct journal_appender *appender = contract_appender(journal), *refused = NULL;
	struct error error = {0};
	char expected[JOURNAL_URL_MAX + 128];
	snprintf(expected, sizeof expected, "process %d appends to this journal (%s/appender): stop it first", getpid(),
		 journal_url(journal) + strlen("local:"));
	assert_int_equal(journal_appender_open(second, &refused, &error), LL_BUSY);
	assert_string_equal(error.text, expected);
	char url[JOURNAL_URL_MAX];
	snprintf(url, sizeof url, "%s", journal_url(journal));
	journal_close(second);
	journal_appender_close(appender);
	journal_close(journal);

	int ready[2], go[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	pid_t child = fork();
	if (child == 0) {
		struct journal *own = NULL;
		struct journal_appender *its = NULL;
		bool good =
			journal_open(url, NULL, &own, NULL) == LL_OK && journal_appender_open(own, &its, NULL) == LL_OK;
		byte = good ? 'y' : 'n';
		good = good && write(ready[1], &byte, 1) == 1;
		good = good && read(go[0], &byte, 1) == 1;
		_exit(good ? 0 : 1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	journal = contract_open(url);
	assert_int_equal(journal_appender_open(journal, &refused, &error), LL_BUSY);
	snprintf(expected, sizeof expected, "process %d appends to this journal (%s/appender): stop it first",
		 (int)child, url + strlen("local:"));
	assert_string_equal(error.text, expected);
	assert_int_equal(write(go[1], "x", 1), 1);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	appender = contract_appender(journal);
	journal_appender_close(appender);
	journal_close(journal);
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
}

/* Appends numbered records for ever and tells each reported offset to `told`. */
static void append_until_killed(const char *url, int told)
{
	struct journal *journal = NULL;
	struct journal_appender *appender = NULL;
	struct journal_watermarks watermarks;
	if (journal_open(url, NULL, &journal, NULL) != LL_OK ||
	    journal_appender_open(journal, &appender, NULL) != LL_OK ||
	    journal_watermarks(journal, &watermarks, NULL) != LL_OK)
		_exit(1);
	for (uint64_t i = watermarks.high;; i++) {
		struct journal_report report;
		struct error error;
		uint8_t value[3000];
		memset(value, (int)(i % 251), sizeof value);
		memcpy(value, &i, sizeof i);
		if (journal_append(appender, slice_of(value, sizeof value), 1, NULL, 0, &error) != LL_OK ||
		    journal_report(appender, PATIENCE_MS, &report) != LL_OK || report.code != LL_OK ||
		    report.offset != i || write(told, &i, sizeof i) != sizeof i)
			_exit(1);
	}
}

/* After kill -9 of an appender everything that was reported is there, in order and without gaps, and appending goes on. */
static void local_survives_kill(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	char url[JOURNAL_URL_MAX];
	snprintf(url, sizeof url, "%s", journal_url(journal));
	journal_close(journal);
	for (unsigned round = 0; round < 10; round++) {
		int told[2];
		assert_int_equal(pipe(told), 0);
		pid_t child = fork();
		if (child == 0) {
			close(told[0]);
			append_until_killed(url, told[1]);
		}
		close(told[1]);
		uint64_t offset = 0, last = 0;
		for (unsigned i = 0; i < 20 + 7 * round; i++) {
			assert_int_equal(read(told[0], &offset, sizeof offset), sizeof offset);
			last = offset;
		}
		kill(child, SIGKILL);
		while (read(told[0], &offset, sizeof offset) == sizeof offset)
			last = offset;
		close(told[0]);
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));

		journal = contract_open(url);
		struct journal_reader *reader = contract_reader(journal, 0);
		struct journal_record record;
		struct error error = {0};
		uint64_t got = 0;
		enum ll_code code;
		while ((code = journal_read(reader, 1, &record, &error)) == LL_OK) {
			uint64_t number;
			assert_int_equal(record.value.size, 3000);
			memcpy(&number, record.value.at, sizeof number);
			assert_int_equal(number, got);
			assert_int_equal(record.value.at[2999], got % 251);
			assert_int_equal(record.offset, got);
			got++;
		}
		assert_int_equal(code, LL_END);
		assert_true(got > last);
		assert_true(got <= last + 2);
		journal_reader_close(reader);
		journal_close(journal);
	}
}

/* A reader in one process sees what another process appends, without being told. */
static void local_is_read_by_other_processes(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	char url[JOURNAL_URL_MAX];
	snprintf(url, sizeof url, "%s", journal_url(journal));
	journal_close(journal);
	int told[2];
	assert_int_equal(pipe(told), 0);
	pid_t child = fork();
	if (child == 0)
		append_until_killed(url, told[1]);
	struct journal_options options = {.read_only = true};
	struct error error = {0};
	must(journal_open(url, &options, &journal, &error), &error);
	struct journal_reader *reader = contract_reader(journal, 0);
	for (uint64_t got = 0; got < 200;) {
		struct journal_record record;
		enum ll_code code = journal_read(reader, 1000, &record, &error);
		if (code == LL_END)
			continue;
		must(code, &error);
		assert_int_equal(record.offset, got++);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(told[0]);
	close(told[1]);
	journal_reader_close(reader);
	journal_close(journal);
}

/* A map that is too small grows under readers, and no record is lost over it. */
static void local_map_grows(void **state)
{
	(void)state;
	struct journal_option setting = {"map.bytes", "262144"};
	struct journal_options options = {.settings = &setting, .settings_count = 1, .create = true};
	struct journal *journal = NULL;
	struct error error = {0};
	must(journal_open(contract_url(), &options, &journal, &error), &error);
	struct journal_appender *appender = contract_appender(journal);
	struct journal_reader *reader = contract_reader(journal, 0);
	static uint8_t value[100000];
	for (unsigned i = 0; i < 60; i++) {
		struct journal_record record;
		memset(value, (int)i, sizeof value);
		struct journal_report report = contract_append(appender, slice_of(value, sizeof value), i);
		must(report.code, &report.error);
		if (i == 0 || i == 1)
			continue; /* stays behind, so that the loop's reader never stands at the end */
		must(journal_read(reader, 0, &record, &error), &error);
		assert_int_equal(record.offset, i - 2);
		assert_int_equal(record.value.size, sizeof value);
		assert_int_equal(record.value.at[99999], i - 2);
	}
	journal_reader_close(reader);
	journal_appender_close(appender);
	journal_close(journal);
}

static void damage(const char *url, const char *database, struct slice key, struct slice value)
{
	struct environment_options options = {.directory = url + strlen("local:"), .create = true, .synced = true};
	struct environment *environment = NULL;
	struct environment_txn *txn = NULL;
	struct error error = {0};
	unsigned handle;
	must(environment_open(&options, &environment, &error), &error);
	must(environment_database(environment, database, true, &handle, &error), &error);
	must(environment_txn_begin(environment, true, &txn, &error), &error);
	if (value.size)
		must(environment_put(txn, handle, key, value, false, &error), &error);
	else
		must(environment_delete(txn, handle, key, &error), &error);
	must(environment_txn_commit(txn, &error), &error);
	environment_close(environment);
}

/* A missing record, a stump and a newer format are told as what they are; another environment is no journal. */
static void local_tells_damage(void **state)
{
	(void)state;
	static const uint8_t two[8] = {0, 0, 0, 0, 0, 0, 0, 2}, three[8] = {0, 0, 0, 0, 0, 0, 0, 3};
	struct journal *journal = contract_fresh();
	struct journal_appender *appender = contract_appender(journal);
	char url[JOURNAL_URL_MAX];
	snprintf(url, sizeof url, "%s", journal_url(journal));
	contract_append_some(appender, 0, 5);
	journal_appender_close(appender);
	journal_close(journal);

	damage(url, "records", slice_of(two, 8), SLICE_EMPTY);
	damage(url, "records", slice_of(three, 8), SLICE("stump"));
	journal = contract_open(url);
	struct journal_record record;
	struct error error = {0};
	struct journal_reader *reader = contract_reader(journal, 1);
	must(journal_read(reader, 0, &record, &error), &error);
	assert_int_equal(journal_read(reader, 0, &record, &error), LL_CORRUPT);
	assert_int_equal(journal_read(reader, 0, &record, &error), LL_CORRUPT);
	journal_reader_close(reader);
	reader = contract_reader(journal, 3);
	assert_int_equal(contract_read(reader, &record, &error), LL_CORRUPT);
	journal_reader_close(reader);
	uint8_t *bytes;
	size_t size;
	int64_t time_ms;
	assert_int_equal(journal_read_at(journal, 2, &bytes, &size, &time_ms, &error), LL_CORRUPT);
	assert_int_equal(journal_read_at(journal, 3, &bytes, &size, &time_ms, &error), LL_CORRUPT);
	journal_close(journal);

	damage(url, "journal", SLICE("format"), SLICE("2"));
	assert_int_equal(journal_open(url, NULL, &journal, &error), LL_NEWER);

	struct journal_options create = {.create = true};
	char other[JOURNAL_URL_MAX];
	snprintf(other, sizeof other, "%s", contract_url());
	damage(other, "accounts", SLICE("a"), SLICE("b"));
	assert_int_equal(journal_open(other, &create, &journal, &error), LL_FOREIGN);
}

static const char *failing_call;
static int failing_errno;

static int fail_that_call(const char *call)
{
	return failing_call && strcmp(call, failing_call) == 0 ? failing_errno : 0;
}

/* A full disk is reported and passes; a failed sync kills the appender and lets none be opened again in this process. */
static void local_reports_disk_errors(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	struct journal_appender *appender = contract_appender(journal);
	struct error error = {0};
	environment_fault_set(fail_that_call);
	contract_append_some(appender, 0, 1);
	failing_call = "mdb_txn_commit";
	failing_errno = ENOSPC;
	struct journal_report report = contract_append(appender, contract_value(1), 1);
	assert_int_equal(report.code, LL_FULL);
	assert_false(report.appender_is_dead);
	failing_call = NULL;
	contract_append_some(appender, 1, 2);
	failing_call = "mdb_txn_commit";
	failing_errno = EIO;
	report = contract_append(appender, contract_value(2), 1);
	assert_int_equal(report.code, LL_IO);
	assert_true(report.appender_is_dead);
	failing_call = NULL;
	report = contract_append(appender, contract_value(2), 1);
	assert_int_equal(report.code, LL_IO);
	journal_appender_close(appender);
	assert_int_equal(journal_appender_open(journal, &appender, &error), LL_IO);
	environment_fault_set(NULL);
	struct journal_reader *reader = contract_reader(journal, 0);
	contract_expect(reader, 0, 2);
	journal_reader_close(reader);
	journal_close(journal);
}

/* As a loop does, without waiting, and then as a thread does. NULL: all was as it should be. */
static void *read_a_thousand(void *context)
{
	struct journal_reader *reader = context;
	for (unsigned got = 0; got < 1000;) {
		struct journal_record record;
		struct error error = {0};
		enum ll_code code = journal_read(reader, 0, &record, &error);
		if (code == LL_END)
			code = journal_read(reader, 50, &record, &error);
		if (code == LL_END)
			continue;
		if (code != LL_OK || record.offset != got || !slice_begins(record.value, SLICE("record ")))
			return context;
		got++;
	}
	return NULL;
}

/* Readers on other threads keep up with an appender: nothing is skipped, doubled or raced for. */
static void readers_on_threads(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	struct journal_appender *appender = contract_appender(journal);
	struct journal_reader *readers[2];
	pthread_t threads[2];
	for (int i = 0; i < 2; i++) {
		readers[i] = contract_reader(journal, 0);
		assert_int_equal(pthread_create(&threads[i], NULL, read_a_thousand, readers[i]), 0);
	}
	contract_append_some(appender, 0, 1000);
	for (int i = 0; i < 2; i++) {
		void *wrong = NULL;
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
		journal_reader_close(readers[i]);
	}
	journal_appender_close(appender);
	journal_close(journal);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	(void)about;
	(void)kind;
	(void)where;
	return remove(path);
}

static int use_memory(void **state)
{
	(void)state;
	testing_local = false;
	return 0;
}

static int use_local(void **state)
{
	(void)state;
	testing_local = true;
	return 0;
}

int main(void)
{
	const struct CMUnitTest memory[] = {
		cmocka_unit_test(bad_urls_are_refused),
		cmocka_unit_test(unknown_settings_are_refused),
		CONTRACT_TESTS,
		cmocka_unit_test(readers_on_threads),
		cmocka_unit_test(fault_fail),
		cmocka_unit_test(fault_delay),
		cmocka_unit_test(fault_delay_report),
		cmocka_unit_test(fault_duplicate),
		cmocka_unit_test(fault_reorder),
		cmocka_unit_test(fault_lose_and_silent),
		cmocka_unit_test(fault_lies),
		cmocka_unit_test(fault_death),
		cmocka_unit_test(cut_and_trimmed),
		cmocka_unit_test(replaced),
		cmocka_unit_test(away_and_deleted),
		cmocka_unit_test(chaos_repeats),
	};
	const struct CMUnitTest local[] = {
		CONTRACT_TESTS,
		cmocka_unit_test(readers_on_threads),
		cmocka_unit_test(local_appender_is_alone),
		cmocka_unit_test(local_survives_kill),
		cmocka_unit_test(local_is_read_by_other_processes),
		cmocka_unit_test(local_map_grows),
		cmocka_unit_test(local_tells_damage),
		cmocka_unit_test(local_reports_disk_errors),
	};
	const char *temporary = getenv("TMPDIR");
	snprintf(scratch, sizeof scratch, "%.40s/journal-XXXXXX", temporary ? temporary : "/tmp");
	if (!mkdtemp(scratch))
		return 1;
	int failed = cmocka_run_group_tests_name("memory", memory, use_memory, NULL);
	failed += cmocka_run_group_tests_name("local", local, use_local, NULL);
	memory_journal_forget_all();
	nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return failed;
}
