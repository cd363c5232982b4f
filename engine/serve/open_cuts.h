/*
 * Cuts that stay open for the next question about the same moment.
 *
 * Opening a cut folds from the nearest snapshot up to it; asking an open one is a read. So a server keeps those that were asked last: at most
 * OPEN_CUTS_MAX, with at most OPEN_CUTS_BYTES_MAX of memory between them; then the one that was asked longest ago is closed. Past states do not change, so
 * an open cut is never stale; it only may not be what `latest` means any more.
 *
 *	the same entry           the same cut, however it was named
 *	a time                   the same cut, if it lies between the cut's last entry and a time that came to lie there before
 *	latest                   the same cut, if the journal has not grown since
 *
 * For several threads at once: a cut that is taken belongs to who took it until it is given back. Who wants one that is taken waits for it, unless
 * he holds one already: then another one is opened, so that two who want two never wait for each other.
 */
#ifndef LEDGERLINE_SERVE_OPEN_CUTS_H
#define LEDGERLINE_SERVE_OPEN_CUTS_H

#include "engine/audit/cut.h"

enum { OPEN_CUTS_MAX = 8 };
#define OPEN_CUTS_BYTES_MAX ((size_t)256 << 20)

struct open_cuts;

struct open_cuts *open_cuts_new(void);
void open_cuts_free(struct open_cuts *cuts); /* nothing is taken any more. NULL allowed */

/* One that was taken. All zeros: none. */
struct taken_cut {
	struct cut *cut;
	struct cut_point point;
	unsigned mask;
	int slot; /* where it stays; -1: nowhere yet */
};

/* As cut_open, or an open one. `holds`: the caller has one already. On LL_OK and *refused 0 it is given back with open_cuts_give. BLOCKING. */
enum ll_code open_cuts_take(struct open_cuts *cuts, const struct cut_source *source, const struct cut_point *point,
			    int64_t now_ms, bool holds, struct taken_cut *taken, int *refused,
			    struct error *error) LL_CHECKED;

/* What could not be read is closed. All zeros: nothing happens. */
void open_cuts_give(struct open_cuts *cuts, struct taken_cut *taken);

/* How often an open one was found, and how many are open. */
struct open_cuts_counts {
	uint64_t found, opened;
	unsigned open;
};
void open_cuts_count(struct open_cuts *cuts, struct open_cuts_counts *counts);

#endif
