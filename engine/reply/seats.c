/* Answers to the commands of concerts, schedules, reservations and payments. */
#include "engine/reply/reply.h"

#include "schemas/wire/record.h"

static void write_schedule_changed(struct json_writer *writer, const struct concert_schedule_updated *event)
{
	json_member_string(writer, "scheduleId", event->schedule_id);
	json_member_time(writer, "concertDate", event->concert_date);
	json_member_time(writer, "bookingOpensAt", event->booking_opens_at);
	json_member_time(writer, "bookingClosesAt", event->booking_closes_at);
}

static void write_reservation(struct json_writer *writer, const struct reservation_created *event, int64_t time)
{
	json_member_ref(writer, "reservationId", "reservation", event->reservation_id);
	json_member_string(writer, "userId", event->user_id);
	json_member_string(writer, "scheduleId", event->schedule_id);
	json_member_string(writer, "concertId", event->concert_id);
	json_key(writer, "seatNos");
	json_array_begin(writer);
	for (uint32_t i = 0; i < event->seat_nos.count; i++)
		json_uint64(writer, event->seat_nos.at[i]);
	json_array_end(writer);
	json_member_int64(writer, "price", event->price);
	json_member_text(writer, "status", "HELD");
	json_member_time(writer, "createdAt", time);
	json_member_time(writer, "expiresAt", event->expires_at);
}

static void write_payment(struct json_writer *writer, const struct payment_completed *event, int64_t time)
{
	json_member_ref(writer, "paymentId", "payment", event->payment_id);
	json_member_ref(writer, "reservationId", "reservation", event->reservation_id);
	json_member_string(writer, "userId", event->user_id);
	json_member_int64(writer, "amount", event->amount);
	json_member_text(writer, "status", "SUCCESS");
	json_member_time(writer, "paidAt", time);
	json_member_int64(writer, "remainingBalance", event->balance_after);
	json_member_ref(writer, "useId", "use", event->use_id);
}

static void write_reservation_cancelled(struct json_writer *writer, const struct reservation_cancelled *event)
{
	json_member_ref(writer, "reservationId", "reservation", event->reservation_id);
	json_member_text(writer, "status", "CANCELLED");
	json_member_int64(writer, "refundAmount", event->refund_amount);
	json_member_int64(writer, "fee", event->fee);
}

static void write_payment_cancelled(struct json_writer *writer, const struct payment_cancelled *event)
{
	json_member_ref(writer, "paymentId", "payment", event->payment_id);
	json_member_ref(writer, "reservationId", "reservation", event->reservation_id);
	json_member_text(writer, "status", "CANCELLED");
	json_member_int64(writer, "refundAmount", event->refund_amount);
	json_member_int64(writer, "fee", event->fee);
}

/* The event that answers the command: an entry may have others beside it. */
static uint16_t answering_event(uint16_t command)
{
	switch ((enum command_type)command) {
	case COMMAND_CONCERT_CREATE: return EVENT_CONCERT_CREATED;
	case COMMAND_SCHEDULE_CREATE: return EVENT_CONCERT_SCHEDULE_CREATED;
	case COMMAND_SCHEDULE_ADD_SEATS: return EVENT_CONCERT_SCHEDULE_SEATS_ADDED;
	case COMMAND_SCHEDULE_UPDATE: return EVENT_CONCERT_SCHEDULE_UPDATED;
	case COMMAND_SCHEDULE_CANCEL: return EVENT_CONCERT_SCHEDULE_CANCELLING;
	case COMMAND_RESERVATION_CREATE: return EVENT_RESERVATION_CREATED;
	case COMMAND_RESERVATION_CANCEL: return EVENT_RESERVATION_CANCELLED;
	case COMMAND_PAYMENT_CREATE: return EVENT_PAYMENT_COMPLETED;
	case COMMAND_PAYMENT_CANCEL: return EVENT_PAYMENT_CANCELLED;
	default: return 0;
	}
}

static void write_members(struct json_writer *writer, const struct event *event, int64_t time)
{
	switch ((enum event_type)event->type) {
	case EVENT_CONCERT_CREATED:
		json_member_string(writer, "concertId", event->concert_created.concert_id);
		json_member_string(writer, "title", event->concert_created.title);
		break;
	case EVENT_CONCERT_SCHEDULE_CREATED:
		json_member_string(writer, "scheduleId", event->concert_schedule_created.schedule_id);
		json_member_uint64(writer, "totalSeats", event->concert_schedule_created.seats.count);
		break;
	case EVENT_CONCERT_SCHEDULE_SEATS_ADDED:
		json_member_string(writer, "scheduleId", event->concert_schedule_seats_added.schedule_id);
		json_member_uint64(writer, "addedSeats", event->concert_schedule_seats_added.seats.count);
		json_member_uint64(writer, "totalSeats", event->concert_schedule_seats_added.total_seats);
		break;
	case EVENT_CONCERT_SCHEDULE_UPDATED: write_schedule_changed(writer, &event->concert_schedule_updated); break;
	case EVENT_CONCERT_SCHEDULE_CANCELLING:
		json_member_string(writer, "scheduleId", event->concert_schedule_cancelling.schedule_id);
		json_member_text(writer, "status", "CANCELLING");
		json_member_uint64(writer, "remaining", event->concert_schedule_cancelling.remaining);
		break;
	case EVENT_RESERVATION_CREATED: write_reservation(writer, &event->reservation_created, time); break;
	case EVENT_RESERVATION_CANCELLED: write_reservation_cancelled(writer, &event->reservation_cancelled); break;
	case EVENT_PAYMENT_COMPLETED: write_payment(writer, &event->payment_completed, time); break;
	case EVENT_PAYMENT_CANCELLED: write_payment_cancelled(writer, &event->payment_cancelled); break;
	default: break;
	}
}

bool reply_seats(const struct entry *entry, struct json_writer *writer, int *status)
{
	uint16_t type = answering_event(entry->head.command);
	if (type == 0 || entry->head.outcome != OUTCOME_ACCEPTED)
		return false;
	for (uint32_t i = 0; i < entry->event_count; i++) {
		if (entry->events[i].type != type)
			continue;
		json_object_begin(writer);
		write_members(writer, &entry->events[i], entry->time);
		json_object_end(writer);
		*status = command_info(entry->head.command)->status;
		return true;
	}
	return false;
}
