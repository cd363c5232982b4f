/*
 * A thread that applies each block to a part of the projections, while the ledger applies it to the others: for long folds of
 * everything, which one thread would bound. The ledger waits for it at each block's end, so nobody else sees more than one thread.
 */
#ifndef LEDGERLINE_LEDGER_BESIDE_H
#define LEDGERLINE_LEDGER_BESIDE_H

#include "projections/ledger/apply.h"

struct beside;

/* `stores` and `annulled` are borrowed; what is annulled changes only while none is under way. NULL: no thread could be started; then the ledger does all by itself. */
struct beside *beside_open(struct store **stores, const struct annulments *annulled);
void beside_close(struct beside *beside); /* NULL allowed; none may be under way */

/* Begins with a block, which is borrowed until beside_end. */
void beside_begin(struct beside *beside, const struct block *block, uint64_t offset, int64_t time, unsigned mask);
/* Waits until it is applied. Which projections it stopped: good until the next beside_begin. */
const struct applier *beside_end(struct beside *beside);

#endif
