/*
 * The data directory: what `--data DIR` holds.
 *
 *	DIR/journal.url              which journal it belongs to; written once
 *	DIR/lock                     held by the one engine (or tool) that works on it
 *	DIR/journal/                 the embedded journal, when that is the one
 *	DIR/projections/NAME/        generations of each projection, and which is current
 *	DIR/snapshots/
 *
 * All but the journal may be deleted while nothing runs.
 */
#ifndef LEDGERLINE_DATA_H
#define LEDGERLINE_DATA_H

#include "engine/journal/journal.h"
#include "projections/ledger/ledger.h"

enum { DATA_PATH_MAX = 4096, DATA_NAME_MAX = 256 };

struct data {
	char path[DATA_PATH_MAX / 2];
	char url[JOURNAL_URL_MAX]; /* of its journal */
	int lock;                  /* descriptor, or -1 */
	bool is_known;             /* the directory remembers its journal */
	bool is_new; /* it was made by this opening, and goes with it unless it comes to remember a journal */
	/* Of DATA_MAKE, where it is no data directory yet: something else that lies there; empty: nothing does. */
	char among[DATA_NAME_MAX];
};

enum data_use {
	DATA_READ, /* look only: must exist */
	DATA_WORK, /* write projections: takes the lock */
	DATA_MAKE, /* as WORK; made when it is not there */
};

/* Opens DIR and settles which journal it belongs to; see data_remember. `url` may be NULL: what the directory remembers, or (DATA_MAKE) the
 * embedded one. LL_BUSY: an engine works on it (its pid is named). LL_EXISTS: it belongs to another journal than `url`.
 * LL_NOT_FOUND, LL_DENIED, LL_IO. */
enum ll_code data_open(const char *path, const char *url, enum data_use use, struct data *data,
		       struct error *error) LL_CHECKED;
void data_close(struct data *data);

/* Holds a directory that was opened with DATA_READ, for a moment. LL_BUSY: somebody works on it (the pid is named); `patient`: still after
 * a second. */
enum ll_code data_lock(struct data *data, bool patient, struct error *error) LL_CHECKED;
void data_unlock(struct data *data);

/* Writes down which journal the directory belongs to, if it is not there yet. Called when that journal was seen to be one: a
 * mistyped URL must leave nothing behind. */
enum ll_code data_remember(struct data *data, struct error *error) LL_CHECKED;

/* The pid of the process that holds the lock; 0: nobody does. */
int data_holder(const char *path);

/* The root of a projection's generations. */
void data_projection_root(const struct data *data, enum projection_id id, char path[DATA_PATH_MAX]);

/* Opens the ledger over the current generations of the projections in `mask`. One that is not there, is of an older layout, or
 * cannot be trusted after the machine stopped is begun anew (told through `tell`, may be NULL): it fills while the
 * journal is folded. */
enum ll_code data_open_ledger(const struct data *data, unsigned mask, struct ledger_options *options,
			      void (*tell)(const char *sentence), struct ledger **ledger,
			      struct error *error) LL_CHECKED;

#endif
