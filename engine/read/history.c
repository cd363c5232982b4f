/*
 * Histories: scans of postings, newest first for users, oldest first for auditors.
 *
 * A page of points/history holds whole entries: `next`, a position, is where the next page begins below. So a page may be
 * longer than asked for by the few postings that an entry can have.
 */
#include <inttypes.h>

#include "engine/read/read.h"
#include "engine/reply/reply.h"
#include "projections/views/rows.h"
#include "schemas/events.h"

struct story {
	struct view *view;
	struct json_writer *writer;
	unsigned written, limit; /* limit 0: all */
	uint64_t last_seq;       /* of the posting written last */
	bool points_only;        /* what moves points; not the registration */
	bool more;               /* the page ended before the story did */
	int64_t balance;         /* of an account: after the posting before */
};

static void write_position(struct json_writer *writer, const char *key, uint64_t seq)
{
	json_key(writer, key);
	json_textf(writer, "0:%" PRIu64, seq);
}

static void write_head(struct story *story, uint64_t seq, uint64_t offset, int64_t time, uint16_t event)
{
	story->written++;
	story->last_seq = seq;
	write_position(story->writer, "position", seq);
	json_member_uint64(story->writer, "offset", offset);
	json_member_time(story->writer, "time", time);
	const struct event_info *info = event_info(event);
	json_member_text(story->writer, "type", info ? info->record->name : NULL);
}

static void write_text(struct json_writer *writer, const char *key, struct slice text)
{
	json_key(writer, key);
	if (text.size)
		json_string(writer, text);
	else
		json_null(writer);
}

static void write_tail(struct story *story, uint8_t actor_type, struct slice actor_id, struct slice reason)
{
	struct json_writer *writer = story->writer;
	json_key(writer, "actor");
	json_object_begin(writer);
	json_member_text(writer, "type", enumeration_text(&actor_type_enumeration, actor_type));
	write_text(writer, "id", actor_id);
	json_object_end(writer);
	write_text(writer, "reason", reason);
}

static bool unreadable(struct story *story, const char *table)
{
	view_fail(story->view, LL_CORRUPT, "projection history, table %s: a key cannot be read; rebuild history",
		  table);
	return false;
}

/* Whether the page is full before this entry. */
static bool page_ends(struct story *story, uint64_t seq)
{
	story->more = story->limit && story->written >= story->limit && seq != story->last_seq;
	return story->more;
}

static bool write_account(void *context, struct slice key, struct slice value)
{
	struct story *story = context;
	struct account_history_key parts;
	struct account_history_row row;
	if (!account_history_key_read(key, &parts))
		return unreadable(story, "account_history");
	if (!account_history_read(story->view, key, value, &row))
		return false;
	if (story->points_only && row.event == EVENT_USER_REGISTERED)
		return true;
	if (page_ends(story, parts.seq))
		return false;
	if (row.balance_after == NONE_I64)
		row.balance_after = story->balance; /* it moved nothing; whole stories run forwards */
	story->balance = row.balance_after;
	json_object_begin(story->writer);
	write_head(story, parts.seq, row.offset, row.time, row.event);
	json_member_int64(story->writer, "amount", row.amount);
	json_member_int64(story->writer, "balanceAfter", row.balance_after);
	write_text(story->writer, "reference", row.reference);
	write_tail(story, row.actor_type, row.actor_id, row.reason);
	json_object_end(story->writer);
	return true;
}

static bool write_reservation(void *context, struct slice key, struct slice value)
{
	struct story *story = context;
	struct reservation_history_key parts;
	struct reservation_history_row row;
	if (!reservation_history_key_read(key, &parts))
		return unreadable(story, "reservation_history");
	if (!reservation_history_read(story->view, key, value, &row))
		return false;
	json_object_begin(story->writer);
	write_head(story, parts.seq, row.offset, row.time, row.event);
	write_text(story->writer, "userId", row.user_id);
	json_member_int64(story->writer, "amount", row.amount);
	json_member_ref(story->writer, "paymentId", "payment", row.payment_id);
	write_tail(story, row.actor_type, row.actor_id, row.reason);
	json_object_end(story->writer);
	return true;
}

