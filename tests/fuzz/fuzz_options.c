/*
 * Any command line and any configuration file is taken, or is one sentence and exit status 2. Arguments end with a line end each; an
 * empty line ends them, and what follows is the file that `--config` names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/cli/options.h"
#include "schemas/wire/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARGUMENTS_MAX = 40 };

static int run(const struct options *options, void *context)
{
	(void)context;
	(void)option_flag(options, "json");
	(void)option_text(options, "data");
	int64_t limit = option_integer(options, "limit");
	ENSURE(limit >= 1 && limit <= 1000);
	for (size_t i = 0; i < option_count(options, "kafka"); i++)
		ENSURE(option_item(options, "kafka", i));
	for (size_t i = 0; i < option_arguments(options); i++)
		ENSURE(option_argument(options, i));
	return EXIT_DONE;
}

static const struct option options[] = {
	{.name = "data", .kind = OPTION_TEXT, .value = "DIR", .help = "x", .required = true},
	{.name = "json", .kind = OPTION_FLAG, .help = "x"},
	{.name = "limit", .kind = OPTION_INTEGER, .value = "N", .help = "x", .standard = "10", .min = 1, .max = 1000},
	{.name = "kafka", .kind = OPTION_LIST, .value = "NAME=VALUE", .help = "x"},
	{.name = "config", .kind = OPTION_TEXT, .value = "FILE", .help = "x"},
	{0},
};

static const struct cli_command commands[] = {
	{.name = "serve", .summary = "x", .description = "x", .options = options, .run = run},
	{.name = "journal info",
	 .arguments = "[URL]",
	 .summary = "x",
	 .description = "x",
	 .options = options,
	 .arguments_max = 1,
	 .run = run},
};

static const struct program program = {.name = "fuzz",
				       .version = "0",
				       .summary = "x",
				       .commands = commands,
				       .command_count = 2};

/* Splits the text into lines; returns what is behind the empty one. */
static char *split(char *text, char **argv, int *argc)
{
	while (*text && *text != '\n' && *argc < ARGUMENTS_MAX) {
		char *end = strchr(text, '\n');
		argv[(*argc)++] = text;
		if (!end)
			return text + strlen(text);
		*end = 0;
		text = end + 1;
	}
	return *text == '\n' ? text + 1 : text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	static int file = -1;
	static char path[64], name[] = "fuzz", config[] = "--config";
	if (!nowhere) {
		nowhere = fopen("/dev/null", "w");
		file = memfd_create("config", MFD_CLOEXEC);
		ENSURE(nowhere && file >= 0);
		snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	}
	char *text = malloc(size + 1), *argv[ARGUMENTS_MAX + 4] = {name};
	int argc = 1;
	ENSURE(text);
	memcpy(text, data, size);
	text[size] = 0;
	char *rest = split(text, argv, &argc);
	size_t left = (size_t)(text + size - rest);
	if (left) {
		ENSURE(ftruncate(file, 0) == 0 && pwrite(file, rest, left, 0) == (ssize_t)left);
		argv[argc++] = config;
		argv[argc++] = path;
	}
	argv[argc] = NULL;
	int status = program_run(&program, argc, argv, nowhere, nowhere, NULL);
	ENSURE(status == EXIT_DONE || status == EXIT_USAGE || status == EXIT_FAILED);
	free(text);
	return 0;
}
