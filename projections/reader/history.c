/* Histories of accounts. */
#include "projections/reader/internal.h"
#include "schemas/events.h"

static bool visit_posting(void *context, struct slice key, struct slice value)
{
	struct reader_walk *walk = context;
	struct account_history_key parts;
	struct account_history_row row;
	reader_next_row(walk->reader);
	if (!account_history_key_read(key, &parts))
		return reader_bad_key(walk->view, HISTORY_ACCOUNT_HISTORY);
	if (!account_history_read(walk->view, key, value, &row))
		return false;
	const struct event_info *event = event_info(row.event);
	struct ll_posting posting = {
		.entry = parts.seq,
		.offset = row.offset,
		.index = parts.index,
		.time_ms = row.time,
		.event = event ? event->record->name : "",
		.amount = row.amount,
		.has_balance = row.balance_after != NONE_I64,
		.balance_after = row.balance_after == NONE_I64 ? 0 : row.balance_after,
		.reference = reader_text(walk->view, row.reference),
		.actor_type = enumeration_text(&actor_type_enumeration, row.actor_type),
		.actor_id = reader_text(walk->view, row.actor_id),
		.reason = reader_text(walk->view, row.reason),
	};
	return reader_walk_on(walk, walk->visit.posting(walk->context, &posting));
}

enum ll_result ll_walk_history(struct ll_reader *reader, const char *user_id, uint64_t before, uint64_t limit,
			       ll_posting_visit *visit, void *context)
{
	enum ll_result result;
	struct key from = {.size = 0};
	struct view *view = reader_begin_id(reader, LL_HISTORY, user_id, &result);
	if (!view)
		return result;
	key_add_id(&from, slice_text(user_id), false);
	struct key end = from;
	key_add_u64(&end, before);
	struct reader_walk walk = reader_walk_over(reader, view, limit, context);
	walk.visit.posting = visit;
	view_scan(view, HISTORY_ACCOUNT_HISTORY, key_slice(&from), key_slice(&end), true, visit_posting, &walk);
	return reader_end(reader);
}
