/*
 * What the programs beside the ledger agree on: how an event looks as a record of its own, and how a result is told.
 *
 * A record's key is the account's id ("user-0000042"); its value is msgpack, as the ledger writes it:
 *
 *	[entry number, time, command id, event]        event: [type, version, fields ...] as in the journal, byte for byte
 *
 * so that a peer reads the same facts as the ledger does, and each of the common ones by position: of both kinds of events
 * here (20 charged, 21 used) the third field is the account and the fourth the amount.
 *
 * A result is the balance of every account that an event named. Its digest is the SHA-256 of one line an account, `ID BALANCE`,
 * in the order of ids. Every peer computes it from what it has stored, in its own language; they must all be the same.
 */
#ifndef LEDGERLINE_BENCH_TALLY_H
#define LEDGERLINE_BENCH_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "schemas/wire/slice.h"

enum { TALLY_VALUE_BYTES_MAX = 1024 };

struct tally_account {
	int64_t balance;
	bool named; /* by any event */
};

struct tally {
	struct tally_account *accounts; /* by number; owned */
	uint64_t room;                  /* accounts that there are places for */
	uint64_t events;
	int64_t charged, used;
};

/* An event as far as a balance goes. */
struct tally_event {
	uint64_t account;
	int64_t change; /* above zero: charged; else used */
};

/* Writes the value of a record: returns its size. `event` is msgpack already. `value` has TALLY_VALUE_BYTES_MAX bytes. */
size_t tally_value(uint8_t *value, uint64_t seq, int64_t time, struct slice command_id, struct slice event);

/* Reads a record. false: it is not one that tally_value wrote. */
bool tally_read(struct slice key, struct slice value, struct tally_event *event);

/* The number in an account's id. false: it has none. */
bool tally_account_number(struct slice id, uint64_t *number);

/* The place of an account. Places are made as numbers come; `tally` is all zeros at first. Aborts when memory runs out. */
struct tally_account *tally_place(struct tally *tally, uint64_t number);

static inline void tally_add(struct tally *tally, const struct tally_event *event)
{
	struct tally_account *account =
		event->account < tally->room ? &tally->accounts[event->account] : tally_place(tally, event->account);
	account->balance += event->change;
	account->named = true;
	tally->events++;
	if (event->change > 0)
		tally->charged += event->change;
	else
		tally->used -= event->change;
}

/* What was spent since the process began, and the most memory that it had. */
struct tally_cost {
	double seconds; /* on the clock, since tally_cost_begin */
	double cpu_seconds;
	uint64_t resident_bytes_max;
};
void tally_cost_begin(struct tally_cost *cost);
void tally_cost_end(struct tally_cost *cost);

/* One line of JSON on standard output: events, charged, used, accounts, balances (their sum), digest; and the cost, unless it
 * is NULL. */
void tally_print(const struct tally *tally, const struct tally_cost *cost);

/* Frees what *tally holds. */
void tally_release(struct tally *tally);

#endif
