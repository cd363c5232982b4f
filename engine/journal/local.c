/*
 * The embedded journal: an LMDB environment in a directory. It is the default for one machine, and the archive's format.
 *
 * Layout
 *	database "records"  offset, 8 bytes big-endian -> time in milliseconds since 1970, 8 bytes big-endian, then the record
 *	database "journal"  "format" -> "1"; "id" -> a random uuid as text, which is the log's identity
 *	file "appender"     locked by the process that appends, its process id in it
 *
 * One record is one transaction, synced before it is reported. So after any crash the log holds a beginning of what was
 * appended, with all that was reported. Offsets have no gaps; a missing one is damage and told as such.
 *
 * Only one process appends (the lock); any number reads, in this and in other processes. Making the log is two steps, the
 * databases and then the id: what has no id is not a log yet, and is completed by the next one who may create.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "engine/journal/local_log.h"
#include "schemas/wire/ensure.h"

#define DATABASE_RECORDS "records"
#define DATABASE_JOURNAL "journal"
#define FORMAT "1"

static struct local_log *logs;
static pthread_mutex_t logs_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *directory_of(const struct local_log *log)
{
	return environment_directory(log->environment);
}

/* ---- logs of this process ---- */

/* Takes over `environment`, this opener's count of it included. */
static struct local_log *log_join(struct environment *environment, unsigned records)
{
	pthread_mutex_lock(&logs_lock);
	struct local_log *log = logs;
	while (log && log->environment != environment)
		log = log->next;
	if (!log) {
		log = calloc(1, sizeof *log);
		ENSURE(log);
		log->environment = environment;
		log->records = records;
		pthread_mutex_init(&log->lock, NULL);
		log->next = logs;
		logs = log;
	}
	log->journals_count++;
	pthread_mutex_unlock(&logs_lock);
	return log;
}

/* The environment is closed under the lock, so that nobody joins a log whose environment is going away. */
static void log_leave(struct local_log *log)
{
	pthread_mutex_lock(&logs_lock);
	environment_close(log->environment);
	if (--log->journals_count == 0) {
		struct local_log **link = &logs;
		while (*link != log)
			link = &(*link)->next;
		*link = log->next;
		pthread_mutex_destroy(&log->lock);
		free(log);
	}
	pthread_mutex_unlock(&logs_lock);
}

/* ---- rows ---- */

enum ll_code local_bounds(struct local_log *log, struct environment_txn *txn, struct journal_watermarks *watermarks,
			  struct error *error)
{
	struct environment_cursor *cursor = NULL;
	struct slice first, last;
	enum ll_code code = environment_cursor_open(txn, log->records, &cursor, error);
	if (code != LL_OK)
		goto done;
	code = environment_cursor_move(cursor, MOVE_FIRST, &first, NULL, error);
	if (code == LL_NOT_FOUND) {
		*watermarks = (struct journal_watermarks){0};
		code = LL_OK;
		goto done;
	}
	if (code != LL_OK)
		goto done;
	watermarks->low = first.size == LOCAL_KEY_BYTES ? local_get_number(first.at) : 0;
	code = environment_cursor_move(cursor, MOVE_LAST, &last, NULL, error);
	if (code != LL_OK)
		goto done;
	if (first.size != LOCAL_KEY_BYTES || last.size != LOCAL_KEY_BYTES) {
		code = error_set(error, LL_CORRUPT, "the journal in %s has a key that is no offset", directory_of(log));
		goto done;
	}
	watermarks->high = local_get_number(last.at) + 1;
done:
	environment_cursor_close(cursor);
	return code;
}

enum ll_code local_split(const struct local_log *log, uint64_t offset, struct slice row, int64_t *time_ms,
			 struct slice *value, struct error *error)
{
	if (row.size < LOCAL_TIME_BYTES)
		return error_set(error, LL_CORRUPT, "record %llu of the journal in %s is damaged: it has %zu bytes",
				 (unsigned long long)offset, directory_of(log), row.size);
	*time_ms = (int64_t)local_get_number(row.at);
	*value = slice_of(row.at + LOCAL_TIME_BYTES, row.size - LOCAL_TIME_BYTES);
	return LL_OK;
}

/* ---- the journal's calls ---- */

static enum ll_code local_identity(struct journal *base, struct journal_identity *identity, struct error *error)
{
	(void)error;
	snprintf(identity->kind, sizeof identity->kind, "local");
	snprintf(identity->cluster, sizeof identity->cluster, "%s", ((struct local_journal *)base)->id);
	return LL_OK;
}

static enum ll_code local_watermarks(struct journal *base, struct journal_watermarks *watermarks, struct error *error)
{
	struct local_log *log = ((struct local_journal *)base)->log;
	struct environment_txn *txn = NULL;
	enum ll_code code = environment_txn_begin(log->environment, false, &txn, error);
	if (code == LL_OK)
		code = local_bounds(log, txn, watermarks, error);
	environment_txn_abort(txn);
	return code;
}

