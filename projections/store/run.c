#include "projections/store/run.h"

enum { ALIGNMENT = 16, CHUNK_HEADER = 16 };

static inline size_t room_of(size_t key_size, size_t value_size)
{
	return (ROW_HEADER_BYTES + key_size + value_size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static void add_chunk(struct run *run, struct slab *slab, size_t room)
{
	size_t size = room + CHUNK_HEADER;
	if (size < SLAB_CHUNK_BYTES)
		size = SLAB_CHUNK_BYTES;
	uint32_t chunk = slab_allocate(slab, size);
	run->at = slab_at(slab, chunk);
	run->end = run->at + size;
	memcpy(run->at, &size, sizeof size);
	run->at += CHUNK_HEADER;
	run->bytes += size;
	handles_add(&run->chunks, chunk);
}

struct row *run_append(struct run *run, struct slab *slab, struct slice key, struct slice value)
{
	size_t room = room_of(key.size, value.size);
	if ((size_t)(run->end - run->at) < room)
		add_chunk(run, slab, room);
	struct row *row = (struct row *)run->at;
	run->at += room;
	memset(row, 0, ROW_HEADER_BYTES);
	row->key_size = (uint16_t)key.size;
	memcpy(row->bytes, key.at, key.size);
	row_set_value(row, value, false);
	handles_add(&run->rows, (uint32_t)((size_t)((uint8_t *)row - slab->base) / ALIGNMENT));
	return row;
}

bool run_overwrite(struct row *row, struct slice value)
{
	if (room_of(row->key_size, value.size) > room_of(row->key_size, row->value_size))
		return false;
	row_set_value(row, value, false);
	return true;
}

uint32_t run_rank(const struct run *run, const struct slab *slab, struct slice key)
{
	uint32_t low = 0, high = run->rows.count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (slice_compare(row_key(run_row(run, slab, middle)), key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct row *run_find(const struct run *run, const struct slab *slab, struct slice key)
{
	uint32_t count = run->rows.count;
	if (count == 0 || slice_compare(key, row_key(run_row(run, slab, 0))) < 0 ||
	    slice_compare(key, row_key(run_row(run, slab, count - 1))) > 0)
		return NULL;
	struct row *row = run_row(run, slab, run_rank(run, slab, key));
	return slice_equal(row_key(row), key) ? row : NULL;
}

void run_clear(struct run *run, struct slab *slab)
{
	for (uint32_t i = 0; i < run->chunks.count; i++) {
		size_t size;
		memcpy(&size, slab_at(slab, run->chunks.at[i]), sizeof size);
		slab_free(slab, run->chunks.at[i], size);
	}
	run->rows.count = run->chunks.count = 0;
	run->at = run->end = NULL;
	run->bytes = 0;
}

void run_release(struct run *run)
{
	handles_release(&run->rows);
	handles_release(&run->chunks);
}
