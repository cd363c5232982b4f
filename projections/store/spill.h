/*
 * Rows of scattered keys, while a table is being built: sorted a layer at a time into a file, merged into LMDB at the end.
 *
 * Written at once, the rows of a layer would touch about as many pages as there are rows, again and again with each layer.
 * So each layer becomes a sorted run in one file, and when all is folded the runs are merged and appended: every page is
 * written once, and full.
 *
 *	file: run run run ...      run: row row ...      row: key size (u16) | value size (u32) | key | value
 *
 * The file has no name (it goes with its process): what is being built is of no use to anybody before it is merged, and a
 * store whose rows still lie here says so (meta `building`). Of equal keys the one of the later run counts.
 *
 * The flush thread's; not for sharing.
 */
#ifndef LEDGERLINE_STORE_SPILL_H
#define LEDGERLINE_STORE_SPILL_H

#include "projections/store/sort.h"
#include "schemas/wire/error.h"

struct spill;

/* Makes the file in `directory`, which is borrowed. LL_FULL, LL_DENIED, LL_IO. */
enum ll_code spill_open(const char *directory, struct spill **spill, struct error *error) LL_CHECKED;
void spill_close(struct spill *spill); /* NULL allowed */

/* Adds a run: rows in key order. After an error the spill is of no more use. */
enum ll_code spill_write(struct spill *spill, const struct sorted_row *rows, size_t count,
			 struct error *error) LL_CHECKED;
uint64_t spill_rows(const struct spill *spill); /* written so far */

/* Reading, after all was written: from the beginning. LL_IO. */
enum ll_code spill_begin(struct spill *spill, struct error *error) LL_CHECKED;
/* The next row in key order, good until spill_close; false: there is none. */
bool spill_next(struct spill *spill, struct slice *key, struct slice *value);
/* Remembers where reading stands, and goes back there: for a transaction that must be done again. */
void spill_mark(struct spill *spill);
void spill_back(struct spill *spill);

#endif
