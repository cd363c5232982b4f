#include "engine/relay/kafka_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/journal/kafka_client.h"
#include "engine/log/log.h"
#include "schemas/wire/ensure.h"

enum { CLOSE_SECONDS = 2 };

static const struct kafka_setting defaults_of_all[] = {
	{"client.id", "ledgerline"},
	{"socket.nagle.disable", "true"},
	{"reconnect.backoff.ms", "50"},
	{"reconnect.backoff.max.ms", "2000"},
	{NULL, NULL},
};

static const struct kafka_setting owned_by_all[] = {
	{"allow.auto.create.topics", "false"},
	{NULL, NULL},
};

static const struct kafka_setting defaults_of_producers[] = {
	{"compression.codec", "gzip"}, /* which clients of all languages read */
	{"linger.ms", "2"},
	{"queue.buffering.max.kbytes", "131072"},
	{NULL, NULL},
};

/* With one request in flight a producer survives lost answers of a broker that dies; with several it ends itself. */
static const struct kafka_setting owned_by_producers[] = {
	{"acks", "all"},
	{"enable.idempotence", "true"},
	{"max.in.flight.requests.per.connection", "1"},
	{"message.timeout.ms", "0"},
	{"message.max.bytes", "8388608"},
	{"partitioner", "murmur2_random"}, /* as Java's clients place keys, where no partition is given */
	{NULL, NULL},
};

static const struct kafka_setting defaults_of_consumers[] = {
	{"fetch.wait.max.ms", "20"},
	{"fetch.error.backoff.ms", "50"},
	{"queued.max.messages.kbytes", "16384"},
	{NULL, NULL},
};

static const struct kafka_setting owned_by_readers[] = {
	{"group.id", "ledgerline-reader"}, /* never joined */
	{"auto.offset.reset", "error"},    {"isolation.level", "read_committed"}, {"enable.partition.eof", "true"},
	{"enable.auto.commit", "false"},   {"enable.auto.offset.store", "false"}, {NULL, NULL},
};

static const struct kafka_setting owned_by_askers[] = {
	{"isolation.level", "read_uncommitted"},
	{NULL, NULL},
};

static const struct kafka_setting owned_by_members[] = {
	{"auto.offset.reset", "earliest"},     {"isolation.level", "read_committed"}, {"enable.auto.commit", "false"},
	{"enable.auto.offset.store", "false"}, {"statistics.interval.ms", "1000"},    {NULL, NULL},
};

/* Other names of the above, and what is of no use here but to break something. */
static const char *const owned_too[] = {
	"bootstrap.servers", "metadata.broker.list",     "request.required.acks",
	"max.in.flight",     "delivery.timeout.ms",      "transactional.id",
	"retries",           "message.send.max.retries", "enable.gapless.guarantee",
};

static const struct kafka_setting *const owned[] = {owned_by_all, owned_by_producers, owned_by_readers,
						    owned_by_members};

static bool is_owned(const char *name)
{
	return kafka_setting_among(name, owned, sizeof owned / sizeof *owned, owned_too,
				   sizeof owned_too / sizeof *owned_too);
}

static enum ll_code set_by_user(rd_kafka_conf_t *conf, const struct journal_option *setting, struct error *error)
{
	if (is_owned(setting->name))
		return error_set(error, LL_USAGE, "the Kafka setting \"%s\" is not for you to set here: leave it out",
				 setting->name);
	return kafka_conf_set_one(conf, setting, error);
}

/* ---- what the client says ---- */

/* What every callback is given. It lives as long as the client of librdkafka, whose threads may outlive ours. */
struct outside_said {
	struct outside_client *client; /* for callbacks of polling alone */
	pthread_mutex_t lock;
	char last_error[OUTSIDE_TEXT_MAX]; /* guarded by lock */
	bool not_authenticated;
};

static void said_free(struct outside_said *said)
{
	pthread_mutex_destroy(&said->lock);
	free(said);
}

static void complain(struct outside_said *said, const char *text)
{
	pthread_mutex_lock(&said->lock);
	snprintf(said->last_error, sizeof said->last_error, "%s", text);
	pthread_mutex_unlock(&said->lock);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	enum { LEVEL_ERROR = 3 };
	struct outside_said *said = rd_kafka_opaque(rk);
	if (level <= LEVEL_ERROR && said)
		complain(said, text);
	log_debug("kafka", LOG_TEXT("facility", facility), LOG_TEXT("text", text));
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	struct outside_said *said = opaque;
	(void)rk;
	if (err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		complain(said, reason);
	if (err == RD_KAFKA_RESP_ERR__AUTHENTICATION || err == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED)
		said->not_authenticated = true;
}

static void on_delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct outside_client *client = ((struct outside_said *)opaque)->client;
	(void)rk;
	client->delivered(client->context, message);
}

