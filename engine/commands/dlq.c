/* `ledgerline dlq list|show|redrive`: dead letters looked at and sent back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/commands/outside.h"
#include "engine/sink/dlq.h"
#include "schemas/wire/json.h"

enum { REDRIVE_TIMEOUT_MS = 10000 };

struct opened {
	char brokers[JOURNAL_URL_MAX], topic[TOPIC_NAME_MAX + 1], room[SETTINGS_BYTES_MAX];
	struct journal_option settings[SETTINGS_MAX];
	struct dlq_options options;
	struct dlq *dlq;
};

static int open_letters(const struct options *options, struct opened *opened)
{
	struct error error;
	int count = command_settings(options, opened->settings, opened->room);
	int status = count < 0 ? EXIT_USAGE : read_kafka_url(options, "from", opened->brokers, opened->topic);
	if (status != EXIT_DONE)
		return status;
	opened->options = (struct dlq_options){opened->brokers, opened->topic, opened->settings, (size_t)count};
	return dlq_open(&opened->options, &opened->dlq, &error) == LL_OK ? EXIT_DONE : command_failed(options, &error);
}

enum { NOT_LETTERS_MAX = 768 };

/* Why a topic is hardly one of letters: it has none, but other records, or several partitions. false: it may well be one. */
static bool are_no_letters(const struct opened *opened, char why[NOT_LETTERS_MAX])
{
	const char *topic = opened->topic, *end = topic + strlen(topic);
	char hint[2 * TOPIC_NAME_MAX] = "";
	unsigned long long others = dlq_others(opened->dlq);
	int partitions = dlq_partitions(opened->dlq);
	if (dlq_count(opened->dlq) || (!others && partitions == 1))
		return false;
	if (end - topic <= 4 || strcmp(end - 4, ".dlq") != 0)
		snprintf(hint, sizeof hint, "; those of that topic are in %s.dlq, if nobody named it otherwise", topic);
	if (others)
		snprintf(why, NOT_LETTERS_MAX,
			 "none of the %llu records of %s%s is a dead letter: they have no header dlq-reason%s", others,
			 topic, partitions > 1 ? " in its first partition" : "", hint);
	else
		snprintf(why, NOT_LETTERS_MAX, "%s has %d partitions, and a topic of dead letters has one%s", topic,
			 partitions, hint);
	return true;
}

/* Somebody looks into a topic that has other things in it. EXIT_NO: it has no letters. */
static int tell_others(const struct options *options, const struct opened *opened)
{
	char why[NOT_LETTERS_MAX];
	if (are_no_letters(opened, why))
		return option_complain(options, EXIT_NO, "%s", why);
	if (dlq_others(opened->dlq))
		return option_complain(
			options, EXIT_DONE,
			"%llu records of %s are no dead letters (they have no header dlq-reason), and are "
			"left alone",
			(unsigned long long)dlq_others(opened->dlq), opened->topic);
	return EXIT_DONE;
}

/* The index of the letter at that offset. */
static int find_letter(const struct options *options, const struct opened *opened, const char *text, size_t *index)
{
	char *end, why[NOT_LETTERS_MAX];
	errno = 0;
	long long offset = strtoll(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno)
		return option_complain(options, EXIT_USAGE, "an offset is a number, not %s", text);
	for (*index = 0; *index < dlq_count(opened->dlq); ++*index)
		if (dlq_letter(opened->dlq, *index)->offset == offset)
			return EXIT_DONE;
	if (are_no_letters(opened, why))
		return option_complain(options, EXIT_NO, "there is no letter at offset %lld: %s", offset, why);
	return option_complain(options, EXIT_NO, "there is no letter at offset %lld", offset);
}

static void member_slice(struct json_writer *writer, const char *key, struct slice text)
{
	if (text.size)
		json_member_string(writer, key, text);
	else
		json_member_null(writer, key);
}

static void member_number(struct json_writer *writer, const char *key, int64_t number)
{
	if (number < 0)
		json_member_null(writer, key);
	else
		json_member_int64(writer, key, number);
}

static void write_shared(struct json_writer *writer, const struct letter *letter)
{
	json_member_int64(writer, "offset", letter->offset);
	member_slice(writer, "time", letter->time);
	member_slice(writer, "reason", letter->reason);
	member_number(writer, "attempts", letter->attempts);
	member_slice(writer, "key", letter->key);
	json_member_text(writer, "eventId", letter->event_id);
	json_member_bool(writer, "redriven", letter->redriven);
	json_member_bool(writer, "permanent", letter->permanent);
}

