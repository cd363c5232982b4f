/*
 * Closed periods: what the state was right after a period's last entry, written down in the journal itself, so that whoever reads the journal
 * later can tell that it still says the same.
 *
 *	entry 0:1842                  the last one of the period
 *	entry 0:1850  period.closed   {lastSeq 1842, totals, digests}
 */
#ifndef LEDGERLINE_AUDIT_PERIOD_H
#define LEDGERLINE_AUDIT_PERIOD_H

#include "engine/audit/cut.h"
#include "engine/audit/questions.h"
#include "schemas/events.h"

/* The event for the state at a cut. Not to be moved: the event points into it; so does `closed.name` to the caller's. */
struct period {
	struct period_closed closed;
	uint8_t totals_digest[32], state_digest[32];
};

/* The projections that the cut must have: those of the totals. Fills all but name and approver. The view's error. */
enum ll_code period_at(struct cut *cut, struct period *period, struct error *error) LL_CHECKED;

/* {name,approver,position (of the last entry),entries,...the totals,totalsDigest,digest} into the object that is open. What an event of version 1
 * does not say is null. */
void period_write(const struct period_closed *closed, struct json_writer *writer);

/* Says which members differ, and both values: "charged 5000 and now 6000, ...". Empty: none does. */
void period_compare(const struct period_closed *said, const struct period_closed *found, struct buffer *words);

/* ---- those of a journal ---- */

struct closing {
	uint64_t seq, offset;
	int64_t time;
	struct period period; /* its texts lie in the list */
};

/* An object: what period_write writes, then {closedBy,offset,time} of the entry that says so. */
void closing_write(const struct closing *closing, struct json_writer *writer);

struct closings {
	struct closing **at; /* in the journal's order */
	size_t count;
	struct arena arena;
};
void closings_release(struct closings *closings);

/* Of the whole journal, but for those that are annulled. walk_journal's errors. BLOCKING. */
enum ll_code closings_find(struct journal *journal, struct closings *closings,
			   void (*progress)(void *context, uint64_t offset, uint64_t end), void *context,
			   struct error *error) LL_CHECKED;

/* Opens the cut of a closing and compares. `words` stays empty when all is as it was closed. cut_open's errors; a cut that is not
 * there is told in words. BLOCKING. */
enum ll_code closing_check(const struct cut_source *source, const struct closing *closing, struct buffer *words,
			   struct error *error) LL_CHECKED;

#endif
