/*
 * Rows of every table, typed: TABLE_get(view, key, &row), TABLE_put(view, key, &row), TABLE_remove(view, key), with keys
 * from TABLE_key(...) of schemas/tables.h:
 *
 *	struct accounts_row account;
 *	if (accounts_get(view, accounts_key(user_id), &account)) ...
 *
 * get: false when there is none. What the row points to is good until the next change of the view or the reset of its arena.
 * put: encodes and copies; the row may point to what get gave.
 */
#ifndef LEDGERLINE_ROWS_H
#define LEDGERLINE_ROWS_H

#include "projections/views/view.h"

enum { ROW_BYTES_USUAL = 1024 };

/* A row larger than the usual: encoded into malloc'ed room, doubled until it fits. Out of line: it is rare. */
typedef void row_encode_fn(struct packer *p, const void *row);
void view_put_large(struct view *view, enum table_id table, struct slice key, row_encode_fn *encode, const void *row);

/* Says which row of which table cannot be decoded. */
void view_fail_row(struct view *view, enum table_id table, struct slice key, const struct cursor *cursor);

#define ROWS(TABLE, table)                                                                                             \
	LL_CHECKED static inline bool table##_read(struct view *view, struct slice key, struct slice value,            \
						   struct table##_row *row)                                            \
	{                                                                                                              \
		struct cursor cursor = cursor_over(value, view->arena);                                                \
		if (table##_row_decode(&cursor, row) && cursor.at == cursor.end)                                       \
			return true;                                                                                   \
		view_fail_row(view, TABLE, key, &cursor);                                                              \
		return false;                                                                                          \
	}                                                                                                              \
	LL_CHECKED static inline bool table##_get(struct view *view, struct key key, struct table##_row *row)          \
	{                                                                                                              \
		struct slice value;                                                                                    \
		return view_get(view, TABLE, key_slice(&key), &value) &&                                               \
		       table##_read(view, key_slice(&key), value, row);                                                \
	}                                                                                                              \
	static inline void table##_encode_any(struct packer *p, const void *row)                                       \
	{                                                                                                              \
		table##_row_encode(p, row);                                                                            \
	}                                                                                                              \
	static inline void table##_put(struct view *view, struct key key, const struct table##_row *row)               \
	{                                                                                                              \
		uint8_t room[ROW_BYTES_USUAL];                                                                         \
		struct packer p = packer_over(room, sizeof room);                                                      \
		table##_row_encode(&p, row);                                                                           \
		if (__builtin_expect(p.full, 0))                                                                       \
			view_put_large(view, TABLE, key_slice(&key), table##_encode_any, row);                         \
		else                                                                                                   \
			view_put(view, TABLE, key_slice(&key), slice_of(room, (size_t)(p.at - room)));                 \
	}                                                                                                              \
	static inline void table##_remove(struct view *view, struct key key)                                           \
	{                                                                                                              \
		view_put(view, TABLE, key_slice(&key), SLICE_EMPTY);                                                   \
	}

ROWS(BALANCES_ACCOUNTS, accounts)
ROWS(BALANCES_LOTS, lots)
ROWS(BALANCES_LOT_DUE, lot_due)
ROWS(BALANCES_USES, uses)
ROWS(BALANCES_POINT_HOLDS, point_holds)
ROWS(BALANCES_ACCOUNT_HOLDS, account_holds)
ROWS(BALANCES_POINT_HOLD_DUE, point_hold_due)
ROWS(BALANCES_POLICIES, policies)
ROWS(BALANCES_TOTALS, totals)
ROWS(SEATS_CONCERTS, concerts)
ROWS(SEATS_CONCERT_SCHEDULES, concert_schedules)
ROWS(SEATS_SCHEDULES, schedules)
ROWS(SEATS_SEATS, seats)
ROWS(SEATS_RESERVATIONS, reservations)
ROWS(SEATS_PAYMENTS, payments)
ROWS(SEATS_HOLD_DUE, hold_due)
ROWS(SEATS_SCHEDULE_USERS, schedule_users)
ROWS(SEATS_CANCELLING, cancelling)
ROWS(SEATS_SEAT_TOTALS, seat_totals)
ROWS(QUEUE_QUEUES, queues)
ROWS(QUEUE_TOKENS, tokens)
ROWS(QUEUE_QUEUE_USERS, queue_users)
ROWS(QUEUE_QUEUE_OPEN, queue_open)
ROWS(QUEUE_QUEUE_LINE, queue_line)
ROWS(QUEUE_QUEUE_DUE, queue_due)
ROWS(RECEIPTS_RECEIPTS, receipts)
ROWS(RANKINGS_CONCERT_TITLES, concert_titles)
ROWS(RANKINGS_RANKED, ranked)
ROWS(RANKINGS_POPULAR_COUNTS, popular_counts)
ROWS(RANKINGS_POPULAR, popular)
ROWS(RANKINGS_SOLD_OUT, sold_out)
ROWS(HISTORY_ACCOUNT_HISTORY, account_history)
ROWS(HISTORY_RESERVATION_HISTORY, reservation_history)
ROWS(HISTORY_SEAT_HISTORY, seat_history)

#endif
