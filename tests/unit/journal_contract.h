/*
 * What every journal must do, whatever is behind its URL: cases for tests of the memory, local and Kafka journals.
 *
 * A test program defines contract_url (a fresh URL that has no log yet) and lists CONTRACT_TESTS among its tests.
 */
#ifndef LEDGERLINE_TESTS_JOURNAL_CONTRACT_H
#define LEDGERLINE_TESTS_JOURNAL_CONTRACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>

#include "engine/journal/journal.h"

enum { PATIENCE_MS = 20000 };

/* A URL under which there is no log yet; good until the next call. */
static const char *contract_url(void);

/* Fails the test with the sentence of the error. */
static inline void must(enum ll_code code, const struct error *error)
{
	if (code != LL_OK)
		fail_msg("%s: %s", error_code_text(code), error->text);
}

static inline struct journal *contract_open(const char *url)
{
	struct journal *journal = NULL;
	struct error error = {0};
	must(journal_open(url, NULL, &journal, &error), &error);
	return journal;
}

/* Makes a fresh log and opens it. */
static inline struct journal *contract_fresh(void)
{
	struct error error = {0};
	const char *url = contract_url();
	must(journal_create(url, NULL, 0, &error), &error);
	return contract_open(url);
}

static inline struct journal_appender *contract_appender(struct journal *journal)
{
	struct journal_appender *appender = NULL;
	struct error error = {0};
	must(journal_appender_open(journal, &appender, &error), &error);
	return appender;
}

static inline struct journal_reader *contract_reader(struct journal *journal, uint64_t offset)
{
	struct journal_reader *reader = NULL;
	struct error error = {0};
	must(journal_reader_open(journal, offset, &reader, &error), &error);
	return reader;
}

/* Appends and waits for the report. */
static inline struct journal_report contract_append(struct journal_appender *appender, struct slice value,
						    int64_t time_ms)
{
	static const struct journal_header headers[] = {{"ledgerline-kind", "entries"}, {"ledgerline-epoch", "7"}};
	struct error error = {0};
	struct journal_report report = {0};
	must(journal_append(appender, value, time_ms, headers, 2, &error), &error);
	enum ll_code code = LL_TIMEOUT;
	for (int waited = 0; code == LL_TIMEOUT && waited < PATIENCE_MS; waited += 100)
		code = journal_report(appender, 100, &report);
	assert_int_equal(code, LL_OK);
	return report;
}

/* A value that tells its number. */
static inline struct slice contract_value(unsigned number)
{
	static char text[64];
	snprintf(text, sizeof text, "record %u", number);
	return slice_text(text);
}

static inline void contract_append_some(struct journal_appender *appender, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		struct journal_report report = contract_append(appender, contract_value(i), 1000 + i);
		must(report.code, &report.error);
		assert_int_equal(report.offset, i);
		assert_false(report.appender_is_dead);
	}
}

/* Reads until something other than a passing state comes. */
static inline enum ll_code contract_read(struct journal_reader *reader, struct journal_record *record,
					 struct error *error)
{
	enum ll_code code = LL_TIMEOUT;
	for (int waited = 0; (code == LL_TIMEOUT || code == LL_UNAVAILABLE) && waited < PATIENCE_MS; waited += 100)
		code = journal_read(reader, 100, record, error);
	return code;
}

/* Reads and expects records from .. to - 1, then the end. */
static inline void contract_expect(struct journal_reader *reader, unsigned from, unsigned to)
{
	struct journal_record record;
	struct error error = {0};
	for (unsigned i = from; i < to; i++) {
		enum ll_code code;
		while ((code = contract_read(reader, &record, &error)) == LL_END)
			;
		must(code, &error);
		assert_int_equal(record.offset, i);
		assert_int_equal(record.time_ms, 1000 + i);
		assert_true(slice_equal(record.value, contract_value(i)));
	}
	assert_int_equal(contract_read(reader, &record, &error), LL_END);
}

/* Opening what is not there says so, and does not make it. */
static void contract_is_not_found(void **state)
{
	(void)state;
	const char *url = contract_url();
	struct journal *journal = NULL;
	struct error error = {0};
	assert_int_equal(journal_open(url, NULL, &journal, &error), LL_NOT_FOUND);
	assert_int_not_equal(error.text[0], 0);
	assert_int_equal(journal_open(url, NULL, &journal, &error), LL_NOT_FOUND);
}

/* A log is made once; a new one is empty and ends at once. */
static void contract_is_created_once(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	struct error error = {0};
	assert_int_equal(journal_create(journal_url(journal), NULL, 0, &error), LL_EXISTS);
	struct journal_watermarks watermarks = {9, 9};
	must(journal_watermarks(journal, &watermarks, &error), &error);
	assert_int_equal(watermarks.low, 0);
	assert_int_equal(watermarks.high, 0);
	struct journal_reader *reader = contract_reader(journal, 0);
	contract_expect(reader, 0, 0);
	journal_reader_close(reader);
	journal_close(journal);
}

