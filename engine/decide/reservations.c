/* Reservations: holding seats, all or none, and giving them up. */
#include "engine/decide/points.h"
#include "engine/decide/rules.h"
#include "engine/decide/seats.h"

#define AMOUNT_MAX INT64_C(9007199254740991) /* as JSON can carry it */

/* What the seats of a request are like. */
struct looked_up {
	struct u32_list missing, taken;
	int64_t price; /* of those that are there */
};

static struct looked_up look_up(struct decide_context *context, const struct reservation_create *command)
{
	uint32_t count = command->seat_nos.count;
	struct looked_up found = {
		.missing = {arena_alloc(context->arena, count * sizeof(uint32_t)), 0},
		.taken = {arena_alloc(context->arena, count * sizeof(uint32_t)), 0},
	};
	for (uint32_t i = 0; i < count; i++) {
		uint32_t seat_no = command->seat_nos.at[i];
		struct seats_row row;
		if (!seats_get(context->view, seats_key(command->schedule_id, seat_no), &row)) {
			found.missing.at[found.missing.count++] = seat_no;
			continue;
		}
		if (row.status != SEAT_STATUS_AVAILABLE)
			found.taken.at[found.taken.count++] = seat_no;
		if (__builtin_add_overflow(found.price, row.price, &found.price))
			found.price = INT64_MAX;
	}
	return found;
}

/* The schedule sells now, and these seats are free. */
static bool seats_for_sale(struct decide_context *context, const struct schedules_row *schedule,
			   const struct looked_up *found, struct decision *decision)
{
	if (schedule->status != SCHEDULE_STATUS_OPEN) {
		decision_refuse(decision, CODE_SCHEDULE_CANCELLED);
		decision_fact_text(context, decision, FACT_NAME_STATUS,
				   slice_text(enumeration_text(&schedule_status_enumeration, schedule->status)));
		return false;
	}
	int64_t opens = schedule->booking_opens_at, closes = schedule->booking_closes_at;
	if ((opens != NONE_TIME && context->now < opens) || (closes != NONE_TIME && context->now >= closes)) {
		decision_refuse(decision, CODE_BOOKING_CLOSED);
		if (opens != NONE_TIME)
			decision_fact_number(context, decision, FACT_NAME_BOOKINGOPENSAT, opens);
		if (closes != NONE_TIME)
			decision_fact_number(context, decision, FACT_NAME_BOOKINGCLOSESAT, closes);
		return false;
	}
	if (found->taken.count > 0) {
		decision_refuse(decision, CODE_SEAT_ALREADY_RESERVED);
		decision_fact_numbers(context, decision, FACT_NAME_SEATNOS, found->taken);
		return false;
	}
	return true;
}

static bool within_limits(struct decide_context *context, const struct reservation_create *command, int64_t price,
			  struct decision *decision)
{
	const struct policy *policy = context->policy;
	uint32_t count = command->seat_nos.count, limit = policy->seats_per_user_per_schedule;
	struct schedule_users_row has = {0};
	if (count > policy->seats_per_reservation) {
		decision_refuse(decision, CODE_SEAT_LIMIT);
		decision_fact_number(context, decision, FACT_NAME_SEATSPERRESERVATION, policy->seats_per_reservation);
		decision_fact_number(context, decision, FACT_NAME_REQUESTED, count);
		return false;
	}
	if (limit > 0) {
		if (!schedule_users_get(context->view, schedule_users_key(command->schedule_id, command->user_id),
					&has))
			has.seats = 0;
		if ((uint64_t)has.seats + count > limit) {
			decision_refuse(decision, CODE_SEAT_LIMIT);
			decision_fact_number(context, decision, FACT_NAME_SEATSPERUSERPERSCHEDULE, limit);
			decision_fact_number(context, decision, FACT_NAME_HELD, has.seats);
			decision_fact_number(context, decision, FACT_NAME_REQUESTED, count);
			return false;
		}
	}
	if (price > AMOUNT_MAX) {
		decision_refuse(decision, CODE_LEDGER_LIMIT);
		decision_fact_number(context, decision, FACT_NAME_PRICE, price);
		return false;
	}
	return true;
}

void decide_reservation_create(struct decide_context *context, const struct reservation_create *command,
			       struct decision *decision)
{
	struct schedules_row schedule;
	if (context->policy->queue_required && command->queue_token.size == 0) {
		decision_reject(decision, CODE_TOKEN_REQUIRED);
		return;
	}
	if (!seat_nos_ascending(command->seat_nos)) {
		decision_invalid(decision, "seatNos", "must have each number once, in ascending order");
		return;
	}
	if (!schedules_get(context->view, schedules_key(command->schedule_id), &schedule)) {
		decision_reject(decision, CODE_SCHEDULE_NOT_FOUND);
		return;
	}
	struct looked_up found = look_up(context, command);
	if (found.missing.count > 0) {
		decision_reject(decision, CODE_SEAT_NOT_FOUND);
		decision_fact_numbers(context, decision, FACT_NAME_SEATNOS, found.missing);
		return;
	}
	if (context->policy->queue_required && !queue_gate(context, command, &schedule, decision))
		return;
	if (!seats_for_sale(context, &schedule, &found, decision) ||
	    !within_limits(context, command, found.price, decision))
		return;
	struct reservation_created *event = &decision_add(decision, EVENT_RESERVATION_CREATED)->reservation_created;
	event->reservation_id = context->seq;
	event->user_id = command->user_id;
	event->schedule_id = command->schedule_id;
	event->concert_id = keep(context, schedule.concert_id);
	event->seat_nos = command->seat_nos;
	event->price = found.price;
	event->expires_at = context->now + (int64_t)context->policy->hold_seconds * 1000;
	event->queue_token = command->queue_token;
}

void decide_reservation_cancel(struct decide_context *context, const struct reservation_cancel *command,
			       struct decision *decision)
{
	struct reservations_row row;
	if (!reservations_get(context->view, reservations_key(command->reservation_id), &row)) {
		decision_reject(decision, CODE_RESERVATION_NOT_FOUND);
		return;
	}
	if (command->user_id.size > 0 && !slice_equal(command->user_id, row.user_id)) {
		decision_refuse(decision, CODE_NOT_YOUR_RESERVATION);
		return;
	}
	if (row.status != RESERVATION_STATUS_HELD && row.status != RESERVATION_STATUS_CONFIRMED) {
		decision_refuse(decision, CODE_RESERVATION_NOT_ACTIVE);
		decision_fact_text(context, decision, FACT_NAME_STATUS,
				   slice_text(enumeration_text(&reservation_status_enumeration, row.status)));
		return;
	}
	plan_user_cancellation(context, command->reservation_id, &row, command->user_id, decision);
}
