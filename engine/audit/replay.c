#include "engine/audit/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "engine/audit/living.h"
#include "engine/data/catch_up.h"
#include "projections/store/generation.h"
#include "projections/views/snapshot_view.h"

/* Those that the export, and so the digest, is made from. */
#define OF_THE_STATE                                                                                                   \
	(1u << PROJECTION_BALANCES | 1u << PROJECTION_SEATS | 1u << PROJECTION_QUEUE | 1u << PROJECTION_RANKINGS)

/* ---- the replay ---- */

enum ll_code replay_open(struct replay *replay, struct error *error)
{
	struct ledger_options options = {.create = true, .bulk = true, .resume = replay->resume};
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		options.directories[id] = replay->mask >> id & 1 ? replay->directories[id] : NULL;
	options.annulled = replay->annulled.count ? &replay->annulled : NULL;
	options.before = replay->before;
	options.before_context = replay->seen_context;
	replay->ledger = NULL;
	return ledger_open(&options, &replay->ledger, NULL, error);
}

static void on_progress(void *context, const struct fold *fold, uint64_t end)
{
	struct replay *replay = context;
	if (replay->progress)
		replay->progress(replay->context, fold->next_offset, end);
}

static void on_entry(void *context, const struct entry *entry)
{
	struct replay *replay = context;
	replay->after(replay->seen_context, entry);
}

static enum ll_code begin_anew(struct replay *replay, struct error *error)
{
	enum ll_code code = LL_OK;
	ledger_abandon(replay->ledger);
	replay->ledger = NULL;
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++)
		if (replay->mask >> id & 1)
			code = generation_empty(replay->directories[id], error);
	return code == LL_OK ? replay_open(replay, error) : code;
}

static enum ll_code catch_up_with(struct replay *replay, uint64_t end, struct error *error)
{
	struct catch_up how = {.progress = on_progress,
			       .visit = replay->after ? on_entry : NULL,
			       .context = replay,
			       .end = end,
			       .rate = replay->rate,
			       .annulled = &replay->annulled};
	for (;;) {
		size_t known = replay->annulled.count;
		enum ll_code code = catch_up(replay->journal, replay->ledger, &how, NULL, error);
		if (!catch_up_found_more(&how, code, known))
			return code;
		code = begin_anew(replay, error);
		if (code != LL_OK)
			return code;
	}
}

/* Without a flush at the end: more will follow. */
static enum ll_code fold_to(struct replay *replay, uint64_t end, struct error *error)
{
	enum ll_code code = catch_up_with(replay, end, error);
	if (!replay->ledger)
		return code;
	const struct fold *fold = ledger_fold_state(replay->ledger);
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++)
		if (ledger_failure(replay->ledger, id))
			code = error_set(error, LL_POISON, "%s", ledger_failure(replay->ledger, id)->text);
	if (code == LL_OK && end != UINT64_MAX && fold->next_offset < end)
		code = error_set(error, LL_DIVERGED,
				 "%s ends before offset %" PRIu64 ", the projections have folded up to %" PRIu64
				 ": it is not the journal that they were built from, or it was cut short",
				 journal_url(replay->journal), fold->next_offset, end);
	return code;
}

enum ll_code replay_to(struct replay *replay, uint64_t end, struct error *error)
{
	enum ll_code code = fold_to(replay, end, error);
	return code == LL_OK ? ledger_flush(replay->ledger, error) : code;
}

enum ll_code replay_close(struct replay *replay, struct error *error)
{
	struct ledger *ledger = replay->ledger;
	replay->ledger = NULL;
	annulments_release(&replay->annulled);
	return ledger_close(ledger, error);
}

void replay_abandon(struct replay *replay)
{
	if (replay->ledger)
		ledger_abandon(replay->ledger);
	replay->ledger = NULL;
	annulments_release(&replay->annulled);
}

/* ---- the comparison ---- */

struct pair {
	struct living *live;            /* NULL: not opened */
	struct snapshot_view *replayed; /* NULL: not opened */
	struct fold fold;               /* where the live one stands */
};

struct comparing {
	struct replay *replay;
	struct pair pairs[PROJECTIONS_COUNT];
	struct verdict *verdict;
	char *place;
	size_t place_size;
};

static void release(struct comparing *comparing)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		living_close(comparing->pairs[id].live);
		snapshot_view_close(comparing->pairs[id].replayed);
	}
}

