/*
 * The journal port's front: finds the adapter of a URL and hands calls on to it.
 *
 * What is the same for every adapter is kept here and only here: limits of a value, one appender a handle, one append
 * under way, and that nothing is closed while something of it is open.
 */
#include "engine/journal/journal.h"

#include <string.h>

#include "engine/journal/adapter.h"
#include "schemas/wire/ensure.h"

static const struct journal_adapter *const adapters[] = {&journal_local, &journal_kafka, &journal_memory};

static const struct journal_options no_options;

/* The adapter of `url`; *rest is what follows "scheme:". */
static enum ll_code find_adapter(const char *url, const struct journal_adapter **adapter, const char **rest,
				 struct error *error)
{
	if (strlen(url) >= JOURNAL_URL_MAX)
		return error_set(error, LL_USAGE, "this journal URL is longer than %d bytes", JOURNAL_URL_MAX - 1);
	for (size_t i = 0; i < sizeof adapters / sizeof *adapters; i++) {
		size_t length = strlen(adapters[i]->scheme);
		if (strncmp(url, adapters[i]->scheme, length) == 0 && url[length] == ':') {
			*adapter = adapters[i];
			*rest = url + length + 1;
			return LL_OK;
		}
	}
	return error_set(error, LL_USAGE,
			 "\"%s\" is no journal URL: give local:DIR or kafka://HOST:PORT,HOST:PORT/NAME", url);
}

enum ll_code journal_open(const char *url, const struct journal_options *options, struct journal **journal,
			  struct error *error)
{
	const struct journal_adapter *adapter;
	const char *rest;
	if (!options)
		options = &no_options;
	enum ll_code code = find_adapter(url, &adapter, &rest, error);
	if (code == LL_OK)
		code = adapter->open(rest, options, journal, error);
	if (code == LL_OK)
		(*journal)->read_only = options->read_only;
	return code;
}

enum ll_code journal_create(const char *url, const struct journal_options *options, int replication,
			    struct error *error)
{
	const struct journal_adapter *adapter;
	const char *rest;
	enum ll_code code = find_adapter(url, &adapter, &rest, error);
	if (code != LL_OK)
		return code;
	return adapter->create(rest, options ? options : &no_options, replication, error);
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	ENSURE(!atomic_load(&journal->has_appender));
	ENSURE(atomic_load(&journal->readers_count) == 0);
	journal->ops->close(journal);
}

const char *journal_url(const struct journal *journal)
{
	return journal->url;
}

enum ll_code journal_identity(struct journal *journal, struct journal_identity *identity, struct error *error)
{
	*identity = (struct journal_identity){0};
	return journal->ops->identity(journal, identity, error);
}

enum ll_code journal_watermarks(struct journal *journal, struct journal_watermarks *watermarks, struct error *error)
{
	return journal->ops->watermarks(journal, watermarks, error);
}

enum ll_code journal_check(struct journal *journal, journal_finding_fn *found, void *context, unsigned *wrong,
			   struct error *error)
{
	*wrong = 0;
	return journal->ops->check(journal, found, context, wrong, error);
}

enum ll_code journal_read_at(struct journal *journal, uint64_t offset, uint8_t **bytes, size_t *size, int64_t *time_ms,
			     struct error *error)
{
	return journal->ops->read_at(journal, offset, bytes, size, time_ms, error);
}

/* ---- reading ---- */

enum ll_code journal_reader_open(struct journal *journal, uint64_t offset, struct journal_reader **reader,
				 struct error *error)
{
	enum ll_code code = journal->ops->reader_open(journal, offset, reader, error);
	if (code == LL_OK) {
		(*reader)->journal = journal;
		atomic_fetch_add(&journal->readers_count, 1);
	}
	return code;
}

enum ll_code journal_read(struct journal_reader *reader, int timeout_ms, struct journal_record *record,
			  struct error *error)
{
	return reader->ops->read(reader, timeout_ms, record, error);
}

int journal_reader_descriptor(struct journal_reader *reader)
{
	return reader->ops->descriptor(reader);
}

void journal_reader_acknowledge(struct journal_reader *reader)
{
	reader->ops->acknowledge(reader);
}

void journal_reader_close(struct journal_reader *reader)
{
	if (!reader)
		return;
	struct journal *journal = reader->journal;
	reader->ops->close(reader);
	atomic_fetch_sub(&journal->readers_count, 1);
}

/* ---- appending ---- */

enum ll_code journal_appender_open(struct journal *journal, struct journal_appender **appender, struct error *error)
{
	if (journal->read_only)
		return error_set(error, LL_USAGE, "%s was opened for reading only", journal->url);
	if (atomic_exchange(&journal->has_appender, true))
		return error_set(error, LL_BUSY, "%s has an appender here already", journal->url);
	enum ll_code code = journal->ops->appender_open(journal, appender, error);
	if (code == LL_OK)
		(*appender)->journal = journal;
	else
		atomic_store(&journal->has_appender, false);
	return code;
}

enum ll_code journal_append(struct journal_appender *appender, struct slice value, int64_t time_ms,
			    const struct journal_header *headers, size_t headers_count, struct error *error)
{
	ENSURE(headers_count <= JOURNAL_HEADERS_MAX);
	ENSURE(time_ms >= 0);
	if (appender->under_way)
		return error_set(error, LL_BUSY, "an append to %s is still under way", appender->journal->url);
	if (value.size > JOURNAL_VALUE_BYTES_MAX)
		return error_set(error, LL_TOO_LARGE, "a record of %zu bytes is over the journal's limit of %zu",
				 value.size, JOURNAL_VALUE_BYTES_MAX);
	enum ll_code code = appender->ops->append(appender, value, time_ms, headers, headers_count, error);
	appender->under_way = code == LL_OK;
	return code;
}

enum ll_code journal_report(struct journal_appender *appender, int timeout_ms, struct journal_report *report)
{
	if (!appender->under_way)
		return LL_TIMEOUT;
	enum ll_code code = appender->ops->report(appender, timeout_ms, report);
	ENSURE(code == LL_OK || code == LL_TIMEOUT);
	if (code == LL_OK)
		appender->under_way = false;
	return code;
}

int journal_appender_descriptor(struct journal_appender *appender)
{
	return appender->ops->descriptor(appender);
}

void journal_appender_acknowledge(struct journal_appender *appender)
{
	appender->ops->acknowledge(appender);
}

void journal_appender_close(struct journal_appender *appender)
{
	if (!appender)
		return;
	struct journal *journal = appender->journal;
	appender->ops->close(appender);
	atomic_store(&journal->has_appender, false);
}