static void on_rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions,
			  void *opaque)
{
	struct outside_client *client = ((struct outside_said *)opaque)->client;
	(void)rk;
	client->rebalanced(client->context, err, partitions);
}

static int on_counted(rd_kafka_t *rk, char *json, size_t size, void *opaque)
{
	struct outside_client *client = ((struct outside_said *)opaque)->client;
	(void)rk;
	client->counted(client->context, slice_of(json, size));
	return 0; /* the client lets go of it */
}

/* ---- its life ---- */

static bool is_producer(enum outside_role role)
{
	return role == OUTSIDE_PRODUCER || role == OUTSIDE_TRANSACTOR;
}

static enum ll_code conf_new(struct outside_client *client, enum outside_role role, const char *name,
			     rd_kafka_conf_t **made, struct error *error)
{
	const struct outside *outside = client->outside;
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char reason[256];
	enum ll_code code = LL_OK;
	(void)rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "1", reason, sizeof reason); /* newer clients */
	kafka_conf_set_all(conf, defaults_of_all);
	kafka_conf_set_all(conf, is_producer(role) ? defaults_of_producers : defaults_of_consumers);
	for (size_t i = 0; i < outside->settings_count && code == LL_OK; i++)
		code = set_by_user(conf, &outside->settings[i], error);
	kafka_conf_set_all(conf, owned_by_all);
	kafka_conf_set_all(conf, is_producer(role)        ? owned_by_producers
				 : role == OUTSIDE_MEMBER ? owned_by_members
							  : owned_by_readers);
	if (role == OUTSIDE_ASKER)
		kafka_conf_set_all(conf, owned_by_askers);
	if (code == LL_OK &&
	    rd_kafka_conf_set(conf, "bootstrap.servers", outside->brokers, reason, sizeof reason) != RD_KAFKA_CONF_OK)
		code = error_set(error, LL_USAGE, "the brokers \"%s\": %s", outside->brokers, reason);
	const char *naming = role == OUTSIDE_TRANSACTOR ? "transactional.id" : "group.id";
	if (code == LL_OK && name && rd_kafka_conf_set(conf, naming, name, reason, sizeof reason) != RD_KAFKA_CONF_OK)
		code = error_set(error, LL_USAGE, "the %s \"%s\": %s", naming, name, reason);
	if (code != LL_OK)
		rd_kafka_conf_destroy(conf);
	else
		*made = conf;
	return code;
}

static void listen_to(struct outside_client *client, rd_kafka_conf_t *conf)
{
	client->said = calloc(1, sizeof *client->said);
	ENSURE(client->said);
	client->said->client = client;
	pthread_mutex_init(&client->said->lock, NULL);
	rd_kafka_conf_set_opaque(conf, client->said);
	rd_kafka_conf_set_log_cb(conf, on_log);
	rd_kafka_conf_set_error_cb(conf, on_error);
	if (client->delivered)
		rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
	if (client->rebalanced)
		rd_kafka_conf_set_rebalance_cb(conf, on_rebalanced);
	if (client->counted)
		rd_kafka_conf_set_stats_cb(conf, on_counted);
}

