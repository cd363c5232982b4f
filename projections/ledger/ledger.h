/*
 * A ledger: projections that are folded together from one journal.
 *
 * It is given records, in order, from wherever they come; it decides by the fold rule which are history, and applies their
 * entries to every projection that it holds. It knows no journal, no loop, no clock.
 *
 *	record -> fold_record -> entries, decoded a few at a time -> each projection's apply -> visit
 *
 * Positions. Projections may stand at different places when they are opened (one was deleted or crashed). The ledger starts
 * at the lowest; a projection that is ahead skips blocks until its own position. As soon as the ledger stands there (it may at once)
 * its chain hash must equal the ledger's: if it does not, that projection is of another past (LL_DIVERGED).
 *
 * Poison. A valid block that cannot be decoded, or an entry that contradicts a projection's state, stops that projection:
 * its failure is kept, its store is not flushed beyond the block before, the others go on.
 *
 * Annulments. An entry that a later one annuls is applied to nothing, and no visitor sees it (projections/fold/annulments.h). The
 * caller finds them in the journal (engine/data/annulled.h) and gives them to ledger_open. A projection that has folded what
 * is annulled is of no use: ledger_open says LL_UNTRUSTED of it, and one that meets an annulment which it has not honoured stops
 * with LL_UNTRUSTED.
 *
 * Memory. Everything given to a visitor lies in the ledger's arena and is good during the visit.
 */
#ifndef LEDGERLINE_LEDGER_H
#define LEDGERLINE_LEDGER_H

#include "projections/fold/fold.h"
#include "projections/projection.h"

struct ledger;

enum { PROJECTIONS_ALL = (1 << PROJECTIONS_COUNT) - 1, ENTRIES_AHEAD = 16 };

/* Projections that decisions read. */
#define PROJECTIONS_DECIDING                                                                                           \
	(1u << PROJECTION_BALANCES | 1u << PROJECTION_SEATS | 1u << PROJECTION_QUEUE | 1u << PROJECTION_RECEIPTS)

struct ledger_options {
	const char *directories[PROJECTIONS_COUNT]; /* a generation's directory each; NULL: not held */
	bool create;                                /* directories that are not there are made */
	bool bulk;                                  /* a rebuild: large layers, no checkpoints */
	bool resume;                                /* with bulk: what was left half built is built on */
	/* A bit for each projection that is held as a fork (projections/store/store.h): over its directory, which is only read, or over nothing
	 * where that is NULL. All or none. What is folded stays in memory (ledger_bytes); such a ledger is abandoned, never closed or flushed. */
	unsigned fork;
	const struct annulments *annulled; /* copied; NULL: not looked for yet */
	size_t clean_bytes_max;            /* of all stores together; 0: their defaults */
	/* Sees each entry before it is applied, while ledger_view stands right before it; rows go to that view's arena. For checks of what balances,
	 * seats, queue and rankings are; others may be folded by another thread meanwhile. May be NULL. */
	void (*before)(void *context, const struct entry *entry);
	void *before_context;
	void (*flushed)(void *); /* called by flush threads when a flush ended; may be NULL */
	void *flushed_context;
};

/* Opens the stores. A store that must be thrown away (LL_UNTRUSTED, LL_OLDER) is an error that names it: the caller deletes or
 * replaces the directory and opens again; *which (may be NULL) says which projection it was. */
enum ll_code ledger_open(const struct ledger_options *options, struct ledger **ledger, enum projection_id *which,
			 struct error *error) LL_CHECKED;

/* From now on these are left out too; for a ledger that has folded none of them since it was opened. LL_UNTRUSTED: the projection
 * *which (may be NULL) folded one before it was annulled, or left out what is not annulled. The ledger must then be abandoned. */
enum ll_code ledger_honour(struct ledger *ledger, const struct annulments *annulled, enum projection_id *which,
			   struct error *error) LL_CHECKED;
const struct annulments *ledger_annulments(const struct ledger *ledger);

/* A projection stands between an entry that it left out and the annulment of it, which is not in ledger_annulments: the journal is to be
 * looked through before anything is folded. */
bool ledger_leans_on_annulments(const struct ledger *ledger);

/* Flushes everything, marks it clean, closes. Even when it fails, all is freed. NULL allowed. */
enum ll_code ledger_close(struct ledger *ledger, struct error *error) LL_CHECKED;
void ledger_abandon(struct ledger *ledger); /* closes as a crash would */

/* Which log it is: remembered in positions. Returns LL_DIVERGED when a position is of another log, with both named. */
enum ll_code ledger_bind(struct ledger *ledger, const char *kind, const char *cluster, const char *topic,
			 struct error *error) LL_CHECKED;

/* Where the fold stands. begun is false before the genesis. */
const struct fold *ledger_fold_state(const struct ledger *ledger);

/* What became of a record, while entries are visited. */
typedef void ledger_visit_fn(void *context, const struct entry *entry);

/* Folds the record at ledger_fold_state()->next_offset. `visit` (may be NULL) sees every entry after it was applied.
 * Errors are fold_record's: final, nothing was applied. LL_POISON, or what else its failure says: a projection that decisions read has stopped (at
 * this record or before): reading on is allowed, deciding is not. */
