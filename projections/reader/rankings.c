/* Rankings. */
#include "projections/rankings/windows.h"
#include "projections/reader/internal.h"

struct ranking_walk {
	struct ll_reader *reader;
	struct view *view;
	unsigned rank, limit;
	ll_ranked_visit *visit;
	void *context;
};

static bool unreadable(struct ranking_walk *walk, const char *what)
{
	view_fail(walk->view, LL_CORRUPT, "projection rankings: %s; rebuild rankings", what);
	return false;
}

static bool visit_schedule(struct ranking_walk *walk, struct slice schedule_id, struct ll_ranked *ranked)
{
	struct ranked_row row;
	struct concert_titles_row concert;
	reader_next_row(walk->reader);
	if (!ranked_get(walk->view, ranked_key(schedule_id), &row))
		return unreadable(walk, "a schedule is in an order, but not there");
	if (!concert_titles_get(walk->view, concert_titles_key(row.concert_id), &concert))
		concert.title = SLICE_EMPTY;
	ranked->rank = ++walk->rank;
	reader_copy_id(ranked->schedule_id, schedule_id);
	ranked->concert_title = reader_text(walk->view, concert.title);
	ranked->concert_date_ms = row.concert_date;
	return walk->visit(walk->context, ranked) == 0 && walk->rank < walk->limit;
}

static bool visit_popular(void *context, struct slice key, struct slice value)
{
	(void)value;
	struct ranking_walk *walk = context;
	struct popular_key parts;
	if (!popular_key_read(key, &parts))
		return unreadable(walk, "a key of table popular cannot be read");
	struct ll_ranked ranked = {.reservation_count = ~parts.inverted_count};
	return visit_schedule(walk, parts.schedule_id, &ranked);
}

static bool visit_sold_out(void *context, struct slice key, struct slice value)
{
	(void)value;
	struct ranking_walk *walk = context;
	struct sold_out_key parts;
	if (!sold_out_key_read(key, &parts))
		return unreadable(walk, "a key of table sold_out cannot be read");
	struct ll_ranked ranked = {.sold_out_duration_ms = (int64_t)parts.duration_ms};
	return visit_schedule(walk, parts.schedule_id, &ranked);
}

struct latest {
	struct view *view;
	bool found;
	struct policies_row row;
};

static bool take_latest(void *context, struct slice key, struct slice value)
{
	struct latest *latest = context;
	latest->found = policies_read(latest->view, key, value, &latest->row);
	return false;
}

/* The zone's rules are kept from call to call. */
static enum ll_code use_zone(struct ll_reader *reader, struct slice name)
{
	if (reader->zone && slice_equal(slice_text(zone_name(reader->zone)), name))
		return LL_OK;
	zone_free(reader->zone);
	reader->zone = NULL;
	return zone_load(name, &reader->zone, &reader->error);
}

/* The day that a time lies in, in the policy's zone. */
static enum ll_result day_of(struct ll_reader *reader, struct view *view, int64_t time_ms, int32_t *day)
{
	struct latest latest = {.view = view};
	view_scan(view, BALANCES_POLICIES, SLICE_EMPTY, SLICE_EMPTY, true, take_latest, &latest);
	if (!latest.found) {
		view_fail(view, LL_CORRUPT, "projection balances has no policy; rebuild balances");
		return reader_end(reader);
	}
	if (use_zone(reader, latest.row.policy.time_zone) != LL_OK)
		return LL_DAMAGED;
	*day = zone_day_of(reader->zone, time_ms);
	return LL_DONE;
}

/* time_ms NULL: the position's. */
static enum ll_result read_popular(struct ll_reader *reader, enum ll_window window, const int64_t *time_ms,
				   unsigned limit, ll_ranked_visit *visit, void *context)
{
	enum ll_result result;
	int32_t day = 0;
	unsigned parts = window == LL_WINDOW_ALL ? LL_RANKINGS : LL_RANKINGS | LL_BALANCES;
	struct view *view = reader_begin(reader, parts, &result);
	if (!view)
		return result;
	if (window < LL_WINDOW_ALL || window > LL_WINDOW_MONTH || limit == 0 || (time_ms && *time_ms < 0))
		return reader_misused(reader, "there is no such window, or the limit is 0");
	if (window != LL_WINDOW_ALL &&
	    (result = day_of(reader, view, time_ms ? *time_ms : view->time, &day)) != LL_DONE)
		return result;
	struct ranking_walk walk = {.reader = reader, .view = view, .limit = limit, .visit = visit, .context = context};
	struct key prefix = {.size = 0};
	key_add_u8(&prefix, (uint8_t)window);
	key_add_u32(&prefix, window_first_day((enum window)window, day));
	view_scan_prefix(view, RANKINGS_POPULAR, key_slice(&prefix), false, visit_popular, &walk);
	return reader_end(reader);
}

enum ll_result ll_read_popular(struct ll_reader *reader, enum ll_window window, unsigned limit, ll_ranked_visit *visit,
			       void *context)
{
	return read_popular(reader, window, NULL, limit, visit, context);
}

enum ll_result ll_read_popular_at(struct ll_reader *reader, enum ll_window window, int64_t time_ms, unsigned limit,
				  ll_ranked_visit *visit, void *context)
{
	return read_popular(reader, window, &time_ms, limit, visit, context);
}

enum ll_result ll_read_sold_out(struct ll_reader *reader, enum ll_origin origin, unsigned limit, ll_ranked_visit *visit,
				void *context)
{
	enum ll_result result;
	struct view *view = reader_begin(reader, LL_RANKINGS, &result);
	if (!view)
		return result;
	if ((origin != LL_ORIGIN_OPENING && origin != LL_ORIGIN_FIRST) || limit == 0)
		return reader_misused(reader, "there is no such origin, or the limit is 0");
	struct ranking_walk walk = {.reader = reader, .view = view, .limit = limit, .visit = visit, .context = context};
	struct key prefix = {.size = 0};
	key_add_u8(&prefix, (uint8_t)origin);
	view_scan_prefix(view, RANKINGS_SOLD_OUT, key_slice(&prefix), false, visit_sold_out, &walk);
	return reader_end(reader);
}
