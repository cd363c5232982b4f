#include "engine/proof/proof.h"

#include <inttypes.h>
#include <stdlib.h>

#include "schemas/wire/ensure.h"

#define ENTRY_HEAD "c2sp.org/tlog-proof@v1"
#define STATE_HEAD "ledgerline/state-proof@v1"
#define CONSISTENCY_HEAD "ledgerline/consistency-proof@v1"

/* ---- writing ---- */

static void write_path(const struct merkle_path *path, struct buffer *out)
{
	for (size_t i = 0; i < path->count; i++) {
		base64_write(hash_slice(&path->at[i]), out);
		buffer_append_byte(out, '\n');
	}
}

static void write_entry(const struct proof *proof, struct buffer *out)
{
	const struct proof_leaf *leaf = &proof->leaves[0];
	buffer_append_text(out, ENTRY_HEAD "\nextra ");
	base64_write(leaf->bytes, out);
	buffer_printf(out, "\nindex %" PRIu64 "\n", leaf->index);
	write_path(&leaf->path, out);
	buffer_append_byte(out, '\n');
	buffer_append_slice(out, proof->signed_note);
}

static void write_state(const struct proof *proof, struct buffer *out)
{
	buffer_append_text(out, STATE_HEAD "\n");
	for (size_t i = 0; i < proof->leaf_count; i++) {
		const struct proof_leaf *leaf = &proof->leaves[i];
		buffer_printf(out, "line %" PRIu64 " ", leaf->index);
		base64_write(leaf->bytes, out);
		buffer_append_byte(out, '\n');
		write_path(&leaf->path, out);
	}
	buffer_append_byte(out, '\n');
	buffer_append_slice(out, proof->signed_note);
}

static void write_consistency(const struct proof *proof, struct buffer *out)
{
	buffer_append_text(out, CONSISTENCY_HEAD "\n");
	write_path(&proof->path, out);
	buffer_printf(out, "\nnote %zu\n", proof->earlier.size);
	buffer_append_slice(out, proof->earlier);
	buffer_printf(out, "note %zu\n", proof->signed_note.size);
	buffer_append_slice(out, proof->signed_note);
}

void proof_write(const struct proof *proof, struct buffer *out)
{
	switch (proof->kind) {
	case PROOF_CHECKPOINT: buffer_append_slice(out, proof->signed_note); break;
	case PROOF_ENTRY: write_entry(proof, out); break;
	case PROOF_STATE: write_state(proof, out); break;
	case PROOF_CONSISTENCY: write_consistency(proof, out); break;
	}
}

/* ---- reading ---- */

static struct slice behind(struct slice line, size_t size)
{
	return slice_of(line.at + size, line.size - size);
}

/* Hashes, one a line, up to the first line that begins with `end`; that one is in *line. */
static bool read_path(struct slice *rest, struct slice *line, struct merkle_path *path)
{
	size_t size;
	path->count = 0;
	while (line_take(rest, line)) {
		if (line->size == 0 || slice_begins(*line, SLICE("line ")))
			return true;
		if (path->count == MERKLE_PATH_MAX ||
		    !base64_read(*line, path->at[path->count].bytes, HASH_BYTES, &size) || size != HASH_BYTES)
			return false;
		path->count++;
	}
	return false;
}

/* Bytes of a leaf, into the proof's own room, which has room for all of them. */
static bool read_bytes(struct proof *proof, struct slice text, struct slice *bytes)
{
	size_t size;
	uint8_t *at = proof->room.at + proof->room.size;
	if (!base64_read(text, at, proof->room.capacity - proof->room.size, &size))
		return false;
	buffer_commit(&proof->room, size);
	*bytes = slice_of(at, size);
	return true;
}

static bool read_entry(struct slice rest, struct proof *proof)
{
	struct proof_leaf *leaf = &proof->leaves[0];
	struct slice line;
	proof->kind = PROOF_ENTRY;
	proof->leaf_count = 1;
	if (!line_take(&rest, &line) || !slice_begins(line, SLICE("extra ")) ||
	    !read_bytes(proof, behind(line, strlen("extra ")), &leaf->bytes))
		return false;
	if (!line_take(&rest, &line) || !slice_begins(line, SLICE("index ")) ||
	    !decimal_read(behind(line, strlen("index ")), &leaf->index))
		return false;
	if (!read_path(&rest, &line, &leaf->path) || line.size != 0)
		return false;
	proof->signed_note = rest;
	return true;
}

