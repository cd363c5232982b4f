#include "projections/ledger/ledger.h"

#include <inttypes.h>
#include <stdlib.h>

#include "projections/balances/totals.h"
#include "projections/ledger/beside.h"
#include "projections/ledger/internal.h"
#include "projections/views/specs.h"
#include "schemas/wire/ensure.h"

/* What a bulk fold of everything leaves to a thread beside it: about half of the work. */
#define BESIDE (1u << PROJECTION_RECEIPTS | 1u << PROJECTION_HISTORY)

/* ---- projections that stop ---- */

static void stop_member(struct ledger *ledger, enum projection_id id, enum ll_code code, const char *text,
			uint64_t offset)
{
	struct member *member = &ledger->members[id];
	if (member->failure.code == LL_OK)
		error_set(&member->failure, code, "projection %s stopped at journal offset %" PRIu64 ": %s",
			  projection_layouts[id].name, offset, text);
}

/* The fold stands somewhere: projections that stand there too must have come by the same way. */
static void meet_members(struct ledger *ledger)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct member *member = &ledger->members[id];
		if (!member->store || member->reached || member->next_offset != ledger->fold.next_offset)
			continue;
		member->reached = true;
		if (!slice_equal(hash_slice(&member->chain), hash_slice(&ledger->fold.chain)))
			stop_member(ledger, id, LL_DIVERGED,
				    "its chain hash is not the journal's: it was built from another past; rebuild it",
				    ledger->fold.next_offset);
	}
}

/* ---- opening and closing ---- */

static enum ll_code read_position(struct member *member, struct slice position, struct fold *fold, struct error *error)
{
	if (position.size == 0) {
		*fold = (struct fold){0};
		return LL_OK;
	}
	enum ll_code code = fold_from_position(fold, position, error);
	member->next_offset = fold->next_offset;
	member->next_seq = fold->next_seq;
	member->chain = fold->chain;
	member->ahead = fold->ahead;
	return code;
}

static enum ll_code open_member(struct ledger *ledger, const struct ledger_options *options, enum projection_id id,
				struct fold *fold, struct error *error)
{
	struct member *member = &ledger->members[id];
	struct store_options store_options = {
		.directory = options->directories[id],
		.create = options->create,
		.bulk = options->bulk,
		.resume = options->resume,
		.clean_bytes_max = options->clean_bytes_max,
		.flushed = options->flushed,
		.flushed_context = options->flushed_context,
		.fork = options->fork != 0,
		.failure = options->fork ? &ledger->committed.failure : NULL,
	};
	struct slice position = SLICE_EMPTY;
	enum ll_code code = store_open(projection_spec(id), &store_options, &member->store, &position, error);
	if (code == LL_OK) {
		ledger->stores[id] = member->store;
		code = read_position(member, position, fold, error);
	}
	free((void *)(uintptr_t)position.at);
	if (code == LL_OK || !options->directories[id])
		return code;
	return error_prefix(error, "projection %s (%s)", projection_layouts[id].name, options->directories[id]);
}

/* The ledger starts where the rearmost projection stands. */
static void start_at_lowest(struct ledger *ledger, const struct fold folds[PROJECTIONS_COUNT])
{
	bool found = false;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger->stores[id] && (!found || folds[id].next_offset < ledger->fold.next_offset)) {
			ledger->fold = folds[id];
			found = true;
		}
	meet_members(ledger);
}

static void init_views(struct ledger *ledger)
{
	ledger->committed = (struct view){.stores = ledger->stores, .arena = &ledger->answers};
	ledger->overlay = (struct view){.stores = ledger->stores, .arena = &ledger->rows, .overlay = true};
	ledger->committed.totals = &ledger->committed_totals;
	ledger->overlay.totals = &ledger->overlay_totals;
	ledger->applier.view = &ledger->committed;
	ledger->applier.annulled = &ledger->annulled;
}

