/*
 * A bump arena: memory that is given out piece by piece and taken back all at once.
 *
 *	arena -> chunk -> chunk -> chunk (current) -> chunk (empty, kept by a reset)
 *
 * All zeros is an empty arena, ready to be used, with chunks of ARENA_CHUNK_BYTES. A request larger than a chunk gets
 * one of its own. arena_reset keeps the ordinary chunks, so that a steady user allocates nothing, and frees the large
 * ones. When memory runs out the process aborts: so nothing here can fail. What was given out is not zeroed.
 */
#ifndef LEDGERLINE_WIRE_ARENA_H
#define LEDGERLINE_WIRE_ARENA_H

#include "schemas/wire/slice.h"

enum { ARENA_CHUNK_BYTES = 16 * 1024, ARENA_ALIGNMENT = 16 };

struct arena_chunk;

struct arena {
	uint8_t *at, *end;           /* what is left of the current chunk */
	struct arena_chunk *first;   /* ordinary chunks, in the order of their use */
	struct arena_chunk *current; /* the one `at` points into, or NULL */
	struct arena_chunk *large;   /* those with a single large piece */
	size_t chunk_bytes;          /* 0: ARENA_CHUNK_BYTES. May be set while the arena is empty */
};

uint8_t *arena_take_slow(struct arena *arena, size_t size, size_t alignment);

/* `size` bytes (0 allowed) with the given alignment, a power of two <= ARENA_ALIGNMENT. Good until reset or release. */
static inline void *arena_take(struct arena *arena, size_t size, size_t alignment)
{
	size_t padding = (size_t)(-(uintptr_t)arena->at & (alignment - 1));
	if (__builtin_expect((size_t)(arena->end - arena->at) < padding || !arena->at ||
				     (size_t)(arena->end - arena->at) - padding < size,
			     0))
		return arena_take_slow(arena, size, alignment);
	uint8_t *piece = arena->at + padding;
	arena->at = piece + size;
	return piece;
}

/* For structs. */
static inline void *arena_alloc(struct arena *arena, size_t size)
{
	return arena_take(arena, size, ARENA_ALIGNMENT);
}

/* A copy of the bytes, without alignment. */
struct slice arena_copy(struct arena *arena, struct slice bytes);

/* Takes everything back; all that was given out is gone. */
void arena_reset(struct arena *arena);

/* Frees everything and leaves an empty arena that may be used again. */
void arena_release(struct arena *arena);

#endif
