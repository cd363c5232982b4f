/*
 * Time zones: which calendar day a time lies in.
 *
 * The rules come from the system's zone files (TZif, versions 2 to 4), read once; what is asked afterwards is a function of
 * them and pure. Days that matter for history (windows of rankings, refunds) are written into events: no fold asks a zone.
 */
#ifndef LEDGERLINE_WIRE_ZONE_H
#define LEDGERLINE_WIRE_ZONE_H

#include "schemas/wire/error.h"
#include "schemas/wire/slice.h"

struct zone;

/* Loads a zone by its IANA name ("Asia/Seoul", "UTC"). LL_NOT_FOUND: no such zone here (or no name at all: only letters, digits,
 * + - _ and single slashes between them). LL_CORRUPT: the file is not understood. Freed with zone_free. */
enum ll_code zone_load(struct slice name, struct zone **zone, struct error *error) LL_CHECKED;
void zone_free(struct zone *zone); /* NULL allowed */

const char *zone_name(const struct zone *zone);

/* Seconds to add to UTC for local time, at a moment (ms since 1970). */
int32_t zone_offset_at(const struct zone *zone, int64_t time_ms);

/* The calendar day, in days since 1970, that a moment lies in. */
int32_t zone_day_of(const struct zone *zone, int64_t time_ms);

/* The moment at which a calendar day starts: local midnight, or, where the clock skips it, the first moment of that day. */
int64_t zone_day_start(const struct zone *zone, int32_t day);

#endif
