/* The part of a flush that has to do with tables that spill (spill.h). The flush thread's. */
#ifndef LEDGERLINE_STORE_FLUSH_SPILL_H
#define LEDGERLINE_STORE_FLUSH_SPILL_H

#include "projections/store/flush.h"

/* Writes the frozen rows of every table that spills to its file; adds to flush->rows. To be done once for a layer. */
enum ll_code flush_spill(struct flush *flush, struct error *error) LL_CHECKED;

/* Does any row lie in such a file? Then the store says `building`, and where the runs end. */
bool flush_has_spilled(const struct flush *flush);
enum ll_code flush_note_spilled(struct flush *flush, struct environment_txn *txn, struct error *error) LL_CHECKED;

/* Opens the files of a store that was left half built again, as meta `building` says. LL_UNTRUSTED: they are not what they were. */
enum ll_code flush_reopen_spilled(struct flush *flush, struct slice building, struct error *error) LL_CHECKED;

/* Merges the files into LMDB, in as many transactions as it takes, and takes the mark `building` away. From its beginning on the
 * store says `merging`: then nothing may be added any more before the merge was done, again or further. */
enum ll_code flush_merge(struct flush *flush, struct error *error) LL_CHECKED;

/* Of flush.c: room for sorting so many rows; whether to stop, asked for each row. */
void flush_make_room(struct flush *flush, size_t count);
bool flush_given_up(const struct flush *flush, size_t rows, struct error *error, enum ll_code *code);

#endif
