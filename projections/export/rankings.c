/* The rankings, in the order in which they are shown. */
#include "projections/export/lines.h"
#include "projections/views/rows.h"

static bool write_popular(void *context, struct slice key, struct slice value)
{
	(void)value;
	struct lines *lines = context;
	struct popular_key parts;
	struct json_writer *writer = line_begin(lines, "popular");
	if (!popular_key_read(key, &parts))
		return line_unreadable(lines, RANKINGS_POPULAR);
	member_enum(writer, "window", &window_enumeration, parts.window);
	member_day(writer, "firstDay", (int32_t)parts.first_day);
	json_member_string(writer, "scheduleId", parts.schedule_id);
	json_member_uint64(writer, "count", ~parts.inverted_count);
	json_member_uint64(writer, "reachedBy", parts.reached_by);
	return line_end(lines);
}

static bool write_sold_out(void *context, struct slice key, struct slice value)
{
	(void)value;
	struct lines *lines = context;
	struct sold_out_key parts;
	struct json_writer *writer = line_begin(lines, "sold-out");
	if (!sold_out_key_read(key, &parts))
		return line_unreadable(lines, RANKINGS_SOLD_OUT);
	member_enum(writer, "origin", &origin_enumeration, parts.origin);
	json_member_string(writer, "scheduleId", parts.schedule_id);
	json_member_uint64(writer, "durationMs", parts.duration_ms);
	json_member_uint64(writer, "reachedBy", parts.seq);
	return line_end(lines);
}

void export_rankings(struct lines *lines)
{
	view_scan(lines->view, RANKINGS_POPULAR, SLICE_EMPTY, SLICE_EMPTY, false, write_popular, lines);
	view_scan(lines->view, RANKINGS_SOLD_OUT, SLICE_EMPTY, SLICE_EMPTY, false, write_sold_out, lines);
}