static void move_views(struct ledger *ledger)
{
	ledger->committed.next_seq = ledger->fold.next_seq;
	ledger->committed.time = ledger->fold.time;
}

static bool holds_any(const struct ledger *ledger, unsigned mask)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (mask >> id & 1 && ledger->stores[id])
			return true;
	return false;
}

enum ll_code ledger_open(const struct ledger_options *options, struct ledger **opened, enum projection_id *which,
			 struct error *error)
{
	struct fold folds[PROJECTIONS_COUNT];
	struct ledger *ledger = calloc(1, sizeof *ledger);
	ENSURE(ledger);
	ledger->bulk = options->bulk;
	ledger->is_fork = options->fork != 0;
	init_views(ledger);
	ledger->applier.before = options->before;
	ledger->applier.before_context = options->before_context;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		if (options->fork ? !(options->fork >> id & 1) : !options->directories[id])
			continue;
		enum ll_code code = open_member(ledger, options, id, &folds[id], error);
		if (code != LL_OK) {
			if (which)
				*which = id;
			ledger_abandon(ledger);
			return code;
		}
	}
	start_at_lowest(ledger, folds);
	move_views(ledger);
	if (options->bulk && holds_any(ledger, BESIDE) && holds_any(ledger, ~BESIDE))
		ledger->beside = beside_open(ledger->stores, &ledger->annulled);
	if (options->annulled) {
		enum ll_code code = ledger_honour(ledger, options->annulled, which, error);
		if (code != LL_OK) {
			ledger_abandon(ledger);
			return code;
		}
	}
	*opened = ledger;
	return LL_OK;
}

/* ---- annulments ---- */

enum ll_code ledger_honour(struct ledger *ledger, const struct annulments *annulled, enum projection_id *which,
			   struct error *error)
{
	annulments_add_all(&ledger->annulled, annulled);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		const struct member *member = &ledger->members[id];
		if (!member->store)
			continue;
		struct annulments_ahead ahead = annulments_ahead(&ledger->annulled, member->next_offset);
		if (ahead.count == member->ahead.count && ahead.digest == member->ahead.digest)
			continue;
		if (which)
			*which = id;
		return error_set(error, LL_UNTRUSTED,
				 "projection %s has folded an entry before it was annulled: it is of no use any more",
				 projection_layouts[id].name);
	}
	ledger->fold.ahead = annulments_ahead(&ledger->annulled, ledger->fold.next_offset);
	return LL_OK;
}

const struct annulments *ledger_annulments(const struct ledger *ledger)
{
	return &ledger->annulled;
}

bool ledger_leans_on_annulments(const struct ledger *ledger)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger->members[id].store && ledger->members[id].ahead.count)
			return !ledger->annulled.count;
	return false;
}

static void release(struct ledger *ledger)
{
	beside_close(ledger->beside);
	applier_release(&ledger->applier);
	arena_release(&ledger->rows);
	arena_release(&ledger->answers);
	annulments_release(&ledger->annulled);
	free(ledger);
}

enum ll_code ledger_close(struct ledger *ledger, struct error *error)
{
	enum ll_code code = LL_OK;
	if (!ledger)
		return LL_OK;
	ENSURE(!ledger->is_fork);
	ledger_overlay_drop(ledger);
	ledger_finish_all(ledger);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct member *member = &ledger->members[id];
		if (member->failure.code != LL_OK) {
			store_abandon(member->store);
			continue;
		}
		struct error one;
		if (member->store && store_close(member->store, &one) != LL_OK && code == LL_OK)
			code = error_set(error, one.code, "projection %s: %s", projection_layouts[id].name, one.text);
	}
	release(ledger);
	return code;
}

void ledger_abandon(struct ledger *ledger)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger->members[id].store)
			store_abandon(ledger->members[id].store);
	release(ledger);
}

