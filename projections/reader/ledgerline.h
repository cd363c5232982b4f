/*
 * libledgerline: read a ledger from any program, beside the engine that writes it.
 *
 * The engine keeps its projections in memory-mapped files under DIR/projections. This library opens them read-only and answers
 * from them, without asking the engine: it need not even run. What it shows is what the engine wrote last, milliseconds to
 * two seconds behind.
 *
 *	struct ll_reader *reader;
 *	struct ll_balance balance;
 *	char message[LL_MESSAGE_SIZE];
 *	if (ll_open("/var/lib/ledger", &reader, message) != LL_DONE)
 *		...                                    message says what, where, and what to do
 *	if (ll_pin(reader) == LL_DONE) {
 *		if (ll_read_balance(reader, "ann", &balance) == LL_DONE)
 *			...
 *		ll_unpin(reader);
 *	}
 *	ll_close(reader);
 *
 * Caveats first
 * - Pin, read, unpin. While a reader is pinned everything it reads is of one position, and the writer cannot reuse old pages:
 *   pin for as long as an answer takes, never across a wait. Reading without a pin is LL_MISUSED.
 * - A reader belongs to one thread at a time. Threads have one each; opening is cheap, files are shared within a process.
 * - After fork() a child must not use its parent's readers, not even close them: it opens its own.
 * - Whoever reads must be allowed to write DIR/projections/.../lock.mdb: that is where readers announce themselves.
 * - Pointers that a call hands out are good until the next call with the same reader.
 *
 * Texts are UTF-8 with a final zero. Amounts are whole won. Times are milliseconds since 1970 UTC, 0 for none. Structs are
 * filled by the library; later versions may add members at their ends only together with a new version of the library's name.
 */
#ifndef LEDGERLINE_H
#define LEDGERLINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LL_PUBLIC __attribute__((visibility("default")))
#else
#define LL_PUBLIC
#endif

enum {
	LL_MESSAGE_SIZE = 768, /* room for a message, its final zero included */
	LL_ID_SIZE = 65,       /* room for an id */
};

enum ll_result {
	LL_DONE = 0,
	LL_ABSENT = 1,    /* what was named is not there at this position */
	LL_MISUSED = 2,   /* not pinned, or an argument that makes no sense; nothing was done */
	LL_NO_LEDGER = 3, /* the directory holds no projections, or nothing was ever written to them */
	LL_REBUILD = 4,   /* they cannot be trusted or are of another version: `ledgerline rebuild --data DIR --all` */
	LL_NO_RIGHTS = 5, /* files may not be read, or lock.mdb not be written */
	LL_TRY_AGAIN = 6, /* all readers' slots are taken, or projections did not meet at one position in time */
	LL_DAMAGED = 7,   /* rows that cannot be read, or the system failed */
};

struct ll_reader;

/* Opens the projections of a data directory (what `ledgerline serve --data` was given). `message` has LL_MESSAGE_SIZE bytes, or
 * is NULL. LL_NO_LEDGER, LL_REBUILD, LL_NO_RIGHTS, LL_DAMAGED. On any but LL_DONE there is no reader. */
LL_PUBLIC enum ll_result ll_open(const char *data_directory, struct ll_reader **reader, char *message);
LL_PUBLIC void ll_close(struct ll_reader *reader); /* NULL allowed; unpins */

/* What the last call that was not LL_DONE failed with: one sentence. Never NULL; good until the next call. */
LL_PUBLIC const char *ll_message(const struct ll_reader *reader);

/* The library's version, "0.1.0". */
LL_PUBLIC const char *ll_version(void);

/* Stands still at the newest position that all projections have; called again, it moves on. Waits up to a second for them to
 * meet: LL_TRY_AGAIN. A rebuilt projection that was put in place meanwhile is followed. After an error nothing is pinned. */
LL_PUBLIC enum ll_result ll_pin(struct ll_reader *reader);
LL_PUBLIC void ll_unpin(struct ll_reader *reader); /* allowed when nothing is pinned */

/* ---- where it stands ---- */

struct ll_position {
	uint8_t ledger[16];   /* uuid */
	uint64_t entry_count; /* entries folded: the last one has the number entry_count - 1 */
	uint64_t next_offset; /* of the journal */
	uint64_t epoch;       /* counts the writers that there were */
	int64_t time_ms;      /* of the last entry */
};
LL_PUBLIC enum ll_result ll_read_position(struct ll_reader *reader, struct ll_position *position);

