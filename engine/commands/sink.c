/* `ledgerline sink`: a public topic's events to an HTTP endpoint. */
#include "engine/sink/sink.h"

#include "engine/commands/outside.h"

enum { HEADERS_MAX = 32 };

static int read_headers(const struct options *options, const char **headers, size_t *count)
{
	*count = option_count(options, "header");
	if (*count > HEADERS_MAX)
		return option_complain(options, EXIT_USAGE, "more than %d headers", HEADERS_MAX);
	for (size_t i = 0; i < *count; i++)
		headers[i] = option_item(options, "header", i);
	return EXIT_DONE;
}

static int run(const struct options *options, void *context)
{
	static struct member_board board;
	char brokers[JOURNAL_URL_MAX], topic[TOPIC_NAME_MAX + 1], room[SETTINGS_BYTES_MAX];
	const char *headers[HEADERS_MAX];
	struct journal_option settings[SETTINGS_MAX];
	struct watch *watch = NULL;
	struct error error;
	size_t headers_count = 0;
	(void)context;
	int count = command_settings(options, settings, room);
	int status = count < 0 ? EXIT_USAGE : read_kafka_url(options, "from", brokers, topic);
	if (status == EXIT_DONE && !*option_text(options, "group"))
		status = option_complain(options, EXIT_USAGE, "a group has a name");
	if (status == EXIT_DONE)
		status = read_headers(options, headers, &headers_count);
	if (status != EXIT_DONE)
		return status;
	const struct sink_options sink = {
		.brokers = brokers,
		.topic = topic,
		.group = option_text(options, "group"),
		.settings = settings,
		.settings_count = (size_t)count,
		.post = {.url = option_text(options, "to"),
			 .ca = option_text(options, "tls-ca"),
			 .headers = headers,
			 .headers_count = headers_count,
			 .timeout_ms = (int)option_integer(options, "timeout-ms")},
		.attempts = (unsigned)option_integer(options, "attempts"),
		.back_off_ms_max = (int)option_integer(options, "back-off-max-ms"),
		.alert = option_text(options, "alert"),
		.replication = (int)option_integer(options, "replication"),
		.stop = stop_at_signals(),
		.board = &board,
	};
	member_board_init(&board, &sink_words);
	status = watch_member(options, &board, &watch);
	if (status == EXIT_DONE && sink_run(&sink, &error) != LL_OK)
		status = command_failed(options, &error);
	watch_stop(watch);
	member_board_release(&board);
	return status;
}

static const struct option options[] = {
	{.name = "from",
	 .kind = OPTION_TEXT,
	 .value = "URL",
	 .help = "kafka://HOST:PORT[,...]/TOPIC: whose events",
	 .required = true},
	{.name = "to",
	 .kind = OPTION_TEXT,
	 .value = "URL",
	 .help = "http:// or https://: where each is posted",
	 .required = true},
	{.name = "group",
	 .kind = OPTION_TEXT,
	 .value = "G",
	 .help = "the consumer group; sinks of one group share the topic's partitions",
	 .required = true},
	OPTION_TLS_CA,
	{.name = "header", .kind = OPTION_LIST, .value = "NAME: VALUE", .help = "a header of each request"},
	{.name = "timeout-ms",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "10000",
	 .min = 10,
	 .max = 120000,
	 .help = "how long one try may take"},
	{.name = "attempts",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "10",
	 .min = 1,
	 .max = 1000000,
	 .help = "tries of an event before it may become a dead letter, if the endpoint answers for another one"},
	{.name = "back-off-max-ms",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "30000",
	 .min = 100,
	 .max = 3600000,
	 .help = "longest time between two tries"},
	{.name = "alert",
	 .kind = OPTION_TEXT,
	 .value = "COMMAND",
	 .help = "run by the shell when the endpoint goes down or comes up and for each dead letter, with LEDGERLINE_ALERT and\n"
		 "LEDGERLINE_REASON in its environment"},
	{.name = "replication",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .min = 1,
	 .max = 32,
	 .help = "replicas of the dead-letter topic when it is made"},
	OPTION_METRICS,
	OPTION_KAFKA,
	OPTION_CONFIG,
	{0},
};

const struct cli_command command_sink = {
	.name = "sink",
	.summary = "post a public topic's events to an HTTP endpoint",
	.description =
		"POSTs each event's JSON with its eventId as Idempotency-Key, in order within each partition, and commits what was taken.\n"
		"No connection, no answer in time, 408, 425, 429 and 5xx are tried again, with exponential back-off; while the endpoint is\n"
		"down everything waits. What it refuses (other 4xx, redirects), and what is no public event, goes to the topic TOPIC.dlq\n"
		"with the reason; `ledgerline dlq` looks at it. SIGTERM: what was taken is committed, exit 0. docs/sink.md",
	.options = options,
	.exits = "0: it was told to stop",
	.run = run,
};
