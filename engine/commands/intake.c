/* `ledgerline intake`: commands of a topic into engines. */
#include "engine/intake/intake.h"

#include <inttypes.h>

#include "engine/commands/outside.h"

enum { ENGINES_MAX = 16 };

struct opened {
	struct http_client *clients[ENGINES_MAX];
	const char *urls[ENGINES_MAX];
	size_t count;
};

static int open_engines(const struct options *options, struct opened *engines)
{
	struct error error;
	size_t count = option_count(options, "to");
	if (count > ENGINES_MAX)
		return option_complain(options, EXIT_USAGE, "more than %d engines", ENGINES_MAX);
	for (size_t i = 0; i < count; i++) {
		engines->urls[i] = option_item(options, "to", i);
		engines->count++; /* a client is to be freed also after an error */
		if (command_client(options, engines->urls[i], &engines->clients[i], &error) != LL_OK)
			return command_failed(options, &error);
	}
	return EXIT_DONE;
}

/* The option's topic, or the commands' with `suffix` behind it. */
static int name_topic(const struct options *options, const char *name, const char *topic, const char *suffix,
		      char room[TOPIC_NAME_MAX + 1])
{
	const char *given = option_text(options, name);
	int size = snprintf(room, TOPIC_NAME_MAX + 1, "%s%s", given ? given : topic, given ? "" : suffix);
	if (size <= TOPIC_NAME_MAX && is_topic_name(room) && strcmp(room, topic) != 0)
		return EXIT_DONE;
	return option_complain(
		options, EXIT_USAGE,
		"--%s: %s is no name of a topic of its own: letters, digits, dots, dashes and underlines, at "
		"most %d, and not that of the commands",
		name, room, TOPIC_NAME_MAX);
}

static void print_counts(struct member_board *board)
{
	struct board_standing standing;
	const uint64_t *counts = standing.counts;
	member_board_read(board, &standing);
	printf("accepted=%" PRIu64 " refused=%" PRIu64 " repeated=%" PRIu64 " read=%" PRIu64 " rejected=%" PRIu64
	       " poison=%" PRIu64 " replies=%" PRIu64 " again=%" PRIu64 "\n",
	       counts[INTAKE_ACCEPTED], counts[INTAKE_REFUSED], counts[INTAKE_REPEATED], counts[INTAKE_READ],
	       counts[INTAKE_REJECTED], counts[INTAKE_LETTERS_POISON], counts[INTAKE_REPLIES], standing.again);
}

static int take_watched(const struct options *options, struct intake_options *intake)
{
	static struct member_board board;
	struct watch *watch = NULL;
	struct error error;
	member_board_init(&board, &intake_words);
	intake->board = &board;
	int status = watch_member(options, &board, &watch);
	if (status == EXIT_DONE) {
		if (intake_run(intake, &error) != LL_OK)
			status = command_failed(options, &error);
		print_counts(&board);
	}
	watch_stop(watch);
	member_board_release(&board);
	return status;
}

static int take(const struct options *options, struct opened *engines)
{
	char brokers[JOURNAL_URL_MAX], topic[TOPIC_NAME_MAX + 1], room[SETTINGS_BYTES_MAX];
	char replies[TOPIC_NAME_MAX + 1], letters[TOPIC_NAME_MAX + 1];
	struct journal_option settings[SETTINGS_MAX];
	int count = command_settings(options, settings, room);
	int status = count < 0 ? EXIT_USAGE : read_kafka_url(options, "from", brokers, topic);
	if (status == EXIT_DONE && !*option_text(options, "group"))
		status = option_complain(options, EXIT_USAGE, "a group has a name");
	if (status == EXIT_DONE)
		status = name_topic(options, "replies", topic, ".replies", replies);
	if (status == EXIT_DONE)
		status = name_topic(options, "dead-letters", topic, ".dlq", letters);
	if (status == EXIT_DONE && strcmp(replies, letters) == 0)
		status = option_complain(options, EXIT_USAGE, "replies and dead letters cannot share the topic %s",
					 replies);
	if (status == EXIT_DONE)
		status = open_engines(options, engines);
	if (status != EXIT_DONE)
		return status;
	struct intake_options intake = {
		.brokers = brokers,
		.topic = topic,
		.group = option_text(options, "group"),
		.replies = replies,
		.letters = letters,
		.settings = settings,
		.settings_count = (size_t)count,
		.engines = engines->clients,
		.urls = engines->urls,
		.engines_count = engines->count,
		.batch_max = (size_t)option_integer(options, "batch"),
		.bytes_max = (size_t)option_integer(options, "max-bytes"),
		.timeout_ms = (int)option_integer(options, "timeout-ms"),
		.back_off_ms_max = (int)option_integer(options, "back-off-max-ms"),
		.alert = option_text(options, "alert"),
		.replication = (int)option_integer(options, "replication"),
		.stop = stop_at_signals(),
	};
	return take_watched(options, &intake);
}

