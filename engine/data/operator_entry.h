/*
 * An entry that an operator writes, without an engine: the journal is taken over for it.
 *
 *	claim{epoch + 1} --read back as valid--> one block with the one entry --read back as valid--> done
 *
 * So it is fenced like every other writer: an engine that leads meanwhile follows from the claim on, and what it had under way is
 * void.
 */
#ifndef LEDGERLINE_OPERATOR_ENTRY_H
#define LEDGERLINE_OPERATOR_ENTRY_H

#include "engine/journal/journal.h"
#include "projections/fold/fold.h"

/* `fold` stands at the journal's end and is moved on. The entry has one event, of the system; its policy is that which the caller
 * names. *offset: where it stands. LL_BUSY: another writer has claimed the journal in between, or (local) an engine holds it.
 * LL_TIMEOUT: not read back within half a minute; it may be there or not. Else the appender's. BLOCKING. */
enum ll_code operator_entry_append(struct journal *journal, struct fold *fold, struct event *event, uint64_t *offset,
				   struct error *error) LL_CHECKED;

#endif
