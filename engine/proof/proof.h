/*
 * Proof files: small texts that say something about a ledger, to be believed by whoever trusts one public key and has no ledger.
 *
 * That an entry stands in the journal, in the form that C2SP calls tlog-proof (`extra` is the leaf: entry_tree.h):
 *
 *	c2sp.org/tlog-proof@v1
 *	extra BASE64
 *	index 1842
 *	BASE64 ...               the path, a hash a line
 *
 *	the signed checkpoint
 *
 * That one or two lines stand in the state: an account, a seat and so on as it was; or two lines next to each other, between which
 * what was asked for would have to stand, and does not.
 *
 *	ledgerline/state-proof@v1
 *	line 17 BASE64
 *	BASE64 ...
 *
 *	the signed checkpoint
 *
 * That one checkpoint extends another:
 *
 *	ledgerline/consistency-proof@v1
 *	BASE64 ...
 *
 *	the earlier signed checkpoint, then the later one; each begins behind a line `note SIZE`
 */
#ifndef LEDGERLINE_PROOF_PROOF_H
#define LEDGERLINE_PROOF_PROOF_H

#include "engine/proof/checkpoint.h"
#include "engine/proof/merkle.h"

enum proof_kind { PROOF_CHECKPOINT, PROOF_ENTRY, PROOF_STATE, PROOF_CONSISTENCY };

enum { PROOF_LINES_MAX = 2 };

struct proof_leaf {
	uint64_t index;
	struct slice bytes;
	struct merkle_path path;
};

struct proof {
	enum proof_kind kind;
	struct proof_leaf leaves[PROOF_LINES_MAX]; /* an entry, or lines of a state */
	size_t leaf_count;
	struct merkle_path path;  /* of PROOF_CONSISTENCY */
	struct slice earlier;     /* of PROOF_CONSISTENCY: a signed checkpoint */
	struct slice signed_note; /* the signed checkpoint that it rests on */
	struct buffer room;       /* what leaves point to, of a proof that was read */
};

void proof_write(const struct proof *proof, struct buffer *out);

/* Reads one; what it points to lies in `text` and in itself. LL_USAGE: it is no proof, with what is wrong. proof_release in any case. */
enum ll_code proof_read(struct slice text, struct proof *proof, struct error *error) LL_CHECKED;
void proof_release(struct proof *proof);

/* What a good one rests on. */
struct proof_ground {
	struct checkpoint checkpoint, earlier;
};

/* Is it good, by that key? LL_OK, with the checkpoints that were signed. note_open's errors; LL_CORRUPT: the hashes do not lead to what
 * was signed. */
enum ll_code proof_check(const struct proof *proof, const struct note_key *key, struct proof_ground *ground,
			 struct error *error) LL_CHECKED;

#endif
