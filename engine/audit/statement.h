/*
 * An account's statement, as CSV: what it had at the earlier cut, everything that was posted to it, what it has at the later one.
 *
 *	time,entry,index,type,amount,balance,lot,reference,effectiveAt,actorType,actorId,approver,reason
 *	,,,opening,,0,,,,,,,
 *	2026-11-26T16:48:07.290Z,2,0,point.charged,5000,5000,lot-2,,,system,,,
 *	2026-11-26T16:48:07.290Z,4,0,point.used,-3000,2000,,payment-4,,system,,,
 *	2026-11-26T16:48:07.290Z,4,,closing,,2000,,,,,,,
 *
 * `amount` is signed by its effect on the balance (which includes what is held: holding moves nothing). `time` is when it was recorded,
 * `effectiveAt` the time that an adjustment is meant for, where it was given. The postings are held against one another: a balance that
 * is not the one before it and the amount is an error, never a statement. Texts as in event_csv.h.
 */
#ifndef LEDGERLINE_AUDIT_STATEMENT_H
#define LEDGERLINE_AUDIT_STATEMENT_H

#include "schemas/block.h"
#include "schemas/wire/buffer.h"

struct statement {
	struct slice user; /* borrowed */
	uint64_t first;    /* postings of entries before this one make the opening balance */
	bool is_known;     /* the user was named by an event */
	bool is_opened;    /* the first row stands */
	int64_t balance;
	uint64_t postings;
	struct buffer *out; /* borrowed */
};

void statement_begin(struct statement *statement, struct slice user, uint64_t first, struct buffer *out);

/* All entries from the first of the journal on. LL_CORRUPT: a balance does not follow from the one before it. */
enum ll_code statement_entry(struct statement *statement, const struct entry *entry, struct error *error) LL_CHECKED;

/* The last row. `end`: so many entries there are before the cut; `time`: of the last of them. */
void statement_end(struct statement *statement, uint64_t end, int64_t time);

#endif
