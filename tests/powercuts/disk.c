#include "tests/powercuts/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "schemas/wire/ensure.h"

enum { PAGE = 4096, SECTOR = 512, PATH_BYTES = 4096, GUARD_BYTES = 512 };

const char *const cut_bytes_names[CUT_BYTES_COUNT] = {"killed",        "all written", "nothing unsynced", "in order",
						      "pages at will", "torn pages",  "last write torn"};
const char *const cut_names_names[NAMES_COUNT] = {"all", "synced", "in order", "by directory", "each"};

struct entry {
	unsigned directory, node;
	const char *name;
	bool removed;
};

struct image {
	const struct cut *cut;
	size_t *synced;      /* of each node: nothing of it before this operation can be lost */
	size_t last_write;   /* the operation */
	struct entry *names; /* as they are on the disk */
	size_t name_count;
};

uint64_t drawn(uint64_t seed, uint64_t first, uint64_t second)
{
	uint64_t x = seed ^ first * 0x9e3779b97f4a7c15U ^ second * 0xc2b2ae3d27d4eb4fU;
	for (int i = 0; i < 2; i++) {
		x ^= x >> 33;
		x *= 0xff51afd7ed558ccdU;
		x ^= x >> 29;
		x *= 0xc4ceb9fe1a85ec53U;
	}
	return x ^ x >> 32;
}

/* A moment in [from, to]: often one of the ends. */
static size_t moment(uint64_t random, size_t from, size_t to)
{
	if (from >= to || random % 10 < 3)
		return from < to ? from : to;
	return random % 10 < 6 ? to : from + random / 10 % (to - from + 1);
}

/* ---- bytes ---- */

/* Up to which operation a unit of a file got to the disk, when nothing before `certain` can be lost. */
static size_t reached(const struct image *image, unsigned node, uint64_t unit, size_t certain)
{
	const struct cut *cut = image->cut;
	size_t at = cut->at;
	switch (cut->bytes) {
	case CUT_NOTHING: return certain;
	case CUT_ORDERED: at = moment(drawn(cut->seed, 1, 1), 0, cut->at); break;
	case CUT_PAGES:
	case CUT_SECTORS: return moment(drawn(cut->seed, node + 2, unit), certain, cut->at);
	case CUT_TORN: at = drawn(cut->seed, node + 2, unit) % 2 ? cut->at : image->last_write; break;
	default: break;
	}
	return at < certain ? certain : at;
}

/* A file as it was written to, operation by operation. */
struct file {
	uint8_t *bytes;
	size_t room, size, size_certain;
	size_t *certain; /* of each page */
};

static void file_reserve(struct file *file, size_t size)
{
	if (size <= file->room)
		return;
	size_t room = (size + PAGE) * 2 / PAGE * PAGE;
	file->bytes = realloc(file->bytes, room);
	file->certain = realloc(file->certain, room / PAGE * sizeof *file->certain);
	ENSURE(file->bytes && file->certain);
	memset(file->bytes + file->room, 0, room - file->room);
	memset(file->certain + file->room / PAGE, 0, (room - file->room) / PAGE * sizeof *file->certain);
	file->room = room;
}

static bool is_of(const struct operation *operation, unsigned node)
{
	return operation->node == node && (operation->kind == OPERATION_WRITE || operation->kind == OPERATION_RESIZE);
}

/* First all lengths and O_DSYNC, then what of each write got there. */
static void find_certain(const struct image *image, unsigned node, struct file *file)
{
	const struct recording *recording = image->cut->recording;
	for (size_t i = 0; i < image->cut->at; i++) {
		const struct operation *operation = &recording->operations[i];
		if (!is_of(operation, node))
			continue;
		file_reserve(file, operation->offset + operation->size);
		if (!operation->synced)
			continue;
		for (uint64_t page = operation->offset / PAGE; page * PAGE < operation->offset + operation->size;
		     page++)
			file->certain[page] = i + 1;
		file->size_certain = i + 1;
	}
}

static void write_units(const struct image *image, unsigned node, size_t number, const struct operation *operation,
			struct file *file)
{
	enum cut_bytes how = image->cut->bytes;
	size_t unit = how == CUT_SECTORS || how == CUT_TORN ? SECTOR : PAGE;
	uint64_t at = operation->offset, end = at + operation->size;
	while (at < end) {
		uint64_t next = (at / unit + 1) * unit < end ? (at / unit + 1) * unit : end;
		size_t certain =
			image->synced[node] > file->certain[at / PAGE] ? image->synced[node] : file->certain[at / PAGE];
		if (number < reached(image, node, at / unit, certain))
			memcpy(file->bytes + at, operation->bytes + (at - operation->offset), next - at);
		at = next;
	}
}

static void file_read(const struct image *image, unsigned node, struct file *file)
{
	const struct recording *recording = image->cut->recording;
	find_certain(image, node, file);
	size_t certain = image->synced[node] > file->size_certain ? image->synced[node] : file->size_certain;
	size_t sized = reached(image, node, UINT64_MAX, certain);
	for (size_t i = 0; i < image->cut->at; i++) {
		const struct operation *operation = &recording->operations[i];
		if (!is_of(operation, node))
			continue;
		size_t end = operation->offset + operation->size;
		if (operation->kind == OPERATION_WRITE)
			write_units(image, node, i, operation, file);
		else if (i < sized && end < file->size)
			memset(file->bytes + end, 0, file->size - end);
		if (i < sized && (operation->kind == OPERATION_RESIZE || end > file->size))
			file->size = end;
	}
}

