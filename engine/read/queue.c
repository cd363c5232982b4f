/*
 * Waiting rooms as their users see them. A place in the line is counted: the tokens that wait before, in the order in which
 * they will be activated.
 */
#include "engine/decide/queue.h"
#include "engine/read/read.h"
#include "engine/reply/reply.h"

static bool count_row(void *context, struct slice key, struct slice value)
{
	(void)key, (void)value;
	++*(uint32_t *)context;
	return true;
}

/* From 1; 0 for a token that does not wait. */
static uint32_t place_of(struct view *view, uint64_t token_id, const struct tokens_row *row)
{
	uint32_t before = 0;
	if (row->status != TOKEN_STATUS_WAITING)
		return 0;
	struct key from = {.size = 0};
	key_add_id(&from, row->queue_id, false);
	struct key to = queue_waiting_key(row->queue_id, token_id);
	view_scan(view, QUEUE_QUEUE_WAITING, key_slice(&from), key_slice(&to), false, count_row, &before);
	return before + 1;
}

static void write_place(struct view *view, uint64_t token_id, const struct tokens_row *row, struct json_writer *writer)
{
	struct policy policy;
	uint32_t version, place = place_of(view, token_id, row), seconds = 0;
	struct queues_row queue = {0};
	if (place && read_policy(view, &policy, &version) && queues_get(view, queues_key(row->queue_id), &queue))
		seconds = queue_estimate(&policy, &queue, place);
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
