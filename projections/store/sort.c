#include "projections/store/sort.h"

#include <stdlib.h>

enum { AHEAD = 16, BUCKETS = 256, DIGITS = 8, RADIX_MIN = 64 };

static int compare(const void *a, const void *b)
{
	const struct sorted_row *x = a, *y = b;
	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	return slice_compare(row_key(x->row), row_key(y->row));
}

static size_t shared_prefix(const struct sorted_row *rows, size_t count)
{
	struct slice first = row_key(rows[0].row);
	size_t shared = first.size;
	for (size_t i = 1; i < count && shared; i++) {
		if (i + AHEAD < count)
			__builtin_prefetch(rows[i + AHEAD].row);
		struct slice key = row_key(rows[i].row);
		if (key.size < shared)
			shared = key.size;
		if (memcmp(first.at, key.at, shared) == 0)
			continue;
		size_t same = 0;
		while (first.at[same] == key.at[same])
			same++;
		shared = same;
	}
	return shared;
}

/* Returns whether they are in order already. */
static bool take_prefixes(struct sorted_row *rows, size_t count, size_t shared, size_t counts[DIGITS][BUCKETS])
{
	bool ascending = true;
	for (size_t i = 0; i < count; i++) {
		if (i + AHEAD < count)
			__builtin_prefetch(rows[i + AHEAD].row);
		struct slice key = row_key(rows[i].row);
		uint64_t bytes = 0;
		if (key.size >= shared + sizeof bytes)
			memcpy(&bytes, key.at + shared, sizeof bytes);
		else
			memcpy(&bytes, key.at + shared, key.size - shared);
		bytes = __builtin_bswap64(bytes);
		rows[i].prefix = bytes;
		if (ascending && i && compare(&rows[i - 1], &rows[i]) > 0)
			ascending = false;
		for (unsigned digit = 0; digit < DIGITS; digit++)
			counts[digit][bytes >> (8 * digit) & 0xff]++;
	}
	return ascending;
}

static void radix_pass(const struct sorted_row *from, struct sorted_row *to, size_t count, unsigned digit, size_t *counts)
{
	size_t at = 0;
	for (unsigned i = 0; i < BUCKETS; i++) {
		size_t here = counts[i];
		counts[i] = at;
		at += here;
	}
	for (size_t i = 0; i < count; i++)
		to[counts[from[i].prefix >> (8 * digit) & 0xff]++] = from[i];
}

/* Those whose eight bytes are equal stand side by side: sorts them by whole keys. */
static void sort_equal(struct sorted_row *rows, size_t count)
{
	for (size_t i = 0, end; i < count; i = end) {
		for (end = i + 1; end < count && rows[end].prefix == rows[i].prefix;)
			end++;
		if (end - i > 1)
			qsort(rows + i, end - i, sizeof *rows, compare);
	}
}

struct sorted_row *rows_sort(struct sorted_row *rows, struct sorted_row *spare, size_t count)
{
	size_t counts[DIGITS][BUCKETS] = {{0}};
	if (count < 2)
		return rows;
	if (take_prefixes(rows, count, shared_prefix(rows, count), counts))
		return rows;
	if (count < RADIX_MIN) {
		qsort(rows, count, sizeof *rows, compare);
		return rows;
	}
	for (unsigned digit = 0; digit < DIGITS; digit++) {
		if (counts[digit][rows[0].prefix >> (8 * digit) & 0xff] == count)
			continue; /* all the same */
		radix_pass(rows, spare, count, digit, counts[digit]);
		struct sorted_row *other = rows;
		rows = spare;
		spare = other;
	}
	sort_equal(rows, count);
	return rows;
}
