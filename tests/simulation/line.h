/*
 * An engine's line to the journal: a journal over another one, which the simulation can cut or slow down for this engine alone.
 *
 * While it is cut, reads and looks say LL_UNAVAILABLE, and what is appended waits: it goes out when the line is whole again, if
 * its appender is still open, or never. While reads are late, they find nothing new. Reports come only over a whole line.
 */
#ifndef LEDGERLINE_SIMULATION_LINE_H
#define LEDGERLINE_SIMULATION_LINE_H

#include "engine/journal/journal.h"

struct line {
	bool cut;        /* nothing goes through */
	bool reads_late; /* nothing new is found */
	bool keeps;      /* what is appended over a cut line waits for it; else it is lost */
};

/* Opens the journal at `url` behind `line`, which is borrowed until it is closed. Errors are those of journal_open. */
enum ll_code line_open(const char *url, const struct line *line, struct journal **journal,
		       struct error *error) LL_CHECKED;

#endif
