/*
 * The tree over a state: its leaves are the lines of the canonical export (projections/export/export.h), without their ends, in its
 * order. So the root is the same whatever holds the state, as the digest is.
 *
 * That something stands in the state is proven by its line. That it does not, by the two lines between which it would stand: lines are
 * in the order of their kinds, then of their ids.
 */
#ifndef LEDGERLINE_PROOF_STATE_TREE_H
#define LEDGERLINE_PROOF_STATE_TREE_H

#include "engine/proof/merkle.h"
#include "projections/export/export.h"
#include "schemas/wire/buffer.h"

/* Which line is meant: "account" "kim"; "seat" "jazz-1" 1; "reservation" 1842 and so on. */
struct state_subject {
	struct slice kind;
	struct slice id; /* of accounts, users, concerts, schedules, seats */
	uint64_t number; /* of seats; and what stands behind the dash of the others */
};

/* Is there such a kind, and of what is it made? */
struct state_kind {
	const char *name, *member; /* what its lines begin with behind the type */
	const char *reference;     /* ids like reservation-1842: what stands before the dash. NULL: a text */
	const char *second;        /* a second member, a number; NULL: none */
};
const struct state_kind *state_kind(struct slice name); /* NULL: none */

/* Reads the id of a kind as people write it. `second` is read for kinds that have one. false: it is none. */
bool state_subject_read(const struct state_kind *kind, struct slice id, struct slice second,
			struct state_subject *subject);

/* Where a line stands to a subject: below 0 before it, 0 it is its line, above 0 behind it. Lines of kinds about which nothing can be
 * asked stand where the export has them. INT_MAX: it is no line of an export. */
int state_line_order(struct slice line, const struct state_subject *subject);

struct state_tree {
	struct view *view;                   /* borrowed */
	const struct state_subject *subject; /* NULL: only the root is wanted */
	/* What comes out. */
	struct merkle *tree;
	bool found;
	size_t line_count; /* 1: its line. Otherwise those before and behind where it would stand; either may be missing at an end */
	struct {
		uint64_t index;
		struct buffer bytes;
	} lines[2];
	/* While it is made. */
	struct buffer before;
	bool behind;
};

/* export_state's errors. state_tree_release in any case. */
enum ll_code state_tree_make(struct state_tree *made, struct error *error) LL_CHECKED;
void state_tree_release(struct state_tree *made);

#endif
