#include "engine/data/data.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/data/adopt.h"
#include "projections/store/environment.h"
#include "projections/store/generation.h"

static enum ll_code from_errno(struct error *error, const char *what, const char *path)
{
	enum ll_code code = errno == EACCES || errno == EPERM || errno == EROFS ? LL_DENIED
			    : errno == ENOSPC || errno == EDQUOT                ? LL_FULL
			    : errno == ENOENT                                   ? LL_NOT_FOUND
										: LL_IO;
	return error_set(error, code, "cannot %s %s: %s", what, path, strerror(errno));
}

/* mkdir -p. *made (may be NULL): was the last of them made here? */
static enum ll_code make_directories(const char *path, bool *made, struct error *error)
{
	bool is_new = false;
	char part[DATA_PATH_MAX];
	size_t length = strlen(path);
	memcpy(part, path, length + 1);
	for (size_t i = 1; i <= length; i++) {
		if (part[i] != '/' && part[i] != 0)
			continue;
		char kept = part[i];
		part[i] = 0;
		is_new = mkdir(part, 0775) == 0;
		if (!is_new && errno != EEXIST)
			return from_errno(error, "make the directory", part);
		enum ll_code code = is_new ? environment_sync_name(part, error) : LL_OK;
		if (code != LL_OK)
			return code;
		part[i] = kept;
	}
	if (made)
		*made = is_new;
	return LL_OK;
}

/* A rebuild without an engine holds it for the moment of the swap: whoever comes then need not fail. */
static bool lock_file(int descriptor)
{
	enum { TRIES = 50, PAUSE_NS = 20 * 1000 * 1000 };
	for (int tried = 0; flock(descriptor, LOCK_EX | LOCK_NB) != 0; tried++) {
		if (tried == TRIES)
			return false;
		nanosleep(&(struct timespec){0, PAUSE_NS}, NULL);
	}
	return true;
}

enum ll_code data_lock(struct data *data, bool patient, struct error *error)
{
	char path[DATA_PATH_MAX], pid[32];
	snprintf(path, sizeof path, "%s/lock", data->path);
	data->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0664);
	if (data->lock < 0)
		return from_errno(error, "open", path);
	if (patient ? !lock_file(data->lock) : flock(data->lock, LOCK_EX | LOCK_NB) != 0) {
		close(data->lock);
		data->lock = -1;
		return error_set(error, LL_BUSY, "%s is in use by process %d: stop it first, or use another directory",
				 data->path, data_holder(data->path));
	}
	int size = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(data->lock, 0) != 0 || pwrite(data->lock, pid, (size_t)size, 0) != size)
		return from_errno(error, "write", path);
	return LL_OK;
}

void data_unlock(struct data *data)
{
	if (data->lock >= 0)
		close(data->lock);
	data->lock = -1;
}

int data_holder(const char *directory)
{
	char path[DATA_PATH_MAX], text[32] = "";
	int pid = 0;
	snprintf(path, sizeof path, "%s/lock", directory);
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return 0;
	if (flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK &&
	    read(descriptor, text, sizeof text - 1) > 0)
		pid = (int)strtol(text, NULL, 10);
	close(descriptor);
	return pid;
}

static enum ll_code read_url(struct data *data, struct error *error)
{
	char path[DATA_PATH_MAX];
	snprintf(path, sizeof path, "%s/journal.url", data->path);
	FILE *file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? LL_NOT_FOUND : from_errno(error, "read", path);
	bool fine = fgets(data->url, sizeof data->url, file) != NULL;
	fclose(file);
	data->url[strcspn(data->url, "\n")] = 0;
	return fine && data->url[0]
		       ? LL_OK
		       : error_set(error, LL_CORRUPT, "%s is empty: write the journal's URL into it", path);
}

static const char *remembered_form(const struct data *data, const char *url)
{
	char own[JOURNAL_URL_MAX];
	if (snprintf(own, sizeof own, "local:%s/journal", data->path) >= (int)sizeof own)
		return url;
	return strcmp(url, own) == 0 ? "local:" : url;
}

