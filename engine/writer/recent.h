/*
 * The blocks that were folded last, kept whole: a repeated command is mostly a retry of a moment ago, and its answer is
 * made from its entry.
 */
#ifndef LEDGERLINE_RECENT_H
#define LEDGERLINE_RECENT_H

#include "schemas/wire/slice.h"

enum { RECENT_BLOCKS = 128 };
#define RECENT_BYTES_MAX ((size_t)16 << 20)

struct recent {
	struct recent_block {
		uint64_t offset;
		uint8_t *bytes;
		size_t size;
	} blocks[RECENT_BLOCKS]; /* a ring */
	unsigned first, count;
	size_t bytes;
};

void recent_add(struct recent *recent, uint64_t offset, struct slice value); /* copies */
bool recent_find(const struct recent *recent, uint64_t offset, struct slice *value);
void recent_release(struct recent *recent);

#endif
