/* The rankings, as the projection keeps them in order: only the first rows are read. */
#include "engine/read/read.h"
#include "engine/reply/reply.h"
#include "projections/rankings/windows.h"
#include "projections/views/rows.h"

struct ranking {
	struct view *view;
	struct json_writer *writer;
	unsigned rank, limit;
};

/* Rank, id, title and date, which all rankings show. */
static void write_schedule(struct ranking *ranking, struct slice schedule_id)
{
	struct json_writer *writer = ranking->writer;
	json_member_uint64(writer, "rank", ++ranking->rank);
	json_member_string(writer, "scheduleId", schedule_id);
	struct ranked_row row;
	if (!ranked_get(ranking->view, ranked_key(schedule_id), &row)) {
		view_fail(ranking->view, LL_CORRUPT,
			  "projection rankings: schedule %.*s is in an order, but not there; rebuild rankings",
			  SLICE_PRINT(schedule_id));
		return;
	}
	struct concert_titles_row concert;
	json_key(writer, "concertTitle");
	if (concert_titles_get(ranking->view, concert_titles_key(row.concert_id), &concert))
		json_string(writer, concert.title);
	else
		json_null(writer);
	json_member_time(writer, "concertDate", row.concert_date);
}

static bool unreadable(struct ranking *ranking, const char *table)
{
	view_fail(ranking->view, LL_CORRUPT, "projection rankings, table %s: a key cannot be read; rebuild rankings",
		  table);
	return false;
}

static bool write_popular(void *context, struct slice key, struct slice value)
{
	(void)value;
	struct ranking *ranking = context;
	struct popular_key parts;
	if (!popular_key_read(key, &parts))
		return unreadable(ranking, "popular");
	json_object_begin(ranking->writer);
	write_schedule(ranking, parts.schedule_id);
	json_member_uint64(ranking->writer, "reservationCount", ~parts.inverted_count);
	json_object_end(ranking->writer);
	return ranking->rank < ranking->limit;
}

static bool write_sold_out(void *context, struct slice key, struct slice value)
{
	(void)value;
	struct ranking *ranking = context;
	struct sold_out_key parts;
	if (!sold_out_key_read(key, &parts))
		return unreadable(ranking, "sold_out");
	json_object_begin(ranking->writer);
	write_schedule(ranking, parts.schedule_id);
	json_key(ranking->writer, "soldOutDurationSec");
	json_thousandths(ranking->writer, (int64_t)parts.duration_ms);
	json_object_end(ranking->writer);
	return ranking->rank < ranking->limit;
}

static int write_ranking(struct view *view, enum table_id table, const struct key *prefix, unsigned limit,
			 store_visit_fn *visit, struct json_writer *writer)
{
	struct ranking ranking = {.view = view, .writer = writer, .limit = limit};
	json_object_begin(writer);
	json_key(writer, "rankings");
	json_array_begin(writer);
	if (limit)
		view_scan_prefix(view, table, key_slice(prefix), false, visit, &ranking);
	json_array_end(writer);
	json_object_end(writer);
	return 0;
}

int read_popular(struct view *view, enum window window, const struct zone *zone, unsigned limit,
		 struct json_writer *writer)
{
	int32_t today = window == WINDOW_ALL ? 0 : zone_day_of(zone, view->time);
	struct key prefix = {.size = 0};
	key_add_u8(&prefix, (uint8_t)window);
	key_add_u32(&prefix, window_first_day(window, today));
	return write_ranking(view, RANKINGS_POPULAR, &prefix, limit, write_popular, writer);
}

int read_sold_out(struct view *view, enum origin origin, unsigned limit, struct json_writer *writer)
{
	struct key prefix = {.size = 0};
	key_add_u8(&prefix, (uint8_t)origin);
	return write_ranking(view, RANKINGS_SOLD_OUT, &prefix, limit, write_sold_out, writer);
}
