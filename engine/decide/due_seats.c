/*
 * Holds that are over, and the steps of cancellations.
 *
 * A command waits for: reservation.create, the holds on the seats that it wants, and, where the policy limits seats per
 * user, its user's own holds in that schedule; payment.create and reservation.cancel, their reservation's hold. Whoever
 * gives points back waits for the account's lots, too.
 */
#include "engine/decide/rules.h"
#include "engine/decide/seats.h"

bool due_hold(struct decide_context *context, uint64_t reservation_id, struct decision *decision)
{
	struct reservations_row row;
	if (!reservations_get(context->view, reservations_key(reservation_id), &row) || !hold_is_due(context, &row))
		return false;
	plan_expiry(context, reservation_id, &row, decision);
	return true;
}

/* The first due hold of one user in one schedule. */
struct own_due {
	struct decide_context *context;
	const struct reservation_create *command;
	uint64_t reservation_id;
};

static bool look_for_own(void *context, struct slice key, struct slice value)
{
	(void)value;
	struct own_due *own = context;
	struct view *view = own->context->view;
	struct hold_due_key due;
	struct reservations_row row;
	if (!hold_due_key_read(key, &due) || due.expires_at > own->context->now ||
	    !reservations_get(view, reservations_key(due.reservation_id), &row))
		return false;
	if (!slice_equal(row.user_id, own->command->user_id) ||
	    !slice_equal(row.schedule_id, own->command->schedule_id))
		return true;
	own->reservation_id = due.reservation_id;
	return false;
}

static bool due_for_limit(struct decide_context *context, const struct reservation_create *command,
			  struct decision *decision)
{
	uint32_t limit = context->policy->seats_per_user_per_schedule;
	struct own_due own = {context, command, NONE_U64};
	struct schedule_users_row has;
	if (limit == 0 ||
	    !schedule_users_get(context->view, schedule_users_key(command->schedule_id, command->user_id), &has) ||
	    (uint64_t)has.seats + command->seat_nos.count <= limit)
		return false;
	view_scan(context->view, SEATS_HOLD_DUE, SLICE_EMPTY, SLICE_EMPTY, false, look_for_own, &own);
	return own.reservation_id != NONE_U64 && due_hold(context, own.reservation_id, decision);
}

static bool due_for_create(struct decide_context *context, const struct reservation_create *command,
			   struct decision *decision)
{
	for (uint32_t i = 0; i < command->seat_nos.count; i++) {
		struct seats_row seat;
		if (seats_get(context->view, seats_key(command->schedule_id, command->seat_nos.at[i]), &seat) &&
		    seat.status == SEAT_STATUS_HELD && due_hold(context, seat.reservation_id, decision))
			return true;
	}
	return due_for_limit(context, command, decision);
}

static bool due_for_cancel(struct decide_context *context, uint64_t reservation_id, struct decision *decision)
{
	struct reservations_row row;
	if (due_hold(context, reservation_id, decision))
		return true;
	return reservations_get(context->view, reservations_key(reservation_id), &row) &&
	       row.status == RESERVATION_STATUS_CONFIRMED && due_points_for_account(context, row.user_id, decision);
}

bool due_seats_for_command(struct decide_context *context, const struct command *command, struct decision *decision)
{
	struct payments_row payment;
	switch ((enum command_type)command->type) {
	case COMMAND_RESERVATION_CREATE: return due_for_create(context, &command->reservation_create, decision);
	case COMMAND_RESERVATION_CANCEL:
		return due_for_cancel(context, command->reservation_cancel.reservation_id, decision);
	case COMMAND_PAYMENT_CREATE: return due_hold(context, command->payment_create.reservation_id, decision);
	case COMMAND_PAYMENT_CANCEL:
		return payments_get(context->view, payments_key(command->payment_cancel.payment_id), &payment) &&
		       due_for_cancel(context, payment.reservation_id, decision);
	default: return false;
	}
}

static bool take_first_due(void *context, struct slice key, struct slice value)
{
	(void)value;
	struct hold_due_key *due = context;
	if (!hold_due_key_read(key, due))
		due->expires_at = NONE_TIME;
	return false;
}

/* expires_at is NONE_TIME when no hold is left. */
static struct hold_due_key first_due(struct view *view)
{
	struct hold_due_key due = {.expires_at = NONE_TIME};
	view_scan(view, SEATS_HOLD_DUE, SLICE_EMPTY, SLICE_EMPTY, false, take_first_due, &due);
	return due;
}

bool due_seats_next(struct decide_context *context, struct decision *decision)
{
	struct hold_due_key due = first_due(context->view);
	if (due.expires_at != NONE_TIME && due_hold(context, due.reservation_id, decision))
		return true;
	return plan_cancel_step(context, decision);
}

static bool note_any(void *context, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	*(bool *)context = true;
	return false;
}

int64_t due_seats_when(struct view *view, int64_t now)
{
	bool cancelling = false;
	struct hold_due_key due = first_due(view);
	view_scan(view, SEATS_CANCELLING, SLICE_EMPTY, SLICE_EMPTY, false, note_any, &cancelling);
	if (cancelling && (due.expires_at == NONE_TIME || due.expires_at > now))
		return now;
	return due.expires_at;
}
