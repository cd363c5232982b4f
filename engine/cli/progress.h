/*
 * The line that shows how long work goes on: on a terminal only, on standard error, ten times a second at most.
 *
 *	rebuilding balances  3,400,000 of 10,000,000 events  1,912,000/s  3 s left
 */
#ifndef LEDGERLINE_CLI_PROGRESS_H
#define LEDGERLINE_CLI_PROGRESS_H

#include <stdio.h>

#include "schemas/wire/buffer.h"

/* Owned by the user, who need not release it. Used by one thread. */
struct progress {
	FILE *terminal;   /* NULL: nothing is shown */
	const char *what; /* "rebuilding balances"; borrowed */
	const char *unit; /* "events"; borrowed */
	uint64_t total;   /* 0: nobody knows */
	uint64_t began_ns, shown_ns;
	bool is_shown;
};

/* `out`: where the line goes if it is a terminal (stderr). */
void progress_begin(struct progress *progress, FILE *out, const char *what, const char *unit, uint64_t total);

/* So much is done so far; shows it when the last time was long enough ago. Cheap enough to be called for each event
 * block. */
void progress_update(struct progress *progress, uint64_t done);

/* Takes the line away. */
void progress_end(struct progress *progress);

/* The line's text as it would be after `elapsed_ns`. */
void progress_render(const struct progress *progress, uint64_t done, uint64_t elapsed_ns, struct buffer *out);

#endif
