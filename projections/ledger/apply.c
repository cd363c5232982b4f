#include "projections/ledger/apply.h"

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

static void apply_entry(struct applier *applier, unsigned mask, const struct entry *entry)
{
	struct error error;
	struct view *view = applier->view;
	mask &= ~applier->failed;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		if (!(mask & 1u << id))
			continue;
		enum ll_code code = projections[id]->apply(view, entry, &error);
		if (code == LL_OK && view->failure.code != LL_OK) {
			error = view->failure;
			code = error.code;
		}
		view->failure.code = LL_OK;
		if (code != LL_OK)
			stop(applier, id, &error);
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
		if (!entry_decode(&applying->cursor, entry))
			return false;
		prefetch_entry(applying->applier, applying->mask, entry);
	}
	return true;
}

static void apply_window(const struct applying *applying, const struct entry_window *window, ledger_visit_fn *visit,
			 void *context)
{
	for (uint32_t i = 0; i < window->count; i++) {
		apply_entry(applying->applier, applying->mask, &window->entries[i]);
		if (visit)
			visit(context, &window->entries[i]);
	}
}

/* Two windows in turn: while one is applied, the rows of the next are on their way to the cache. */
static bool apply_windows(struct applying *applying, ledger_visit_fn *visit, void *context)
{
	struct applier *applier = applying->applier;
	struct entry_window windows[2] = {{.arena = &applier->decoded[0]}, {.arena = &applier->decoded[1]}};
	unsigned turn = 0;
	uint32_t decoded = 0;
	bool fine = true;
	while (fine && decoded < applying->count) {
		fine = decode_window(applying, decoded, &windows[turn]);
		decoded += windows[turn].count;
		turn = !turn;
		apply_window(applying, &windows[turn], visit, context);
	}
	if (fine)
		apply_window(applying, &windows[!turn], visit, context);
	return fine && (applying->count < applying->block->count || applying->cursor.at == applying->cursor.end);
}

void apply_block(struct applier *applier, const struct block *block, uint32_t count, uint64_t offset, int64_t time,
		 unsigned mask, ledger_visit_fn *visit, void *context)
{
	struct applying applying = {applier, block, count, offset, time, mask, cursor_over(block->body, NULL)};
	struct error error;
	applier->failed = 0;
	if (apply_windows(&applying, visit, context))
		return;
	const char *failed = applying.cursor.failed;
	error_set(&error, LL_POISON, "%s", failed ? failed : "bytes left over after the last entry");
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (mask & 1u << id)
			stop(applier, id, &error);
}
