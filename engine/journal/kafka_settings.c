/*
 * URLs and settings of the Kafka journal: what a user may say, and what the protocol owns.
 *
 * Owned settings carry the safety of the log (acknowledgements, idempotence, one request in flight, no silent skip to
 * another offset, no deadline of the client's own); a user's word on them is refused by name rather than overruled in silence.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/journal/kafka.h"
#include "engine/journal/kafka_client.h"
#include "schemas/wire/ensure.h"

/* ---- settings ---- */

static const struct kafka_setting owned_by_all[] = {
	{"allow.auto.create.topics", "false"},
	{"api.version.request", "true"},
	{NULL, NULL},
};

/* The user may give others for these. */
static const struct kafka_setting defaults_of_all[] = {
	{"client.id", "ledgerline"},
	{"socket.nagle.disable", "true"},
	{"reconnect.backoff.ms", "50"},
	{"reconnect.backoff.max.ms", "500"},
	/* A broker that stands still, or that the others do not see any more, says nothing of its successor: who leads is asked for. */
	{"topic.metadata.refresh.interval.ms", "1000"},
	/* ... and a connection that is taken up by its machine alone is given up. */
	{"api.version.request.timeout.ms", "1500"},
	{NULL, NULL},
};

static const struct kafka_setting owned_by_readers[] = {
	{"auto.offset.reset", "error"},
	{"enable.partition.eof", "true"},
	{"enable.auto.commit", "false"},
	{"enable.auto.offset.store", "false"},
	{"check.crcs", "true"},
	/* Whoever may write with transactions must not be able to hold readers up with one that stays open. */
	{"isolation.level", "read_uncommitted"},
	{NULL, NULL},
};

static const struct kafka_setting defaults_of_readers[] = {
	{"fetch.message.max.bytes", "8388608"},
	{"fetch.max.bytes", "67108864"},
	{"fetch.wait.max.ms", "10"},
	{"fetch.error.backoff.ms", "50"},
	{"socket.timeout.ms", "5000"},
	{"queued.min.messages", "200000"},
	{"queued.max.messages.kbytes", "65536"},
	{NULL, NULL},
};

/* Single records are read with this client: it must not prefetch megabytes behind them. Asking a broker that stands still for
 * watermarks ends only with the socket's timeout, and that three times over, whatever time was given (before 2.3). */
static const struct kafka_setting defaults_of_questions[] = {
	{"fetch.message.max.bytes", "65536"},
	{"fetch.wait.max.ms", "10"},
	{"fetch.error.backoff.ms", "10"},
	{"socket.timeout.ms", "1500"},
	{"queued.min.messages", "1"},
	{"queued.max.messages.kbytes", "2048"},
	{NULL, NULL},
};

static const struct kafka_setting owned_by_appenders[] = {
	{"acks", "all"},
	{"enable.idempotence", "true"},
	{"max.in.flight.requests.per.connection", "1"},
	{"linger.ms", "0"},
	{"message.timeout.ms", "0"},
	/* The largest value, its headers and the batch around it. */
	{"message.max.bytes", "1179648"},
	{NULL, NULL},
};

static const struct kafka_setting defaults_of_appenders[] = {
	{"compression.codec", "lz4"},
	/* A block that a broker which stands still has got is sent to its successor: the producer's number keeps it single. */
	{"socket.timeout.ms", "3000"},
	{NULL, NULL},
};

/* Other names of the above, and what is of no use but to break something. */
static const char *const owned_too[] = {
	"bootstrap.servers", "metadata.broker.list",     "request.required.acks",
	"max.in.flight",     "queue.buffering.max.ms",   "delivery.timeout.ms",
	"transactional.id",  "transaction.timeout.ms",   "enable.gapless.guarantee",
	"retries",           "message.send.max.retries", "auto.commit.enable",
	"group.id",          "group.instance.id",
};

static const struct kafka_setting *const owned[] = {owned_by_all, owned_by_readers, owned_by_appenders};

bool kafka_setting_among(const char *name, const struct kafka_setting *const *lists, size_t lists_count,
			 const char *const *others, size_t others_count)
{
	for (size_t i = 0; i < lists_count; i++)
		for (const struct kafka_setting *setting = lists[i]; setting->name; setting++)
			if (strcmp(setting->name, name) == 0)
				return true;
	for (size_t i = 0; i < others_count; i++)
		if (strcmp(others[i], name) == 0)
			return true;
	return false;
}

static bool is_owned(const char *name)
{
	return kafka_setting_among(name, owned, sizeof owned / sizeof *owned, owned_too,
				   sizeof owned_too / sizeof *owned_too);
}

void kafka_conf_set_all(rd_kafka_conf_t *conf, const struct kafka_setting *settings)
{
	char reason[256];
	for (; settings->name; settings++)
		ENSURE(rd_kafka_conf_set(conf, settings->name, settings->value, reason, sizeof reason) ==
		       RD_KAFKA_CONF_OK);
}

enum ll_code kafka_conf_set_one(rd_kafka_conf_t *conf, const struct journal_option *setting, struct error *error)
{
	char reason[256];
	switch (rd_kafka_conf_set(conf, setting->name, setting->value, reason, sizeof reason)) {
	case RD_KAFKA_CONF_OK: return LL_OK;
	case RD_KAFKA_CONF_UNKNOWN:
		return error_set(error, LL_USAGE, "the Kafka client has no setting \"%s\"", setting->name);
	default: return error_set(error, LL_USAGE, "the Kafka client refuses %s: %s", setting->name, reason);
	}
}