static enum ll_code bind_text(char *kept, size_t size, const char *what, const char *text, struct error *error)
{
	if (kept[0] && strcmp(kept, text) != 0)
		return error_set(
			error, LL_DIVERGED,
			"the projections were built from another journal (its %s is %s, this one's is %s): use that journal, or delete the projections to have them rebuilt",
			what, kept, text);
	size_t length = strlen(text);
	if (length >= size)
		return error_set(error, LL_TOO_LARGE, "the journal's %s is longer than %zu characters: %s", what,
				 size - 1, text);
	memcpy(kept, text, length + 1);
	return LL_OK;
}

enum ll_code ledger_bind(struct ledger *ledger, const char *kind, const char *cluster, const char *topic,
			 struct error *error)
{
	struct fold *fold = &ledger->fold;
	enum ll_code code = bind_text(fold->journal_kind, sizeof fold->journal_kind, "kind", kind, error);
	if (code == LL_OK)
		code = bind_text(fold->journal_cluster, sizeof fold->journal_cluster, "cluster", cluster, error);
	return code == LL_OK ? bind_text(fold->journal_topic, sizeof fold->journal_topic, "topic", topic, error) : code;
}

/* ---- folding ---- */

/* Which projections take the record at `offset`: those that stand there and are well. */
static unsigned takers(const struct ledger *ledger, uint64_t offset)
{
	unsigned mask = 0;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (is_well(&ledger->members[id]) && ledger->members[id].next_offset == offset)
			mask |= 1u << id;
	return mask;
}

static void apply_genesis(struct ledger *ledger, const struct block *block, unsigned mask)
{
	struct genesis_body genesis;
	struct error error;
	struct arena *arena = &ledger->applier.decoded[0];
	struct cursor cursor = cursor_over(block->body, arena);
	arena_reset(arena);
	ENSURE(genesis_body_decode(&cursor, &genesis)); /* fold_record has decoded it before */
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (mask & 1u << id && projections[id]->begin &&
		    projections[id]->begin(&ledger->committed, block->time, &genesis, &error) != LL_OK)
			stop_member(ledger, id, error.code, error.text, 0);
}

/* The record is folded: every projection that took it stands behind it now. */
static void mark(struct ledger *ledger, unsigned mask)
{
	uint8_t room[POSITION_BYTES_MAX];
	if (ledger->annulled.count)
		ledger->fold.ahead = annulments_ahead(&ledger->annulled, ledger->fold.next_offset);
	struct slice position = fold_to_position(&ledger->fold, room);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct member *member = &ledger->members[id];
		if (!(mask & 1u << id) || member->failure.code != LL_OK)
			continue;
		member->next_offset = ledger->fold.next_offset;
		member->next_seq = ledger->fold.next_seq;
		member->dirty = true;
		store_mark_block(member->store, position);
	}
}

enum ll_code ledger_health(const struct ledger *ledger, struct error *error)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger->members[id].failure.code != LL_OK && projections[id]->decides)
			return error_set(error, ledger->members[id].failure.code, "%s",
					 ledger->members[id].failure.text);
	return LL_OK;
}

static void stop_failed(struct ledger *ledger, const struct applier *applier, uint64_t offset)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		if (!(applier->failed & 1u << id))
			continue;
		ledger->members[id].poison = applier->poisons[id];
		stop_member(ledger, id, applier->failures[id].code, applier->failures[id].text, offset);
	}
}

/* Those that are taken over by the thread beside are done when this returns, like all others. */
static void apply_entries(struct ledger *ledger, unsigned mask, uint64_t offset, const struct block *block,
			  ledger_visit_fn *visit, void *context)
{
	unsigned taken = ledger->beside ? mask & BESIDE : 0;
	if (taken)
		beside_begin(ledger->beside, block, offset, ledger->fold.time, taken);
	apply_block(&ledger->applier, block, block->count, offset, ledger->fold.time, mask & ~taken, visit, context);
	if (taken)
		stop_failed(ledger, beside_end(ledger->beside), offset);
	stop_failed(ledger, &ledger->applier, offset);
}

