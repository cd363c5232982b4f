/*
 * The topic of a Kafka journal: asked for, made with the right settings, and checked with the command that mends it.
 *
 * The table below is what both making and checking go by. A journal must never forget (retention, cleanup), take the
 * largest record (max.message.bytes), keep the times that its leader gave and refuse those of a leader whose clock runs
 * ahead (message.timestamp.*), and never let a replica lead that lacks records (unclean.leader.election, min.insync).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/journal/kafka_client.h"
#include "schemas/wire/ensure.h"

enum {
	REPLICAS_WANTED = 3,
	ADMIN_MS = 15000,
	POLL_MS = 20,
	/* A topic that was just made is not known to every broker at once: among several it is missing only when it is not found
	 * for so long. */
	ABSENT_MS = 1000,
};

enum rule { EQUALS, AT_LEAST, AT_MOST, ONE_OF };

struct wanted {
	const char *name;
	enum rule rule;
	const char *value; /* what it is made with; the one, or the limit */
	const char *limit; /* for AT_LEAST and AT_MOST; for ONE_OF: the other one */
	const char *should_be;
	bool newer_brokers_only;
	bool replicated_only; /* from three replicas on */
};

static const struct wanted wants[] = {
	{"retention.ms", EQUALS, "-1", NULL, "-1", false, false},
	{"retention.bytes", EQUALS, "-1", NULL, "-1", false, false},
	{"cleanup.policy", EQUALS, "delete", NULL, "delete", false, false},
	{"max.message.bytes", AT_LEAST, "2097152", "1048576", "1048576 or more", false, false},
	{"message.timestamp.type", EQUALS, "CreateTime", NULL, "CreateTime", false, false},
	{"message.timestamp.after.max.ms", AT_MOST, "60000", "60000", "60000 or less", true, false},
	{"unclean.leader.election.enable", EQUALS, "false", NULL, "false", false, false},
	{"compression.type", ONE_OF, "producer", "lz4", "producer or lz4", false, false},
	{"min.insync.replicas", AT_LEAST, "2", "2", "2 or more with three replicas", false, true},
};

enum { WANTS_COUNT = sizeof wants / sizeof *wants };

/* ---- questions ---- */

static bool passes(rd_kafka_resp_err_t err)
{
	return kafka_code(err) == LL_UNAVAILABLE;
}

static void nap(void)
{
	struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	nanosleep(&pause, NULL);
}

/* What one answer says about the topic. */
static rd_kafka_resp_err_t read_metadata(const struct rd_kafka_metadata *metadata, int *partitions, int *replicas)
{
	if (metadata->topic_cnt != 1)
		return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	const struct rd_kafka_metadata_topic *topic = &metadata->topics[0];
	if (topic->err)
		return topic->err;
	if (topic->partition_cnt < 1)
		return RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
	for (int i = 0; i < topic->partition_cnt; i++) {
		if (topic->partitions[i].id != 0)
			continue;
		if (topic->partitions[i].leader < 0)
			return RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
		if (replicas)
			*replicas = topic->partitions[i].replica_cnt;
	}
	if (partitions)
		*partitions = topic->partition_cnt;
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Asks once. *brokers: how many there are, as far as the answer told. */
static rd_kafka_resp_err_t look_once(struct kafka_client *client, int timeout_ms, int *brokers, int *partitions,
				     int *replicas)
{
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t err = rd_kafka_metadata(client->rk, 0, client->topic, &metadata, timeout_ms);
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		*brokers = metadata->broker_cnt;
		err = read_metadata(metadata, partitions, replicas);
		rd_kafka_metadata_destroy(metadata);
	}
	if (!client->on_error)
		rd_kafka_poll(client->rk, 0); /* no keeper does it */
	return err;
}

