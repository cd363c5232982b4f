/* The commands of concerts, schedules, reservations and payments, made again from their events. */
#include "engine/decide/rules.h"

static const struct event *find(const struct entry *entry, enum event_type type)
{
	for (uint32_t i = 0; i < entry->event_count; i++)
		if (entry->events[i].type == type)
			return &entry->events[i];
	return NULL;
}

static void schedule_create_of(const struct concert_schedule_created *event, struct schedule_create *command)
{
	*command = (struct schedule_create){
		.schedule_id = event->schedule_id,
		.concert_id = event->concert_id,
		.concert_date = event->date_given,
		.booking_opens_at = event->booking_opens_at,
		.booking_closes_at = event->booking_closes_at,
		.queue_id = event->queue_id,
		.seats = event->seats,
	};
}

static void schedule_update_of(const struct concert_schedule_updated *event, struct schedule_update *command)
{
	*command = (struct schedule_update){
		.schedule_id = event->schedule_id,
		.concert_date = event->date_given,
		.booking_opens_at = event->opens_given,
		.booking_closes_at = event->closes_given,
	};
}

static void reservation_create_of(const struct reservation_created *event, struct reservation_create *command)
{
	*command = (struct reservation_create){
		.user_id = event->user_id,
		.schedule_id = event->schedule_id,
		.seat_nos = event->seat_nos,
		.queue_token = event->queue_token,
	};
}

static void payment_create_of(const struct payment_completed *event, struct payment_create *command)
{
	*command = (struct payment_create){
		.reservation_id = event->reservation_id,
		.user_id = event->user_id,
		.amount = event->amount_given,
	};
}

bool command_of_seats(const struct entry *entry, struct arena *arena, struct command *command)
{
	(void)arena;
	const struct event *event = NULL;
	command->type = entry->head.command;
	switch ((enum command_type)command->type) {
	case COMMAND_CONCERT_CREATE:
		if ((event = find(entry, EVENT_CONCERT_CREATED)))
			command->concert_create = (struct concert_create){event->concert_created.concert_id,
									  event->concert_created.title};
		break;
	case COMMAND_SCHEDULE_CREATE:
		if ((event = find(entry, EVENT_CONCERT_SCHEDULE_CREATED)))
			schedule_create_of(&event->concert_schedule_created, &command->schedule_create);
		break;
	case COMMAND_SCHEDULE_ADD_SEATS:
		if ((event = find(entry, EVENT_CONCERT_SCHEDULE_SEATS_ADDED)))
			command->schedule_add_seats =
				(struct schedule_add_seats){event->concert_schedule_seats_added.schedule_id,
							    event->concert_schedule_seats_added.seats};
		break;
	case COMMAND_SCHEDULE_UPDATE:
		if ((event = find(entry, EVENT_CONCERT_SCHEDULE_UPDATED)))
			schedule_update_of(&event->concert_schedule_updated, &command->schedule_update);
		break;
	case COMMAND_SCHEDULE_CANCEL:
		if ((event = find(entry, EVENT_CONCERT_SCHEDULE_CANCELLING)))
			command->schedule_cancel =
				(struct schedule_cancel){event->concert_schedule_cancelling.schedule_id,
							 event->concert_schedule_cancelling.reason};
		break;
	case COMMAND_RESERVATION_CREATE:
		if ((event = find(entry, EVENT_RESERVATION_CREATED)))
			reservation_create_of(&event->reservation_created, &command->reservation_create);
		break;
	case COMMAND_RESERVATION_CANCEL:
		if ((event = find(entry, EVENT_RESERVATION_CANCELLED)))
			command->reservation_cancel = (struct reservation_cancel){
				event->reservation_cancelled.reservation_id, event->reservation_cancelled.user_given};
		break;
	case COMMAND_PAYMENT_CREATE:
		if ((event = find(entry, EVENT_PAYMENT_COMPLETED)))
			payment_create_of(&event->payment_completed, &command->payment_create);
		break;
	case COMMAND_PAYMENT_CANCEL:
		if ((event = find(entry, EVENT_PAYMENT_CANCELLED)))
			command->payment_cancel.payment_id = event->payment_cancelled.payment_id;
		break;
	default: break;
	}
	return event != NULL;
}
