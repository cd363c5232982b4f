#include "tests/powercuts/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "schemas/wire/ensure.h"

enum { NOBODY = -1, PATH_BYTES = 4096 };

static struct recording *now;
static bool nothing_is_synced;
static const char *boot_file;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- notes; with the lock ---- */

static struct operation *note(enum operation_kind kind, unsigned node)
{
	if (now->count == now->room) {
		now->room = now->room ? 2 * now->room : 1024;
		now->operations = realloc(now->operations, now->room * sizeof *now->operations);
		ENSURE(now->operations);
	}
	struct operation *operation = &now->operations[now->count++];
	*operation = (struct operation){.kind = kind, .node = node};
	return operation;
}

static int node_of_inode(uint64_t inode)
{
	for (unsigned i = now->node_count; i-- > 0;)
		if (now->nodes[i].inode == inode && !now->nodes[i].gone)
			return (int)i;
	return NOBODY;
}

static int node_of_file(int descriptor)
{
	struct stat status;
	return fstat(descriptor, &status) == 0 ? node_of_inode(status.st_ino) : NOBODY;
}

static unsigned node_new(enum node_kind kind, uint64_t inode)
{
	int before = node_of_inode(inode);
	if (before != NOBODY)
		now->nodes[before].gone = true;
	if (now->node_count == now->node_room) {
		now->node_room = now->node_room ? 2 * now->node_room : 256;
		now->nodes = realloc(now->nodes, now->node_room * sizeof *now->nodes);
		ENSURE(now->nodes);
	}
	now->nodes[now->node_count] = (struct node){.kind = kind, .inode = inode};
	return now->node_count++;
}

static const char *split(const char *path, char parent[PATH_BYTES])
{
	const char *name = strrchr(path, '/');
	ENSURE(name && strlen(path) < PATH_BYTES);
	snprintf(parent, PATH_BYTES, "%.*s", (int)(name - path), path);
	return name + 1;
}

/* The directory that `path` is in, when it is below the root; its last part. */
static int directory_of(const char *path, const char **name)
{
	char parent[PATH_BYTES];
	struct stat status;
	if (path[0] != '/')
		return NOBODY;
	*name = split(path, parent);
	return stat(parent, &status) == 0 ? node_of_inode(status.st_ino) : NOBODY;
}

static void note_made(const char *path, enum node_kind kind, const char *target)
{
	const char *name;
	struct stat status;
	int directory = directory_of(path, &name);
	if (directory == NOBODY || lstat(path, &status) != 0)
		return;
	struct operation *operation = note(OPERATION_MAKE, node_new(kind, status.st_ino));
	operation->directory = (unsigned)directory;
	operation->name = strdup(name);
	now->nodes[operation->node].target = target ? strdup(target) : NULL;
}

static void note_written(int descriptor, uint64_t offset, const void *bytes, ssize_t size)
{
	int node = size > 0 ? node_of_file(descriptor) : NOBODY;
	if (node == NOBODY)
		return;
	struct operation *operation = note(OPERATION_WRITE, (unsigned)node);
	operation->offset = offset;
	operation->size = (uint64_t)size;
	operation->bytes = malloc((size_t)size);
	ENSURE(operation->bytes);
	memcpy(operation->bytes, bytes, (size_t)size);
	operation->synced = (fcntl(descriptor, F_GETFL) & O_DSYNC) != 0;
}

static void note_size(unsigned node, uint64_t size)
{
	note(OPERATION_RESIZE, node)->size = size;
}

/* What stdio has written to it by now. */
static void note_content(unsigned node, int descriptor)
{
	struct stat status;
	if (!now->nodes[node].by_stdio || fstat(descriptor, &status) != 0 || status.st_size == 0)
		return;
	uint8_t *bytes = malloc((size_t)status.st_size);
	ENSURE(bytes);
	if (pread(descriptor, bytes, (size_t)status.st_size, 0) == status.st_size) {
		struct operation *operation = note(OPERATION_WRITE, node);
		operation->size = (uint64_t)status.st_size;
		operation->bytes = bytes;
		bytes = NULL;
	}
	free(bytes);
}

/* A file that is open for writing only cannot be read through its descriptor. */
static void note_content_of(unsigned node, const char *path)
{
	int descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (descriptor < 0)
		return;
	note_content(node, descriptor);
	close(descriptor);
}

