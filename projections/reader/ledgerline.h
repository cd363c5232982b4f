/*
 * libledgerline: read a ledger from any program, beside the engine that writes it.
 *
 * The engine keeps its projections in memory-mapped files under DIR/projections. This library opens them read-only and answers
 * from them, without asking the engine: it need not even run. What it shows is what the engine wrote last, milliseconds to
 * two seconds behind. Who must see what a command did waits for it: ll_wait.
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
 * - A process must not open the same files by other means (another LMDB library, py-lmdb) while it has a reader: closing either
 *   would take the other's place among the readers away, and it would read garbage without an error.
 * - After fork() a child must not use its parent's readers, not even close them: it opens its own.
 * - Whoever reads must be allowed to write DIR/projections/.../lock.mdb: that is where readers announce themselves. The engine
 *   lets the group of the files do so. A read-only mount is refused.
 * - Reader and engine share one kernel and one space of process ids: in containers, one pid namespace.
 * - Pointers that a call hands out are good until the next call with the same reader.
 * - Pages that a failing disk or a foreign hand has damaged can end the process, not only the call: LMDB keeps no checksums.
 *
 * Reading one thing (ll_read_...) takes a microsecond or a few and no memory; only rankings by day, week and month read the
 * zone's rules once, and one row larger than 8 KiB (a reservation of more than 2,000 seats) takes memory for itself.
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
	LL_MISUSED = 2,   /* not pinned, a part not opened, or an argument that makes no sense; nothing was done */
	LL_NO_LEDGER = 3, /* the directory holds no projections, or nothing was ever written to them */
	LL_REBUILD = 4,   /* they cannot be trusted or are of another version: `ledgerline rebuild --data DIR --all` */
	LL_NO_RIGHTS = 5, /* files may not be read, or lock.mdb not be written */
	LL_TRY_AGAIN = 6, /* all slots are taken; or projections did not meet, or come to where one waits, in time */
	LL_DAMAGED = 7,   /* rows that cannot be read, or the system failed */
};

struct ll_reader;

/* What a reader opens. Fewer parts are pinned faster, and one that has stopped or is being built stops only those who read it. */
enum ll_part {
	LL_BALANCES = 1, /* accounts, lots, totals of points; with rankings: windows of a day, week or month */
	LL_SEATS = 2,    /* concerts, schedules, seats, reservations, payments */
	LL_QUEUE = 4,    /* waiting rooms */
	LL_RECEIPTS = 8,
	LL_RANKINGS = 16,
	LL_HISTORY = 32,
	LL_ALL = 63,
};

/* Opens the projections of a data directory (what `ledgerline serve --data` was given), or of a snapshot (a directory that
 * `ledgerline snapshot` made, wherever it was copied to; it must be writable all the same). `message` has LL_MESSAGE_SIZE bytes, or
 * is NULL. LL_NO_LEDGER, LL_REBUILD, LL_NO_RIGHTS, LL_TRY_AGAIN, LL_DAMAGED; LL_MISUSED: no directory, or no such part. On
 * any but LL_DONE there is no reader. ll_open opens all parts. */
LL_PUBLIC enum ll_result ll_open(const char *data_directory, struct ll_reader **reader, char *message);
LL_PUBLIC enum ll_result ll_open_parts(const char *data_directory, unsigned parts, struct ll_reader **reader,
				       char *message);
LL_PUBLIC void ll_close(struct ll_reader *reader); /* NULL allowed; unpins */

/* What the last call that was not LL_DONE failed with: one sentence. Never NULL; good until the next call. */
LL_PUBLIC const char *ll_message(const struct ll_reader *reader);

/* The library's version, "0.1.0". */
LL_PUBLIC const char *ll_version(void);

