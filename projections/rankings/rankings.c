/*
 * Rankings: which schedules sell most, and which sold out fastest.
 *
 *	ranked            a schedule, with what the orders below need of it
 *	popular_counts    its confirmed minus cancelled seats, in each window in which it has any
 *	popular           the same as an order: a row moves with each change of its count
 *	sold_out          the order of first sell-outs, once for each origin of the clock
 *
 * A count of 0 has no rows: schedules with none are not shown. A schedule leaves both rankings when its cancellation begins;
 * the cancellations of its reservations that follow change nothing here any more.
 */
#include "projections/projection.h"
#include "projections/rankings/windows.h"
#include "projections/views/rows.h"

struct change {
	struct view *view;
	const struct entry *entry;
	struct error *error;
};

static enum ll_code poison(const struct change *c, const char *rule, struct slice schedule_id)
{
	return error_set(c->error, LL_POISON, "rankings: %s (schedule %.*s)", rule, SLICE_PRINT(schedule_id));
}

static enum ll_code get_ranked(const struct change *c, struct slice schedule_id, struct ranked_row *row)
{
	if (ranked_get(c->view, ranked_key(schedule_id), row))
		return LL_OK;
	return poison(c, "the schedule is not there", schedule_id);
}

static struct key popular_key_of(struct slice schedule_id, uint8_t window, uint32_t first_day,
				 const struct popular_counts_row *row)
{
	return popular_key(window, first_day, ~row->count, row->reached_by, schedule_id);
}

static enum ll_code change_count(const struct change *c, struct slice schedule_id, enum window window, int32_t day,
				 int64_t seats)
{
	uint32_t first_day = window_first_day(window, day);
	struct key key = popular_counts_key(schedule_id, (uint8_t)window, first_day);
	struct popular_counts_row row = {.count = 0};
	if (popular_counts_get(c->view, key, &row))
		popular_remove(c->view, popular_key_of(schedule_id, (uint8_t)window, first_day, &row));
	int64_t count = row.count + seats;
	if (count < 0 || count > UINT32_MAX)
		return poison(c, "more seats are cancelled than were confirmed in a window", schedule_id);
	if (count == 0) {
		popular_counts_remove(c->view, key);
		return LL_OK;
	}
	row = (struct popular_counts_row){.count = (uint32_t)count, .reached_by = c->entry->seq};
	popular_counts_put(c->view, key, &row);
	popular_put(c->view, popular_key_of(schedule_id, (uint8_t)window, first_day, &row), &(struct popular_row){});
	return LL_OK;
}

static enum ll_code change_counts(const struct change *c, struct slice schedule_id, int32_t day, int64_t seats)
{
	for (enum window window = WINDOW_ALL; window <= WINDOW_MONTH; window++) {
		enum ll_code code = change_count(c, schedule_id, window, day, seats);
		if (code != LL_OK)
			return code;
	}
	return LL_OK;
}

/* From the opening, or the first confirmation, to the last seat. An opening that was moved behind the sell-out counts as no time. */
static struct key sold_out_key_of(struct slice schedule_id, enum origin origin, const struct ranked_row *row)
{
	int64_t from = origin == ORIGIN_OPENING ? row->opening_at_sold_out : row->first_confirmed_at;
	int64_t duration_ms = row->sold_out_at > from ? row->sold_out_at - from : 0;
	return sold_out_key((uint8_t)origin, (uint64_t)duration_ms, row->sold_out_seq, schedule_id);
}

static void enter_sold_out(const struct change *c, struct slice schedule_id, const struct ranked_row *row)
{
	for (enum origin origin = ORIGIN_OPENING; origin <= ORIGIN_FIRST; origin++)
		sold_out_put(c->view, sold_out_key_of(schedule_id, origin, row), &(struct sold_out_row){});
}

static void leave_sold_out(const struct change *c, struct slice schedule_id, const struct ranked_row *row)
{
	for (enum origin origin = ORIGIN_OPENING; origin <= ORIGIN_FIRST; origin++)
		sold_out_remove(c->view, sold_out_key_of(schedule_id, origin, row));
}

static enum ll_code apply_created(const struct change *c, const struct concert_schedule_created *event)
{
	struct ranked_row row;
	if (ranked_get(c->view, ranked_key(event->schedule_id), &row))
		return poison(c, "the schedule is there already", event->schedule_id);
	row = (struct ranked_row){
		.concert_id = event->concert_id,
		.concert_date = event->concert_date,
		.created_at = c->entry->time,
		.booking_opens_at = event->booking_opens_at,
		.total = event->seats.count,
		.sold_out_seq = NONE_U64,
	};
	ranked_put(c->view, ranked_key(event->schedule_id), &row);
	return LL_OK;
}

static enum ll_code apply_seats_added(const struct change *c, const struct concert_schedule_seats_added *event)
{
	struct ranked_row row;
	enum ll_code code = get_ranked(c, event->schedule_id, &row);
	if (code != LL_OK)
		return code;
	row.total = event->total_seats;
	ranked_put(c->view, ranked_key(event->schedule_id), &row);
	return LL_OK;
}

static enum ll_code apply_updated(const struct change *c, const struct concert_schedule_updated *event)
{
	struct ranked_row row;
	enum ll_code code = get_ranked(c, event->schedule_id, &row);
	if (code != LL_OK)
		return code;
	row.concert_date = event->concert_date;
	row.booking_opens_at = event->booking_opens_at;
	ranked_put(c->view, ranked_key(event->schedule_id), &row);
	return LL_OK;
}

