/* `ledgerline serve`: the engine with its HTTP API, until SIGTERM or SIGINT. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <uv.h>

#include "engine/access/access.h"
#include "engine/api/api.h"
#include "engine/cli/progress.h"
#include "engine/commands/outside.h"
#include "engine/commands/serve_tls.h"
#include "engine/data/served.h"
#include "engine/http/server.h"
#include "engine/log/log.h"
#include "engine/serve/engine.h"
#include "schemas/wire/ensure.h"

enum { STOP_DEADLINE_MS = 5000, RELAY_LOOK_MS = 100 };

struct serving {
	uv_loop_t loop;
	uv_signal_t terminate, interrupt, hand_over, reload;
	uv_timer_t relay_look;
	struct relay_beside *relay; /* NULL: none */
	struct relay_beside_options relay_options;
	const char *topics[PUBLIC_TYPES_COUNT];
	char topic_rooms[PUBLIC_TYPES_COUNT][TOPIC_NAME_MAX + 1], brokers[JOURNAL_URL_MAX];
	struct access *access; /* NULL: no keys */
	struct serve_tls tls;
	const struct options *options;
	struct engine *engine;
	struct api *api;
	struct http_server *server;
	struct http_address address;
	uint16_t port;
	char url[512];
	const char *data;
	struct snapshot_plan plan;
	bool stopping;
	bool has_failed;
	struct error failure;
};

static void engine_stopped(void *context)
{
	struct serving *serving = context;
	uv_close((uv_handle_t *)&serving->terminate, NULL);
	uv_close((uv_handle_t *)&serving->interrupt, NULL);
	uv_close((uv_handle_t *)&serving->hand_over, NULL);
	uv_close((uv_handle_t *)&serving->reload, NULL);
	if (serving->relay)
		uv_close((uv_handle_t *)&serving->relay_look, NULL);
	access_stop(serving->access);
	uv_stop(&serving->loop);
}

static void server_stopped(void *context)
{
	struct serving *serving = context;
	engine_stop(serving->engine, engine_stopped, serving);
}

static void stop_now(struct serving *serving)
{
	api_close_doors(serving->api);
	http_server_stop(serving->server, STOP_DEADLINE_MS, server_stopped, serving);
}

static void handed_over(void *context, bool done)
{
	(void)done; /* without a successor it stops all the same */
	stop_now(context);
}

/* While a successor is there, nobody need wait for one. */
static void stop(struct serving *serving)
{
	if (serving->stopping)
		return;
	serving->stopping = true;
	sd_notify(0, "STOPPING=1\nSTATUS=handing over, finishing what was taken");
	log_info("serve.stopping");
	if (serving->has_failed || !engine_hand_over(serving->engine, SLICE_EMPTY, handed_over, serving))
		stop_now(serving);
}

static void on_signal(uv_signal_t *signal, int number)
{
	(void)number;
	stop(signal->data);
}

static void on_hand_over(uv_signal_t *signal, int number)
{
	struct serving *serving = signal->data;
	(void)number;
	if (!engine_hand_over(serving->engine, SLICE_EMPTY, NULL, NULL))
		log_warn("handover.refused",
			 LOG_TEXT("message", engine_follows(serving->engine)
						     ? "this engine does not lead"
						     : "nobody stands by, or the lead is being handed over already"));
}

/* ---- access ---- */

static enum ll_code read_peer_key(struct serving *serving, struct error *error)
{
	char key[KEY_TEXT_SIZE + 1];
	const char *file = option_text(serving->options, "peer-key");
	if (!file)
		return LL_OK;
	enum ll_code code = key_read_file(file, key, error);
	if (code == LL_OK)
		engine_set_peer_key(serving->engine, key);
	explicit_bzero(key, sizeof key);
	return code;
}

static void on_reload(uv_signal_t *signal, int number)
{
	struct serving *serving = signal->data;
	struct error error;
	(void)number;
	if (serving->access)
		access_reload(serving->access);
	serve_tls_reload(serving->options, &serving->tls);
	if (read_peer_key(serving, &error) != LL_OK)
		log_error("peer.keyNotRead", LOG_TEXT("message", error.text));
}

/* What clients show lies in memory: it must not come to lie in a file, nor before a debugger of the same user. */
static void hide_memory(void)
{
	const struct rlimit none = {0, 0};
	ENSURE(setrlimit(RLIMIT_CORE, &none) == 0);
	ENSURE(prctl(PR_SET_DUMPABLE, 0) == 0);
}