enum ll_code kafka_topic_look(struct kafka_client *client, int patience_ms, int *partitions, int *replicas,
			      struct error *error)
{
	int64_t start = kafka_now_ms(), left = patience_ms;
	rd_kafka_resp_err_t err;
	int brokers = 0;
	for (;;) {
		err = look_once(client, left > POLL_MS ? (int)left : POLL_MS, &brokers, partitions, replicas);
		int64_t passed = kafka_now_ms() - start;
		left = patience_ms - passed;
		bool may_come = kafka_code(err) == LL_NOT_FOUND && brokers > 1 && passed < ABSENT_MS;
		if (!may_come && (!passes(err) || client->not_authenticated || left <= POLL_MS))
			break;
		nap();
	}
	return err == RD_KAFKA_RESP_ERR_NO_ERROR ? LL_OK : kafka_fail(client, err, "asking for", error);
}

enum ll_code kafka_topic_watermarks(struct kafka_client *client, int patience_ms, struct journal_watermarks *watermarks,
				    struct error *error)
{
	int64_t start = kafka_now_ms(), left = patience_ms;
	rd_kafka_resp_err_t err;
	int64_t low = 0, high = 0;
	/* Asked for watermarks, the client would wait for a dead broker longer than it may; this question keeps its time. */
	enum ll_code code = kafka_topic_look(client, patience_ms, NULL, NULL, error);
	if (code != LL_OK)
		return code;
	for (;;) {
		err = rd_kafka_query_watermark_offsets(client->rk, client->address->topic, 0, &low, &high,
						       left > POLL_MS ? (int)left : POLL_MS);
		int64_t passed = kafka_now_ms() - start;
		left = patience_ms - passed;
		bool may_come = kafka_code(err) == LL_NOT_FOUND && passed < ABSENT_MS;
		if (!may_come && (!passes(err) || left <= POLL_MS))
			break;
		nap();
	}
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return kafka_fail(client, err, "asking for the ends of", error);
	*watermarks = (struct journal_watermarks){.low = (uint64_t)low, .high = (uint64_t)high};
	return LL_OK;
}

static enum ll_code count_brokers(struct kafka_client *client, int *count, struct error *error)
{
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t err = rd_kafka_metadata(client->rk, 0, NULL, &metadata, KAFKA_PATIENCE_MS);
	rd_kafka_poll(client->rk, 0);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return kafka_fail(client, err, "making", error);
	*count = metadata->broker_cnt;
	rd_kafka_metadata_destroy(metadata);
	return LL_OK;
}

/* ---- making ---- */

/* Asks once to make it. `newer`: with settings that only newer brokers know. */
static rd_kafka_resp_err_t make_topic(struct kafka_client *client, int replicas, bool newer,
				      char reason[KAFKA_TEXT_MAX])
{
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(client->address->topic, 1, replicas, reason, KAFKA_TEXT_MAX);
	if (!topic)
		return RD_KAFKA_RESP_ERR__INVALID_ARG;
	for (int i = 0; i < WANTS_COUNT; i++)
		if ((newer || !wants[i].newer_brokers_only) &&
		    (replicas >= REPLICAS_WANTED || !wants[i].replicated_only))
			rd_kafka_NewTopic_set_config(topic, wants[i].name, wants[i].value);
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_MS, NULL, 0);
	rd_kafka_AdminOptions_set_operation_timeout(options, ADMIN_MS / 2, NULL, 0);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(client->rk);
	rd_kafka_CreateTopics(client->rk, &topic, 1, options, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, -1);
	rd_kafka_resp_err_t err = rd_kafka_event_error(event);
	const char *text = rd_kafka_event_error_string(event);
	const rd_kafka_CreateTopics_result_t *result = err ? NULL : rd_kafka_event_CreateTopics_result(event);
	if (result) {
		size_t count = 0;
		const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &count);
		err = count ? rd_kafka_topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
		text = count ? rd_kafka_topic_result_error_string(topics[0]) : NULL;
	}
	snprintf(reason, KAFKA_TEXT_MAX, "%s", text ? text : rd_kafka_err2str(err));
	rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_NewTopic_destroy(topic);
	return err;
}

