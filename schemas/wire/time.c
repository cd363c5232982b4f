/*
 * Days and dates: a year is taken to begin in March, so that the leap day is its last one, and 400 years are one cycle
 * of 146,097 days. Then a date and a day number turn into each other by multiplying and dividing, without tables.
 */
#include "schemas/wire/time.h"

#include "schemas/wire/ensure.h"

enum { DAYS_PER_CYCLE = 146097, DAYS_TO_1970 = 719468 /* from 0000-03-01 */ };

_Static_assert((DAY_MAX + 1) * TIME_MS_PER_DAY - 1 == TIME_MS_MAX, "the last day ends with the last millisecond");

static int64_t floor_div(int64_t number, int64_t by)
{
	return number / by - (number % by < 0);
}

bool year_is_leap(int32_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool civil_exists(struct civil civil)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (civil.month < 1 || civil.month > 12 || civil.day < 1)
		return false;
	return civil.day <= lengths[civil.month - 1] + (civil.month == 2 && year_is_leap(civil.year));
}

int32_t day_of_civil(struct civil civil)
{
	int32_t year = civil.year - (civil.month <= 2);
	int32_t month = (civil.month + 9) % 12; /* March is 0 */
	int32_t cycle = (int32_t)floor_div(year, 400);
	int32_t year_of_cycle = year - cycle * 400;
	int32_t day_of_year = (153 * month + 2) / 5 + civil.day - 1;
	int32_t day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
	return cycle * DAYS_PER_CYCLE + day_of_cycle - DAYS_TO_1970;
}

struct civil civil_of_day(int32_t day)
{
	int64_t shifted = (int64_t)day + DAYS_TO_1970;
	int32_t cycle = (int32_t)floor_div(shifted, DAYS_PER_CYCLE);
	int32_t day_of_cycle = (int32_t)(shifted - (int64_t)cycle * DAYS_PER_CYCLE);
	int32_t year_of_cycle =
		(day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 - day_of_cycle / 146096) / 365;
	int32_t day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
	int32_t month = (5 * day_of_year + 2) / 153;
	struct civil civil = {
		.year = cycle * 400 + year_of_cycle + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = day_of_year - (153 * month + 2) / 5 + 1,
	};
	return civil;
}

int day_weekday(int32_t day)
{
	return (int)(((int64_t)day % 7 + 7 + 3) % 7); /* 1970-01-01 was a Thursday */
}

int32_t time_utc_day(int64_t time_ms)
{
	return (int32_t)floor_div(time_ms, TIME_MS_PER_DAY);
}

/* ---- text ---- */

static void put_digits(char *at, int count, int64_t number)
{
	while (count--) {
		at[count] = (char)('0' + number % 10);
		number /= 10;
	}
}

void day_format(int32_t day, char text[DAY_TEXT_SIZE + 1])
{
	ENSURE(day >= DAY_MIN && day <= DAY_MAX);
	struct civil civil = civil_of_day(day);
	put_digits(text, 4, civil.year);
	text[4] = '-';
	put_digits(text + 5, 2, civil.month);
	text[7] = '-';
	put_digits(text + 8, 2, civil.day);
	text[DAY_TEXT_SIZE] = 0;
}

void time_format(int64_t time_ms, char text[TIME_TEXT_SIZE + 1])
{
	ENSURE(time_ms >= TIME_MS_MIN && time_ms <= TIME_MS_MAX);
	int64_t ms = time_ms % TIME_MS_PER_DAY;
	day_format((int32_t)(time_ms / TIME_MS_PER_DAY), text);
	text[10] = 'T';
	put_digits(text + 11, 2, ms / 3600000);
	text[13] = ':';
	put_digits(text + 14, 2, ms / 60000 % 60);
	text[16] = ':';
	put_digits(text + 17, 2, ms / 1000 % 60);
	text[19] = '.';
	put_digits(text + 20, 3, ms % 1000);
	text[23] = 'Z';
	text[TIME_TEXT_SIZE] = 0;
}

/* A cursor over a text that is taken apart from the left. */
struct scan {
	const uint8_t *at, *end;
};