/* ---- points ---- */

struct ll_balance {
	int64_t balance; /* includes what is held, net of debt; below zero only through debt */
	int64_t held;    /* set aside by holds */
	int64_t debt;
	int64_t available; /* what can be spent */
	int64_t updated_at_ms;
};
LL_PUBLIC enum ll_result ll_read_balance(struct ll_reader *reader, const char *user_id, struct ll_balance *balance);

struct ll_lot {
	char lot_id[LL_ID_SIZE];
	const char *source;    /* "paid" or "bonus" */
	int64_t amount;        /* what it was opened with */
	int64_t remaining;     /* at least 1 */
	int64_t expires_at_ms; /* 0: never */
};
/* Visitors return 0 to go on; anything else ends the walk, which is LL_DONE too. What they are given is good during the visit, in
 * which they must not use the reader. */
typedef int ll_lot_visit(void *context, const struct ll_lot *lot);
/* Lots with something left, in the order in which they will be spent. */
LL_PUBLIC enum ll_result ll_read_lots(struct ll_reader *reader, const char *user_id, ll_lot_visit *visit,
				      void *context);

/* ---- seats and reservations ---- */

struct ll_seat {
	uint32_t seat_no;
	const char *section, *grade; /* "" when there is none */
	int64_t price;
	const char *status;              /* "AVAILABLE", "HELD" or "RESERVED" */
	char reservation_id[LL_ID_SIZE]; /* "" when available */
};
typedef int ll_seat_visit(void *context, const struct ll_seat *seat);
/* All seats of a schedule by number. LL_ABSENT: there is no such schedule. */
LL_PUBLIC enum ll_result ll_read_seats(struct ll_reader *reader, const char *schedule_id, ll_seat_visit *visit,
				       void *context);

struct ll_reservation {
	char user_id[LL_ID_SIZE], schedule_id[LL_ID_SIZE], concert_id[LL_ID_SIZE];
	const uint32_t *seat_nos;
	size_t seat_count;
	int64_t price;
	const char *status; /* "HELD", "CONFIRMED", "EXPIRED" or "CANCELLED" */
	int64_t created_at_ms, expires_at_ms, confirmed_at_ms, ended_at_ms;
	char payment_id[LL_ID_SIZE]; /* "" when not paid */
	int64_t refund_amount, fee;
};
LL_PUBLIC enum ll_result ll_read_reservation(struct ll_reader *reader, const char *reservation_id,
					     struct ll_reservation *reservation);

/* ---- rankings ---- */

enum ll_window { LL_WINDOW_ALL = 1, LL_WINDOW_DAY = 2, LL_WINDOW_WEEK = 3, LL_WINDOW_MONTH = 4 };
enum ll_origin { LL_ORIGIN_OPENING = 1, LL_ORIGIN_FIRST = 2 };

struct ll_ranked {
	unsigned rank; /* from 1 */
	char schedule_id[LL_ID_SIZE];
	const char *concert_title;
	int64_t concert_date_ms;
	uint32_t reservation_count;   /* popular: seats confirmed minus cancelled */
	int64_t sold_out_duration_ms; /* sold-out */
};
typedef int ll_ranked_visit(void *context, const struct ll_ranked *ranked);
/* The first `limit` schedules of the window that the position's time lies in (time zone of the ledger's policy). */
LL_PUBLIC enum ll_result ll_read_popular(struct ll_reader *reader, enum ll_window window, unsigned limit,
					 ll_ranked_visit *visit, void *context);
LL_PUBLIC enum ll_result ll_read_sold_out(struct ll_reader *reader, enum ll_origin origin, unsigned limit,
					  ll_ranked_visit *visit, void *context);

/* ---- receipts ---- */

/* Where the answer to a command stands in the journal: record `offset`, entry `index` within it. */
struct ll_receipt {
	uint64_t entry; /* its number */
	uint64_t offset;
	uint32_t index;
	int64_t time_ms;
};
/* LL_ABSENT: no command of this id was decided by this position. */
LL_PUBLIC enum ll_result ll_read_receipt(struct ll_reader *reader, const char *command_id, struct ll_receipt *receipt);

#ifdef __cplusplus
}
#endif

#endif