static enum ll_code open_live(struct comparing *comparing, const char *root, bool may_miss, struct error *error)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		bool wanted = comparing->replay->mask >> id & 1;
		if (!wanted && !(OF_THE_STATE >> id & 1))
			continue;
		snprintf(comparing->place, comparing->place_size, "projection %s", projection_layouts[id].name);
		enum ll_code code = living_open(&comparing->pairs[id].live, root, id, error);
		if (code == LL_OK)
			continue;
		comparing->pairs[id].live = NULL;
		if (wanted && (code != LL_NOT_FOUND || !may_miss))
			return code;
		comparing->verdict->missing += wanted;
	}
	return LL_OK;
}

/* Pins every live one where it stands now. What cannot be pinned and need not be compared is left alone. */
static enum ll_code pin_live(struct comparing *comparing, bool may_miss, struct error *error)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct pair *pair = &comparing->pairs[id];
		if (!pair->live)
			continue;
		snprintf(comparing->place, comparing->place_size, "projection %s", projection_layouts[id].name);
		enum ll_code code = living_pin(pair->live, error);
		bool wanted = comparing->replay->mask >> id & 1;
		if (code == LL_OK) {
			pair->fold = pair->live->fold;
			continue;
		}
		if (wanted && (code != LL_NOT_FOUND || !may_miss))
			return code;
		comparing->verdict->missing += wanted;
		living_close(pair->live);
		pair->live = NULL;
	}
	return LL_OK;
}

static bool is_compared(const struct comparing *comparing, unsigned id)
{
	return comparing->replay->mask >> id & 1 && comparing->pairs[id].live;
}

/* The rearmost one that was not compared yet (`done` has a bit for each that was); PROJECTIONS_COUNT: none is left. */
static unsigned rearmost(const struct comparing *comparing, unsigned done)
{
	unsigned found = PROJECTIONS_COUNT;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (is_compared(comparing, id) && !(done >> id & 1) &&
		    (found == PROJECTIONS_COUNT ||
		     comparing->pairs[id].fold.next_offset < comparing->pairs[found].fold.next_offset))
			found = id;
	return found;
}

static enum ll_code same_past(enum projection_id id, const struct fold *live, const struct fold *replayed,
			      struct error *error)
{
	const char *name = projection_layouts[id].name;
	if (memcmp(live->ledger, replayed->ledger, sizeof live->ledger) != 0)
		return error_set(error, LL_DIVERGED,
				 "projection %s is of another ledger than the journal: delete or rebuild it", name);
	if (replayed->next_offset > live->next_offset)
		return error_set(
			error, LL_DIVERGED,
			"the new generation of %s was folded further than the one in use: they cannot be compared",
			name);
	if (live->ahead.digest != replayed->ahead.digest)
		return error_set(
			error, LL_UNTRUSTED,
			"projection %s has folded an entry before it was annulled: the engine's next start builds it anew",
			name);
	if (live->next_seq != replayed->next_seq || memcmp(live->chain.bytes, replayed->chain.bytes, HASH_BYTES) != 0)
		return error_set(error, LL_DIVERGED,
				 "projection %s was built from another past than the journal's: at offset %" PRIu64
				 " their chain hashes differ; delete or rebuild it",
				 name, live->next_offset);
	return LL_OK;
}

/* A position that lies behind the journal's end is one projection's, not all of theirs. */
static enum ll_code say_whose(enum ll_code code, unsigned id, struct error *error)
{
	return code == LL_DIVERGED ? error_prefix(error, "projection %s", projection_layouts[id].name) : code;
}

static enum ll_code compare_one(struct comparing *comparing, unsigned id, difference_fn *found, void *context,
				struct error *error)
{
	struct pair *pair = &comparing->pairs[id];
	struct snapshot_places places = {.root = NULL};
	places.directories[id] = comparing->replay->directories[id];
	enum ll_code code = say_whose(replay_to(comparing->replay, pair->fold.next_offset, error), id, error);
	if (code == LL_OK)
		code = same_past(id, &pair->fold, ledger_fold_state(comparing->replay->ledger), error);
	if (code == LL_OK)
		code = snapshot_view_open(&places, &pair->replayed, error);
	if (code == LL_OK)
		code = snapshot_view_pin(pair->replayed, 0, error);
	if (code == LL_OK)
		compare_projection(id, living_view(pair->live), pair->live->version, snapshot_view_view(pair->replayed),
				   found, context, &comparing->verdict->compared, comparing->place,
				   comparing->place_size);
	return code;
}

