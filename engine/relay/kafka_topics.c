/*
 * Public topics: made when they are not there, and looked at when they are.
 *
 * What is wrong is what would lose events or could not carry them; a topic with more partitions or a longer memory than ours has is
 * somebody's wish.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/log/log.h"
#include "engine/relay/kafka_client.h"
#include "schemas/wire/ensure.h"

#define RECORD_BYTES_TEXT "8388608"
enum {
	REPLICAS_WANTED = 3,
	ADMIN_MS = 15000,
	WEEK_MS = 7 * 24 * 3600 * 1000,
	RECORD_BYTES = OUTSIDE_RECORD_BYTES_MAX,
	RECORD_BYTES_LEAST = 1048576,
	AWAIT_MS = 5000,
	AWAIT_POLL_MS = 50,
};

/* `topic` NULL: about brokers alone. */
static rd_kafka_resp_err_t ask(struct outside_client *client, rd_kafka_topic_t *topic,
			       const struct rd_kafka_metadata **metadata)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TIMED_OUT;
	int ms;
	for (unsigned i = 0; outside_is_silent(err) && (ms = outside_slice_ms(client, i)); i++) {
		err = rd_kafka_metadata(client->rk, 0, topic, metadata, ms);
		rd_kafka_poll(client->rk, 0);
	}
	return err;
}

static enum ll_code count_brokers(struct outside_client *client, int *count, struct error *error)
{
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t err = ask(client, NULL, &metadata);
	if (err)
		return outside_fail(client, err, "asking for brokers", error);
	*count = metadata->broker_cnt;
	rd_kafka_metadata_destroy(metadata);
	return LL_OK;
}

enum ll_code topic_partitions(struct outside_client *client, const char *topic, int *partitions, struct error *error)
{
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_topic_t *handle = rd_kafka_topic_new(client->rk, topic, NULL);
	ENSURE(handle);
	rd_kafka_resp_err_t err = ask(client, handle, &metadata);
	if (!err) {
		err = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
		*partitions = err ? 0 : metadata->topics[0].partition_cnt;
		if (!err && *partitions < 1)
			err = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
		rd_kafka_metadata_destroy(metadata);
	}
	rd_kafka_topic_destroy(handle);
	if (!err)
		return LL_OK;
	if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		return error_set(
			error, LL_NOT_FOUND,
			"there is no topic %s on %s: make it with kafka-topics.sh --create --topic %s --bootstrap-server %s",
			topic, client->outside->brokers, topic, client->outside->brokers);
	char what[OUTSIDE_TOPIC_MAX + 32];
	snprintf(what, sizeof what, "asking for the topic %s", topic);
	return outside_fail(client, err, what, error);
}

enum ll_code topic_await(struct outside_client *client, const char *topic, int *partitions, struct error *error)
{
	int64_t deadline = outside_now_ms() + AWAIT_MS;
	for (;;) {
		enum ll_code code = topic_partitions(client, topic, partitions, error);
		bool may_come = code == LL_NOT_FOUND || code == LL_UNAVAILABLE;
		if (!may_come || outside_now_ms() >= deadline || outside_is_stopping(client))
			return code;
		rd_kafka_poll(client->rk, AWAIT_POLL_MS);
	}
}

/* ---- making ---- */

static rd_kafka_NewTopic_t *described(const struct topic_wanted *wanted, int replication)
{
	char reason[OUTSIDE_TEXT_MAX];
	rd_kafka_NewTopic_t *topic =
		rd_kafka_NewTopic_new(wanted->name, wanted->partitions, replication, reason, sizeof reason);
	ENSURE(topic);
	rd_kafka_NewTopic_set_config(topic, "cleanup.policy", wanted->compacted ? "compact" : "delete");
	rd_kafka_NewTopic_set_config(topic, "max.message.bytes", RECORD_BYTES_TEXT);
	if (!wanted->compacted)
		rd_kafka_NewTopic_set_config(topic, "retention.ms", wanted->kept ? "-1" : "604800000");
	if (replication >= REPLICAS_WANTED)
		rd_kafka_NewTopic_set_config(topic, "min.insync.replicas", "2");
	return topic;
}