/* Stands still at the newest position that all parts have; called again, it moves on. Waits up to a second for them to meet:
 * LL_TRY_AGAIN, also when a file outgrew its map while another reader of this process stays pinned. A rebuilt projection
 * that was put in place meanwhile is followed (so is one that was put back: a position may then be an earlier one). After an
 * error nothing is pinned; any of ll_open's errors may come back, as a new generation is opened like the first, and the next
 * ll_pin looks anew. */
LL_PUBLIC enum ll_result ll_pin(struct ll_reader *reader);

/* Pins a position that has at least `entry_count` entries, or one whose next offset is above `offset`: waits for it up to
 * timeout_ms (0: looks once), pinning nothing meanwhile. The answer to a command says `Ledger-Position: 0:1841`: its entry is
 * number 1841, so what it did is there from entry_count 1842 on. LL_TRY_AGAIN: not in time (the message says how far it is); a
 * ledger to which nothing was written yet is waited for too. Else as ll_pin. Looks every few milliseconds. */
LL_PUBLIC enum ll_result ll_wait(struct ll_reader *reader, uint64_t entry_count, unsigned timeout_ms);
LL_PUBLIC enum ll_result ll_wait_offset(struct ll_reader *reader, uint64_t offset, unsigned timeout_ms);

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
 * which they must not use the reader. When a walk ends with LL_DAMAGED, what was visited before is right but not all. */
typedef int ll_lot_visit(void *context, const struct ll_lot *lot);
/* Lots with something left, in the order in which they will be spent. */
LL_PUBLIC enum ll_result ll_read_lots(struct ll_reader *reader, const char *user_id, ll_lot_visit *visit,
				      void *context);

struct ll_account {
	char user_id[LL_ID_SIZE];
	int64_t registered_at_ms; /* 0: points came before the registration */
	struct ll_balance balance;
};
typedef int ll_account_visit(void *context, const struct ll_account *account);
/* Accounts by id (as bytes), those beyond `after` (NULL or "": from the first one; it need not be there), `limit` at most (0:
 * all). A million take about a second: who may not be pinned so long takes pages, each from the last id of the one before,
 * and pins anew between them; each page is then of its own position. So it is with every walk that has an `after`. */
LL_PUBLIC enum ll_result ll_walk_accounts(struct ll_reader *reader, const char *after, uint64_t limit,
					  ll_account_visit *visit, void *context);

struct ll_totals {
	uint64_t account_count, user_count; /* users: those that are registered */
	int64_t charged, used, refunded, expired;
	int64_t adjusted; /* signed */
	int64_t held, debt;
	int64_t balances; /* the sum of all accounts = charged - used + refunded - expired + adjusted */
	uint64_t accepted, refused, system; /* entries of each kind */
};
LL_PUBLIC enum ll_result ll_read_totals(struct ll_reader *reader, struct ll_totals *totals);

/* ---- concerts, seats, reservations, payments ---- */

struct ll_concert {
	char concert_id[LL_ID_SIZE];
	const char *title;
	uint32_t schedule_count;
	int64_t created_at_ms;
};
typedef int ll_concert_visit(void *context, const struct ll_concert *concert);
LL_PUBLIC enum ll_result ll_read_concert(struct ll_reader *reader, const char *concert_id, struct ll_concert *concert);
LL_PUBLIC enum ll_result ll_walk_concerts(struct ll_reader *reader, const char *after, uint64_t limit,
					  ll_concert_visit *visit, void *context);

struct ll_schedule {
	char schedule_id[LL_ID_SIZE], concert_id[LL_ID_SIZE];
	char queue_id[LL_ID_SIZE]; /* "" when no waiting room guards it */
	int64_t concert_date_ms, booking_opens_at_ms, booking_closes_at_ms, created_at_ms;
	const char *status; /* "OPEN", "CANCELLING" or "CANCELLED" */
	uint32_t seat_count, held_count, reserved_count;
};
typedef int ll_schedule_visit(void *context, const struct ll_schedule *schedule);
LL_PUBLIC enum ll_result ll_read_schedule(struct ll_reader *reader, const char *schedule_id,
					  struct ll_schedule *schedule);
