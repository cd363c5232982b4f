/* Which rule decides which command. */
#include "engine/decide/decide.h"

#include "engine/decide/rules.h"
#include "schemas/wire/ensure.h"

#define DECIDE(TYPE, name)                                                                                             \
	case COMMAND_##TYPE: decide_##name(context, &command->name, decision); return;

void decide(struct decide_context *context, const struct command *command, struct decision *decision)
{
	/* Not the events: they are large, and cleared when they are added. */
	decision->outcome = DECIDED_ACCEPTED;
	decision->event_count = 0;
	decision->code = 0;
	decision->facts = (struct fact_list){0};
	decision->field = decision->reason = NULL;
	switch ((enum command_type)command->type) {
		DECIDE(POINTS_USE, points_use)
		DECIDE(POINTS_CHARGE, points_charge)
		DECIDE(POINTS_REFUND, points_refund)
		DECIDE(POINTS_HOLD, points_hold)
		DECIDE(POINTS_CAPTURE, points_capture)
		DECIDE(POINTS_RELEASE, points_release)
		DECIDE(POINTS_ADJUST, points_adjust)
		DECIDE(USER_REGISTER, user_register)
		DECIDE(POLICY_SET, policy_set)
		DECIDE(CONCERT_CREATE, concert_create)
		DECIDE(SCHEDULE_CREATE, schedule_create)
		DECIDE(SCHEDULE_ADD_SEATS, schedule_add_seats)
		DECIDE(SCHEDULE_UPDATE, schedule_update)
		DECIDE(SCHEDULE_CANCEL, schedule_cancel)
		DECIDE(RESERVATION_CREATE, reservation_create)
		DECIDE(RESERVATION_CANCEL, reservation_cancel)
		DECIDE(PAYMENT_CREATE, payment_create)
		DECIDE(PAYMENT_CANCEL, payment_cancel)
		DECIDE(QUEUE_ENTER, queue_enter)
		DECIDE(QUEUE_LEAVE, queue_leave)
	}
	UNREACHABLE();
}