static void note_removed(int directory, const char *name, uint64_t inode)
{
	int node = directory == NOBODY ? NOBODY : node_of_inode(inode);
	if (node == NOBODY)
		return;
	struct operation *operation = note(OPERATION_REMOVE, (unsigned)node);
	operation->directory = (unsigned)directory;
	operation->name = strdup(name);
	now->nodes[node].gone = true;
}

static bool begin(void)
{
	if (!__atomic_load_n(&now, __ATOMIC_ACQUIRE))
		return false;
	pthread_mutex_lock(&lock);
	return true;
}

static void end(bool begun)
{
	int number = errno;
	if (begun)
		pthread_mutex_unlock(&lock);
	errno = number;
}

/* ---- in place of the C library's: seen by shared libraries too ---- */

#pragma GCC visibility push(default)

int open(const char *path, int flags, ...)
{
	struct stat status;
	va_list list;
	va_start(list, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
	va_end(list);
	if (boot_file && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
		path = boot_file;
	bool begun = begin(), was_there = begun && lstat(path, &status) == 0;
	int left_out = nothing_is_synced && !begun ? O_DSYNC : 0;
	int descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, flags & ~left_out, mode);
	if (begun && descriptor >= 0 && !was_there && flags & O_CREAT)
		note_made(path, NODE_FILE, NULL);
	else if (begun && descriptor >= 0 && flags & O_TRUNC && node_of_file(descriptor) != NOBODY)
		note_size((unsigned)node_of_file(descriptor), 0);
	end(begun);
	return descriptor;
}

FILE *fopen(const char *path, const char *mode)
{
	bool both = strchr(mode, '+') != NULL;
	int flags = mode[0] == 'r' ? 0 : mode[0] == 'w' ? O_CREAT | O_TRUNC : O_CREAT | O_APPEND;
	flags |= both ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
	int descriptor = open(path, flags | (strchr(mode, 'e') ? O_CLOEXEC : 0), 0666);
	if (descriptor < 0)
		return NULL;
	bool begun = begin();
	int node = begun && mode[0] != 'r' ? node_of_file(descriptor) : NOBODY;
	if (node != NOBODY)
		now->nodes[node].by_stdio = true;
	end(begun);
	return fdopen(descriptor, mode);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset)
{
	bool begun = begin();
	ssize_t written = syscall(SYS_pwrite64, descriptor, bytes, size, offset);
	if (begun)
		note_written(descriptor, (uint64_t)offset, bytes, written);
	end(begun);
	return written;
}

ssize_t write(int descriptor, const void *bytes, size_t size)
{
	bool begun = begin();
	off_t offset = begun ? lseek(descriptor, 0, SEEK_CUR) : 0;
	ssize_t written = syscall(SYS_write, descriptor, bytes, size);
	if (begun)
		note_written(descriptor, (uint64_t)offset, bytes, written);
	end(begun);
	return written;
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
	bool begun = begin();
	off_t offset = begun ? lseek(descriptor, 0, SEEK_CUR) : 0;
	ssize_t written = syscall(SYS_writev, descriptor, parts, count), left = written;
	for (int i = 0; begun && i < count && left > 0; i++) {
		ssize_t size = (ssize_t)parts[i].iov_len < left ? (ssize_t)parts[i].iov_len : left;
		note_written(descriptor, (uint64_t)offset, parts[i].iov_base, size);
		offset += size;
		left -= size;
	}
	end(begun);
	return written;
}

int ftruncate(int descriptor, off_t size)
{
	bool begun = begin();
	int result = (int)syscall(SYS_ftruncate, descriptor, size);
	int node = begun && result == 0 ? node_of_file(descriptor) : NOBODY;
	if (node != NOBODY)
		note_size((unsigned)node, (uint64_t)size);
	end(begun);
	return result;
}

static int sync_descriptor(int descriptor, long call)
{
	char path[64];
	bool begun = begin();
	int node = begun ? node_of_file(descriptor) : NOBODY;
	if (node != NOBODY) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
		note_content_of((unsigned)node, path);
		note(OPERATION_SYNC, (unsigned)node);
	}
	end(begun);
	return nothing_is_synced ? 0 : (int)syscall(call, descriptor);
}

