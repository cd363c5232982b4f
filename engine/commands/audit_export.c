/*
 * `ledgerline audit export`: the events between two cuts, as JSON Lines or CSV, or an account's statement.
 *
 *	journal --span_find--> where the cuts lie, what is annulled; damage is told here, before a byte is written
 *	        --span_walk--> lines | rows | statement --> standard output, or FILE.part and in the end FILE
 *
 * What is written depends on the journal's records and the cut alone: the same bytes from a topic and from an archive of it, on any machine.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "engine/audit/event_csv.h"
#include "engine/audit/event_line.h"
#include "engine/audit/guarded.h"
#include "engine/audit/span.h"
#include "engine/audit/statement.h"
#include "engine/commands/audit_place.h"
#include "schemas/codes.h"

enum { FLUSH_BYTES = 64 * 1024 };

enum format { FORMAT_NONE, FORMAT_JSONL, FORMAT_CSV, FORMAT_STATEMENT };

struct exporting {
	const struct options *options;
	char url[JOURNAL_URL_MAX];
	enum format format;
	struct journal *journal;
	struct span span;
	struct progress progress;
	struct statement statement;
	struct json_reader reader;
	struct buffer lines, out;
	FILE *file;
	char part[PATH_MAX]; /* empty: standard output */
	struct hash_stream *stream;
	uint64_t bytes, entries;
};

/* ---- writing ---- */

static enum ll_code cannot_write(const struct exporting *exporting, struct error *error)
{
	int number = errno;
	return error_set(error, LL_IO, "cannot write to %s: %s", *exporting->part ? exporting->part : "standard output",
			 strerror(number));
}

static enum ll_code write_out(struct exporting *exporting, struct error *error)
{
	struct slice bytes = buffer_slice(&exporting->out);
	if (bytes.size && fwrite(bytes.at, 1, bytes.size, exporting->file) != bytes.size)
		return cannot_write(exporting, error);
	hash_stream_add(exporting->stream, bytes);
	exporting->bytes += bytes.size;
	buffer_clear(&exporting->out);
	return LL_OK;
}

static int open_file(struct exporting *exporting)
{
	const char *to = option_text(exporting->options, "to");
	exporting->file = stdout;
	if (strcmp(to, "-") == 0)
		return EXIT_DONE;
	if (snprintf(exporting->part, sizeof exporting->part, "%s.part", to) >= (int)sizeof exporting->part)
		return option_complain(exporting->options, EXIT_USAGE, "the name in --to is too long");
	exporting->file = fopen(exporting->part, "we");
	return exporting->file ? EXIT_DONE
			       : option_complain(exporting->options, EXIT_FAILED, "cannot make %s: %s", exporting->part,
						 strerror(errno));
}

/* A file of the name that was asked for is a whole export. */
static enum ll_code close_file(struct exporting *exporting, enum ll_code code, struct error *error)
{
	const char *to = option_text(exporting->options, "to");
	if (code == LL_OK && (fflush(exporting->file) != 0 || ferror(exporting->file)))
		code = cannot_write(exporting, error);
	if (!*exporting->part)
		return code;
	if (fclose(exporting->file) != 0 && code == LL_OK)
		code = cannot_write(exporting, error);
	if (code == LL_OK && rename(exporting->part, to) != 0)
		code = error_set(error, LL_IO, "cannot name %s %s: %s", exporting->part, to, strerror(errno));
	if (code != LL_OK)
		(void)remove(exporting->part);
	return code;
}

/* ---- entries ---- */

static enum ll_code on_entry(void *context, const struct entry *entry, struct error *error)
{
	struct exporting *exporting = context;
	enum ll_code code = LL_OK;
	exporting->entries++;
	switch (exporting->format) {
	case FORMAT_STATEMENT: code = statement_entry(&exporting->statement, entry, error); break;
	case FORMAT_CSV:
		buffer_clear(&exporting->lines);
		event_lines(entry, &exporting->lines);
		event_csv_rows(&exporting->reader, buffer_slice(&exporting->lines), &exporting->out);
		break;
	case FORMAT_JSONL:
	case FORMAT_NONE: event_lines(entry, &exporting->out); break;
	}
	return code == LL_OK && exporting->out.size >= FLUSH_BYTES ? write_out(exporting, error) : code;
}