enum ll_code ledger_fold(struct ledger *ledger, uint64_t offset, struct slice value, enum fold_verdict *verdict,
			 ledger_visit_fn *visit, void *context, struct error *error) LL_CHECKED;

/* As ledger_fold, for a record that was judged elsewhere: `verdict`, `block` and `after` are what fold_record made of it, beginning
 * with a copy of ledger_fold_state(). The block is borrowed for the call. */
enum ll_code ledger_take(struct ledger *ledger, uint64_t offset, const struct fold *after, enum fold_verdict verdict,
			 const struct block *block, ledger_visit_fn *visit, void *context,
			 struct error *error) LL_CHECKED;

/* As ledger_take, but the first `count` entries of a block alone, of a ledger that is a fork: it then stands within the block, as its view
 * says and ledger_fold_state does not, and folds nothing more. */
enum ll_code ledger_take_part(struct ledger *ledger, uint64_t offset, const struct fold *after,
			      const struct block *block, uint32_t count, struct error *error) LL_CHECKED;

/* Of a fork: memory of what was folded. */
size_t ledger_bytes(const struct ledger *ledger);

/* LL_OK while deciding is allowed; else the failure of a projection that decisions read, as ledger_fold tells it. After ledger_open too:
 * of projections that stand at one place and have not come there by the same way, one is of another past. */
enum ll_code ledger_health(const struct ledger *ledger, struct error *error) LL_CHECKED;
/* Where the entry stands that stopped a projection with LL_POISON. false: nothing poisoned it. */
struct poison {
	uint64_t offset;
	uint32_t index;
	uint64_t seq;
};
bool ledger_poison(const struct ledger *ledger, enum projection_id id, struct poison *poison);

/* A bit for each projection that has stopped. */
unsigned ledger_stopped(const struct ledger *ledger);

/* The failure of a projection; NULL while it is well (or not held). */
const struct error *ledger_failure(const struct ledger *ledger, enum projection_id id);

/* The first offset that no projection has folded: beyond the fold's own while some are ahead of it. */
uint64_t ledger_furthest(const struct ledger *ledger);

/* The first entry that a projection has not folded. */
uint64_t ledger_position(const struct ledger *ledger, enum projection_id id);
bool ledger_holds(const struct ledger *ledger, enum projection_id id);
struct store *ledger_store(struct ledger *ledger, enum projection_id id); /* NULL: not held */

/* Is a block being decided on top? */
bool ledger_overlay_is_open(const struct ledger *ledger);

/* Takes a projection over from another ledger that stands at the same record: from now on `ledger` folds and reads that one, with
 * what it has not flushed. Returns the store that it had, which is the caller's then (store_retire, store_close, in any thread), or NULL.
 * `from` holds the projection no more. Not while a block is being decided. LL_DIVERGED: they do not stand at one record. */
enum ll_code ledger_take_over(struct ledger *ledger, struct ledger *from, enum projection_id id,
			      struct store **replaced, struct error *error) LL_CHECKED;

/* ---- views ---- */

/* Committed state. Rows decoded through it go to an arena that the caller resets with ledger_view_reset. */
struct view *ledger_view(struct ledger *ledger);
void ledger_view_reset(struct ledger *ledger);

/* The state with the block being decided on top. Between ledger_overlay_open and ledger_overlay_drop only. */
struct view *ledger_overlay_view(struct ledger *ledger);
void ledger_overlay_open(struct ledger *ledger);
void ledger_overlay_drop(struct ledger *ledger); /* allowed when none is open */

/* Takes back the memory of rows read through the overlay view; ledger_overlay_apply does so too. */
void ledger_overlay_reset(struct ledger *ledger);

/* Applies a decided entry to the overlay of the deciding projections. LL_POISON: a decision that contradicts the rules: a bug
 * of this program, caught before it was written. */
enum ll_code ledger_overlay_apply(struct ledger *ledger, const struct entry *entry, struct error *error) LL_CHECKED;

/* ---- flushing ---- */

/* Takes note of flushes that ended. A failed flush stops its projection (ledger_failure). */
void ledger_poll(struct ledger *ledger);

/* Freezes all projections at the last folded block and starts their flushes, if none is under way and anything is to be
 * written. true: flushes were started. */
bool ledger_freeze(struct ledger *ledger);

/* Is the filling layer so large that a flush should start now (bulk), or that nothing more should be taken in (behind)? */
bool ledger_wants_freeze(const struct ledger *ledger);
bool ledger_is_behind(const struct ledger *ledger);
bool ledger_is_flushing(const struct ledger *ledger);
bool ledger_is_dirty(const struct ledger *ledger); /* folded further than flushed or being flushed */

/* For a long fold, after each record: starts flushes as memory asks for them, and waits for them when they fall behind. A bulk
 * fold flushes each projection when its own layer is full: nobody reads it yet, so their positions may differ. BLOCKING. */
void ledger_make_room(struct ledger *ledger);

/* Waits until nothing is being flushed. BLOCKING. */
void ledger_wait(struct ledger *ledger);

/* Flushes all, waits, so that readers in other processes see the last folded block. BLOCKING. */
enum ll_code ledger_flush(struct ledger *ledger, struct error *error) LL_CHECKED;

#endif
