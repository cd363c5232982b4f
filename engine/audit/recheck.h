/*
 * Every entry of a journal held against the rules, in one pass while it is folded.
 *
 *	before an entry   its command is decided again on the state right before it (redecide.h)
 *	after it          the laws of the ledger are looked at where the entry touched the state; all of the state is counted again now and
 *	                  then, ever more rarely, and at the end
 *
 * The laws (DOMAIN.md calls them global invariants)
 *	charged - used + refunded - expired + adjusted = balances
 *	an account's lots are what its row says; balance = lots + held - debt; debt only where no lot is
 *	an event's balance is the account's
 *	available + held + reserved = total; a seat is held or sold by at most one reservation, which is live
 *	CONFIRMED: one payment that stands, and a use of its amount
 */
#ifndef LEDGERLINE_AUDIT_RECHECK_H
#define LEDGERLINE_AUDIT_RECHECK_H

#include "engine/audit/redecide.h"
#include "engine/audit/replay.h"
#include "schemas/wire/json.h"

enum { RECHECK_FINDINGS_MAX = 20 };

#define RECHECK_MASK (1u << PROJECTION_BALANCES | 1u << PROJECTION_SEATS | 1u << PROJECTION_QUEUE)

struct recheck {
	bool decide, invariants; /* what is asked for */
	struct view *(*view)(void *context);
	void *context;
	struct redecider *redecider;
	uint64_t entries;      /* seen */
	uint64_t decided;      /* of them, decided again */
	uint64_t findings;     /* entries that differ, and laws that do not hold */
	uint64_t next_recount; /* at that entry */
	struct buffer words, json;
	struct json_writer writer;
};

/* `view` gives the state that is folded, at any time. */
void recheck_init(struct recheck *recheck, struct view *(*view)(void *context), void *context);
void recheck_release(struct recheck *recheck);

/* Visitors of a replay (replay.h); `context` is the recheck. An entry that is not behind the last one begins all anew. */
void recheck_before(void *context, const struct entry *entry);
void recheck_after(void *context, const struct entry *entry);

/* Counts all of the state; for the end. */
void recheck_count(struct recheck *recheck);

/* The findings, as an array: [{position,offset,commandId,check,key,recorded,found}]. Nothing can be added afterwards. */
struct slice recheck_json(struct recheck *recheck);

/* One more: for those who hold the laws against the state (laws.c). Values are JSON. */
void recheck_finding(struct recheck *recheck, const struct entry *entry, const char *check, const char *key,
		     struct slice recorded, struct slice found);

/* The laws: of what the entry touched, and of everything. (laws.c) */
void laws_of_entry(struct recheck *recheck, struct view *view, const struct entry *entry);
void laws_of_state(struct recheck *recheck, struct view *view, const struct entry *entry);

#endif
