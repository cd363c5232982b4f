/*
 * What has come to its time: system entries that expire rows.
 *
 * Before a command is decided, what it touches is brought up to date: rows of it that are due by now (its seats' hold, its
 * account's lots and point holds, its reservation, its token) are expired by entries before it, in the same block. A sweeper does the same
 * for the rest. So there is no race between paying and expiring: the log's order says who was first. Due means
 * expires_at <= now.
 *
 * Both deliver the events of one system entry at a time; the caller makes the entry, applies it, and calls again until
 * nothing is due.
 */
#ifndef LEDGERLINE_DUE_H
#define LEDGERLINE_DUE_H

#include "engine/decide/decide.h"

/* The next expiry that the command has to wait for. false: nothing that it touches is due. */
bool due_for_command(struct decide_context *context, const struct command *command, struct decision *decision);

/* The next expiry at all (of points, seats and queues in turn; of each the earliest first), or the next bounded step of a
 * schedule's cancellation. false: nothing. */
bool due_next(struct decide_context *context, struct decision *decision);

/* A system entry of the past, decided again: what its first event names, by the rules above, on the state before it. For audits.
 * false: that is not due there. *told: nothing decides such an entry (a tick, or what an operator declares); then nothing is done. */
bool due_again(struct decide_context *context, const struct entry *entry, struct decision *decision, bool *told);

/* When the next thing will be due: a time in ms, 0 when there is nothing, now or earlier when something is. */
int64_t due_when(struct view *view, int64_t now);

#endif
