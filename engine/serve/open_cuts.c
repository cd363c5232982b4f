#include "engine/serve/open_cuts.h"

#include <pthread.h>
#include <stdlib.h>

#include "schemas/codes.h"
#include "schemas/wire/ensure.h"

struct slot {
	struct cut *cut; /* NULL: the slot is free */
	unsigned mask;
	bool is_taken;
	uint64_t asked;  /* by order */
	int64_t time_to; /* the latest time that came to lie here; NONE_TIME: none did */
};

struct open_cuts {
	pthread_mutex_t lock;
	pthread_cond_t given;
	struct slot slots[OPEN_CUTS_MAX];
	uint64_t order;
	struct open_cuts_counts counts;
};

struct open_cuts *open_cuts_new(void)
{
	struct open_cuts *cuts = calloc(1, sizeof *cuts);
	ENSURE(cuts && "memory is used up");
	ENSURE(pthread_mutex_init(&cuts->lock, NULL) == 0);
	ENSURE(pthread_cond_init(&cuts->given, NULL) == 0);
	return cuts;
}

void open_cuts_free(struct open_cuts *cuts)
{
	if (!cuts)
		return;
	for (unsigned i = 0; i < OPEN_CUTS_MAX; i++)
		cut_close(cuts->slots[i].cut);
	pthread_cond_destroy(&cuts->given);
	pthread_mutex_destroy(&cuts->lock);
	free(cuts);
}

/* ---- finding ---- */

/* `high`: of the journal, for the latest. */
static bool is_at(const struct slot *slot, const struct cut_point *point, uint64_t high)
{
	uint64_t entries = cut_entries(slot->cut);
	switch (point->kind) {
	case CUT_START: return entries == 0;
	case CUT_ENTRY: return entries == point->entry + 1;
	case CUT_LATEST: return cut_next_offset(slot->cut) == high;
	case CUT_TIME: break;
	}
	return slot->time_to != NONE_TIME && point->time <= slot->time_to &&
	       (entries == 0 || point->time >= cut_time(slot->cut));
}

static int find(const struct open_cuts *cuts, const struct cut_point *point, unsigned mask, uint64_t high)
{
	for (int i = 0; i < OPEN_CUTS_MAX; i++) {
		const struct slot *slot = &cuts->slots[i];
		if (slot->cut && (slot->mask & mask) == mask && is_at(slot, point, high))
			return i;
	}
	return -1;
}

/* An open one, once nobody has it. false: there is none, or it is taken and the caller must not wait. */
static bool take_open(struct open_cuts *cuts, const struct cut_point *point, unsigned mask, uint64_t high, bool holds,
		      struct taken_cut *taken)
{
	int found;
	pthread_mutex_lock(&cuts->lock);
	while ((found = find(cuts, point, mask, high)) >= 0 && cuts->slots[found].is_taken && !holds)
		pthread_cond_wait(&cuts->given, &cuts->lock);
	if (found >= 0 && cuts->slots[found].is_taken)
		found = -1;
	if (found >= 0) {
		struct slot *slot = &cuts->slots[found];
		slot->is_taken = true;
		slot->asked = ++cuts->order;
		*taken = (struct taken_cut){slot->cut, *point, slot->mask, found};
	}
	cuts->counts.found += found >= 0;
	cuts->counts.opened += found < 0;
	pthread_mutex_unlock(&cuts->lock);
	return found >= 0;
}

enum ll_code open_cuts_take(struct open_cuts *cuts, const struct cut_source *source, const struct cut_point *point,
			    int64_t now_ms, bool holds, struct taken_cut *taken, int *refused, struct error *error)
{
	struct journal_watermarks marks = {0};
	enum ll_code code = LL_OK;
	*refused = 0;
	*taken = (struct taken_cut){.cut = NULL};
	if (point->kind == CUT_LATEST)
		code = journal_watermarks(source->journal, &marks, error);
	if (code != LL_OK)
		return code;
	if (take_open(cuts, point, source->mask, marks.high, holds, taken))
		return LL_OK;
	*taken = (struct taken_cut){.point = *point, .mask = source->mask, .slot = -1};
	return cut_open(source, point, now_ms, &taken->cut, refused, error);
}

