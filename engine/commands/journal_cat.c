/* `ledgerline journal cat`: events and refusals as JSON Lines. */
#include <errno.h>
#include <string.h>

#include "engine/audit/event_line.h"
#include "engine/audit/walk.h"
#include "engine/commands/commands.h"

enum { FLUSH_BYTES = 64 * 1024 };

struct cat {
	uint64_t from, to; /* entries, both included */
	struct buffer lines;
};

static enum ll_code write_out(struct cat *cat, struct error *error)
{
	size_t size = cat->lines.size;
	size_t written = fwrite(cat->lines.at, 1, size, stdout);
	buffer_clear(&cat->lines);
	return written == size ? LL_OK
			       : error_set(error, LL_IO, "cannot write to standard output: %s", strerror(errno));
}

static enum ll_code on_entry(void *context, const struct entry *entry, struct error *error)
{
	struct cat *cat = context;
	if (entry->seq > cat->to)
		return LL_END;
	if (entry->seq >= cat->from)
		event_lines(entry, &cat->lines);
	return cat->lines.size >= FLUSH_BYTES ? write_out(cat, error) : LL_OK;
}

static int run(const struct options *options, void *context)
{
	char url[JOURNAL_URL_MAX];
	struct journal *journal = NULL;
	struct cat cat = {.from = 0};
	struct fold fold = {0};
	struct error error, writing;
	(void)context;
	if (!command_position(option_text(options, "from"), &cat.from) ||
	    !command_position(option_text(options, "to"), &cat.to))
		return option_complain(options, EXIT_USAGE, "--from and --to take positions like 0:1842");
	int status = command_journal_url(options, url);
	if (status == EXIT_DONE)
		status = command_open_journal(options, url, false, false, &journal);
	if (status != EXIT_DONE)
		return status;
	struct walk walk = {.end = UINT64_MAX, .entry = on_entry, .context = &cat};
	enum ll_code code = walk_journal(journal, &walk, &fold, &error);
	if (write_out(&cat, &writing) != LL_OK && code == LL_OK)
		error = writing, code = writing.code;
	if (fflush(stdout) != 0 && code == LL_OK)
		code = error_set(&error, LL_IO, "cannot write to standard output: %s", strerror(errno));
	buffer_release(&cat.lines);
	journal_close(journal);
	if (code == LL_OK)
		return EXIT_DONE;
	return journal_is_bad(code) ? option_complain(options, EXIT_NO, "%s", error.text)
				    : command_failed(options, &error);
}

static const struct option options[] = {
	{.name = "data", .kind = OPTION_TEXT, .value = "DIR", .help = "the journal of this data directory"},
	{.name = "from",
	 .kind = OPTION_TEXT,
	 .value = "POSITION",
	 .standard = "start",
	 .help = "the first entry to show"},
	{.name = "to",
	 .kind = OPTION_TEXT,
	 .value = "POSITION",
	 .standard = "latest",
	 .help = "the last entry to show"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	{0},
};

const struct cli_command command_journal_cat = {
	.name = "journal cat",
	.arguments = "[URL]",
	.summary = "events and refusals of a journal as JSON Lines",
	.description =
		"One line an event, in the journal's order; a refusal is one line of type `refused`, with the facts that decided.\n"
		"Positions are like 0:1842; both ends are shown.",
	.options = options,
	.arguments_max = 1,
	.exits = "1: the journal is damaged; what stands before the damage was shown",
	.run = run,
};