static enum ll_code judge_made(struct outside_client *client, rd_kafka_event_t *event, struct error *error)
{
	rd_kafka_resp_err_t err = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	if (err)
		return outside_fail(client, err, "making topics", error);
	size_t count = 0;
	const rd_kafka_topic_result_t **topics =
		rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
	for (size_t i = 0; i < count; i++) {
		char what[2 * OUTSIDE_TEXT_MAX];
		const char *told = rd_kafka_topic_result_error_string(topics[i]);
		err = rd_kafka_topic_result_error(topics[i]);
		if (!err || err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
			continue;
		snprintf(what, sizeof what, "making the topic %s (%s)", rd_kafka_topic_result_name(topics[i]),
			 told ? told : "");
		return outside_fail(client, err, what, error);
	}
	return LL_OK;
}

static enum ll_code make(struct outside_client *client, const struct topic_wanted *wanted, const size_t *missing,
			 size_t count, int replication, struct error *error)
{
	rd_kafka_NewTopic_t **topics = calloc(count, sizeof(rd_kafka_NewTopic_t *));
	ENSURE(topics);
	for (size_t i = 0; i < count; i++)
		topics[i] = described(&wanted[missing[i]], replication);
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_MS, NULL, 0);
	rd_kafka_AdminOptions_set_operation_timeout(options, ADMIN_MS / 2, NULL, 0);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(client->rk);
	rd_kafka_CreateTopics(client->rk, topics, count, options, queue);
	rd_kafka_event_t *event = outside_await(client, queue);
	enum ll_code code = judge_made(client, event, error);
	rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_NewTopic_destroy_array(topics, count);
	free(topics);
	return code;
}

static enum ll_code make_missing(struct outside_client *client, const struct topic_wanted *wanted, size_t count,
				 int replication, struct topic_found *found, struct error *error)
{
	size_t missing[64], missing_count = 0;
	int brokers = 0;
	ENSURE(count <= sizeof missing / sizeof *missing);
	enum ll_code code = count_brokers(client, &brokers, error);
	for (size_t i = 0; i < count && code == LL_OK; i++) {
		code = topic_partitions(client, wanted[i].name, &found[i].partitions, error);
		if (code == LL_NOT_FOUND) {
			missing[missing_count++] = i;
			code = LL_OK;
		}
	}
	if (code != LL_OK || missing_count == 0)
		return code;
	if (replication == 0)
		replication = brokers < REPLICAS_WANTED ? brokers : REPLICAS_WANTED;
	if (replication < REPLICAS_WANTED)
		log_warn("topics.replicas", LOG_NUMBER("replicas", replication), LOG_NUMBER("wanted", REPLICAS_WANTED),
			 LOG_TEXT("reason", "with fewer a broker's disk that is lost can take events with it"));
	code = make(client, wanted, missing, missing_count, replication, error);
	for (size_t i = 0; i < missing_count && code == LL_OK; i++) {
		log_info("topics.made", LOG_TEXT("topic", wanted[missing[i]].name),
			 LOG_NUMBER("replicas", replication));
		code = topic_await(client, wanted[missing[i]].name, &found[missing[i]].partitions, error);
	}
	return code;
}

/* ---- looking ---- */

struct findings {
	unsigned wrong;
	struct error *error;
	const char *brokers;
};

enum { CURE_SIZE = 2 * LL_ERROR_TEXT_MAX };

static void write_cure(char cure[CURE_SIZE], const struct findings *findings, const char *topic, const char *name,
		       const char *set_to)
{
	if (strcmp(name, "partitions") == 0)
		snprintf(cure, CURE_SIZE, "kafka-topics.sh --bootstrap-server %s --alter --topic %s --partitions %s",
			 findings->brokers, topic, set_to);
	else
		snprintf(cure, CURE_SIZE,
			 "kafka-configs.sh --bootstrap-server %s --alter --topic %s --add-config %s=%s",
			 findings->brokers, topic, name, set_to);
}

static void tell(struct findings *findings, const char *topic, const char *name, const char *is, const char *should_be,
		 const char *set_to)
{
	char cure[CURE_SIZE];
	write_cure(cure, findings, topic, name, set_to);
	log_error("topics.wrong", LOG_TEXT("topic", topic), LOG_TEXT("setting", name), LOG_TEXT("is", is),
		  LOG_TEXT("shouldBe", should_be), LOG_TEXT("mend", cure));
	if (findings->wrong++ == 0)
		error_set(findings->error, LL_SETTINGS, "%s: %s=%s, should be %s: %s", topic, name, is, should_be,
			  cure);
}