int fsync(int descriptor)
{
	return sync_descriptor(descriptor, SYS_fsync);
}

int fdatasync(int descriptor)
{
	return sync_descriptor(descriptor, SYS_fdatasync);
}

int rename(const char *from, const char *to)
{
	const char *name = NULL, *from_name = NULL;
	struct stat status, replaced;
	bool begun = begin(), known = begun && lstat(from, &status) == 0, replaces = begun && lstat(to, &replaced) == 0;
	int result = (int)syscall(SYS_rename, from, to);
	int node = known && result == 0 ? node_of_inode(status.st_ino) : NOBODY;
	if (node != NOBODY) {
		int directory = directory_of(to, &name), from_directory = directory_of(from, &from_name);
		ENSURE(directory != NOBODY && from_directory != NOBODY);
		note_content_of((unsigned)node, to);
		struct operation *operation = note(OPERATION_RENAME, (unsigned)node);
		operation->directory = (unsigned)directory;
		operation->from_directory = (unsigned)from_directory;
		operation->name = strdup(name);
		operation->from_name = strdup(from_name);
		int gone = replaces ? node_of_inode(replaced.st_ino) : NOBODY;
		if (gone != NOBODY)
			now->nodes[gone].gone = true;
	}
	end(begun);
	return result;
}

static int remove_at(int at, const char *path, int flags)
{
	struct stat status, parent;
	const char *name = path;
	bool begun = begin(), known = begun && fstatat(at, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
	int directory = NOBODY;
	if (known && strchr(path, '/'))
		directory = directory_of(path, &name);
	else if (known && at != AT_FDCWD && fstat(at, &parent) == 0)
		directory = node_of_inode(parent.st_ino);
	int result = (int)syscall(SYS_unlinkat, at, path, flags);
	if (known && result == 0)
		note_removed(directory, name, status.st_ino);
	end(begun);
	return result;
}

int unlink(const char *path)
{
	return remove_at(AT_FDCWD, path, 0);
}

int unlinkat(int at, const char *path, int flags)
{
	return remove_at(at, path, flags);
}

int rmdir(const char *path)
{
	return remove_at(AT_FDCWD, path, AT_REMOVEDIR);
}

int remove(const char *path)
{
	if (unlink(path) == 0)
		return 0;
	return errno == EISDIR ? rmdir(path) : -1;
}

int mkdir(const char *path, mode_t mode)
{
	bool begun = begin();
	int result = (int)syscall(SYS_mkdir, path, mode);
	if (begun && result == 0)
		note_made(path, NODE_DIRECTORY, NULL);
	end(begun);
	return result;
}

int symlink(const char *target, const char *path)
{
	bool begun = begin();
	int result = (int)syscall(SYS_symlink, target, path);
	if (begun && result == 0)
		note_made(path, NODE_LINK, target);
	end(begun);
	return result;
}

#pragma GCC visibility pop

/* ---- for tests ---- */

void recorder_begin(const char *root)
{
	struct stat status;
	struct recording *recording = calloc(1, sizeof *recording);
	ENSURE(recording && stat(root, &status) == 0);
	pthread_mutex_lock(&lock);
	now = recording;
	ENSURE(node_new(NODE_DIRECTORY, status.st_ino) == ROOT_NODE);
	nothing_is_synced = true;
	pthread_mutex_unlock(&lock);
}

void recorder_mark(unsigned mark, uint64_t value)
{
	bool begun = begin();
	ENSURE(begun);
	struct operation *operation = note(OPERATION_MARK, ROOT_NODE);
	operation->mark = mark;
	operation->size = value;
	end(begun);
}

struct recording *recorder_end(void)
{
	pthread_mutex_lock(&lock);
	struct recording *recording = now;
	now = NULL;
	nothing_is_synced = false;
	pthread_mutex_unlock(&lock);
	return recording;
}

void recording_free(struct recording *recording)
{
	for (size_t i = 0; i < recording->count; i++) {
		free(recording->operations[i].name);
		free(recording->operations[i].from_name);
		free(recording->operations[i].bytes);
	}
	for (unsigned i = 0; i < recording->node_count; i++)
		free(recording->nodes[i].target);
	free(recording->operations);
	free(recording->nodes);
	free(recording);
}

void recorder_reboot(const char *file)
{
	boot_file = file;
	nothing_is_synced = true;
}
