/*
 * The windows of the popular ranking: all time, and the calendar day, week (from Monday) or month that a day lies in.
 * A window is named by its first day, in days since 1970; that of all time is 0.
 */
#ifndef LEDGERLINE_WINDOWS_H
#define LEDGERLINE_WINDOWS_H

#include "schemas/records.h"
#include "schemas/wire/time.h"

static inline uint32_t window_first_day(enum window window, int32_t day)
{
	int32_t first = 0;
	if (window == WINDOW_DAY)
		first = day;
	else if (window == WINDOW_WEEK)
		first = day - day_weekday(day);
	else if (window == WINDOW_MONTH)
		first = day - (civil_of_day(day).day - 1);
	return first < 0 ? 0 : (uint32_t)first; /* the week in which 1970 began */
}

#endif
