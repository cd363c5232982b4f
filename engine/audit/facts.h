/*
 * The facts of a decision, drawn from the rows that it read (recording.h), the policy that held, and what it refused with.
 *
 * A fact is a name, a value as JSON, and a watch that finds the entry which set it (watch.h). What each row has to tell is said by a table in
 * facts.c; policy values that a type of command uses, too.
 */
#ifndef LEDGERLINE_AUDIT_FACTS_H
#define LEDGERLINE_AUDIT_FACTS_H

#include "engine/audit/recording.h"
#include "engine/audit/redecide.h"
#include "engine/audit/watch.h"

struct drawn_fact {
	const char *name;
	struct slice value; /* JSON */
	struct watch watch;
};

/* Owns nothing: all lies in the arena. */
struct facts {
	struct arena *arena;
	struct drawn_fact *at;
	uint32_t count, capacity;
};

/* Adds the facts of the entry, which was decided again on `view` through `rows`. Nothing of the view is kept. */
void facts_draw(struct facts *facts, const struct entry *entry, const struct redecided *redecided,
		const struct row_read *rows, struct view *view);

/* The names of the policy values that decide such an entry, as one text with blanks between; "" when there are none. */
const char *facts_policy_used(const struct entry *entry);

#endif
