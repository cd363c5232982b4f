/* Sorts rows by key: by radix on eight bytes behind what all keys share, then the few that are equal there in full. */
#ifndef LEDGERLINE_STORE_SORT_H
#define LEDGERLINE_STORE_SORT_H

#include "projections/store/row.h"

struct sorted_row {
	uint64_t prefix; /* eight bytes of the key, where keys begin to differ */
	struct row *row;
};

/* Sorts `count` rows whose pointers are set; `spare` is room for as many. The result is in one of both: that one comes back. */
struct sorted_row *rows_sort(struct sorted_row *rows, struct sorted_row *spare, size_t count);

#endif
