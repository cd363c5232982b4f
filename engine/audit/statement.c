#include "engine/audit/statement.h"

#include <inttypes.h>

#include "engine/audit/event_csv.h"
#include "engine/reply/reply.h"
#include "schemas/wire/time.h"

/* What one event does to an account. Texts lie in the event and in the rooms. */
struct posting {
	struct slice user;
	int64_t amount, balance;
	uint64_t lot;
	struct slice reference, reason, approver;
	int64_t effective_at;
	char room[REFERENCE_TEXT_MAX];
};

static struct slice reference_in(struct posting *posting, const char *kind, uint64_t id)
{
	if (id == NONE_U64)
		return SLICE_EMPTY;
	return slice_of(posting->room, reference_text(posting->room, kind, id));
}

static void post(struct posting *posting, struct slice user, int64_t amount, int64_t balance)
{
	posting->user = user;
	posting->amount = amount;
	posting->balance = balance;
}

static void post_used(struct posting *posting, const struct point_used *event)
{
	post(posting, event->user_id, -event->amount, event->balance_after);
	posting->reference = reference_in(posting, "payment", event->payment_id);
	if (!posting->reference.size)
		posting->reference = event->reference;
	if (!posting->reference.size)
		posting->reference = reference_in(posting, "hold", event->hold_id);
}

static void post_refunded(struct posting *posting, const struct point_refunded *event)
{
	post(posting, event->user_id, event->amount, event->balance_after);
	posting->reference = reference_in(posting, "payment", event->payment_id);
	if (!posting->reference.size)
		posting->reference = reference_in(posting, "use", event->use_id);
}

static void post_adjusted(struct posting *posting, const struct point_adjusted *event)
{
	post(posting, event->user_id, event->amount, event->balance_after);
	posting->lot = event->lot_id;
	posting->reason = event->reason;
	posting->approver = event->approver;
	posting->effective_at = event->effective_at;
}

static void post_hold(struct posting *posting, struct slice user, uint64_t hold, int64_t balance)
{
	post(posting, user, 0, balance);
	posting->reference = reference_in(posting, "hold", hold);
}

/* false: it is no event of points. */
static bool posting_of(const struct event *event, struct posting *posting)
{
	*posting = (struct posting){.lot = NONE_U64, .effective_at = NONE_TIME};
	switch (event->type) {
	case EVENT_POINT_CHARGED:
		post(posting, event->point_charged.user_id, event->point_charged.amount,
		     event->point_charged.balance_after);
		posting->lot = event->point_charged.lot_id;
		return true;
	case EVENT_POINT_USED: post_used(posting, &event->point_used); return true;
	case EVENT_POINT_REFUNDED: post_refunded(posting, &event->point_refunded); return true;
	case EVENT_POINT_EXPIRED:
		post(posting, event->point_expired.user_id, -event->point_expired.amount,
		     event->point_expired.balance_after);
		return true;
	case EVENT_POINT_ADJUSTED: post_adjusted(posting, &event->point_adjusted); return true;
	case EVENT_POINT_HELD:
		post_hold(posting, event->point_held.user_id, event->point_held.hold_id,
			  event->point_held.balance_after);
		return true;
	case EVENT_POINT_HOLD_CAPTURED:
		post_hold(posting, event->point_hold_captured.user_id, event->point_hold_captured.hold_id,
			  event->point_hold_captured.balance_after);
		return true;
	case EVENT_POINT_HOLD_RELEASED:
		post_hold(posting, event->point_hold_released.user_id, event->point_hold_released.hold_id,
			  event->point_hold_released.balance_after);
		return true;
	default: return false;
	}
}

/* ---- rows ---- */

static void put_time(struct buffer *out, int64_t time)
{
	char text[TIME_TEXT_SIZE + 1];
	if (time != NONE_TIME) {
		time_format(time, text);
		buffer_append_text(out, text);
	}
	buffer_append_byte(out, ',');
}