static void begin_applying(struct ledger *ledger)
{
	ledger->committed.arena = &ledger->rows;
}

static void end_applying(struct ledger *ledger, unsigned mask)
{
	if (mask & 1u << PROJECTION_BALANCES && ledger->members[PROJECTION_BALANCES].failure.code == LL_OK)
		totals_settle(&ledger->committed);
	totals_forget(&ledger->committed);
	ledger->committed.arena = &ledger->answers;
}

/* Applies what was judged to those who took it; ledger->fold stands behind it already. */
static enum ll_code apply_judged(struct ledger *ledger, unsigned mask, uint64_t offset, enum fold_verdict verdict,
				 const struct block *block, ledger_visit_fn *visit, void *context, struct error *error)
{
	begin_applying(ledger);
	if (verdict == FOLD_GENESIS)
		apply_genesis(ledger, block, mask);
	else if (verdict == FOLD_ENTRIES)
		apply_entries(ledger, mask, offset, block, visit, context);
	end_applying(ledger, mask);
	mark(ledger, mask);
	meet_members(ledger);
	move_views(ledger);
	return ledger_health(ledger, error);
}

enum ll_code ledger_fold(struct ledger *ledger, uint64_t offset, struct slice value, enum fold_verdict *verdict,
			 ledger_visit_fn *visit, void *context, struct error *error)
{
	struct block block;
	ENSURE(!ledger->overlay_is_open);
	unsigned mask = takers(ledger, offset);
	enum ll_code code = fold_record(&ledger->fold, offset, value, verdict, &block, error);
	if (code != LL_OK)
		return code;
	return apply_judged(ledger, mask, offset, *verdict, &block, visit, context, error);
}

enum ll_code ledger_take(struct ledger *ledger, uint64_t offset, const struct fold *after, enum fold_verdict verdict,
			 const struct block *block, ledger_visit_fn *visit, void *context, struct error *error)
{
	ENSURE(!ledger->overlay_is_open && offset == ledger->fold.next_offset && after->next_offset == offset + 1);
	unsigned mask = takers(ledger, offset);
	struct annulments_ahead ahead = ledger->fold.ahead;
	ledger->fold = *after;
	ledger->fold.ahead = ahead;
	return apply_judged(ledger, mask, offset, verdict, block, visit, context, error);
}

enum ll_code ledger_take_part(struct ledger *ledger, uint64_t offset, const struct fold *after,
			      const struct block *block, uint32_t count, struct error *error)
{
	ENSURE(ledger->is_fork && offset == ledger->fold.next_offset && count < block->count);
	unsigned mask = takers(ledger, offset);
	begin_applying(ledger);
	apply_block(&ledger->applier, block, count, offset, after->time, mask, NULL, NULL);
	stop_failed(ledger, &ledger->applier, offset);
	end_applying(ledger, mask);
	ledger->committed.next_seq = block->first_seq + count;
	if (count)
		ledger->committed.time = after->time;
	return ledger_health(ledger, error);
}

size_t ledger_bytes(const struct ledger *ledger)
{
	size_t bytes = 0;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		bytes += ledger->stores[id] ? store_fill(ledger->stores[id]).bytes : 0;
	return bytes;
}

const struct fold *ledger_fold_state(const struct ledger *ledger)
{
	return &ledger->fold;
}

const struct error *ledger_failure(const struct ledger *ledger, enum projection_id id)
{
	return ledger->members[id].failure.code != LL_OK ? &ledger->members[id].failure : NULL;
}

uint64_t ledger_furthest(const struct ledger *ledger)
{
	uint64_t furthest = ledger->fold.next_offset;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger->members[id].store && ledger->members[id].next_offset > furthest)
			furthest = ledger->members[id].next_offset;
	return furthest;
}