/* ---- names ---- */

static size_t name_reached(const struct image *image, const struct operation *operation)
{
	const struct cut *cut = image->cut;
	size_t certain = image->synced[operation->directory];
	uint64_t name = 0;
	for (const char *at = operation->name; *at; at++)
		name = drawn(cut->seed, name, (uint8_t)*at);
	if (cut->bytes == CUT_KILLED)
		return cut->at;
	switch (cut->names) {
	case NAMES_SYNCED: return certain;
	case NAMES_ORDERED: {
		size_t at = moment(drawn(cut->seed, 3, 3), 0, cut->at);
		return at > certain ? at : certain;
	}
	case NAMES_BY_DIRECTORY: return moment(drawn(cut->seed, operation->directory, 4), certain, cut->at);
	case NAMES_EACH: return moment(drawn(cut->seed, operation->directory, name), certain, cut->at);
	default: return cut->at;
	}
}

static void set_name(struct image *image, unsigned directory, const char *name, unsigned node, bool removed)
{
	for (size_t i = 0; i < image->name_count; i++) {
		struct entry *entry = &image->names[i];
		if (entry->directory == directory && strcmp(entry->name, name) == 0) {
			entry->node = node;
			entry->removed = removed;
			return;
		}
	}
	image->names[image->name_count++] = (struct entry){directory, node, name, removed};
}

static void find_names(struct image *image)
{
	const struct recording *recording = image->cut->recording;
	for (size_t i = 0; i < image->cut->at; i++) {
		const struct operation *operation = &recording->operations[i];
		bool is_name = operation->kind == OPERATION_MAKE || operation->kind == OPERATION_RENAME ||
			       operation->kind == OPERATION_REMOVE;
		if (!is_name || i >= name_reached(image, operation))
			continue;
		if (operation->kind == OPERATION_RENAME)
			set_name(image, operation->from_directory, operation->from_name, operation->node, true);
		set_name(image, operation->directory, operation->name, operation->node,
			 operation->kind == OPERATION_REMOVE);
	}
}

/* ---- the directory ---- */

/* "directory MAJOR:MINOR INODE": of the directory that was recorded, so of its image. */
static void put_guard(const struct image *image, unsigned directory, const char *parent, struct file *file)
{
	const struct recording *recording = image->cut->recording;
	char text[GUARD_BYTES], said[64], now[64];
	struct stat status;
	snprintf(text, sizeof text, "%.*s", (int)file->size, (const char *)file->bytes);
	ENSURE(stat(parent, &status) == 0);
	snprintf(said, sizeof said, " %llu\n", (unsigned long long)recording->nodes[directory].inode);
	snprintf(now, sizeof now, " %llu\n", (unsigned long long)status.st_ino);
	char *line = strstr(text, "\ndirectory "), *at = line ? strstr(line + 1, said) : NULL;
	if (!at)
		return;
	file_reserve(file, GUARD_BYTES);
	*at = 0;
	file->size = (size_t)snprintf((char *)file->bytes, GUARD_BYTES, "%s%s", text, now);
}

static void put_file(const struct image *image, const struct entry *entry, const char *parent, const char *path)
{
	struct file file = {.bytes = NULL};
	file_read(image, entry->node, &file);
	if (strcmp(entry->name, "guard") == 0)
		put_guard(image, entry->directory, parent, &file);
	int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
	ENSURE(descriptor >= 0);
	ENSURE(file.size == 0 || write(descriptor, file.bytes, file.size) == (ssize_t)file.size);
	close(descriptor);
	free(file.bytes);
	free(file.certain);
}

static void put_directory(const struct image *image, unsigned directory, const char *path)
{
	const struct recording *recording = image->cut->recording;
	char below[PATH_BYTES];
	for (size_t i = 0; i < image->name_count; i++) {
		const struct entry *entry = &image->names[i];
		if (entry->directory != directory || entry->removed)
			continue;
		const struct node *node = &recording->nodes[entry->node];
		ENSURE(snprintf(below, sizeof below, "%s/%s", path, entry->name) < (int)sizeof below);
		if (node->kind == NODE_FILE) {
			put_file(image, entry, path, below);
		} else if (node->kind == NODE_LINK) {
			ENSURE(symlink(node->target, below) == 0);
		} else {
			ENSURE(mkdir(below, 0770) == 0);
			put_directory(image, entry->node, below);
		}
	}
}

void disk_image(const struct cut *cut, const char *directory)
{
	const struct recording *recording = cut->recording;
	struct image image = {.cut = cut};
	image.synced = calloc(recording->node_count, sizeof *image.synced);
	image.names = calloc(2 * recording->count + 1, sizeof *image.names);
	ENSURE(image.synced && image.names);
	for (size_t i = 0; i < cut->at; i++) {
		if (recording->operations[i].kind == OPERATION_SYNC)
			image.synced[recording->operations[i].node] = i;
		if (recording->operations[i].kind == OPERATION_WRITE)
			image.last_write = i;
	}
	find_names(&image);
	put_directory(&image, ROOT_NODE, directory);
	free(image.synced);
	free(image.names);
}
