/*
 * The rules of waiting rooms: first come, first served, at most queueActiveMax active in each room.
 *
 * Who comes when nobody waits and a place is free is active at once; everybody else is activated in the order of coming, by
 * the entries that due_queue_next makes. Asking again while a token lives is a read.
 */
#include "engine/decide/queue.h"

#include "engine/decide/points.h"
#include "engine/decide/rules.h"
#include "engine/decide/seats.h"
#include "projections/queue/line.h"
#include "projections/queue/rate.h"

uint32_t queue_estimate(const struct policy *policy, const struct queues_row *queue, uint32_t place, int64_t now)
{
	uint64_t free = policy->queue_active_max > queue->active ? policy->queue_active_max - queue->active : 0;
	if (place <= free)
		return 0;
	ENSURE(policy->queue_active_max > 0);
	uint64_t before = place - free;
	uint64_t most =
		(before * policy->queue_active_seconds + policy->queue_active_max - 1) / policy->queue_active_max;
	uint64_t measured = rate_seconds(*queue, before, now);
	uint64_t seconds = measured < most ? measured : most;
	return seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX - 1;
}

static struct queues_row get_queue(struct view *view, struct slice queue_id)
{
	struct queues_row row;
	if (!queues_get(view, queues_key(queue_id), &row))
		row = (struct queues_row){0};
	return row;
}

static void plan_activation(struct decide_context *context, uint64_t token_id, struct slice user_id,
			    struct slice queue_id, struct decision *decision)
{
	struct queue_token_activated *event =
		&decision_add(decision, EVENT_QUEUE_TOKEN_ACTIVATED)->queue_token_activated;
	event->token_id = token_id;
	event->user_id = user_id;
	event->queue_id = queue_id;
	event->expires_at = context->now + (int64_t)context->policy->queue_active_seconds * 1000;
}

static void plan_end(struct decide_context *context, uint64_t token_id, const struct tokens_row *row,
		     enum token_end reason, struct decision *decision)
{
	struct queue_token_expired *event = &decision_add(decision, EVENT_QUEUE_TOKEN_EXPIRED)->queue_token_expired;
	event->token_id = token_id;
	event->user_id = keep(context, row->user_id);
	event->queue_id = keep(context, row->queue_id);
	event->reason = (uint8_t)reason;
}

void decide_queue_enter(struct decide_context *context, const struct queue_enter *command, struct decision *decision)
{
	struct queue_users_row live;
	if (queue_users_get(context->view, queue_users_key(command->queue_id, command->user_id), &live)) {
		decision->outcome = DECIDED_READ;
		return;
	}
	const struct policy *policy = context->policy;
	struct queues_row queue = get_queue(context->view, command->queue_id);
	struct queue_token_issued *event = &decision_add(decision, EVENT_QUEUE_TOKEN_ISSUED)->queue_token_issued;
	event->token_id = context->seq;
	event->user_id = command->user_id;
	event->queue_id = command->queue_id;
	event->position = queue.waiting + 1;
	event->estimated_wait_seconds = queue_estimate(policy, &queue, event->position, context->now);
	event->expires_at = context->now + (int64_t)policy->queue_wait_seconds * 1000;
	if (queue.waiting == 0 && queue.active < policy->queue_active_max)
		plan_activation(context, context->seq, command->user_id, command->queue_id, decision);
}

/* The token that a command names. false: rejected: nobody was ever given such a one. */
static bool get_token(struct decide_context *context, struct slice text, uint64_t *token_id, struct tokens_row *row,
		      struct decision *decision)
{
	if (reference_parse(text, "tok", token_id) && tokens_get(context->view, tokens_key(*token_id), row))
		return true;
	decision_reject(decision, CODE_TOKEN_INVALID);
	return false;
}

void decide_queue_leave(struct decide_context *context, const struct queue_leave *command, struct decision *decision)
{
	uint64_t token_id;
	struct tokens_row row;
	if (!get_token(context, command->queue_token, &token_id, &row, decision))
		return;
	if (row.status == TOKEN_STATUS_EXPIRED)
		decision->outcome = DECIDED_READ;
	else
		plan_end(context, token_id, &row, TOKEN_END_LEFT, decision);
}

