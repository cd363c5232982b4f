/*
 * The tree over a journal's entries. Its leaf of an entry:
 *
 *	number (u64) time in ms (i64), big-endian, then the entry's bytes as they stand in its block
 *
 * An entry that cannot be decoded (the journal annuls it: otherwise the walk ends there) has all that is left of its block as its
 * bytes, and those behind it in the block have none.
 *
 * It is made by a walk over the whole journal, in which every record goes through the fold rule, so it never stands for less than
 * what `verify` says of the journal.
 */
#ifndef LEDGERLINE_PROOF_ENTRY_TREE_H
#define LEDGERLINE_PROOF_ENTRY_TREE_H

#include "engine/journal/journal.h"
#include "engine/proof/merkle.h"
#include "schemas/block.h"
#include "schemas/wire/buffer.h"

enum { ENTRY_LEAF_HEAD = 16 };

struct entry_tree {
	struct journal *journal; /* borrowed */
	uint64_t entries;        /* the tree of the first so many; they must be there */
	uint64_t earlier;        /* and proofs about the tree of so many; 0: none */
	bool wants_entry;        /* and about one entry: */
	uint64_t entry;          /* that of this number, */
	struct slice command;    /* or, unless empty, the one that this command became */
	void (*progress)(void *context, uint64_t offset, uint64_t end); /* may be NULL */
	void *context;
	/* What comes out. */
	struct merkle *tree;
	char ledger[UUID_TEXT_SIZE];
	bool found;         /* the entry that was wanted; its number is in `entry` */
	struct buffer leaf; /* its leaf */
};

/* The caller fills what stands above. walk_journal's errors; LL_NOT_FOUND: the journal has fewer entries. BLOCKING.
 * entry_tree_release in any case. */
enum ll_code entry_tree_make(struct entry_tree *made, struct error *error) LL_CHECKED;
void entry_tree_release(struct entry_tree *made);

/* Reads a leaf. What *entry points to lies in the leaf and in the arena. false: it is none, or of an entry that cannot be decoded. */
bool entry_leaf_read(struct slice leaf, struct arena *arena, struct entry *entry);

#endif
