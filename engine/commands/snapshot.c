/* `ledgerline snapshot`: copies of all projections at one position (engine/snapshots/snapshots.h). */
#include <stdio.h>
#include <string.h>

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

static int run(const struct options *options, void *context)
{
	char root[DATA_PATH_MAX], path[SNAPSHOT_PATH_MAX];
	struct snapshot_manifest manifest;
	struct journal *journal = NULL;
	struct data data;
	struct error error;
	bool was_there = false;
	(void)context;
	if (data_open(option_text(options, "data"), option_text(options, "journal"), DATA_READ, &data, &error) != LL_OK)
		return command_failed(options, &error);
	const char *to = option_text(options, "to");
	snprintf(root, sizeof root, to ? "%s" : "%s/snapshots", to ? to : data.path);
	int status = command_open_journal(options, data.url, false, false, &journal);
	if (status == EXIT_DONE &&
	    snapshot_take(&data, journal, root, NULL, &manifest, path, &was_there, &error) != LL_OK)
		status = command_failed(options, &error);
	else if (status == EXIT_DONE)
		print_taken(options, &manifest, path, was_there);
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
		"Works while an engine serves. `ledgerline rebuild --from-snapshot` begins at the newest one.",
	.options = options,
	.run = run,
};
