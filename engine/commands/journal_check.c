/* `ledgerline journal check`: are the settings of the log such that it keeps what it is given? */
#include "engine/commands/commands.h"

static void found(void *context, bool wrong, const char *sentence)
{
	(void)context;
	if (wrong)
		printf("%s\n", sentence);
	else
		fprintf(stderr, "warning: %s\n", sentence);
}

static int run(const struct options *options, void *context)
{
	char url[JOURNAL_URL_MAX];
	struct journal *journal = NULL;
	struct error error;
	unsigned wrong = 0;
	(void)context;
	int status = command_journal_url(options, url);
	if (status == EXIT_DONE)
		status = command_open_journal(options, url, false, false, &journal);
	if (status != EXIT_DONE)
		return status;
	if (journal_check(journal, found, NULL, &wrong, &error) != LL_OK)
		status = command_failed(options, &error);
	else if (wrong)
		status = EXIT_NO;
	else
		printf("%s: all settings are right\n", url);
	journal_close(journal);
	return status;
}

static const struct option options[] = {
	{.name = "data", .kind = OPTION_TEXT, .value = "DIR", .help = "the journal of this data directory"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	{0},
};

const struct cli_command command_journal_check = {
	.name = "journal check",
	.arguments = "[URL]",
	.summary = "check the settings of a journal's topic",
	.description =
		"Prints a line `TOPIC: setting=value, should be ...` for each setting that is wrong, with the command that mends it.\n"
		"Warnings go to standard error. An embedded journal has nothing to set.",
	.options = options,
	.arguments_max = 1,
	.exits = "1: a setting is wrong",
	.run = run,
};
