/*
 * A view that remembers which rows were read through it: what a decision knew.
 *
 * Reads are passed on to the view under it. A row that was asked for and is not there is remembered, too; of a scan, the rows that were
 * visited. So the facts of a decision are drawn from what it read, and none can be forgotten when a rule changes.
 */
#ifndef LEDGERLINE_AUDIT_RECORDING_H
#define LEDGERLINE_AUDIT_RECORDING_H

#include "projections/views/view.h"

struct row_read {
	struct row_read *next;
	enum table_id table;
	struct slice key, value; /* empty value: there is none */
};

struct recording {
	struct view view; /* first: what is read by; its operations get its address */
	struct view *under;
	struct arena *arena;
	struct row_read *first, **last; /* in the order of reading; a row that was read twice stands there twice */
};

/* `under` is borrowed, and must not change while what was read is looked at. What is remembered lies in `arena`. Nothing is to be released. */
void recording_init(struct recording *recording, struct view *under, struct arena *arena);

#endif
