/*
 * `ledgerline audit`: past states, from a data directory, a Kafka journal or an archive.
 *
 *	audit state    an account, a schedule's seats, a reservation, a ranking, or everything, at a cut
 *	audit history  what happened to an account, a reservation, a seat, oldest first
 *	audit totals   control totals and the digest at a cut
 *	audit diff     what differs between two cuts
 *
 * No engine is needed; one that serves is not disturbed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/audit/questions.h"
#include "engine/commands/audit_place.h"
#include "engine/reply/reply.h"
#include "projections/export/export.h"
#include "schemas/codes.h"

enum { RANKING_LIMIT = 10, SEAT_NO_MAX = 1000000 };

struct auditing {
	const struct options *options;
	struct audit_place place;
	struct audit_asked asked;
	struct cut_point point, from;
	int (*work)(struct auditing *); /* an exit status */
	struct buffer out;
};

static int open_cut(struct auditing *auditing, const struct cut_point *point, const char *text, unsigned mask,
		    struct cut **cut)
{
	return audit_place_cut(&auditing->place, point, text, mask, cut);
}

/* ---- the work ---- */

static int answer_one(struct auditing *auditing)
{
	const char *text = option_text(auditing->options, "at");
	const struct audit_asked *asked = &auditing->asked;
	struct cut *cut = NULL;
	struct error error;
	int status = open_cut(auditing, &auditing->point, text, audit_mask(asked->question), &cut);
	if (status != EXIT_DONE)
		return status;
	int code = audit_answer(asked, cut, &auditing->out, &error);
	if (error.code != LL_OK)
		status = command_failed(auditing->options, &error);
	else if (code)
		status = option_complain(auditing->options, EXIT_NO, "%s: %s (%.*s, after %" PRIu64 " entries)",
					 code_info((uint16_t)code)->name, code_info((uint16_t)code)->message,
					 SLICE_PRINT(asked->subject), cut_entries(cut));
	else
		audit_print(auditing->options, &auditing->out);
	cut_close(cut);
	return status;
}

static bool print_lines(void *context, struct slice lines)
{
	(void)context;
	return fwrite(lines.at, 1, lines.size, stdout) == lines.size;
}

/* The lines alone: they are what the digest is made over. */
static int print_all(struct auditing *auditing)
{
	struct cut *cut = NULL;
	struct error error;
	int status = open_cut(auditing, &auditing->point, option_text(auditing->options, "at"),
			      audit_mask(AUDIT_TOTALS), &cut);
	if (status != EXIT_DONE)
		return status;
	enum ll_code code = export_state(cut_view(cut), print_lines, NULL, &error);
	if (code == LL_END || (code == LL_OK && fflush(stdout) != 0))
		code = error_set(&error, LL_IO, "cannot write to standard output: %s", strerror(errno));
	cut_close(cut);
	return code == LL_OK ? EXIT_DONE : command_failed(auditing->options, &error);
}

static int diff(struct auditing *auditing)
{
	const struct options *options = auditing->options;
	struct cut *from = NULL, *to = NULL;
	struct error error;
	uint64_t differences = 0;
	int status = open_cut(auditing, &auditing->from, option_text(options, "from"), AUDIT_DIFF_MASK, &from);
	if (status == EXIT_DONE)
		status = open_cut(auditing, &auditing->point, option_text(options, "to"), AUDIT_DIFF_MASK, &to);
	if (status == EXIT_DONE) {
		if (audit_diff(from, to, &auditing->out, &differences, &error) == LL_OK) {
			audit_print(options, &auditing->out);
			status = differences ? EXIT_NO : EXIT_DONE;
		} else {
			status = command_failed(options, &error);
		}
	}
	cut_close(from);
	cut_close(to);
	return status;
}

/* ---- the command line ---- */

static int in_place(struct audit_place *place, void *context)
{
	struct auditing *auditing = context;
	(void)place;
	int status = auditing->work(auditing);
	buffer_release(&auditing->out);
	return status;
}

static int run_work(struct auditing *auditing)
{
	int status = audit_check_zone(auditing->options);
	return status == EXIT_DONE ? audit_place_run(&auditing->place, auditing->options, in_place, auditing) : status;
}

