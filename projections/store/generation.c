#include "projections/store/generation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "projections/store/environment.h"

enum { NAME_BYTES = 32, NUMBER_MAX = 999999 };

static enum ll_code fail(const char *path, const char *what, int number, struct error *error)
{
	return error_set(error, environment_code(number), "%s: cannot %s: %s", path, what, strerror(number));
}

/* root/name */
static enum ll_code join(char path[GENERATION_PATH_MAX], const char *root, const char *name, struct error *error)
{
	if (snprintf(path, GENERATION_PATH_MAX, "%s/%s", root, name) >= GENERATION_PATH_MAX)
		return error_set(error, LL_USAGE, "%s: the path is too long", root);
	return LL_OK;
}

static void name_of(char name[NAME_BYTES], unsigned number)
{
	snprintf(name, NAME_BYTES, "gen-%06u", number);
}

/* 0: not a generation's name. */
static unsigned number_of(const char *name)
{
	unsigned number = 0;
	if (strncmp(name, "gen-", 4) != 0 || strlen(name) != 10)
		return 0;
	for (const char *at = name + 4; *at; at++) {
		if (*at < '0' || *at > '9')
			return 0;
		number = number * 10 + (unsigned)(*at - '0');
	}
	return number;
}

static const char *const link_names[] =
	{[GENERATION_CURRENT] = "current", [GENERATION_BUILDING] = "building", [GENERATION_READY] = "ready"};

enum ll_code generation_named(const char *root, enum generation_name which, char path[GENERATION_PATH_MAX],
			      unsigned *number, struct error *error)
{
	char link[GENERATION_PATH_MAX], name[NAME_BYTES] = "";
	enum ll_code code = join(link, root, link_names[which], error);
	if (code != LL_OK)
		return code;
	ssize_t size = readlink(link, name, sizeof name - 1);
	if (size < 0 && errno == ENOENT)
		return error_set(error, LL_NOT_FOUND, "%s: has no %s generation; rebuild the projection", root,
				 link_names[which]);
	if (size < 0)
		return fail(link, "read the link", errno, error);
	name[size] = 0;
	unsigned found = number_of(name);
	if (!found)
		return error_set(error, LL_CORRUPT,
				 "%s: points to '%s', which is no generation; rebuild the projection", link, name);
	if (number)
		*number = found;
	return join(path, root, name, error);
}

enum ll_code generation_current(const char *root, char path[GENERATION_PATH_MAX], unsigned *number, struct error *error)
{
	return generation_named(root, GENERATION_CURRENT, path, number, error);
}

static int compare_numbers(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
	return x < y ? -1 : x > y;
}

enum ll_code generation_list(const char *root, unsigned numbers[GENERATIONS_MAX], size_t *count, struct error *error)
{
	*count = 0;
	DIR *directory = opendir(root);
	if (!directory)
		return fail(root, "open the directory", errno, error);
	enum ll_code code = LL_OK;
	for (struct dirent *entry; code == LL_OK && (entry = readdir(directory));) {
		unsigned number = number_of(entry->d_name);
		if (!number)
			continue;
		if (*count == GENERATIONS_MAX)
			code = error_set(error, LL_FULL, "%s: holds more than %d generations; delete old ones", root,
					 GENERATIONS_MAX);
		else
			numbers[(*count)++] = number;
	}
	closedir(directory);
	qsort(numbers, *count, sizeof *numbers, compare_numbers);
	return code;
}

enum ll_code generation_make(const char *root, char path[GENERATION_PATH_MAX], unsigned *number, struct error *error)
{
	unsigned numbers[GENERATIONS_MAX];
	size_t count = 0;
	char name[NAME_BYTES];
	if (mkdir(root, 0770) != 0 && errno != EEXIST)
		return fail(root, "make the directory", errno, error);
	enum ll_code code = generation_list(root, numbers, &count, error);
	if (code != LL_OK)
		return code;
	for (unsigned next = count ? numbers[count - 1] + 1 : 1; next <= NUMBER_MAX; next++) {
		name_of(name, next);
		code = join(path, root, name, error);
		if (code != LL_OK)
			return code;
		if (mkdir(path, 0770) == 0) {
			if (number)
				*number = next;
			return environment_sync_directory(root, error);
		}
		if (errno != EEXIST)
			return fail(path, "make the directory", errno, error);
	}
	return error_set(error, LL_FULL, "%s: the numbers of generations are used up", root);
}

