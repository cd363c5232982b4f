/*
 * The rows that say what an environment is, in its database `meta`; all text, but the position:
 *
 *	layout          1               of this page
 *	projection      balances
 *	schema_version  1
 *	position        (bytes)         as the fold gave them; missing: nothing was folded yet
 *	retired         yes             another generation took its place; else missing
 *	building        (lines)         rows lie in files beside it: table, ends of its runs (spill.h); else missing
 *	merging         yes             those are being merged; else missing
 */
#ifndef LEDGERLINE_STORE_META_H
#define LEDGERLINE_STORE_META_H

#include "projections/store/environment.h"
#include "projections/store/store.h"

#define META_DATABASE "meta"

/* What is there, in malloc'ed bytes; empty when it is not. */
struct meta {
	struct slice position;
	struct slice building;
	bool merging;
};
void meta_release(struct meta *meta);

/* Compares with what is there, and copies it to `meta` (NULL allowed). An environment without meta rows is all
 * right: nothing was ever written to it. LL_OLDER, LL_NEWER, LL_FOREIGN. LL_UNTRUSTED: half built, unless `may_be_half`. LL_CORRUPT: it has
 * rows, but no position. */
enum ll_code meta_read(struct environment *environment, const struct store_spec *spec, bool may_be_half,
		       struct meta *meta, struct error *error) LL_CHECKED;

/* Writes the rows that are missing, and takes the mark `retired` away: what is written again is in use again. */
enum ll_code meta_write(struct environment *environment, const struct store_spec *spec, unsigned *database,
			struct error *error) LL_CHECKED;

#endif
