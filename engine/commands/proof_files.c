#include "engine/commands/proof_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "engine/proof/note.h"

enum { READ_BYTES = 65536, FILE_BYTES_MAX = 3 * NOTE_BYTES_MAX };

static int read_all(const struct options *options, const char *path, int descriptor, struct buffer *text)
{
	for (;;) {
		ssize_t size = read(descriptor, buffer_reserve(text, READ_BYTES), READ_BYTES);
		if (size == 0)
			return EXIT_DONE;
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return option_complain(options, EXIT_FAILED, "cannot read %s: %s", path, strerror(errno));
		buffer_commit(text, (size_t)size);
		if (text->size > FILE_BYTES_MAX)
			return option_complain(options, EXIT_USAGE, "%s is too large for a proof or a key", path);
	}
}

int proof_file_read(const struct options *options, const char *path, struct buffer *text)
{
	bool standard = strcmp(path, "-") == 0;
	int descriptor = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return option_complain(options, errno == ENOENT ? EXIT_USAGE : EXIT_FAILED, "cannot read %s: %s", path,
				       strerror(errno));
	int status = read_all(options, path, descriptor, text);
	if (!standard)
		close(descriptor);
	return status;
}

int proof_file_write(const struct options *options, const char *path, struct slice text, unsigned mode)
{
	bool standard = strcmp(path, "-") == 0;
	int descriptor = standard ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	bool fine = descriptor >= 0;
	if (!fine && errno == EEXIST)
		return option_complain(options, EXIT_USAGE, "%s is there already, and is left as it is", path);
	for (size_t at = 0; fine && at < text.size;) {
		ssize_t size = write(descriptor, text.at + at, text.size - at);
		if (size > 0)
			at += (size_t)size;
		fine = size > 0 || errno == EINTR;
	}
	fine = fine && (standard || fsync(descriptor) == 0);
	if (!standard && descriptor >= 0)
		fine = close(descriptor) == 0 && fine;
	return fine ? EXIT_DONE : option_complain(options, EXIT_FAILED, "cannot write %s: %s", path, strerror(errno));
}
