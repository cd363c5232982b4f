/*
 * A directory for work that nobody keeps: DIR/NAME.PID, removed with all that is in it. What a process that was killed left there is
 * removed by the next one.
 */
#ifndef LEDGERLINE_SCRATCH_H
#define LEDGERLINE_SCRATCH_H

#include <stddef.h>

#include "schemas/wire/error.h"

/* Makes it and writes its path, of at most `size` bytes. LL_EXISTS: this process has one of that name. LL_DENIED, LL_FULL, LL_IO, LL_USAGE (too long). */
enum ll_code scratch_make(const char *directory, const char *name, char *path, size_t size,
			  struct error *error) LL_CHECKED;

/* Removes what processes that are gone left under that name. */
void scratch_tidy(const char *directory, const char *name);

/* Removes it; what cannot be removed stays. An empty path is allowed. */
void scratch_remove(const char *path);

#endif