static int take_subject(struct auditing *auditing, size_t index, const char *what)
{
	const char *text = option_argument(auditing->options, index);
	if (!text)
		return option_complain(auditing->options, EXIT_USAGE, "%s is wanted", what);
	auditing->asked.subject = slice_text(text);
	if (auditing->asked.subject.size == 0 || auditing->asked.subject.size > ID_BYTES_MAX)
		return option_complain(auditing->options, EXIT_USAGE, "%s has 1 to %d characters", what, ID_BYTES_MAX);
	return EXIT_DONE;
}

static int refuse_more(const struct auditing *auditing, size_t count)
{
	if (option_arguments(auditing->options) <= count)
		return EXIT_DONE;
	return option_complain(auditing->options, EXIT_USAGE, "%s is one word too many",
			       option_argument(auditing->options, count));
}

static const struct {
	const char *name, *subject; /* NULL: it has none */
	enum audit_question question;
} states[] = {
	{"account", "USER", AUDIT_ACCOUNT},       {"schedule", "SCHEDULE", AUDIT_SCHEDULE},
	{"reservation", "ID", AUDIT_RESERVATION}, {"popular", NULL, AUDIT_POPULAR},
	{"sold-out", NULL, AUDIT_SOLD_OUT},
};

static int take_ranking_options(struct auditing *auditing)
{
	const struct options *options = auditing->options;
	int64_t limit = option_integer(options, "limit");
	uint8_t window = enumeration_value(&window_enumeration, slice_text(option_text(options, "window")));
	uint8_t origin = enumeration_value(&origin_enumeration, slice_text(option_text(options, "from")));
	if (!window)
		return option_complain(options, EXIT_USAGE, "--window is all, day, week or month");
	if (!origin)
		return option_complain(options, EXIT_USAGE, "--from is opening or first");
	auditing->asked.limit = limit ? (unsigned)limit : RANKING_LIMIT;
	auditing->asked.window = (enum window)window;
	auditing->asked.origin = (enum origin)origin;
	return EXIT_DONE;
}

static int run_state(const struct options *options, void *context)
{
	struct auditing auditing = {.options = options, .work = answer_one};
	const char *name = option_argument(options, 0);
	bool all = strcmp(name, "all") == 0, found = all;
	(void)context;
	int status = audit_take_cut(options, "at", &auditing.point);
	if (status == EXIT_DONE)
		status = take_ranking_options(&auditing);
	if (status == EXIT_DONE && all)
		status = refuse_more(&auditing, 1);
	for (size_t i = 0; i < sizeof states / sizeof *states && status == EXIT_DONE; i++) {
		if (strcmp(states[i].name, name) != 0)
			continue;
		found = true;
		auditing.asked.question = states[i].question;
		if (states[i].subject)
			status = take_subject(&auditing, 1, states[i].subject);
		if (status == EXIT_DONE)
			status = refuse_more(&auditing, states[i].subject ? 2 : 1);
	}
	if (status != EXIT_DONE)
		return status;
	if (!found)
		return option_complain(options, EXIT_USAGE,
				       "there is no state %s: account, schedule, reservation, popular, sold-out or all",
				       name);
	if (all)
		auditing.work = print_all;
	return run_work(&auditing);
}

static int take_seat(struct auditing *auditing)
{
	const char *text = option_argument(auditing->options, 2);
	char *end = NULL;
	errno = 0;
	unsigned long number = text ? strtoul(text, &end, 10) : 0;
	if (!text || errno || *end || number < 1 || number > SEAT_NO_MAX)
		return option_complain(auditing->options, EXIT_USAGE, "a seat has a number from 1 to %d", SEAT_NO_MAX);
	auditing->asked.seat_no = (uint32_t)number;
	return EXIT_DONE;
}

static int run_history(const struct options *options, void *context)
{
	struct auditing auditing = {.options = options, .work = answer_one};
	const char *name = option_argument(options, 0);
	bool seat = strcmp(name, "seat") == 0;
	(void)context;
	if (strcmp(name, "account") == 0)
		auditing.asked.question = AUDIT_STORY_OF_ACCOUNT;
	else if (strcmp(name, "reservation") == 0)
		auditing.asked.question = AUDIT_STORY_OF_RESERVATION;
	else if (seat)
		auditing.asked.question = AUDIT_STORY_OF_SEAT;
	else
		return option_complain(options, EXIT_USAGE, "there is no history of %s: account, reservation or seat",
				       name);
	int status = audit_take_cut(options, "at", &auditing.point);
	if (status == EXIT_DONE)
		status = take_subject(&auditing, 1, seat ? "SCHEDULE" : "ID");
	if (status == EXIT_DONE && seat)
		status = take_seat(&auditing);
	if (status == EXIT_DONE)
		status = refuse_more(&auditing, seat ? 3 : 2);
	return status == EXIT_DONE ? run_work(&auditing) : status;
}

