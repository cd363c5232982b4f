/* Concerts, schedules and the seats that they offer. */
#include "projections/seats/fold.h"

static enum ll_code not_there(struct seats_fold *fold, const char *kind, struct slice id)
{
	return seats_poison(fold, "there is no %s \"%.*s\"", kind, SLICE_PRINT(id));
}

static enum ll_code there_already(struct seats_fold *fold, const char *kind, struct slice id)
{
	return seats_poison(fold, "there is a %s \"%.*s\" already", kind, SLICE_PRINT(id));
}

enum ll_code seats_concert_created(struct seats_fold *fold, const struct concert_created *event)
{
	struct concerts_row row;
	if (concerts_get(fold->view, concerts_key(event->concert_id), &row))
		return there_already(fold, "concert", event->concert_id);
	row = (struct concerts_row){
		.title = event->title,
		.created_at = fold->entry->time,
		.changed_by = fold->entry->seq,
	};
	concerts_put(fold->view, concerts_key(event->concert_id), &row);
	return LL_OK;
}

/* The seats are new and free; each number stands once. */
static enum ll_code put_seats(struct seats_fold *fold, struct slice schedule_id, const struct seat_list *seats)
{
	for (uint32_t i = 0; i < seats->count; i++) {
		const struct seat *seat = &seats->at[i];
		struct key key = seats_key(schedule_id, seat->seat_no);
		struct seats_row row;
		if (seats_get(fold->view, key, &row))
			return seats_poison(fold, "schedule \"%.*s\" has seat %u already", SLICE_PRINT(schedule_id),
					    seat->seat_no);
		row = (struct seats_row){
			.section = seat->section,
			.grade = seat->grade,
			.price = seat->price,
			.status = SEAT_STATUS_AVAILABLE,
			.reservation_id = NONE_U64,
			.changed_by = fold->entry->seq,
		};
		seats_put(fold->view, key, &row);
	}
	return seats_change_totals(fold, &(struct totals_change){.total = seats->count});
}

enum ll_code seats_schedule_created(struct seats_fold *fold, const struct concert_schedule_created *event)
{
	struct schedules_row row;
	struct concerts_row concert;
	if (schedules_get(fold->view, schedules_key(event->schedule_id), &row))
		return there_already(fold, "schedule", event->schedule_id);
	if (!concerts_get(fold->view, concerts_key(event->concert_id), &concert))
		return not_there(fold, "concert", event->concert_id);
	concert.schedules++;
	concert.changed_by = fold->entry->seq;
	concerts_put(fold->view, concerts_key(event->concert_id), &concert);
	row = (struct schedules_row){
		.concert_id = event->concert_id,
		.concert_date = event->concert_date,
		.booking_opens_at = event->booking_opens_at,
		.booking_closes_at = event->booking_closes_at,
		.queue_id = event->queue_id,
		.created_at = fold->entry->time,
		.status = SCHEDULE_STATUS_OPEN,
		.total = event->seats.count,
		.changed_by = fold->entry->seq,
	};
	schedules_put(fold->view, schedules_key(event->schedule_id), &row);
	concert_schedules_put(fold->view, concert_schedules_key(event->concert_id, event->schedule_id),
			      &(struct concert_schedules_row){});
	return put_seats(fold, event->schedule_id, &event->seats);
}

/* Reads a schedule that must have this status. */
static enum ll_code get_schedule(struct seats_fold *fold, struct slice schedule_id, enum schedule_status status,
				 struct schedules_row *row)
{
	if (!schedules_get(fold->view, schedules_key(schedule_id), row))
		return not_there(fold, "schedule", schedule_id);
	if (row->status != status)
		return seats_poison(fold, "schedule \"%.*s\" is %s, not %s", SLICE_PRINT(schedule_id),
				    enumeration_text(&schedule_status_enumeration, row->status),
				    enumeration_text(&schedule_status_enumeration, status));
	return LL_OK;
}

enum ll_code seats_schedule_seats_added(struct seats_fold *fold, const struct concert_schedule_seats_added *event)
{
	struct schedules_row row;
	enum ll_code code = get_schedule(fold, event->schedule_id, SCHEDULE_STATUS_OPEN, &row);
	if (code != LL_OK)
		return code;
	if (row.confirmations > 0)
		return seats_poison(fold, "seats were added to schedule \"%.*s\" after a confirmation",
				    SLICE_PRINT(event->schedule_id));
	if (event->total_seats != row.total + event->seats.count)
		return seats_poison(fold, "schedule \"%.*s\" would have %u seats, not %u",
				    SLICE_PRINT(event->schedule_id), row.total + event->seats.count,
				    event->total_seats);
	row.total = event->total_seats;
	row.changed_by = fold->entry->seq;
	schedules_put(fold->view, schedules_key(event->schedule_id), &row);
	return put_seats(fold, event->schedule_id, &event->seats);
}

enum ll_code seats_schedule_updated(struct seats_fold *fold, const struct concert_schedule_updated *event)
{
	struct schedules_row row;
	enum ll_code code = get_schedule(fold, event->schedule_id, SCHEDULE_STATUS_OPEN, &row);
	if (code != LL_OK)
		return code;
	row.concert_date = event->concert_date;
	row.booking_opens_at = event->booking_opens_at;
	row.booking_closes_at = event->booking_closes_at;
	row.changed_by = fold->entry->seq;
	schedules_put(fold->view, schedules_key(event->schedule_id), &row);
	return LL_OK;
}

enum ll_code seats_schedule_cancelling(struct seats_fold *fold, const struct concert_schedule_cancelling *event)
{
	struct schedules_row row;
	enum ll_code code = get_schedule(fold, event->schedule_id, SCHEDULE_STATUS_OPEN, &row);
	if (code != LL_OK)
		return code;
	if (event->remaining != row.live_reservations)
		return seats_poison(fold, "schedule \"%.*s\" has %u live reservations, not %u",
				    SLICE_PRINT(event->schedule_id), row.live_reservations, event->remaining);
	row.status = SCHEDULE_STATUS_CANCELLING;
	row.changed_by = fold->entry->seq;
	schedules_put(fold->view, schedules_key(event->schedule_id), &row);
	cancelling_put(fold->view, cancelling_key(event->schedule_id), &(struct cancelling_row){.next_seat = 0});
	return LL_OK;
}

enum ll_code seats_schedule_cancelled(struct seats_fold *fold, const struct concert_schedule_cancelled *event)
{
	struct schedules_row row;
	enum ll_code code = get_schedule(fold, event->schedule_id, SCHEDULE_STATUS_CANCELLING, &row);
	if (code != LL_OK)
		return code;
	if (row.live_reservations > 0 || row.held > 0 || row.reserved > 0)
		return seats_poison(fold, "schedule \"%.*s\" still has %u live reservations",
				    SLICE_PRINT(event->schedule_id), row.live_reservations);
	int64_t total = row.total;
	row.status = SCHEDULE_STATUS_CANCELLED;
	row.changed_by = fold->entry->seq;
	schedules_put(fold->view, schedules_key(event->schedule_id), &row);
	cancelling_remove(fold->view, cancelling_key(event->schedule_id));
	return seats_change_totals(fold, &(struct totals_change){.total = -total});
}