static enum ll_code open_access(struct serving *serving, struct error *error)
{
	const char *file = option_text(serving->options, "keys");
	if (file || option_given(serving->options, "peer-key") || option_given(serving->options, "tls-key"))
		hide_memory();
	return file ? access_open(&serving->loop, file, &serving->access, error) : LL_OK;
}

/* What of the options goes together. `--keys` on a journal that others share: they ask one another. */
static int check_access(const struct serving *serving)
{
	const struct options *options = serving->options;
	const char *advertise = option_text(options, "advertise");
	char host[HTTP_CALL_ADDRESS_MAX + 1];
	uint16_t port;
	bool is_tls;
	if (advertise && !http_call_split(advertise, host, &port, &is_tls))
		return option_complain(
			options, EXIT_USAGE,
			"--advertise takes a URL like http://10.0.0.2:8080 or https://one.example:8080, not %s",
			advertise);
	if (!option_given(options, "keys") && !http_address_is_loopback(&serving->address))
		return option_complain(
			options, EXIT_USAGE,
			"without --keys the engine listens on loopback only, not on %s: everybody there would be admin",
			serving->address.host);
	return EXIT_DONE;
}

static int check_peers(const struct serving *serving)
{
	bool shared = engine_is_shared(serving->engine) && option_given(serving->options, "keys");
	if (!shared || option_given(serving->options, "peer-key"))
		return EXIT_DONE;
	return option_complain(
		serving->options, EXIT_USAGE,
		"with --keys and a journal that several engines share give --peer-key FILE too: a key of "
		"role operator that they show one another");
}

/* ---- the relay ---- */

static int take_relay(struct serving *serving, const struct journal_option *settings, size_t settings_count)
{
	const struct options *options = serving->options;
	int status = EXIT_DONE;
	if (!option_given(options, "relay")) {
		if (*option_text(options, "relay-prefix") || option_count(options, "relay-map") ||
		    option_given(options, "relay-replication"))
			return option_complain(
				options, EXIT_USAGE,
				"--relay-prefix, --relay-map and --relay-replication go with --relay URL");
		return EXIT_DONE;
	}
	status = read_kafka_url(options, "relay", serving->brokers, NULL);
	if (status == EXIT_DONE)
		status = read_topics(options, "relay-", serving->topics, serving->topic_rooms);
	serving->relay_options =
		(struct relay_beside_options){.settings = settings,
					      .settings_count = settings_count,
					      .brokers = serving->brokers,
					      .topics = serving->topics,
					      .prefix = option_text(options, "relay-prefix"),
					      .replication = (int)option_integer(options, "relay-replication")};
	return status;
}

/* Which engine leads is looked at, rather than told: it changes in many ways. */
static void on_relay_look(uv_timer_t *timer)
{
	struct serving *serving = timer->data;
	const struct writer *writer = engine_writer(serving->engine);
	relay_beside_lead(serving->relay, writer && writer_state(writer) == WRITER_LEADING);
}

static void start_relay(struct serving *serving)
{
	struct engine_status status;
	if (!*serving->brokers)
		return;
	engine_status(serving->engine, &status);
	serving->relay_options.journal = status.journal_url;
	serving->relay = relay_beside_start(&serving->relay_options);
	api_set_relay(serving->api, serving->relay);
	ENSURE(uv_timer_init(&serving->loop, &serving->relay_look) == 0);
	serving->relay_look.data = serving;
	uv_timer_start(&serving->relay_look, on_relay_look, RELAY_LOOK_MS, RELAY_LOOK_MS);
}

/* Commands of this machine that are given the data directory ask here: a wildcard is no address to ask, nor one that a certificate is for. */
static void tell_commands(const struct serving *serving)
{
	const char *host = serving->address.host;
	bool four = strcmp(host, "0.0.0.0") == 0, six = strcmp(host, "::") == 0;
	char url[sizeof serving->url];
	if (!four && !six) {
		served_tell(serving->data, serving->url);
		return;
	}
	snprintf(url, sizeof url, "%.*s%s:%u", (int)(strstr(serving->url, "://") + 3 - serving->url), serving->url,
		 four ? "127.0.0.1" : "[::1]", serving->port);
	served_tell(serving->data, url);
}

