/*
 * The command line, from tables: `ledgerline COMMAND [--options] ARGUMENTS`.
 *
 * `--name value` and `--name=value`; `--` ends the options; `-` alone is an argument. What is wrong with a command line
 * is one sentence on standard error and exit status 2. `--help` behind a command (or `help COMMAND`) prints what its
 * table says, `--help` alone lists the commands, `--version` prints the version.
 *
 * A command that has an option `config` (OPTION_TEXT) reads that file: `name = value` stands for `--name value`, and in
 * a section `[name]` each line `x = y` stands for `--name x=y` of an OPTION_LIST. The command line goes before the
 * file, and in a list comes after it.
 */
#ifndef LEDGERLINE_CLI_OPTIONS_H
#define LEDGERLINE_CLI_OPTIONS_H

#include <stdio.h>

#include "schemas/wire/arena.h"
#include "schemas/wire/error.h"

/* Exit statuses of every command. */
enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_USAGE = 2, EXIT_FAILED = 3 };

enum option_kind {
	OPTION_FLAG,    /* --json; takes no value (in a file: yes or no) */
	OPTION_TEXT,    /* --data DIR */
	OPTION_INTEGER, /* --limit N, min..max */
	OPTION_LIST,    /* --kafka NAME=VALUE, any number of times */
};

/* A table of options ends with one without name. All of it is borrowed for ever. */
struct option {
	const char *name; /* without dashes */
	enum option_kind kind;
	const char *value;    /* how its value is called in the help: "DIR". Not for flags */
	const char *help;     /* what it does; may have line ends */
	const char *standard; /* its value when it is not given; NULL: none. Not for flags and lists */
	int64_t min, max;     /* of an OPTION_INTEGER; both 0: any */
	bool required;
};

struct options;

struct cli_command {
	const char *name;             /* "serve", or two words: "journal create" */
	const char *arguments;        /* for the usage line: "[FILE|-]"; NULL: none */
	const char *summary;          /* one line, for the list of commands */
	const char *description;      /* lines of at most 100 characters, without a line end at its end */
	const struct option *options; /* NULL: none */
	unsigned arguments_min, arguments_max;
	const char *exits; /* more about the exit statuses than every command has; NULL: no more */
	int (*run)(const struct options *options, void *context); /* returns the exit status */
};

struct program {
	const char *name, *version, *summary;
	const struct cli_command *commands;
	size_t command_count;
};

/* Finds the command, reads the options, and runs it; returns the exit status. Help and version go to `out`, complaints
 * to `err`. */
int program_run(const struct program *program, int argc, char **argv, FILE *out, FILE *err, void *context);

/* ---- for commands. A name that is not in the command's table, or is there as another kind, is a bug. ---- */

bool option_given(const struct options *options, const char *name); /* any kind; also by the file */
bool option_flag(const struct options *options, const char *name);
const char *option_text(const struct options *options, const char *name); /* or its standard, or NULL */
int64_t option_integer(const struct options *options, const char *name);  /* or its standard, or 0 */
size_t option_count(const struct options *options, const char *name);     /* of a list */
const char *option_item(const struct options *options, const char *name, size_t index);

size_t option_arguments(const struct options *options);
const char *option_argument(const struct options *options, size_t index); /* NULL beyond the last */

/* Says "ledgerline COMMAND: sentence" on standard error; returns `status`, so that a command can end with it. */
int option_complain(const struct options *options, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
