/* `ledgerline journal create URL`: the log, and its genesis. */
#include <string.h>
#include <time.h>

#include "engine/commands/commands.h"
#include "engine/data/catch_up.h"

enum { NAME_MAX_BYTES = 64 };

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* kafka://.../tickets -> tickets; what has no such name is called "ledger". */
static const char *name_of(const struct options *options, const char *url)
{
	const char *name = option_text(options, "name"), *slash = strrchr(url, '/');
	if (name)
		return name;
	return strncmp(url, "kafka:", 6) == 0 && slash && slash[1] ? slash + 1 : "ledger";
}

/* A log without its genesis is one whose maker died: it is completed. */
static enum ll_code make(const char *url, const char *name, const struct journal_options *journal_options,
			 int replication, struct error *error)
{
	struct journal *journal = NULL;
	struct journal_watermarks marks;
	enum ll_code code = journal_create(url, journal_options, replication, error);
	bool was_there = code == LL_EXISTS;
	if (code == LL_OK || was_there)
		code = journal_open(url, journal_options, &journal, error);
	if (code == LL_OK)
		code = journal_watermarks(journal, &marks, error);
	if (code == LL_OK && marks.high)
		code = error_set(error, LL_EXISTS, "%s is there already, with %llu records: nothing was changed", url,
				 (unsigned long long)marks.high);
	if (code == LL_OK)
		code = write_genesis(journal, name, now_ms(), error);
	journal_close(journal);
	return code;
}

static void warn(void *context, bool wrong, const char *sentence)
{
	(void)context;
	fprintf(stderr, "%s: %s\n", wrong ? "wrong" : "warning", sentence);
}

/* What the brokers made of it: warnings go to the person, they change nothing. */
static void look_at_settings(const char *url, const struct journal_options *journal_options)
{
	struct journal *journal = NULL;
	unsigned wrong;
	if (journal_open(url, journal_options, &journal, NULL) == LL_OK &&
	    journal_check(journal, warn, NULL, &wrong, NULL) != LL_OK)
		fprintf(stderr, "warning: the settings of %s could not be looked at\n", url);
	journal_close(journal);
}

static int run(const struct options *options, void *context)
{
	char room[SETTINGS_BYTES_MAX];
	struct journal_option settings[SETTINGS_MAX];
	struct error error;
	const char *url = option_argument(options, 0), *name = name_of(options, url);
	(void)context;
	int count = command_settings(options, settings, room);
	if (count < 0)
		return EXIT_USAGE;
	if (!*name || strlen(name) > NAME_MAX_BYTES)
		return option_complain(options, EXIT_USAGE, "a ledger's name has 1 to %d characters", NAME_MAX_BYTES);
	struct journal_options journal_options = {
		.settings = settings, .settings_count = (size_t)count, .create = true};
	if (make(url, name, &journal_options, (int)option_integer(options, "replication"), &error) != LL_OK)
		return command_failed(options, &error);
	look_at_settings(url, &journal_options);
	printf("made %s: ledger %s\n", url, name);
	return EXIT_DONE;
}

static const struct option options[] = {
	{.name = "name",
	 .kind = OPTION_TEXT,
	 .value = "NAME",
	 .help = "the ledger's name; else the topic's, or `ledger`"},
	{.name = "replication",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .min = 1,
	 .max = 32,
	 .help = "replicas of a topic; else three, or as many as there are brokers"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	{0},
};

const struct cli_command command_journal_create = {
	.name = "journal create",
	.arguments = "URL",
	.summary = "make a journal, with its genesis",
	.description =
		"Makes the topic with the settings that a journal needs (or the directory of an embedded one), and writes\n"
		"its first record. A Kafka journal is only ever born so. One that is there is never touched.",
	.options = options,
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run,
};
