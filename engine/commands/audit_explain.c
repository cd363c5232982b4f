/*
 * `ledgerline audit explain COMMAND`: why a command was decided as it was.
 *
 * Its entry is found by the projection of receipts where there is one, else by a walk over the journal; the decision is made again on the cut before it.
 */
#include <inttypes.h>
#include <string.h>

#include "engine/api/command_json.h"
#include "engine/audit/explain.h"
#include "engine/audit/guarded.h"
#include "engine/commands/audit_place.h"
#include "projections/views/rows.h"
#include "projections/views/snapshot_view.h"
#include "schemas/codes.h"

struct command_explaining {
	const struct options *options;
	struct audit_place place;
	struct explain_asked asked;
};

/* What the receipts know. Where they are missing, lag, or cannot be read, the journal is searched: nothing is said here. */
static void ask_receipts(struct command_explaining *explaining)
{
	char root[DATA_PATH_MAX];
	struct explain_asked *asked = &explaining->asked;
	struct snapshot_places places = {.root = root, .which = 1u << PROJECTION_RECEIPTS, .tell_failures = true};
	struct snapshot_view *snapshots = NULL;
	struct receipts_row row;
	struct error error;
	if (!explaining->place.has_data || !asked->command_id.size)
		return;
	snprintf(root, sizeof root, "%s/projections", explaining->place.data.path);
	snprintf(explaining->place.reading, GUARDED_PLACE_MAX, "the projection receipts in %s", root);
	struct short_hash hash = short_hash_of(asked->command_id);
	if (snapshot_view_open(&places, &snapshots, &error) == LL_OK &&
	    snapshot_view_pin(snapshots, 0, &error) == LL_OK &&
	    receipts_get(snapshot_view_view(snapshots), receipts_key(short_hash_slice(&hash)), &row)) {
		asked->is_found = true;
		asked->seq = row.seq;
		asked->offset = row.offset;
		asked->index = row.index;
		asked->time = row.time;
	}
	snapshot_view_close(snapshots);
}

static int complain(const struct command_explaining *explaining, int refused)
{
	const struct code_info *info = code_info((uint16_t)refused);
	const struct explain_asked *asked = &explaining->asked;
	if (asked->command_id.size)
		return option_complain(
			explaining->options, EXIT_NO,
			"%s: no entry of the journal is of command %.*s: it never came, it was rejected (what cannot "
			"be a command, or names what is not there, leaves no trace), or it was a read",
			info->name, SLICE_PRINT(asked->command_id));
	return option_complain(explaining->options, EXIT_NO,
			       "%s: the journal has no entry 0:%" PRIu64 " that counts: it ends before it, or the "
			       "entry is annulled",
			       info->name, asked->seq);
}

static int explain_it(struct command_explaining *explaining)
{
	struct audit_place *place = &explaining->place;
	struct buffer out = {0};
	struct error error;
	bool redecided = false;
	int refused = 0;
	uint64_t seq;
	progress_begin(&place->progress, stderr, "folding", "blocks", 0);
	enum ll_code code = explain(&place->source, &explaining->asked, &out, &seq, &redecided, &refused, &error);
	progress_end(&place->progress);
	int status = redecided ? EXIT_DONE : EXIT_NO;
	if (code != LL_OK)
		status = command_failed(explaining->options, &error);
	else if (refused)
		status = complain(explaining, refused);
	else
		audit_print(explaining->options, &out);
	buffer_release(&out);
	return status;
}

static int work(struct audit_place *place, void *context)
{
	struct command_explaining *explaining = context;
	ask_receipts(explaining);
	snprintf(place->reading, GUARDED_PLACE_MAX, "a snapshot in %s", place->snapshots);
	return explain_it(explaining);
}

static int take_asked(const struct options *options, struct explain_asked *asked)
{
	struct slice text = slice_text(option_argument(options, 0));
	explain_parse(text, asked);
	if (!asked->command_id.size && text.size)
		return EXIT_DONE;
	return id_is_fine(text) ? EXIT_DONE
				: option_complain(options, EXIT_USAGE,
						  "a command's id has 1 to %d characters of A-Z a-z 0-9 . _ : -, an "
						  "entry's position is like 0:1842",
						  ID_BYTES_MAX);
}

static int run(const struct options *options, void *context)
{
	struct command_explaining explaining = {.options = options};
	(void)context;
	int status = take_asked(options, &explaining.asked);
	if (status == EXIT_DONE)
		status = audit_check_zone(options);
	return status == EXIT_DONE ? audit_place_run(&explaining.place, options, work, &explaining) : status;
}

static const struct option explain_options[] = {
	OPTION_OF_DATA, OPTION_JOURNAL, OPTION_TZ, OPTION_KAFKA, OPTION_CONFIG, OPTION_JSON, {0},
};

const struct cli_command command_audit_explain = {
	.name = "audit explain",
	.arguments = "COMMAND|POSITION",
	.summary = "why a command was decided as it was: every fact, and the entry that set it",
	.description =
		"Decides the command again on the state right before its entry, and shows what decided it: each value that was read,\n"
		"with the position of the entry that set it (none for what holds since the genesis, or comes with the command).\n"
		"The engine's own entries (what expired, steps of a cancellation) have no command: ask for them by position, 0:1842.\n"
		"--journal alone reads a journal without a data directory.",
	.options = explain_options,
	.arguments_min = 1,
	.arguments_max = 1,
	.exits = "1: deciding again gives something else (both are shown), or there is no such command or entry",
	.run = run,
};
