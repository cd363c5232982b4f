/*
 * `ledgerline audit close`: writes down in the journal what the state was at the end of a period. `ledgerline audit closes` lists what was
 * closed, and holds it against the journal.
 *
 *	an engine serves the directory, or --url     it is asked to (POST /api/admin/periods)
 *	else                                         the journal is taken over for one entry (engine/data/operator_entry.h)
 */
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "engine/audit/period.h"
#include "engine/audit/walk.h"
#include "engine/client/http_client.h"
#include "engine/commands/audit_place.h"
#include "engine/data/operator_entry.h"
#include "engine/data/served.h"
#include "schemas/codes.h"
#include "schemas/wire/time.h"

enum { ANSWER_WAIT_MS = 600000 };

struct closing_run {
	const struct options *options;
	char url[JOURNAL_URL_MAX], snapshots[DATA_PATH_MAX], scratch[DATA_PATH_MAX];
	struct journal *journal;
	struct progress progress;
	struct cut_source source;
	struct cut_point point;
	const char *at; /* as it was given */
	struct buffer out;
};

/* ---- the journal ---- */

static void on_fold(void *context, const struct fold *fold, uint64_t end)
{
	struct closing_run *run = context;
	run->progress.total = end;
	progress_update(&run->progress, fold->next_offset);
}

static void on_progress(void *context, uint64_t offset, uint64_t end)
{
	struct closing_run *run = context;
	run->progress.total = end;
	progress_update(&run->progress, offset);
}

static int open_journal(struct closing_run *run, bool append)
{
	struct audit_place place;
	int status = audit_place_find(&place, run->options);
	if (status != EXIT_DONE)
		return status;
	snprintf(run->url, sizeof run->url, "%s", place.url);
	snprintf(run->snapshots, sizeof run->snapshots, "%s", place.snapshots);
	snprintf(run->scratch, sizeof run->scratch, "%s", place.scratch);
	audit_place_leave(&place);
	status = command_open_journal(run->options, run->url, append, false, &run->journal);
	run->source = (struct cut_source){.journal = run->journal,
					  .snapshots = *run->snapshots ? run->snapshots : NULL,
					  .scratch = run->scratch,
					  .mask = audit_mask(AUDIT_TOTALS),
					  .progress = on_fold,
					  .context = run};
	return status;
}

/* ---- closing without an engine ---- */

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int compute(struct closing_run *run, struct period *period)
{
	struct cut *cut = NULL;
	struct error error;
	int refused = 0;
	progress_begin(&run->progress, stderr, "folding", "blocks", 0);
	enum ll_code code = cut_open(&run->source, &run->point, now_ms(), &cut, &refused, &error);
	progress_end(&run->progress);
	if (code == LL_OK && !refused)
		code = period_at(cut, period, &error);
	cut_close(cut);
	if (code != LL_OK)
		return command_failed(run->options, &error);
	if (refused)
		return option_complain(run->options, EXIT_NO, "%s: %s (%s)", code_info((uint16_t)refused)->name,
				       code_info((uint16_t)refused)->message, run->at);
	return EXIT_DONE;
}

static int close_alone(struct closing_run *run)
{
	const struct options *options = run->options;
	struct closing closing = {.seq = 0};
	struct fold fold = {0};
	struct walk walk = {.end = UINT64_MAX};
	struct error error;
	struct json_writer writer;
	int status = open_journal(run, true);
	closing.period.closed.name = slice_text(option_text(options, "name"));
	closing.period.closed.approver = slice_text(option_text(options, "approver"));
	if (status == EXIT_DONE)
		status = compute(run, &closing.period);
	if (status != EXIT_DONE)
		return status;
	struct event event = {.type = EVENT_PERIOD_CLOSED,
			      .version = event_info(EVENT_PERIOD_CLOSED)->version,
			      .period_closed = closing.period.closed};
	enum ll_code code = walk_journal(run->journal, &walk, &fold, &error);
	if (code == LL_OK)
		code = operator_entry_append(run->journal, &fold, &event, &closing.offset, &error);
	if (code != LL_OK)
		return command_failed(options, &error);
	closing.seq = fold.next_seq - 1;
	closing.time = fold.time;
	json_writer_init(&writer, &run->out, false);
	closing_write(&closing, &writer);
	return EXIT_DONE;
}

/* ---- closing through an engine ---- */

