/*
 * `ledgerline query`: the ledger as the projections on the disk have it, read through snapshots, whether or not an engine serves.
 *
 * The answers are those of the HTTP API, made by the same code, with where they stand beside them: "at":{position,time}. The reading
 * is done in a child, because a damaged file can end the process that reads it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/audit/guarded.h"
#include "engine/commands/commands.h"
#include "engine/data/data.h"
#include "engine/read/read.h"
#include "engine/reply/receipt.h"
#include "engine/reply/reply.h"
#include "projections/views/rows.h"
#include "projections/views/snapshot_view.h"

enum { MEET_MS = 2000, HISTORY_LIMIT = 50, RANKING_LIMIT = 10, RANKING_LIMIT_MAX = 100, HISTORY_LIMIT_MAX = 1000 };

struct query {
	const struct options *options;
	struct data data;
	const struct question *question;
	struct slice subject;
	int status; /* when a question has complained by itself */
	struct buffer out;
	struct json_writer writer;
};

/* 0, or the code of what is not there; after an error *error is set. */
typedef int answer_fn(struct query *query, struct view *view, struct error *error);

struct question {
	const char *name, *subject; /* what the second argument is called */
	unsigned which;             /* projections that it reads */
	answer_fn *answer;
};

/* ---- the questions ---- */

static int balance(struct query *query, struct view *view, struct error *error)
{
	(void)error;
	return read_balance(view, query->subject, &query->writer);
}

static int seats(struct query *query, struct view *view, struct error *error)
{
	(void)error;
	return read_seats(view, query->subject, &query->writer);
}

static int reservation(struct query *query, struct view *view, struct error *error)
{
	uint64_t id;
	(void)error;
	if (!reference_parse(query->subject, "reservation", &id))
		return CODE_RESERVATION_NOT_FOUND;
	return read_reservation(view, id, &query->writer);
}