static void ready(void *context)
{
	struct serving *serving = context;
	tell_commands(serving);
	printf("listening on %s\n", serving->url);
	fflush(stdout);
	sd_notifyf(0, "READY=1\nSTATUS=serving at %s", serving->url);
	log_info("serve.listening", LOG_TEXT("host", serving->address.host), LOG_NUMBER("port", serving->port));
}

/* It answers reads on, and commands with 503, until somebody stops it: but who watches the process must see it end. */
static void failed(void *context, const struct error *error)
{
	struct serving *serving = context;
	serving->has_failed = true;
	serving->failure = *error;
	stop(serving);
}

static void gave_up(void *context)
{
	*(bool *)context = true;
}

/* A server that could not listen must be stopped all the same before it is freed. */
static void give_up_listening(struct serving *serving)
{
	bool is_done = false;
	http_server_stop(serving->server, 0, gave_up, &is_done);
	while (!is_done)
		uv_run(&serving->loop, UV_RUN_ONCE);
}

static enum ll_code listen_to(struct serving *serving, struct error *error)
{
	size_t count;
	struct http_options http_options = {.answered = api_answered, .tls = serving->tls.server};
	serving->api = api_new(serving->engine);
	http_options.answered_context = serving->api;
	if (serving->access) {
		api_set_access(serving->api, serving->access);
		http_options.admit = api_admit;
		http_options.admit_context = serving->api;
	}
	const struct http_route *routes = api_routes(serving->api, &count);
	serving->server = http_server_new(&serving->loop, routes, count, &http_options);
	api_set_server(serving->api, serving->server);
	enum ll_code code = http_server_listen(serving->server, &serving->address, &serving->port, error);
	if (code != LL_OK) {
		give_up_listening(serving);
		return code;
	}
	bool six = strchr(serving->address.host, ':') != NULL;
	snprintf(serving->url, sizeof serving->url, "%s://%s%s%s:%u", serving->tls.server ? "https" : "http",
		 six ? "[" : "", serving->address.host, six ? "]" : "", serving->port);
	const char *advertise = option_text(serving->options, "advertise");
	engine_set_address(serving->engine, advertise ? advertise : serving->url);
	return LL_OK;
}

static void watch_signals(struct serving *serving)
{
	signal(SIGPIPE, SIG_IGN);
	ENSURE(uv_signal_init(&serving->loop, &serving->terminate) == 0);
	ENSURE(uv_signal_init(&serving->loop, &serving->interrupt) == 0);
	ENSURE(uv_signal_init(&serving->loop, &serving->hand_over) == 0);
	ENSURE(uv_signal_init(&serving->loop, &serving->reload) == 0);
	serving->reload.data = serving;
	uv_signal_start(&serving->reload, on_reload, SIGHUP);
	serving->terminate.data = serving->interrupt.data = serving->hand_over.data = serving;
	uv_signal_start(&serving->hand_over, on_hand_over, SIGUSR1);
	uv_signal_start(&serving->terminate, on_signal, SIGTERM);
	uv_signal_start(&serving->interrupt, on_signal, SIGINT);
}

enum { FAR_BLOCKS = 64, LOG_FOLDING_S = 10 };

static struct progress *folding;

/* A start that takes long says so now and then, where no terminal shows it: as it begins, and how it goes on. */
static void log_folding(uint64_t offset, uint64_t end, time_t now)
{
	static time_t began, logged;
	static uint64_t from;
	if (offset + FAR_BLOCKS > end || (logged && now - logged < LOG_FOLDING_S))
		return;
	if (!logged) {
		began = now;
		from = offset;
	}
	log_info("serve.folding", LOG_NUMBER("offset", offset), LOG_NUMBER("end", end),
		 LOG_NUMBER("perSecond", now > began ? (offset - from) / (uint64_t)(now - began) : 0));
	logged = now;
}

/* A supervisor that waits for READY is told how far it is, too. */
static void on_folding(uint64_t offset, uint64_t end)
{
	static time_t told;
	time_t now = time(NULL);
	folding->total = end;
	progress_update(folding, offset);
	log_folding(offset, end, now);
	if (now != told)
		sd_notifyf(0, "STATUS=folding: %" PRIu64 " of %" PRIu64 " blocks", offset, end);
	told = now;
}

/* HH:MM -> minutes; -1: it is none. */
static int minute_of_day(const char *text)
{
	int hour, minute, used = 0;
	if (strlen(text) != 5 || text[2] != ':' || strspn(text, "0123456789:") != 5 ||
	    sscanf(text, "%2d:%2d%n", &hour, &minute, &used) != 2 || used != 5 || hour > 23 || minute > 59)
		return -1;
	return hour * 60 + minute;
}

