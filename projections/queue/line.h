/*
 * The line of a waiting room: who waits, in the order of coming, as a tree of counts over the tokens' ids.
 *
 *	level 8                 [ . . 3 . ]                    how many wait among 64^9 ids, in 64 parts
 *	...
 *	level 1      [ 2 0 1 ... ]                             ... among 64 * 64
 *	level 0      [ 0 1 0 1 ... ]  [ ... ]  [ 1 ... ]       ... among 64 ids: 0 or 1
 *
 * A row is there while its counts are not all 0. So coming and going, a token's place, and who is next take nine rows each,
 * however many wait and however many are gone.
 */
#ifndef LEDGERLINE_QUEUE_LINE_H
#define LEDGERLINE_QUEUE_LINE_H

#include "projections/views/rows.h"

/* Joins or leaves. false: it stands there already, or does not, and nothing is to be trusted; or the view has failed. */
LL_CHECKED bool line_join(struct view *view, struct slice queue_id, uint64_t token_id);
LL_CHECKED bool line_leave(struct view *view, struct slice queue_id, uint64_t token_id);

/* How many wait who came before this token. */
uint32_t line_before(struct view *view, struct slice queue_id, uint64_t token_id);

/* The token that `before` others stand before. false: no more than that wait. */
bool line_at(struct view *view, struct slice queue_id, uint32_t before, uint64_t *token_id);

#endif
