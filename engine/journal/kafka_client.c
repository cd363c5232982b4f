/*
 * One Kafka client: opened, closed, its complaints kept and its errors put into the port's words.
 *
 * Nothing that the client has to say goes to standard error; it goes to the hook of kafka.h, and the last complaint is kept
 * to explain a failure with ("connection refused" says more than "timed out").
 */
#include "engine/journal/kafka_client.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/journal/kafka.h"
#include "schemas/wire/ensure.h"

static struct {
	pthread_mutex_t lock;
	journal_kafka_log_fn *hook;
	void *context;
} logging = {.lock = PTHREAD_MUTEX_INITIALIZER};

void journal_kafka_log(journal_kafka_log_fn *hook, void *context)
{
	pthread_mutex_lock(&logging.lock);
	logging.hook = hook;
	logging.context = context;
	pthread_mutex_unlock(&logging.lock);
}

static void complain(struct kafka_client *client, const char *text)
{
	pthread_mutex_lock(&client->lock);
	snprintf(client->last_error, sizeof client->last_error, "%s", text);
	pthread_mutex_unlock(&client->lock);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	enum { LEVEL_ERROR = 3 };
	struct kafka_client *client = rd_kafka_opaque(rk);
	if (level <= LEVEL_ERROR && client)
		complain(client, text);
	pthread_mutex_lock(&logging.lock);
	if (logging.hook)
		logging.hook(logging.context, level, facility, text);
	pthread_mutex_unlock(&logging.lock);
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	struct kafka_client *client = opaque;
	(void)rk;
	if (err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		complain(client, reason);
	if (err == RD_KAFKA_RESP_ERR__AUTHENTICATION || err == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED)
		client->not_authenticated = true;
	if (client->on_error)
		client->on_error(client->context, (rd_kafka_resp_err_t)err, reason);
}

void kafka_client_complaint(struct kafka_client *client, char text[KAFKA_TEXT_MAX])
{
	pthread_mutex_lock(&client->lock);
	memcpy(text, client->last_error, KAFKA_TEXT_MAX);
	pthread_mutex_unlock(&client->lock);
	if (!text[0])
		snprintf(text, KAFKA_TEXT_MAX, "no answer");
}

enum ll_code kafka_client_open(struct kafka_client *client, const struct kafka_address *address, enum kafka_role role,
			       kafka_error_fn *hook, void *context, bool with_topic, struct error *error)
{
	rd_kafka_conf_t *conf = NULL;
	char reason[256];
	enum ll_code code = kafka_conf_new(address, role, &conf, error);
	if (code != LL_OK)
		return code;
	*client = (struct kafka_client){.address = address, .on_error = hook, .context = context};
	pthread_mutex_init(&client->lock, NULL);
	rd_kafka_conf_set_opaque(conf, client);
	rd_kafka_conf_set_log_cb(conf, on_log);
	if (role == KAFKA_APPENDER)
		rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
	else
		rd_kafka_conf_set_error_cb(conf, on_error);
	client->rk = rd_kafka_new(role == KAFKA_APPENDER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, reason,
				  sizeof reason);
	if (!client->rk) {
		rd_kafka_conf_destroy(conf);
		pthread_mutex_destroy(&client->lock);
		return error_set(error, LL_USAGE, "the Kafka client does not start: %s", reason);
	}
	if (with_topic) {
		client->topic = rd_kafka_topic_new(client->rk, address->topic, NULL);
		ENSURE(client->topic);
	}
	return LL_OK;
}

void kafka_client_close(struct kafka_client *client)
{
	if (client->topic)
		rd_kafka_topic_destroy(client->topic);
	rd_kafka_destroy(client->rk);
	pthread_mutex_destroy(&client->lock);
	client->rk = NULL;
	client->topic = NULL;
}

enum ll_code kafka_code(rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR_NO_ERROR: return LL_OK;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE: return LL_TOO_LARGE;
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
	case RD_KAFKA_RESP_ERR__AUTHENTICATION: return LL_DENIED;
	case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
	case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
	case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
	case RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS:
	case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
	case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
	case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
	case RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE:
	case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
	case RD_KAFKA_RESP_ERR__INVALID_ARG: return LL_SETTINGS;
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: return LL_NOT_FOUND;
	case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS: return LL_EXISTS;
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET: return LL_DIVERGED;
	case RD_KAFKA_RESP_ERR__BAD_MSG:
	case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
	case RD_KAFKA_RESP_ERR_INVALID_MSG: return LL_CORRUPT;
	default: return LL_UNAVAILABLE;
	}
}

enum ll_code kafka_fail(struct kafka_client *client, rd_kafka_resp_err_t err, const char *what, struct error *error)
{
	char complaint[KAFKA_TEXT_MAX];
	enum ll_code code = client->not_authenticated ? LL_DENIED : kafka_code(err);
	ENSURE(err != RD_KAFKA_RESP_ERR_NO_ERROR);
	if (code == LL_NOT_FOUND)
		return error_set(error, code, "there is no topic %s on %s: make it with `ledgerline journal create`",
				 client->address->topic, client->address->brokers);
	kafka_client_complaint(client, complaint);
	return error_set(error, code, "%s %s on %s failed: %s (%s)", what, client->address->topic,
			 client->address->brokers, rd_kafka_err2str(err), complaint);
}

int64_t kafka_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
