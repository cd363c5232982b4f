/*
 * Cuts: the state as of one entry, or of one moment.
 *
 * A past state is a projection that was folded only so far. The nearest snapshot before the cut (or nothing) lies below, a fork of it
 * (ledger_open) in memory on top, into which the journal is folded up to the cut by the code that folds today's; what is too much for memory goes
 * into a directory for work first, as a rebuild does. Then the state is read with the code that reads today's.
 *
 *	latest        after the last entry that the journal has now
 *	0:1842        right after that entry
 *	start         before the first entry: the genesis alone
 *	a time        after the last entry whose time is not later; final only when an entry of a later time is there
 *
 * A cut is used by one thread. It reads the journal while it is opened, not afterwards.
 */
#ifndef LEDGERLINE_AUDIT_CUT_H
#define LEDGERLINE_AUDIT_CUT_H

#include "engine/journal/journal.h"
#include "projections/export/export.h"
#include "projections/fold/fold.h"
#include "projections/views/view.h"
#include "schemas/wire/json.h"

enum cut_kind { CUT_LATEST, CUT_START, CUT_ENTRY, CUT_TIME };

struct cut_point {
	enum cut_kind kind;
	uint64_t entry; /* of CUT_ENTRY: its number */
	int64_t time;   /* of CUT_TIME: ms */
};

/* Reads one as a person writes it. false: it is none. */
bool cut_parse(struct slice text, struct cut_point *point);

struct cut_source {
	struct journal *journal; /* borrowed while a cut is opened */
	const char *snapshots;   /* where there may be some; NULL: nowhere */
	const char *scratch;     /* a directory in which one for work may be made */
	unsigned mask;           /* projections that will be read, a bit for each */
	size_t bytes_max;        /* what may be folded in memory; a longer way goes through a directory. 0: 128 MiB */
	const bool *interrupted; /* set by somebody, in any thread, to give up; may be NULL */
	void (*progress)(void *context, const struct fold *fold, uint64_t end); /* may be NULL */
	void *context;
};

struct cut;

/* Opens one. *refused: 0; or CODE_CUT_NOT_FOUND (the journal does not reach so far) or CODE_CUT_NOT_FINAL (entries of that time
 * may still come), and then there is no cut. Errors as of catch_up; LL_POISON: an entry before the cut contradicts the state
 * and is not annulled: those that are, wherever the journal says so, are left out. BLOCKING. */
enum ll_code cut_open(const struct cut_source *source, const struct cut_point *point, int64_t now_ms, struct cut **cut,
		      int *refused, struct error *error) LL_CHECKED;
void cut_close(struct cut *cut); /* NULL allowed */

/* The state; of the projections that were asked for. */
struct view *cut_view(struct cut *cut);

/* The digest of the state, of a cut of the projections that AUDIT_TOTALS reads. All of the state is read for it, once for each cut. Errors of
 * digest_of_view. */
enum ll_code cut_digest(struct cut *cut, char digest[DIGEST_TEXT_SIZE + 1], struct error *error) LL_CHECKED;

/* Takes back what answers have allocated in it: between two questions. */
void cut_reset(struct cut *cut);

/* Memory that it holds. */
size_t cut_bytes(const struct cut *cut);

/* The offset of the first record that was not folded whole. */
uint64_t cut_next_offset(const struct cut *cut);

/* Where it was resolved to: entries before it, and the time of the last one (NONE_TIME when there is none). */
uint64_t cut_entries(const struct cut *cut);
int64_t cut_time(const struct cut *cut);

/* The entries that it left out because the journal annuls them, as far as that was looked for. */
const struct annulments *cut_annulled(const struct cut *cut);

/* {"position","time"} */
void cut_write_at(const struct cut *cut, struct json_writer *writer);

#endif