bool ledger_poison(const struct ledger *ledger, enum projection_id id, struct poison *poison)
{
	*poison = ledger->members[id].poison;
	return ledger->members[id].failure.code == LL_POISON;
}

unsigned ledger_stopped(const struct ledger *ledger)
{
	unsigned mask = 0;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger->members[id].failure.code != LL_OK)
			mask |= 1u << id;
	return mask;
}

uint64_t ledger_position(const struct ledger *ledger, enum projection_id id)
{
	return ledger->members[id].next_seq;
}

bool ledger_holds(const struct ledger *ledger, enum projection_id id)
{
	return ledger->stores[id] != NULL;
}

struct store *ledger_store(struct ledger *ledger, enum projection_id id)
{
	return ledger->stores[id];
}

bool ledger_overlay_is_open(const struct ledger *ledger)
{
	return ledger->overlay_is_open;
}

enum ll_code ledger_take_over(struct ledger *ledger, struct ledger *from, enum projection_id id,
			      struct store **replaced, struct error *error)
{
	const struct fold *own = &ledger->fold, *other = &from->fold;
	struct member *member = &from->members[id];
	ENSURE(!ledger->overlay_is_open && member->store);
	if (own->next_offset != other->next_offset || member->next_offset != own->next_offset ||
	    !slice_equal(hash_slice(&own->chain), hash_slice(&other->chain)) ||
	    own->ahead.digest != other->ahead.digest)
		return error_set(error, LL_DIVERGED,
				 "projection %s was rebuilt from another past: at offset %" PRIu64
				 " its chain hash is not the journal's",
				 projection_layouts[id].name, own->next_offset);
	if (member->failure.code != LL_OK)
		return error_set(error, member->failure.code, "%s", member->failure.text);
	*replaced = ledger->stores[id];
	ledger->members[id] = *member;
	ledger->stores[id] = member->store;
	*member = (struct member){.store = NULL};
	from->stores[id] = NULL;
	totals_forget(&ledger->committed);
	totals_forget(&ledger->overlay);
	return LL_OK;
}

/* ---- views ---- */

struct view *ledger_view(struct ledger *ledger)
{
	ledger->committed.failure.code = LL_OK;
	return &ledger->committed;
}

void ledger_view_reset(struct ledger *ledger)
{
	arena_reset(&ledger->answers);
}

struct view *ledger_overlay_view(struct ledger *ledger)
{
	ENSURE(ledger->overlay_is_open);
	return &ledger->overlay;
}

void ledger_overlay_open(struct ledger *ledger)
{
	ENSURE(!ledger->overlay_is_open);
	ledger->overlay_is_open = true;
	ledger->overlay.failure.code = LL_OK;
	ledger->overlay.next_seq = ledger->fold.next_seq;
	ledger->overlay.time = ledger->fold.time;
	totals_forget(&ledger->overlay);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger->stores[id] && projections[id]->decides)
			store_overlay_open(ledger->stores[id]);
}

void ledger_overlay_drop(struct ledger *ledger)
{
	if (!ledger->overlay_is_open)
		return;
	ledger->overlay_is_open = false;
	arena_reset(&ledger->rows);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger->stores[id] && projections[id]->decides)
			store_overlay_drop(ledger->stores[id]);
}

enum ll_code ledger_overlay_apply(struct ledger *ledger, const struct entry *entry, struct error *error)
{
	struct view *view = &ledger->overlay;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		if (!ledger->stores[id] || !projections[id]->decides)
			continue;
		enum ll_code code = projections[id]->apply(view, entry, error);
		if (code != LL_OK)
			return code;
		if (view->failure.code != LL_OK)
			return error_set(error, view->failure.code, "%s", view->failure.text);
	}
	view->next_seq = entry->seq + 1;
	view->time = entry->time;
	arena_reset(&ledger->rows);
	return LL_OK;
}

void ledger_overlay_reset(struct ledger *ledger)
{
	arena_reset(&ledger->rows);
}