static int run_list(const struct options *options, void *context)
{
	struct opened opened = {.dlq = NULL};
	struct buffer out = {0};
	struct json_writer writer;
	(void)context;
	int status = open_letters(options, &opened);
	if (status != EXIT_DONE)
		return status;
	status = tell_others(options, &opened);
	json_writer_init(&writer, &out, false);
	json_object_begin(&writer);
	json_key(&writer, "letters");
	json_array_begin(&writer);
	for (size_t i = 0; i < dlq_count(opened.dlq); i++) {
		const struct letter *letter = dlq_letter(opened.dlq, i);
		if (letter->redriven && option_flag(options, "open"))
			continue;
		json_object_begin(&writer);
		write_shared(&writer, letter);
		json_object_end(&writer);
	}
	json_array_end(&writer);
	json_object_end(&writer);
	command_print(options, &out);
	buffer_release(&out);
	dlq_close(opened.dlq);
	return status;
}

static int run_show(const struct options *options, void *context)
{
	struct opened opened = {.dlq = NULL};
	struct buffer out = {0};
	struct json_writer writer;
	size_t index = 0;
	(void)context;
	int status = open_letters(options, &opened);
	if (status == EXIT_DONE)
		status = find_letter(options, &opened, option_argument(options, 0), &index);
	if (status == EXIT_DONE) {
		const struct letter *letter = dlq_letter(opened.dlq, index);
		json_writer_init(&writer, &out, false);
		json_object_begin(&writer);
		write_shared(&writer, letter);
		member_number(&writer, "status", letter->status);
		member_slice(&writer, "topic", letter->topic);
		member_number(&writer, "partition", letter->partition);
		member_number(&writer, "originOffset", letter->origin_offset);
		member_slice(&writer, "group", letter->group);
		member_number(&writer, "bytes", letter->bytes);
		json_member_string(&writer, "value", letter->value);
		json_object_end(&writer);
		command_print(options, &out);
	}
	buffer_release(&out);
	dlq_close(opened.dlq);
	return status;
}

/* `left`: permanent ones that nobody asked for. */
struct tally {
	uint64_t redriven, already, failed, left;
};

/* One letter; what keeps it is said. Another status than EXIT_DONE: it stays. */
static int redrive_one(const struct options *options, struct dlq *dlq, size_t index, struct poster *poster,
		       struct tally *tally)
{
	struct error error;
	if (dlq_letter(dlq, index)->redriven) {
		tally->already++;
		return EXIT_DONE;
	}
	if (dlq_redrive(dlq, index, poster, &error) == LL_OK) {
		tally->redriven++;
		return EXIT_DONE;
	}
	tally->failed++;
	return option_complain(options, EXIT_NO, "%s", error.text);
}

static int redrive(const struct options *options, const struct opened *opened, struct poster *poster,
		   struct tally *tally)
{
	size_t index = 0;
	struct dlq *dlq = opened->dlq;
	const char *offset = option_argument(options, 0);
	int status = offset ? find_letter(options, opened, offset, &index) : tell_others(options, opened);
	if (offset && status == EXIT_DONE)
		return redrive_one(options, dlq, index, poster, tally);
	if (status != EXIT_DONE)
		return status;
	for (; index < dlq_count(dlq); index++) {
		const struct letter *letter = dlq_letter(dlq, index);
		if (letter->permanent && !letter->redriven && !option_flag(options, "permanent"))
			tally->left++;
		else if (redrive_one(options, dlq, index, poster, tally) != EXIT_DONE)
			status = EXIT_NO;
	}
	if (tally->left)
		option_complain(
			options, EXIT_DONE,
			"%llu left: the record itself is at fault, and sent back it would be a letter again (`dlq list "
			"--open` shows them as permanent; by its offset, or with --all --permanent, one is sent all the same)",
			(unsigned long long)tally->left);
	return status;
}

