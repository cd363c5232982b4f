/*
 * Generations: the built versions of one projection.
 *
 *	<root>/gen-000001/        a generation: one environment with its guard
 *	<root>/gen-000002/
 *	<root>/current            a link to the one in use, swapped by one rename
 *	<root>/building           a link to one that a rebuild fills; it goes on there after it was killed
 *	<root>/ready              a link to one that is built and certified: whoever holds the data directory adopts it
 *
 * A rebuild makes a generation and names it `building`, turns that name into `ready` by one rename, and `current` is swapped by
 * another: so at every moment each generation is whole, or named as not yet whole, or named by nobody. Numbers are never used again
 * while a higher one is there. Who reads resolves the link once (generation_current) and then opens the directory that
 * it got: opening through the link could take data.mdb of one generation and lock.mdb of another.
 */
#ifndef LEDGERLINE_STORE_GENERATION_H
#define LEDGERLINE_STORE_GENERATION_H

#include "schemas/wire/error.h"

#include <stddef.h>

enum { GENERATION_PATH_MAX = 4096, GENERATIONS_MAX = 64 };

enum generation_name { GENERATION_CURRENT, GENERATION_BUILDING, GENERATION_READY };

/* The directory of the generation of that name. `number` may be NULL. LL_NOT_FOUND: none has it. LL_CORRUPT: the link points to
 * something else. */
enum ll_code generation_named(const char *root, enum generation_name name, char path[GENERATION_PATH_MAX],
			      unsigned *number, struct error *error) LL_CHECKED;

/* The current one. LL_NOT_FOUND: none was adopted yet. */
enum ll_code generation_current(const char *root, char path[GENERATION_PATH_MAX], unsigned *number,
				struct error *error) LL_CHECKED;

/* Makes the next generation's directory, empty, and the root when it is not there. LL_FULL: too many. */
enum ll_code generation_make(const char *root, char path[GENERATION_PATH_MAX], unsigned *number,
			     struct error *error) LL_CHECKED;

/* Makes it the current one; on the disk when this returns. LL_NOT_FOUND: there is no such generation. After LL_IO of the last
 * step it is the current one, but might not be after the machine stops. */
enum ll_code generation_adopt(const char *root, unsigned number, struct error *error) LL_CHECKED;

/* Gives or moves a name in the same way; generation_adopt is the one that gives GENERATION_CURRENT. */
enum ll_code generation_give_name(const char *root, enum generation_name name, unsigned number,
				  struct error *error) LL_CHECKED;

/* What is `building` is `ready` now. LL_NOT_FOUND: nothing is. */
enum ll_code generation_make_ready(const char *root, struct error *error) LL_CHECKED;

/* Takes a name away; the generation stays. Allowed when nobody has it. */
enum ll_code generation_take_name(const char *root, enum generation_name name, struct error *error) LL_CHECKED;

/* All that are there, ascending. */
enum ll_code generation_list(const char *root, unsigned numbers[GENERATIONS_MAX], size_t *count,
			     struct error *error) LL_CHECKED;

/* Removes one. LL_BUSY: it is the current one, or somebody writes it. Readers that have it open keep what they have. */
enum ll_code generation_delete(const char *root, unsigned number, struct error *error) LL_CHECKED;

/* Removes the files of a generation that nobody else has open; the directory stays. Allowed when it is not there. */
enum ll_code generation_empty(const char *directory, struct error *error) LL_CHECKED;

/* The writer's lock of a generation: held until the descriptor is closed, or the process ends. LL_BUSY: somebody has it. */
enum ll_code generation_lock(const char *directory, int *descriptor, struct error *error) LL_CHECKED;

#endif
