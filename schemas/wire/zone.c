/*
 * A TZif file: a header and data of version 1 (32-bit times, skipped), then a header and data of version 2 (64-bit times:
 * transitions, their types, the types' offsets), then a line with the POSIX rule for times after the last transition, such as
 * "KST-9" or "CET-1CEST,M3.5.0,M10.5.0/3".
 */
#include "schemas/wire/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "schemas/wire/msgpack.h"
#include "schemas/wire/time.h"

enum { ZONE_NAME_MAX = 64, ZONE_FILE_BYTES_MAX = 1 << 20, HEADER_BYTES = 44, SECONDS_PER_DAY = 86400 };

/* When, within a year, the clocks change: week `week` (5: the last) of `month`, on weekday `weekday` (0: Sunday), at
 * `seconds` after local midnight. */
struct change {
	int month, week, weekday;
	int32_t seconds;
};

struct rule {
	int32_t standard, summer; /* offsets in seconds */
	bool has_summer;
	struct change begins, ends;
};

struct zone {
	char name[ZONE_NAME_MAX + 1];
	uint32_t count;
	int64_t *times;   /* of transitions, in seconds, ascending */
	int32_t *offsets; /* from each on */
	int32_t before;   /* offset before the first */
	struct rule rule;
	bool has_rule;
};

/* ---- the POSIX rule ---- */

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

static bool take_int(const char **at, int *value)
{
	if (**at < '0' || **at > '9')
		return false;
	for (*value = 0; **at >= '0' && **at <= '9' && *value < 100000; ++*at)
		*value = *value * 10 + (**at - '0');
	return true;
}

/* [+-]hh[:mm[:ss]] */
static bool take_clock(const char **at, int32_t *seconds)
{
	int hours, minutes = 0, rest = 0;
	bool negative = take_char(at, '-');
	if (!negative)
		take_char(at, '+');
	if (!take_int(at, &hours))
		return false;
	if (take_char(at, ':') && !take_int(at, &minutes))
		return false;
	if (take_char(at, ':') && !take_int(at, &rest))
		return false;
	*seconds = hours * 3600 + minutes * 60 + rest;
	if (negative)
		*seconds = -*seconds;
	return true;
}

static bool skip_name(const char **at)
{
	const char *start = *at;
	if (take_char(at, '<')) {
		while (**at && **at != '>')
			++*at;
		return take_char(at, '>');
	}
	while ((**at >= 'A' && **at <= 'Z') || (**at >= 'a' && **at <= 'z'))
		++*at;
	return *at > start;
}

static bool take_change(const char **at, struct change *change)
{
	change->seconds = 7200;
	return take_char(at, ',') && take_char(at, 'M') && take_int(at, &change->month) && take_char(at, '.') &&
	       take_int(at, &change->week) && take_char(at, '.') && take_int(at, &change->weekday) &&
	       (!take_char(at, '/') || take_clock(at, &change->seconds)) && change->month >= 1 && change->month <= 12 &&
	       change->week >= 1 && change->week <= 5 && change->weekday <= 6;
}

static bool parse_rule(const char *text, struct rule *rule)
{
	int32_t west;
	if (!skip_name(&text) || !take_clock(&text, &west))
		return false;
	rule->standard = -west;
	rule->has_summer = *text != 0;
	if (!rule->has_summer)
		return true;
	if (!skip_name(&text))
		return false;
	rule->summer = rule->standard + 3600;
	if (*text != ',') {
		if (!take_clock(&text, &west))
			return false;
		rule->summer = -west;
	}
	return take_change(&text, &rule->begins) && take_change(&text, &rule->ends) && *text == 0;
}

/* The moment, in seconds of UTC, of a change in a year, when the clock before it shows `offset`. */
static int64_t change_time(const struct change *change, int32_t year, int32_t offset)
{
	int32_t first = day_of_civil((struct civil){year, change->month, 1});
	int weekday = (day_weekday(first) + 1) % 7; /* 0: Sunday */
	int32_t day = first + (change->weekday - weekday + 7) % 7 + 7 * (change->week - 1);
	struct civil next = {change->month == 12 ? year + 1 : year, change->month % 12 + 1, 1};
	while (day >= day_of_civil(next))
		day -= 7;
	return (int64_t)day * SECONDS_PER_DAY + change->seconds - offset;
}

