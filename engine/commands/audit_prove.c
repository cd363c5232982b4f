/*
 * `ledgerline audit prove`: a signed checkpoint, and small files that prove something against one without the ledger.
 * `ledgerline audit new-key`: the keys that checkpoints are signed with.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/audit/questions.h"
#include "engine/commands/audit_place.h"
#include "engine/commands/proof_files.h"
#include "engine/proof/entry_tree.h"
#include "engine/proof/proof.h"
#include "engine/proof/state_tree.h"
#include "schemas/codes.h"

struct proving {
	const struct options *options;
	struct audit_place place;
	struct proof proof;
	const struct state_kind *kind; /* of PROOF_STATE */
	struct state_subject subject;
	struct cut_point point;
	/* What it rests on: a checkpoint that is there, or one that is made. */
	bool has_note;
	struct note_signer signer;
	struct checkpoint checkpoint, earlier;
	struct buffer note, earlier_note;
	struct entry_tree entries;
	struct state_tree state;
	struct buffer out;
};

/* ---- the work ---- */

static void on_progress(void *context, uint64_t offset, uint64_t end)
{
	struct proving *proving = context;
	proving->place.progress.total = end;
	progress_update(&proving->place.progress, offset);
}

static int make_entry_tree(struct proving *proving)
{
	struct entry_tree *entries = &proving->entries;
	struct error error;
	entries->journal = proving->place.journal;
	entries->entries = proving->checkpoint.entries;
	entries->earlier = proving->earlier.entries;
	entries->progress = on_progress;
	entries->context = proving;
	progress_begin(&proving->place.progress, stderr, "hashing", "blocks", 0);
	enum ll_code code = entry_tree_make(entries, &error);
	progress_end(&proving->place.progress);
	return code == LL_OK ? EXIT_DONE : command_failed(proving->options, &error);
}

/* The state's tree, of a cut at so many entries. */
static int make_state_tree(struct proving *proving, struct cut *cut)
{
	struct error error;
	proving->state.view = cut_view(cut);
	if (proving->proof.kind == PROOF_STATE)
		proving->state.subject = &proving->subject;
	return state_tree_make(&proving->state, &error) == LL_OK ? EXIT_DONE : command_failed(proving->options, &error);
}

static int open_state(struct proving *proving, struct cut **cut)
{
	struct cut_point point = proving->point;
	char text[32];
	const char *at = option_text(proving->options, "at");
	if (proving->has_note) {
		bool none = proving->checkpoint.entries == 0;
		point = (struct cut_point){.kind = none ? CUT_START : CUT_ENTRY,
					   .entry = proving->checkpoint.entries - !none};
		snprintf(text, sizeof text, "0:%" PRIu64, point.entry);
		at = text;
	}
	return audit_place_cut(&proving->place, &point, at, audit_mask(AUDIT_TOTALS), cut);
}

/* What the trees say must be what was signed. */
static int compare(struct proving *proving)
{
	const struct checkpoint *checkpoint = &proving->checkpoint, *earlier = &proving->earlier;
	const struct entry_tree *entries = &proving->entries;
	struct hash root = merkle_root(entries->tree, checkpoint->entries);
	if (strcmp(entries->ledger, checkpoint->ledger) != 0)
		return option_complain(proving->options, EXIT_NO, "the checkpoint is of ledger %s, this is %s",
				       checkpoint->ledger, entries->ledger);
	if (memcmp(root.bytes, checkpoint->root.bytes, HASH_BYTES) != 0)
		return option_complain(proving->options, EXIT_NO,
				       "this journal's first %" PRIu64
				       " entries are not those that the checkpoint was signed for: history was changed",
				       checkpoint->entries);
	if (proving->state.tree && (merkle_size(proving->state.tree) != checkpoint->lines ||
				    (root = merkle_root(proving->state.tree, checkpoint->lines),
				     memcmp(root.bytes, checkpoint->state.bytes, HASH_BYTES) != 0)))
		return option_complain(proving->options, EXIT_NO,
				       "the state after %" PRIu64 " entries is not the one that the checkpoint was "
				       "signed for, though the entries are: the versions fold differently",
				       checkpoint->entries);
	if (proving->proof.kind != PROOF_CONSISTENCY)
		return EXIT_DONE;
	root = merkle_root(entries->tree, earlier->entries);
	return memcmp(root.bytes, earlier->root.bytes, HASH_BYTES) == 0
		       ? EXIT_DONE
		       : option_complain(proving->options, EXIT_NO,
					 "this journal's first %" PRIu64
					 " entries are not those that the earlier checkpoint was signed for: history "
					 "was changed",
					 earlier->entries);
}

