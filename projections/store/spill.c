#include "projections/store/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "projections/store/environment.h"
#include "schemas/wire/ensure.h"

enum { HEAD_BYTES = 6, ROOM_BYTES = 1 << 20, SPILL_PATH_MAX = 4096 };

/* Of reading. */
struct cursor_of_run {
	const uint8_t *at, *end;
	struct slice key, value; /* the row that it stands on */
};

struct spill {
	const char *directory, *table;
	int file;
	uint64_t size;
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

static enum ll_code path_of(const char *directory, const char *table, char path[SPILL_PATH_MAX], struct error *error)
{
	if (snprintf(path, SPILL_PATH_MAX, "%s/sorting-%s", directory, table) < SPILL_PATH_MAX)
		return LL_OK;
	return error_set(error, LL_USAGE, "%s: the path is too long", directory);
}

static enum ll_code open_file(const char *directory, const char *table, int flags, struct spill **opened,
			      struct error *error)
{
	char path[SPILL_PATH_MAX];
	enum ll_code code = path_of(directory, table, path, error);
	if (code != LL_OK)
		return code;
	struct spill *spill = calloc(1, sizeof *spill);
	ENSURE(spill && "memory is used up");
	spill->directory = directory;
	spill->table = table;
	spill->file = open(path, flags | O_RDWR | O_CLOEXEC, 0660);
	if (spill->file < 0) {
		code = failed(spill, "open", errno, error);
		free(spill);
		return code;
	}
	spill->room = malloc(ROOM_BYTES);
	ENSURE(spill->room && "memory is used up");
	*opened = spill;
	return LL_OK;
}

enum ll_code spill_open(const char *directory, const char *table, struct spill **opened, struct error *error)
{
	return open_file(directory, table, O_CREAT | O_TRUNC, opened, error);
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

enum ll_code spill_reopen(const char *directory, const char *table, const uint64_t *ends, unsigned count,
			  struct spill **opened, struct error *error)
{
	struct stat status;
	struct spill *spill = NULL;
	uint64_t size = count ? ends[count - 1] : 0;
	enum ll_code code = open_file(directory, table, 0, &spill, error);
	if (code == LL_OK && (fstat(spill->file, &status) != 0 || (uint64_t)status.st_size < size))
		code = error_set(error, LL_CORRUPT, "it is shorter than %llu bytes", (unsigned long long)size);
	if (code == LL_OK && (ftruncate(spill->file, (off_t)size) != 0 || lseek(spill->file, 0, SEEK_END) < 0))
		code = failed(spill, "cut", errno, error);
	if (code != LL_OK) {
		spill_close(spill);
		return error_set(error, LL_UNTRUSTED,
				 "%s: is half built, and sorting-%s is not what it was: %s; rebuild the projection",
				 directory, table, error ? error->text : "");
	}
	for (unsigned i = 0; i < count; i++) {
		spill->size = ends[i];
		end_run(spill);
	}
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

void spill_remove(struct spill *spill)
{
	char path[SPILL_PATH_MAX];
	if (spill && path_of(spill->directory, spill->table, path, NULL) == LL_OK)
		unlink(path); /* left there it costs room until the generation goes */
	spill_close(spill);
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
	end_run(spill);
	return code;
}

const uint64_t *spill_ends(const struct spill *spill, unsigned *count)
{
	*count = spill->run_count;
	return spill->ends;
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

void spill_skip(struct spill *spill, struct slice key)
{
	while (spill->heap_count && slice_compare(spill->runs[spill->heap[0]].key, key) <= 0)
		advance_top(spill);
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
