/*
 * `ledgerline journal copy FROM TO`: the same records, byte for byte, in the same order, under the same offsets.
 *
 *	records that TO has     compared: TO must be a beginning of FROM, or nothing is written
 *	the rest of FROM        checked by the fold rule, appended one after another
 *	all of TO               read back at the end, and compared by one hash of all values and times
 *
 * Void blocks are copied too: what was not history stays what it was. A copy that was broken off is taken up again.
 */
#include <inttypes.h>
#include <string.h>

#include "engine/audit/walk.h"
#include "engine/cli/progress.h"
#include "engine/commands/commands.h"

enum { REPORT_WAIT_MS = 60000, READ_WAIT_MS = 10000, NUMBER_SIZE = 24 };

struct copy {
	struct journal *from, *to;
	uint64_t had;                  /* records that TO had */
	struct journal_reader *reader; /* of them */
	struct journal_appender *appender;
	struct hash_stream *stream;
	struct fold fold;
	struct progress progress;
};

static void add_to_hash(struct hash_stream *stream, const struct journal_record *record)
{
	uint64_t head[] = {htobe64(record->value.size), htobe64((uint64_t)record->time_ms)};
	hash_stream_add(stream, slice_of(head, sizeof head));
	hash_stream_add(stream, record->value);
}

static enum ll_code compare_one(struct copy *copy, const struct journal_record *record, struct error *error)
{
	struct journal_record there;
	enum ll_code code = LL_OK;
	if (!copy->reader)
		code = journal_reader_open(copy->to, record->offset, &copy->reader, error);
	if (code == LL_OK)
		code = journal_read(copy->reader, READ_WAIT_MS, &there, error);
	if (code == LL_TIMEOUT || code == LL_END)
		return error_set(error, LL_UNAVAILABLE, "%s does not give its record %" PRIu64, journal_url(copy->to),
				 record->offset);
	if (code != LL_OK)
		return code;
	if (there.time_ms != record->time_ms || !slice_equal(there.value, record->value))
		return error_set(error, LL_EXISTS,
				 "%s is not a beginning of %s: they differ at offset %" PRIu64 "; nothing was written",
				 journal_url(copy->to), journal_url(copy->from), record->offset);
	return LL_OK;
}

static size_t make_headers(enum fold_verdict verdict, const struct block *block, char texts[3][NUMBER_SIZE],
			   struct journal_header headers[4])
{
	static const char *const kinds[] = {
		[BLOCK_GENESIS] = "genesis", [BLOCK_CLAIM] = "claim", [BLOCK_ENTRIES] = "entries"};
	if (verdict == FOLD_FOREIGN)
		return 0;
	snprintf(texts[0], NUMBER_SIZE, "%" PRIu64, block->epoch);
	snprintf(texts[1], NUMBER_SIZE, "%" PRIu64, block->first_seq);
	snprintf(texts[2], NUMBER_SIZE, "%" PRIu32, block->count);
	headers[0] = (struct journal_header){"ledgerline-kind", kinds[block->kind]};
	headers[1] = (struct journal_header){"ledgerline-epoch", texts[0]};
	headers[2] = (struct journal_header){"ledgerline-sequence", texts[1]};
	headers[3] = (struct journal_header){"ledgerline-count", texts[2]};
	return 4;
}

static enum ll_code append_one(struct copy *copy, const struct journal_record *record, enum fold_verdict verdict,
			       const struct block *block, struct error *error)
{
	char texts[3][NUMBER_SIZE];
	struct journal_header headers[4];
	struct journal_report report;
	enum ll_code code = LL_OK;
	if (!copy->appender)
		code = journal_appender_open(copy->to, &copy->appender, error);
	if (code == LL_OK)
		code = journal_append(copy->appender, record->value, record->time_ms, headers,
				      make_headers(verdict, block, texts, headers), error);
	if (code == LL_OK)
		code = journal_report(copy->appender, REPORT_WAIT_MS, &report);
	if (code == LL_TIMEOUT)
		return error_set(error, code,
				 "%s has not taken record %" PRIu64 " within %d s; run the same command again",
				 journal_url(copy->to), record->offset, REPORT_WAIT_MS / 1000);
	if (code != LL_OK)
		return code;
	if (report.code != LL_OK)
		return error_set(error, report.code, "%s", report.error.text);
	if (report.offset != record->offset)
		return error_set(error, LL_DIVERGED,
				 "record %" PRIu64 " came to stand at offset %" PRIu64
				 " of %s: somebody else writes it",
				 record->offset, report.offset, journal_url(copy->to));
	return LL_OK;
}

static enum ll_code on_record(void *context, const struct journal_record *record, enum fold_verdict verdict,
			      const struct block *block, struct error *error)
{
	struct copy *copy = context;
	enum ll_code code = record->offset < copy->had ? compare_one(copy, record, error)
						       : append_one(copy, record, verdict, block, error);
	if (code == LL_OK)
		add_to_hash(copy->stream, record);
	return code;
}

static void on_progress(void *context, uint64_t offset, uint64_t end)
{
	struct copy *copy = context;
	copy->progress.total = end;
	progress_update(&copy->progress, offset);
}

static enum ll_code on_copied(void *context, const struct journal_record *record, enum fold_verdict verdict,
			      const struct block *block, struct error *error)
{
	struct copy *copy = context;
	(void)verdict;
	(void)block;
	(void)error;
	add_to_hash(copy->stream, record);
	return LL_OK;
}