static enum ll_code local_check(struct journal *base, journal_finding_fn *found, void *context, unsigned *wrong,
				struct error *error)
{
	(void)base;
	(void)found;
	(void)context;
	(void)error;
	*wrong = 0;
	return LL_OK;
}

static enum ll_code local_read_at(struct journal *base, uint64_t offset, uint8_t **bytes, size_t *size,
				  int64_t *time_ms, struct error *error)
{
	struct local_log *log = ((struct local_journal *)base)->log;
	struct environment_txn *txn = NULL;
	struct slice row, value;
	uint8_t key[LOCAL_KEY_BYTES];
	local_put_number(key, offset);
	enum ll_code code = environment_txn_begin(log->environment, false, &txn, error);
	if (code != LL_OK)
		return code;
	code = environment_get(txn, log->records, slice_of(key, sizeof key), &row, error);
	if (code == LL_NOT_FOUND) {
		struct journal_watermarks watermarks = {0};
		code = local_bounds(log, txn, &watermarks, error);
		if (code == LL_OK && offset >= watermarks.high)
			code = error_set(error, LL_NOT_FOUND, "the journal in %s ends before offset %llu",
					 directory_of(log), (unsigned long long)offset);
		else if (code == LL_OK)
			code = error_set(error, offset < watermarks.low ? LL_DIVERGED : LL_CORRUPT,
					 "the journal in %s has no record %llu (it holds %llu to %llu)",
					 directory_of(log), (unsigned long long)offset,
					 (unsigned long long)watermarks.low, (unsigned long long)watermarks.high - 1);
		goto done;
	}
	if (code == LL_OK)
		code = local_split(log, offset, row, time_ms, &value, error);
	if (code != LL_OK)
		goto done;
	*bytes = malloc(value.size + 1);
	if (!*bytes) {
		code = error_set(error, LL_NO_MEMORY, "no memory for a record of %zu bytes", value.size);
		goto done;
	}
	memcpy(*bytes, value.at, value.size);
	*size = value.size;
done:
	environment_txn_abort(txn);
	return code;
}

static void local_close(struct journal *base)
{
	struct local_journal *journal = (struct local_journal *)base;
	log_leave(journal->log);
	free(journal);
}

static const struct journal_ops ops = {
	.identity = local_identity,
	.watermarks = local_watermarks,
	.check = local_check,
	.reader_open = local_reader_open,
	.read_at = local_read_at,
	.appender_open = local_appender_open,
	.close = local_close,
};

/* ---- opening ---- */

static void make_id(char id[37])
{
	uint8_t noise[16];
	ENSURE(getentropy(noise, sizeof noise) == 0);
	noise[6] = (uint8_t)((noise[6] & 0x0f) | 0x40);
	noise[8] = (uint8_t)((noise[8] & 0x3f) | 0x80);
	for (int i = 0, at = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			id[at++] = '-';
		at += snprintf(id + at, 3, "%02x", noise[i]);
	}
}

/* Writes format and id unless another one was faster. */
static enum ll_code write_id(struct environment *environment, unsigned about, struct error *error)
{
	struct environment_txn *txn = NULL;
	struct slice there;
	char id[37];
	enum ll_code code = environment_txn_begin(environment, true, &txn, error);
	if (code != LL_OK)
		return code;
	code = environment_get(txn, about, SLICE("id"), &there, error);
	if (code == LL_NOT_FOUND) {
		make_id(id);
		code = environment_put(txn, about, SLICE("format"), SLICE(FORMAT), false, error);
		if (code == LL_OK)
			code = environment_put(txn, about, SLICE("id"), slice_text(id), false, error);
	}
	if (code == LL_OK)
		return environment_txn_commit(txn, error);
	environment_txn_abort(txn);
	return code;
}

/* LL_NOT_FOUND: there is no id, so this is no log yet. */
static enum ll_code read_id(struct environment *environment, unsigned about, char id[64], struct error *error)
{
	struct environment_txn *txn = NULL;
	struct slice format, text;
	enum ll_code code = environment_txn_begin(environment, false, &txn, error);
	if (code != LL_OK)
		return code;
	code = environment_get(txn, about, SLICE("format"), &format, error);
	if (code == LL_OK && !slice_equal(format, SLICE(FORMAT)))
		code = error_set(error, LL_NEWER,
				 "the journal in %s has format %.*s, this program knows %s: use the newer program",
				 environment_directory(environment), SLICE_PRINT(format), FORMAT);
	if (code == LL_OK)
		code = environment_get(txn, about, SLICE("id"), &text, error);
	if (code == LL_OK)
		snprintf(id, 64, "%.*s", SLICE_PRINT(text));
	environment_txn_abort(txn);
	return code;
}

