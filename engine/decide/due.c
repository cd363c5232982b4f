/* What is due, over all projections. */
#include "engine/decide/due.h"

#include "engine/decide/rules.h"
#include "engine/decide/seats.h"

static void clear(struct decision *decision)
{
	decision->outcome = DECIDED_ACCEPTED;
	decision->event_count = 0;
	decision->code = 0;
	decision->facts = (struct fact_list){0};
	decision->field = decision->reason = NULL;
}

bool due_for_command(struct decide_context *context, const struct command *command, struct decision *decision)
{
	clear(decision);
	return due_points_for_command(context, command, decision) ||
	       due_seats_for_command(context, command, decision) || due_queue_for_command(context, command, decision);
}

/* Each kind has its turn: a million lots of one midnight keep neither holds nor waiting rooms waiting. Which one begins comes
 * from the entry's number, so that the decision needs no memory. */
bool due_next(struct decide_context *context, struct decision *decision)
{
	static bool (*const kinds[])(struct decide_context *, struct decision *) = {due_points_next, due_seats_next,
										    due_queue_next};
	enum { KINDS = sizeof kinds / sizeof *kinds };
	clear(decision);
	for (unsigned i = 0; i < KINDS; i++)
		if (kinds[(context->seq + i) % KINDS](context, decision))
			return true;
	return false;
}

bool due_again(struct decide_context *context, const struct entry *entry, struct decision *decision, bool *told)
{
	const struct event *first = &entry->events[0];
	clear(decision);
	*told = false;
	switch (entry->event_count ? first->type : EVENT_TICK) {
	case EVENT_POINT_EXPIRED: return due_points_for_account(context, first->point_expired.user_id, decision);
	case EVENT_POINT_HOLD_RELEASED:
		return due_points_for_account(context, first->point_hold_released.user_id, decision);
	case EVENT_RESERVATION_EXPIRED: return due_hold(context, first->reservation_expired.reservation_id, decision);
	case EVENT_RESERVATION_CANCELLED:
	case EVENT_CONCERT_SCHEDULE_CANCELLED: return plan_cancel_step(context, decision);
	case EVENT_QUEUE_TOKEN_ACTIVATED:
	case EVENT_QUEUE_TOKEN_EXPIRED: return due_queue_again(context, entry, decision);
	case EVENT_TICK:
	case EVENT_ANNULLED:
	case EVENT_PERIOD_CLOSED: *told = true; return false;
	default: return false;
	}
}

/* The earlier of two times, of which 0 is none. */
static int64_t earlier(int64_t a, int64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

int64_t due_when(struct view *view, int64_t now)
{
	return earlier(due_points_when(view, now), earlier(due_seats_when(view, now), due_queue_when(view, now)));
}
