/*
 * What the help of the command line prints, from the tables of options.h.
 */
#ifndef LEDGERLINE_CLI_HELP_H
#define LEDGERLINE_CLI_HELP_H

#include "engine/cli/options.h"
#include "schemas/wire/buffer.h"

/* "ledgerline journal check [OPTIONS] [URL]", behind what is in `out`. */
void help_usage(const struct program *program, const struct cli_command *command, struct buffer *out);

void help_print_program(const struct program *program, FILE *out);
void help_print_command(const struct program *program, const struct cli_command *command, FILE *out);

/* Whether `word` is the first of two in the name of some commands ("journal"). */
bool help_is_group(const struct program *program, const char *word);
/* Lists the commands that begin with `word`, when it is a group and `asked`; whether it did. */
bool help_print_group(const struct program *program, const char *word, FILE *out, bool asked);

#endif
