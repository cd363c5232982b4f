/* The part of a flush that has to do with tables that spill (spill.h). The flush thread's. */
#ifndef LEDGERLINE_STORE_FLUSH_SPILL_H
#define LEDGERLINE_STORE_FLUSH_SPILL_H

#include "projections/store/flush.h"

/* Writes the frozen rows of every table that spills to its file; adds to flush->rows. To be done once for a layer. */
enum ll_code flush_spill(struct flush *flush, struct error *error) LL_CHECKED;

/* Does any row lie in such a file? Then the store says `building`. */
bool flush_has_spilled(const struct flush *flush);

/* Merges the files into LMDB, in as many transactions as it takes, and takes the mark `building` away. */
enum ll_code flush_merge(struct flush *flush, struct error *error) LL_CHECKED;

/* Of flush.c: room for sorting so many rows; whether to stop, asked for each row. */
void flush_make_room(struct flush *flush, size_t count);
bool flush_given_up(const struct flush *flush, size_t rows, struct error *error, enum ll_code *code);

#endif
