/* Between the commands of proofs: their files. */
#ifndef LEDGERLINE_COMMANDS_PROOF_FILES_H
#define LEDGERLINE_COMMANDS_PROOF_FILES_H

#include "engine/commands/commands.h"

/* A whole file ("-": standard input) behind what the buffer has. EXIT_DONE, or the status after the complaint. */
int proof_file_read(const struct options *options, const char *path, struct buffer *text);

/* A new file ("-": standard output). One that is there is left alone, and that is complained of. */
int proof_file_write(const struct options *options, const char *path, struct slice text, unsigned mode);

#endif
