/* `ledgerline audit check-proof`: is it true, by that key? Needs no ledger. */
#include <inttypes.h>
#include <string.h>

#include "engine/audit/event_line.h"
#include "engine/commands/proof_files.h"
#include "engine/proof/entry_tree.h"
#include "engine/proof/proof.h"
#include "engine/proof/state_tree.h"
#include "schemas/wire/json.h"

struct checking {
	const struct options *options;
	struct note_key key;
	struct buffer text, out;
	struct proof proof;
	struct proof_ground ground;
};

/* The key itself, or a file with it. */
static int take_key(struct checking *checking)
{
	const char *given = option_text(checking->options, "public-key");
	struct buffer text = {0};
	struct slice line = slice_text(given), rest;
	struct error error;
	int status = EXIT_DONE;
	if (!strchr(given, '+')) {
		status = proof_file_read(checking->options, given, &text);
		rest = buffer_slice(&text);
		if (status == EXIT_DONE && !line_take(&rest, &line))
			line = rest;
	}
	if (status == EXIT_DONE && note_key_read(line, &checking->key, &error) != LL_OK)
		status = option_complain(checking->options, EXIT_USAGE, "--public-key: %s", error.text);
	buffer_release(&text);
	return status;
}

static void write_checkpoint(struct json_writer *writer, const char *name, const struct checkpoint *checkpoint)
{
	struct buffer root = {0};
	json_key(writer, name);
	json_object_begin(writer);
	json_member_text(writer, "ledger", checkpoint->ledger);
	json_member_uint64(writer, "entries", checkpoint->entries);
	base64_write(hash_slice(&checkpoint->root), &root);
	json_member_string(writer, "root", buffer_slice(&root));
	json_member_uint64(writer, "lines", checkpoint->lines);
	buffer_clear(&root);
	base64_write(hash_slice(&checkpoint->state), &root);
	json_member_string(writer, "state", buffer_slice(&root));
	json_object_end(writer);
	buffer_release(&root);
}

/* The lines of the export's form, as an array. The journal's offset is not part of what is proven: it is left out. */
static int write_entry(struct checking *checking, struct json_writer *writer)
{
	const struct proof_leaf *leaf = &checking->proof.leaves[0];
	struct arena arena = {0};
	struct entry entry;
	struct buffer lines = {0};
	struct slice rest, line;
	if (!entry_leaf_read(leaf->bytes, &arena, &entry) || entry.seq != leaf->index) {
		arena_release(&arena);
		return option_complain(checking->options, EXIT_NO,
				       "the leaf is in the tree, but it is not entry %" PRIu64
				       ", or one that cannot be decoded: an annulled one",
				       leaf->index);
	}
	entry.offset = NONE_U64;
	event_lines(&entry, &lines);
	json_key(writer, "events");
	json_array_begin(writer);
	for (rest = buffer_slice(&lines); line_take(&rest, &line);)
		json_raw(writer, line);
	json_array_end(writer);
	buffer_release(&lines);
	arena_release(&arena);
	return EXIT_DONE;
}

/* Which line was asked for stands in the arguments; without them all that is shown is which lines are in the state. */
static int take_subject(struct checking *checking, struct state_subject *subject)
{
	const struct options *options = checking->options;
	const char *what = option_argument(options, 1), *id = option_argument(options, 2),
		   *second = option_argument(options, 3);
	const struct state_kind *kind = state_kind(slice_text(what));
	if (!kind)
		return option_complain(options, EXIT_USAGE, "there is nothing called %s in a state", what);
	if (!id || !state_subject_read(kind, slice_text(id), slice_text(second), subject) || (second && !kind->second))
		return option_complain(options, EXIT_USAGE, "which %s? Its id is wanted%s", what,
				       kind->second ? ", and a seat number" : "");
	return EXIT_DONE;
}

/* Do the lines show that it does not stand there? They are neighbours, or ends, and it would stand between. */
static bool is_absent(const struct checking *checking, const struct state_subject *subject)
{
	const struct proof *proof = &checking->proof;
	const struct proof_leaf *first = &proof->leaves[0], *last = &proof->leaves[proof->leaf_count - 1];
	int order = state_line_order(first->bytes, subject);
	if (proof->leaf_count == 2)
		return last->index == first->index + 1 && order < 0 && state_line_order(last->bytes, subject) > 0;
	return (first->index == 0 && order > 0) || (first->index == checking->ground.checkpoint.lines - 1 && order < 0);
}