static int take_plan(const struct options *options, struct snapshot_plan *plan)
{
	const char *daily = option_text(options, "snapshot-daily");
	*plan = (struct snapshot_plan){.every = (uint64_t)option_integer(options, "snapshot-every"),
				       .daily_minute = daily ? minute_of_day(daily) : -1,
				       .keep = (unsigned)option_integer(options, "snapshot-keep")};
	if (daily && plan->daily_minute < 0)
		return option_complain(options, EXIT_USAGE,
				       "--snapshot-daily takes a time of day like 03:30, in UTC, not %s", daily);
	return EXIT_DONE;
}

static enum ll_code open_engine(struct serving *serving, const struct options *options,
				const struct journal_option *settings, size_t settings_count, struct error *error)
{
	struct engine_options engine_options = {
		.data = option_text(options, "data"),
		.journal = option_text(options, "journal"),
		.settings = settings,
		.settings_count = settings_count,
		.secret = option_text(options, "secret"),
		.role = option_flag(options, "follow") ? ENGINE_FOLLOWS : ENGINE_STANDS_BY,
		.snapshots = serving->plan,
		.patience_ms = option_integer(options, "patience"),
	};
	struct progress progress;
	progress_begin(&progress, stderr, "folding", "blocks", 0);
	folding = &progress;
	enum ll_code code = engine_open(&serving->loop, &engine_options, on_folding, &serving->engine, error);
	progress_end(&progress);
	return code;
}

static enum ll_code close_all(struct serving *serving, struct error *error)
{
	enum ll_code code = LL_OK;
	relay_beside_stop(serving->relay);
	http_server_free(serving->server);
	api_free(serving->api);
	access_stop(serving->access);
	if (serving->engine)
		served_forget(serving->data);
	if (serving->engine)
		code = engine_close(serving->engine, error);
	while (uv_run(&serving->loop, UV_RUN_NOWAIT))
		continue;
	access_free(serving->access);
	serve_tls_close(&serving->tls);
	ENSURE(uv_loop_close(&serving->loop) == 0);
	return code;
}

static enum ll_code configure_log(const struct options *options, struct error *error)
{
	enum log_level level;
	enum ll_code code = log_level_parse(option_text(options, "log-level"), &level, error);
	if (code == LL_OK)
		log_configure(level, option_flag(options, "log-json") ? LOG_JSON : LOG_WORDS);
	return code;
}

static int run(const struct options *options, void *context)
{
	char room[SETTINGS_BYTES_MAX];
	struct journal_option settings[SETTINGS_MAX];
	struct serving serving = {.options = options};
	struct error error, closing;
	(void)context;
	int settings_count = command_settings(options, settings, room);
	if (settings_count < 0 || take_plan(options, &serving.plan) != EXIT_DONE)
		return EXIT_USAGE;
	enum ll_code code = configure_log(options, &error);
	if (code == LL_OK)
		code = http_address_resolve(option_text(options, "listen"), &serving.address, &error);
	if (code != LL_OK)
		return command_failed(options, &error);
	int status = check_access(&serving);
	if (status == EXIT_DONE)
		status = take_relay(&serving, settings, (size_t)settings_count);
	if (status == EXIT_DONE)
		status = serve_tls_check(options);
	if (status != EXIT_DONE)
		return status;
	serving.data = option_text(options, "data");
	ENSURE(uv_loop_init(&serving.loop) == 0);
	code = open_access(&serving, &error);
	if (code == LL_OK)
		code = serve_tls_open(options, &serving.tls, &error);
	if (code == LL_OK)
		code = open_engine(&serving, options, settings, (size_t)settings_count, &error);
	if (code == LL_OK)
		code = read_peer_key(&serving, &error);
	if (code == LL_OK && (status = check_peers(&serving)) != EXIT_DONE) {
		(void)close_all(&serving, &closing);
		return status;
	}
	if (code == LL_OK) {
		engine_set_peer_tls(serving.engine, serving.tls.peers);
		served_forget(serving.data); /* one that was killed has left it */
		code = listen_to(&serving, &error);
	}
	if (code == LL_OK) {
		watch_signals(&serving);
		start_relay(&serving);
		engine_start(serving.engine, ready, failed, &serving);
		uv_run(&serving.loop, UV_RUN_DEFAULT);
		if (serving.has_failed) {
			error = serving.failure;
			code = error.code;
		}
	}
	if (close_all(&serving, &closing) != LL_OK && code == LL_OK) {
		error = closing;
		code = closing.code;
	}
	return code == LL_OK ? EXIT_DONE : command_failed(options, &error);
}

