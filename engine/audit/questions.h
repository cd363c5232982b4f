/*
 * What is asked at a cut, and its answer: one JSON object, with "at" for where the cut stands. HTTP and the command line both answer from
 * here, so they answer alike.
 */
#ifndef LEDGERLINE_AUDIT_QUESTIONS_H
#define LEDGERLINE_AUDIT_QUESTIONS_H

#include "engine/audit/cut.h"
#include "schemas/tables.h"

enum audit_question {
	AUDIT_ACCOUNT,     /* subject: a user */
	AUDIT_SCHEDULE,    /* its seats. subject: a schedule */
	AUDIT_RESERVATION, /* subject: a reservation */
	AUDIT_POPULAR,
	AUDIT_SOLD_OUT,
	AUDIT_TOTALS,
	AUDIT_STORY_OF_ACCOUNT,
	AUDIT_STORY_OF_RESERVATION,
	AUDIT_STORY_OF_SEAT, /* subject: a schedule; seat_no */
};

struct audit_asked {
	enum audit_question question;
	struct slice subject;
	uint32_t seat_no;
	unsigned limit; /* of rankings, 1..100 */
	enum window window;
	enum origin origin;
};

/* The projections that a cut must have for it. */
unsigned audit_mask(enum audit_question question);

/* 0: the answer was appended. Else the code of what is not there at the cut. *error is set, and nothing appended, when the state cannot
 * be read: its code is LL_OK otherwise. */
int audit_answer(const struct audit_asked *asked, struct cut *cut, struct buffer *out, struct error *error);

/* {from,to,accounts:[{userId,before,after}],seats:[{scheduleId,seatNo,before,after}],reservations:[{reservationId,before,after}]}: what
 * differs, each as the matching read answered, or null. *differences: how many. Both cuts have AUDIT_DIFF_MASK. */
#define AUDIT_DIFF_MASK (1u << PROJECTION_BALANCES | 1u << PROJECTION_SEATS)
enum ll_code audit_diff(struct cut *from, struct cut *to, struct buffer *out, uint64_t *differences,
			struct error *error) LL_CHECKED;

#endif
