/* `ledgerline load`: commands from JSON Lines. */
#include "engine/commands/load.h"

#include <inttypes.h>
#include <stdarg.h>
#include <time.h>

#include "engine/cli/listing.h"
#include "engine/commands/commands.h"
#include "engine/data/data.h"
#include "engine/data/served.h"
#include "engine/log/log.h"
#include "schemas/wire/json.h"

/* ---- what becomes of lines ---- */

void load_bad(struct load *load, uint64_t line, const char *format, ...)
{
	char reason[LOAD_REASON_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	if (load->keep_going) {
		load->rejected++;
		load->bad_line = line;
		option_complain(load->options, EXIT_NO, "line %" PRIu64 ": %s", line, reason);
	} else if (!load->bad_line || line < load->bad_line) {
		load->rejected = 1;
		load->bad_line = line;
		memcpy(load->bad_reason, reason, sizeof reason);
	}
}

void load_bad_code(struct load *load, uint64_t line, struct slice code, struct slice message)
{
	while (message.size && message.at[message.size - 1] == '.')
		message.size--;
	load_bad(load, line, "%.*s%s%.*s", (int)code.size, (const char *)code.at, message.size ? ": " : "",
		 (int)message.size, (const char *)message.at);
}

void load_refused(struct load *load, uint64_t line, uint16_t code)
{
	const struct code_info *info = code_info(code);
	load->refused++;
	load->refusals[code < LOAD_CODES_MAX ? code : 0]++;
	if (load->list_refusals)
		option_complain(load->options, EXIT_NO, "line %" PRIu64 ": refused %s: %s", line,
				info ? info->name : "?", info ? info->message : "");
}

bool load_command_of(struct load *load, struct slice *line)
{
	struct error error;
	if (!load->translate)
		return true;
	enum ll_code code = LL_OK;
	if (load->translated != load->lines.number)
		code = load->translate(load->translate_context, *line, &load->command, &error);
	if (code != LL_OK) {
		if (code != LL_END)
			load_bad(load, load->lines.number, "%s", error.text);
		return false;
	}
	load->translated = load->lines.number;
	*line = load->command;
	return true;
}

void load_progress(struct load *load)
{
	progress_update(&load->progress,
			load->accepted + load->refused + load->repeated + load->rejected + load->reads);
}

/* ---- the end ---- */

static void position_text(const struct load *load, char text[32])
{
	if (load->position == LOAD_NO_POSITION)
		snprintf(text, 32, "start");
	else
		snprintf(text, 32, "0:%" PRIu64, load->position);
}

static void print_words(const struct load *load, double seconds)
{
	char position[32];
	struct buffer rate = {0};
	uint64_t all = load->accepted + load->refused + load->repeated + load->rejected + load->reads;
	listing_amount(&rate, (int64_t)((double)all / (seconds > 0.001 ? seconds : 0.001)));
	position_text(load, position);
	printf("%" PRIu64 " commands in %.1f s: %s a second\n", all, seconds, buffer_text(&rate));
	printf("accepted=%" PRIu64 " refused=%" PRIu64 " repeated=%" PRIu64 " rejected=%" PRIu64 " position=%s\n",
	       load->accepted, load->refused, load->repeated, load->rejected, position);
	for (unsigned code = 0; code < LOAD_CODES_MAX; code++)
		if (load->refusals[code])
			printf("refused %s=%" PRIu64 "\n",
			       code_info((uint16_t)code) ? code_info((uint16_t)code)->name : "?", load->refusals[code]);
	if (load->reads)
		printf("nothing to change=%" PRIu64 "\n", load->reads);
	buffer_release(&rate);
}

static void print_json(const struct load *load, double seconds)
{
	char position[32];
	struct buffer out = {0};
	struct json_writer w;
	position_text(load, position);
	json_writer_init(&w, &out, false);
	json_object_begin(&w);
	json_member_uint64(&w, "accepted", load->accepted);
	json_member_uint64(&w, "refused", load->refused);
	json_member_uint64(&w, "repeated", load->repeated);
	json_member_uint64(&w, "rejected", load->rejected);
	json_member_uint64(&w, "reads", load->reads);
	json_member_text(&w, "position", position);
	json_key(&w, "refusals");
	json_object_begin(&w);
	for (unsigned code = 0; code < LOAD_CODES_MAX; code++)
		if (load->refusals[code])
			json_member_uint64(&w, code_info((uint16_t)code) ? code_info((uint16_t)code)->name : "?",
					   load->refusals[code]);
	json_object_end(&w);
	json_key(&w, "seconds");
	json_thousandths(&w, (int64_t)(seconds * 1000));
	if (load->bad_line && !load->keep_going) {
		json_member_uint64(&w, "badLine", load->bad_line);
		json_member_text(&w, "reason", load->bad_reason);
	}
	json_object_end(&w);
	puts(buffer_text(&out));
	buffer_release(&out);
}

static double now_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- the command ---- */

static enum ll_code load_lines(struct load *load, const struct journal_option *settings, size_t settings_count,
			       struct error *error)
{
	char served[SERVED_URL_MAX];
	const char *data = option_text(load->options, "data"), *url = option_text(load->options, "url");
	if (url)
		return load_over_http(load, url, error);
	int holder = data_holder(data);
	if (!holder)
		return load_into_engine(load, data, option_text(load->options, "journal"), settings, settings_count,
					error);
	if (!served_url(data, served))
		return error_set(error, LL_BUSY,
				 "process %d works on %s and takes no commands (now): wait for it, or stop it", holder,
				 data);
	return load_over_http(load, served, error);
}

int load_run(struct load *load)
{
	const struct options *options = load->options;
	char room[SETTINGS_BYTES_MAX];
	struct journal_option settings[SETTINGS_MAX];
	struct error error;
	load->position = LOAD_NO_POSITION;
	int count = command_settings(options, settings, room);
	if (count < 0)
		return EXIT_USAGE;
	if (!option_given(options, "data") && !option_given(options, "url"))
		return option_complain(options, EXIT_USAGE, "--data or --url is needed: where the commands go");
	const char *path = option_argument(options, 0) ? option_argument(options, 0) : "-";
	enum ll_code code = lines_open(path, &load->lines, &error);
	if (code != LL_OK)
		return command_failed(options, &error);
	log_configure(LOG_WARN, LOG_WORDS);
	double began = now_seconds();
	progress_begin(&load->progress, stderr, "loading", "commands", 0);
	code = load_lines(load, settings, (size_t)count, &error);
	progress_end(&load->progress);
	lines_close(&load->lines);
	if (load->bad_line && !load->keep_going)
		option_complain(options, EXIT_NO, "line %" PRIu64 ": %s; nothing behind it was applied", load->bad_line,
				load->bad_reason);
	if (option_flag(options, "json"))
		print_json(load, now_seconds() - began);
	else
		print_words(load, now_seconds() - began);
	if (code != LL_OK)
		return command_failed(options, &error);
	return load->bad_line ? EXIT_NO : EXIT_DONE;
}

static int run(const struct options *options, void *context)
{
	struct load load = {.options = options, .keep_going = option_flag(options, "keep-going")};
	(void)context;
	return load_run(&load);
}

static const struct option options[] = {
	LOAD_OPTIONS,
	{.name = "keep-going", .kind = OPTION_FLAG, .help = "pass over bad lines"},
	{0},
};

const struct cli_command command_load = {
	.name = "load",
	.arguments = "[FILE|-]",
	.summary = "commands from JSON Lines, in order",
	.description =
		"Each line is a command: {\"id\":\"c1\",\"type\":\"points.charge\",\"userId\":\"kim\",\"amount\":5000}. They are applied in\n"
		"order, each id once: loading the same lines again changes nothing. Ends with\n"
		"`accepted=N refused=N repeated=N rejected=N position=0:N` and a line for each code of refusals.\n"
		"A line that is no command, or names what is not there, is bad: it is told with its number, and nothing behind\n"
		"it is applied (--keep-going: it is passed over). Refusals are outcomes, not bad lines.",
	.options = options,
	.arguments_max = 1,
	.exits = "1: a line was bad",
	.run = run,
};