/* A topic that was just made is not known to every broker at once. */
static enum ll_code wait_until_usable(const struct kafka_address *address, struct error *error)
{
	struct kafka_client client;
	struct journal_watermarks watermarks;
	int64_t deadline = kafka_now_ms() + ADMIN_MS;
	enum ll_code code = kafka_client_open(&client, address, KAFKA_QUESTIONS, NULL, NULL, true, error);
	if (code != LL_OK)
		return code;
	do {
		code = kafka_topic_look(&client, ADMIN_MS, NULL, NULL, error);
		if (code == LL_OK)
			code = kafka_topic_watermarks(&client, ADMIN_MS, &watermarks, error);
		if (code != LL_OK)
			nap();
	} while (code == LL_NOT_FOUND && kafka_now_ms() < deadline);
	kafka_client_close(&client);
	return code;
}

enum ll_code kafka_topic_create(const char *rest, const struct journal_options *options, int replication,
				struct error *error)
{
	struct kafka_address address;
	struct kafka_client client;
	char reason[KAFKA_TEXT_MAX];
	int brokers = 0;
	bool has_client = false;
	enum ll_code code = kafka_address_init(&address, rest, options, error);
	if (code == LL_OK && replication < 0)
		code = error_set(error, LL_USAGE, "%d replicas cannot be", replication);
	if (code == LL_OK)
		code = kafka_client_open(&client, &address, KAFKA_QUESTIONS, NULL, NULL, false, error);
	if (code != LL_OK)
		goto done;
	has_client = true;
	code = count_brokers(&client, &brokers, error);
	if (code != LL_OK)
		goto done;
	if (replication == 0)
		replication = brokers < REPLICAS_WANTED ? brokers : REPLICAS_WANTED;
	rd_kafka_resp_err_t err = make_topic(&client, replication, true, reason);
	if (err == RD_KAFKA_RESP_ERR_INVALID_CONFIG)
		err = make_topic(&client, replication, false, reason);
	if (err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		code = error_set(error, LL_EXISTS, "the topic %s is there already on %s", address.topic,
				 address.brokers);
	else if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		code = error_set(error, kafka_code(err), "%s with %d replicas could not be made on %s: %s",
				 address.topic, replication, address.brokers, reason);
	if (code == LL_OK)
		code = wait_until_usable(&address, error);
done:
	if (has_client)
		kafka_client_close(&client);
	kafka_address_release(&address);
	return code;
}

/* ---- checking ---- */

struct check {
	struct kafka_client *client;
	journal_finding_fn *found;
	void *context;
	unsigned *wrong;
};

static void tell(struct check *check, bool wrong, const char *sentence)
{
	*check->wrong += wrong;
	check->found(check->context, wrong, sentence);
}

static bool is_right(const struct wanted *wanted, const char *value)
{
	switch (wanted->rule) {
	case EQUALS: return strcmp(value, wanted->value) == 0;
	case AT_LEAST: return strtoll(value, NULL, 10) >= strtoll(wanted->limit, NULL, 10);
	case AT_MOST: return strtoll(value, NULL, 10) <= strtoll(wanted->limit, NULL, 10);
	case ONE_OF: return strcmp(value, wanted->value) == 0 || strcmp(value, wanted->limit) == 0;
	}
	UNREACHABLE();
}

static const char *value_of(const rd_kafka_ConfigEntry_t **entries, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
			return rd_kafka_ConfigEntry_value(entries[i]);
	return NULL;
}

static void check_settings(struct check *check, const rd_kafka_ConfigEntry_t **entries, size_t count, int replicas)
{
	const struct kafka_address *address = check->client->address;
	char sentence[JOURNAL_URL_MAX + 1024];
	for (int i = 0; i < WANTS_COUNT; i++) {
		const struct wanted *wanted = &wants[i];
		const char *value = value_of(entries, count, wanted->name);
		if (wanted->replicated_only && replicas < REPLICAS_WANTED)
			continue;
		if (!value && wanted->newer_brokers_only)
			continue;
		if (!value) {
			snprintf(sentence, sizeof sentence, "%s: the brokers do not tell %s, which should be %s",
				 address->topic, wanted->name, wanted->should_be);
			tell(check, false, sentence);
		} else if (!is_right(wanted, value)) {
			snprintf(sentence, sizeof sentence,
				 "%s: %s=%s, should be %s; mend it with kafka-configs.sh --bootstrap-server %s --alter "
				 "--entity-type topics --entity-name %s --add-config %s=%s",
				 address->topic, wanted->name, value, wanted->should_be, address->brokers,
				 address->topic, wanted->name, wanted->value);
			tell(check, true, sentence);
		}
	}
}

static void check_shape(struct check *check, int partitions, int replicas)
{
	const char *topic = check->client->address->topic;
	char sentence[JOURNAL_URL_MAX + 512];
	if (partitions != 1) {
		snprintf(
			sentence, sizeof sentence,
			"%s: partitions=%d, should be 1; partitions cannot be taken away: make a journal of another name and "
			"copy this one with `ledgerline journal copy`",
			topic, partitions);
		tell(check, true, sentence);
	}
	if (replicas < REPLICAS_WANTED) {
		snprintf(
			sentence, sizeof sentence,
			"%s: replicas=%d, should be %d: with fewer a broker's disk that is lost can take the journal with it",
			topic, replicas, REPLICAS_WANTED);
		tell(check, false, sentence);
	}
}

/* Asks one broker for the topic's settings; the answer is in *answer, to be destroyed in any case. */
static rd_kafka_resp_err_t ask_settings(struct kafka_client *client, rd_kafka_event_t **answer,
					const rd_kafka_ConfigResource_t **settings)
{
	rd_kafka_ConfigResource_t *asked = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, client->address->topic);
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(client->rk);
	rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_PATIENCE_MS, NULL, 0);
	rd_kafka_DescribeConfigs(client->rk, &asked, 1, options, queue);
	*answer = rd_kafka_queue_poll(queue, -1);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_ConfigResource_destroy(asked);
	size_t count = 0;
	const rd_kafka_ConfigResource_t **told = NULL;
	rd_kafka_resp_err_t err = rd_kafka_event_error(*answer);
	if (!err)
		told = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(*answer),
								 &count);
	if (!err && !count)
		err = RD_KAFKA_RESP_ERR_UNKNOWN;
	if (!err)
		err = rd_kafka_ConfigResource_error(told[0]);
	if (!err)
		*settings = told[0];
	return err;
}

enum ll_code kafka_topic_check(struct kafka_client *client, journal_finding_fn *found, void *context, unsigned *wrong,
			       struct error *error)
{
	struct check check = {.client = client, .found = found, .context = context, .wrong = wrong};
	const rd_kafka_ConfigResource_t *settings = NULL;
	rd_kafka_event_t *answer = NULL;
	int partitions = 0, replicas = 0;
	*wrong = 0;
	enum ll_code code = kafka_topic_look(client, KAFKA_PATIENCE_MS, &partitions, &replicas, error);
	if (code != LL_OK)
		return code;
	int64_t start = kafka_now_ms();
	rd_kafka_resp_err_t err = ask_settings(client, &answer, &settings);
	while (kafka_code(err) == LL_NOT_FOUND && kafka_now_ms() - start < ABSENT_MS) {
		rd_kafka_event_destroy(answer);
		nap();
		err = ask_settings(client, &answer, &settings);
	}
	if (err) {
		code = kafka_fail(client, err, "asking for the settings of", error);
	} else {
		size_t count = 0;
		const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(settings, &count);
		check_shape(&check, partitions, replicas);
		check_settings(&check, entries, count, replicas);
	}
	rd_kafka_event_destroy(answer);
	return code;
}