static void sign(struct proving *proving)
{
	struct checkpoint *checkpoint = &proving->checkpoint;
	struct buffer text = {0};
	memcpy(checkpoint->ledger, proving->entries.ledger, sizeof checkpoint->ledger);
	checkpoint->root = merkle_root(proving->entries.tree, checkpoint->entries);
	checkpoint->lines = merkle_size(proving->state.tree);
	checkpoint->state = merkle_root(proving->state.tree, checkpoint->lines);
	checkpoint_write(checkpoint, &text);
	note_sign(&proving->signer, buffer_slice(&text), &proving->note);
	buffer_release(&text);
}

static int prove_entry(struct proving *proving)
{
	struct entry_tree *entries = &proving->entries;
	struct proof_leaf *leaf = &proving->proof.leaves[0];
	if (!entries->found)
		return option_complain(proving->options, EXIT_NO,
				       "RECEIPT_NOT_FOUND: %s is not among the first %" PRIu64
				       " entries; what was rejected (400, 401, 404 ...) left none",
				       option_argument(proving->options, 1), proving->checkpoint.entries);
	leaf->index = entries->entry;
	leaf->bytes = buffer_slice(&entries->leaf);
	merkle_inclusion(entries->tree, leaf->index, proving->checkpoint.entries, &leaf->path);
	proving->proof.leaf_count = 1;
	return EXIT_DONE;
}

static void prove_state(struct proving *proving)
{
	const struct state_tree *state = &proving->state;
	struct proof *proof = &proving->proof;
	for (size_t i = 0; i < state->line_count; i++) {
		struct proof_leaf *leaf = &proof->leaves[i];
		leaf->index = state->lines[i].index;
		leaf->bytes = buffer_slice(&state->lines[i].bytes);
		merkle_inclusion(state->tree, leaf->index, proving->checkpoint.lines, &leaf->path);
	}
	proof->leaf_count = state->line_count;
}

static int make_trees(struct proving *proving)
{
	struct cut *cut = NULL;
	int status = EXIT_DONE;
	if (!proving->has_note || proving->proof.kind == PROOF_STATE) {
		status = open_state(proving, &cut);
		if (status != EXIT_DONE)
			return status;
		proving->checkpoint.entries = cut_entries(cut);
		status = make_state_tree(proving, cut);
		cut_close(cut);
	}
	return status == EXIT_DONE ? make_entry_tree(proving) : status;
}

static int prove(struct audit_place *place, void *context)
{
	struct proving *proving = context;
	struct proof *proof = &proving->proof;
	(void)place;
	int status = make_trees(proving);
	if (status == EXIT_DONE && proving->has_note)
		status = compare(proving);
	else if (status == EXIT_DONE)
		sign(proving);
	proof->signed_note = buffer_slice(&proving->note);
	proof->earlier = buffer_slice(&proving->earlier_note);
	if (status == EXIT_DONE && proof->kind == PROOF_ENTRY)
		status = prove_entry(proving);
	else if (status == EXIT_DONE && proof->kind == PROOF_STATE)
		prove_state(proving);
	else if (status == EXIT_DONE && proof->kind == PROOF_CONSISTENCY)
		merkle_consistency(proving->entries.tree, proving->earlier.entries, proving->checkpoint.entries,
				   &proof->path);
	if (status == EXIT_DONE) {
		proof_write(proof, &proving->out);
		status = proof_file_write(proving->options, option_text(proving->options, "to"),
					  buffer_slice(&proving->out), 0644);
	}
	entry_tree_release(&proving->entries);
	state_tree_release(&proving->state);
	return status;
}

/* ---- the command line ---- */

/* A checkpoint that is there is looked at without its signature: what is made from it is checked by who has the key. */
static int take_checkpoint(struct proving *proving, const char *option, struct buffer *note,
			   struct checkpoint *checkpoint)
{
	const char *path = option_text(proving->options, option);
	struct slice rest, text;
	struct error error;
	int status = proof_file_read(proving->options, path, note);
	if (status != EXIT_DONE)
		return status;
	rest = buffer_slice(note);
	const uint8_t *end = rest.size ? memmem(rest.at, rest.size, "\n\n", 2) : NULL;
	text = end ? slice_of(rest.at, (size_t)(end - rest.at) + 1) : SLICE_EMPTY;
	if (!end || checkpoint_read(text, checkpoint, &error) != LL_OK)
		return option_complain(proving->options, EXIT_USAGE,
				       "--%s: %s is no checkpoint, as `ledgerline audit prove checkpoint` makes them",
				       option, path);
	return EXIT_DONE;
}

