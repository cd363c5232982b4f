#include "tests/simulation/line.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/journal/adapter.h"
#include "schemas/wire/ensure.h"

struct line_journal {
	struct journal base;
	struct journal *inner;
	const struct line *line;
};

struct line_reader {
	struct journal_reader base;
	struct journal_reader *inner;
	const struct line *line;
};

struct line_appender {
	struct journal_appender base;
	struct journal_appender *inner;
	const struct line *line;
	struct slice kept; /* borrowed, as of an append under way; empty: nothing waits */
	int64_t kept_time_ms;
	bool lost; /* the append under way was */
};

static enum ll_code cut(const struct line *line, struct error *error)
{
	return line->cut ? error_set(error, LL_UNAVAILABLE, "the line to the journal is cut") : LL_OK;
}

/* ---- reading ---- */

static enum ll_code line_read(struct journal_reader *base, int timeout_ms, struct journal_record *record,
			      struct error *error)
{
	struct line_reader *reader = (struct line_reader *)base;
	if (cut(reader->line, error) != LL_OK)
		return LL_UNAVAILABLE;
	return reader->line->reads_late ? LL_TIMEOUT : journal_read(reader->inner, timeout_ms, record, error);
}

static int line_reader_descriptor(struct journal_reader *base)
{
	return journal_reader_descriptor(((struct line_reader *)base)->inner);
}

/* Bells are for event loops; here nobody listens. */
static void line_reader_acknowledge(struct journal_reader *base)
{
	(void)base;
}

static void line_reader_close(struct journal_reader *base)
{
	journal_reader_close(((struct line_reader *)base)->inner);
	free(base);
}

static enum ll_code line_reader_open(struct journal *base, uint64_t offset, struct journal_reader **opened,
				     struct error *error)
{
	static const struct journal_reader_ops ops = {line_read, line_reader_descriptor, line_reader_acknowledge,
						      line_reader_close};
	struct line_journal *journal = (struct line_journal *)base;
	struct line_reader *reader = calloc(1, sizeof *reader);
	ENSURE(reader);
	reader->base.ops = &ops;
	reader->line = journal->line;
	enum ll_code code = journal_reader_open(journal->inner, offset, &reader->inner, error);
	if (code == LL_OK)
		*opened = &reader->base;
	else
		free(reader);
	return code;
}

/* ---- appending ---- */

static enum ll_code line_append(struct journal_appender *base, struct slice value, int64_t time_ms,
				const struct journal_header *headers, size_t headers_count, struct error *error)
{
	struct line_appender *appender = (struct line_appender *)base;
	if (!appender->line->cut)
		return journal_append(appender->inner, value, time_ms, headers, headers_count, error);
	appender->lost = !appender->line->keeps;
	appender->kept = appender->lost ? SLICE_EMPTY : value;
	appender->kept_time_ms = time_ms;
	return LL_OK;
}

static enum ll_code line_report(struct journal_appender *base, int timeout_ms, struct journal_report *report)
{
	struct line_appender *appender = (struct line_appender *)base;
	if (appender->line->cut || appender->lost)
		return LL_TIMEOUT;
	if (appender->kept.size) {
		struct error error;
		struct slice value = appender->kept;
		appender->kept = SLICE_EMPTY;
		if (journal_append(appender->inner, value, appender->kept_time_ms, NULL, 0, &error) != LL_OK) {
			appender->lost = true;
			return LL_TIMEOUT;
		}
	}
	return journal_report(appender->inner, timeout_ms, report);
}

static int line_appender_descriptor(struct journal_appender *base)
{
	return journal_appender_descriptor(((struct line_appender *)base)->inner);
}

static void line_appender_acknowledge(struct journal_appender *base)
{
	(void)base;
}

static void line_appender_close(struct journal_appender *base)
{
	journal_appender_close(((struct line_appender *)base)->inner);
	free(base);
}

static enum ll_code line_appender_open(struct journal *base, struct journal_appender **opened, struct error *error)
{
	static const struct journal_appender_ops ops = {line_append, line_report, line_appender_descriptor,
							line_appender_acknowledge, line_appender_close};
	struct line_journal *journal = (struct line_journal *)base;
	if (cut(journal->line, error) != LL_OK)
		return LL_UNAVAILABLE;
	struct line_appender *appender = calloc(1, sizeof *appender);
	ENSURE(appender);
	appender->base.ops = &ops;
	appender->line = journal->line;
	enum ll_code code = journal_appender_open(journal->inner, &appender->inner, error);
	if (code == LL_OK)
		*opened = &appender->base;
	else
		free(appender);
	return code;
}

/* ---- the rest ---- */

static enum ll_code line_identity(struct journal *base, struct journal_identity *identity, struct error *error)
{
	struct line_journal *journal = (struct line_journal *)base;
	enum ll_code code = cut(journal->line, error);
	return code == LL_OK ? journal_identity(journal->inner, identity, error) : code;
}

static enum ll_code line_watermarks(struct journal *base, struct journal_watermarks *watermarks, struct error *error)
{
	struct line_journal *journal = (struct line_journal *)base;
	enum ll_code code = cut(journal->line, error);
	return code == LL_OK ? journal_watermarks(journal->inner, watermarks, error) : code;
}

static enum ll_code line_check(struct journal *base, journal_finding_fn *found, void *context, unsigned *wrong,
			       struct error *error)
{
	return journal_check(((struct line_journal *)base)->inner, found, context, wrong, error);
}

static enum ll_code line_read_at(struct journal *base, uint64_t offset, uint8_t **bytes, size_t *size, int64_t *time_ms,
				 struct error *error)
{
	struct line_journal *journal = (struct line_journal *)base;
	enum ll_code code = cut(journal->line, error);
	return code == LL_OK ? journal_read_at(journal->inner, offset, bytes, size, time_ms, error) : code;
}

static void line_close(struct journal *base)
{
	journal_close(((struct line_journal *)base)->inner);
	free(base);
}

enum ll_code line_open(const char *url, const struct line *line, struct journal **opened, struct error *error)
{
	static const struct journal_ops ops = {line_identity, line_watermarks,    line_check, line_reader_open,
					       line_read_at,  line_appender_open, line_close};
	if (cut(line, error) != LL_OK)
		return LL_UNAVAILABLE;
	struct line_journal *journal = calloc(1, sizeof *journal);
	ENSURE(journal);
	journal->base.ops = &ops;
	journal->line = line;
	snprintf(journal->base.url, sizeof journal->base.url, "%s", url);
	enum ll_code code = journal_open(url, NULL, &journal->inner, error);
	if (code == LL_OK)
		*opened = &journal->base;
	else
		free(journal);
	return code;
}
