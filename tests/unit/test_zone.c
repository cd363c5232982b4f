/* Time zones, against the C library's own reading of the same files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "schemas/wire/time.h"
#include "schemas/wire/zone.h"

static struct zone *load(const char *name)
{
	struct zone *zone = NULL;
	struct error error;
	if (zone_load(slice_text(name), &zone, &error) != LL_OK)
		fail_msg("%s: %s", name, error.text);
	assert_string_equal(zone_name(zone), name);
	return zone;
}

static int32_t offset_of_libc(int64_t time_ms)
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm tm;
	localtime_r(&seconds, &tm);
	return (int32_t)tm.tm_gmtoff;
}

/* Offsets agree with the C library from 1970 to 2100, at hours that walk through the day, in zones of every kind: none,
 * fixed, with summer time on both halves of the earth, by half hours, with negative summer time, with days that were
 * skipped. */
static void offsets_agree_with_libc(void **state)
{
	(void)state;
	static const char *const names[] = {
		"Asia/Seoul",        "UTC",
		"Europe/Berlin",     "America/New_York",
		"America/St_Johns",  "Australia/Lord_Howe",
		"Pacific/Apia",      "Asia/Kathmandu",
		"Europe/Dublin",     "Africa/Casablanca",
		"America/Sao_Paulo", "Pacific/Kiritimati",
		"Antarctica/Troll",  "Asia/Tehran",
		"America/Nuuk",      "Pacific/Chatham",
		"Asia/Beirut",       "Etc/GMT+12",
		"EST5EDT",
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct zone *zone = load(names[i]);
		setenv("TZ", names[i], 1);
		tzset();
		for (int64_t ms = 0; ms < INT64_C(130) * 366 * TIME_MS_PER_DAY; ms += INT64_C(5) * 3600000 + 60000)
			if (zone_offset_at(zone, ms) != offset_of_libc(ms))
				fail_msg("%s at %lld: %d, not %d", names[i], (long long)ms, zone_offset_at(zone, ms),
					 offset_of_libc(ms));
		zone_free(zone);
	}
}

/* Each day starts where the day before it ends, and lies between its start and the next one's. */
static void days_meet(void **state)
{
	(void)state;
	static const char *const names[] = {"Asia/Seoul", "Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut",
					    "Asia/Tehran"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct zone *zone = load(names[i]);
		for (int32_t day = 1; day < 40000; day++) {
			int64_t start = zone_day_start(zone, day);
			assert_int_equal(zone_day_of(zone, start), day);
			assert_true(zone_day_of(zone, start - 1) < day);
		}
		zone_free(zone);
	}
	struct zone *seoul = load("Asia/Seoul");
	assert_int_equal(zone_day_start(seoul, day_of_civil((struct civil){2026, 3, 1})), INT64_C(1772290800000));
	assert_int_equal(zone_day_of(seoul, INT64_C(1772290799999)), day_of_civil((struct civil){2026, 2, 28}));
	zone_free(seoul);
	struct zone *apia =
		load("Pacific/Apia"); /* the 30th of December 2011 did not exist there: it starts with the next */
	int32_t skipped = day_of_civil((struct civil){2011, 12, 30});
	assert_int_equal(zone_day_start(apia, skipped), zone_day_start(apia, skipped + 1));
	zone_free(apia);
}

/* Names that lead out of the folder, or that are none, are refused, and so is a file that is no zone. */
static void names_are_checked(void **state)
{
	(void)state;
	static const char *const names[] = {"",
					    "/etc/passwd",
					    "../../../etc/passwd",
					    "Asia/../Asia/Seoul",
					    "Asia//Seoul",
					    "Asia/",
					    "/Asia",
					    "Asia/Seoul ",
					    ".",
					    "Asia",
					    "No/Such"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct zone *zone = NULL;
		struct error error;
		assert_int_not_equal(zone_load(slice_text(names[i]), &zone, &error), LL_OK);
		assert_null(zone);
		assert_true(strlen(error.text) > 0);
	}
	struct zone *zone = NULL;
	assert_int_equal(zone_load(slice_of("UTC\0x", 5), &zone, NULL), LL_NOT_FOUND);
	assert_int_not_equal(zone_load(SLICE("leapseconds"), &zone, NULL), LL_OK);
	zone_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offsets_agree_with_libc),
		cmocka_unit_test(days_meet),
		cmocka_unit_test(names_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