static void add_parameter(struct buffer *path, const char *name, const char *value)
{
	buffer_printf(path, "%c%s=", strchr(buffer_text(path), '?') ? '&' : '?', name);
	for (const unsigned char *at = (const unsigned char *)value; *at; at++) {
		if (isalnum(*at) || strchr("-._~", *at))
			buffer_append_byte(path, *at);
		else
			buffer_printf(path, "%%%02X", *at);
	}
}

static int tell_reply(struct closing_run *run, const struct http_reply *reply)
{
	struct json_reader reader = {0};
	const struct json_node *root;
	struct error error;
	int status = EXIT_DONE;
	if (json_read(&reader, reply->body, &root, &error) != LL_OK)
		status = option_complain(run->options, EXIT_FAILED, "what the engine answered is not understood: %s",
					 error.text);
	else if (reply->status == 200)
		buffer_append_slice(&run->out, reply->body);
	else {
		const struct json_node *code = json_member(&reader, root, SLICE("code"));
		const struct json_node *message = json_member(&reader, root, SLICE("message"));
		bool is_cut = code && slice_begins(code->text, SLICE("CUT_"));
		status = option_complain(run->options, is_cut ? EXIT_NO : EXIT_FAILED, "%.*s: %.*s (%s)",
					 SLICE_PRINT(code ? code->text : SLICE("?")),
					 SLICE_PRINT(message ? message->text : SLICE("?")), run->at);
	}
	json_reader_release(&reader);
	return status;
}

static int close_through(struct closing_run *run, const char *url)
{
	struct http_client *client = NULL;
	struct http_reply reply;
	struct error error;
	struct buffer path = {0};
	buffer_append_text(&path, "/api/admin/periods");
	add_parameter(&path, "name", option_text(run->options, "name"));
	add_parameter(&path, "approver", option_text(run->options, "approver"));
	add_parameter(&path, "at", run->at);
	enum ll_code code = command_client(run->options, url, &client, &error);
	if (code == LL_OK)
		code = http_client_ask(client, "POST", buffer_text(&path), SLICE_EMPTY, ANSWER_WAIT_MS, &reply, &error);
	int status = code == LL_OK ? tell_reply(run, &reply) : command_failed(run->options, &error);
	http_client_free(client);
	buffer_release(&path);
	return status;
}

/* ---- audit close ---- */

static bool is_name(const char *text)
{
	size_t size = strlen(text);
	return size > 0 && size <= ID_BYTES_MAX &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-") == size;
}

static int check(struct closing_run *run)
{
	const struct options *options = run->options;
	const char *at = option_text(options, "at"), *until = option_text(options, "until");
	const char *approver = option_text(options, "approver");
	if (!is_name(option_text(options, "name")))
		return option_complain(options, EXIT_USAGE, "--name has 1 to %d characters of A-Z a-z 0-9 . _ : -",
				       ID_BYTES_MAX);
	if (!*approver || strlen(approver) > TEXT_BYTES_MAX)
		return option_complain(options, EXIT_USAGE, "--approver has 1 to %d bytes", TEXT_BYTES_MAX);
	if (!at == !until)
		return option_complain(options, EXIT_USAGE, "where does the period end? Give --at CUT or --until TIME");
	run->at = at ? at : until;
	if (!cut_parse(slice_text(run->at), &run->point) || (until && run->point.kind != CUT_TIME))
		return option_complain(options, EXIT_USAGE,
				       at ? "--at takes latest, start, a position like 0:1842, or a time like "
					    "2026-03-01T09:00:00Z, not %s"
					  : "--until takes a time like 2026-03-01T09:00:00Z, not %s",
				       run->at);
	return EXIT_DONE;
}

static int run_close(const struct options *options, void *context)
{
	struct closing_run run = {.options = options};
	char served[SERVED_URL_MAX];
	const char *url = option_text(options, "url"), *data = option_text(options, "data");
	(void)context;
	int status = check(&run);
	if (status != EXIT_DONE)
		return status;
	int holder = data && !url ? data_holder(data) : 0;
	if (holder && !served_url(data, served))
		return option_complain(options, EXIT_FAILED,
				       "process %d works on %s and takes nothing (now): wait for it, or stop it",
				       holder, data);
	status = url || holder ? close_through(&run, url ? url : served) : close_alone(&run);
	if (status == EXIT_DONE)
		command_print(options, &run.out);
	buffer_release(&run.out);
	journal_close(run.journal);
	return status;
}

/* ---- audit closes ---- */

