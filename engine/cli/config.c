/*
 * libinih takes the lines apart. It tells a handler no line number and passes over long lines in silence, so it is
 * given its lines by a reader of our own, which counts them and looks at their length.
 */
#include "engine/cli/config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

struct reading {
	FILE *file;
	const char *path;
	unsigned line;
	config_visit_fn *visit;
	void *context;
	enum ll_code code; /* of the first thing that was wrong */
	struct error *error;
};

static void stop(struct reading *reading, enum ll_code code)
{
	reading->code = code;
	if (reading->error)
		error_prefix(reading->error, "%s:%u", reading->path, reading->line);
}

static char *next_line(char *text, int size, void *stream)
{
	struct reading *reading = stream;
	if (reading->code != LL_OK || !fgets(text, size, reading->file))
		return NULL;
	reading->line++;
	size_t length = strlen(text);
	if ((length && text[length - 1] == '\n') || feof(reading->file))
		return text;
	stop(reading, error_set(reading->error, LL_USAGE, "the line is longer than %d bytes", size - 2));
	return NULL;
}

static int on_setting(void *context, const char *section, const char *name, const char *value)
{
	struct reading *reading = context;
	if (reading->code != LL_OK)
		return 0;
	enum ll_code code = reading->visit(reading->context, section, name, value ? value : "", reading->error);
	if (code != LL_OK)
		stop(reading, code);
	return code == LL_OK;
}

enum ll_code config_read(const char *path, config_visit_fn *visit, void *context, struct error *error)
{
	struct reading reading = {.path = path, .visit = visit, .context = context, .error = error};
	reading.file = fopen(path, "re");
	if (!reading.file) {
		enum ll_code code = errno == ENOENT ? LL_NOT_FOUND : errno == EACCES ? LL_DENIED : LL_IO;
		return error_set(error, code, "cannot read the configuration file %s: %s", path, strerror(errno));
	}
	int wrong = ini_parse_stream(next_line, &reading, on_setting, &reading);
	if (reading.code == LL_OK && ferror(reading.file)) {
		reading.code =
			error_set(error, LL_IO, "cannot read the configuration file %s: %s", path, strerror(errno));
	} else if (reading.code == LL_OK && wrong) {
		reading.line = (unsigned)wrong;
		stop(&reading, error_set(error, LL_USAGE, "this is neither `name = value` nor a [section]"));
	}
	fclose(reading.file);
	return reading.code;
}