static bool write_seat(void *context, struct slice key, struct slice value)
{
	struct story *story = context;
	struct seat_history_key parts;
	struct seat_history_row row;
	if (!seat_history_key_read(key, &parts))
		return unreadable(story, "seat_history");
	if (!seat_history_read(story->view, key, value, &row))
		return false;
	json_object_begin(story->writer);
	write_head(story, parts.seq, row.offset, row.time, row.event);
	json_member_text(story->writer, "status", enumeration_text(&seat_status_enumeration, row.status));
	write_text(story->writer, "userId", row.user_id);
	json_member_ref(story->writer, "reservationId", "reservation", row.reservation_id);
	write_tail(story, row.actor_type, row.actor_id, SLICE_EMPTY);
	json_object_end(story->writer);
	return true;
}

static bool stop_at_first(void *context, struct slice key, struct slice value)
{
	(void)key, (void)value;
	*(bool *)context = true;
	return false;
}

static bool any_row(struct view *view, enum table_id table, const struct key *prefix)
{
	bool any = false;
	view_scan_prefix(view, table, key_slice(prefix), false, stop_at_first, &any);
	return any;
}

static void begin_entries(struct json_writer *writer)
{
	json_object_begin(writer);
	json_key(writer, "entries");
	json_array_begin(writer);
}

static void end_entries(struct story *story)
{
	json_array_end(story->writer);
	if (story->more)
		write_position(story->writer, "next", story->last_seq);
	else
		json_member_null(story->writer, "next");
	json_object_end(story->writer);
}

static int write_story(struct view *view, enum table_id table, const struct key *prefix, store_visit_fn *visit,
		       struct json_writer *writer)
{
	struct story story = {.view = view, .writer = writer};
	begin_entries(writer);
	view_scan_prefix(view, table, key_slice(prefix), false, visit, &story);
	end_entries(&story);
	return 0;
}

int read_points_history(struct view *view, struct slice user_id, unsigned limit, uint64_t before,
			struct json_writer *writer)
{
	struct key from = {.size = 0};
	key_add_id(&from, user_id, false);
	if (!any_row(view, HISTORY_ACCOUNT_HISTORY, &from))
		return CODE_USER_NOT_FOUND;
	struct key to = from;
	if (before == NONE_U64)
		key_after_prefix(&to);
	else
		key_add_u64(&to, before);
	struct story story = {.view = view, .writer = writer, .limit = limit, .points_only = true};
	begin_entries(writer);
	view_scan(view, HISTORY_ACCOUNT_HISTORY, key_slice(&from), key_slice(&to), true, write_account, &story);
	end_entries(&story);
	return 0;
}

int read_account_story(struct view *view, struct slice user_id, struct json_writer *writer)
{
	struct key prefix = {.size = 0};
	key_add_id(&prefix, user_id, false);
	if (!any_row(view, HISTORY_ACCOUNT_HISTORY, &prefix))
		return CODE_USER_NOT_FOUND;
	return write_story(view, HISTORY_ACCOUNT_HISTORY, &prefix, write_account, writer);
}

int read_reservation_story(struct view *view, uint64_t reservation_id, struct json_writer *writer)
{
	struct key prefix = {.size = 0};
	key_add_u64(&prefix, reservation_id);
	if (!any_row(view, HISTORY_RESERVATION_HISTORY, &prefix))
		return CODE_RESERVATION_NOT_FOUND;
	return write_story(view, HISTORY_RESERVATION_HISTORY, &prefix, write_reservation, writer);
}

int read_seat_story(struct view *view, struct slice schedule_id, uint32_t seat_no, struct json_writer *writer)
{
	struct key prefix = {.size = 0};
	key_add_id(&prefix, schedule_id, false);
	if (!any_row(view, HISTORY_SEAT_HISTORY, &prefix))
		return CODE_SCHEDULE_NOT_FOUND;
	key_add_u32(&prefix, seat_no);
	if (!any_row(view, HISTORY_SEAT_HISTORY, &prefix))
		return CODE_SEAT_NOT_FOUND;
	return write_story(view, HISTORY_SEAT_HISTORY, &prefix, write_seat, writer);
}
