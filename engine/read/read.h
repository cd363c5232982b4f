/*
 * Reads: JSON answers from a view. The same code answers for today's state, a snapshot in another process, and a cut.
 *
 * Each writes one JSON object and returns 0, or returns the code (codes.h) of what is not there, having written nothing.
 * view->failure must be looked at afterwards.
 */
#ifndef LEDGERLINE_READ_H
#define LEDGERLINE_READ_H

#include "projections/views/view.h"
#include "schemas/codes.h"
#include "schemas/wire/json.h"
#include "schemas/wire/zone.h"

int read_balance(struct view *view, struct slice user_id, struct json_writer *writer);
/* The policy that holds in the view. What it points to is good until the view's arena is reset. */
bool read_policy(struct view *view, struct policy *policy, uint32_t *version);
/* Into an open object: "points" with its members, and the counts of entries: "entries", "accepted", "refused". */
int read_totals_points(struct view *view, struct json_writer *writer);

int read_concerts(struct view *view, struct json_writer *writer);
int read_schedule(struct view *view, struct slice schedule_id, struct json_writer *writer);
/* {scheduleId,status,remaining}: the answer to cancelling what is being cancelled already (DECIDED_READ). */
int read_cancellation(struct view *view, struct slice schedule_id, struct json_writer *writer);
int read_dates(struct view *view, struct slice concert_id, struct json_writer *writer);
int read_seats(struct view *view, struct slice schedule_id, struct json_writer *writer);
/* One of them, as it stands in read_seats. */
int read_seat(struct view *view, struct slice schedule_id, uint32_t seat_no, struct json_writer *writer);
int read_reservation(struct view *view, uint64_t reservation_id, struct json_writer *writer);
int read_payment(struct view *view, uint64_t payment_id, struct json_writer *writer);
int read_totals_seats(struct view *view, struct json_writer *writer); /* the members "seats" and "reservations" */
/* The schedule of a concert on a calendar day of the policy's zone, for the forms concertId + date: 0 and *schedule_id
 * (in the view's arena), CODE_SCHEDULE_NOT_FOUND, CODE_CONCERT_NOT_FOUND or CODE_SCHEDULE_AMBIGUOUS. */
int read_schedule_of_day(struct view *view, struct slice concert_id, int32_t day, const struct zone *zone,
			 struct slice *schedule_id);

/* Windows: WINDOW_ALL, or the one that view->time lies in. limit 1..100. */
int read_popular(struct view *view, enum window window, const struct zone *zone, unsigned limit,
		 struct json_writer *writer);
int read_sold_out(struct view *view, enum origin origin, unsigned limit, struct json_writer *writer);

/* Newest first, entries below `before` (NONE_U64: all), at most limit (1..1000). */
int read_points_history(struct view *view, struct slice user_id, unsigned limit, uint64_t before,
			struct json_writer *writer);
/* For audits: oldest first, whole. */
int read_account_story(struct view *view, struct slice user_id, struct json_writer *writer);
int read_reservation_story(struct view *view, uint64_t reservation_id, struct json_writer *writer);
int read_seat_story(struct view *view, struct slice schedule_id, uint32_t seat_no, struct json_writer *writer);

/* Waiting rooms. A token that nobody was given: CODE_TOKEN_INVALID. */
int read_queue_status(struct view *view, uint64_t token_id, struct json_writer *writer);
/* What entering again answers: the user's live token, as its bare id (engine/decide/token.h signs it). */
int read_queue_enter(struct view *view, struct slice queue_id, struct slice user_id, struct json_writer *writer);

#endif
