/*
 * Annulments: entries that an operator has declared to be folded as nothing.
 *
 *	offset 40  entries 90..93      entry 91 is poison
 *	offset 57  claim               of `ledgerline journal annul`
 *	offset 58  annulled {offset 40, index 1}
 *
 * Whoever folds offset 40 has to know of offset 58, which comes later. So this is a set that is found in the journal before, and
 * given to the fold. What a set says at one place is told by `annulments_ahead`: it goes into positions, and so a projection that
 * folded such an entry is told from one that left it out.
 */
#ifndef LEDGERLINE_ANNULMENTS_H
#define LEDGERLINE_ANNULMENTS_H

#include "schemas/block.h"

#define ANNULMENT_WHOLE_BLOCK NONE_U32 /* the event names no entry */

struct annulment {
	uint64_t offset; /* of the block with the entry */
	uint32_t index;  /* of the entry in it, or ANNULMENT_WHOLE_BLOCK */
	uint64_t by;     /* offset of the block that says so */
};

/* Owns `at`. All zeros: empty. */
struct annulments {
	struct annulment *at;
	size_t count;
};

void annulments_release(struct annulments *set); /* leaves it empty */

/* false: it was there already. Of two that annul the same entry the earlier one counts. */
bool annulments_add(struct annulments *set, struct annulment annulment);
void annulments_add_all(struct annulments *set, const struct annulments *others);

/* Is that entry to be left out? With ANNULMENT_WHOLE_BLOCK: is the whole block? */
bool annulments_cover(const struct annulments *set, uint64_t offset, uint32_t index);

/* Of a fold that stands before `next_offset`: how many entries it has left out without having met the annulment yet, and a digest of
 * which. */
struct annulments_ahead {
	uint64_t count, digest;
};
struct annulments_ahead annulments_ahead(const struct annulments *set, uint64_t next_offset);

/* Reads what an entry annuls. false: it annuls nothing: it is another entry, stands not alone in its block, or names a block
 * that is not before it. */
bool annulment_of(const struct block *block, const struct entry *entry, struct annulment *annulment);

#endif