static int write_state(struct checking *checking, struct json_writer *writer)
{
	const struct proof *proof = &checking->proof;
	struct state_subject subject;
	bool found = proof->leaf_count == 1;
	if (option_arguments(checking->options) > 1) {
		int status = take_subject(checking, &subject);
		if (status != EXIT_DONE)
			return status;
		found = proof->leaf_count == 1 && state_line_order(proof->leaves[0].bytes, &subject) == 0;
		if (!found && !is_absent(checking, &subject))
			return option_complain(
				checking->options, EXIT_NO, "the lines are in the state, but say nothing about %s %s",
				option_argument(checking->options, 1), option_argument(checking->options, 2));
		json_member_bool(writer, "present", found);
	}
	json_key(writer, "lines");
	json_array_begin(writer);
	for (size_t i = 0; i < proof->leaf_count; i++)
		json_raw(writer, proof->leaves[i].bytes);
	json_array_end(writer);
	return EXIT_DONE;
}

static int show(struct checking *checking)
{
	static const char *const names[] = {"checkpoint", "entry", "state", "consistency"};
	struct json_writer writer;
	int status = EXIT_DONE;
	json_writer_init(&writer, &checking->out, false);
	json_object_begin(&writer);
	json_member_text(&writer, "proof", names[checking->proof.kind]);
	json_member_text(&writer, "signedBy", checking->key.name);
	write_checkpoint(&writer, "checkpoint", &checking->ground.checkpoint);
	if (checking->proof.kind == PROOF_CONSISTENCY)
		write_checkpoint(&writer, "earlier", &checking->ground.earlier);
	if (checking->proof.kind == PROOF_ENTRY)
		status = write_entry(checking, &writer);
	else if (checking->proof.kind == PROOF_STATE)
		status = write_state(checking, &writer);
	if (status != EXIT_DONE)
		return status;
	json_object_end(&writer);
	command_print(checking->options, &checking->out);
	return EXIT_DONE;
}

static int check(struct checking *checking)
{
	const char *path = option_argument(checking->options, 0);
	struct error error;
	int status = proof_file_read(checking->options, path, &checking->text);
	if (status != EXIT_DONE)
		return status;
	if (proof_read(buffer_slice(&checking->text), &checking->proof, &error) != LL_OK ||
	    proof_check(&checking->proof, &checking->key, &checking->ground, &error) != LL_OK)
		return option_complain(checking->options, EXIT_NO, "%s is not proven: %s", path, error.text);
	if (option_arguments(checking->options) > 1 && checking->proof.kind != PROOF_STATE)
		return option_complain(checking->options, EXIT_USAGE,
				       "%s is no proof of a state: %s is one word too many", path,
				       option_argument(checking->options, 1));
	return show(checking);
}

static int run(const struct options *options, void *context)
{
	struct checking checking = {.options = options};
	(void)context;
	int status = take_key(&checking);
	if (status == EXIT_DONE)
		status = check(&checking);
	proof_release(&checking.proof);
	buffer_release(&checking.text);
	buffer_release(&checking.out);
	return status;
}

static const struct option options[] = {
	{.name = "public-key",
	 .kind = OPTION_TEXT,
	 .value = "KEY",
	 .required = true,
	 .help = "the key that is trusted, as `ledgerline audit new-key` printed it, or a file with it"},
	OPTION_JSON,
	{0},
};

const struct cli_command command_audit_check_proof = {
	.name = "audit check-proof",
	.arguments = "FILE|- [account|seat|... ID]",
	.summary = "is a proof true, by a public key? Needs no ledger",
	.description =
		"FILE is what `ledgerline audit prove` wrote. Prints what is proven: the checkpoint, and the entry or the lines\n"
		"of the state. Behind the file may stand what a proof of a state must be about: then it also says whether that\n"
		"stands in the state, and a proof of anything else is none.",
	.options = options,
	.arguments_min = 1,
	.arguments_max = 4,
	.exits = "1: it is not proven, with what is wrong",
	.run = run,
};