/* ---- keeping ---- */

static size_t bytes_of(const struct open_cuts *cuts)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < OPEN_CUTS_MAX; i++)
		bytes += cuts->slots[i].cut ? cut_bytes(cuts->slots[i].cut) : 0;
	return bytes;
}

static struct slot *free_slot(struct open_cuts *cuts)
{
	for (unsigned i = 0; i < OPEN_CUTS_MAX; i++)
		if (!cuts->slots[i].cut)
			return &cuts->slots[i];
	return NULL;
}

/* NULL: all are taken. */
static struct slot *asked_longest_ago(struct open_cuts *cuts)
{
	struct slot *oldest = NULL;
	for (unsigned i = 0; i < OPEN_CUTS_MAX; i++) {
		struct slot *slot = &cuts->slots[i];
		if (slot->cut && !slot->is_taken && (!oldest || slot->asked < oldest->asked))
			oldest = slot;
	}
	return oldest;
}

/* Closing may take a while, and is done without the lock: what is to be closed comes into `closed`. */
static struct slot *make_room(struct open_cuts *cuts, size_t bytes, struct cut *closed[OPEN_CUTS_MAX])
{
	unsigned count = 0;
	if (bytes > OPEN_CUTS_BYTES_MAX)
		return NULL;
	while (!free_slot(cuts) || bytes_of(cuts) + bytes > OPEN_CUTS_BYTES_MAX) {
		struct slot *oldest = asked_longest_ago(cuts);
		if (!oldest)
			return NULL;
		closed[count++] = oldest->cut;
		oldest->cut = NULL;
	}
	return free_slot(cuts);
}

/* What a time came to, any time up to it comes to. */
static void note_time(struct slot *slot, const struct cut_point *point)
{
	if (point->kind == CUT_TIME && (slot->time_to == NONE_TIME || point->time > slot->time_to))
		slot->time_to = point->time;
}

static void give_back(struct slot *slot, const struct taken_cut *taken, bool is_well, struct cut **closed)
{
	slot->is_taken = false;
	note_time(slot, &taken->point);
	if (is_well)
		return;
	*closed = slot->cut;
	slot->cut = NULL;
}

static void keep(struct open_cuts *cuts, const struct taken_cut *taken, struct cut *closed[OPEN_CUTS_MAX + 1])
{
	struct slot *slot = make_room(cuts, cut_bytes(taken->cut), closed);
	if (!slot) {
		closed[OPEN_CUTS_MAX] = taken->cut;
		return;
	}
	*slot = (struct slot){.cut = taken->cut, .mask = taken->mask, .asked = ++cuts->order, .time_to = NONE_TIME};
	note_time(slot, &taken->point);
}

void open_cuts_give(struct open_cuts *cuts, struct taken_cut *taken)
{
	struct cut *closed[OPEN_CUTS_MAX + 1] = {NULL};
	if (!taken->cut)
		return;
	bool is_well = cut_view(taken->cut)->failure.code == LL_OK;
	cut_reset(taken->cut);
	pthread_mutex_lock(&cuts->lock);
	if (taken->slot >= 0)
		give_back(&cuts->slots[taken->slot], taken, is_well, &closed[0]);
	else if (is_well)
		keep(cuts, taken, closed);
	else
		closed[0] = taken->cut;
	pthread_cond_broadcast(&cuts->given);
	pthread_mutex_unlock(&cuts->lock);
	for (unsigned i = 0; i <= OPEN_CUTS_MAX; i++)
		cut_close(closed[i]);
	*taken = (struct taken_cut){.cut = NULL};
}

void open_cuts_count(struct open_cuts *cuts, struct open_cuts_counts *counts)
{
	pthread_mutex_lock(&cuts->lock);
	*counts = cuts->counts;
	counts->open = 0;
	for (unsigned i = 0; i < OPEN_CUTS_MAX; i++)
		counts->open += cuts->slots[i].cut != NULL;
	pthread_mutex_unlock(&cuts->lock);
}
