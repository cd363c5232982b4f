/* Concerts, schedules, seats, reservations, payments, waiting rooms. */
#include "projections/reader/internal.h"

/* ---- concerts and schedules ---- */

static struct ll_concert concert_of(struct view *view, struct slice id, const struct concerts_row *row)
{
	struct ll_concert concert = {.title = reader_text(view, row->title),
				     .schedule_count = row->schedules,
				     .created_at_ms = row->created_at};
	reader_copy_id(concert.concert_id, id);
	return concert;
}

enum ll_result ll_read_concert(struct ll_reader *reader, const char *concert_id, struct ll_concert *concert)
{
	enum ll_result result;
	struct concerts_row row;
	struct view *view = reader_begin_id(reader, LL_SEATS, concert_id, &result);
	if (!view)
		return result;
	if (!concerts_get(view, concerts_key(slice_text(concert_id)), &row))
		return reader_end_absent(reader, "concert", concert_id);
	*concert = concert_of(view, slice_text(concert_id), &row);
	return reader_end(reader);
}

static bool visit_concert(void *context, struct slice key, struct slice value)
{
	struct reader_walk *walk = context;
	struct concerts_key parts;
	struct concerts_row row;
	reader_next_row(walk->reader);
	if (!concerts_key_read(key, &parts))
		return reader_bad_key(walk->view, SEATS_CONCERTS);
	if (!concerts_read(walk->view, key, value, &row))
		return false;
	struct ll_concert concert = concert_of(walk->view, parts.concert_id, &row);
	return reader_walk_on(walk, walk->visit.concert(walk->context, &concert));
}

enum ll_result ll_walk_concerts(struct ll_reader *reader, const char *after, uint64_t limit, ll_concert_visit *visit,
				void *context)
{
	enum ll_result result;
	struct key from = {.size = 0};
	struct view *view = reader_begin(reader, LL_SEATS, &result);
	if (!view || !reader_key_after(reader, &from, after, &result))
		return result;
	struct reader_walk walk = reader_walk_over(reader, view, limit, context);
	walk.visit.concert = visit;
	view_scan(view, SEATS_CONCERTS, key_slice(&from), SLICE_EMPTY, false, visit_concert, &walk);
	return reader_end(reader);
}

static struct ll_schedule schedule_of(struct slice id, const struct schedules_row *row)
{
	struct ll_schedule schedule = {
		.concert_date_ms = row->concert_date,
		.booking_opens_at_ms = row->booking_opens_at,
		.booking_closes_at_ms = row->booking_closes_at,
		.created_at_ms = row->created_at,
		.status = enumeration_text(&schedule_status_enumeration, row->status),
		.seat_count = row->total,
		.held_count = row->held,
		.reserved_count = row->reserved,
	};
	reader_copy_id(schedule.schedule_id, id);
	reader_copy_id(schedule.concert_id, row->concert_id);
	reader_copy_id(schedule.queue_id, row->queue_id);
	return schedule;
}

enum ll_result ll_read_schedule(struct ll_reader *reader, const char *schedule_id, struct ll_schedule *schedule)
{
	enum ll_result result;
	struct schedules_row row;
	struct view *view = reader_begin_id(reader, LL_SEATS, schedule_id, &result);
	if (!view)
		return result;
	if (!schedules_get(view, schedules_key(slice_text(schedule_id)), &row))
		return reader_end_absent(reader, "schedule", schedule_id);
	*schedule = schedule_of(slice_text(schedule_id), &row);
	return reader_end(reader);
}

static bool visit_schedule(void *context, struct slice key, struct slice value)
{
	struct reader_walk *walk = context;
	struct schedules_key parts;
	struct schedules_row row;
	reader_next_row(walk->reader);
	if (!schedules_key_read(key, &parts))
		return reader_bad_key(walk->view, SEATS_SCHEDULES);
	if (!schedules_read(walk->view, key, value, &row))
		return false;
	struct ll_schedule schedule = schedule_of(parts.schedule_id, &row);
	return reader_walk_on(walk, walk->visit.schedule(walk->context, &schedule));
}

static bool visit_schedule_of_concert(void *context, struct slice key, struct slice value)
{
	struct reader_walk *walk = context;
	struct concert_schedules_key parts;
	struct schedules_row row;
	(void)value;
	reader_next_row(walk->reader);
	if (!concert_schedules_key_read(key, &parts))
		return reader_bad_key(walk->view, SEATS_CONCERT_SCHEDULES);
	if (!schedules_get(walk->view, schedules_key(parts.schedule_id), &row)) {
		view_fail(walk->view, LL_CORRUPT,
			  "projection seats: a concert has a schedule that is not there; rebuild seats");
		return false;
	}
	struct ll_schedule schedule = schedule_of(parts.schedule_id, &row);
	return reader_walk_on(walk, walk->visit.schedule(walk->context, &schedule));
}

