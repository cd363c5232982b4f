/*
 * Waiting rooms: tokens in their order of coming.
 *
 *	            issued                activated               expired (paid, left, its time was over)
 *	   (none) ----------> WAITING ----------------> ACTIVE ----------------> EXPIRED
 *	                         |                                                  ^
 *	                         +----------------- expired (left, waited) ---------+
 *
 *	queue_users, queue_due     a row for each token that lives (WAITING or ACTIVE)
 *	queue_line                 the WAITING ones in their order (line.h)
 *	queues                     how many of each, and how fast the line moves (rate.h)
 *	queue_open                 a row for each room in which somebody waits
 */
#include "projections/projection.h"
#include "projections/queue/line.h"
#include "projections/queue/rate.h"
#include "projections/views/rows.h"

struct change {
	struct view *view;
	const struct entry *entry;
	struct error *error;
};

static enum ll_code poison(const struct change *c, const char *rule, uint64_t token_id)
{
	return error_set(c->error, LL_POISON, "queue: %s (token tok-%llu)", rule, (unsigned long long)token_id);
}

/* The row of a room; all zero when nobody ever came. */
static struct queues_row get_queue(const struct change *c, struct slice queue_id)
{
	struct queues_row row;
	if (!queues_get(c->view, queues_key(queue_id), &row))
		row = (struct queues_row){0};
	return row;
}

static void put_queue(const struct change *c, struct slice queue_id, struct queues_row *row)
{
	row->changed_by = c->entry->seq;
	queues_put(c->view, queues_key(queue_id), row);
}

static enum ll_code join_line(const struct change *c, struct slice queue_id, uint64_t token_id,
			      struct queues_row *queue)
{
	if (queue->waiting++ == 0)
		queue_open_put(c->view, queue_open_key(queue_id), &(struct queue_open_row){});
	return line_join(c->view, queue_id, token_id) ? LL_OK : poison(c, "the token waits already", token_id);
}

static enum ll_code leave_line(const struct change *c, struct slice queue_id, uint64_t token_id,
			       struct queues_row *queue)
{
	if (!line_leave(c->view, queue_id, token_id))
		return poison(c, "the token does not stand in the line", token_id);
	if (--queue->waiting == 0)
		queue_open_remove(c->view, queue_open_key(queue_id));
	return LL_OK;
}

/* A token that lives and is the user's in this room. */
static enum ll_code get_live(const struct change *c, uint64_t token_id, struct slice queue_id, struct slice user_id,
			     struct tokens_row *row)
{
	if (!tokens_get(c->view, tokens_key(token_id), row))
		return poison(c, "the token is not there", token_id);
	if (row->status == TOKEN_STATUS_EXPIRED)
		return poison(c, "the token has ended already", token_id);
	if (!slice_equal(row->queue_id, queue_id) || !slice_equal(row->user_id, user_id))
		return poison(c, "the token belongs to another room or user", token_id);
	return LL_OK;
}

static enum ll_code apply_issued(const struct change *c, const struct queue_token_issued *event)
{
	struct queue_users_row live;
	if (queue_users_get(c->view, queue_users_key(event->queue_id, event->user_id), &live))
		return poison(c, "the user has a live token in this room", live.token_id);
	struct tokens_row row = {
		.user_id = event->user_id,
		.queue_id = event->queue_id,
		.status = TOKEN_STATUS_WAITING,
		.issued_at = c->entry->time,
		.position = event->position,
		.expires_at = event->expires_at,
	};
	tokens_put(c->view, tokens_key(event->token_id), &row);
	queue_users_put(c->view, queue_users_key(event->queue_id, event->user_id),
			&(struct queue_users_row){.token_id = event->token_id});
	queue_due_put(c->view, queue_due_key(event->expires_at, event->token_id), &(struct queue_due_row){});
	struct queues_row queue = get_queue(c, event->queue_id);
	enum ll_code code = join_line(c, event->queue_id, event->token_id, &queue);
	if (code == LL_OK)
		put_queue(c, event->queue_id, &queue);
	return code;
}

static enum ll_code apply_activated(const struct change *c, const struct queue_token_activated *event)
{
	struct tokens_row row;
	enum ll_code code = get_live(c, event->token_id, event->queue_id, event->user_id, &row);
	if (code != LL_OK)
		return code;
	if (row.status != TOKEN_STATUS_WAITING)
		return poison(c, "the token is active already", event->token_id);
	struct queues_row queue = get_queue(c, event->queue_id);
	if (queue.waiting == 0)
		return poison(c, "the room has nobody waiting", event->token_id);
	int64_t waited_until = row.expires_at;
	row.status = TOKEN_STATUS_ACTIVE;
	row.activated_at = c->entry->time;
	row.expires_at = event->expires_at;
	tokens_put(c->view, tokens_key(event->token_id), &row); /* first: its ids lie in the store */
	queue_due_remove(c->view, queue_due_key(waited_until, event->token_id));
	queue_due_put(c->view, queue_due_key(event->expires_at, event->token_id), &(struct queue_due_row){});
	queue.active++;
	queue.activated++;
	if (event->token_id != c->entry->seq) /* who comes into an empty room has not waited */
		rate_count(&queue, c->entry->time);
	code = leave_line(c, event->queue_id, event->token_id, &queue);
	if (code == LL_OK)
		put_queue(c, event->queue_id, &queue);
	return code;
}

static enum ll_code apply_expired(const struct change *c, const struct queue_token_expired *event)
{
	struct tokens_row row;
	enum ll_code code = get_live(c, event->token_id, event->queue_id, event->user_id, &row);
	if (code != LL_OK)
		return code;
	bool waiting = row.status == TOKEN_STATUS_WAITING;
	struct queues_row queue = get_queue(c, event->queue_id);
	if ((waiting ? queue.waiting : queue.active) == 0)
		return poison(c, "the room does not count the token", event->token_id);
	row.status = TOKEN_STATUS_EXPIRED;
	row.ended_at = c->entry->time;
	row.reason = event->reason;
	tokens_put(c->view, tokens_key(event->token_id), &row); /* first: its ids lie in the store */
	queue_due_remove(c->view, queue_due_key(row.expires_at, event->token_id));
	queue_users_remove(c->view, queue_users_key(event->queue_id, event->user_id));
	if (waiting)
		code = leave_line(c, event->queue_id, event->token_id, &queue);
	else
		queue.active--;
	if (code == LL_OK)
		put_queue(c, event->queue_id, &queue);
	return code;
}

static enum ll_code apply_event(const struct change *c, const struct event *event)
{
	switch (event->type) {
	case EVENT_QUEUE_TOKEN_ISSUED: return apply_issued(c, &event->queue_token_issued);
	case EVENT_QUEUE_TOKEN_ACTIVATED: return apply_activated(c, &event->queue_token_activated);
	case EVENT_QUEUE_TOKEN_EXPIRED: return apply_expired(c, &event->queue_token_expired);
	default: return LL_OK;
	}
}

static enum ll_code apply(struct view *view, const struct entry *entry, struct error *error)
{
	struct change change = {.view = view, .entry = entry, .error = error};
	for (uint32_t i = 0; i < entry->event_count; i++) {
		enum ll_code code = apply_event(&change, &entry->events[i]);
		if (code != LL_OK)
			return code;
	}
	return LL_OK;
}

const struct projection projection_queue = {.id = PROJECTION_QUEUE, .decides = true, .apply = apply};
