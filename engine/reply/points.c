/* Replies to commands about points, users and policies. */
#include "engine/decide/rules.h"
#include "engine/reply/reply.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/record_json.h"

/* Where the account stands after the whole entry: points that came back may have expired by it. */
struct standing {
	int64_t balance;
	int64_t available;
};

static struct standing standing_of(const struct entry *entry, int64_t balance, int64_t available)
{
	const struct event *last = &entry->events[entry->event_count - 1];
	if (last->type == EVENT_POINT_EXPIRED)
		return (struct standing){last->point_expired.balance_after, last->point_expired.available_after};
	return (struct standing){balance, available};
}

static void user_registered(const struct entry *entry, const struct user_registered *event, struct json_writer *writer)
{
	json_member_string(writer, "userId", event->user_id);
	json_member_time(writer, "registeredAt", entry->time);
}

static void policy_changed(const struct policy_changed *event, struct json_writer *writer)
{
	json_member_uint64(writer, "version", event->version);
	record_json_members(writer, &policy_record, &event->policy);
}

static void charged(const struct entry *entry, const struct point_charged *event, struct json_writer *writer)
{
	json_member_string(writer, "userId", event->user_id);
	json_member_int64(writer, "balance", event->balance_after);
	json_member_int64(writer, "chargedAmount", event->amount);
	json_member_ref(writer, "lotId", "lot", event->lot_id);
	json_member_time(writer, "lastUpdated", entry->time);
}

static void used(const struct entry *entry, const struct point_used *event, struct json_writer *writer)
{
	json_member_ref(writer, "useId", "use", event->use_id);
	json_member_string(writer, "userId", event->user_id);
	json_member_int64(writer, "balance", event->balance_after);
	json_member_int64(writer, "usedAmount", event->amount);
	json_key(writer, "lots");
	json_array_begin(writer);
	for (uint32_t i = 0; i < event->lots.count; i++) {
		json_object_begin(writer);
		json_member_ref(writer, "lotId", "lot", event->lots.at[i].lot_id);
		json_member_int64(writer, "amount", event->lots.at[i].amount);
		json_object_end(writer);
	}
	json_array_end(writer);
	json_member_time(writer, "lastUpdated", entry->time);
}

static void refunded(const struct entry *entry, const struct point_refunded *event, struct json_writer *writer)
{
	struct standing standing = standing_of(entry, event->balance_after, event->available_after);
	json_member_string(writer, "userId", event->user_id);
	json_member_int64(writer, "balance", standing.balance);
	json_member_int64(writer, "refundedAmount", event->amount);
	json_member_int64(writer, "remainingRefundable", event->remaining_refundable);
}

static void held(const struct point_held *event, struct json_writer *writer)
{
	json_member_ref(writer, "holdId", "hold", event->hold_id);
	json_member_string(writer, "userId", event->user_id);
	json_member_int64(writer, "amount", event->amount);
	json_member_text(writer, "status", enumeration_text(&hold_status_enumeration, HOLD_STATUS_HELD));
	json_member_int64(writer, "balance", event->balance_after);
	json_member_int64(writer, "available", event->available_after);
	json_member_time(writer, "expiresAt", event->expires_at);
}

static void captured(const struct entry *entry, const struct point_hold_captured *event, struct json_writer *writer)
{
	struct standing standing = standing_of(entry, event->balance_after, event->available_after);
	json_member_ref(writer, "holdId", "hold", event->hold_id);
	json_member_ref(writer, "useId", "use", entry->seq);
	json_member_string(writer, "userId", event->user_id);
	json_member_int64(writer, "capturedAmount", event->captured);
	json_member_int64(writer, "releasedAmount", event->released);
	json_member_text(writer, "status", enumeration_text(&hold_status_enumeration, HOLD_STATUS_CAPTURED));
	json_member_int64(writer, "balance", standing.balance);
	json_member_int64(writer, "available", standing.available);
}

static void released(const struct entry *entry, const struct point_hold_released *event, struct json_writer *writer)
{
	struct standing standing = standing_of(entry, event->balance_after, event->available_after);
	json_member_ref(writer, "holdId", "hold", event->hold_id);
	json_member_string(writer, "userId", event->user_id);
	json_member_int64(writer, "releasedAmount", event->amount);
	json_member_text(writer, "status", enumeration_text(&hold_status_enumeration, HOLD_STATUS_RELEASED));
	json_member_int64(writer, "balance", standing.balance);
	json_member_int64(writer, "available", standing.available);
}

static void adjusted(const struct point_adjusted *event, struct json_writer *writer)
{
	json_member_ref(writer, "adjustmentId", "adjustment", event->adjustment_id);
	json_member_string(writer, "userId", event->user_id);
	json_member_int64(writer, "amount", event->amount);
	json_member_int64(writer, "balance", event->balance_after);
	json_member_int64(writer, "available", event->available_after);
	json_member_int64(writer, "debt", event->debt_after);
	json_member_ref(writer, "lotId", "lot", event->lot_id);
}

bool reply_points(const struct entry *entry, struct json_writer *writer, int *status)
{
	const struct event *event = event_of_points(entry);
	if (!event)
		return false;
	*status = command_info(entry->head.command)->status;
	json_object_begin(writer);
	switch (event->type) {
	case EVENT_USER_REGISTERED: user_registered(entry, &event->user_registered, writer); break;
	case EVENT_POLICY_CHANGED: policy_changed(&event->policy_changed, writer); break;
	case EVENT_POINT_CHARGED: charged(entry, &event->point_charged, writer); break;
	case EVENT_POINT_USED: used(entry, &event->point_used, writer); break;
	case EVENT_POINT_REFUNDED: refunded(entry, &event->point_refunded, writer); break;
	case EVENT_POINT_HELD: held(&event->point_held, writer); break;
	case EVENT_POINT_HOLD_CAPTURED: captured(entry, &event->point_hold_captured, writer); break;
	case EVENT_POINT_HOLD_RELEASED: released(entry, &event->point_hold_released, writer); break;
	case EVENT_POINT_ADJUSTED: adjusted(&event->point_adjusted, writer); break;
	default: UNREACHABLE();
	}
	json_object_end(writer);
	return true;
}
