/*
 * A view: state as of one entry, however it is held. All reads and all decisions go through one.
 *
 *	live        the stores of a running fold: committed rows, or with the overlay of the block being decided
 *	snapshot    what the last flush left, as another thread or process sees it
 *	layer       another view under changes in memory
 *
 * A past state is a live view, of stores that are a fork of a snapshot (projections/ledger/ledger.h).
 *
 * A row that cannot be decoded makes the view fail for good: `failure` is set, the row reads as absent, and whoever
 * decides, folds or answers must look at `failure` before the result is used.
 *
 * A view is used by one thread. Rows that were read point into the store and into the arena: good until the next change
 * of the same view or the reset of the arena, whichever comes first.
 */
#ifndef LEDGERLINE_VIEW_H
#define LEDGERLINE_VIEW_H

#include "projections/store/store.h"
#include "schemas/tables.h"

struct view;
struct totals_cache;

struct view_ops {
	bool (*get)(struct view *, enum table_id, struct slice key, struct slice *value);
	void (*scan)(struct view *, enum table_id, struct slice from, struct slice to, bool backwards, store_visit_fn *,
		     void *context);
	/* NULL in a view that cannot be changed. An empty value removes. */
	void (*put)(struct view *, enum table_id, struct slice key, struct slice value);
};

struct view {
	const struct view_ops *ops;  /* NULL: live: the stores are asked directly */
	struct store **stores;       /* by enum projection_id; NULL where a projection is not open */
	bool overlay;                /* live: uncommitted rows are seen, and changes go there */
	struct arena *arena;         /* for lists of rows; reset by whoever owns it, between units of work */
	struct error failure;        /* code LL_OK while all is well */
	struct totals_cache *totals; /* of a fold: see projections/balances/totals.h; NULL: none */
	/* Where the state stands: after entry next_seq - 1. */
	uint64_t next_seq;
	int64_t time; /* effective time of that entry */
};

static inline struct store *view_store(struct view *view, enum table_id table)
{
	return view->stores[table_places[table].projection];
}

static inline bool view_get(struct view *view, enum table_id table, struct slice key, struct slice *value)
{
	if (__builtin_expect(!view->ops, 1))
		return store_get(view_store(view, table), table_places[table].index, key, view->overlay, value);
	return view->ops->get(view, table, key, value);
}

/* Rows with from <= key < to (empty `to`: to the end), as store_scan. */
void view_scan(struct view *view, enum table_id table, struct slice from, struct slice to, bool backwards,
	       store_visit_fn *visit, void *context);

/* Rows whose key begins with `prefix`. */
void view_scan_prefix(struct view *view, enum table_id table, struct slice prefix, bool backwards,
		      store_visit_fn *visit, void *context);

/* Changes a row; an empty value removes it. Only in a fold or an overlay. */
void view_put(struct view *view, enum table_id table, struct slice key, struct slice value);

/* Sets the failure, once: the first one stays. */
void view_fail(struct view *view, enum ll_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
