#include "engine/data/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, DIRECTORIES_OPEN = 8 };

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	(void)remove(path);
	return 0;
}

void scratch_remove(const char *path)
{
	if (*path)
		(void)nftw(path, remove_one, DIRECTORIES_OPEN, FTW_DEPTH | FTW_PHYS);
}

/* Whose work it was, when that process is gone; 0: leave it. */
static int left_by(const char *entry, const char *name)
{
	size_t size = strlen(name);
	if (strncmp(entry, name, size) != 0 || entry[size] != '.')
		return 0;
	char *end;
	long pid = strtol(entry + size + 1, &end, 10);
	return *end == 0 && pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH ? (int)pid : 0;
}

void scratch_tidy(const char *directory, const char *name)
{
	char path[PATH_BYTES];
	DIR *opened = opendir(directory);
	if (!opened)
		return;
	for (struct dirent *entry; (entry = readdir(opened));)
		if (left_by(entry->d_name, name) &&
		    snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) < (int)sizeof path)
			scratch_remove(path);
	closedir(opened);
}

enum ll_code scratch_make(const char *directory, const char *name, char *path, size_t size, struct error *error)
{
	scratch_tidy(directory, name);
	if (snprintf(path, size, "%s/%s.%d", directory, name, (int)getpid()) >= (int)size) {
		*path = 0;
		return error_set(error, LL_USAGE, "the path %s is too long", directory);
	}
	if (mkdir(path, 0770) == 0)
		return LL_OK;
	enum ll_code code = error_set(error,
				      errno == EACCES || errno == EPERM || errno == EROFS ? LL_DENIED
				      : errno == ENOSPC                                   ? LL_FULL
				      : errno == EEXIST                                   ? LL_EXISTS
											  : LL_IO,
				      "cannot make %s to work in: %s", path, strerror(errno));
	*path = 0;
	return code;
}
