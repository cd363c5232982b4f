#include "schemas/wire/arena.h"

#include <stdlib.h>

#include "schemas/wire/ensure.h"

struct arena_chunk {
	struct arena_chunk *next;
	_Alignas(ARENA_ALIGNMENT) uint8_t bytes[];
};

static struct arena_chunk *chunk_new(size_t size)
{
	ENSURE(size <= SIZE_MAX / 2);
	struct arena_chunk *chunk = malloc(sizeof *chunk + size);
	ENSURE(chunk);
	chunk->next = NULL;
	return chunk;
}

static void chunks_free(struct arena_chunk *chunk)
{
	while (chunk) {
		struct arena_chunk *next = chunk->next;
		free(chunk);
		chunk = next;
	}
}

static void use_chunk(struct arena *arena, struct arena_chunk *chunk)
{
	arena->current = chunk;
	arena->at = chunk->bytes;
	arena->end = chunk->bytes + arena->chunk_bytes;
}

uint8_t *arena_take_slow(struct arena *arena, size_t size, size_t alignment)
{
	ENSURE(alignment && alignment <= ARENA_ALIGNMENT && (alignment & (alignment - 1)) == 0);
	if (!arena->chunk_bytes)
		arena->chunk_bytes = ARENA_CHUNK_BYTES;
	if (size > arena->chunk_bytes / 2) { /* would waste much of an ordinary chunk, or not fit */
		struct arena_chunk *large = chunk_new(size);
		large->next = arena->large;
		arena->large = large;
		return large->bytes;
	}
	struct arena_chunk **next = arena->current ? &arena->current->next : &arena->first;
	if (!*next)
		*next = chunk_new(arena->chunk_bytes);
	use_chunk(arena, *next);
	uint8_t *piece = arena->at; /* a chunk begins aligned */
	arena->at += size;
	return piece;
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
	uint8_t *copy = arena_take(arena, bytes.size, 1);
	if (bytes.size)
		memcpy(copy, bytes.at, bytes.size);
	return slice_of(copy, bytes.size);
}

void arena_reset(struct arena *arena)
{
	chunks_free(arena->large);
	arena->large = NULL;
	if (arena->first)
		use_chunk(arena, arena->first);
}

void arena_release(struct arena *arena)
{
	chunks_free(arena->large);
	chunks_free(arena->first);
	*arena = (struct arena){.chunk_bytes = arena->chunk_bytes};
}
