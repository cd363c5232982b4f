/* Between the files of the reader library. */
#ifndef LEDGERLINE_READER_INTERNAL_H
#define LEDGERLINE_READER_INTERNAL_H

#include "projections/reader/ledgerline.h"
#include "projections/views/rows.h"
#include "projections/views/snapshot_view.h"
#include "schemas/wire/zone.h"

struct ll_reader {
	struct snapshot_view *snapshots;
	unsigned parts;
	bool pinned;
	struct zone *zone; /* that was asked last; NULL: none yet */
	struct error error;
};

/* The public result of an error. */
enum ll_result reader_result(enum ll_code code);
enum ll_result reader_misused(struct ll_reader *reader, const char *what);
enum ll_result reader_absent(struct ll_reader *reader, const char *what, const char *id);

/* Begins a call that reads these parts: takes back what the last one handed out. NULL, with the result in *result: it is not
 * pinned, or does not have them. */
struct view *reader_begin(struct ll_reader *reader, unsigned parts, enum ll_result *result);

/* Whether it is of an id's form; else LL_MISUSED in *result. */
bool reader_takes_id(struct ll_reader *reader, const char *id, enum ll_result *result);
struct view *reader_begin_id(struct ll_reader *reader, unsigned parts, const char *id,
			     enum ll_result *result); /* both */

/* Ends a call: LL_DONE, or LL_DAMAGED when a row could not be read meanwhile. */
enum ll_result reader_end(struct ll_reader *reader);

/* Ends a call whose row was not found: damaged, or absent. */
enum ll_result reader_end_absent(struct ll_reader *reader, const char *what, const char *id);

/* A copy with a final zero: good until the next call or, in a walk, the next row. */
const char *reader_text(struct view *view, struct slice text);

void reader_copy_id(char to[LL_ID_SIZE], struct slice id);
void reader_copy_reference(char to[LL_ID_SIZE], const char *kind, uint64_t id); /* "" for NONE_U64 */

/* Walks over rows, a page at a time. */
struct reader_walk {
	struct ll_reader *reader;
	struct view *view;
	uint64_t left; /* rows that may still be visited */
	union {
		ll_account_visit *account;
		ll_concert_visit *concert;
		ll_schedule_visit *schedule;
		ll_reservation_visit *reservation;
		ll_payment_visit *payment;
		ll_posting_visit *posting;
	} visit;
	void *context;
};
struct reader_walk reader_walk_over(struct ll_reader *reader, struct view *view, uint64_t limit, void *context);

/* Before a row of a walk is decoded: what the row before took is free again. */
void reader_next_row(struct ll_reader *reader);

/* After a visit: whether the walk goes on. */
bool reader_walk_on(struct reader_walk *walk, int stop);

/* Notes that a key of this table cannot be read. false, for the visitor to return. */
bool reader_bad_key(struct view *view, enum table_id table);

/* Adds to a key what makes it the first one beyond that of the id, its last part; nothing for NULL or "". false: it is no id. */
bool reader_key_after(struct ll_reader *reader, struct key *key, const char *after, enum ll_result *result);

#endif