static enum ll_code set_by_user(rd_kafka_conf_t *conf, const struct journal_option *setting, struct error *error)
{
	ENSURE(setting->name && setting->value);
	if (is_owned(setting->name))
		return error_set(error, LL_USAGE,
				 "the Kafka setting \"%s\" belongs to the journal's protocol: leave it out",
				 setting->name);
	return kafka_conf_set_one(conf, setting, error);
}

enum ll_code kafka_conf_new(const struct kafka_address *address, enum kafka_role role, rd_kafka_conf_t **made,
			    struct error *error)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char reason[256];
	enum ll_code code = LL_OK;
	/* Newer clients sleep this long when their queue is full; older ones do not know it and are woken (kafka_reader.c). */
	(void)rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "1", reason, sizeof reason);
	kafka_conf_set_all(conf, defaults_of_all);
	kafka_conf_set_all(conf, role == KAFKA_APPENDER ? defaults_of_appenders
				 : role == KAFKA_READER ? defaults_of_readers
							: defaults_of_questions);
	for (size_t i = 0; i < address->settings_count && code == LL_OK; i++)
		code = set_by_user(conf, &address->settings[i], error);
	kafka_conf_set_all(conf, owned_by_all);
	kafka_conf_set_all(conf, role == KAFKA_APPENDER ? owned_by_appenders : owned_by_readers);
	if (code == LL_OK &&
	    rd_kafka_conf_set(conf, "bootstrap.servers", address->brokers, reason, sizeof reason) != RD_KAFKA_CONF_OK)
		code = error_set(error, LL_USAGE, "the brokers \"%s\": %s", address->brokers, reason);
	if (code != LL_OK)
		rd_kafka_conf_destroy(conf);
	else
		*made = conf;
	return code;
}

/* ---- URLs ---- */

static enum ll_code bad_url(const char *rest, const char *why, struct error *error)
{
	return error_set(error, LL_USAGE, "\"kafka:%s\" is no journal URL (%s): give kafka://HOST:PORT,HOST:PORT/NAME",
			 rest, why);
}

/* HOST:PORT, with [::1]:PORT for addresses that hold colons. */
static bool is_broker(const char *at, size_t size)
{
	size_t colon = size;
	while (colon > 0 && at[colon - 1] != ':')
		colon--;
	if (colon < 2 || colon == size || size - colon > 5)
		return false;
	unsigned port = 0;
	for (size_t i = colon; i < size; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		port = port * 10 + (unsigned)(at[i] - '0');
	}
	if (port == 0 || port > 65535)
		return false;
	size_t host = colon - 1;
	if (at[0] == '[')
		return host > 2 && at[host - 1] == ']';
	for (size_t i = 0; i < host; i++)
		if (at[i] <= ' ' || at[i] > '~' || strchr(":/@[]\"", at[i]))
			return false;
	return true;
}

bool kafka_are_brokers(const char *list, size_t size)
{
	for (const char *at = list, *last = list + size; at <= last;) {
		const char *comma = memchr(at, ',', (size_t)(last - at)), *end = comma ? comma : last;
		if (!is_broker(at, (size_t)(end - at)))
			return false;
		at = end + 1;
	}
	return true;
}

static bool is_name(const char *name)
{
	size_t size = strlen(name);
	return size > 0 && size + sizeof ".journal" - 1 <= 249 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == size;
}

static enum ll_code parse(struct kafka_address *address, const char *rest, struct error *error)
{
	const char *brokers = rest + 2, *slash;
	if (strncmp(rest, "//", 2) != 0 || !(slash = strchr(brokers, '/')))
		return bad_url(rest, "brokers and a name are missing", error);
	if (!kafka_are_brokers(brokers, (size_t)(slash - brokers)))
		return bad_url(rest, "a broker is HOST:PORT", error);
	if (!is_name(slash + 1))
		return bad_url(rest, "a name has letters, digits, dots, dashes and underlines, at most 241", error);
	snprintf(address->brokers, sizeof address->brokers, "%.*s", (int)(slash - brokers), brokers);
	snprintf(address->topic, sizeof address->topic, "%s.journal", slash + 1);
	return LL_OK;
}

enum ll_code kafka_address_init(struct kafka_address *address, const char *rest, const struct journal_options *options,
				struct error *error)
{
	*address = (struct kafka_address){0};
	enum ll_code code = parse(address, rest, error);
	if (code != LL_OK)
		return code;
	address->settings = calloc(options->settings_count + 1, sizeof *address->settings);
	ENSURE(address->settings);
	for (size_t i = 0; i < options->settings_count; i++) {
		struct journal_option *copy = &address->settings[address->settings_count++];
		copy->name = strdup(options->settings[i].name);
		copy->value = strdup(options->settings[i].value);
		ENSURE(copy->name && copy->value);
	}
	rd_kafka_conf_t *conf = NULL;
	code = kafka_conf_new(address, KAFKA_READER, &conf, error);
	if (code == LL_OK)
		rd_kafka_conf_destroy(conf);
	return code;
}

void kafka_address_release(struct kafka_address *address)
{
	for (size_t i = 0; i < address->settings_count; i++) {
		free((char *)address->settings[i].name);
		free((char *)address->settings[i].value);
	}
	free(address->settings);
	*address = (struct kafka_address){0};
}
