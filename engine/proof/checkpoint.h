/*
 * Checkpoints: what a ledger was at one entry, in a few lines that are signed. A signed note (note.h) of the form that C2SP calls
 * tlog-checkpoint:
 *
 *	ledgerline/UUID          of which ledger
 *	10000000                 so many entries
 *	BASE64                   the root of the tree over them (entry_tree.h)
 *	state 1482 BASE64        the state after them: so many lines of its canonical export, and the root of the tree over these
 *
 * Who has two of them and a proof that the later extends the earlier knows that nothing was changed between.
 */
#ifndef LEDGERLINE_PROOF_CHECKPOINT_H
#define LEDGERLINE_PROOF_CHECKPOINT_H

#include "engine/proof/note.h"
#include "schemas/wire/hash.h"

#define CHECKPOINT_ORIGIN_PREFIX "ledgerline/"

struct checkpoint {
	char ledger[UUID_TEXT_SIZE];
	uint64_t entries;
	struct hash root;
	uint64_t lines; /* of the state */
	struct hash state;
};

/* Appends its text, unsigned. */
void checkpoint_write(const struct checkpoint *checkpoint, struct buffer *out);

/* Of a text that note_open gave. LL_USAGE: it is no checkpoint of a ledger. */
enum ll_code checkpoint_read(struct slice text, struct checkpoint *checkpoint, struct error *error) LL_CHECKED;

/* A line's number. false: it is no decimal number, or has zeros before it. */
bool decimal_read(struct slice text, uint64_t *number);

#endif
