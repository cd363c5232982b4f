#include "projections/store/sort.h"

#include <stdlib.h>

enum { AHEAD = 16, BUCKETS = 256, DIGITS = 8, RADIX_MIN = 64, SAMPLES = 64 };

static int compare(const void *a, const void *b)
{
	const struct sorted_row *x = a, *y = b;
	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	return slice_compare(row_key(x->row), row_key(y->row));
}

static size_t shared_bytes(struct slice a, struct slice b, size_t most)
{
	size_t shared = 0;
	if (a.size < most)
		most = a.size;
	if (b.size < most)
		most = b.size;
	while (shared < most && a.at[shared] == b.at[shared])
		shared++;
	return shared;
}

/* What some of the keys share: all of them may share less. */
static size_t guess_shared(const struct sorted_row *rows, size_t count)
{
	struct slice first = row_key(rows[0].row);
	size_t shared = first.size, step = count / SAMPLES + 1;
	for (size_t i = 1; i < count; i += step)
		shared = shared_bytes(first, row_key(rows[i].row), shared);
	return shared;
}

struct prefixes {
	bool ascending; /* they are in order already */
	size_t counts[DIGITS][BUCKETS];
};

/* Takes the eight bytes behind what all keys share. Returns whether they do share so many; else *shared is what they do. */
static bool take_prefixes(struct sorted_row *rows, size_t count, size_t *shared, struct prefixes *prefixes)
{
	struct slice first = row_key(rows[0].row);
	*prefixes = (struct prefixes){.ascending = true};
	for (size_t i = 0; i < count; i++) {
		if (i + AHEAD < count)
			__builtin_prefetch(rows[i + AHEAD].row);
		struct slice key = row_key(rows[i].row);
		size_t same = shared_bytes(first, key, *shared);
		if (same < *shared) {
			*shared = same;
			return false;
		}
		uint64_t bytes = 0;
		if (key.size >= same + sizeof bytes)
			memcpy(&bytes, key.at + same, sizeof bytes);
		else
			memcpy(&bytes, key.at + same, key.size - same);
		bytes = __builtin_bswap64(bytes);
		rows[i].prefix = bytes;
		if (prefixes->ascending && i && compare(&rows[i - 1], &rows[i]) > 0)
			prefixes->ascending = false;
		for (unsigned digit = 0; digit < DIGITS; digit++)
			prefixes->counts[digit][bytes >> (8 * digit) & 0xff]++;
	}
	return true;
}

static void radix_pass(const struct sorted_row *from, struct sorted_row *to, size_t count, unsigned digit,
		       size_t *counts)
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
	struct prefixes prefixes;
	if (count < 2)
		return rows;
	size_t shared = guess_shared(rows, count);
	while (!take_prefixes(rows, count, &shared, &prefixes))
		continue;
	if (prefixes.ascending)
		return rows;
	if (count < RADIX_MIN) {
		qsort(rows, count, sizeof *rows, compare);
		return rows;
	}
	for (unsigned digit = 0; digit < DIGITS; digit++) {
		size_t *counts = prefixes.counts[digit];
		if (counts[rows[0].prefix >> (8 * digit) & 0xff] == count)
			continue; /* all the same */
		radix_pass(rows, spare, count, digit, counts);
		struct sorted_row *other = rows;
		rows = spare;
		spare = other;
	}
	sort_equal(rows, count);
	return rows;
}
