/*
 * Who set a value: watches over things of the state, shown every entry from the first one on.
 *
 * A watch names one value ("the balance of kim", "seat 2 of jazz-1", "lot-7"). It is shown events in order, and keeps the last
 * entry that set it: for values that events carry, the last one that made them other than they were. Nothing is folded for this: an
 * event names what it changes.
 */
#ifndef LEDGERLINE_AUDIT_WATCH_H
#define LEDGERLINE_AUDIT_WATCH_H

#include "schemas/block.h"

enum watch_kind {
	WATCH_NOTHING, /* a value that no entry sets: of the command, or of the genesis */
	WATCH_ENTRY,   /* known: entry `number` */
	WATCH_COMMAND, /* text: the entry of that command */
	/* text: a user */
	WATCH_USER,
	WATCH_BALANCE,
	WATCH_AVAILABLE,
	WATCH_HELD,
	WATCH_DEBT,
	/* number: of the thing */
	WATCH_LOT,
	WATCH_USE,
	WATCH_HOLD,
	WATCH_RESERVATION,
	WATCH_PAYMENT,
	WATCH_TOKEN,
	/* text: a concert, or a schedule */
	WATCH_CONCERT,
	WATCH_SCHEDULE_STATUS,
	WATCH_SCHEDULE_MADE, /* what never changes */
	WATCH_CONCERT_DATE,
	WATCH_BOOKING_OPENS,
	WATCH_BOOKING_CLOSES,
	WATCH_TOTAL_SEATS,
	WATCH_CONFIRMATIONS,
	WATCH_LIVE_RESERVATIONS,
	WATCH_SEAT,          /* number: the seat's */
	WATCH_SEATS_OF_USER, /* other: the user */
	/* text: a waiting room */
	WATCH_QUEUE,
	WATCH_LIVE_TOKEN, /* other: the user */
	/* sums */
	WATCH_CHARGED,
	WATCH_USED,
	WATCH_ADJUSTED,
};

struct watch {
	enum watch_kind kind;
	struct slice text, other; /* borrowed */
	uint64_t number;
	/* What was seen. */
	bool is_set;
	int64_t value; /* of those that events carry */
	uint64_t seq, offset;
};

bool watch_is_same(const struct watch *a, const struct watch *b);

/* Shows it the next entry. */
void watch_entry(struct watch *watch, const struct entry *entry);

#endif