/* What was appended is read back: offsets without gaps, times and bytes as given, then the end. */
static void contract_reads_what_was_appended(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	struct journal_appender *appender = contract_appender(journal);
	struct journal_reader *early = contract_reader(journal, 0);
	contract_append_some(appender, 0, 20);
	contract_expect(early, 0, 20);
	contract_append_some(appender, 20, 25);
	contract_expect(early, 20, 25);
	struct journal_reader *late = contract_reader(journal, 17);
	contract_expect(late, 17, 25);
	struct journal_reader *at_end = contract_reader(journal, 25);
	contract_expect(at_end, 25, 25);
	struct journal_watermarks watermarks;
	struct error error = {0};
	must(journal_watermarks(journal, &watermarks, &error), &error);
	assert_int_equal(watermarks.high, 25);
	journal_reader_close(early);
	journal_reader_close(late);
	journal_reader_close(at_end);
	journal_appender_close(appender);
	journal_close(journal);
}

/* Records of no bytes, of one page's size and of the largest size come back whole. */
static void contract_keeps_all_sizes(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 4096, 65536, JOURNAL_VALUE_BYTES_MAX - 1, JOURNAL_VALUE_BYTES_MAX};
	struct journal *journal = contract_fresh();
	struct journal_appender *appender = contract_appender(journal);
	struct journal_reader *reader = contract_reader(journal, 0);
	uint8_t *bytes = malloc(JOURNAL_VALUE_BYTES_MAX);
	assert_non_null(bytes);
	uint32_t noise = 1;
	for (size_t i = 0; i < JOURNAL_VALUE_BYTES_MAX; i++)
		bytes[i] = (uint8_t)((noise = noise * 1664525 + 1013904223) >> 24);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct journal_record record;
		struct error error = {0};
		struct journal_report report = contract_append(appender, slice_of(bytes, sizes[i]), 5);
		must(report.code, &report.error);
		enum ll_code code;
		while ((code = contract_read(reader, &record, &error)) == LL_END)
			;
		must(code, &error);
		assert_true(slice_equal(record.value, slice_of(bytes, sizes[i])));
		uint8_t *copy = NULL;
		size_t size = 0;
		int64_t time_ms = 0;
		must(journal_read_at(journal, i, &copy, &size, &time_ms, &error), &error);
		assert_true(slice_equal(slice_of(copy, size), slice_of(bytes, sizes[i])));
		assert_int_equal(time_ms, 5);
		free(copy);
	}
	free(bytes);
	journal_reader_close(reader);
	journal_appender_close(appender);
	journal_close(journal);
}

/* One byte more than a record may have is refused at once, changes nothing, and the next append goes through. */
static void contract_refuses_the_too_large(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	struct journal_appender *appender = contract_appender(journal);
	uint8_t *bytes = calloc(1, JOURNAL_VALUE_BYTES_MAX + 1);
	struct error error = {0};
	assert_int_equal(journal_append(appender, slice_of(bytes, JOURNAL_VALUE_BYTES_MAX + 1), 0, NULL, 0, &error),
			 LL_TOO_LARGE);
	free(bytes);
	struct journal_report report;
	assert_int_equal(journal_report(appender, 0, &report), LL_TIMEOUT);
	contract_append_some(appender, 0, 1);
	journal_appender_close(appender);
	journal_close(journal);
}

/* Single records are read by their offset; beyond the end there are none. */
static void contract_reads_single_records(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	struct journal_appender *appender = contract_appender(journal);
	contract_append_some(appender, 0, 5);
	for (unsigned i = 5; i-- > 0;) {
		uint8_t *bytes = NULL;
		size_t size = 0;
		int64_t time_ms = 0;
		struct error error = {0};
		must(journal_read_at(journal, i, &bytes, &size, &time_ms, &error), &error);
		assert_true(slice_equal(slice_of(bytes, size), contract_value(i)));
		assert_int_equal(time_ms, 1000 + i);
		free(bytes);
		assert_int_equal(journal_read_at(journal, 5 + i, &bytes, &size, &time_ms, &error), LL_NOT_FOUND);
	}
	journal_appender_close(appender);
	journal_close(journal);
}

/* A position beyond the end is divergence. */
static void contract_tells_divergence(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	struct journal_appender *appender = contract_appender(journal);
	contract_append_some(appender, 0, 3);
	struct journal_reader *reader = contract_reader(journal, 4);
	struct journal_record record;
	struct error error = {0};
	assert_int_equal(contract_read(reader, &record, &error), LL_DIVERGED);
	assert_int_not_equal(error.text[0], 0);
	journal_reader_close(reader);
	journal_appender_close(appender);
	journal_close(journal);
}

