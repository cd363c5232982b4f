/* For tests that work on files: a journal of charges that follow one another, without an engine to decide them. */
#ifndef LEDGERLINE_TESTS_CHARGED_H
#define LEDGERLINE_TESTS_CHARGED_H

#include "engine/data/data.h"
#include "projections/fold/fold.h"

enum { CHARGES_PER_BLOCK = 25, CHARGED_USERS = 16 };

/* The next block of `fold`: charges of 10. `room` has BLOCK_BYTES_MAX bytes; `balances`, of CHARGED_USERS, go up with it. */
struct slice charged_block(uint8_t *room, const struct fold *fold, int64_t *balances);
struct slice charged_claim(uint8_t *room, const struct fold *fold);

/* New generations of two projections, from offset 0, handed over. Lets go of the directory's lock. */
enum ll_code charged_rebuild(struct data *data, struct journal *journal, struct error *error) LL_CHECKED;

#endif