static enum ll_code no_log(const char *directory, struct error *error)
{
	return error_set(error, LL_NOT_FOUND, "there is no journal in %s: make one with `ledgerline journal create`",
			 directory);
}

/* Finds, or makes, the two databases and the id. Syncing a file puts its bytes on the disk, not its name: so names come before the id, and
 * what has an id is not lost with the name of a directory. */
static enum ll_code prepare(struct environment *environment, bool create, unsigned *records, char id[64],
			    struct error *error)
{
	const char *directory = environment_directory(environment);
	struct environment_usage usage;
	unsigned about;
	environment_usage(environment, &usage);
	enum ll_code code = environment_database(environment, DATABASE_JOURNAL, false, &about, error);
	if (code == LL_NOT_FOUND && usage.last_txn > 0)
		return error_set(error, LL_FOREIGN,
				 "%s is no journal but something else: give the journal another directory", directory);
	if (code == LL_NOT_FOUND && create)
		code = environment_database(environment, DATABASE_JOURNAL, true, &about, error);
	if (code == LL_OK)
		code = environment_database(environment, DATABASE_RECORDS, create, records, error);
	if (code == LL_OK && create)
		code = environment_sync_directory(directory, error);
	if (code == LL_OK && create)
		code = environment_sync_name(directory, error);
	if (code == LL_OK && create)
		code = write_id(environment, about, error);
	if (code == LL_OK)
		code = read_id(environment, about, id, error);
	return code == LL_NOT_FOUND ? no_log(directory, error) : code;
}

static enum ll_code take_settings(const struct journal_options *options, size_t *map_bytes, struct error *error)
{
	for (size_t i = 0; i < options->settings_count; i++) {
		const struct journal_option *setting = &options->settings[i];
		char *end = NULL;
		if (strcmp(setting->name, "map.bytes") != 0)
			return error_set(error, LL_USAGE,
					 "the embedded journal has no setting \"%s\" (it has: map.bytes)",
					 setting->name);
		errno = 0;
		unsigned long long bytes = strtoull(setting->value, &end, 10);
		if (errno || end == setting->value || *end || bytes < 65536 || bytes > SIZE_MAX / 2)
			return error_set(error, LL_USAGE, "map.bytes=%s: give a number of bytes from 65536 on",
					 setting->value);
		*map_bytes = bytes;
	}
	return LL_OK;
}

static enum ll_code open_directory(const char *directory, const struct journal_options *options,
				   struct journal **opened, struct error *error)
{
	struct environment *environment = NULL;
	struct local_journal *journal = NULL;
	char id[64], absolute[PATH_MAX];
	unsigned records;
	struct environment_options how = {
		.directory = directory,
		.create = options->create && !options->read_only,
		.read_only = options->read_only,
		.synced = true,
	};
	if (!*directory)
		return error_set(error, LL_USAGE, "\"local:\" is no journal URL: give local:DIR");
	enum ll_code code = take_settings(options, &how.map_bytes, error);
	if (code == LL_OK)
		code = environment_open(&how, &environment, error);
	if (code != LL_OK)
		return code == LL_NOT_FOUND && !how.create ? no_log(directory, error) : code;
	code = prepare(environment, how.create, &records, id, error);
	if (code != LL_OK)
		goto done;
	if (!realpath(directory, absolute) || strlen(absolute) + sizeof "local:" > JOURNAL_URL_MAX) {
		code = error_set(error, LL_USAGE, "the path of the journal %s is too long", directory);
		goto done;
	}
	journal = calloc(1, sizeof *journal);
	if (!journal) {
		code = error_set(error, LL_NO_MEMORY, "no memory to open %s", directory);
		goto done;
	}
	journal->base.ops = &ops;
	snprintf(journal->base.url, sizeof journal->base.url, "local:%.*s", JOURNAL_URL_MAX - 7, absolute);
	snprintf(journal->id, sizeof journal->id, "%s", id);
	journal->log = log_join(environment, records);
	environment = NULL;
	*opened = &journal->base;
done:
	environment_close(environment);
	return code;
}

static enum ll_code local_create(const char *directory, const struct journal_options *options, int replication,
				 struct error *error)
{
	(void)replication;
	struct journal *journal = NULL;
	struct journal_options looking = *options, making = *options;
	looking.create = looking.read_only = making.read_only = false;
	making.create = true;
	enum ll_code code = open_directory(directory, &looking, &journal, error);
	if (code == LL_OK) {
		journal->ops->close(journal);
		return error_set(error, LL_EXISTS, "there is a journal in %s already", directory);
	}
	if (code != LL_NOT_FOUND)
		return code;
	code = open_directory(directory, &making, &journal, error);
	if (code == LL_OK)
		journal->ops->close(journal);
	return code;
}

const struct journal_adapter journal_local = {.scheme = "local", .open = open_directory, .create = local_create};
