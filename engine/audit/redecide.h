/*
 * Deciding again: an entry of the past, on the state right before it.
 *
 *	entry -> its command (command_of_entry) -> decide, by the policy of that state, at the entry's time -> the same, or not
 *
 * The same means: outcome, code, facts and events are what the entry says, the command's fields hash to what the entry says, and nothing
 * that the command touches was still due. The engine's own entries are decided again by what is due there (due_again). Nobody
 * decides a tick, or what an operator declares: they are the same by being there.
 */
#ifndef LEDGERLINE_AUDIT_REDECIDE_H
#define LEDGERLINE_AUDIT_REDECIDE_H

#include "engine/decide/decide.h"
#include "schemas/wire/buffer.h"

struct redecider;

struct redecider *redecider_new(void);
void redecider_free(struct redecider *redecider); /* NULL allowed */

struct redecided {
	bool same;
	bool is_told;           /* nothing decides such an entry */
	bool has_command;       /* of a client; it could be made again */
	struct command command; /* that one */
	struct policy policy;   /* that held */
	uint32_t policy_version;
	struct decision decision; /* as decided now */
	bool found_due; /* nothing was decided: before the command something was to expire, or nothing of a system entry was due */
	char key[96];                 /* when not the same: the first thing that differs, "events[0].amount" */
	struct slice recorded, again; /* both values of it, as JSON */
};

/* The view stands right before the entry; it is read only, and rows go to its arena. All that *redecided points to is good until the next call, and
 * until that arena is reset. With `fresh` the policy is read anew; otherwise it is taken to be that of the entry which was decided again before,
 * as long as that one did not change it. Errors: the view's failure; LL_POISON: the entry's command cannot be made from its
 * events. */
enum ll_code redecide(struct redecider *redecider, struct view *view, const struct entry *entry, bool fresh,
		      struct redecided *redecided, struct error *error) LL_CHECKED;

/* "accepted", "refused", "rejected", "read"; of a system entry "system". */
const char *decided_name(const struct decision *decision);

#endif
