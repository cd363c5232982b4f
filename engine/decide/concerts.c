/* Concerts and schedules: making and changing them, and opening a schedule's cancellation. */
#include "engine/decide/points.h"
#include "engine/decide/rules.h"
#include "engine/decide/seats.h"
#include "schemas/wire/time.h"

void decide_concert_create(struct decide_context *context, const struct concert_create *command,
			   struct decision *decision)
{
	struct concerts_row row;
	if (concerts_get(context->view, concerts_key(command->concert_id), &row)) {
		decision_refuse(decision, CODE_CONCERT_EXISTS);
		decision_fact_text(context, decision, FACT_NAME_CONCERTID, command->concert_id);
		return;
	}
	struct concert_created *event = &decision_add(decision, EVENT_CONCERT_CREATED)->concert_created;
	event->concert_id = command->concert_id;
	event->title = command->title;
}

/* The moment that a date means: a time is itself, a day its start in the policy's zone. */
static int64_t moment_of(const struct decide_context *context, int64_t when)
{
	return when >= 0 ? when : zone_day_start(context->zone, (int32_t)(-when - 1));
}

/* 1970 itself cannot be told from "absent", and 10000 cannot be written. */
static bool date_is_good(int64_t date)
{
	return date > TIME_MS_MIN && date <= TIME_MS_MAX;
}

static const char *const bad_date = "must be a time or a day from 1970 to 9999";
static const char *const bad_order = "must have each seatNo once, in ascending order";

void decide_schedule_create(struct decide_context *context, const struct schedule_create *command,
			    struct decision *decision)
{
	int64_t date = moment_of(context, command->concert_date);
	struct concerts_row concert;
	struct schedules_row row;
	if (!date_is_good(date)) {
		decision_invalid(decision, "concertDate", bad_date);
		return;
	}
	if (!seats_ascending(command->seats)) {
		decision_invalid(decision, "seats", bad_order);
		return;
	}
	if (!concerts_get(context->view, concerts_key(command->concert_id), &concert)) {
		decision_reject(decision, CODE_CONCERT_NOT_FOUND);
		return;
	}
	if (schedules_get(context->view, schedules_key(command->schedule_id), &row)) {
		decision_refuse(decision, CODE_SCHEDULE_EXISTS);
		decision_fact_text(context, decision, FACT_NAME_SCHEDULEID, command->schedule_id);
		return;
	}
	struct concert_schedule_created *event =
		&decision_add(decision, EVENT_CONCERT_SCHEDULE_CREATED)->concert_schedule_created;
	event->schedule_id = command->schedule_id;
	event->concert_id = command->concert_id;
	event->concert_date = date;
	event->date_given = command->concert_date;
	event->booking_opens_at = command->booking_opens_at;
	event->booking_closes_at = command->booking_closes_at;
	event->queue_id = command->queue_id;
	event->seats = command->seats;
}

/* Reads a schedule that can still be changed; else the decision is made. */
static bool get_open_schedule(struct decide_context *context, struct slice schedule_id, struct schedules_row *row,
			      struct decision *decision)
{
	if (!schedules_get(context->view, schedules_key(schedule_id), row)) {
		decision_reject(decision, CODE_SCHEDULE_NOT_FOUND);
		return false;
	}
	if (row->status != SCHEDULE_STATUS_OPEN) {
		decision_refuse(decision, CODE_SCHEDULE_CANCELLED);
		decision_fact_text(context, decision, FACT_NAME_STATUS,
				   slice_text(enumeration_text(&schedule_status_enumeration, row->status)));
		return false;
	}
	return true;
}

/* The numbers that the schedule has already. */
static struct u32_list seats_there(struct decide_context *context, const struct schedule_add_seats *command)
{
	struct u32_list found = {arena_alloc(context->arena, command->seats.count * sizeof *found.at), 0};
	struct seats_row row;
	for (uint32_t i = 0; i < command->seats.count; i++)
		if (seats_get(context->view, seats_key(command->schedule_id, command->seats.at[i].seat_no), &row))
			found.at[found.count++] = command->seats.at[i].seat_no;
	return found;
}