static void print_tally(const struct options *options, const struct tally *tally)
{
	struct buffer out = {0};
	struct json_writer writer;
	json_writer_init(&writer, &out, false);
	json_object_begin(&writer);
	json_member_uint64(&writer, "redriven", tally->redriven);
	json_member_uint64(&writer, "already", tally->already);
	json_member_uint64(&writer, "failed", tally->failed);
	json_member_uint64(&writer, "left", tally->left);
	json_object_end(&writer);
	command_print(options, &out);
	buffer_release(&out);
}

static int run_redrive(const struct options *options, void *context)
{
	struct opened opened = {.dlq = NULL};
	struct poster *poster = NULL;
	struct tally tally = {0};
	struct error error;
	const struct post_options post = {.url = option_text(options, "to"),
					  .ca = option_text(options, "tls-ca"),
					  .timeout_ms = REDRIVE_TIMEOUT_MS};
	(void)context;
	if ((option_argument(options, 0) != NULL) == option_flag(options, "all"))
		return option_complain(options, EXIT_USAGE, "give an offset, or --all");
	if (option_flag(options, "permanent") && !option_flag(options, "all"))
		return option_complain(options, EXIT_USAGE,
				       "--permanent goes with --all: a letter that is named is sent anyway");
	if (post.url && poster_new(&post, &poster, &error) != LL_OK)
		return command_failed(options, &error);
	int status = open_letters(options, &opened);
	if (status == EXIT_DONE) {
		status = redrive(options, &opened, poster, &tally);
		print_tally(options, &tally);
	}
	dlq_close(opened.dlq);
	poster_free(poster);
	return status;
}

#define OPTION_FROM                                                                                                    \
	{                                                                                                              \
		.name = "from", .kind = OPTION_TEXT, .value = "URL",                                                   \
		.help = "kafka://HOST:PORT[,...]/TOPIC.dlq: the dead letters", .required = true                        \
	}

static const struct option list_options[] = {
	OPTION_FROM,   {.name = "open", .kind = OPTION_FLAG, .help = "only those that were not redriven"},
	OPTION_JSON,   OPTION_KAFKA,
	OPTION_CONFIG, {0},
};

static const struct option show_options[] = {OPTION_FROM, OPTION_JSON, OPTION_KAFKA, OPTION_CONFIG, {0}};

static const struct option redrive_options[] = {
	OPTION_FROM,
	{.name = "all",
	 .kind = OPTION_FLAG,
	 .help = "all that were not redriven, in their order, but for permanent ones"},
	{.name = "permanent", .kind = OPTION_FLAG, .help = "with --all: those, too, whose record itself is at fault"},
	{.name = "to",
	 .kind = OPTION_TEXT,
	 .value = "URL",
	 .help = "http:// or https://: straight to this endpoint, instead of the topic that it came from"},
	OPTION_TLS_CA,
	OPTION_JSON,
	OPTION_KAFKA,
	OPTION_CONFIG,
	{0},
};

const struct cli_command command_dlq_list = {
	.name = "dlq list",
	.summary = "the dead letters of a sink or an intake",
	.description =
		"Events that an endpoint refused, commands that no engine took, and records that were neither, oldest first. `permanent`: the\n"
		"record itself is at fault, and sent back it would be a letter again. Records that are no letters are left out, and counted\n"
		"on standard error.",
	.options = list_options,
	.exits = "1: the topic has no dead letters, but other records or several partitions",
	.run = run_list,
};

const struct cli_command command_dlq_show = {
	.name = "dlq show",
	.arguments = "OFFSET",
	.summary = "one dead letter in whole",
	.description = "With the value as it was, where it came from, and why it is here.",
	.options = show_options,
	.arguments_min = 1,
	.arguments_max = 1,
	.exits = "1: there is no such letter",
	.run = run_show,
};

const struct cli_command command_dlq_redrive = {
	.name = "dlq redrive",
	.arguments = "[OFFSET]",
	.summary = "send dead letters back",
	.description =
		"To the topic that they came from, where every group reads them again, or with --to straight to an endpoint. What was sent is\n"
		"marked, and is not sent a second time. A letter that does not go out stays as it is, and its reason is said. --all leaves\n"
		"those that are permanent: no JSON, no event, no id, what an engine rejected for its form, its size or a used id. How many is\n"
		"said, and is no failure.",
	.options = redrive_options,
	.arguments_max = 1,
	.exits = "1: a letter was not taken, or there is no such letter",
	.run = run_redrive,
};
