/* Copies of a generation, as of its last flush: one file of full pages, on the disk and marked clean when the call returns. */
#ifndef LEDGERLINE_STORE_COPY_H
#define LEDGERLINE_STORE_COPY_H

#include "projections/store/store.h"

/* Copies the generation in `from` into `to`, which must be there and empty. Whoever writes `from` is not disturbed; what it
 * commits meanwhile is not in the copy, and keeps old pages until the copy is done. snapshot_open's errors, and LL_FULL. */
enum ll_code generation_copy(const struct store_spec *spec, const char *from, const char *to,
			     struct error *error) LL_CHECKED;

#endif