/* Written beside and renamed, so that it is whole or not there. */
static enum ll_code write_url(const struct data *data, struct error *error)
{
	char path[DATA_PATH_MAX], beside[DATA_PATH_MAX];
	snprintf(path, sizeof path, "%s/journal.url", data->path);
	snprintf(beside, sizeof beside, "%s/journal.url.new", data->path);
	FILE *file = fopen(beside, "we");
	if (!file)
		return from_errno(error, "write", beside);
	bool fine = fprintf(file, "%s\n", remembered_form(data, data->url)) > 0 && fflush(file) == 0 &&
		    fsync(fileno(file)) == 0;
	fine = fclose(file) == 0 && fine && rename(beside, path) == 0;
	return fine ? environment_sync_directory(data->path, error) : from_errno(error, "write", path);
}

/* local: URLs are remembered relative to the directory when they lie in it, so that it may be moved; and absolute
 * otherwise, so that they may be asked for from anywhere. */
static enum ll_code expand_url(const struct data *data, const char *url, char expanded[JOURNAL_URL_MAX],
			       struct error *error)
{
	char real[PATH_MAX];
	int size;
	if (strncmp(url, "local:", 6) != 0) {
		size = snprintf(expanded, JOURNAL_URL_MAX, "%s", url);
	} else if (strcmp(url, "local:") == 0) {
		size = snprintf(expanded, JOURNAL_URL_MAX, "local:%s/journal", data->path);
	} else if (url[6] == '/') {
		size = snprintf(expanded, JOURNAL_URL_MAX, "%s", url);
	} else {
		if (!getcwd(real, sizeof real))
			return from_errno(error, "find", "the working directory");
		size = snprintf(expanded, JOURNAL_URL_MAX, "local:%s/%s", real, url + 6);
	}
	return size < JOURNAL_URL_MAX ? LL_OK : error_set(error, LL_USAGE, "the journal's URL is too long: %s", url);
}

enum ll_code data_remember(struct data *data, struct error *error)
{
	enum ll_code code = data->is_known ? LL_OK : write_url(data, error);
	data->is_known = code == LL_OK;
	return code;
}

static enum ll_code settle_url(struct data *data, const char *url, enum data_use use, struct error *error)
{
	char asked[JOURNAL_URL_MAX], remembered[JOURNAL_URL_MAX];
	enum ll_code code = read_url(data, error);
	if (code == LL_NOT_FOUND && !url && use != DATA_MAKE)
		return error_set(
			error, LL_NOT_FOUND,
			"%s is not a data directory (it has no journal.url): name its journal with --journal URL",
			data->path);
	if (code != LL_OK && code != LL_NOT_FOUND)
		return code;
	bool known = code == LL_OK;
	if (known && (code = expand_url(data, data->url, remembered, error)) != LL_OK)
		return code;
	if (!known || url) {
		code = expand_url(data, url ? url : "local:", asked, error);
		if (code != LL_OK)
			return code;
	}
	if (known && url && strcmp(asked, remembered) != 0)
		return error_set(
			error, LL_EXISTS,
			"%s belongs to the journal %s, not to %s: leave --journal out, or use another directory",
			data->path, remembered, asked);
	data->is_known = known;
	memcpy(data->url, known ? remembered : asked, sizeof data->url);
	return LL_OK;
}

/* ---- somebody else's directory ---- */

