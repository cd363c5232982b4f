/* Times and days as numbers and as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "schemas/wire/time.h"

/* Every day from 1970 to 9999 agrees with the C library, in number, date, weekday and text. */
static void every_day_agrees_with_libc(void **state)
{
	(void)state;
	for (int32_t day = DAY_MIN; day <= DAY_MAX; day++) {
		time_t seconds = (time_t)day * 86400;
		struct tm tm;
		gmtime_r(&seconds, &tm);
		struct civil civil = civil_of_day(day);
		assert_int_equal(civil.year, tm.tm_year + 1900);
		assert_int_equal(civil.month, tm.tm_mon + 1);
		assert_int_equal(civil.day, tm.tm_mday);
		assert_true(civil_exists(civil));
		assert_int_equal(day_of_civil(civil), day);
		assert_int_equal(day_weekday(day), (tm.tm_wday + 6) % 7);
		char text[DAY_TEXT_SIZE + 1];
		int32_t back;
		day_format(day, text);
		assert_int_equal(day_parse(slice_text(text), &back, NULL), LL_OK);
		assert_int_equal(back, day);
	}
}

/* Days before 1970 count on downwards: a time before the epoch lies in the day that it lies in. */
static void days_before_1970_count_downwards(void **state)
{
	(void)state;
	assert_int_equal(day_of_civil((struct civil){1969, 12, 31}), -1);
	assert_int_equal(day_of_civil((struct civil){1, 1, 1}), -719162);
	assert_int_equal(civil_of_day(-719162).year, 1);
	assert_int_equal(day_weekday(-1), 2);
	assert_int_equal(day_weekday(-8), 2);
	assert_int_equal(time_utc_day(-1), -1);
	assert_int_equal(time_utc_day(-TIME_MS_PER_DAY), -1);
	assert_int_equal(time_utc_day(TIME_MS_PER_DAY - 1), 0);
}

/* Well-formed times are read to the millisecond, with offsets converted. */
static void good_times_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2026-03-01T09:00:00.123Z", 1772355600123},
		{"2026-03-01T09:00:00.1Z", 1772355600100},
		{"2026-03-01T09:00:00.12Z", 1772355600120},
		{"2026-03-01T18:00:00.123+09:00", 1772355600123},
		{"2026-03-01T05:30:00.123-03:30", 1772355600123},
		{"2024-02-29T00:00:00Z", 1709164800000},
		{"9999-12-31T23:59:59.999Z", TIME_MS_MAX},
		{"1970-01-01T09:00:00+09:00", 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t ms = -1;
		struct error error;
		assert_int_equal(time_parse(slice_text(cases[i].text), &ms, &error), LL_OK);
		assert_int_equal(ms, cases[i].ms);
	}
}

/* Everything else is refused with the reason, and leaves the result alone. */
static void bad_times_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *reason;
	} cases[] = {
		{"", "form"},
		{"2026-03-01", "form"},
		{"2026-03-01 09:00:00Z", "form"},
		{"2026-03-01t09:00:00Z", "form"},
		{"2026-03-01T09:00:00z", "form"},
		{"2026-03-01T09:00:00", "form"},
		{"2026-03-01T09:00Z", "form"},
		{"2026-03-01T09:00:00.Z", "form"},
		{"2026-03-01T09:00:00.1234Z", "form"},
		{"2026-03-01T09:00:00,5Z", "form"},
		{"2026-03-01T09:00:00Z ", "form"},
		{" 2026-03-01T09:00:00Z", "form"},
		{"2026-3-01T09:00:00Z", "form"},
		{"+2026-03-01T09:00:00Z", "form"},
		{"2026-03-01T09:00:00+0900", "form"},
		{"2026-03-01T09:00:00+24:00", "form"},
		{"2026-03-01T09:00:00+09:60", "form"},
		{"2026-02-29T00:00:00Z", "date"},
		{"2100-02-29T00:00:00Z", "date"},
		{"2026-04-31T00:00:00Z", "date"},
		{"2026-00-10T00:00:00Z", "date"},
		{"2026-13-10T00:00:00Z", "date"},
		{"2026-01-00T00:00:00Z", "date"},
		{"2026-01-01T24:00:00Z", "hour"},
		{"2026-01-01T00:60:00Z", "hour"},
		{"2026-01-01T00:00:60Z", "hour"},
		{"2016-12-31T23:59:60Z", "leap second"},
		{"1969-12-31T23:59:59.999Z", "1970"},
		{"1970-01-01T08:59:59+09:00", "1970"},
		{"9999-12-31T23:59:59-00:01", "9999"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t ms = 42;
		struct error error;
		assert_int_equal(time_parse(slice_text(cases[i].text), &ms, &error), LL_USAGE);
		assert_non_null(strstr(error.text, cases[i].reason));
		assert_int_equal(ms, 42);
	}
	int32_t day;
	static const char *const days[] = {"", "2026-1-01", "2026-02-30", "2026-01-01T", "1969-12-31", "20260101"};
	for (size_t i = 0; i < sizeof days / sizeof *days; i++)
		assert_int_equal(day_parse(slice_text(days[i]), &day, NULL), LL_USAGE);
}

/* What is written is read back to the same millisecond. */
static void written_times_come_back(void **state)
{
	(void)state;
	char text[TIME_TEXT_SIZE + 1];
	time_format(1772355600123, text);
	assert_string_equal(text, "2026-03-01T09:00:00.123Z");
	time_format(TIME_MS_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	for (int64_t ms = 0; ms <= TIME_MS_MAX; ms += 98765432101) {
		int64_t back;
		time_format(ms, text);
		assert_int_equal(time_parse(slice_text(text), &back, NULL), LL_OK);
		assert_int_equal(back, ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_day_agrees_with_libc), cmocka_unit_test(days_before_1970_count_downwards),
		cmocka_unit_test(good_times_are_read),        cmocka_unit_test(bad_times_are_refused),
		cmocka_unit_test(written_times_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
