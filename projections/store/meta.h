/*
 * The rows that say what an environment is, in its database `meta`; all text, but the position:
 *
 *	layout          1               of this page
 *	projection      balances
 *	schema_version  1
 *	position        (bytes)         as the fold gave them; missing: nothing was folded yet
 *	retired         yes             another generation took its place; else missing
 */
#ifndef LEDGERLINE_STORE_META_H
#define LEDGERLINE_STORE_META_H

#include "projections/store/environment.h"
#include "projections/store/store.h"

#define META_DATABASE "meta"

/* Compares with what is there, and copies the position (malloc'ed; NULL allowed). An environment without meta rows is all
 * right: nothing was ever written to it. LL_OLDER, LL_NEWER, LL_FOREIGN. */
enum ll_code meta_read(struct environment *environment, const struct store_spec *spec, struct slice *position,
		       struct error *error) LL_CHECKED;

/* Writes the rows that are missing, and takes the mark `retired` away: what is written again is in use again. */
enum ll_code meta_write(struct environment *environment, const struct store_spec *spec, unsigned *database,
			struct error *error) LL_CHECKED;

#endif