static int run_totals(const struct options *options, void *context)
{
	struct auditing auditing = {.options = options,
				    .work = answer_one,
				    .asked = {.question = AUDIT_TOTALS, .subject = SLICE("totals")}};
	(void)context;
	int status = audit_take_cut(options, "at", &auditing.point);
	return status == EXIT_DONE ? run_work(&auditing) : status;
}

static int run_diff(const struct options *options, void *context)
{
	struct auditing auditing = {.options = options, .work = diff};
	(void)context;
	int status = audit_take_cut(options, "from", &auditing.from);
	if (status == EXIT_DONE)
		status = audit_take_cut(options, "to", &auditing.point);
	return status == EXIT_DONE ? run_work(&auditing) : status;
}

static const struct option state_options[] = {
	OPTION_OF_DATA,
	OPTION_JOURNAL,
	OPTION_AT,
	OPTION_TZ,
	{.name = "limit",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .min = 1,
	 .max = 100,
	 .help = "rows of a ranking (10, at most 100)"},
	{.name = "window",
	 .kind = OPTION_TEXT,
	 .value = "WINDOW",
	 .standard = "all",
	 .help = "of popular: all, day, week or month; the one that the cut lies in"},
	{.name = "from",
	 .kind = OPTION_TEXT,
	 .value = "ORIGIN",
	 .standard = "opening",
	 .help = "of sold-out: opening or first"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

static const struct option cut_options[] = {
	OPTION_OF_DATA, OPTION_JOURNAL, OPTION_AT, OPTION_TZ, OPTION_KAFKA, OPTION_CONFIG, OPTION_JSON, {0},
};

static const struct option diff_options[] = {
	OPTION_OF_DATA,
	OPTION_JOURNAL,
	{.name = "from", .kind = OPTION_TEXT, .value = "CUT", .standard = "start", .help = "the earlier cut"},
	{.name = "to", .kind = OPTION_TEXT, .value = "CUT", .standard = "latest", .help = "the later cut"},
	OPTION_TZ,
	OPTION_KAFKA,
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

const struct cli_command command_audit_state = {
	.name = "audit state",
	.arguments = "account|schedule|reservation ID, or popular|sold-out|all",
	.summary = "the state at a cut: an account, seats, a reservation, a ranking, or everything",
	.description =
		"Answers what the matching read would have answered at that cut. `all` prints the canonical export, over which the\n"
		"digest is made.\n" ABOUT_CUTS,
	.options = state_options,
	.arguments_min = 1,
	.arguments_max = 3,
	.exits = "1: it is not there at that cut, or the cut is not there, or not final",
	.run = run_state,
};

const struct cli_command command_audit_history = {
	.name = "audit history",
	.arguments = "account|reservation ID, or seat SCHEDULE SEATNO",
	.summary = "what happened to an account, a reservation or a seat, oldest first",
	.description = ABOUT_CUTS,
	.options = cut_options,
	.arguments_min = 1,
	.arguments_max = 4,
	.exits = "1: nothing has happened to it by that cut, or the cut is not there, or not final",
	.run = run_history,
};

const struct cli_command command_audit_totals = {
	.name = "audit totals",
	.summary = "control totals and the digest of the state at a cut",
	.description =
		"charged - used + refunded - expired + adjusted = balances, and available + held + reserved = total, at every cut.\n" ABOUT_CUTS,
	.options = cut_options,
	.exits = "1: the cut is not there, or not final",
	.run = run_totals,
};

const struct cli_command command_audit_diff = {
	.name = "audit diff",
	.summary = "what differs between two cuts: accounts, seats, reservations",
	.description = "Before and after are what the matching read answered, or null.\n" ABOUT_CUTS,
	.options = diff_options,
	.exits = "1: they differ; or a cut is not there, or not final",
	.run = run_diff,
};
