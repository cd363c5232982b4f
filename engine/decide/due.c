/* What is due, over all projections. */
#include "engine/decide/due.h"

#include "engine/decide/rules.h"

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

/* The earlier of two times, of which 0 is none. */
static int64_t earlier(int64_t a, int64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

bool due_next(struct decide_context *context, struct decision *decision)
{
	clear(decision);
	int64_t points = due_points_when(context->view, context->now);
	int64_t seats = due_seats_when(context->view, context->now);
	int64_t queue = due_queue_when(context->view, context->now);
	int64_t first = earlier(points, earlier(seats, queue));
	if (first == 0 || first > context->now)
		return false;
	if (first == seats)
		return due_seats_next(context, decision);
	return first == points ? due_points_next(context, decision) : due_queue_next(context, decision);
}

int64_t due_when(struct view *view, int64_t now)
{
	return earlier(due_points_when(view, now), earlier(due_seats_when(view, now), due_queue_when(view, now)));
}
