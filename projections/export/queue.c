/* Tokens of the waiting rooms. */
#include "projections/export/lines.h"
#include "projections/views/rows.h"

static bool write_token(void *context, struct slice key, struct slice value)
{
	struct lines *lines = context;
	struct tokens_key parts;
	struct tokens_row row;
	struct json_writer *writer = line_begin(lines, "token");
	if (!tokens_key_read(key, &parts))
		return line_unreadable(lines, QUEUE_TOKENS);
	if (!tokens_read(lines->view, key, value, &row))
		return false;
	member_reference(writer, "tokenId", "tok", parts.token_id);
	json_member_string(writer, "userId", row.user_id);
	json_member_string(writer, "queueId", row.queue_id);
	member_enum(writer, "status", &token_status_enumeration, row.status);
	member_time(writer, "issuedAt", row.issued_at);
	json_member_uint64(writer, "position", row.position);
	member_time(writer, "expiresAt", row.expires_at);
	member_time(writer, "activatedAt", row.activated_at);
	member_time(writer, "endedAt", row.ended_at);
	member_enum(writer, "reason", &token_end_enumeration, row.reason);
	return line_end(lines);
}

void export_queue(struct lines *lines)
{
	view_scan(lines->view, QUEUE_TOKENS, SLICE_EMPTY, SLICE_EMPTY, false, write_token, lines);
}
