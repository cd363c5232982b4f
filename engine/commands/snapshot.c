/* `ledgerline snapshot`: copies of all projections at one position (engine/snapshots/snapshots.h). */
#include <stdio.h>
#include <string.h>

#include "engine/audit/series.h"
#include "engine/cli/progress.h"
#include "engine/commands/commands.h"
#include "engine/snapshots/snapshots.h"

static void print_taken(const struct options *options, const struct snapshot_manifest *manifest, const char *path,
			bool was_there)
{
	struct buffer buffer = {0}, described = {0};
	struct json_writer writer;
	json_writer_init(&writer, &described, false);
	manifest_to_json(manifest, &writer);
	json_writer_init(&writer, &buffer, false);
	json_object_begin(&writer);
	json_member_text(&writer, "path", path);
	json_member_bool(&writer, "taken", !was_there);
	json_key(&writer, "manifest");
	json_raw(&writer, buffer_slice(&described));
	json_object_end(&writer);
	command_print(options, &buffer);
	buffer_release(&described);
	buffer_release(&buffer);
}

/* ---- one ---- */

static enum ll_code take_one(const struct options *options, const struct data *data, struct journal *journal,
			     const char *root, struct error *error)
{
	struct snapshot_manifest manifest;
	char path[SNAPSHOT_PATH_MAX];
	bool was_there = false;
	enum ll_code code = snapshot_take(data, journal, root, NULL, &manifest, path, &was_there, error);
	if (code == LL_OK)
		print_taken(options, &manifest, path, was_there);
	return code;
}

/* ---- those of the past ---- */

struct taking_series {
	const struct options *options;
	struct progress progress;
};

static void on_taken(void *context, const struct snapshot_manifest *manifest, const char *path, bool was_there)
{
	print_taken(((struct taking_series *)context)->options, manifest, path, was_there);
}

static void on_progress(void *context, uint64_t offset, uint64_t end)
{
	struct taking_series *taking = context;
	taking->progress.total = end;
	progress_update(&taking->progress, offset);
}

static enum ll_code take_series(const struct options *options, struct journal *journal, const char *root,
				struct error *error)
{
	struct taking_series taking = {.options = options};
	struct series series = {.journal = journal,
				.root = root,
				.every = (uint64_t)option_integer(options, "every"),
				.taken = on_taken,
				.progress = on_progress,
				.context = &taking};
	progress_begin(&taking.progress, stderr, "folding", "blocks", 0);
	enum ll_code code = series_take(&series, error);
	progress_end(&taking.progress);
	return code;
}

static int run(const struct options *options, void *context)
{
	char root[DATA_PATH_MAX];
	struct journal *journal = NULL;
	struct data data;
	struct error error;
	(void)context;
	const char *to = option_text(options, "to");
	if (data_open(option_text(options, "data"), option_text(options, "journal"), DATA_READ, &data, &error) != LL_OK)
		return command_failed(options, &error);
	snprintf(root, sizeof root, to ? "%s" : "%s/snapshots", to ? to : data.path);
	int status = command_open_journal(options, data.url, false, false, &journal);
	if (status == EXIT_DONE &&
	    (option_given(options, "every") ? take_series(options, journal, root, &error)
					    : take_one(options, &data, journal, root, &error)) != LL_OK)
		status = command_failed(options, &error);
	journal_close(journal);
	data_close(&data);
	return status;
}

static const struct option options[] = {
	OPTION_DATA,
	OPTION_JOURNAL,
	{.name = "to",
	 .kind = OPTION_TEXT,
	 .value = "DIR",
	 .help = "where snapshots are kept (default: snapshots/ in the data directory)"},
	{.name = "every",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .min = 1,
	 .max = INT64_MAX,
	 .help = "snapshots of the past, after each N entries, by a fold from 0"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

const struct cli_command command_snapshot = {
	.name = "snapshot",
	.summary = "copy all projections, at one position",
	.description =
		"Copies every projection, folds the copies on to the journal's end, and keeps them in a directory named after the\n"
		"number of entries, with a manifest: ledger, position, layouts, digest of the state, hash of each projection's rows.\n"
		"Works while an engine serves. `ledgerline rebuild --from-snapshot` begins at the newest one,\n"
		"cuts of `ledgerline audit` at the nearest: with --every they are made for a journal that has grown without them.",
	.options = options,
	.run = run,
};