/* The state as a whole: what is not replayed is taken from the live side. Only at one position does it make a state. */
static enum ll_code digest(struct comparing *comparing, bool replayed, char text[DIGEST_TEXT_SIZE + 1],
			   struct error *error)
{
	struct view *parts[PROJECTIONS_COUNT] = {NULL};
	struct joined_view joined;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct pair *pair = &comparing->pairs[id];
		if (pair->live)
			parts[id] = replayed && pair->replayed ? snapshot_view_view(pair->replayed)
							       : living_view(pair->live);
	}
	const struct fold *fold = &comparing->pairs[PROJECTION_BALANCES].fold;
	joined_view_init(&joined, parts, fold->next_seq, fold->time);
	enum ll_code code = digest_of_view(&joined.view, text, error);
	joined_view_release(&joined);
	return code;
}

static bool is_one_state(const struct comparing *comparing)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (OF_THE_STATE >> id & 1 &&
		    (!comparing->pairs[id].live || living_is_earlier(comparing->pairs[id].live) ||
		     comparing->pairs[id].fold.next_offset != comparing->pairs[PROJECTION_BALANCES].fold.next_offset))
			return false;
	return true;
}

static enum ll_code make_digests(struct comparing *comparing, struct error *error)
{
	struct verdict *verdict = comparing->verdict;
	verdict->has_digests = is_one_state(comparing);
	if (!verdict->has_digests)
		return LL_OK;
	snprintf(comparing->place, comparing->place_size, "the digest of the state");
	enum ll_code code = digest(comparing, true, verdict->replayed_digest, error);
	if (code == LL_OK && digest(comparing, false, verdict->live_digest, NULL) != LL_OK)
		snprintf(verdict->live_digest, sizeof verdict->live_digest, "unreadable"); /* its rows differ */
	return code;
}

static void unpin_live(struct comparing *comparing)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (comparing->pairs[id].live)
			living_unpin(comparing->pairs[id].live);
}

/* Folds to where the live ones stand, until they do not move much further while that is done; then they stay pinned. */
static enum ll_code come_near(struct comparing *comparing, bool may_miss, struct error *error)
{
	enum { NEAR_RECORDS = 64, ROUNDS_MAX = 10 };
	static const struct timespec first_flush = {0, 300000000}; /* an engine may have begun a moment ago */
	struct replay *replay = comparing->replay;
	for (unsigned round = 0;; round++) {
		enum ll_code code = pin_live(comparing, may_miss, error);
		if (code == LL_NOT_FOUND && round < ROUNDS_MAX) {
			unpin_live(comparing);
			nanosleep(&first_flush, NULL);
			continue;
		}
		unsigned id = code == LL_OK ? rearmost(comparing, 0) : PROJECTIONS_COUNT;
		if (id == PROJECTIONS_COUNT)
			return code;
		uint64_t wanted = comparing->pairs[id].fold.next_offset;
		uint64_t there = ledger_fold_state(replay->ledger)->next_offset;
		if (wanted <= there + NEAR_RECORDS || round == ROUNDS_MAX)
			return LL_OK;
		unpin_live(comparing);
		snprintf(comparing->place, comparing->place_size, "the journal");
		code = say_whose(fold_to(replay, wanted, error), id, error);
		if (code != LL_OK)
			return code;
	}
}

enum ll_code replay_compare(struct replay *replay, const char *root, bool may_miss, difference_fn *found, void *context,
			    struct verdict *verdict, char *place, size_t place_size, struct error *error)
{
	struct comparing comparing = {.replay = replay, .verdict = verdict, .place = place, .place_size = place_size};
	unsigned done = 0, id;
	*verdict = (struct verdict){.missing = 0};
	enum ll_code code = open_live(&comparing, root, may_miss, error);
	if (code == LL_OK)
		code = come_near(&comparing, may_miss, error);
	while (code == LL_OK && (id = rearmost(&comparing, done)) != PROJECTIONS_COUNT) {
		code = compare_one(&comparing, id, found, context, error);
		done |= 1u << id;
		verdict->entries = comparing.pairs[id].fold.next_seq;
	}
	if (code == LL_OK && done)
		code = make_digests(&comparing, error);
	release(&comparing);
	return code;
}
