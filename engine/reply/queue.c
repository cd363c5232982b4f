/*
 * Replies of the waiting room. The token stands there as its bare id: who has the engines' secret makes a credential of it
 * (engine/decide/token.h).
 */
#include "engine/reply/reply.h"

static bool reply_enter(const struct entry *entry, struct json_writer *writer, int *status)
{
	if (entry->event_count == 0 || entry->events[0].type != EVENT_QUEUE_TOKEN_ISSUED)
		return false;
	const struct queue_token_issued *issued = &entry->events[0].queue_token_issued;
	const struct queue_token_activated *activated = NULL;
	if (entry->event_count > 1 && entry->events[1].type == EVENT_QUEUE_TOKEN_ACTIVATED)
		activated = &entry->events[1].queue_token_activated;
	json_object_begin(writer);
	json_member_ref(writer, "token", "tok", issued->token_id);
	json_member_string(writer, "userId", issued->user_id);
	json_member_uint64(writer, "queuePosition", activated ? 0 : issued->position);
	json_member_uint64(writer, "estimatedWaitTime", activated ? 0 : issued->estimated_wait_seconds);
	json_member_text(writer, "status", activated ? "ACTIVE" : "WAITING");
	json_member_time(writer, "expiresAt", activated ? activated->expires_at : issued->expires_at);
	json_object_end(writer);
	*status = 201;
	return true;
}

bool reply_queue(const struct entry *entry, struct json_writer *writer, int *status)
{
	if (entry->head.outcome != OUTCOME_ACCEPTED)
		return false;
	if (entry->head.command == COMMAND_QUEUE_ENTER)
		return reply_enter(entry, writer, status);
	if (entry->head.command != COMMAND_QUEUE_LEAVE)
		return false;
	*status = 204;
	return true;
}
