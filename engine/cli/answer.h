/*
 * JSON answers as people read them: what the API says, printed by a command.
 *
 *	userId     kim
 *	balance    1,400
 *
 *	LOT ID     SOURCE  AMOUNT  REMAINING
 *	lot-7-0    paid    1,000   1,000
 *
 * An object's plain members come first, one a line; then, under their names, what is not plain: objects indented, lists of objects (and
 * objects of objects) as tables, other lists in one line.
 */
#ifndef LEDGERLINE_CLI_ANSWER_H
#define LEDGERLINE_CLI_ANSWER_H

#include <stdio.h>

#include "schemas/wire/slice.h"

/* `json` is one object that this program wrote: anything else is a bug. */
void answer_print(struct slice json, FILE *out);

#endif
