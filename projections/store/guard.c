#include "projections/store/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "projections/store/environment.h"

enum { PATH_BYTES = 4096, TEXT_BYTES = 512, LINE_BYTES = 128 };

struct marks {
	char state[LINE_BYTES], boot[LINE_BYTES], directory[LINE_BYTES];
};

static enum ll_code read_text(const char *path, char text[TEXT_BYTES], struct error *error)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return error_set(error, environment_code(errno), "%s: cannot open: %s", path, strerror(errno));
	ssize_t size = read(descriptor, text, TEXT_BYTES - 1);
	int number = errno;
	close(descriptor);
	if (size < 0)
		return error_set(error, LL_IO, "%s: cannot read: %s", path, strerror(number));
	text[size] = 0;
	return LL_OK;
}

/* What a guard written here and now says. */
static enum ll_code marks_now(const char *directory, struct marks *marks, struct error *error)
{
	char text[TEXT_BYTES];
	struct stat status;
	enum ll_code code = read_text("/proc/sys/kernel/random/boot_id", text, error);
	if (code != LL_OK)
		return code == LL_NOT_FOUND ? LL_IO : code;
	if (stat(directory, &status) != 0)
		return error_set(error, environment_code(errno), "%s: cannot open: %s", directory, strerror(errno));
	snprintf(marks->boot, sizeof marks->boot, "%.*s", (int)strcspn(text, "\n"), text);
	snprintf(marks->directory, sizeof marks->directory, "%u:%u %llu", major(status.st_dev), minor(status.st_dev),
		 (unsigned long long)status.st_ino);
	return LL_OK;
}

static bool parse(const char *text, struct marks *marks)
{
	int end = 0;
	int found = sscanf(text, "ledgerline guard 1\nstate %127[a-z]\nboot %127[^\n]\ndirectory %127[^\n]\n%n",
			   marks->state, marks->boot, marks->directory, &end);
	return found == 3 && end && text[end] == 0;
}

/* Without a guard: LL_NOT_FOUND, but LL_UNTRUSTED when there is an environment. */
static enum ll_code no_guard(const char *directory, struct error *error)
{
	char path[PATH_BYTES];
	struct stat status;
	snprintf(path, sizeof path, "%s/data.mdb", directory);
	if (stat(path, &status) != 0)
		return error_set(error, LL_NOT_FOUND, "%s: there is no projection", directory);
	return error_set(error, LL_UNTRUSTED,
			 "%s: has no guard file, so nobody knows whether it was synced; rebuild it", directory);
}

enum ll_code guard_check(const char *directory, struct error *error)
{
	char path[PATH_BYTES], text[TEXT_BYTES];
	struct marks marks, now;
	if ((size_t)snprintf(path, sizeof path, "%s/" GUARD_FILE, directory) >= sizeof path)
		return error_set(error, LL_USAGE, "%s: the path is too long", directory);
	enum ll_code code = read_text(path, text, error);
	if (code == LL_NOT_FOUND)
		return no_guard(directory, error);
	if (code != LL_OK)
		return code;
	if (!parse(text, &marks))
		return error_set(error, LL_UNTRUSTED,
				 "%s: cannot be understood, so nobody knows whether the projection was "
				 "synced; rebuild it",
				 path);
	if (strcmp(marks.state, "clean") == 0)
		return LL_OK;
	code = marks_now(directory, &now, error);
	if (code != LL_OK)
		return code;
	if (strcmp(marks.state, "running") != 0)
		return error_set(error, LL_UNTRUSTED, "%s: unknown state '%s'; rebuild the projection", path,
				 marks.state);
	if (strcmp(marks.boot, now.boot) != 0)
		return error_set(error, LL_UNTRUSTED, "%s: the machine stopped before this was synced; rebuild it",
				 directory);
	if (strcmp(marks.directory, now.directory) != 0)
		return error_set(error, LL_UNTRUSTED, "%s: is a copy made while it was being written; rebuild it",
				 directory);
	return LL_OK;
}

static int write_file(const char *path, const char *text)
{
	int number = environment_fault("guard write");
	int descriptor = number ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0660);
	if (descriptor < 0)
		return number ? number : errno;
	size_t size = strlen(text);
	ssize_t written = write(descriptor, text, size);
	if (written < 0)
		number = errno;
	else if ((size_t)written != size)
		number = ENOSPC;
	if (!number)
		number = environment_fault("guard fsync");
	if (!number && fsync(descriptor) != 0)
		number = errno;
	close(descriptor);
	return number;
}

enum ll_code guard_write(const char *directory, enum guard_state state, struct error *error)
{
	char path[PATH_BYTES], made[PATH_BYTES], text[TEXT_BYTES];
	struct marks now;
	enum ll_code code = marks_now(directory, &now, error);
	if (code != LL_OK)
		return code;
	if ((size_t)snprintf(made, sizeof made, "%s/" GUARD_FILE ".new", directory) >= sizeof made)
		return error_set(error, LL_USAGE, "%s: the path is too long", directory);
	snprintf(path, sizeof path, "%s/" GUARD_FILE, directory);
	snprintf(text, sizeof text, "ledgerline guard 1\nstate %s\nboot %s\ndirectory %s\n",
		 state == GUARD_CLEAN ? "clean" : "running", now.boot, now.directory);
	int number = write_file(made, text);
	if (!number && rename(made, path) != 0)
		number = errno;
	if (number) {
		unlink(made);
		return error_set(error, environment_code(number), "%s: cannot write: %s", path, strerror(number));
	}
	return environment_sync_directory(directory, error);
}