/* Closed and opened again it is the same log, with the same identity, and goes on where it ended. */
static void contract_survives_reopening(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	char url[JOURNAL_URL_MAX];
	snprintf(url, sizeof url, "%s", journal_url(journal));
	struct journal_identity before, after;
	struct error error = {0};
	must(journal_identity(journal, &before, &error), &error);
	struct journal_appender *appender = contract_appender(journal);
	contract_append_some(appender, 0, 3);
	journal_appender_close(appender);
	journal_close(journal);

	journal = contract_open(url);
	assert_string_equal(journal_url(journal), url);
	must(journal_identity(journal, &after, &error), &error);
	assert_string_equal(before.kind, after.kind);
	assert_string_equal(before.cluster, after.cluster);
	assert_string_equal(before.topic, after.topic);
	assert_int_not_equal(before.cluster[0], 0);
	appender = contract_appender(journal);
	contract_append_some(appender, 3, 5);
	struct journal_reader *reader = contract_reader(journal, 0);
	contract_expect(reader, 0, 5);
	journal_reader_close(reader);
	journal_appender_close(appender);
	journal_close(journal);
}

/* A handle has one appender; when it is closed another may be opened. A handle for reading has none. */
static void contract_has_one_appender(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	struct journal_appender *appender = contract_appender(journal), *second = NULL;
	struct error error = {0};
	assert_int_equal(journal_appender_open(journal, &second, &error), LL_BUSY);
	contract_append_some(appender, 0, 1);
	journal_appender_close(appender);
	appender = contract_appender(journal);
	contract_append_some(appender, 1, 2);
	journal_appender_close(appender);
	struct journal *reading = NULL;
	struct journal_options options = {.read_only = true};
	must(journal_open(journal_url(journal), &options, &reading, &error), &error);
	assert_int_equal(journal_appender_open(reading, &appender, &error), LL_USAGE);
	struct journal_reader *reader = contract_reader(reading, 0);
	contract_expect(reader, 0, 2);
	journal_reader_close(reader);
	journal_close(reading);
	journal_close(journal);
}

/* While one append is under way another is refused, and reports come without waiting once the descriptor says so. */
static void contract_works_on_a_loop(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	struct journal_appender *appender = contract_appender(journal);
	struct journal_reader *reader = contract_reader(journal, 0);
	struct pollfd polled[2] = {{.fd = journal_appender_descriptor(appender), .events = POLLIN},
				   {.fd = journal_reader_descriptor(reader), .events = POLLIN}};
	assert_true(polled[0].fd >= 0 && polled[1].fd >= 0);
	unsigned appended = 0, reported = 0, got = 0;
	bool under_way = false;
	while (reported < 10 || got < 10) {
		struct error error = {0};
		if (!under_way && appended < 10) {
			must(journal_append(appender, slice_text("same bytes"), 1, NULL, 0, &error), &error);
			assert_int_equal(journal_append(appender, slice_text("x"), 1, NULL, 0, &error), LL_BUSY);
			under_way = true;
			appended++;
		}
		assert_true(poll(polled, 2, PATIENCE_MS) > 0);
		struct journal_report report;
		journal_appender_acknowledge(appender);
		if (under_way && journal_report(appender, 0, &report) == LL_OK) {
			must(report.code, &report.error);
			assert_int_equal(report.offset, reported);
			reported++;
			under_way = false;
		}
		struct journal_record record;
		enum ll_code code;
		journal_reader_acknowledge(reader);
		while ((code = journal_read(reader, 0, &record, &error)) == LL_OK) {
			assert_int_equal(record.offset, got);
			got++;
		}
		assert_true(code == LL_END || code == LL_TIMEOUT);
	}
	journal_reader_close(reader);
	journal_appender_close(appender);
	journal_close(journal);
}

/* An appender closed with an append under way lets go of it at once; whether it landed, the log tells. */
static void contract_gives_up_an_append(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	struct journal_appender *appender = contract_appender(journal);
	struct error error = {0};
	must(journal_append(appender, slice_text("given up"), 1, NULL, 0, &error), &error);
	journal_appender_close(appender);
	appender = contract_appender(journal);
	struct journal_report report = contract_append(appender, slice_text("after"), 2);
	must(report.code, &report.error);
	assert_in_range(report.offset, 0, 1);
	journal_appender_close(appender);
	journal_close(journal);
}

#define CONTRACT_TESTS                                                                                                 \
	cmocka_unit_test(contract_is_not_found), cmocka_unit_test(contract_is_created_once),                           \
		cmocka_unit_test(contract_reads_what_was_appended), cmocka_unit_test(contract_keeps_all_sizes),        \
		cmocka_unit_test(contract_refuses_the_too_large), cmocka_unit_test(contract_reads_single_records),     \
		cmocka_unit_test(contract_tells_divergence), cmocka_unit_test(contract_survives_reopening),            \
		cmocka_unit_test(contract_has_one_appender), cmocka_unit_test(contract_works_on_a_loop),               \
		cmocka_unit_test(contract_gives_up_an_append)

#endif