enum ll_result ll_walk_schedules(struct ll_reader *reader, const char *concert_id, const char *after, uint64_t limit,
				 ll_schedule_visit *visit, void *context)
{
	enum ll_result result;
	struct key from = {.size = 0}, end = {.size = 0};
	struct concerts_row concert;
	struct view *view = reader_begin(reader, LL_SEATS, &result);
	if (!view || (concert_id && !reader_takes_id(reader, concert_id, &result)))
		return result;
	if (concert_id) {
		if (!concerts_get(view, concerts_key(slice_text(concert_id)), &concert))
			return reader_end_absent(reader, "concert", concert_id);
		key_add_id(&from, slice_text(concert_id), false);
		end = from;
		key_after_prefix(&end);
	}
	if (!reader_key_after(reader, &from, after, &result))
		return result;
	struct reader_walk walk = reader_walk_over(reader, view, limit, context);
	walk.visit.schedule = visit;
	view_scan(view, concert_id ? SEATS_CONCERT_SCHEDULES : SEATS_SCHEDULES, key_slice(&from), key_slice(&end),
		  false, concert_id ? visit_schedule_of_concert : visit_schedule, &walk);
	return reader_end(reader);
}

/* ---- seats ---- */

struct seat_walk {
	struct ll_reader *reader;
	struct view *view;
	ll_seat_visit *visit;
	void *context;
};

static bool visit_seat(void *context, struct slice key, struct slice value)
{
	struct seat_walk *walk = context;
	struct seats_key parts;
	struct seats_row row;
	reader_next_row(walk->reader);
	if (!seats_key_read(key, &parts))
		return reader_bad_key(walk->view, SEATS_SEATS);
	if (!seats_read(walk->view, key, value, &row))
		return false;
	struct ll_seat seat = {
		.seat_no = parts.seat_no,
		.section = reader_text(walk->view, row.section),
		.grade = reader_text(walk->view, row.grade),
		.price = row.price,
		.status = enumeration_text(&seat_status_enumeration, row.status),
	};
	reader_copy_reference(seat.reservation_id, "reservation", row.reservation_id);
	return walk->visit(walk->context, &seat) == 0;
}

enum ll_result ll_read_seats(struct ll_reader *reader, const char *schedule_id, ll_seat_visit *visit, void *context)
{
	enum ll_result result;
	struct schedules_row schedule;
	struct view *view = reader_begin_id(reader, LL_SEATS, schedule_id, &result);
	if (!view)
		return result;
	if (!schedules_get(view, schedules_key(slice_text(schedule_id)), &schedule))
		return reader_end_absent(reader, "schedule", schedule_id);
	struct seat_walk walk = {.reader = reader, .view = view, .visit = visit, .context = context};
	struct key prefix = {.size = 0};
	key_add_id(&prefix, slice_text(schedule_id), false);
	view_scan_prefix(view, SEATS_SEATS, key_slice(&prefix), false, visit_seat, &walk);
	return reader_end(reader);
}

enum ll_result ll_read_seat_totals(struct ll_reader *reader, struct ll_seat_totals *totals)
{
	enum ll_result result;
	struct seat_totals_row row;
	struct view *view = reader_begin(reader, LL_SEATS, &result);
	if (!view)
		return result;
	if (!seat_totals_get(view, seat_totals_key(0), &row))
		row = (struct seat_totals_row){0}; /* there never was a seat */
	*totals = (struct ll_seat_totals){
		.seats = row.total,
		.held = row.held,
		.reserved = row.reserved,
		.reservations_held = row.reservations_held,
		.reservations_confirmed = row.reservations_confirmed,
		.reservations_expired = row.reservations_expired,
		.reservations_cancelled = row.reservations_cancelled,
	};
	return reader_end(reader);
}

/* ---- waiting rooms ---- */

enum ll_result ll_read_queue(struct ll_reader *reader, const char *queue_id, struct ll_queue *queue)
{
	enum ll_result result;
	struct queues_row row;
	struct view *view = reader_begin_id(reader, LL_QUEUE, queue_id, &result);
	if (!view)
		return result;
	if (!queues_get(view, queues_key(slice_text(queue_id)), &row))
		return reader_end_absent(reader, "waiting room", queue_id);
	*queue = (struct ll_queue){.waiting = row.waiting, .active = row.active, .activated = row.activated};
	return reader_end(reader);
}