static int history(struct query *query, struct view *view, struct error *error)
{
	int64_t limit = option_integer(query->options, "limit");
	const char *text = option_text(query->options, "before");
	uint64_t before = NONE_U64;
	if (text && (strncmp(text, "0:", 2) != 0 || !command_position(text, &before))) {
		error_set(error, LL_USAGE, "--before takes a position like 0:1842: the \"next\" of the page before");
		return 0;
	}
	return read_points_history(view, query->subject, limit ? (unsigned)limit : HISTORY_LIMIT, before,
				   &query->writer);
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Today's window, even when nothing has happened today. */
static int popular(struct query *query, struct view *view, unsigned limit, struct error *error)
{
	struct policy policy;
	uint32_t version;
	struct zone *zone = NULL;
	uint8_t window = enumeration_value(&window_enumeration, slice_text(option_text(query->options, "window")));
	int64_t now = now_ms(), entry_time = view->time;
	if (!window) {
		error_set(error, LL_USAGE, "--window is all, day, week or month");
		return 0;
	}
	if (!read_policy(view, &policy, &version)) {
		error_set(error, LL_CORRUPT, "projection balances has no policy: rebuild it");
		return 0;
	}
	if (zone_load(policy.time_zone, &zone, error) != LL_OK)
		return 0;
	view->time = now > entry_time ? now : entry_time;
	int code = read_popular(view, (enum window)window, zone, limit, &query->writer);
	view->time = entry_time;
	zone_free(zone);
	return code;
}

static int rankings(struct query *query, struct view *view, struct error *error)
{
	int64_t asked = option_integer(query->options, "limit");
	unsigned limit = asked ? (unsigned)asked : RANKING_LIMIT;
	uint8_t origin = enumeration_value(&origin_enumeration, slice_text(option_text(query->options, "from")));
	if (limit > RANKING_LIMIT_MAX)
		error_set(error, LL_USAGE, "--limit of rankings is at most %d", RANKING_LIMIT_MAX);
	else if (slice_equal(query->subject, SLICE("popular")))
		return popular(query, view, limit, error);
	else if (!slice_equal(query->subject, SLICE("sold-out")))
		error_set(error, LL_USAGE, "there are the rankings popular and sold-out, not %.*s",
			  SLICE_PRINT(query->subject));
	else if (!origin)
		error_set(error, LL_USAGE, "--from is opening or first");
	else
		return read_sold_out(view, (enum origin)origin, limit, &query->writer);
	return 0;
}

/* The reply is made from the entry, which the journal has. (A waiting-room token is shown as its id: the credential is the client's.) */
static void write_receipt(struct query *query, const struct receipts_row *row, struct slice value, struct error *error)
{
	struct arena arena = {0};
	struct buffer body = {0};
	struct json_writer writer;
	struct entry entry;
	json_writer_init(&writer, &body, false);
	if (receipt_find(row, query->subject, value, &arena, &entry)) {
		int status = reply_render(&entry, &writer);
		receipt_write(&entry, status, buffer_slice(&body), false, &query->writer);
	} else {
		error_set(error, LL_CORRUPT,
			  "the entry at offset %" PRIu64
			  " of the journal is not the receipt's: run `ledgerline verify`",
			  row->offset);
	}
	buffer_release(&body);
	arena_release(&arena);
}

static int receipt(struct query *query, struct view *view, struct error *error)
{
	struct receipts_row row;
	struct journal *journal = NULL;
	uint8_t *bytes = NULL;
	size_t size = 0;
	int64_t time_ms;
	struct short_hash hash = short_hash_of(query->subject);
	if (!receipts_get(view, receipts_key(short_hash_slice(&hash)), &row))
		return CODE_RECEIPT_NOT_FOUND;
	query->status = command_open_journal(query->options, query->data.url, false, false, &journal);
	if (query->status != EXIT_DONE)
		return 0;
	if (journal_read_at(journal, row.offset, &bytes, &size, &time_ms, error) == LL_OK)
		write_receipt(query, &row, slice_of(bytes, size), error);
	free(bytes);
	journal_close(journal);
	return 0;
}

static const struct question questions[] = {
	{"balance", "USER", 1u << PROJECTION_BALANCES, balance},
	{"history", "USER", 1u << PROJECTION_HISTORY, history},
	{"rankings", "popular|sold-out", 1u << PROJECTION_RANKINGS | 1u << PROJECTION_BALANCES, rankings},
	{"receipt", "COMMAND", 1u << PROJECTION_RECEIPTS, receipt},
	{"reservation", "ID", 1u << PROJECTION_SEATS, reservation},
	{"seats", "SCHEDULE", 1u << PROJECTION_SEATS, seats},
};

/* ---- answering ---- */

/* Puts "at" behind the answer's last member. */
static void add_position(struct query *query, const struct fold *fold)
{
	struct json_writer *writer = &query->writer;
	query->out.size--; /* the brace that closes it */
	buffer_append_text(&query->out, ",\"at\":");
	json_writer_init(writer, &query->out, false);
	json_object_begin(writer);
	json_key(writer, "position");
	if (fold->next_seq)
		json_textf(writer, "0:%" PRIu64, fold->next_seq - 1);
	else
		json_text(writer, "start");
	json_member_time(writer, "time", fold->next_seq ? fold->time : NONE_TIME);
	json_object_end(writer);
	buffer_append_byte(&query->out, '}');
}

static int complain_absent(const struct query *query, int code, const struct fold *fold)
{
	const struct code_info *info = code_info((uint16_t)code);
	return option_complain(query->options, EXIT_NO, "%s: %s (%.*s, after %" PRIu64 " entries)", info->name,
			       info->message, SLICE_PRINT(query->subject), fold->next_seq);
}

static int answer(struct query *query, struct snapshot_view *snapshots)
{
	struct error error = {.code = LL_OK};
	struct view *view = snapshot_view_view(snapshots);
	json_writer_init(&query->writer, &query->out, false);
	int code = query->question->answer(query, view, &error);
	if (query->status != EXIT_DONE)
		return query->status;
	if (error.code == LL_OK && view->failure.code != LL_OK)
		error = view->failure;
	if (error.code != LL_OK)
		return command_failed(query->options, &error);
	if (code)
		return complain_absent(query, code, snapshot_view_fold(snapshots));
	add_position(query, snapshot_view_fold(snapshots));
	command_print(query->options, &query->out);
	return EXIT_DONE;
}

static int work(void *context, char *place)
{
	struct query *query = context;
	char root[DATA_PATH_MAX];
	struct snapshot_places places = {.root = root, .which = query->question->which};
	struct snapshot_view *snapshots = NULL;
	struct error error;
	snprintf(place, GUARDED_PLACE_MAX, "a projection in %s", query->data.path);
	snprintf(root, sizeof root, "%s/projections", query->data.path);
	enum ll_code code = snapshot_view_open(&places, &snapshots, &error);
	if (code == LL_OK)
		code = snapshot_view_pin(snapshots, MEET_MS, &error);
	int status = code == LL_OK ? answer(query, snapshots) : command_failed(query->options, &error);
	if (code == LL_OK)
		snapshot_view_unpin(snapshots);
	snapshot_view_close(snapshots);
	buffer_release(&query->out);
	return status;
}

/* ---- the command line ---- */

static const struct question *find_question(const char *name)
{
	for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
		if (strcmp(questions[i].name, name) == 0)
			return &questions[i];
	return NULL;
}

static int run(const struct options *options, void *context)
{
	char place[GUARDED_PLACE_MAX];
	bool interrupted = false;
	struct error error;
	struct query query = {.options = options, .question = find_question(option_argument(options, 0))};
	(void)context;
	if (!query.question)
		return option_complain(
			options, EXIT_USAGE,
			"there is no question %s: balance, seats, reservation, receipt, rankings or history",
			option_argument(options, 0));
	if (option_arguments(options) < 2)
		return option_complain(options, EXIT_USAGE, "%s wants %s", query.question->name,
				       query.question->subject);
	query.subject = slice_text(option_argument(options, 1));
	if (query.subject.size == 0 || query.subject.size > ID_BYTES_MAX)
		return option_complain(options, EXIT_USAGE, "%s has 1 to %d characters", query.question->subject,
				       ID_BYTES_MAX);
	if (data_open(option_text(options, "data"), NULL, DATA_READ, &query.data, &error) != LL_OK)
		return command_failed(options, &error);
	int status = guarded_run(work, &query, place, &interrupted);
	data_close(&query.data);
	if (status >= 0)
		return status;
	return interrupted
		       ? option_complain(options, EXIT_FAILED, "it was interrupted")
		       : option_complain(
				 options, EXIT_FAILED,
				 "%s cannot be read: its file is damaged; run `ledgerline verify`, then `ledgerline rebuild`",
				 place);
}

static const struct option options[] = {
	OPTION_DATA,
	{.name = "limit",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .min = 1,
	 .max = HISTORY_LIMIT_MAX,
	 .help = "rows of a ranking (10, at most 100) or a history (50, at most 1000)"},
	{.name = "before",
	 .kind = OPTION_TEXT,
	 .value = "POSITION",
	 .help = "of a history: what stands before it; \"next\" of an answer names the page that follows"},
	{.name = "window",
	 .kind = OPTION_TEXT,
	 .value = "WINDOW",
	 .standard = "all",
	 .help = "of rankings popular: all, day, week or month"},
	{.name = "from",
	 .kind = OPTION_TEXT,
	 .value = "ORIGIN",
	 .standard = "opening",
	 .help = "of rankings sold-out: opening or first"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

const struct cli_command command_query = {
	.name = "query",
	.arguments = "QUESTION SUBJECT",
	.summary = "ask the projections: balances, seats, reservations, receipts, rankings, histories",
	.description = "  balance USER            points, lots and debt\n"
		       "  seats SCHEDULE          every seat and how it stands\n"
		       "  reservation ID          one reservation\n"
		       "  receipt COMMAND         what was answered to a command, by its id\n"
		       "  rankings popular        schedules by seats sold; --window\n"
		       "  rankings sold-out       schedules by how fast they sold out; --from\n"
		       "  history USER            what moved the user's points, newest first\n"
		       "No engine is needed; one that serves is not disturbed. Each answer states its position.",
	.options = options,
	.arguments_min = 1,
	.arguments_max = 2,
	.exits = "1: what was asked for is not there",
	.run = run,
};