static int take_signer(struct proving *proving)
{
	struct buffer text = {0};
	struct error error;
	struct slice rest, line;
	const char *path = option_text(proving->options, "key");
	int status = proof_file_read(proving->options, path, &text);
	if (status == EXIT_DONE) {
		rest = buffer_slice(&text);
		if (!line_take(&rest, &line))
			line = rest;
		if (note_signer_read(line, &proving->signer, &error) != LL_OK)
			status = option_complain(proving->options, EXIT_USAGE, "--key: %s: %s", path, error.text);
	}
	buffer_release(&text);
	return status;
}

static int take_ground(struct proving *proving)
{
	const struct options *options = proving->options;
	bool checkpoint = option_given(options, "checkpoint"), key = option_given(options, "key");
	int status = EXIT_DONE;
	if (checkpoint == key)
		return option_complain(options, EXIT_USAGE,
				       "give either --checkpoint FILE, which was signed before, or --key FILE, to sign "
				       "one now");
	if (checkpoint && (option_given(options, "at") || proving->proof.kind == PROOF_CHECKPOINT))
		return option_complain(options, EXIT_USAGE, "--checkpoint says already which cut is meant");
	proving->has_note = checkpoint;
	status = checkpoint ? take_checkpoint(proving, "checkpoint", &proving->note, &proving->checkpoint)
			    : take_signer(proving);
	if (status == EXIT_DONE)
		status = audit_take_cut(options, "at", &proving->point);
	if (status != EXIT_DONE || proving->proof.kind != PROOF_CONSISTENCY)
		return status;
	if (!option_given(options, "from"))
		return option_complain(options, EXIT_USAGE, "--from FILE, the earlier checkpoint, is wanted");
	status = take_checkpoint(proving, "from", &proving->earlier_note, &proving->earlier);
	if (status == EXIT_DONE && proving->earlier.entries == 0)
		return option_complain(options, EXIT_USAGE,
				       "the earlier checkpoint is of no entries: everything extends it");
	if (status == EXIT_DONE && checkpoint && proving->earlier.entries > proving->checkpoint.entries)
		return option_complain(options, EXIT_USAGE,
				       "the earlier checkpoint is of %" PRIu64 " entries, the later "
				       "of %" PRIu64,
				       proving->earlier.entries, proving->checkpoint.entries);
	return status;
}

static int take_entry(struct proving *proving, const char *text)
{
	struct entry_tree *entries = &proving->entries;
	struct cut_point point;
	entries->wants_entry = true;
	if (cut_parse(slice_text(text), &point) && point.kind == CUT_ENTRY)
		entries->entry = point.entry;
	else
		entries->command = slice_text(text);
	return EXIT_DONE;
}

static int take_subject(struct proving *proving)
{
	const struct options *options = proving->options;
	const char *what = option_argument(options, 0), *id = option_argument(options, 1),
		   *second = option_argument(options, 2);
	size_t wanted = 1;
	if (strcmp(what, "checkpoint") == 0) {
		proving->proof.kind = PROOF_CHECKPOINT;
	} else if (strcmp(what, "consistency") == 0) {
		proving->proof.kind = PROOF_CONSISTENCY;
	} else if (strcmp(what, "entry") == 0) {
		proving->proof.kind = PROOF_ENTRY;
		wanted = 2;
	} else {
		proving->proof.kind = PROOF_STATE;
		proving->kind = state_kind(slice_text(what));
		if (!proving->kind)
			return option_complain(
				options, EXIT_USAGE,
				"there is no proof of %s: checkpoint, consistency, entry, account, user, "
				"use, hold, concert, schedule, seat, reservation or payment",
				what);
		wanted = proving->kind->second ? 3 : 2;
	}
	if (option_arguments(options) < wanted)
		return option_complain(options, EXIT_USAGE, "of which %s? %s is wanted", what,
				       wanted == 3 && id ? "a seat number" : "an id");
	if (option_arguments(options) > wanted)
		return option_complain(options, EXIT_USAGE, "%s is one word too many",
				       option_argument(options, wanted));
	if (proving->proof.kind == PROOF_ENTRY)
		return take_entry(proving, id);
	if (proving->kind && !state_subject_read(proving->kind, slice_text(id), slice_text(second), &proving->subject))
		return option_complain(options, EXIT_USAGE, "%s %s%s%s is not the id of one", what, id,
				       second ? " " : "", second ? second : "");
	return EXIT_DONE;
}

