/*
 * Merkle trees with the hashing of RFC 6962 (section 2.1), over leaves that come one after another.
 *
 *	leaf   SHA-256(0x00, bytes)
 *	node   SHA-256(0x01, left, right)
 *
 * A tree of n leaves: the left half has the largest power of two below n. So that ten million leaves are a megabyte and not
 * hundreds, only the roots of full runs of 256 leaves are kept, and the leaves of those runs about which something will be proven:
 * who wants a proof says so before the leaf is added, or soon after it (merkle_keep).
 *
 * A tree is used by one thread. Memory that runs out aborts.
 */
#ifndef LEDGERLINE_PROOF_MERKLE_H
#define LEDGERLINE_PROOF_MERKLE_H

#include "schemas/wire/hash.h"

/* Longest proof in a tree of 2^63 leaves. */
enum { MERKLE_PATH_MAX = 65 };

struct merkle_path {
	size_t count;
	struct hash at[MERKLE_PATH_MAX];
};

struct merkle;

struct merkle *merkle_new(void);
void merkle_free(struct merkle *tree); /* NULL allowed */

void merkle_add(struct merkle *tree, struct slice leaf);
uint64_t merkle_size(const struct merkle *tree);

/* Proofs will be asked about the leaf `index`, or of the tree that ends with it. Not later than 256 leaves behind it. */
void merkle_keep(struct merkle *tree, uint64_t index);

/* The root of the first `size` leaves. size <= merkle_size, and merkle_keep(size - 1) was called, unless it is the tree's own size. */
struct hash merkle_root(const struct merkle *tree, uint64_t size);

/* That the leaf `index` (kept) stands in the tree of the first `size` leaves (as for merkle_root): RFC 6962, 2.1.1. */
void merkle_inclusion(const struct merkle *tree, uint64_t index, uint64_t size, struct merkle_path *path);

/* That the first `from` leaves are the beginning of the first `to`; 0 < from <= to, both as for merkle_root: RFC 6962, 2.1.2. */
void merkle_consistency(const struct merkle *tree, uint64_t from, uint64_t to, struct merkle_path *path);

/* ---- for those who have no tree ---- */

struct hash merkle_leaf(struct slice bytes);

bool merkle_includes(const struct hash *leaf, uint64_t index, uint64_t size, const struct hash *root,
		     const struct merkle_path *path);
bool merkle_extends(uint64_t from, const struct hash *from_root, uint64_t to, const struct hash *to_root,
		    const struct merkle_path *path);

#endif