/* Atomic: a name always is somebody's, or nobody's. */
static enum ll_code rename_link(const char *root, const char *from, const char *to, struct error *error)
{
	int failed = environment_fault("rename");
	if (failed || rename(from, to) != 0) {
		failed = failed ? failed : errno;
		return fail(to, "swap the link", failed, error);
	}
	return environment_sync_directory(root, error);
}

enum ll_code generation_give_name(const char *root, enum generation_name which, unsigned number, struct error *error)
{
	char name[NAME_BYTES], path[GENERATION_PATH_MAX], link[GENERATION_PATH_MAX], made[GENERATION_PATH_MAX];
	char beside[NAME_BYTES];
	struct stat status;
	name_of(name, number);
	snprintf(beside, sizeof beside, "%s.new", link_names[which]);
	enum ll_code code = join(path, root, name, error);
	if (code == LL_OK)
		code = join(link, root, link_names[which], error);
	if (code == LL_OK)
		code = join(made, root, beside, error);
	if (code != LL_OK)
		return code;
	if (stat(path, &status) != 0)
		return fail(path, "find the generation", errno, error);
	if (unlink(made) != 0 && errno != ENOENT)
		return fail(made, "remove what was left there", errno, error);
	int failed = environment_fault("symlink");
	if (failed || symlink(name, made) != 0)
		return fail(made, "make the link", failed ? failed : errno, error);
	code = rename_link(root, made, link, error);
	if (code != LL_OK)
		unlink(made);
	return code;
}

enum ll_code generation_adopt(const char *root, unsigned number, struct error *error)
{
	return generation_give_name(root, GENERATION_CURRENT, number, error);
}

enum ll_code generation_make_ready(const char *root, struct error *error)
{
	char building[GENERATION_PATH_MAX], ready[GENERATION_PATH_MAX];
	enum ll_code code = join(building, root, link_names[GENERATION_BUILDING], error);
	if (code == LL_OK)
		code = join(ready, root, link_names[GENERATION_READY], error);
	return code == LL_OK ? rename_link(root, building, ready, error) : code;
}

enum ll_code generation_take_name(const char *root, enum generation_name which, struct error *error)
{
	char link[GENERATION_PATH_MAX];
	enum ll_code code = join(link, root, link_names[which], error);
	if (code != LL_OK)
		return code;
	if (unlink(link) == 0)
		return environment_sync_directory(root, error);
	return errno == ENOENT ? LL_OK : fail(link, "remove the link", errno, error);
}

static enum ll_code remove_files(const char *path, struct error *error)
{
	DIR *directory = opendir(path);
	if (!directory)
		return fail(path, "open the directory", errno, error);
	enum ll_code code = LL_OK;
	for (struct dirent *entry; code == LL_OK && (entry = readdir(directory));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(directory), entry->d_name, 0) != 0)
			code = fail(path, "remove a file in it", errno, error);
	}
	closedir(directory);
	return code;
}

enum ll_code generation_empty(const char *directory, struct error *error)
{
	return access(directory, F_OK) == 0 ? remove_files(directory, error) : LL_OK;
}

enum ll_code generation_delete(const char *root, unsigned number, struct error *error)
{
	char name[NAME_BYTES], path[GENERATION_PATH_MAX], current_path[GENERATION_PATH_MAX];
	unsigned current = 0;
	int lock = -1;
	name_of(name, number);
	enum ll_code code = join(path, root, name, error);
	if (code != LL_OK)
		return code;
	if (generation_current(root, current_path, &current, NULL) == LL_OK && current == number)
		return error_set(error, LL_BUSY, "%s: is the current generation; adopt another one first", path);
	code = generation_lock(path, &lock, error);
	if (code != LL_OK)
		return code;
	code = remove_files(path, error);
	if (code == LL_OK && rmdir(path) != 0)
		code = fail(path, "remove the directory", errno, error);
	close(lock);
	return code == LL_OK ? environment_sync_directory(root, error) : code;
}

enum ll_code generation_lock(const char *directory, int *descriptor, struct error *error)
{
	char path[GENERATION_PATH_MAX];
	enum ll_code code = join(path, directory, "writer.lock", error);
	if (code != LL_OK)
		return code;
	int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0660);
	if (opened < 0)
		return fail(path, "open the writer's lock", errno, error);
	if (flock(opened, LOCK_EX | LOCK_NB) != 0) {
		int number = errno;
		close(opened);
		if (number != EWOULDBLOCK)
			return fail(path, "take the writer's lock", number, error);
		return error_set(error, LL_BUSY, "%s: another engine or command writes it; stop that one first",
				 directory);
	}
	*descriptor = opened;
	return LL_OK;
}