bool queue_gate(struct decide_context *context, const struct reservation_create *command,
		const struct schedules_row *schedule, struct decision *decision)
{
	uint64_t token_id;
	struct tokens_row row;
	struct slice queue_id = queue_or_default(schedule->queue_id);
	if (!get_token(context, command->queue_token, &token_id, &row, decision))
		return false;
	if (row.status == TOKEN_STATUS_ACTIVE && slice_equal(row.user_id, command->user_id) &&
	    slice_equal(row.queue_id, queue_id))
		return true;
	decision_refuse(decision, CODE_QUEUE_NOT_ACTIVE);
	decision_fact_text(context, decision, FACT_NAME_QUEUEID, keep(context, queue_id));
	decision_fact_text(context, decision, FACT_NAME_USERID, keep(context, row.user_id));
	decision_fact_text(context, decision, FACT_NAME_STATUS,
			   slice_text(enumeration_text(&token_status_enumeration, row.status)));
	return false;
}

/* ---- what is due ---- */

static enum token_end end_of_time(const struct tokens_row *row)
{
	return row->status == TOKEN_STATUS_WAITING ? TOKEN_END_WAITED : TOKEN_END_ACTIVE;
}

/* Ends the token if its time is over. */
static bool end_if_due(struct decide_context *context, uint64_t token_id, struct decision *decision)
{
	struct tokens_row row;
	if (!tokens_get(context->view, tokens_key(token_id), &row) || row.status == TOKEN_STATUS_EXPIRED ||
	    row.expires_at > context->now)
		return false;
	plan_end(context, token_id, &row, end_of_time(&row), decision);
	return true;
}

static bool end_named_if_due(struct decide_context *context, struct slice text, struct decision *decision)
{
	uint64_t token_id;
	return reference_parse(text, "tok", &token_id) && end_if_due(context, token_id, decision);
}

static bool end_users_if_due(struct decide_context *context, struct slice queue_id, struct slice user_id,
			     struct decision *decision)
{
	struct queue_users_row live;
	return queue_users_get(context->view, queue_users_key(queue_id, user_id), &live) &&
	       end_if_due(context, live.token_id, decision);
}

/* Paying ends the buyer's token of the schedule's room: unless its time has done so before. */
static bool end_buyers_if_due(struct decide_context *context, const struct payment_create *command,
			      struct decision *decision)
{
	struct reservations_row reservation;
	struct schedules_row schedule;
	return reservations_get(context->view, reservations_key(command->reservation_id), &reservation) &&
	       schedules_get(context->view, schedules_key(reservation.schedule_id), &schedule) &&
	       end_users_if_due(context, queue_or_default(schedule.queue_id), command->user_id, decision);
}

bool due_queue_for_command(struct decide_context *context, const struct command *command, struct decision *decision)
{
	switch (command->type) {
	case COMMAND_QUEUE_ENTER:
		return end_users_if_due(context, command->queue_enter.queue_id, command->queue_enter.user_id, decision);
	case COMMAND_QUEUE_LEAVE: return end_named_if_due(context, command->queue_leave.queue_token, decision);
	case COMMAND_RESERVATION_CREATE:
		return end_named_if_due(context, command->reservation_create.queue_token, decision);
	case COMMAND_PAYMENT_CREATE: return end_buyers_if_due(context, &command->payment_create, decision);
	default: return false;
	}
}

/* The tokens of a step, as many as an entry takes. */
struct step {
	uint64_t token_ids[EVENTS_MAX];
	uint32_t count, max;
};

static bool take_due(void *context, struct slice key, struct slice value)
{
	(void)value;
	struct step *step = context;
	struct queue_due_key parts;
	if (!queue_due_key_read(key, &parts))
		return false;
	step->token_ids[step->count++] = parts.token_id;
	return step->count < step->max;
}

static bool plan_ends(struct decide_context *context, struct decision *decision)
{
	struct step step = {.max = EVENTS_MAX};
	struct key until = queue_due_key(context->now + 1, 0);
	view_scan(context->view, QUEUE_QUEUE_DUE, SLICE_EMPTY, key_slice(&until), false, take_due, &step);
	bool any = false;
	for (uint32_t i = 0; i < step.count; i++)
		any |= end_if_due(context, step.token_ids[i], decision);
	return any;
}

