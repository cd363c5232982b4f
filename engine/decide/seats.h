/*
 * What the rules of concerts, reservations and payments share. Plans add events to a decision and change nothing.
 *
 * Rows are good only until the next change of the view, events until the arena is reset: what an event takes from a row
 * is copied into the arena (keep).
 */
#ifndef LEDGERLINE_DECIDE_SEATS_H
#define LEDGERLINE_DECIDE_SEATS_H

#include "engine/decide/decide.h"
#include "projections/views/rows.h"

static inline struct slice keep(struct decide_context *context, struct slice bytes)
{
	return arena_copy(context->arena, bytes);
}

struct u32_list keep_u32s(struct decide_context *context, struct u32_list list);

/* Brings a command into its canonical form: its list of seats, or of seat numbers, sorted in place. false: a number
 * stands twice; *seat_no is one such. For whoever parses commands; other types are left alone. The rules take nothing
 * else. */
bool seats_canonical(struct command *command, uint32_t *seat_no);

/* The seats stand in ascending order, each once. */
bool seats_ascending(struct seat_list seats);
bool seat_nos_ascending(struct u32_list seat_nos);

/* A hold has come to its end. */
void plan_expiry(struct decide_context *context, uint64_t reservation_id, const struct reservations_row *row,
		 struct decision *decision);

/* The hold of a reservation is over by now. */
static inline bool hold_is_due(const struct decide_context *context, const struct reservations_row *row)
{
	return row->status == RESERVATION_STATUS_HELD && row->expires_at <= context->now;
}

/* Ends a live reservation: a hold is released; of a confirmed one `percent` of the price comes back. */
struct cancellation {
	uint64_t reservation_id;
	enum cancel_reason reason;
	struct slice user_given; /* as the request names the user; empty */
	uint32_t percent;
};
void plan_cancellation(struct decide_context *context, const struct cancellation *cancellation,
		       const struct reservations_row *row, struct decision *decision);

/* What a user's cancellation of a live reservation brings: false, and refused, when it is too late for one. */
bool plan_user_cancellation(struct decide_context *context, uint64_t reservation_id, const struct reservations_row *row,
			    struct slice user_given, struct decision *decision);

/* The next bounded step of a schedule's cancellation (cancel_steps.c). false: none is under way. */
bool plan_cancel_step(struct decide_context *context, struct decision *decision);

/* The waiting room's door (queue.c), asked only when the policy wants a token. false: the decision is made, no. */
bool queue_gate(struct decide_context *context, const struct reservation_create *command,
		const struct schedules_row *schedule, struct decision *decision);

#endif
