/* `ledgerline relay`: the journal's events onto public topics. */
#include <string.h>

#include "engine/commands/outside.h"
#include "engine/relay/relay.h"
#include "schemas/wire/time.h"

/* The state right after a cut is there already: what comes after it is published. */
static int read_from(const struct options *options, struct relay_from *from)
{
	const char *text = option_text(options, "from");
	*from = (struct relay_from){.given = text != NULL, .after = INT64_MIN};
	if (!text || strcmp(text, "start") == 0)
		return EXIT_DONE;
	if (command_position(text, &from->seq)) {
		from->seq += from->seq != UINT64_MAX;
		return EXIT_DONE;
	}
	from->seq = 0;
	return time_parse(slice_text(text), &from->after, NULL) == LL_OK
		       ? EXIT_DONE
		       : option_complain(options, EXIT_USAGE,
					 "--from takes a position like 0:1842, a time, `start` or `latest`, not %s",
					 text);
}

static void show_metrics(void *context, struct buffer *out)
{
	struct relay_status status;
	board_read(context, &status);
	relay_write_metrics(&status, 0, wall_ms(), out);
}

static const char *illness(void *context)
{
	static struct relay_status status; /* the watching thread's */
	board_read(context, &status);
	return status.state == RELAY_WAITING || status.state == RELAY_STOPPED ? status.error : NULL;
}

static int run(const struct options *options, void *context)
{
	static char rooms[PUBLIC_TYPES_COUNT][TOPIC_NAME_MAX + 1];
	struct relay relay = {.journal = NULL};
	static struct relay_board board;
	char brokers[JOURNAL_URL_MAX], room[SETTINGS_BYTES_MAX], url[JOURNAL_URL_MAX];
	struct journal_option settings[SETTINGS_MAX];
	struct journal *journal = NULL;
	struct watch *watch = NULL;
	struct error error;
	(void)context;
	int count = command_settings(options, settings, room);
	int status = count < 0 ? EXIT_USAGE : read_kafka_url(options, "to", brokers, NULL);
	relay.prefix = option_text(options, "prefix");
	if (status == EXIT_DONE)
		status = read_topics(options, "", relay.target.topics, rooms);
	if (status == EXIT_DONE)
		status = read_from(options, &relay.from);
	if (status == EXIT_DONE)
		status = command_journal_of(options, option_text(options, "journal"), url);
	if (status == EXIT_DONE)
		status = command_open_journal(options, url, false, false, &journal);
	if (status != EXIT_DONE)
		return status;
	board_init(&board);
	relay.board = &board;
	relay.journal = journal;
	relay.stop = stop_at_signals();
	relay.target.brokers = brokers;
	relay.target.settings = settings;
	relay.target.settings_count = (size_t)count;
	relay.target.replication = (int)option_integer(options, "replication");
	status = start_watch(options, &(struct watch_options){show_metrics, illness, &board}, &watch);
	if (status == EXIT_DONE && relay_run(&relay, &error) != LL_OK)
		status = command_failed(options, &error);
	watch_stop(watch);
	journal_close(journal);
	board_release(&board);
	return status;
}

static const struct option options[] = {
	{.name = "journal", .kind = OPTION_TEXT, .value = "URL", .help = "local:DIR or kafka://HOST:PORT[,...]/LEDGER"},
	{.name = "data", .kind = OPTION_TEXT, .value = "DIR", .help = "the journal of this data directory, instead"},
	{.name = "to",
	 .kind = OPTION_TEXT,
	 .value = "URL",
	 .help = "kafka://HOST:PORT[,...]: the brokers of the public topics",
	 .required = true},
	{.name = "from",
	 .kind = OPTION_TEXT,
	 .value = "CUT",
	 .help = "publish again all that came after this position (0:1842), time, `start` or `latest`; to be given once:\n"
		 "without it the relay goes on where it was"},
	{.name = "prefix",
	 .kind = OPTION_TEXT,
	 .value = "P",
	 .standard = "",
	 .help = "before the names of all topics: `shop.` makes shop.payment.completed"},
	{.name = "map",
	 .kind = OPTION_LIST,
	 .value = "TYPE=TOPIC",
	 .help = "events of this type go to that topic (a prefix is not added)"},
	{.name = "replication",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .min = 1,
	 .max = 32,
	 .help = "replicas of topics that are made; else three, or as many as there are brokers, with a warning"},
	OPTION_METRICS,
	OPTION_KAFKA,
	OPTION_CONFIG,
	{0},
};

const struct cli_command command_relay = {
	.name = "relay",
	.summary = "publish the journal's events on topics for other services",
	.description =
		"Every public event as JSON on the topic of its type, keyed by user or schedule, in the journal's order. Makes the topics\n"
		"that are missing, and says which ones have wrong settings. Where it stands is kept in the topic LEDGER.relay and in each\n"
		"record, so that a relay that was killed goes on without loss and without doubling. Of several relays of one ledger and\n"
		"prefix the one that began last publishes, and the others stand by.\n"
		"SIGTERM: what was read is flushed, exit 0. docs/relay.md",
	.options = options,
	.exits = "0: it was told to stop",
	.run = run,
};
