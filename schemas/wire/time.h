/*
 * Times and days, as numbers and as text. Pure: nobody here asks a clock or a time zone (zone.h does zones).
 *
 * A time is milliseconds since 1970-01-01T00:00:00Z, a day is days since 1970-01-01, both without leap seconds, in the
 * calendar that Gregory gave. Texts cover the years 1970 to 9999, TIME_MS_MIN..TIME_MS_MAX, and nothing else.
 */
#ifndef LEDGERLINE_WIRE_TIME_H
#define LEDGERLINE_WIRE_TIME_H

#include "schemas/wire/error.h"
#include "schemas/wire/slice.h"

#define TIME_MS_MIN INT64_C(0)
#define TIME_MS_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */
#define TIME_MS_PER_DAY INT64_C(86400000)

enum {
	DAY_MIN = 0,
	DAY_MAX = 2932896,   /* 9999-12-31 */
	TIME_TEXT_SIZE = 24, /* 2026-03-01T09:00:00.123Z */
	DAY_TEXT_SIZE = 10,  /* 2026-03-01 */
};

/*
 * Reads RFC 3339: `2026-03-01T09:00:00Z`, with a fraction of one to three digits, and with an offset (`+09:00`) in
 * place of the Z, which is converted. T and Z are capital. A second 60, a date that does not exist, and what lies
 * outside the years 1970 to 9999 in UTC are refused: LL_USAGE, *error is the reason ("is no time of the form ..."),
 * made to stand behind the name of a field. error may be NULL.
 */
enum ll_code time_parse(struct slice text, int64_t *time_ms, struct error *error) LL_CHECKED;

/* Writes TIME_TEXT_SIZE bytes and a zero: always with milliseconds and Z. A time outside the range is a bug. */
void time_format(int64_t time_ms, char text[TIME_TEXT_SIZE + 1]);

/* Reads `YYYY-MM-DD`. As time_parse. */
enum ll_code day_parse(struct slice text, int32_t *day, struct error *error) LL_CHECKED;

/* Writes DAY_TEXT_SIZE bytes and a zero. A day outside the range is a bug. */
void day_format(int32_t day, char text[DAY_TEXT_SIZE + 1]);

struct civil {
	int32_t year;
	int32_t month; /* 1..12 */
	int32_t day;   /* 1..31 */
};

/* The day of a date; month 1..12, day 1..31, not checked against the month's length (the 31st of April is the 1st of
 * May). Any year from -32767 to 32767. */
int32_t day_of_civil(struct civil civil);
struct civil civil_of_day(int32_t day);
bool civil_exists(struct civil civil);
bool year_is_leap(int32_t year);

/* 0: Monday ... 6: Sunday. */
int day_weekday(int32_t day);

/* The UTC day that a time lies in; of times before 1970 too. */
int32_t time_utc_day(int64_t time_ms);

#endif
