#include "projections/store/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "projections/store/environment.h"
#include "schemas/wire/ensure.h"

enum { HEAD_BYTES = 6, ROOM_BYTES = 1 << 20 };

/* Of reading. */
struct cursor_of_run {
	const uint8_t *at, *end;
	struct slice key, value; /* the row that it stands on */
};

struct spill {
	const char *directory;
	int file;
	uint64_t size, rows;
	uint64_t *ends; /* of the runs, in the file */
	unsigned run_count, run_capacity;
	uint8_t *room; /* what is not yet written */
	size_t used;
	uint8_t *map;
	/* A heap of runs, the one with the smallest key (of equal ones the latest) on top; and a copy of all at the mark. */
	struct cursor_of_run *runs, *runs_at_mark;
	unsigned *heap, *heap_at_mark, heap_count, heap_count_at_mark;
};

static enum ll_code failed(const struct spill *spill, const char *what, int number, struct error *error)
{
	return error_set(error, environment_code(number), "%s: cannot %s the file for sorting: %s", spill->directory,
			 what, strerror(number));
}

static int make_file(const char *directory)
{
	char path[4096];
	int file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return file;
	if (snprintf(path, sizeof path, "%s/sorting-XXXXXX", directory) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	file = mkostemp(path, O_CLOEXEC);
	if (file >= 0)
		unlink(path);
	return file;
}

enum ll_code spill_open(const char *directory, struct spill **opened, struct error *error)
{
	struct spill *spill = calloc(1, sizeof *spill);
	ENSURE(spill && "memory is used up");
	spill->directory = directory;
	spill->file = make_file(directory);
	if (spill->file < 0) {
		enum ll_code code = failed(spill, "make", errno, error);
		free(spill);
		return code;
	}
	spill->room = malloc(ROOM_BYTES);
	ENSURE(spill->room && "memory is used up");
	*opened = spill;
	return LL_OK;
}

void spill_close(struct spill *spill)
{
	if (!spill)
		return;
	if (spill->map)
		munmap(spill->map, spill->size);
	close(spill->file);
	free(spill->ends);
	free(spill->room);
	free(spill->runs);
	free(spill->runs_at_mark);
	free(spill->heap);
	free(spill->heap_at_mark);
	free(spill);
}

/* ---- writing ---- */

static enum ll_code write_all(struct spill *spill, const uint8_t *at, size_t size, struct error *error)
{
	while (size) {
		int fault = environment_fault("write");
		ssize_t written = fault ? -1 : write(spill->file, at, size);
		if (written < 0 && !fault && errno == EINTR)
			continue;
		if (written < 0)
			return failed(spill, "write", fault ? fault : errno, error);
		at += written;
		size -= (size_t)written;
	}
	return LL_OK;
}

static enum ll_code write_out(struct spill *spill, struct error *error)
{
	enum ll_code code = write_all(spill, spill->room, spill->used, error);
	spill->used = 0;
	return code;
}

static void end_run(struct spill *spill)
{
	if (spill->run_count == spill->run_capacity) {
		spill->run_capacity = spill->run_capacity ? spill->run_capacity * 2 : 16;
		spill->ends = realloc(spill->ends, spill->run_capacity * sizeof *spill->ends);
		ENSURE(spill->ends && "memory is used up");
	}
	spill->ends[spill->run_count++] = spill->size;
}

enum ll_code spill_write(struct spill *spill, const struct sorted_row *rows, size_t count, struct error *error)
{
	enum { AHEAD = 8 };
	enum ll_code code = LL_OK;
	for (size_t i = 0; i < count && code == LL_OK; i++) {
		if (i + AHEAD < count)
			__builtin_prefetch(rows[i + AHEAD].row);
		struct slice key = row_key(rows[i].row), value = row_value(rows[i].row);
		uint16_t key_size = (uint16_t)key.size;
		uint32_t value_size = (uint32_t)value.size;
		size_t size = HEAD_BYTES + key.size;
		if (spill->used + size + value.size > ROOM_BYTES)
			code = write_out(spill, error);
		if (code != LL_OK)
			break;
		uint8_t *at = spill->room + spill->used;
		memcpy(at, &key_size, sizeof key_size);
		memcpy(at + sizeof key_size, &value_size, sizeof value_size);
		memcpy(at + HEAD_BYTES, key.at, key.size);
		spill->used += size;
		spill->size += size + value.size;
		if (spill->used + value.size <= ROOM_BYTES) {
			if (value.size)
				memcpy(spill->room + spill->used, value.at, value.size);
			spill->used += value.size;
			continue;
		}
		code = write_out(spill, error);
		if (code == LL_OK)
			code = write_all(spill, value.at, value.size, error);
	}
	if (code == LL_OK)
		code = write_out(spill, error);
	spill->rows += count;
	end_run(spill);
	return code;
}

uint64_t spill_rows(const struct spill *spill)
{
	return spill->rows;
}

/* ---- reading ---- */

static bool step(struct cursor_of_run *run)
{
	uint16_t key_size;
	uint32_t value_size;
	if (run->at == run->end)
		return false;
	memcpy(&key_size, run->at, sizeof key_size);
	memcpy(&value_size, run->at + sizeof key_size, sizeof value_size);
	run->key = slice_of(run->at + HEAD_BYTES, key_size);
	run->value = slice_of(run->at + HEAD_BYTES + key_size, value_size);
	run->at += HEAD_BYTES + (size_t)key_size + value_size;
	return true;
}

static bool comes_before(const struct spill *spill, unsigned a, unsigned b)
{
	int order = slice_compare(spill->runs[a].key, spill->runs[b].key);
	return order < 0 || (order == 0 && a > b);
}

static void sink(struct spill *spill, unsigned at)
{
	unsigned run = spill->heap[at];
	for (;;) {
		unsigned child = 2 * at + 1;
		if (child >= spill->heap_count)
			break;
		if (child + 1 < spill->heap_count && comes_before(spill, spill->heap[child + 1], spill->heap[child]))
			child++;
		if (!comes_before(spill, spill->heap[child], run))
			break;
		spill->heap[at] = spill->heap[child];
		at = child;
	}
	spill->heap[at] = run;
}

static void *array(unsigned count, size_t size)
{
	void *made = calloc(count ? count : 1, size);
	ENSURE(made && "memory is used up");
	return made;
}

enum ll_code spill_begin(struct spill *spill, struct error *error)
{
	uint64_t begin = 0;
	if (spill->size) {
		void *map = mmap(NULL, spill->size, PROT_READ, MAP_SHARED, spill->file, 0);
		if (map == MAP_FAILED)
			return failed(spill, "read", errno, error);
		spill->map = map;
	}
	spill->runs = array(spill->run_count, sizeof *spill->runs);
	spill->runs_at_mark = array(spill->run_count, sizeof *spill->runs);
	spill->heap = array(spill->run_count, sizeof *spill->heap);
	spill->heap_at_mark = array(spill->run_count, sizeof *spill->heap);
	for (unsigned i = 0; i < spill->run_count; i++) {
		struct cursor_of_run *run = &spill->runs[i];
		run->at = spill->map + begin;
		run->end = spill->map + spill->ends[i];
		begin = spill->ends[i];
		if (step(run))
			spill->heap[spill->heap_count++] = i;
	}
	for (unsigned i = spill->heap_count / 2; i-- > 0;)
		sink(spill, i);
	return LL_OK;
}

static void advance_top(struct spill *spill)
{
	if (!step(&spill->runs[spill->heap[0]]))
		spill->heap[0] = spill->heap[--spill->heap_count];
	if (spill->heap_count)
		sink(spill, 0);
}

bool spill_next(struct spill *spill, struct slice *key, struct slice *value)
{
	if (spill->heap_count == 0)
		return false;
	*key = spill->runs[spill->heap[0]].key;
	*value = spill->runs[spill->heap[0]].value;
	advance_top(spill);
	while (spill->heap_count && slice_equal(spill->runs[spill->heap[0]].key, *key))
		advance_top(spill);
	return true;
}

void spill_mark(struct spill *spill)
{
	memcpy(spill->runs_at_mark, spill->runs, spill->run_count * sizeof *spill->runs);
	memcpy(spill->heap_at_mark, spill->heap, spill->run_count * sizeof *spill->heap);
	spill->heap_count_at_mark = spill->heap_count;
}

void spill_back(struct spill *spill)
{
	memcpy(spill->runs, spill->runs_at_mark, spill->run_count * sizeof *spill->runs);
	memcpy(spill->heap, spill->heap_at_mark, spill->run_count * sizeof *spill->heap);
	spill->heap_count = spill->heap_count_at_mark;
}
