/* What environments need besides LMDB: files put on the disk, and faults for tests. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "projections/store/environment.h"

bool environment_faults;
static environment_fault_fn *fault_now;

void environment_fault_set(environment_fault_fn *fault)
{
	fault_now = fault;
	environment_faults = fault != NULL;
}

int environment_fault(const char *call)
{
	return environment_faults ? fault_now(call) : 0;
}

enum ll_code environment_code(int number)
{
	switch (number) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG: return LL_FULL;
	case EACCES:
	case EPERM:
	case EROFS: return LL_DENIED;
	case ENOENT: return LL_NOT_FOUND;
	case EEXIST: return LL_EXISTS;
	case ENOMEM: return LL_NO_MEMORY;
	default: return LL_IO;
	}
}

static enum ll_code sync_path(const char *path, int flags, struct error *error)
{
	int number = 0;
	int descriptor = open(path, flags | O_CLOEXEC);
	if (descriptor < 0)
		number = errno;
	if (!number)
		number = environment_fault("fsync");
	if (!number && fsync(descriptor) != 0)
		number = errno;
	if (descriptor >= 0)
		close(descriptor);
	if (!number)
		return LL_OK;
	return error_set(error, environment_code(number), "%s: cannot put it on the disk: %s", path, strerror(number));
}

enum ll_code environment_sync_file(const char *path, struct error *error)
{
	return sync_path(path, O_RDONLY, error);
}

enum ll_code environment_sync_directory(const char *directory, struct error *error)
{
	return sync_path(directory, O_RDONLY | O_DIRECTORY, error);
}

enum ll_code environment_sync_name(const char *path, struct error *error)
{
	char parent[PATH_MAX];
	size_t size = strlen(path);
	while (size > 1 && path[size - 1] == '/')
		size--;
	while (size > 0 && path[size - 1] != '/')
		size--;
	if (size >= sizeof parent)
		return error_set(error, LL_USAGE, "%s: the path is too long", path);
	snprintf(parent, sizeof parent, "%.*s", size ? (int)size : 1, size ? path : ".");
	enum ll_code code = environment_sync_directory(parent, error);
	return code == LL_DENIED ? LL_OK : code;
}

enum ll_code environment_make_directory(const char *path, struct error *error)
{
	if (mkdir(path, 0770) == 0 || errno == EEXIST)
		return LL_OK;
	return error_set(error, environment_code(errno), "%s: cannot make the directory: %s", path, strerror(errno));
}