static void put_text(struct buffer *out, struct slice text)
{
	if (text.size)
		csv_text(out, text);
	buffer_append_byte(out, ',');
}

static void put_row(const struct statement *statement, const struct entry *entry, uint32_t index, const char *type,
		    const struct posting *posting)
{
	struct buffer *out = statement->out;
	char room[REFERENCE_TEXT_MAX];
	put_time(out, entry->time);
	buffer_printf(out, "%" PRIu64 ",%" PRIu32 ",%s,%" PRId64 ",%" PRId64 ",", entry->seq, index, type,
		      posting->amount, posting->balance);
	put_text(out,
		 posting->lot == NONE_U64 ? SLICE_EMPTY : slice_of(room, reference_text(room, "lot", posting->lot)));
	put_text(out, posting->reference);
	put_time(out, posting->effective_at);
	put_text(out, slice_text(enumeration_text(&actor_type_enumeration, entry->head.actor_type)));
	put_text(out, entry->head.actor_id);
	put_text(out, posting->approver);
	if (posting->reason.size)
		csv_text(out, posting->reason);
	buffer_append_text(out, "\r\n");
}

static void open_rows(struct statement *statement)
{
	if (statement->is_opened)
		return;
	statement->is_opened = true;
	buffer_append_text(statement->out, "time,entry,index,type,amount,balance,lot,reference,effectiveAt,actorType,"
					   "actorId,approver,reason\r\n");
	if (statement->first)
		buffer_printf(statement->out, ",%" PRIu64 ",,opening,,%" PRId64 ",,,,,,,\r\n", statement->first - 1,
			      statement->balance);
	else
		buffer_append_text(statement->out, ",,,opening,,0,,,,,,,\r\n");
}

void statement_begin(struct statement *statement, struct slice user, uint64_t first, struct buffer *out)
{
	*statement = (struct statement){.user = user, .first = first, .out = out};
}

static enum ll_code take_posting(struct statement *statement, const struct entry *entry, uint32_t index,
				 const struct posting *posting, struct error *error)
{
	int64_t expected;
	statement->is_known = true;
	/* A capture is told twice: by the use, which takes the points away, and by the hold. Both have the balance after all of it. */
	if (__builtin_add_overflow(statement->balance, posting->amount, &expected) || expected != posting->balance)
		return error_set(error, LL_CORRUPT,
				 "entry 0:%" PRIu64 ", event %" PRIu32 ": the balance of %.*s was %" PRId64
				 " and %" PRId64 " was posted, but the balance after it is said to be %" PRId64,
				 entry->seq, index, SLICE_PRINT(posting->user), statement->balance, posting->amount,
				 posting->balance);
	if (entry->seq >= statement->first) {
		open_rows(statement);
		put_row(statement, entry, index, event_info(entry->events[index].type)->record->name, posting);
		statement->postings++;
	}
	statement->balance = posting->balance;
	return LL_OK;
}

enum ll_code statement_entry(struct statement *statement, const struct entry *entry, struct error *error)
{
	struct posting posting;
	enum ll_code code = LL_OK;
	for (uint32_t i = 0; i < entry->event_count && code == LL_OK; i++) {
		const struct event *event = &entry->events[i];
		if (event->type == EVENT_USER_REGISTERED &&
		    slice_equal(event->user_registered.user_id, statement->user))
			statement->is_known = true;
		else if (posting_of(event, &posting) && slice_equal(posting.user, statement->user))
			code = take_posting(statement, entry, i, &posting, error);
	}
	return code;
}

void statement_end(struct statement *statement, uint64_t end, int64_t time)
{
	open_rows(statement);
	put_time(statement->out, time);
	if (end)
		buffer_append_uint64(statement->out, end - 1);
	buffer_printf(statement->out, ",,closing,,%" PRId64 ",,,,,,,\r\n", statement->balance);
}
