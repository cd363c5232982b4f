/*
 * The fold of `balances`: accounts with their lots, uses and holds of points, policies, and the totals over all.
 *
 * The path that must be fast is a point.used: the account's row is read, decoded, changed, written; the use is written; the
 * totals are kept unpacked for the length of a block (totals.h). Lots beyond the account's row and rows of what is due
 * are touched only when they must be.
 */
#include <inttypes.h>

#include "projections/balances/folding.h"
#include "projections/balances/totals.h"
#include "projections/projection.h"

static enum ll_code apply_registered(struct folding *folding, const struct user_registered *event)
{
	struct account account;
	account_load(&account, folding->view, event->user_id);
	if (account.row.registered_at != NONE_TIME)
		return folding_poison(folding, event->user_id, "is registered a second time");
	if (!account.known)
		folding->totals->accounts++;
	folding->totals->users++;
	account.row.registered_at = folding->entry->time;
	account_save(&account, folding->entry->seq, folding->entry->time);
	return LL_OK;
}

static enum ll_code apply_policy(struct folding *folding, const struct policy_changed *event)
{
	struct policies_row row;
	if (event->version < 2 || !policies_get(folding->view, policies_key(event->version - 1), &row) ||
	    policies_get(folding->view, policies_key(event->version), &row))
		return error_set(folding->error, LL_POISON,
				 "entry %" PRIu64 ": policy version %u does not follow the last one",
				 folding->entry->seq, event->version);
	row = (struct policies_row){folding->entry->time, folding->entry->seq, event->policy};
	policies_put(folding->view, policies_key(event->version), &row);
	return LL_OK;
}

static enum ll_code apply_event(struct folding *folding, const struct event *event)
{
	switch (event->type) {
	case EVENT_POINT_USED: return apply_used(folding, &event->point_used);
	case EVENT_POINT_CHARGED: return apply_charged(folding, &event->point_charged);
	case EVENT_POINT_REFUNDED: return apply_refunded(folding, &event->point_refunded);
	case EVENT_POINT_EXPIRED: return apply_expired(folding, &event->point_expired);
	case EVENT_POINT_ADJUSTED: return apply_adjusted(folding, &event->point_adjusted);
	case EVENT_POINT_HELD: return apply_held(folding, &event->point_held);
	case EVENT_POINT_HOLD_CAPTURED: return apply_hold_captured(folding, &event->point_hold_captured);
	case EVENT_POINT_HOLD_RELEASED: return apply_hold_released(folding, &event->point_hold_released);
	case EVENT_USER_REGISTERED: return apply_registered(folding, &event->user_registered);
	case EVENT_POLICY_CHANGED: return apply_policy(folding, &event->policy_changed);
	default: return LL_OK; /* of other projections */
	}
}

static enum ll_code apply(struct view *view, const struct entry *entry, struct error *error)
{
	struct totals_row room;
	struct folding folding = {.view = view, .entry = entry, .totals = totals_begin(view, &room), .error = error};
	switch (entry->head.outcome) {
	case OUTCOME_ACCEPTED: folding.totals->accepted++; break;
	case OUTCOME_REFUSED: folding.totals->refused++; break;
	default: folding.totals->system++; break;
	}
	for (uint32_t i = 0; i < entry->event_count; i++) {
		enum ll_code code = apply_event(&folding, &entry->events[i]);
		if (code != LL_OK)
			return code;
	}
	totals_end(view, folding.totals);
	return view->failure.code == LL_OK ? LL_OK : error_set(error, view->failure.code, "%s", view->failure.text);
}

static enum ll_code begin(struct view *view, int64_t time, const struct genesis_body *genesis, struct error *error)
{
	(void)error;
	struct policies_row row = {time, NONE_U64, genesis->policy};
	policies_put(view, policies_key(1), &row);
	struct totals_row room, *totals = totals_begin(view, &room);
	*totals = (struct totals_row){0};
	totals_end(view, totals);
	return LL_OK;
}

/* Whose account an event changes; empty: nobody's. */
static struct slice account_of(const struct event *event)
{
	switch (event->type) {
	case EVENT_POINT_USED: return event->point_used.user_id;
	case EVENT_POINT_CHARGED: return event->point_charged.user_id;
	case EVENT_POINT_REFUNDED: return event->point_refunded.user_id;
	case EVENT_POINT_EXPIRED: return event->point_expired.user_id;
	case EVENT_POINT_ADJUSTED: return event->point_adjusted.user_id;
	case EVENT_POINT_HELD: return event->point_held.user_id;
	case EVENT_USER_REGISTERED: return event->user_registered.user_id;
	default: return SLICE_EMPTY;
	}
}

static void prefetch(struct view *view, const struct entry *entry)
{
	if (view->ops || entry->event_count == 0)
		return;
	struct slice user_id = account_of(&entry->events[0]);
	if (user_id.size)
		store_prefetch(view_store(view, BALANCES_ACCOUNTS), table_places[BALANCES_ACCOUNTS].index, user_id);
}

const struct projection projection_balances = {PROJECTION_BALANCES, true, apply, begin, prefetch};