static int32_t rule_offset(const struct rule *rule, int64_t seconds)
{
	if (!rule->has_summer)
		return rule->standard;
	int32_t year = civil_of_day(time_utc_day((seconds + rule->standard) * 1000)).year;
	int64_t begins = change_time(&rule->begins, year, rule->standard);
	int64_t ends = change_time(&rule->ends, year, rule->summer);
	bool summer = begins < ends ? seconds >= begins && seconds < ends : seconds >= begins || seconds < ends;
	return summer ? rule->summer : rule->standard;
}

/* ---- the file ---- */

struct tzif_counts {
	uint32_t utc_flags, standard_flags, leaps, transitions, types, characters;
};

static bool read_header(struct slice *rest, char *version, struct tzif_counts *counts)
{
	if (rest->size < HEADER_BYTES || memcmp(rest->at, "TZif", 4) != 0)
		return false;
	*version = (char)rest->at[4];
	const uint8_t *at = rest->at + 20;
	uint32_t *fields[] = {&counts->utc_flags,   &counts->standard_flags, &counts->leaps,
			      &counts->transitions, &counts->types,          &counts->characters};
	for (size_t i = 0; i < 6; i++) {
		*fields[i] = load_u32(at + 4 * i);
		if (*fields[i] > ZONE_FILE_BYTES_MAX)
			return false;
	}
	*rest = slice_of(rest->at + HEADER_BYTES, rest->size - HEADER_BYTES);
	return true;
}

static size_t data_size(const struct tzif_counts *c, size_t time_size)
{
	return c->transitions * (time_size + 1) + (size_t)c->types * 6 + c->characters + c->leaps * (time_size + 4) +
	       c->standard_flags + c->utc_flags;
}

static bool skip(struct slice *rest, size_t size)
{
	if (rest->size < size)
		return false;
	*rest = slice_of(rest->at + size, rest->size - size);
	return true;
}

static bool read_transitions(struct zone *zone, struct slice data, const struct tzif_counts *c)
{
	const uint8_t *times = data.at, *indexes = times + (size_t)8 * c->transitions,
		      *types = indexes + c->transitions;
	if (c->types == 0)
		return false;
	zone->before = (int32_t)load_u32(types);
	zone->times = calloc(c->transitions + 1, sizeof *zone->times);
	zone->offsets = calloc(c->transitions + 1, sizeof *zone->offsets);
	if (!zone->times || !zone->offsets)
		return false;
	for (uint32_t i = 0; i < c->transitions; i++) {
		if (indexes[i] >= c->types)
			return false;
		zone->times[i] = (int64_t)load_u64(times + (size_t)8 * i);
		zone->offsets[i] = (int32_t)load_u32(types + 6 * indexes[i]);
	}
	zone->count = c->transitions;
	return true;
}

static bool read_footer(struct zone *zone, struct slice rest)
{
	char text[128];
	if (rest.size < 2 || rest.at[0] != '\n' || rest.at[rest.size - 1] != '\n' || rest.size - 2 >= sizeof text)
		return rest.size == 0;
	memcpy(text, rest.at + 1, rest.size - 2);
	text[rest.size - 2] = 0;
	zone->has_rule = text[0] != 0;
	return !zone->has_rule || parse_rule(text, &zone->rule);
}

static bool parse_file(struct zone *zone, struct slice file)
{
	char version;
	struct tzif_counts counts;
	if (!read_header(&file, &version, &counts) || version < '2' || !skip(&file, data_size(&counts, 4)) ||
	    !read_header(&file, &version, &counts) || file.size < data_size(&counts, 8))
		return false;
	struct slice data = file;
	return read_transitions(zone, data, &counts) && skip(&file, data_size(&counts, 8)) && read_footer(zone, file);
}

