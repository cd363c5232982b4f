/*
 * From a ledger that stands somewhere to one that stands at the journal's end: who opens a data directory does this first,
 * whatever for.
 */
#ifndef LEDGERLINE_CATCH_UP_H
#define LEDGERLINE_CATCH_UP_H

#include "engine/data/read_ahead.h"
#include "engine/journal/journal.h"
#include "projections/ledger/ledger.h"

/* So many records are a long way: worth a thread that reads ahead, and building in bulk what begins with nothing. */
enum { FAR_RECORDS = 64 };

/* Called now and then, for a person. */
typedef void catch_up_progress_fn(void *context, const struct fold *fold, uint64_t end);

/* Is this the log that the ledger was folded from? Compares identity, genesis, the block at the ledger's own position and that what was
 * skipped behind it is still void;
 * the low watermark must be 0, and the log must reach as far as the foremost projection has folded. LL_DIVERGED, LL_FOREIGN: it is not, with what differs and what to do. LL_NOT_FOUND: the journal
 * is empty: no genesis. BLOCKING. */
enum ll_code check_same_log(struct journal *journal, struct ledger *ledger, struct error *error) LL_CHECKED;

/* As check_same_log, for a fold that stands somewhere, when it is known how the log was called. Any thread. BLOCKING. */
enum ll_code check_log_of(struct journal *journal, const struct fold *fold, struct error *error) LL_CHECKED;

struct catch_up {
	catch_up_progress_fn *progress; /* may be NULL */
	ledger_visit_fn *visit;         /* sees every entry; may be NULL */
	void *context;
	/* Stop before the first record of which this says so: the one at which the ledger stands. May be NULL. */
	bool (*stop)(void *context, const struct read_record *record);
	void *stop_context;
	uint64_t end;            /* stop before this offset; UINT64_MAX: at the journal's end */
	uint64_t commit_entries; /* flush, and wait for it, after so many entries; 0: as memory asks for */
	uint64_t rate;           /* at most so many entries a second; 0: as fast as it goes */
	bool never_flush;        /* forks and measurements: all stays in memory */
	bool any_copy; /* the log may be a copy of the one that was folded: its content is compared, not how it is called */
	/* May be NULL. What of the journal is annulled, as far as it is known: see catch_up. The caller's, to be released. */
	struct annulments *annulled;
	const bool *interrupted; /* set by somebody, in any thread, to stop early; may be NULL */
};

/* check_same_log, then folds up to the end. *reader (may be NULL) is handed over, standing at the next record. A projection that was
 * poisoned, or is of another past, is an error when decisions read it. BLOCKING.
 *
 * LL_UNTRUSTED: a projection has folded what the journal annuls (projections/ledger/ledger.h). What it annuls is in how->annulled now:
 * the ledger is to be abandoned, opened with that set, and caught up again (catch_up_found_more tells this from other reasons). */
enum ll_code catch_up(struct journal *journal, struct ledger *ledger, const struct catch_up *how,
		      struct journal_reader **reader, struct error *error) LL_CHECKED;

/* Did the last catch_up, which ended with `code`, add to a set that had `known` annulments? */
bool catch_up_found_more(const struct catch_up *how, enum ll_code code, size_t known);

/* Appends the genesis to an empty journal. LL_EXISTS: it is not empty. BLOCKING. */
enum ll_code write_genesis(struct journal *journal, const char *name, int64_t now_ms, struct error *error) LL_CHECKED;

#endif
