/*
 * The log: one line an event, on standard error.
 *
 *	2026-03-01T09:00:00.123Z info http.listening host=127.0.0.1 port=8080
 *	{"time":"2026-03-01T09:00:00.123Z","level":"info","event":"http.listening","host":"127.0.0.1","port":8080}
 *
 * An event is a name of lower-case words with dots, the same for ever, with fields: not a sentence with numbers in it.
 * Text with blanks, quotes or control characters stands in quotes, as in JSON.
 *
 * Any thread may log. A line leaves in one write. A line that cannot be written is lost in silence: there is nowhere to
 * say so.
 */
#ifndef LEDGERLINE_LOG_H
#define LEDGERLINE_LOG_H

#include "schemas/wire/buffer.h"
#include "schemas/wire/error.h"
#include "schemas/wire/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_WORDS, LOG_JSON };

/* From now on. Before it is called: LOG_INFO, LOG_WORDS. */
void log_configure(enum log_level least, enum log_format format);

/* "debug", "info", "warn", "error". LL_USAGE: another text. */
enum ll_code log_level_parse(const char *text, enum log_level *level, struct error *error) LL_CHECKED;

struct log_field {
	const char *key; /* a word in camelCase */
	bool is_number;
	struct slice text;
	int64_t number;
};

#define LOG_TEXT(name, value) ((struct log_field){.key = (name), .text = slice_text(value)})
#define LOG_SLICE(name, value) ((struct log_field){.key = (name), .text = (value)})
#define LOG_NUMBER(name, value) ((struct log_field){.key = (name), .is_number = true, .number = (int64_t)(value)})

/* Each event has a row in a table of the pages: `make check-events`.
 * log_info("http.listening", LOG_TEXT("host", host), LOG_NUMBER("port", port)); */
#define log_debug(event, ...) LOG_EVENT(LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...) LOG_EVENT(LOG_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...) LOG_EVENT(LOG_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_EVENT(LOG_ERROR, event, ##__VA_ARGS__)

/* The fields stand behind an empty one, so that there may be none. */
#define LOG_EVENT(level, event, ...)                                                                                   \
	do {                                                                                                           \
		const struct log_field log_fields[] = {{0}, ##__VA_ARGS__};                                            \
		log_write(level, event, log_fields + 1, sizeof log_fields / sizeof *log_fields - 1);                   \
	} while (0)

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count);

/* The line, with its end, as it would be written at that time: for tests. */
void log_render(struct buffer *out, enum log_format format, int64_t time_ms, enum log_level level, const char *event,
		const struct log_field *fields, size_t count);

#endif
