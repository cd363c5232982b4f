#include "projections/store/slab.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "projections/store/warm.h"
#include "schemas/wire/ensure.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(at, size) ASAN_POISON_MEMORY_REGION(at, size)
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#else
#define POISON(at, size) ((void)0)
#define UNPOISON(at, size) ((void)0)
#endif

enum { HUGE_PAGE = 2 << 20, RANGE_STEP = 8 << 20, WARM_AHEAD_BULK = 16 << 20, WARM_AHEAD = 8 << 20 };

_Static_assert(SLAB_RANGE_BYTES / SLAB_UNIT <= UINT32_MAX, "every handle fits 32 bits");

struct slab_chunk {
	uint32_t next, previous; /* in the class's list of chunks with room, or in the pool */
	uint32_t freed;          /* handle of the first freed piece, each holding the next one's */
	uint16_t carved, live;   /* pieces ever handed out, and in use */
};

static void *map(size_t bytes, int protection, int flags)
{
	/* One huge page more than needed, so that the start can be aligned. */
	uint8_t *at = mmap(NULL, bytes + HUGE_PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	ENSURE(at != MAP_FAILED && "memory is used up");
	size_t head = (HUGE_PAGE - (uintptr_t)at % HUGE_PAGE) % HUGE_PAGE;
	if (head)
		munmap(at, head);
	munmap(at + head + bytes, HUGE_PAGE - head);
	(void)madvise(at + head, bytes, MADV_HUGEPAGE);
	return at + head;
}

void *pages_allocate(size_t bytes)
{
	if (bytes >= HUGE_PAGE)
		return map(bytes, PROT_READ | PROT_WRITE, 0);
	void *pages = calloc(1, bytes);
	ENSURE(pages && "memory is used up");
	return pages;
}

void pages_free(void *pages, size_t bytes)
{
	if (pages && bytes >= HUGE_PAGE)
		munmap(pages, bytes);
	else
		free(pages);
}

static size_t chunks_bytes(const struct slab *slab)
{
	return slab->range_bytes / SLAB_CHUNK_BYTES * sizeof *slab->chunks;
}

void slab_init(struct slab *slab, size_t range_bytes)
{
	ENSURE(range_bytes <= SLAB_RANGE_BYTES);
	memset(slab, 0, sizeof *slab);
	slab->range_bytes = range_bytes;
	slab->base = map(range_bytes, PROT_NONE, MAP_NORESERVE);
	slab->chunks = mmap(NULL, chunks_bytes(slab), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ENSURE(slab->chunks != MAP_FAILED && "memory is used up");
	slab->chunks_used = 1; /* handle and chunk 0 mean none */
}

void slab_warm(struct slab *slab, bool bulk)
{
	slab->ahead = bulk ? WARM_AHEAD_BULK : WARM_AHEAD;
}

void slab_warm_also(struct slab *slab, void *at, size_t bytes)
{
	if (slab->ahead && !slab->warmer)
		slab->warmer = warmer_open();
	warmer_ask(slab->warmer, at, bytes);
}

void slab_release(struct slab *slab)
{
	if (!slab->base)
		return;
	warmer_close(slab->warmer);
	UNPOISON(slab->base, slab->usable);
	munmap(slab->base, slab->range_bytes);
	munmap(slab->chunks, chunks_bytes(slab));
	memset(slab, 0, sizeof *slab);
}

/* Four classes per doubling above SLAB_SMALL_MAX: the two bits below the highest one, rounded up. */
static inline unsigned class_of(size_t size)
{
	if (size <= SLAB_SMALL_MAX)
		return (unsigned)((size + SLAB_UNIT - 1) / SLAB_UNIT) - 1;
	unsigned high = 63 - (unsigned)__builtin_clzl(size - 1);
	unsigned quarter = (unsigned)((size - 1) >> (high - 2)) & 3;
	return SLAB_SMALL_MAX / SLAB_UNIT + (high - 10) * 4 + quarter;
}

static inline size_t class_bytes(unsigned class)
{
	if (class < SLAB_SMALL_MAX / SLAB_UNIT)
		return (class + 1) * (size_t)SLAB_UNIT;
	unsigned step = class - SLAB_SMALL_MAX / SLAB_UNIT;
	return ((size_t)SLAB_SMALL_MAX << (step / 4)) / 4 * (5 + step % 4);
}

static unsigned run_of(size_t size)
{
	size_t chunks = (size + SLAB_CHUNK_BYTES - 1) / SLAB_CHUNK_BYTES;
	unsigned run = chunks == 1 ? 0 : 64 - (unsigned)__builtin_clzl(chunks - 1);
	ENSURE(run < SLAB_RUNS);
	return run;
}

size_t slab_footprint(size_t size)
{
	return size <= SLAB_PIECE_MAX ? class_bytes(class_of(size)) : (size_t)SLAB_CHUNK_BYTES << run_of(size);
}

static void make_usable(struct slab *slab, size_t wanted)
{
	size_t usable = (wanted + RANGE_STEP - 1) / RANGE_STEP * RANGE_STEP;
	if (usable > slab->range_bytes)
		usable = slab->range_bytes;
	int failed = mprotect(slab->base + slab->usable, usable - slab->usable, PROT_READ | PROT_WRITE);
	ENSURE(!failed && "memory is used up");
	if (wanted > slab->ahead)
		slab_warm_also(slab, slab->base + slab->usable, usable - slab->usable);
	slab->usable = usable;
}

/* Cuts `count` chunks off the range. */
static uint32_t cut(struct slab *slab, uint32_t count)
{
	uint32_t first = slab->chunks_used;
	size_t end = (size_t)(first + count) * SLAB_CHUNK_BYTES;
	ENSURE(end <= slab->range_bytes && "the store's range of addresses is used up");
	size_t ahead = end > slab->ahead ? slab->ahead : 0; /* nothing for small ones */
	if (end + ahead > slab->usable)
		make_usable(slab, end + ahead);
	slab->chunks_used += count;
	return first;
}

static uint32_t allocate_run(struct slab *slab, size_t size)
{
	unsigned run = run_of(size);
	uint32_t *list = run ? &slab->runs[run] : &slab->pool, chunk = *list;
	if (chunk)
		*list = slab->chunks[chunk].next;
	else
		chunk = cut(slab, 1u << run);
	UNPOISON(slab->base + (size_t)chunk * SLAB_CHUNK_BYTES, (size_t)SLAB_CHUNK_BYTES << run);
	return chunk * SLAB_CHUNK_UNITS;
}

static void link_partial(struct slab *slab, unsigned class, uint32_t index)
{
	struct slab_chunk *chunk = &slab->chunks[index];
	chunk->previous = 0;
	chunk->next = slab->partial[class];
	if (chunk->next)
		slab->chunks[chunk->next].previous = index;
	slab->partial[class] = index;
}

static void unlink_partial(struct slab *slab, unsigned class, uint32_t index)
{
	struct slab_chunk *chunk = &slab->chunks[index];
	if (chunk->previous)
		slab->chunks[chunk->previous].next = chunk->next;
	else
		slab->partial[class] = chunk->next;
	if (chunk->next)
		slab->chunks[chunk->next].previous = chunk->previous;
}

static uint32_t open_chunk(struct slab *slab, unsigned class)
{
	uint32_t index = slab->pool;
	if (index)
		slab->pool = slab->chunks[index].next;
	else
		index = cut(slab, 1);
	slab->chunks[index] = (struct slab_chunk){0};
	link_partial(slab, class, index);
	return index;
}

uint32_t slab_allocate(struct slab *slab, size_t size)
{
	if (size > SLAB_PIECE_MAX)
		return allocate_run(slab, size);
	unsigned class = class_of(size);
	uint32_t units = (uint32_t)(class_bytes(class) / SLAB_UNIT);
	uint32_t index = slab->partial[class];
	if (!index)
		index = open_chunk(slab, class);
	struct slab_chunk *chunk = &slab->chunks[index];
	uint32_t handle = chunk->freed;
	if (handle) {
		memcpy(&chunk->freed, slab_at(slab, handle), sizeof chunk->freed);
		/* The next one that will be given out is cold: it is read, and written, soon. */
		__builtin_prefetch(slab_at(slab, chunk->freed), 1);
	} else {
		handle = index * SLAB_CHUNK_UNITS + chunk->carved++ * units;
	}
	chunk->live++;
	if (!chunk->freed && (chunk->carved + 1) * units > SLAB_CHUNK_UNITS)
		unlink_partial(slab, class, index);
	UNPOISON(slab_at(slab, handle), (size_t)units * SLAB_UNIT);
	return handle;
}

void slab_free(struct slab *slab, uint32_t handle, size_t size)
{
	uint32_t index = handle / SLAB_CHUNK_UNITS;
	struct slab_chunk *chunk = &slab->chunks[index];
	if (size > SLAB_PIECE_MAX) {
		unsigned run = run_of(size);
		uint32_t *list = run ? &slab->runs[run] : &slab->pool;
		POISON(slab_at(slab, handle), (size_t)SLAB_CHUNK_BYTES << run);
		chunk->next = *list;
		*list = index;
		return;
	}
	unsigned class = class_of(size);
	uint32_t units = (uint32_t)(class_bytes(class) / SLAB_UNIT);
	bool was_full = !chunk->freed && (chunk->carved + 1) * units > SLAB_CHUNK_UNITS;
	memcpy(slab_at(slab, handle), &chunk->freed, sizeof chunk->freed);
	POISON((uint8_t *)slab_at(slab, handle) + sizeof chunk->freed, (size_t)units * SLAB_UNIT - sizeof chunk->freed);
	chunk->freed = handle;
	if (was_full)
		link_partial(slab, class, index);
	if (--chunk->live == 0) {
		unlink_partial(slab, class, index);
		POISON(slab->base + (size_t)index * SLAB_CHUNK_BYTES, SLAB_CHUNK_BYTES);
		chunk->next = slab->pool;
		slab->pool = index;
	}
}
