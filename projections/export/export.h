/*
 * The canonical export of a state, and its digest.
 *
 * JSON Lines with fixed members in a fixed order: the policy that holds, registered users, accounts with their lots in the
 * order of spending, uses, point holds, concerts, schedules, seats, reservations, payments, waiting-room tokens,
 * rankings; each kind in the order of its ids. Only what the ledger means stands there, not how tables keep it: which
 * lots lie in the account's row, counts that follow from other lines, who changed a row last. So the same state has the same
 * bytes whatever holds it: stores, a snapshot, a layer of memory, another version's tables.
 *
 * These bytes are a contract, as those of the journal are: a change of a line changes the digest of every past state.
 */
#ifndef LEDGERLINE_EXPORT_H
#define LEDGERLINE_EXPORT_H

#include "projections/views/view.h"
#include "schemas/wire/hash.h"

enum { DIGEST_TEXT_SIZE = 2 * HASH_BYTES };

/* Takes a run of whole lines, each ended by '\n', good during the call. false: stop. */
typedef bool export_lines_fn(void *context, struct slice lines);

/* Writes all of it. LL_END: the receiver stopped. Else what the view failed with. What was read meanwhile lies in memory of
 * its own: the view's arena is left alone. */
enum ll_code export_state(struct view *view, export_lines_fn *receive, void *context, struct error *error) LL_CHECKED;

/* SHA-256 over all lines, as lower-case hexadecimal with a final zero. */
enum ll_code digest_of_view(struct view *view, char text[DIGEST_TEXT_SIZE + 1], struct error *error) LL_CHECKED;

#endif