/* What was reported is not proof: the copy is read from its beginning. */
static enum ll_code read_back(struct copy *copy, struct hash sent, struct error *error)
{
	struct fold fold = {0};
	struct walk walk = {
		.end = copy->fold.next_offset, .record = on_copied, .context = copy, .progress = on_progress};
	copy->stream = hash_stream_new();
	enum ll_code code = walk_journal(copy->to, &walk, &fold, error);
	struct hash found = hash_stream_end(copy->stream);
	copy->stream = NULL;
	if (code == LL_OK &&
	    (fold.next_offset != copy->fold.next_offset || !slice_equal(hash_slice(&sent), hash_slice(&found))))
		code = error_set(error, LL_CORRUPT, "what was read back from %s is not what was copied: do not use it",
				 journal_url(copy->to));
	return code;
}

static enum ll_code look_at_both(struct copy *copy, struct error *error)
{
	struct journal_watermarks from, to;
	struct journal_identity a, b;
	enum ll_code code = journal_identity(copy->from, &a, error);
	if (code == LL_OK)
		code = journal_identity(copy->to, &b, error);
	if (code == LL_OK)
		code = journal_watermarks(copy->from, &from, error);
	if (code == LL_OK)
		code = journal_watermarks(copy->to, &to, error);
	if (code != LL_OK)
		return code;
	if (strcmp(a.kind, b.kind) == 0 && strcmp(a.cluster, b.cluster) == 0 && strcmp(a.topic, b.topic) == 0)
		return error_set(error, LL_USAGE, "%s and %s are the same journal", journal_url(copy->from),
				 journal_url(copy->to));
	if (to.high > from.high)
		return error_set(error, LL_EXISTS,
				 "%s has %" PRIu64 " records, %s only %" PRIu64
				 ": it is not a beginning of it; nothing was written",
				 journal_url(copy->to), to.high, journal_url(copy->from), from.high);
	copy->had = to.high;
	return LL_OK;
}

static enum ll_code copy_all(struct copy *copy, struct error *error)
{
	struct walk walk = {.end = UINT64_MAX, .record = on_record, .context = copy, .progress = on_progress};
	enum ll_code code = look_at_both(copy, error);
	if (code != LL_OK)
		return code;
	progress_begin(&copy->progress, stderr, "copying", "blocks", 0);
	copy->stream = hash_stream_new();
	code = walk_journal(copy->from, &walk, &copy->fold, error);
	struct hash sent = hash_stream_end(copy->stream);
	copy->stream = NULL;
	journal_reader_close(copy->reader);
	journal_appender_close(copy->appender);
	progress_end(&copy->progress);
	if (code != LL_OK)
		return code;
	progress_begin(&copy->progress, stderr, "reading back", "blocks", 0);
	code = read_back(copy, sent, error);
	progress_end(&copy->progress);
	return code;
}

/* TO is made when it is not there. */
static int open_target(const struct options *options, const char *url, struct journal **journal)
{
	char room[SETTINGS_BYTES_MAX];
	struct journal_option settings[SETTINGS_MAX];
	struct error error;
	int count = command_settings(options, settings, room);
	if (count < 0)
		return EXIT_USAGE;
	struct journal_options journal_options = {.settings = settings, .settings_count = (size_t)count};
	enum ll_code code = journal_open(url, &journal_options, journal, &error);
	if (code == LL_NOT_FOUND) {
		code = journal_create(url, &journal_options, (int)option_integer(options, "replication"), &error);
		if (code == LL_OK)
			code = journal_open(url, &journal_options, journal, &error);
	}
	return code == LL_OK ? EXIT_DONE : command_failed(options, &error);
}

static int finish(const struct options *options, const struct copy *copy, enum ll_code code, const struct error *error)
{
	if (code == LL_OK) {
		printf("copied %" PRIu64 " records (%" PRIu64 " were there), %" PRIu64 " entries\n",
		       copy->fold.next_offset - copy->had, copy->had, copy->fold.next_seq);
		return EXIT_DONE;
	}
	if (!journal_is_bad(code) && code != LL_EXISTS)
		return command_failed(options, error);
	return option_complain(options, EXIT_NO, "%s", error->text);
}

static int run(const struct options *options, void *context)
{
	struct copy copy = {.had = 0};
	struct error error;
	(void)context;
	if (strcmp(option_argument(options, 0), option_argument(options, 1)) == 0)
		return option_complain(options, EXIT_USAGE, "FROM and TO are the same journal");
	int status = command_open_journal(options, option_argument(options, 0), false, false, &copy.from);
	if (status == EXIT_DONE)
		status = open_target(options, option_argument(options, 1), &copy.to);
	if (status == EXIT_DONE) {
		enum ll_code code = copy_all(&copy, &error);
		status = finish(options, &copy, code, &error);
	}
	journal_close(copy.to);
	journal_close(copy.from);
	return status;
}

static const struct option options[] = {
	{.name = "replication",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .min = 1,
	 .max = 32,
	 .help = "replicas of a topic that is made"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	{0},
};

const struct cli_command command_journal_copy = {
	.name = "journal copy",
	.arguments = "FROM TO",
	.summary = "copy a journal record by record, and check it on the way",
	.description =
		"From a topic to a local archive, or back, or between clusters: the copy folds to the same digest. TO is made when it is\n"
		"not there; when it is, it must be a beginning of FROM, and is completed. Nobody else may write TO meanwhile.",
	.options = options,
	.arguments_min = 2,
	.arguments_max = 2,
	.exits = "1: FROM is damaged (what stands before that was copied), or TO is not a beginning of it",
	.run = run,
};