static enum ll_code write_all(struct exporting *exporting, struct error *error)
{
	struct span span = exporting->span;
	if (exporting->format == FORMAT_CSV)
		event_csv_titles(&exporting->out);
	if (exporting->format == FORMAT_STATEMENT) {
		statement_begin(&exporting->statement, slice_text(option_text(exporting->options, "user")), span.first,
				&exporting->out);
		span.first = 0; /* the opening balance comes from all that was before */
	}
	enum ll_code code = span_walk(exporting->journal, &span, on_entry, exporting, error);
	if (code != LL_OK)
		return code;
	if (exporting->format == FORMAT_STATEMENT && !exporting->statement.is_known)
		return error_set(error, LL_NOT_FOUND, "no event names that user");
	if (exporting->format == FORMAT_STATEMENT)
		statement_end(&exporting->statement, span.end, span.time);
	return write_out(exporting, error);
}

/* ---- the work ---- */

static void on_progress(void *context, uint64_t offset, uint64_t end)
{
	struct exporting *exporting = context;
	exporting->progress.total = end;
	progress_update(&exporting->progress, offset);
}

static int complain(const struct exporting *exporting, enum ll_code code, const struct error *error)
{
	return journal_is_bad(code) ? option_complain(exporting->options, EXIT_NO, "%s", error->text)
				    : command_failed(exporting->options, error);
}

static int complain_code(const struct exporting *exporting, int code, const char *what)
{
	const struct code_info *info = code_info((uint16_t)code);
	return option_complain(exporting->options, EXIT_NO, "%s: %s (%s)", info->name, info->message, what);
}

static int find_span(struct exporting *exporting)
{
	const struct options *options = exporting->options;
	const struct cut_point *which;
	struct error error;
	int refused = 0;
	exporting->span.progress = on_progress;
	exporting->span.context = exporting;
	progress_begin(&exporting->progress, stderr, "checking the journal", "blocks", 0);
	enum ll_code code = span_find(exporting->journal, &exporting->span, &refused, &which, &error);
	progress_end(&exporting->progress);
	if (code != LL_OK)
		return complain(exporting, code, &error);
	if (refused)
		return complain_code(exporting, refused,
				     option_text(options, which == &exporting->span.at ? "at" : "from"));
	if (exporting->span.first > exporting->span.end)
		return option_complain(options, EXIT_USAGE,
				       "--from lies after --at: %" PRIu64 " entries stand before it, %" PRIu64
				       " before --at",
				       exporting->span.first, exporting->span.end);
	return EXIT_DONE;
}

/* Which cut it is, and what to compare bytes by. */
static void tell(const struct exporting *exporting, struct hash hash)
{
	char digest[2 * HASH_BYTES + 1], at[32] = "start";
	hex_text(digest, hash.bytes, sizeof hash.bytes);
	if (exporting->span.end)
		snprintf(at, sizeof at, "0:%" PRIu64, exporting->span.end - 1);
	fprintf(stderr, "exported at=%s entries=%" PRIu64 " bytes=%" PRIu64 " sha256=%s\n", at,
		exporting->span.end - exporting->span.first, exporting->bytes, digest);
}

static int write_export(struct exporting *exporting)
{
	struct error error;
	int status = open_file(exporting);
	if (status != EXIT_DONE)
		return status;
	exporting->stream = hash_stream_new();
	progress_begin(&exporting->progress, stderr, "exporting", "blocks", 0);
	enum ll_code code = write_all(exporting, &error);
	progress_end(&exporting->progress);
	bool is_nobody =
		code == LL_NOT_FOUND && exporting->format == FORMAT_STATEMENT && !exporting->statement.is_known;
	code = close_file(exporting, code, &error);
	struct hash hash = hash_stream_end(exporting->stream);
	if (is_nobody)
		return complain_code(exporting, CODE_USER_NOT_FOUND, option_text(exporting->options, "user"));
	if (code != LL_OK)
		return complain(exporting, code, &error);
	tell(exporting, hash);
	return EXIT_DONE;
}

static int work(void *context, char *place)
{
	struct exporting *exporting = context;
	snprintf(place, GUARDED_PLACE_MAX, "%s", exporting->url);
	int status = command_open_journal(exporting->options, exporting->url, false, false, &exporting->journal);
	if (status != EXIT_DONE)
		return status;
	status = find_span(exporting);
	if (status == EXIT_DONE)
		status = write_export(exporting);
	span_release(&exporting->span);
	json_reader_release(&exporting->reader);
	buffer_release(&exporting->lines);
	buffer_release(&exporting->out);
	journal_close(exporting->journal);
	return status;
}

