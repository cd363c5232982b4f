#include "projections/ledger/apply.h"

#include <inttypes.h>

void applier_release(struct applier *applier)
{
	arena_release(&applier->decoded[0]);
	arena_release(&applier->decoded[1]);
}

static void stop(struct applier *applier, enum projection_id id, const struct error *error)
{
	if (!(applier->failed & 1u << id))
		applier->failures[id] = *error;
	applier->failed |= 1u << id;
}

/* What cannot be folded is told by its position: that is what `journal annul` asks for. */
static void stop_at(struct applier *applier, enum projection_id id, const struct poison *poison, struct error *error)
{
	if (error->code == LL_POISON) {
		(void)error_prefix(error, "position 0:%" PRIu64, poison->seq);
		if (!(applier->failed & 1u << id))
			applier->poisons[id] = *poison;
	}
	stop(applier, id, error);
}

static bool is_annulled(const struct applier *applier, uint64_t offset, uint32_t index)
{
	return applier->annulled && applier->annulled->count && annulments_cover(applier->annulled, offset, index);
}

static void apply_entry(struct applier *applier, unsigned mask, const struct entry *entry)
{
	struct error error;
	struct view *view = applier->view;
	mask &= ~applier->failed;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		if (!(mask & 1u << id))
			continue;
		enum ll_code code = projections[id]->apply(view, entry, &error);
		/* What contradicts a state that cannot be read is no poison. */
		if (view->failure.code != LL_OK) {
			error = view->failure;
			code = error.code;
		}
		view->failure.code = LL_OK;
		if (code != LL_OK)
			stop_at(applier, id, &(struct poison){entry->offset, entry->index, entry->seq}, &error);
	}
	arena_reset(view->arena);
}

/* Only stores have a use for it. */
static void prefetch_entry(const struct applier *applier, unsigned mask, const struct entry *entry)
{
	if (applier->view->ops)
		return;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (mask & 1u << id && projections[id]->prefetch)
			projections[id]->prefetch(applier->view, entry);
}

/* Some entries of a block, decoded. */
struct entry_window {
	struct arena *arena;
	uint32_t count;
	bool is_last; /* what follows cannot be decoded, and is annulled */
	struct entry entries[ENTRIES_AHEAD];
};

/* A block being applied. */
struct applying {
	struct applier *applier;
	const struct block *block;
	uint32_t count; /* so many of its entries */
	uint64_t offset;
	int64_t time;
	unsigned mask;
	struct cursor cursor;
};

/* Decodes the next entries, from number `first` of the block on, and announces them to the cache. */
static bool decode_window(struct applying *applying, uint32_t first, struct entry_window *window)
{
	uint32_t left = applying->count - first;
	arena_reset(window->arena);
	applying->cursor.arena = window->arena;
	window->count = left < ENTRIES_AHEAD ? left : ENTRIES_AHEAD;
	for (uint32_t i = 0; i < window->count; i++) {
		struct entry *entry = &window->entries[i];
		applying->cursor.seq = applying->block->first_seq + first + i;
		*entry = (struct entry){.seq = applying->cursor.seq,
					.offset = applying->offset,
					.index = first + i,
					.time = applying->time};
		if (!entry_decode(&applying->cursor, entry)) {
			window->count = i;
			window->is_last = is_annulled(applying->applier, applying->offset, first + i);
			return window->is_last;
		}
		prefetch_entry(applying->applier, applying->mask, entry);
	}
	return true;
}

/* Who has folded what this entry annuls cannot take it back: a fold from before it is needed. */
static void look_for_annulment(const struct applying *applying, const struct entry *entry)
{
	struct annulment annulment;
	struct error error;
	if (!annulment_of(applying->block, entry, &annulment) ||
	    is_annulled(applying->applier, annulment.offset, annulment.index))
		return;
	error_set(&error, LL_UNTRUSTED,
		  "an entry that it has folded is annulled here: start the engine again, which builds it anew without "
		  "that entry");
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (applying->mask & 1u << id)
			stop(applying->applier, id, &error);
}

static void apply_window(const struct applying *applying, const struct entry_window *window, ledger_visit_fn *visit,
			 void *context)
{
	for (uint32_t i = 0; i < window->count; i++) {
		const struct entry *entry = &window->entries[i];
		if (is_annulled(applying->applier, entry->offset, entry->index))
			continue;
		if (applying->applier->before)
			applying->applier->before(applying->applier->before_context, entry);
		apply_entry(applying->applier, applying->mask, entry);
		look_for_annulment(applying, entry);
		if (visit)
			visit(context, entry);
	}
}

/* Two windows in turn: while one is applied, the rows of the next are on their way to the cache. *failed_at: the entry that cannot
 * be decoded; of bytes behind the last one: the last. */
static bool apply_windows(struct applying *applying, ledger_visit_fn *visit, void *context, uint32_t *failed_at)
{
	struct applier *applier = applying->applier;
	struct entry_window windows[2] = {{.arena = &applier->decoded[0]}, {.arena = &applier->decoded[1]}};
	unsigned turn = 0;
	uint32_t decoded = 0, last = applying->block->count - 1;
	bool fine = true, cut = false;
	while (fine && !cut && decoded < applying->count) {
		fine = decode_window(applying, decoded, &windows[turn]);
		decoded += windows[turn].count;
		cut = windows[turn].is_last;
		turn = !turn;
		apply_window(applying, &windows[turn], visit, context);
	}
	apply_window(applying, &windows[!turn], visit, context);
	*failed_at = decoded < last ? decoded : last;
	return fine && (cut || applying->count < applying->block->count ||
			applying->cursor.at == applying->cursor.end || is_annulled(applier, applying->offset, last));
}

void apply_block(struct applier *applier, const struct block *block, uint32_t count, uint64_t offset, int64_t time,
		 unsigned mask, ledger_visit_fn *visit, void *context)
{
	struct applying applying = {applier, block, count, offset, time, mask, cursor_over(block->body, NULL)};
	uint32_t at = 0;
	applier->failed = 0;
	if (apply_windows(&applying, visit, context, &at))
		return;
	const char *failed = applying.cursor.failed;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct error error;
		if (!(mask & 1u << id))
			continue;
		error_set(&error, LL_POISON, "%s", failed ? failed : "bytes left over after the last entry");
		stop_at(applier, id, &(struct poison){offset, at, block->first_seq + at}, &error);
	}
}