static void warn_of_size(const struct findings *findings, const char *topic, const char *is)
{
	char cure[CURE_SIZE];
	write_cure(cure, findings, topic, "max.message.bytes", RECORD_BYTES_TEXT);
	log_warn("topics.small", LOG_TEXT("topic", topic), LOG_TEXT("setting", "max.message.bytes"), LOG_TEXT("is", is),
		 LOG_TEXT("shouldBe", RECORD_BYTES_TEXT), LOG_TEXT("mend", cure),
		 LOG_TEXT("reason", "of a record that is larger, a letter there holds the beginning alone"));
}

static void look_at(struct findings *findings, const struct topic_wanted *wanted, const char *name, const char *value,
		    struct topic_found *found)
{
	const char *policy = wanted->compacted ? "compact" : "delete";
	long long number = strtoll(value, NULL, 10);
	if (strcmp(name, "cleanup.policy") == 0 && strcmp(value, policy) != 0)
		tell(findings, wanted->name, name, value, policy, policy);
	if (strcmp(name, "retention.ms") == 0 && !wanted->compacted && number >= 0 && number < WEEK_MS)
		tell(findings, wanted->name, name, value, "604800000 (7 days) or more, or -1", "604800000");
	if (strcmp(name, "max.message.bytes") != 0)
		return;
	found->record_bytes = number;
	if (number < RECORD_BYTES_LEAST)
		tell(findings, wanted->name, name, value, "1048576 or more", RECORD_BYTES_TEXT);
	else if (number < RECORD_BYTES && wanted->kept)
		warn_of_size(findings, wanted->name, value);
}

static void look_at_all(struct findings *findings, const struct topic_wanted *wanted,
			const rd_kafka_ConfigResource_t *told, struct topic_found *found)
{
	size_t count = 0;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(told, &count);
	for (size_t i = 0; i < count; i++) {
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);
		if (value)
			look_at(findings, wanted, rd_kafka_ConfigEntry_name(entries[i]), value, found);
	}
}

static enum ll_code judge_settings(struct outside_client *client, const struct topic_wanted *wanted,
				   size_t wanted_count, rd_kafka_event_t *event, struct topic_found *found,
				   struct findings *findings, struct error *error)
{
	size_t count = 0;
	rd_kafka_resp_err_t err = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	if (err)
		return outside_fail(client, err, "asking for the settings of topics", error);
	const rd_kafka_ConfigResource_t **told =
		rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
	for (size_t i = 0; i < count; i++) {
		err = rd_kafka_ConfigResource_error(told[i]);
		if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) /* to this broker, yet: it was found */
			err = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
		if (err)
			return outside_fail(client, err, "asking for the settings of topics", error);
		for (size_t j = 0; j < wanted_count; j++)
			if (strcmp(wanted[j].name, rd_kafka_ConfigResource_name(told[i])) == 0)
				look_at_all(findings, &wanted[j], told[i], &found[j]);
	}
	return LL_OK;
}

static enum ll_code check(struct outside_client *client, const struct topic_wanted *wanted, size_t count,
			  struct topic_found *found, struct error *error)
{
	struct findings findings = {.error = error, .brokers = client->outside->brokers};
	rd_kafka_ConfigResource_t **asked = calloc(count, sizeof(rd_kafka_ConfigResource_t *));
	ENSURE(asked);
	for (size_t i = 0; i < count; i++) {
		asked[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, wanted[i].name);
		found[i].record_bytes = RECORD_BYTES_LEAST;
	}
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(client->rk);
	rd_kafka_AdminOptions_set_request_timeout(options, OUTSIDE_ASK_MS, NULL, 0);
	rd_kafka_DescribeConfigs(client->rk, asked, count, options, queue);
	rd_kafka_event_t *event = outside_await(client, queue);
	enum ll_code code = judge_settings(client, wanted, count, event, found, &findings, error);
	rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_ConfigResource_destroy_array(asked, count);
	free(asked);
	for (size_t i = 0; i < count && code == LL_OK; i++) {
		char is[16], should_be[16];
		snprintf(is, sizeof is, "%d", found[i].partitions);
		snprintf(should_be, sizeof should_be, "%d", wanted[i].partitions);
		if (found[i].partitions < wanted[i].partitions || (wanted[i].compacted && found[i].partitions != 1))
			tell(&findings, wanted[i].name, "partitions", is, should_be, should_be);
	}
	return code == LL_OK && findings.wrong ? LL_SETTINGS : code;
}

enum ll_code topics_prepare(struct outside_client *client, const struct topic_wanted *wanted, size_t count,
			    int replication, struct topic_found *found, struct error *error)
{
	enum ll_code code = make_missing(client, wanted, count, replication, found, error);
	return code == LL_OK ? check(client, wanted, count, found, error) : code;
}
