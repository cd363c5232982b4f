#include "engine/cli/zoned.h"

#include "schemas/wire/time.h"

enum { QUOTED = TIME_TEXT_SIZE + 2 };

/* Is there a time between quotes at this place? */
static bool time_at(struct slice rest, int64_t *ms)
{
	return rest.size >= QUOTED && rest.at[0] == '"' && rest.at[QUOTED - 1] == '"' && rest.at[QUOTED - 2] == 'Z' &&
	       time_parse(slice_of(rest.at + 1, TIME_TEXT_SIZE), ms, NULL) == LL_OK;
}

static void put_time(int64_t ms, const struct zone *zone, struct buffer *out)
{
	char text[TIME_TEXT_SIZE + 1];
	int32_t offset = zone_offset_at(zone, ms);
	uint32_t away = (uint32_t)(offset < 0 ? -offset : offset);
	time_format(ms + (int64_t)offset * 1000, text);
	buffer_printf(out, "\"%.*s%c%02u:%02u\"", TIME_TEXT_SIZE - 1, text, offset < 0 ? '-' : '+', away / 3600,
		      away / 60 % 60);
}

void zoned_times(struct slice json, const struct zone *zone, struct buffer *out)
{
	size_t at = 0;
	while (at < json.size) {
		int64_t ms;
		const uint8_t *quote = memchr(json.at + at, '"', json.size - at);
		size_t before = quote ? (size_t)(quote - json.at) : json.size;
		buffer_append(out, json.at + at, before - at);
		at = before;
		if (!quote)
			return;
		if (time_at(slice_of(quote, json.size - at), &ms)) {
			put_time(ms, zone, out);
			at += QUOTED;
		} else {
			buffer_append_byte(out, '"');
			at++;
		}
	}
}