static bool take_digits(struct scan *scan, int count, int32_t *number)
{
	if (scan->end - scan->at < count)
		return false;
	for (*number = 0; count; count--, scan->at++) {
		if (*scan->at < '0' || *scan->at > '9')
			return false;
		*number = *number * 10 + (*scan->at - '0');
	}
	return true;
}

static bool take_byte(struct scan *scan, uint8_t byte)
{
	if (scan->at == scan->end || *scan->at != byte)
		return false;
	scan->at++;
	return true;
}

static bool take_date(struct scan *scan, struct civil *civil)
{
	return take_digits(scan, 4, &civil->year) && take_byte(scan, '-') && take_digits(scan, 2, &civil->month) &&
	       take_byte(scan, '-') && take_digits(scan, 2, &civil->day);
}

static bool take_fraction(struct scan *scan, int64_t *ms)
{
	*ms = 0;
	if (!take_byte(scan, '.'))
		return true;
	int digits = 0;
	for (; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9' && digits < 4; scan->at++, digits++)
		*ms = *ms * 10 + (*scan->at - '0');
	for (int i = digits; i < 3; i++)
		*ms *= 10;
	return digits >= 1 && digits <= 3;
}

static bool take_offset(struct scan *scan, int64_t *offset_ms)
{
	*offset_ms = 0;
	if (take_byte(scan, 'Z'))
		return true;
	bool west = take_byte(scan, '-');
	int32_t hours, minutes;
	if (!west && !take_byte(scan, '+'))
		return false;
	if (!take_digits(scan, 2, &hours) || !take_byte(scan, ':') || !take_digits(scan, 2, &minutes))
		return false;
	*offset_ms = (west ? -1 : 1) * (hours * INT64_C(3600000) + minutes * INT64_C(60000));
	return hours <= 23 && minutes <= 59;
}

static enum ll_code no_such_time(struct error *error)
{
	return error_set(error, LL_USAGE, "is no time of the form 2026-03-01T09:00:00.123Z");
}

enum ll_code time_parse(struct slice text, int64_t *time_ms, struct error *error)
{
	struct scan scan = {text.at, text.at + text.size};
	struct civil civil;
	int32_t hours, minutes, seconds;
	int64_t ms, offset_ms;
	bool formed = text.size && take_date(&scan, &civil) && take_byte(&scan, 'T') && take_digits(&scan, 2, &hours) &&
		      take_byte(&scan, ':') && take_digits(&scan, 2, &minutes) && take_byte(&scan, ':') &&
		      take_digits(&scan, 2, &seconds) && take_fraction(&scan, &ms) && take_offset(&scan, &offset_ms) &&
		      scan.at == scan.end;
	if (!formed)
		return no_such_time(error);
	if (!civil_exists(civil))
		return error_set(error, LL_USAGE, "names a date that does not exist");
	if (hours == 23 && minutes == 59 && seconds == 60)
		return error_set(error, LL_USAGE, "is a leap second, which is not taken");
	if (hours > 23 || minutes > 59 || seconds > 59)
		return error_set(error, LL_USAGE, "names an hour, minute or second that does not exist");
	int64_t result = day_of_civil(civil) * TIME_MS_PER_DAY + hours * INT64_C(3600000) + minutes * INT64_C(60000) +
			 seconds * INT64_C(1000) + ms - offset_ms;
	if (result < TIME_MS_MIN || result > TIME_MS_MAX)
		return error_set(error, LL_USAGE, "lies outside the years 1970 to 9999");
	*time_ms = result;
	return LL_OK;
}

enum ll_code day_parse(struct slice text, int32_t *day, struct error *error)
{
	struct scan scan = {text.at, text.at + text.size};
	struct civil civil;
	if (!text.size || !take_date(&scan, &civil) || scan.at != scan.end)
		return error_set(error, LL_USAGE, "is no day of the form 2026-03-01");
	if (!civil_exists(civil))
		return error_set(error, LL_USAGE, "names a date that does not exist");
	if (civil.year < 1970)
		return error_set(error, LL_USAGE, "lies outside the years 1970 to 9999");
	*day = day_of_civil(civil);
	return LL_OK;
}
