/*
 * Deciding: (view, policy, seq, now, command) -> events, a refusal, or a rejection.
 *
 * Pure: reads the view, changes nothing, knows no clock, no journal, no HTTP. What it makes (events, facts, lists) lies in the
 * arena that it is given. Rows that are due by `now` must have been expired before (due.h): so a decision never asks
 * whether a row it sees is still in time.
 *
 * The outcomes
 *	DECIDED_ACCEPTED  events, one at least: they become an entry
 *	DECIDED_REFUSED   a code of codes.toml's refusals and the facts that decided it: they become an entry
 *	DECIDED_REJECTED  the command names what is not there, or cannot be a command: no entry, the key stays free
 *	DECIDED_READ      nothing is to change: the command turned out to be a read (a schedule that is cancelled already,
 *	                  a token that lives). No entry, the key stays free; the answer comes from the state
 */
#ifndef LEDGERLINE_DECIDE_H
#define LEDGERLINE_DECIDE_H

#include "projections/views/view.h"
#include "schemas/block.h"
#include "schemas/wire/zone.h"

enum decided { DECIDED_ACCEPTED, DECIDED_REFUSED, DECIDED_REJECTED, DECIDED_READ };

enum { EVENTS_MAX = 8 };

struct decision {
	enum decided outcome;
	struct event events[EVENTS_MAX];
	uint32_t event_count;
	uint16_t code; /* refused, rejected */
	struct fact_list facts;
	const char *field;  /* rejected with VALIDATION_ERROR: which field, in JSON's name */
	const char *reason; /* and why, a sentence */
};

/* What a decision may know. */
struct decide_context {
	struct view *view;
	const struct policy *policy;
	uint32_t policy_version;
	const struct zone *zone; /* of policy->time_zone */
	uint64_t seq;            /* of the entry that this would become: ids are made from it */
	int64_t now;             /* the block's time, ms */
	struct arena *arena;     /* everything the decision points to */
};

/* Check view->failure afterwards: when it is set, the decision is worthless. */
void decide(struct decide_context *context, const struct command *command, struct decision *decision);

/* The command that an accepted entry was decided from, made again from its events; its canonical fields hash to the entry's
 * command_hash. For audits. false: a system entry, or not decodable. */
bool command_of_entry(const struct entry *entry, struct arena *arena, struct command *command);

#endif