/* Those of one concert (LL_ABSENT: there is no such concert), or of all (NULL), by id. */
LL_PUBLIC enum ll_result ll_walk_schedules(struct ll_reader *reader, const char *concert_id, const char *after,
					   uint64_t limit, ll_schedule_visit *visit, void *context);

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
typedef int ll_reservation_visit(void *context, const char *reservation_id, const struct ll_reservation *reservation);
/* In the order in which they were made. LL_MISUSED: `after` is no reservation's id. */
LL_PUBLIC enum ll_result ll_walk_reservations(struct ll_reader *reader, const char *after, uint64_t limit,
					      ll_reservation_visit *visit, void *context);

struct ll_payment {
	char payment_id[LL_ID_SIZE], reservation_id[LL_ID_SIZE], user_id[LL_ID_SIZE];
	char use_id[LL_ID_SIZE]; /* the use of points; "" at price 0 */
	int64_t amount;
	const char *status; /* "SUCCESS" or "CANCELLED" */
	int64_t paid_at_ms, cancelled_at_ms;
	int64_t balance_after; /* when it was paid */
	int64_t refund_amount, fee;
};
typedef int ll_payment_visit(void *context, const struct ll_payment *payment);
LL_PUBLIC enum ll_result ll_read_payment(struct ll_reader *reader, const char *payment_id, struct ll_payment *payment);
LL_PUBLIC enum ll_result ll_walk_payments(struct ll_reader *reader, const char *after, uint64_t limit,
					  ll_payment_visit *visit, void *context);

struct ll_seat_totals { /* of all schedules that are not cancelled; reservations: of all */
	uint64_t seats, held, reserved;
	uint64_t reservations_held, reservations_confirmed, reservations_expired, reservations_cancelled;
};
LL_PUBLIC enum ll_result ll_read_seat_totals(struct ll_reader *reader, struct ll_seat_totals *totals);

/* ---- waiting rooms ---- */

struct ll_queue {
	uint32_t waiting, active;
	uint64_t activated; /* ever */
};
LL_PUBLIC enum ll_result ll_read_queue(struct ll_reader *reader, const char *queue_id, struct ll_queue *queue);

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
/* The first `limit` schedules of the window that the position's time lies in (time zone of the ledger's policy); or that
 * time_ms lies in. A day, week or month needs LL_BALANCES too, for the policy. */
LL_PUBLIC enum ll_result ll_read_popular(struct ll_reader *reader, enum ll_window window, unsigned limit,
					 ll_ranked_visit *visit, void *context);
LL_PUBLIC enum ll_result ll_read_popular_at(struct ll_reader *reader, enum ll_window window, int64_t time_ms,
					    unsigned limit, ll_ranked_visit *visit, void *context);
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

/* ---- histories ---- */

struct ll_posting {
	uint64_t entry; /* its number */
	uint64_t offset;
	unsigned index; /* of the event within the entry */
	int64_t time_ms;
	const char *event; /* "point.charged", ... */
	int64_t amount;    /* signed by its effect on the balance */
	int has_balance;   /* 0: the posting moves no points, and balance_after means nothing */
	int64_t balance_after;
	const char *reference;             /* what it belongs to: a client's reference, or an id; "" for none */
	const char *actor_type, *actor_id; /* who asked; the id "" for none */
	const char *reason;                /* of a correction; else "" */
};
typedef int ll_posting_visit(void *context, const struct ll_posting *posting);
/* What happened to an account, newest first: postings of entries below `before` (UINT64_MAX: from the newest on), `limit` at most
 * (0: all). An entry can have several postings, so pages end well where the entry changes. Nothing is visited when there is no
 * such account. */
LL_PUBLIC enum ll_result ll_walk_history(struct ll_reader *reader, const char *user_id, uint64_t before, uint64_t limit,
					 ll_posting_visit *visit, void *context);

#ifdef __cplusplus
}
#endif

#endif