/* The first room in which somebody waits though a place is free. */
struct room {
	struct view *view;
	uint32_t active_max; /* 0: not looked up yet */
	uint32_t free;
	bool found;
	struct key queue_id;
};

static bool take_active_max(void *context, struct slice key, struct slice value)
{
	struct room *room = context;
	struct policies_row row;
	if (policies_read(room->view, key, value, &row))
		room->active_max = row.policy.queue_active_max;
	return false;
}

static bool take_room(void *context, struct slice key, struct slice value)
{
	struct room *room = context;
	struct queues_row row;
	(void)value;
	room->queue_id.size = 0;
	key_add_bytes(&room->queue_id, key);
	if (!queues_get(room->view, room->queue_id, &row))
		return false;
	if (!room->active_max)
		view_scan(room->view, BALANCES_POLICIES, SLICE_EMPTY, SLICE_EMPTY, true, take_active_max, room);
	room->found = row.active < room->active_max;
	room->free = room->found ? room->active_max - row.active : 0;
	return !room->found;
}

static bool find_room(struct view *view, struct room *room)
{
	*room = (struct room){.view = view};
	view_scan(view, QUEUE_QUEUE_OPEN, SLICE_EMPTY, SLICE_EMPTY, false, take_room, room);
	return room->found;
}

static bool plan_activations(struct decide_context *context, struct decision *decision)
{
	struct room room;
	if (!find_room(context->view, &room))
		return false;
	struct slice queue_id = keep(context, key_slice(&room.queue_id));
	for (uint32_t i = 0; i < room.free && i < EVENTS_MAX; i++) {
		struct tokens_row row;
		uint64_t token_id;
		if (!line_at(context->view, queue_id, i, &token_id) ||
		    !tokens_get(context->view, tokens_key(token_id), &row))
			break;
		plan_activation(context, token_id, keep(context, row.user_id), queue_id, decision);
	}
	return decision->event_count > 0;
}

/* First what has ended: an activation must not go to a token whose time is over. */
bool due_queue_next(struct decide_context *context, struct decision *decision)
{
	return plan_ends(context, decision) || plan_activations(context, decision);
}

/* One token may have ended for a command that waited for it, or as a step of several. */
bool due_queue_again(struct decide_context *context, const struct entry *entry, struct decision *decision)
{
	if (entry->events[0].type == EVENT_QUEUE_TOKEN_ACTIVATED)
		return plan_activations(context, decision);
	if (entry->event_count == 1)
		return end_if_due(context, entry->events[0].queue_token_expired.token_id, decision);
	return plan_ends(context, decision);
}

static bool take_time(void *context, struct slice key, struct slice value)
{
	(void)value;
	struct queue_due_key parts;
	if (queue_due_key_read(key, &parts))
		*(int64_t *)context = parts.expires_at;
	return false;
}

int64_t due_queue_when(struct view *view, int64_t now)
{
	int64_t first = 0;
	struct room room;
	view_scan(view, QUEUE_QUEUE_DUE, SLICE_EMPTY, SLICE_EMPTY, false, take_time, &first);
	/* Nobody lives: nobody waits. */
	if (first == 0 || first <= now)
		return first;
	return find_room(view, &room) ? now : first;
}

bool command_of_queue(const struct entry *entry, struct arena *arena, struct command *command)
{
	const struct event *event = &entry->events[0];
	if (command->type == COMMAND_QUEUE_ENTER && event->type == EVENT_QUEUE_TOKEN_ISSUED) {
		command->queue_enter.user_id = event->queue_token_issued.user_id;
		command->queue_enter.queue_id = event->queue_token_issued.queue_id;
		return true;
	}
	if (command->type == COMMAND_QUEUE_LEAVE && event->type == EVENT_QUEUE_TOKEN_EXPIRED) {
		char text[REFERENCE_TEXT_MAX];
		size_t size = reference_text(text, "tok", event->queue_token_expired.token_id);
		command->queue_leave.queue_token = arena_copy(arena, slice_of(text, size));
		return true;
	}
	return false;
}