static bool read_state(struct slice rest, struct proof *proof)
{
	struct slice line;
	proof->kind = PROOF_STATE;
	if (!line_take(&rest, &line))
		return false;
	while (line.size != 0) {
		if (proof->leaf_count == PROOF_LINES_MAX || !slice_begins(line, SLICE("line ")))
			return false;
		struct proof_leaf *leaf = &proof->leaves[proof->leaf_count++];
		line = behind(line, strlen("line "));
		const uint8_t *blank = line.size ? memchr(line.at, ' ', line.size) : NULL;
		if (!blank)
			return false;
		size_t digits = (size_t)(blank - line.at);
		if (!decimal_read(slice_of(line.at, digits), &leaf->index) ||
		    !read_bytes(proof, behind(line, digits + 1), &leaf->bytes) || !read_path(&rest, &line, &leaf->path))
			return false;
	}
	proof->signed_note = rest;
	return proof->leaf_count > 0;
}

static bool read_note(struct slice *rest, struct slice *note)
{
	struct slice line;
	uint64_t size;
	if (!line_take(rest, &line) || !slice_begins(line, SLICE("note ")) ||
	    !decimal_read(behind(line, strlen("note ")), &size) || size > rest->size)
		return false;
	*note = slice_of(rest->at, (size_t)size);
	*rest = behind(*rest, (size_t)size);
	return true;
}

static bool read_consistency(struct slice rest, struct proof *proof)
{
	struct slice line;
	proof->kind = PROOF_CONSISTENCY;
	return read_path(&rest, &line, &proof->path) && line.size == 0 && read_note(&rest, &proof->earlier) &&
	       read_note(&rest, &proof->signed_note) && rest.size == 0;
}

enum ll_code proof_read(struct slice text, struct proof *proof, struct error *error)
{
	struct slice rest = text, line;
	bool fine = true;
	*proof = (struct proof){.signed_note = text};
	buffer_reserve(&proof->room, text.size + 1); /* bytes are fewer than their base64: leaves can be pointed to */
	if (!line_take(&rest, &line))
		return error_set(error, LL_USAGE, "it is no proof: it has not one whole line");
	if (slice_equal(line, SLICE(ENTRY_HEAD)))
		fine = read_entry(rest, proof);
	else if (slice_equal(line, SLICE(STATE_HEAD)))
		fine = read_state(rest, proof);
	else if (slice_equal(line, SLICE(CONSISTENCY_HEAD)))
		fine = read_consistency(rest, proof);
	else if (!slice_begins(line, SLICE(CHECKPOINT_ORIGIN_PREFIX)))
		return error_set(error, LL_USAGE,
				 "it is no proof of a ledger: it begins with none of the lines that one "
				 "begins with");
	return fine ? LL_OK
		    : error_set(error, LL_USAGE, "it is no proof: what follows its first line is not of its form");
}

void proof_release(struct proof *proof)
{
	buffer_release(&proof->room);
}

/* ---- checking ---- */

static enum ll_code open_checkpoint(struct slice note, const struct note_key *key, struct checkpoint *checkpoint,
				    struct error *error)
{
	struct slice text;
	enum ll_code code = note_open(note, key, &text, error);
	return code == LL_OK ? checkpoint_read(text, checkpoint, error) : code;
}

static enum ll_code check_leaves(const struct proof *proof, uint64_t size, const struct hash *root, const char *what,
				 struct error *error)
{
	for (size_t i = 0; i < proof->leaf_count; i++) {
		const struct proof_leaf *leaf = &proof->leaves[i];
		struct hash hash = merkle_leaf(leaf->bytes);
		if (!merkle_includes(&hash, leaf->index, size, root, &leaf->path))
			return error_set(error, LL_CORRUPT, "%s %" PRIu64 " is not in the tree that was signed", what,
					 leaf->index);
	}
	return LL_OK;
}

enum ll_code proof_check(const struct proof *proof, const struct note_key *key, struct proof_ground *ground,
			 struct error *error)
{
	struct checkpoint *checkpoint = &ground->checkpoint, *earlier = &ground->earlier;
	enum ll_code code = open_checkpoint(proof->signed_note, key, checkpoint, error);
	if (code != LL_OK)
		return code;
	switch (proof->kind) {
	case PROOF_CHECKPOINT: break;
	case PROOF_ENTRY: return check_leaves(proof, checkpoint->entries, &checkpoint->root, "entry", error);
	case PROOF_STATE: return check_leaves(proof, checkpoint->lines, &checkpoint->state, "line", error);
	case PROOF_CONSISTENCY:
		code = open_checkpoint(proof->earlier, key, earlier, error);
		if (code != LL_OK)
			return error_prefix(error, "the earlier checkpoint");
		if (strcmp(earlier->ledger, checkpoint->ledger) != 0)
			return error_set(error, LL_CORRUPT, "the checkpoints are of two ledgers, %s and %s",
					 earlier->ledger, checkpoint->ledger);
		if (!merkle_extends(earlier->entries, &earlier->root, checkpoint->entries, &checkpoint->root,
				    &proof->path))
			return error_set(error, LL_CORRUPT, "the later checkpoint does not extend the earlier one");
	}
	return LL_OK;
}
