#include "engine/log/log.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/json.h"
#include "schemas/wire/time.h"

static _Atomic int least_level = LOG_INFO;
static _Atomic int line_format = LOG_WORDS;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_configure(enum log_level least, enum log_format format)
{
	atomic_store_explicit(&least_level, (int)least, memory_order_relaxed);
	atomic_store_explicit(&line_format, (int)format, memory_order_relaxed);
}

enum ll_code log_level_parse(const char *text, enum log_level *level, struct error *error)
{
	for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
		if (strcmp(level_names[i], text) != 0)
			continue;
		*level = (enum log_level)i;
		return LL_OK;
	}
	return error_set(error, LL_USAGE, "%s is no log level: debug, info, warn or error", text);
}

static bool stands_alone(struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.at[i] <= ' ' || text.at[i] == '"' || text.at[i] == '=' || text.at[i] >= 0x7F)
			return false;
	return text.size > 0;
}

static void render_words(struct buffer *out, const char *time, enum log_level level, const char *event,
			 const struct log_field *fields, size_t count)
{
	buffer_printf(out, "%s %s %s", time, level_names[level], event);
	for (size_t i = 0; i < count; i++) {
		buffer_printf(out, " %s=", fields[i].key);
		if (fields[i].is_number)
			buffer_append_int64(out, fields[i].number);
		else if (stands_alone(fields[i].text))
			buffer_append_slice(out, fields[i].text);
		else
			json_escape(out, fields[i].text);
	}
}

static void render_json(struct buffer *out, const char *time, enum log_level level, const char *event,
			const struct log_field *fields, size_t count)
{
	struct json_writer writer;
	json_writer_init(&writer, out, false);
	json_object_begin(&writer);
	json_member_text(&writer, "time", time);
	json_member_text(&writer, "level", level_names[level]);
	json_member_text(&writer, "event", event);
	for (size_t i = 0; i < count; i++) {
		if (fields[i].is_number)
			json_member_int64(&writer, fields[i].key, fields[i].number);
		else
			json_member_string(&writer, fields[i].key, fields[i].text);
	}
	json_object_end(&writer);
}

void log_render(struct buffer *out, enum log_format format, int64_t time_ms, enum log_level level, const char *event,
		const struct log_field *fields, size_t count)
{
	char time[TIME_TEXT_SIZE + 1];
	ENSURE((unsigned)level < sizeof level_names / sizeof *level_names);
	time_format(time_ms, time);
	(format == LOG_JSON ? render_json : render_words)(out, time, level, event, fields, count);
	buffer_append_byte(out, '\n');
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
	if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed))
		return;
	enum log_format format = (enum log_format)atomic_load_explicit(&line_format, memory_order_relaxed);
	struct buffer line = {0};
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	log_render(&line, format, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, level, event, fields, count);
	ssize_t written = write(STDERR_FILENO, line.at, line.size);
	(void)written;
	buffer_release(&line);
}