/* ---- the command line ---- */

static int take_format(struct exporting *exporting)
{
	static const struct {
		const char *name;
		enum format format;
	} formats[] = {{"jsonl", FORMAT_JSONL}, {"csv", FORMAT_CSV}, {"statement", FORMAT_STATEMENT}};
	const struct options *options = exporting->options;
	const char *name = option_text(options, "format"), *user = option_text(options, "user");
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (strcmp(formats[i].name, name) == 0)
			exporting->format = formats[i].format;
	if (!exporting->format)
		return option_complain(options, EXIT_USAGE, "--format is jsonl, csv or statement, not %s", name);
	if (exporting->format == FORMAT_STATEMENT && !user)
		return option_complain(options, EXIT_USAGE, "a statement of which account? Give --user USER");
	if (exporting->format != FORMAT_STATEMENT && user)
		return option_complain(options, EXIT_USAGE, "--user is for --format statement");
	if (user && (!*user || strlen(user) > ID_BYTES_MAX))
		return option_complain(options, EXIT_USAGE, "--user has 1 to %d characters", ID_BYTES_MAX);
	return EXIT_DONE;
}

static int find_journal(struct exporting *exporting)
{
	struct audit_place place;
	int status = audit_place_find(&place, exporting->options);
	if (status != EXIT_DONE)
		return status;
	snprintf(exporting->url, sizeof exporting->url, "%s", place.url);
	audit_place_leave(&place);
	return EXIT_DONE;
}

static int run(const struct options *options, void *context)
{
	struct exporting exporting = {.options = options};
	char place[GUARDED_PLACE_MAX];
	bool interrupted = false;
	(void)context;
	int status = take_format(&exporting);
	if (status == EXIT_DONE)
		status = audit_take_cut(options, "from", &exporting.span.from);
	if (status == EXIT_DONE)
		status = audit_take_cut(options, "at", &exporting.span.at);
	if (status == EXIT_DONE)
		status = find_journal(&exporting);
	if (status != EXIT_DONE)
		return status;
	status = guarded_run(work, &exporting, place, &interrupted);
	if (status >= 0)
		return status;
	return interrupted ? option_complain(options, EXIT_FAILED,
					     "it was interrupted; what was written is no whole export")
			   : option_complain(options, EXIT_FAILED,
					     "%s cannot be read: its file is damaged, or was cut short", place);
}

static const struct option options[] = {
	{.name = "data", .kind = OPTION_TEXT, .value = "DIR", .help = "the data directory, for its journal"},
	OPTION_JOURNAL,
	{.name = "at",
	 .kind = OPTION_TEXT,
	 .value = "CUT",
	 .standard = "latest",
	 .help = "the cut: what came up to it"},
	{.name = "from",
	 .kind = OPTION_TEXT,
	 .value = "CUT",
	 .standard = "start",
	 .help = "an earlier cut: only what came after it"},
	{.name = "format",
	 .kind = OPTION_TEXT,
	 .value = "FORMAT",
	 .standard = "jsonl",
	 .help = "jsonl, csv, or statement (of one account, as CSV)"},
	{.name = "user", .kind = OPTION_TEXT, .value = "USER", .help = "whose statement"},
	{.name = "to",
	 .kind = OPTION_TEXT,
	 .value = "FILE|-",
	 .standard = "-",
	 .help = "where to; a file is there when it is whole, and replaces one of its name"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	{0},
};

const struct cli_command command_audit_export = {
	.name = "audit export",
	.summary = "the events up to a cut as JSON Lines or CSV, or an account's statement",
	.description =
		"The whole journal is checked before anything is written; then come the entries after --from, up to --at. The same cut gives\n"
		"the same bytes on any machine, from a topic or from an archive of it. The last line on standard error says where the cut\n"
		"was resolved to, and the SHA-256 of what was written.\n"
		"A cut is latest, start, a position like 0:1842 (right after that entry), or a time (after the last entry that\n"
		"is not later; final once a later one is there).",
	.options = options,
	.exits =
		"1: the journal is damaged, a cut is not there, or not final, or nobody knows that user; nothing was written",
	.run = run,
};