static int write_one(struct closing_run *run, const struct closing *closing, bool *differs)
{
	struct json_writer writer;
	struct buffer words = {0};
	struct error error;
	enum ll_code code = LL_OK;
	if (option_flag(run->options, "check"))
		code = closing_check(&run->source, closing, &words, &error);
	json_writer_init(&writer, &run->out, false);
	closing_write(closing, &writer);
	if (option_flag(run->options, "check")) {
		run->out.size--; /* the brace that closes it */
		buffer_append_text(&run->out, ",\"differs\":");
		json_writer_init(&writer, &run->out, false);
		if (words.size)
			json_string(&writer, buffer_slice(&words));
		else
			json_null(&writer);
		buffer_append_byte(&run->out, '}');
	}
	*differs |= words.size > 0;
	buffer_release(&words);
	return code == LL_OK ? EXIT_DONE : command_failed(run->options, &error);
}

static int list(struct closing_run *run, const struct closings *closings)
{
	bool differs = false;
	int status = EXIT_DONE;
	buffer_append_text(&run->out, "{\"periods\":[");
	for (size_t i = 0; i < closings->count && status == EXIT_DONE; i++) {
		if (i)
			buffer_append_byte(&run->out, ',');
		status = write_one(run, closings->at[i], &differs);
	}
	buffer_append_text(&run->out, "]}");
	if (status != EXIT_DONE)
		return status;
	command_print(run->options, &run->out);
	return differs ? EXIT_NO : EXIT_DONE;
}

static int run_closes(const struct options *options, void *context)
{
	struct closing_run run = {.options = options};
	struct closings closings = {.count = 0};
	struct error error;
	(void)context;
	int status = open_journal(&run, false);
	if (status != EXIT_DONE)
		return status;
	progress_begin(&run.progress, stderr, "reading the journal", "blocks", 0);
	enum ll_code code = closings_find(run.journal, &closings, on_progress, &run, &error);
	progress_end(&run.progress);
	if (code == LL_OK)
		status = list(&run, &closings);
	else
		status = journal_is_bad(code) ? option_complain(options, EXIT_NO, "%s", error.text)
					      : command_failed(options, &error);
	closings_release(&closings);
	buffer_release(&run.out);
	journal_close(run.journal);
	return status;
}

/* ---- the command line ---- */

#define OPTION_OF_DATA                                                                                                 \
	{                                                                                                              \
		.name = "data", .kind = OPTION_TEXT, .value = "DIR",                                                   \
		.help = "the data directory: its journal, and its snapshots to begin at"                               \
	}

static const struct option close_options[] = {
	OPTION_OF_DATA,
	OPTION_JOURNAL,
	OPTION_ACCESS_KEY,
	OPTION_TLS_CA,
	{.name = "url",
	 .kind = OPTION_TEXT,
	 .value = "http://HOST:PORT",
	 .help = "an engine that is to do it; with --data the one that serves the directory"},
	{.name = "name", .kind = OPTION_TEXT, .value = "NAME", .help = "of the period", .required = true},
	{.name = "approver", .kind = OPTION_TEXT, .value = "NAME", .help = "who closes it", .required = true},
	{.name = "at", .kind = OPTION_TEXT, .value = "CUT", .help = "the cut at its end"},
	{.name = "until", .kind = OPTION_TEXT, .value = "TIME", .help = "the time of its end: a cut like others"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

static const struct option closes_options[] = {
	OPTION_OF_DATA,
	OPTION_JOURNAL,
	{.name = "check", .kind = OPTION_FLAG, .help = "fold each period anew, and compare"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

const struct cli_command command_audit_close = {
	.name = "audit close",
	.summary = "close a period: write its totals and digest into the journal",
	.description =
		"Writes the entry `period.closed` with the totals and the digest of the state at the cut; `verify` and `audit closes --check`\n"
		"hold the state there against it ever after. The engine that serves --data, or the one at --url, does it; without one the\n"
		"journal is taken over for that entry, and an engine that leads it elsewhere follows until it takes the lead again.",
	.options = close_options,
	.exits = "1: the cut is not there, or not final; nothing was written",
	.run = run_close,
};

const struct cli_command command_audit_closes = {
	.name = "audit closes",
	.summary = "the periods that were closed, and whether the journal still says the same",
	.description =
		"Lists every `period.closed` of the journal. With --check each one's state is folded anew and compared.",
	.options = closes_options,
	.exits = "1: a period is not what it was closed as, both values are told; or the journal is damaged",
	.run = run_closes,
};