static int run_prove(const struct options *options, void *context)
{
	struct proving proving = {.options = options};
	(void)context;
	int status = take_subject(&proving);
	if (status == EXIT_DONE)
		status = take_ground(&proving);
	if (status == EXIT_DONE)
		status = audit_place_run(&proving.place, options, prove, &proving);
	buffer_release(&proving.note);
	buffer_release(&proving.earlier_note);
	buffer_release(&proving.out);
	return status;
}

static int run_new_key(const struct options *options, void *context)
{
	struct slice name = slice_text(option_argument(options, 0));
	struct note_signer signer;
	struct buffer text = {0};
	(void)context;
	if (!note_name_is_good(name))
		return option_complain(options, EXIT_USAGE,
				       "a key's name has 1 to %d visible ASCII characters and no '+', like "
				       "ledger.example.com",
				       NOTE_NAME_MAX);
	note_signer_new(name, &signer);
	note_signer_write(&signer, &text);
	buffer_append_byte(&text, '\n');
	int status = proof_file_write(options, option_text(options, "to"), buffer_slice(&text), 0600);
	buffer_clear(&text);
	note_key_write(&signer.key, &text);
	if (status == EXIT_DONE)
		printf("%s\n", buffer_text(&text));
	buffer_release(&text);
	return status;
}

static const struct option prove_options[] = {
	OPTION_OF_DATA,
	OPTION_JOURNAL,
	{.name = "at",
	 .kind = OPTION_TEXT,
	 .value = "CUT",
	 .standard = "latest",
	 .help = "with --key: the cut to sign for"},
	{.name = "key",
	 .kind = OPTION_TEXT,
	 .value = "FILE",
	 .help = "a private key (`ledgerline audit new-key`): a checkpoint is signed now"},
	{.name = "checkpoint",
	 .kind = OPTION_TEXT,
	 .value = "FILE",
	 .help = "a checkpoint that was signed before: the proof rests on it"},
	{.name = "from", .kind = OPTION_TEXT, .value = "FILE", .help = "of consistency: the earlier checkpoint"},
	{.name = "to",
	 .kind = OPTION_TEXT,
	 .value = "FILE",
	 .standard = "-",
	 .help = "where the proof is written; must not be there yet. -: standard output"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	{0},
};

static const struct option new_key_options[] = {
	{.name = "to",
	 .kind = OPTION_TEXT,
	 .value = "FILE",
	 .required = true,
	 .help = "where the private key is written, readable by you alone; must not be there yet"},
	{0},
};

const struct cli_command command_audit_prove = {
	.name = "audit prove",
	.arguments =
		"checkpoint | consistency | entry POSITION|COMMAND | account|user|schedule|reservation|... ID | seat "
		"SCHEDULE SEATNO",
	.summary = "signed checkpoints, and small files that prove an entry or a part of the state without the ledger",
	.description =
		"A checkpoint says how many entries there are, and the roots of the Merkle trees over them and over the state\n"
		"after them. What is proven rests on one: on that of --checkpoint, or on one that is signed with --key for --at.\n"
		"What does not stand in the state is proven too, by the lines between which it would stand.\n"
		"`ledgerline audit check-proof` checks them; it needs no ledger, only the public key.",
	.options = prove_options,
	.arguments_min = 1,
	.arguments_max = 3,
	.exits =
		"1: the entry or the cut is not there; or the ledger is not the one that the checkpoint was signed for",
	.run = run_prove,
};

const struct cli_command command_audit_new_key = {
	.name = "audit new-key",
	.arguments = "NAME",
	.summary = "a new pair of keys for signing checkpoints; prints the public one",
	.description =
		"Ed25519. NAME is what signatures are known by, like ledger.example.com. Keep the private key away from\n"
		"the ledger's machines if you can, and give the public one to everybody who is to check proofs.",
	.options = new_key_options,
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run_new_key,
};
