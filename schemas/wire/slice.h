/*
 * A borrowed run of bytes.
 *
 * A slice never owns what it points to. Each function that hands one out says until when it may be read. An empty
 * slice has size 0; its pointer may then be anything, NULL included.
 */
#ifndef LEDGERLINE_WIRE_SLICE_H
#define LEDGERLINE_WIRE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *at;
	size_t size;
};

#define SLICE_EMPTY ((struct slice){0})

/* The bytes of a string literal, without its final zero. */
#define SLICE(literal) ((struct slice){(const uint8_t *)("" literal), sizeof(literal) - 1})

static inline struct slice slice_of(const void *at, size_t size)
{
	return (struct slice){at, size};
}

/* The bytes of a C string, without its final zero; NULL gives the empty slice. */
static inline struct slice slice_text(const char *text)
{
	return text ? (struct slice){(const uint8_t *)text, strlen(text)} : SLICE_EMPTY;
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

/* memcmp order, the shorter first when one begins the other: the order of LMDB's keys. */
static inline int slice_compare(struct slice a, struct slice b)
{
	size_t shared = a.size < b.size ? a.size : b.size;
	int order = shared ? memcmp(a.at, b.at, shared) : 0;
	if (order)
		return order;
	return a.size < b.size ? -1 : a.size > b.size;
}

static inline bool slice_begins(struct slice whole, struct slice prefix)
{
	return whole.size >= prefix.size && (prefix.size == 0 || memcmp(whole.at, prefix.at, prefix.size) == 0);
}

/* For printf's "%.*s". */
#define SLICE_PRINT(s) ((int)(s).size), ((const char *)(s).at)

#endif
