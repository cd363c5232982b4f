/* Commands about points, users and policies, made again from the events of their entries. */
#include "engine/decide/rules.h"

static bool of_adjusted(const struct point_adjusted *event, struct points_adjust *command)
{
	*command = (struct points_adjust){
		.user_id = event->user_id,
		.amount = event->amount,
		.reason = event->reason,
		.approver = event->approver,
		.source = event->source,
		.expires_at = event->expiry_given,
		.effective_at = event->effective_at,
	};
	return true;
}

/* 0: not one of these commands. */
static enum event_type telling(uint16_t command)
{
	switch (command) {
	case COMMAND_USER_REGISTER: return EVENT_USER_REGISTERED;
	case COMMAND_POLICY_SET: return EVENT_POLICY_CHANGED;
	case COMMAND_POINTS_CHARGE: return EVENT_POINT_CHARGED;
	case COMMAND_POINTS_USE: return EVENT_POINT_USED;
	case COMMAND_POINTS_REFUND: return EVENT_POINT_REFUNDED;
	case COMMAND_POINTS_HOLD: return EVENT_POINT_HELD;
	case COMMAND_POINTS_CAPTURE: return EVENT_POINT_HOLD_CAPTURED;
	case COMMAND_POINTS_RELEASE: return EVENT_POINT_HOLD_RELEASED;
	case COMMAND_POINTS_ADJUST: return EVENT_POINT_ADJUSTED;
	default: return 0;
	}
}

const struct event *event_of_points(const struct entry *entry)
{
	enum event_type type = telling(entry->head.command);
	for (uint32_t i = 0; type && i < entry->event_count; i++)
		if (entry->events[i].type == type)
			return &entry->events[i];
	return NULL;
}

bool command_of_points(const struct entry *entry, struct arena *arena, struct command *command)
{
	(void)arena;
	const struct event *event = event_of_points(entry);
	if (!event)
		return false;
	switch (event->type) {
	case EVENT_USER_REGISTERED: command->user_register.user_id = event->user_registered.user_id; return true;
	case EVENT_POLICY_CHANGED: command->policy_set.change = event->policy_changed.change; return true;
	case EVENT_POINT_CHARGED:
		command->points_charge =
			(struct points_charge){event->point_charged.user_id, event->point_charged.amount,
					       event->point_charged.source, event->point_charged.expiry_given};
		return true;
	case EVENT_POINT_USED:
		command->points_use = (struct points_use){event->point_used.user_id, event->point_used.amount,
							  event->point_used.reference};
		return true;
	case EVENT_POINT_REFUNDED:
		command->points_refund =
			(struct points_refund){event->point_refunded.use_id, event->point_refunded.amount_given};
		return true;
	case EVENT_POINT_HELD:
		command->points_hold = (struct points_hold){event->point_held.user_id, event->point_held.amount,
							    event->point_held.seconds_given};
		return true;
	case EVENT_POINT_HOLD_CAPTURED:
		command->points_capture = (struct points_capture){event->point_hold_captured.hold_id,
								  event->point_hold_captured.amount_given};
		return true;
	case EVENT_POINT_HOLD_RELEASED:
		command->points_release.hold_id = event->point_hold_released.hold_id;
		return true;
	default: return of_adjusted(&event->point_adjusted, &command->points_adjust);
	}
}