/* What a data directory is known by. journal.url may have been deleted: only the journal may not. */
static bool has_mark(int directory)
{
	static const char *const marks[] = {"journal.url", "journal.url.new", "journal", "projections", "snapshots"};
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (faccessat(directory, marks[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

/* What is found in a directory that is as good as empty: a beginning that came to nothing, the root of a file system. */
static bool is_nothing(const char *name)
{
	static const char *const nothing[] = {".", "..", "lock", "engine.url", "lost+found"};
	for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
		if (strcmp(name, nothing[i]) == 0)
			return true;
	return false;
}

/* Notes what else lies in a directory that is no data directory yet. What cannot be looked into says so where it is written to. */
static void look_for_others(struct data *data)
{
	DIR *directory = opendir(data->path);
	if (!directory)
		return;
	bool known = has_mark(dirfd(directory));
	for (const struct dirent *entry; !known && !*data->among && (entry = readdir(directory));)
		if (!is_nothing(entry->d_name))
			snprintf(data->among, sizeof data->among, "%s", entry->d_name);
	closedir(directory);
}

enum ll_code data_open(const char *path, const char *url, enum data_use use, struct data *data, struct error *error)
{
	char real[PATH_MAX];
	enum ll_code code = LL_OK;
	*data = (struct data){.lock = -1};
	if (strlen(path) >= sizeof data->path - 64)
		return error_set(error, LL_USAGE, "the directory's name is too long: %s", path);
	if (use == DATA_MAKE)
		code = make_directories(path, &data->is_new, error);
	if (code != LL_OK)
		return code;
	if (!realpath(path, real))
		return from_errno(error, "open the data directory", path);
	if (strlen(real) >= sizeof data->path - 64)
		return error_set(error, LL_USAGE, "the directory's name is too long: %s", real);
	memcpy(data->path, real, strlen(real) + 1);
	if (use == DATA_MAKE)
		look_for_others(data);
	if (use != DATA_READ)
		code = data_lock(data, true, error);
	if (code == LL_OK)
		code = settle_url(data, url, use, error);
	if (code != LL_OK)
		data_close(data);
	return code;
}

void data_close(struct data *data)
{
	char path[DATA_PATH_MAX];
	if (data->lock < 0)
		return;
	if (data->is_new && !data->is_known) {
		snprintf(path, sizeof path, "%s/lock", data->path);
		unlink(path);
		rmdir(data->path); /* only if nothing else lies there */
	}
	close(data->lock);
	data->lock = -1;
}

void data_projection_root(const struct data *data, enum projection_id id, char path[DATA_PATH_MAX])
{
	snprintf(path, DATA_PATH_MAX, "%s/projections/%s", data->path, projection_layouts[id].name);
}

/* The current generation's directory; with `anew`, or when there is none, a fresh one. */
static enum ll_code generation_directory(const struct data *data, enum projection_id id, bool anew,
					 char path[GENERATION_PATH_MAX], struct error *error)
{
	char root[DATA_PATH_MAX];
	unsigned number;
	data_projection_root(data, id, root);
	enum ll_code code = anew ? LL_NOT_FOUND : generation_current(root, path, NULL, error);
	if (code != LL_NOT_FOUND)
		return code;
	char projections_path[DATA_PATH_MAX];
	snprintf(projections_path, sizeof projections_path, "%s/projections", data->path);
	code = make_directories(projections_path, NULL, error);
	if (code == LL_OK)
		code = generation_make(root, path, &number, error);
	return code == LL_OK ? generation_adopt(root, number, error) : code;
}

enum ll_code data_open_ledger(const struct data *data, unsigned mask, struct ledger_options *options,
			      void (*tell)(const char *sentence), struct ledger **ledger, struct error *error)
{
	char paths[PROJECTIONS_COUNT][GENERATION_PATH_MAX];
	unsigned anew = 0;
	for (;;) {
		enum projection_id which = PROJECTIONS_COUNT;
		for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
			options->directories[id] = NULL;
			if (!(mask & 1u << id))
				continue;
			enum ll_code made = generation_directory(data, id, anew & 1u << id, paths[id], error);
			if (made != LL_OK)
				return made;
			options->directories[id] = paths[id];
		}
		options->create = true;
		enum ll_code code = ledger_open(options, ledger, &which, error);
		if ((code != LL_UNTRUSTED && code != LL_OLDER) || which == PROJECTIONS_COUNT)
			return code;
		if (tell)
			tell(error->text);
		anew = 1u << which;
		adopt_tidy(data, which, 0, 0);
	}
}
