/*
 * Who reads a store: the slots of dead processes are cleared, and who stands still for long is noted.
 *
 * A reader that keeps a snapshot keeps every page that was replaced since, and the file grows until it lets go. LMDB knows
 * the process and the commit of each, but no times. So this looks again and again: a reader is counted from the look that first
 * saw it behind the newest commit. One that pins anew moves on to a newer commit, and is counted anew.
 */
#ifndef LEDGERLINE_STORE_READERS_H
#define LEDGERLINE_STORE_READERS_H

#include "projections/store/environment.h"
#include "projections/store/store.h"

struct watched {
	struct environment_reader reader;
	int64_t since_ms;
	uint64_t commits_behind, held_ms; /* as of the last look */
	bool is_long, is_new;             /* new: it was not long at the look before */
};

/* All zeros: nothing was seen yet. */
struct reader_watch {
	struct watched *watched; /* malloc'ed room for ENVIRONMENT_READERS_MAX, or NULL */
	unsigned count;
	uint64_t cleared; /* slots of dead processes, ever */
};
void reader_watch_release(struct reader_watch *watch);

/* A look, at a time of a clock that only goes forward. LL_IO and the like when the lock file cannot be asked: nothing is changed. `error` may be NULL. */
enum ll_code reader_watch_look(struct reader_watch *watch, struct environment *environment, int64_t now_ms,
			       struct error *error) LL_CHECKED;

/* Those that were long at the last look, `room` of them at most; how many there are in all. */
unsigned reader_watch_long(const struct reader_watch *watch, struct store_reader *readers, unsigned room);

#endif