static int run(const struct options *options, void *context)
{
	struct opened engines = {.count = 0};
	(void)context;
	int status = take(options, &engines);
	for (size_t i = 0; i < engines.count; i++)
		http_client_free(engines.clients[i]);
	return status;
}

static const struct option options[] = {
	{.name = "from",
	 .kind = OPTION_TEXT,
	 .value = "URL",
	 .help = "kafka://HOST:PORT[,...]/TOPIC: the commands, one a record",
	 .required = true},
	{.name = "to",
	 .kind = OPTION_LIST,
	 .value = "URL",
	 .help = "http://HOST:PORT of an engine, any number of times: the next one is asked when one fails",
	 .required = true},
	{.name = "group",
	 .kind = OPTION_TEXT,
	 .value = "G",
	 .help = "the consumer group; intakes of one group share the topic's partitions",
	 .required = true},
	{.name = "replies", .kind = OPTION_TEXT, .value = "TOPIC", .help = "where receipts go; else TOPIC.replies"},
	{.name = "dead-letters",
	 .kind = OPTION_TEXT,
	 .value = "TOPIC",
	 .help = "where goes what no engine takes; else TOPIC.dlq"},
	{.name = "batch",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "1000",
	 .min = 1,
	 .max = INTAKE_BATCH_MAX,
	 .help = "commands in one request, at most"},
	{.name = "max-bytes",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "1048576",
	 .min = 64,
	 .max = INTAKE_BYTES_MAX,
	 .help = "of one command; larger ones are dead letters"},
	{.name = "timeout-ms",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "30000",
	 .min = 10,
	 .max = 120000,
	 .help = "how long an engine may keep silent before another one is asked"},
	{.name = "back-off-max-ms",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "5000",
	 .min = 100,
	 .max = 3600000,
	 .help = "longest time between two tries when all engines have failed"},
	{.name = "alert",
	 .kind = OPTION_TEXT,
	 .value = "COMMAND",
	 .help = "run by the shell when the engines go down or come up and for each dead letter, with LEDGERLINE_ALERT and\n"
		 "LEDGERLINE_REASON in its environment"},
	{.name = "replication",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .min = 1,
	 .max = 32,
	 .help = "replicas of topics that are made; else three, or as many as there are brokers, with a warning"},
	OPTION_ACCESS_KEY,
	OPTION_TLS_CA,
	OPTION_METRICS,
	OPTION_KAFKA,
	OPTION_CONFIG,
	{0},
};

const struct cli_command command_intake = {
	.name = "intake",
	.summary = "take commands from a topic",
	.description =
		"Each record is a command as for POST /api/commands:\n"
		"  {\"id\":\"c1\",\"type\":\"points.charge\",\"userId\":\"kim\",\"amount\":5000}\n"
		"They are decided in the order of their partition, each id once, however often it was produced. The\n"
		"receipt goes to the replies' topic under the record's key. What is no command, and what an engine\n"
		"rejects (it leaves no trace in the journal), becomes a dead letter with the reason; `ledgerline dlq`\n"
		"looks at it. While no engine takes commands, everything waits. SIGTERM: what was answered is\n"
		"committed, exit 0. docs/intake.md\n"
		"Ends with accepted=N refused=N repeated=N read=N rejected=N poison=N replies=N again=N",
	.options = options,
	.exits = "0: it was told to stop",
	.run = run,
};
