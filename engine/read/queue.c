/*
 * Waiting rooms as their users see them.
 */
#include "engine/decide/queue.h"
#include "engine/read/read.h"
#include "engine/reply/reply.h"
#include "projections/queue/line.h"

static void write_place(struct view *view, uint64_t token_id, const struct tokens_row *row, struct json_writer *writer)
{
	struct policy policy;
	bool waits = row->status == TOKEN_STATUS_WAITING;
	uint32_t version, place = waits ? line_before(view, row->queue_id, token_id) + 1 : 0, seconds = 0;
	struct queues_row queue = {0};
	if (place && read_policy(view, &policy, &version) && queues_get(view, queues_key(row->queue_id), &queue))
		seconds = queue_estimate(&policy, &queue, place, view->time);
	json_member_uint64(writer, "queuePosition", place);
	json_member_uint64(writer, "estimatedWaitTime", seconds);
	json_member_text(writer, "status", enumeration_text(&token_status_enumeration, row->status));
}

int read_queue_status(struct view *view, uint64_t token_id, struct json_writer *writer)
{
	struct tokens_row row;
	if (!tokens_get(view, tokens_key(token_id), &row))
		return CODE_TOKEN_INVALID;
	json_object_begin(writer);
	json_member_string(writer, "userId", row.user_id);
	write_place(view, token_id, &row, writer);
	json_member_time(writer, "activeUntil", row.status == TOKEN_STATUS_ACTIVE ? row.expires_at : NONE_TIME);
	json_object_end(writer);
	return 0;
}

int read_queue_enter(struct view *view, struct slice queue_id, struct slice user_id, struct json_writer *writer)
{
	struct queue_users_row live;
	struct tokens_row row;
	if (!queue_users_get(view, queue_users_key(queue_id, user_id), &live) ||
	    !tokens_get(view, tokens_key(live.token_id), &row))
		return CODE_TOKEN_INVALID;
	json_object_begin(writer);
	json_member_ref(writer, "token", "tok", live.token_id);
	json_member_string(writer, "userId", row.user_id);
	write_place(view, live.token_id, &row, writer);
	json_member_time(writer, "expiresAt", row.expires_at);
	json_object_end(writer);
	return 0;
}
