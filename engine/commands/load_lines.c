#include "engine/commands/load_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10 };

enum ll_code lines_open(const char *path, struct lines *lines, struct error *error)
{
	struct stat status;
	*lines = (struct lines){.descriptor = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)};
	if (lines->descriptor < 0 || fstat(lines->descriptor, &status) != 0)
		return error_set(error,
				 errno == ENOENT   ? LL_NOT_FOUND
				 : errno == EACCES ? LL_DENIED
						   : LL_IO,
				 "cannot read %s: %s", path, strerror(errno));
	if (S_ISDIR(status.st_mode)) {
		lines_close(lines);
		return error_set(error, LL_USAGE, "%s is a directory: a file of JSON Lines is wanted", path);
	}
	lines->is_file = S_ISREG(status.st_mode);
	lines->bytes_total = lines->is_file ? (uint64_t)status.st_size : 0;
	return LL_OK;
}

void lines_close(struct lines *lines)
{
	if (lines->descriptor > STDIN_FILENO)
		close(lines->descriptor);
	lines->descriptor = -1;
	buffer_release(&lines->buffer);
}

static bool is_blank(struct slice line)
{
	for (size_t i = 0; i < line.size; i++)
		if (line.at[i] != ' ' && line.at[i] != '\t' && line.at[i] != '\r')
			return false;
	return true;
}

/* A line from `at` to `end`, which may be the end of all; `next` is where the one behind it begins. */
static struct slice take(struct lines *lines, size_t end, size_t next)
{
	struct slice line = slice_of(lines->buffer.at + lines->at, end - lines->at);
	lines->bytes_taken += next - lines->at;
	lines->last = lines->at;
	lines->at = lines->looked = next;
	lines->number++;
	return line;
}

enum line lines_next(struct lines *lines, struct slice *line)
{
	for (;;) {
		size_t from = lines->looked > lines->at ? lines->looked : lines->at, left = lines->buffer.size - from;
		const uint8_t *end = left ? memchr(lines->buffer.at + from, '\n', left) : NULL;
		if (!end && lines->ended && lines->at == lines->buffer.size && !lines->too_long)
			return LINE_NONE;
		if (!end && !lines->ended) {
			lines->looked = lines->buffer.size;
			if (lines->buffer.size - lines->at > LINE_BYTES_MAX) {
				lines->too_long = true;
				lines->at = lines->looked;
			}
			return LINE_NEEDS_MORE;
		}
		size_t at = end ? (size_t)(end - lines->buffer.at) : lines->buffer.size;
		*line = take(lines, at, end ? at + 1 : at);
		if (lines->too_long || line->size > LINE_BYTES_MAX) {
			lines->too_long = false;
			return LINE_TOO_LONG;
		}
		if (!is_blank(*line))
			return LINE_READY;
	}
}

void lines_back(struct lines *lines)
{
	lines->bytes_taken -= lines->at - lines->last;
	lines->at = lines->looked = lines->last;
	lines->number--;
}

enum ll_code lines_fill(struct lines *lines, struct error *error)
{
	buffer_drop_front(&lines->buffer, lines->at);
	lines->looked -= lines->at < lines->looked ? lines->at : lines->looked;
	lines->at = 0;
	uint8_t *room = buffer_reserve(&lines->buffer, READ_BYTES);
	ssize_t got;
	do
		got = read(lines->descriptor, room, READ_BYTES);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return LL_OK;
	if (got < 0)
		return error_set(error, LL_IO, "cannot read the lines: %s", strerror(errno));
	lines->buffer.size += (size_t)got;
	lines->ended = got == 0;
	return LL_OK;
}