void decide_schedule_add_seats(struct decide_context *context, const struct schedule_add_seats *command,
			       struct decision *decision)
{
	struct schedules_row row;
	if (!seats_ascending(command->seats)) {
		decision_invalid(decision, "seats", bad_order);
		return;
	}
	if (!get_open_schedule(context, command->schedule_id, &row, decision))
		return;
	if (row.confirmations > 0) {
		decision_refuse(decision, CODE_SALES_STARTED);
		decision_fact_number(context, decision, FACT_NAME_CONFIRMATIONS, (int64_t)row.confirmations);
		return;
	}
	struct u32_list there = seats_there(context, command);
	if (there.count > 0) {
		decision_refuse(decision, CODE_SEAT_EXISTS);
		decision_fact_numbers(context, decision, FACT_NAME_SEATNOS, there);
		return;
	}
	struct concert_schedule_seats_added *event =
		&decision_add(decision, EVENT_CONCERT_SCHEDULE_SEATS_ADDED)->concert_schedule_seats_added;
	event->schedule_id = command->schedule_id;
	event->seats = command->seats;
	event->total_seats = row.total + command->seats.count;
	event->concert_id = keep(context, row.concert_id);
	event->concert_date = row.concert_date;
	event->booking_opens_at = row.booking_opens_at;
	event->booking_closes_at = row.booking_closes_at;
}

void decide_schedule_update(struct decide_context *context, const struct schedule_update *command,
			    struct decision *decision)
{
	struct schedules_row row;
	bool dated = command->concert_date != NONE_I64;
	int64_t date = dated ? moment_of(context, command->concert_date) : NONE_TIME;
	if (!dated && command->booking_opens_at == NONE_TIME && command->booking_closes_at == NONE_TIME) {
		decision_invalid(decision, "concertDate",
				 "one of concertDate, bookingOpensAt and bookingClosesAt must be given");
		return;
	}
	if (dated && !date_is_good(date)) {
		decision_invalid(decision, "concertDate", bad_date);
		return;
	}
	if (!get_open_schedule(context, command->schedule_id, &row, decision))
		return;
	struct concert_schedule_updated *event =
		&decision_add(decision, EVENT_CONCERT_SCHEDULE_UPDATED)->concert_schedule_updated;
	event->schedule_id = command->schedule_id;
	event->date_given = command->concert_date;
	event->opens_given = command->booking_opens_at;
	event->closes_given = command->booking_closes_at;
	event->concert_date = dated ? date : row.concert_date;
	event->booking_opens_at = event->opens_given != NONE_TIME ? event->opens_given : row.booking_opens_at;
	event->booking_closes_at = event->closes_given != NONE_TIME ? event->closes_given : row.booking_closes_at;
	event->concert_id = keep(context, row.concert_id);
	event->total_seats = row.total;
}

/* The doors close at once; what is held or sold is dealt with by the entries that follow (cancel_steps.c). */
void decide_schedule_cancel(struct decide_context *context, const struct schedule_cancel *command,
			    struct decision *decision)
{
	struct schedules_row row;
	if (!schedules_get(context->view, schedules_key(command->schedule_id), &row)) {
		decision_reject(decision, CODE_SCHEDULE_NOT_FOUND);
		return;
	}
	if (row.status != SCHEDULE_STATUS_OPEN) {
		decision->outcome = DECIDED_READ;
		return;
	}
	struct concert_schedule_cancelling *event =
		&decision_add(decision, EVENT_CONCERT_SCHEDULE_CANCELLING)->concert_schedule_cancelling;
	event->schedule_id = command->schedule_id;
	event->reason = command->reason;
	event->remaining = row.live_reservations;
}
