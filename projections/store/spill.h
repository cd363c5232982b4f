/*
 * Rows of scattered keys, while a table is being built: sorted a layer at a time into a file, merged into LMDB at the end.
 *
 * Written at once, the rows of a layer would touch about as many pages as there are rows, again and again with each layer.
 * So each layer becomes a sorted run in one file, and when all is folded the runs are merged and appended: every page is
 * written once, and full.
 *
 *	file: run run run ...      run: row row ...      row: key size (u16) | value size (u32) | key | value
 *
 * The file lies beside data.mdb as `sorting-TABLE`, and where its runs end is written into the environment together with the position
 * (meta `building`): so a builder that was killed goes on where it was last flushed, and nobody else takes what is half built for
 * whole. Of equal keys the one of the later run counts.
 *
 * The flush thread's; not for sharing.
 */
#ifndef LEDGERLINE_STORE_SPILL_H
#define LEDGERLINE_STORE_SPILL_H

#include "projections/store/sort.h"
#include "schemas/wire/error.h"

struct spill;

/* Makes the file for `table` in `directory`, both borrowed, in the place of one that may lie there. LL_FULL, LL_DENIED, LL_IO. */
enum ll_code spill_open(const char *directory, const char *table, struct spill **spill, struct error *error) LL_CHECKED;
/* Opens the one that is there, of which `count` runs are known to be whole: what lies behind the last of them is cut off.
 * LL_UNTRUSTED: it is not there, or shorter. */
enum ll_code spill_reopen(const char *directory, const char *table, const uint64_t *ends, unsigned count,
			  struct spill **spill, struct error *error) LL_CHECKED;
void spill_close(struct spill *spill);  /* leaves the file; NULL allowed */
void spill_remove(struct spill *spill); /* and removes it; NULL allowed */

/* Adds a run: rows in key order. After an error the spill is of no more use. */
enum ll_code spill_write(struct spill *spill, const struct sorted_row *rows, size_t count,
			 struct error *error) LL_CHECKED;
/* Where the runs end in the file, ascending: good until the next spill_write. */
const uint64_t *spill_ends(const struct spill *spill, unsigned *count);

/* Reading, after all was written: from the beginning. LL_IO. */
enum ll_code spill_begin(struct spill *spill, struct error *error) LL_CHECKED;
/* Passes over all rows whose keys are not greater than `key`: they were merged before. */
void spill_skip(struct spill *spill, struct slice key);
/* The next row in key order, good until spill_close; false: there is none. */
bool spill_next(struct spill *spill, struct slice *key, struct slice *value);
/* Remembers where reading stands, and goes back there: for a transaction that must be done again. */
void spill_mark(struct spill *spill);
void spill_back(struct spill *spill);

#endif
