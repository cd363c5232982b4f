/*
 * Memory for rows: pieces of a few sizes out of one reserved range of addresses.
 *
 * A piece is named by a 32-bit handle, its offset in units of 32 bytes, which halves the tables that point to rows. The
 * range is cut into chunks of 64 KiB; a chunk holds pieces of one size class: multiples of 32 bytes up to 1 KiB, then four
 * steps per doubling up to 16 KiB. What is larger gets a run of whole chunks. A chunk whose pieces are all free goes back to
 * the pool, for any class. There is no malloc per row, and freed memory is used again but not given back to the system.
 *
 * One thread allocates and frees; others may read pieces that are not freed meanwhile. Memory that runs out aborts.
 */
#ifndef LEDGERLINE_STORE_SLAB_H
#define LEDGERLINE_STORE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SLAB_UNIT = 32,
	SLAB_CHUNK_BYTES = 64 << 10,
	SLAB_CHUNK_UNITS = SLAB_CHUNK_BYTES / SLAB_UNIT,
	SLAB_SMALL_MAX = 1 << 10,
	SLAB_PIECE_MAX = 16 << 10,
	SLAB_CLASSES = SLAB_SMALL_MAX / SLAB_UNIT + 4 * 4, /* 32..1024, then 1280..16384 */
	SLAB_RUNS = 16,                                    /* free runs by power of two of chunks */
};
_Static_assert(SLAB_SMALL_MAX << 4 == SLAB_PIECE_MAX, "four doublings with four classes each");

#define SLAB_RANGE_BYTES ((size_t)64 << 30)

struct slab_chunk;
struct warmer;

struct slab {
	uint8_t *base;
	size_t range_bytes;        /* reserved */
	size_t usable;             /* bytes from base that may be touched */
	size_t ahead;              /* of them, so many stay beyond what was cut */
	struct warmer *warmer;     /* has their pages ready; NULL: they come when they are touched */
	uint32_t chunks_used;      /* chunks ever cut off the range */
	struct slab_chunk *chunks; /* one for each chunk of the range */
	uint32_t pool;             /* chunks that are free, linked; 0: none */
	uint32_t partial[SLAB_CLASSES];
	uint32_t runs[SLAB_RUNS];
};

/* `range_bytes`: addresses that are reserved, at most SLAB_RANGE_BYTES; what is allocated beyond them aborts. */
void slab_init(struct slab *slab, size_t range_bytes);
void slab_release(struct slab *slab);
/* From now on pages are made ready a little before they are handed out, by a thread that is started when much is handed out. `bulk`:
 * much will be filled, at once. */
void slab_warm(struct slab *slab, bool bulk);
/* Has memory of its user made ready by the same thread (warmer_ask). */
void slab_warm_also(struct slab *slab, void *at, size_t bytes);

/* A piece of at least `size` bytes, aligned to SLAB_UNIT. Never 0. Its bytes are anything. */
uint32_t slab_allocate(struct slab *slab, size_t size);
void slab_free(struct slab *slab, uint32_t handle, size_t size); /* `size` as it was asked for */

/* What a piece of this size takes. Two sizes with the same answer fit the same piece. */
size_t slab_footprint(size_t size);

static inline void *slab_at(const struct slab *slab, uint32_t handle)
{
	return slab->base + (size_t)handle * SLAB_UNIT;
}

static inline uint32_t slab_handle(const struct slab *slab, const void *piece)
{
	return (uint32_t)((size_t)((const uint8_t *)piece - slab->base) / SLAB_UNIT);
}

/* Large arrays: zeroed, in huge pages where the system has them. Freed with the same size. */
void *pages_allocate(size_t bytes);
void pages_free(void *pages, size_t bytes);

#endif