static const struct option options[] = {
	OPTION_DATA,
	OPTION_JOURNAL,
	OPTION_KAFKA,
	{.name = "listen",
	 .kind = OPTION_TEXT,
	 .value = "HOST:PORT",
	 .standard = "127.0.0.1:8080",
	 .help = "where to serve HTTP; port 0 picks one"},
	{.name = "keys",
	 .kind = OPTION_TEXT,
	 .value = "FILE",
	 .help = "access keys, made by `ledgerline keys add`: without them it listens on loopback, for everybody there"},
	{.name = "peer-key",
	 .kind = OPTION_TEXT,
	 .value = "FILE",
	 .help = "the access key, of role operator, that the engines of one journal show one another"},
	{.name = "advertise",
	 .kind = OPTION_TEXT,
	 .value = "URL",
	 .help = "where other engines reach this one, when that is not what it listens on: http://HOST:PORT\nor https://HOST:PORT"},
	OPTIONS_SERVE_TLS,
	{.name = "secret",
	 .kind = OPTION_TEXT,
	 .value = "FILE",
	 .help = "64 hexadecimal digits, the same for all engines of one journal: signs waiting-room tokens"},
	{.name = "follow",
	 .kind = OPTION_FLAG,
	 .help = "never claim the journal: answer reads, send commands on to the leader"},
	{.name = "patience",
	 .kind = OPTION_INTEGER,
	 .value = "MS",
	 .standard = "1500",
	 .min = 100,
	 .max = 600000,
	 .help = "how long a leader may be silent before a standby takes over"},
	{.name = "snapshot-every",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "0",
	 .min = 0,
	 .max = 1000000000000,
	 .help = "take a snapshot after so many entries; 0: not by entries"},
	{.name = "snapshot-daily",
	 .kind = OPTION_TEXT,
	 .value = "HH:MM",
	 .help = "take a snapshot each day at this time, UTC; not given: not by day"},
	{.name = "snapshot-keep",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "16",
	 .min = 1,
	 .max = 10000,
	 .help = "at most so many snapshots stay when one is taken so, spread over the journal; the newest always does"},
	{.name = "relay",
	 .kind = OPTION_TEXT,
	 .value = "URL",
	 .help = "kafka://HOST:PORT[,...]: publish events on topics there while this engine leads, as `ledgerline relay` does"},
	{.name = "relay-prefix",
	 .kind = OPTION_TEXT,
	 .value = "P",
	 .standard = "",
	 .help = "before the names of all topics of --relay"},
	{.name = "relay-map",
	 .kind = OPTION_LIST,
	 .value = "TYPE=TOPIC",
	 .help = "events of this type go to that topic (a prefix is not added)"},
	{.name = "relay-replication",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .min = 1,
	 .max = 32,
	 .help = "replicas of topics that --relay makes; else three, or as many as there are brokers"},
	{.name = "log-level",
	 .kind = OPTION_TEXT,
	 .value = "LEVEL",
	 .standard = "info",
	 .help = "debug, info, warn or error"},
	{.name = "log-json", .kind = OPTION_FLAG, .help = "log JSON instead of words"},
	OPTION_CONFIG,
	{0},
};

const struct cli_command command_serve = {
	.name = "serve",
	.summary = "the engine: decide, journal, fold, answer",
	.description =
		"Opens the data directory (made when it is not there), folds the journal to its end, claims it, and serves\n"
		"the HTTP API. Prints `listening on http://HOST:PORT` (with --tls-cert, https://) on standard output once commands are taken.\n"
		"Where another engine leads the journal, it stands by: it answers reads, sends commands on to the leader, and\n"
		"claims the journal when the leader is gone.\n"
		"SIGTERM and SIGINT: hand the lead to a standby if there is one, finish what was taken, sync, exit 0. SIGUSR1: hand\n"
		"the lead to a standby, and stand by. SIGHUP: read the files of --keys, --peer-key, --tls-cert, --tls-key and --tls-ca\n"
		"again; the first is also read when it changes.",
	.options = options,
	.exits = "3: the journal or the directory must not or cannot be served; the reason is on standard error",
	.run = run,
};
