/*
 * Configuration files: lines `name = value`, in sections `[kafka]` or before the first one. `#` and `;` begin a
 * comment. They hold addresses and sizes, never rules of the ledger.
 */
#ifndef LEDGERLINE_CLI_CONFIG_H
#define LEDGERLINE_CLI_CONFIG_H

#include "schemas/wire/error.h"

/* One setting. `section` is "" before the first one. Strings are good during the call. Anything but LL_OK ends the
 * reading; the error's text, which says what is wrong with the setting, gets file and line before it. */
typedef enum ll_code config_visit_fn(void *context, const char *section, const char *name, const char *value,
				     struct error *error);

/* Reads the file, in its order. LL_NOT_FOUND, LL_DENIED, LL_IO: it cannot be read. LL_USAGE: a line that is none, with
 * "FILE:LINE: " before what is wrong; or what `visit` returned. */
enum ll_code config_read(const char *path, config_visit_fn *visit, void *context, struct error *error) LL_CHECKED;

#endif