enum ll_code outside_open(struct outside_client *client, const struct outside *outside, enum outside_role role,
			  const char *name, struct error *error)
{
	char reason[256];
	rd_kafka_conf_t *conf = NULL;
	client->outside = outside;
	enum ll_code code = conf_new(client, role, name, &conf, error);
	if (code != LL_OK)
		return code;
	listen_to(client, conf);
	client->rk =
		rd_kafka_new(is_producer(role) ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
	if (!client->rk) {
		rd_kafka_conf_destroy(conf);
		said_free(client->said);
		return error_set(error, LL_USAGE, "the Kafka client does not start: %s", reason);
	}
	if (!is_producer(role))
		rd_kafka_poll_set_consumer(client->rk);
	return LL_OK;
}

/* ---- its end ---- */

/* Shared by who waits for the end and the thread that makes it: who is the last frees it. */
struct closing {
	rd_kafka_t *rk;
	struct outside_said *said;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool ended, left; /* left: nobody waits */
};

static void closing_free(struct closing *closing)
{
	pthread_cond_destroy(&closing->changed);
	pthread_mutex_destroy(&closing->lock);
	free(closing);
}

/* Without a consumer's own farewell to its group: members have said theirs. */
static void end_client(rd_kafka_t *rk, struct outside_said *said)
{
	rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	said_free(said);
}

static void *end_in_time(void *context)
{
	struct closing *closing = context;
	end_client(closing->rk, closing->said);
	pthread_mutex_lock(&closing->lock);
	closing->ended = true;
	bool left = closing->left;
	pthread_cond_signal(&closing->changed);
	pthread_mutex_unlock(&closing->lock);
	if (left)
		closing_free(closing);
	return NULL;
}

static struct closing *closing_new(const struct outside_client *client)
{
	struct closing *closing = calloc(1, sizeof *closing);
	pthread_condattr_t monotonic;
	ENSURE(closing);
	closing->rk = client->rk;
	closing->said = client->said;
	pthread_mutex_init(&closing->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&closing->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return closing;
}

/* A consumer whose commit waits for the group's coordinator ends when that has had session.timeout.ms to come back. */
static void end_or_leave(struct outside_client *client)
{
	struct closing *closing = closing_new(client);
	struct timespec until;
	pthread_t thread;
	ENSURE(pthread_create(&thread, NULL, end_in_time, closing) == 0);
	pthread_detach(thread);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CLOSE_SECONDS;
	pthread_mutex_lock(&closing->lock);
	while (!closing->ended)
		if (pthread_cond_timedwait(&closing->changed, &closing->lock, &until))
			break;
	bool ended = closing->ended;
	closing->left = !ended;
	pthread_mutex_unlock(&closing->lock);
	if (ended)
		closing_free(closing);
	else
		log_debug("kafka", LOG_TEXT("text", "a client that waits for its brokers is left"));
}

void outside_close(struct outside_client *client)
{
	if (outside_is_stopping(client))
		end_or_leave(client);
	else
		end_client(client->rk, client->said);
	client->rk = NULL;
	client->said = NULL;
}

/* ---- asking ---- */

int64_t outside_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool outside_is_stopping(const struct outside_client *client)
{
	return client->outside->stop && atomic_load(client->outside->stop);
}

int outside_slice_ms(const struct outside_client *client, unsigned try)
{
	static const int slices_ms[] = {1000, 2000, 3000, 4000};
	_Static_assert(OUTSIDE_ASK_MS == 1000 + 2000 + 3000 + 4000, "all of them");
	return try < sizeof slices_ms / sizeof *slices_ms && !outside_is_stopping(client) ? slices_ms[try] : 0;
}

bool outside_is_silent(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR__TIMED_OUT || err == RD_KAFKA_RESP_ERR__TRANSPORT;
}

rd_kafka_event_t *outside_await(const struct outside_client *client, rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event = NULL;
	while (!event && !outside_is_stopping(client))
		event = rd_kafka_queue_poll(queue, OUTSIDE_LOOK_MS);
	return event;
}

static enum ll_code code_of(rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE: return LL_TOO_LARGE;
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
	case RD_KAFKA_RESP_ERR__AUTHENTICATION: return LL_DENIED;
	case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
	case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
	case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD: return LL_SETTINGS;
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: return LL_NOT_FOUND;
	/* Another producer has begun under the same transactional id. */
	case RD_KAFKA_RESP_ERR__FENCED:
	case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
	case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH: return LL_BUSY;
	default: return LL_UNAVAILABLE;
	}
}

enum ll_code outside_fail(struct outside_client *client, rd_kafka_resp_err_t err, const char *what, struct error *error)
{
	char complaint[OUTSIDE_TEXT_MAX];
	struct outside_said *said = client->said;
	pthread_mutex_lock(&said->lock);
	memcpy(complaint, said->last_error, sizeof complaint);
	pthread_mutex_unlock(&said->lock);
	return error_set(error, said->not_authenticated ? LL_DENIED : code_of(err), "%s on %s failed: %s (%s)", what,
			 client->outside->brokers, rd_kafka_err2str(err), complaint[0] ? complaint : "no answer");
}

bool message_header(const rd_kafka_message_t *message, const char *name, struct slice *value)
{
	rd_kafka_headers_t *headers = NULL;
	const void *at = NULL;
	size_t size = 0;
	if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
	    rd_kafka_header_get_last(headers, name, &at, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	*value = slice_of(at, size);
	return true;
}