static bool name_is_fine(struct slice name)
{
	if (name.size == 0 || name.size > ZONE_NAME_MAX)
		return false;
	bool part_is_empty = true;
	for (size_t i = 0; i < name.size; i++) {
		char c = (char)name.at[i];
		bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
			     c == '+' || c == '-';
		if (!plain && (c != '/' || part_is_empty))
			return false;
		part_is_empty = c == '/';
	}
	return !part_is_empty;
}

enum ll_code zone_load(struct slice name, struct zone **loaded, struct error *error)
{
	enum ll_code code;
	uint8_t *bytes = NULL;
	FILE *file = NULL;
	struct zone *zone = NULL;
	char path[128];
	if (!name_is_fine(name))
		return error_set(error, LL_NOT_FOUND, "there is no time zone with such a name");
	snprintf(path, sizeof path, "/usr/share/zoneinfo/%.*s", SLICE_PRINT(name));
	file = fopen(path, "rbe");
	if (!file) {
		code = error_set(error, LL_NOT_FOUND,
				 "there is no time zone %.*s on this machine (%s: %s); the package tzdata has them",
				 SLICE_PRINT(name), path, strerror(errno));
		goto done;
	}
	bytes = malloc(ZONE_FILE_BYTES_MAX);
	zone = calloc(1, sizeof *zone);
	if (!bytes || !zone) {
		code = error_set(error, LL_NO_MEMORY, "no memory for a time zone");
		goto done;
	}
	memcpy(zone->name, name.at, name.size);
	size_t size = fread(bytes, 1, ZONE_FILE_BYTES_MAX, file);
	if (!parse_file(zone, slice_of(bytes, size))) {
		code = error_set(error, LL_CORRUPT, "%s is not a time zone file that is understood here", path);
		goto done;
	}
	*loaded = zone;
	zone = NULL;
	code = LL_OK;
done:
	zone_free(zone);
	free(bytes);
	if (file)
		fclose(file);
	return code;
}

void zone_free(struct zone *zone)
{
	if (!zone)
		return;
	free(zone->times);
	free(zone->offsets);
	free(zone);
}

/* ---- asking ---- */

const char *zone_name(const struct zone *zone)
{
	return zone->name;
}

static int64_t floor_seconds(int64_t time_ms)
{
	return time_ms >= 0 ? time_ms / 1000 : -((-time_ms + 999) / 1000);
}

static int32_t offset_at_seconds(const struct zone *zone, int64_t seconds)
{
	uint32_t low = 0, high = zone->count; /* the first transition after `seconds` is in [low, high] */
	if (zone->count == 0 || seconds >= zone->times[zone->count - 1]) {
		if (zone->has_rule)
			return rule_offset(&zone->rule, seconds);
		return zone->count ? zone->offsets[zone->count - 1] : zone->before;
	}
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (zone->times[middle] <= seconds)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? zone->offsets[low - 1] : zone->before;
}

int32_t zone_offset_at(const struct zone *zone, int64_t time_ms)
{
	return offset_at_seconds(zone, floor_seconds(time_ms));
}

int32_t zone_day_of(const struct zone *zone, int64_t time_ms)
{
	return time_utc_day(time_ms + (int64_t)zone_offset_at(zone, time_ms) * 1000);
}

int64_t zone_day_start(const struct zone *zone, int32_t day)
{
	/* The first moment of the day lies within a day of UTC's midnight: halve the way between a moment before and one in it. */
	int64_t before = (int64_t)day * TIME_MS_PER_DAY - TIME_MS_PER_DAY, in = before + 2 * TIME_MS_PER_DAY;
	before /= 1000;
	in /= 1000;
	while (in - before > 1) {
		int64_t middle = before + (in - before) / 2;
		if (zone_day_of(zone, middle * 1000) >= day)
			in = middle;
		else
			before = middle;
	}
	return in * 1000;
}