static enum ll_code apply_confirmed(const struct change *c, const struct reservation_confirmed *event)
{
	struct ranked_row row;
	enum ll_code code = get_ranked(c, event->schedule_id, &row);
	if (code != LL_OK)
		return code;
	if (row.cancelled)
		return poison(c, "seats of a cancelled schedule are confirmed", event->schedule_id);
	if (event->seat_nos.count > row.total - row.confirmed)
		return poison(c, "more seats are confirmed than there are", event->schedule_id);
	row.confirmed += event->seat_nos.count;
	if (row.first_confirmed_at == NONE_TIME)
		row.first_confirmed_at = c->entry->time;
	bool sells_out = row.confirmed == row.total && row.sold_out_at == NONE_TIME;
	if (sells_out) {
		row.sold_out_at = c->entry->time;
		row.sold_out_seq = c->entry->seq;
		row.opening_at_sold_out = row.booking_opens_at != NONE_TIME ? row.booking_opens_at : row.created_at;
	}
	/* First of all: its ids lie in the store, and are good until the first change. */
	ranked_put(c->view, ranked_key(event->schedule_id), &row);
	if (sells_out)
		enter_sold_out(c, event->schedule_id, &row);
	return change_counts(c, event->schedule_id, event->day, event->seat_nos.count);
}

/* A hold that is given up never counted. */
static enum ll_code apply_cancelled(const struct change *c, const struct reservation_cancelled *event)
{
	struct ranked_row row;
	if (event->confirmed_day == NONE_DAY)
		return LL_OK;
	enum ll_code code = get_ranked(c, event->schedule_id, &row);
	if (code != LL_OK)
		return code;
	if (event->seat_nos.count > row.confirmed)
		return poison(c, "more seats are cancelled than were confirmed", event->schedule_id);
	row.confirmed -= event->seat_nos.count;
	ranked_put(c->view, ranked_key(event->schedule_id), &row);
	if (row.cancelled)
		return LL_OK;
	return change_counts(c, event->schedule_id, event->confirmed_day, -(int64_t)event->seat_nos.count);
}

/* Rows must not be changed during a scan: so they are taken one after another, each the first that is left. */
struct first_count {
	struct view *view;
	bool found;
	struct key key;
	struct popular_counts_row row;
};

static bool take_first(void *context, struct slice key, struct slice value)
{
	struct first_count *first = context;
	first->key.size = 0;
	key_add_bytes(&first->key, key);
	first->found = popular_counts_read(first->view, key, value, &first->row);
	return false;
}

static void leave_popular(const struct change *c, struct slice schedule_id)
{
	struct key prefix = {.size = 0};
	key_add_id(&prefix, schedule_id, false);
	for (;;) {
		struct first_count first = {.view = c->view};
		struct popular_counts_key parts;
		view_scan_prefix(c->view, RANKINGS_POPULAR_COUNTS, key_slice(&prefix), false, take_first, &first);
		if (!first.found || !popular_counts_key_read(key_slice(&first.key), &parts))
			return;
		popular_remove(c->view, popular_key_of(schedule_id, parts.window, parts.first_day, &first.row));
		popular_counts_remove(c->view, first.key);
	}
}

static enum ll_code leave_rankings(const struct change *c, struct slice schedule_id)
{
	struct ranked_row row;
	enum ll_code code = get_ranked(c, schedule_id, &row);
	if (code != LL_OK || row.cancelled)
		return code;
	row.cancelled = true;
	ranked_put(c->view, ranked_key(schedule_id), &row);
	if (row.sold_out_at != NONE_TIME)
		leave_sold_out(c, schedule_id, &row);
	leave_popular(c, schedule_id);
	return LL_OK;
}

static enum ll_code apply_event(const struct change *c, const struct event *event)
{
	switch (event->type) {
	case EVENT_CONCERT_CREATED:
		concert_titles_put(c->view, concert_titles_key(event->concert_created.concert_id),
				   &(struct concert_titles_row){.title = event->concert_created.title});
		return LL_OK;
	case EVENT_CONCERT_SCHEDULE_CREATED: return apply_created(c, &event->concert_schedule_created);
	case EVENT_CONCERT_SCHEDULE_SEATS_ADDED: return apply_seats_added(c, &event->concert_schedule_seats_added);
	case EVENT_CONCERT_SCHEDULE_UPDATED: return apply_updated(c, &event->concert_schedule_updated);
	case EVENT_CONCERT_SCHEDULE_CANCELLING:
		return leave_rankings(c, event->concert_schedule_cancelling.schedule_id);
	case EVENT_CONCERT_SCHEDULE_CANCELLED: return leave_rankings(c, event->concert_schedule_cancelled.schedule_id);
	case EVENT_RESERVATION_CONFIRMED: return apply_confirmed(c, &event->reservation_confirmed);
	case EVENT_RESERVATION_CANCELLED: return apply_cancelled(c, &event->reservation_cancelled);
	default: return LL_OK;
	}
}

static enum ll_code apply(struct view *view, const struct entry *entry, struct error *error)
{
	struct change change = {.view = view, .entry = entry, .error = error};
	for (uint32_t i = 0; i < entry->event_count; i++) {
		enum ll_code code = apply_event(&change, &entry->events[i]);
		if (code != LL_OK)
			return code;
	}
	return LL_OK;
}

const struct projection projection_rankings = {.id = PROJECTION_RANKINGS, .apply = apply};
