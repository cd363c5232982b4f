/*
 * The Kafka journal on a real broker: the port's contract, making and checking topics, topics that vanish or change.
 *
 * LEDGERLINE_TEST_KAFKA=HOST:PORT names the broker; without it the program ends with status 77, which means skipped. Topics
 * are made under a fresh prefix and deleted in the end.
 */
#include "tests/unit/journal_contract.h"

#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "engine/journal/kafka.h"

enum { SKIPPED = 77 };

static const char *broker;
static char prefix[64];
static unsigned names_count;

static const char *contract_url(void)
{
	static char url[256];
	snprintf(url, sizeof url, "kafka://%s/%s-%u", broker, prefix, ++names_count);
	return url;
}

/* ---- what the port does not do: deleting topics, and making them wrong ---- */

static rd_kafka_t *admin_open(void)
{
	char reason[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", broker, reason, sizeof reason), RD_KAFKA_CONF_OK);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
	assert_non_null(rk);
	return rk;
}

static void pause_ms(int ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	nanosleep(&pause, NULL);
}

static bool topic_exists(rd_kafka_t *rk, const char *topic)
{
	const struct rd_kafka_metadata *metadata = NULL;
	bool exists = false;
	assert_int_equal(rd_kafka_metadata(rk, 1, NULL, &metadata, PATIENCE_MS), 0);
	for (int i = 0; i < metadata->topic_cnt; i++)
		exists |= strcmp(metadata->topics[i].topic, topic) == 0;
	rd_kafka_metadata_destroy(metadata);
	return exists;
}

static void delete_topic(const char *topic)
{
	rd_kafka_t *rk = admin_open();
	rd_kafka_DeleteTopic_t *deleted = rd_kafka_DeleteTopic_new(topic);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_DeleteTopics(rk, &deleted, 1, NULL, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, PATIENCE_MS);
	assert_non_null(event);
	rd_kafka_event_destroy(event);
	rd_kafka_DeleteTopic_destroy(deleted);
	rd_kafka_queue_destroy(queue);
	for (int waited = 0; topic_exists(rk, topic) && waited < PATIENCE_MS; waited += 50)
		pause_ms(50);
	rd_kafka_destroy(rk);
}

static void make_wrong_topic(const char *topic, int partitions, const char *const settings[][2], size_t settings_count)
{
	char reason[256];
	rd_kafka_t *rk = admin_open();
	rd_kafka_NewTopic_t *made = rd_kafka_NewTopic_new(topic, partitions, 1, reason, sizeof reason);
	for (size_t i = 0; i < settings_count; i++)
		rd_kafka_NewTopic_set_config(made, settings[i][0], settings[i][1]);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_CreateTopics(rk, &made, 1, NULL, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, PATIENCE_MS);
	assert_non_null(event);
	size_t count = 0;
	const rd_kafka_topic_result_t **results =
		rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
	assert_int_equal(count, 1);
	assert_int_equal(rd_kafka_topic_result_error(results[0]), 0);
	rd_kafka_event_destroy(event);
	rd_kafka_NewTopic_destroy(made);
	rd_kafka_queue_destroy(queue);
	for (int waited = 0; !topic_exists(rk, topic) && waited < PATIENCE_MS; waited += 50)
		pause_ms(50);
	rd_kafka_destroy(rk);
}

static void topic_of(struct journal *journal, char topic[JOURNAL_IDENTITY_MAX])
{
	struct journal_identity identity;
	struct error error = {0};
	must(journal_identity(journal, &identity, &error), &error);
	assert_string_equal(identity.kind, "kafka");
	memcpy(topic, identity.topic, JOURNAL_IDENTITY_MAX);
}

/* ---- URLs and settings ---- */

/* What is no URL of a Kafka journal is refused with the reason. */
static void bad_urls_are_refused(void **state)
{
	(void)state;
	static const char *const urls[] = {
		"kafka:",
		"kafka:/x",
		"kafka://",
		"kafka:///x",
		"kafka://host/x",
		"kafka://host:0/x",
		"kafka://host:99999/x",
		"kafka://host:1",
		"kafka://host:1/",
		"kafka://host:1,/x",
		"kafka://,host:1/x",
		"kafka://host:1/x/y",
		"kafka://user@host:1/x",
		"kafka://host:1/x y",
		"kafka://host:port/x",
		"kafka://a:1,b/x",
	};
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		struct journal *journal = NULL;
		struct error error = {0};
		assert_int_equal(journal_open(urls[i], NULL, &journal, &error), LL_USAGE);
		assert_non_null(strstr(error.text, "is no journal URL ("));
		assert_non_null(strstr(error.text, "): give kafka://HOST:PORT,HOST:PORT/NAME"));
	}
}

static void expect_refused(const char *name, const char *value, const char *sentence)
{
	struct journal_option setting = {name, value};
	struct journal_options options = {.settings = &setting, .settings_count = 1};
	struct journal *journal = NULL;
	struct error error = {0};
	assert_int_equal(journal_open(contract_url(), &options, &journal, &error), LL_USAGE);
	assert_non_null(strstr(error.text, sentence));
}

/* Settings that the protocol owns are refused by name, unknown and wrong ones too; others reach the client. */
static void settings_are_judged(void **state)
{
	(void)state;
	static const char *const owned[] = {"acks",
					    "enable.idempotence",
					    "max.in.flight",
					    "auto.offset.reset",
					    "bootstrap.servers",
					    "transactional.id",
					    "message.timeout.ms",
					    "group.id"};
	for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
		char sentence[128];
		snprintf(sentence, sizeof sentence, "the Kafka setting \"%s\" belongs to the journal's protocol",
			 owned[i]);
		expect_refused(owned[i], "1", sentence);
	}
	expect_refused("no.such.setting", "1", "the Kafka client has no setting \"no.such.setting\"");
	expect_refused("security.protocol", "carrier pigeon", "the Kafka client refuses security.protocol");
	struct error error = {0};
	const char *url = contract_url();
	struct journal *journal = NULL;
	struct journal_option good[] = {{"client.id", "the tests"}, {"compression.type", "none"}};
	struct journal_options options = {.settings = good, .settings_count = 2};
	must(journal_create(url, &options, 1, &error), &error);
	must(journal_open(url, &options, &journal, &error), &error);
	journal_close(journal);
}

/* Where no broker listens, opening and making say so with the reason. */
static void no_broker_is_unavailable(void **state)
{
	(void)state;
	struct journal *journal = NULL;
	struct error error = {0};
	assert_int_equal(journal_open("kafka://127.0.0.1:1/x", NULL, &journal, &error), LL_UNAVAILABLE);
	assert_non_null(strstr(error.text, "Connection refused"));
}

/* ---- the topic ---- */

struct findings {
	unsigned wrong, warnings;
	char text[8192];
};

static void collect(void *context, bool wrong, const char *sentence)
{
	struct findings *findings = context;
	size_t used = strlen(findings->text);
	findings->wrong += wrong;
	findings->warnings += !wrong;
	snprintf(findings->text + used, sizeof findings->text - used, "%s\n", sentence);
}

static int count_brokers(void)
{
	rd_kafka_t *rk = admin_open();
	const struct rd_kafka_metadata *metadata = NULL;
	assert_int_equal(rd_kafka_metadata(rk, 0, NULL, &metadata, PATIENCE_MS), 0);
	int count = metadata->broker_cnt;
	rd_kafka_metadata_destroy(metadata);
	rd_kafka_destroy(rk);
	return count;
}

/* A topic that was made here has nothing wrong, but a warning where it has fewer than three replicas. */
static void made_topics_are_right(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	struct findings findings = {0};
	struct error error = {0};
	char expected[256] = "";
	unsigned wrong = 9;
	char topic[JOURNAL_IDENTITY_MAX];
	int brokers = count_brokers();
	topic_of(journal, topic);
	if (brokers < 3)
		snprintf(
			expected, sizeof expected,
			"%.100s: replicas=%d, should be 3: with fewer a broker's disk that is lost can take the journal "
			"with it\n",
			topic, brokers);
	must(journal_check(journal, collect, &findings, &wrong, &error), &error);
	assert_string_equal(findings.text, expected);
	assert_int_equal(wrong, 0);
	journal_close(journal);
}

/* Each wrong setting of a topic is found, with the command that mends it. */
static void wrong_topics_are_found(void **state)
{
	(void)state;
	static const char *const settings[][2] = {
		{"retention.ms", "1000"},
		{"retention.bytes", "5"},
		{"cleanup.policy", "compact"},
		{"max.message.bytes", "1000"},
		{"message.timestamp.type", "LogAppendTime"},
		{"message.timestamp.after.max.ms", "60001"},
		{"unclean.leader.election.enable", "true"},
		{"compression.type", "gzip"},
	};
	const char *url = contract_url();
	char topic[128], expected[512];
	snprintf(topic, sizeof topic, "%s-%u.journal", prefix, names_count);
	make_wrong_topic(topic, 2, settings, 8);
	struct journal *journal = contract_open(url);
	struct findings findings = {0};
	struct error error = {0};
	unsigned wrong = 0;
	must(journal_check(journal, collect, &findings, &wrong, &error), &error);
	assert_int_equal(wrong, 9);
	for (size_t i = 0; i < 8; i++) {
		snprintf(expected, sizeof expected, "%s: %s=%s, should be ", topic, settings[i][0], settings[i][1]);
		assert_non_null(strstr(findings.text, expected));
		snprintf(expected, sizeof expected, "--entity-name %s --add-config %s=", topic, settings[i][0]);
		assert_non_null(strstr(findings.text, expected));
	}
	snprintf(expected, sizeof expected, "%s: partitions=2, should be 1", topic);
	assert_non_null(strstr(findings.text, expected));
	journal_close(journal);
	delete_topic(topic);
}

/* A topic that takes less than the journal's limit reports the record as too large, and the appender lives on. */
static void brokers_limit_is_reported(void **state)
{
	(void)state;
	static const char *const settings[][2] = {{"max.message.bytes", "1000"}};
	static uint8_t noise[5000];
	const char *url = contract_url();
	char topic[128];
	snprintf(topic, sizeof topic, "%s-%u.journal", prefix, names_count);
	make_wrong_topic(topic, 1, settings, 1);
	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (uint8_t)(i * i * 31 >> 3 ^ i);
	struct journal *journal = contract_open(url);
	struct journal_appender *appender = contract_appender(journal);
	struct journal_report report = contract_append(appender, slice_of(noise, sizeof noise), 1);
	if (report.code != LL_TOO_LARGE)
		fail_msg("%s: %s", error_code_text(report.code), report.error.text);
	if (report.appender_is_dead) {
		journal_appender_close(appender);
		appender = contract_appender(journal);
	}
	contract_append_some(appender, 0, 2);
	journal_appender_close(appender);
	journal_close(journal);
	delete_topic(topic);
}

/* A record with a time that the broker refuses is a matter of settings, not of trying again. */
static void brokers_clock_is_reported(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	struct journal_appender *appender = contract_appender(journal);
	int64_t ahead_ms = ((int64_t)time(NULL) + 3600) * 1000;
	struct journal_report report = contract_append(appender, slice_text("from the future"), ahead_ms);
	assert_int_equal(report.code, LL_SETTINGS);
	journal_appender_close(appender);
	appender = contract_appender(journal);
	contract_append_some(appender, 0, 1);
	journal_appender_close(appender);
	journal_close(journal);
}

/* ---- topics that vanish and change ---- */

static struct journal_reader *reader_at_the_end(struct journal *journal, unsigned records)
{
	struct journal_appender *appender = contract_appender(journal);
	contract_append_some(appender, 0, records);
	journal_appender_close(appender);
	struct journal_reader *reader = contract_reader(journal, 0);
	contract_expect(reader, 0, records);
	return reader;
}

/* Reads past ends until something else comes, or patience is over. */
static enum ll_code read_past_ends(struct journal_reader *reader, struct journal_record *record, struct error *error)
{
	enum ll_code code = LL_END;
	for (int waited = 0; (code == LL_END || code == LL_TIMEOUT || code == LL_UNAVAILABLE) && waited < PATIENCE_MS;
	     waited += 100)
		code = journal_read(reader, 100, record, error);
	return code;
}

/* A deleted topic ends its readers, and is not found any more. */
static void deleted_topic_is_not_found(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	char topic[JOURNAL_IDENTITY_MAX];
	topic_of(journal, topic);
	struct journal_reader *reader = reader_at_the_end(journal, 3);
	struct journal_record record;
	struct error error = {0};
	delete_topic(topic);
	assert_int_equal(read_past_ends(reader, &record, &error), LL_NOT_FOUND);
	assert_non_null(strstr(error.text, topic));
	struct journal_watermarks watermarks;
	assert_int_equal(journal_watermarks(journal, &watermarks, &error), LL_NOT_FOUND);
	journal_reader_close(reader);
	journal_close(journal);
}

/* A topic made again and shorter is divergence for readers beyond its end (or the topic was seen missing before). */
static void recreated_shorter_is_divergence(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	char topic[JOURNAL_IDENTITY_MAX];
	topic_of(journal, topic);
	struct journal_reader *reader = reader_at_the_end(journal, 5);
	struct journal_record record;
	struct error error = {0};
	delete_topic(topic);
	must(journal_create(journal_url(journal), NULL, 1, &error), &error);
	enum ll_code code = read_past_ends(reader, &record, &error);
	assert_true(code == LL_DIVERGED || code == LL_NOT_FOUND);
	journal_reader_close(reader);
	reader = contract_reader(journal, 5);
	assert_int_equal(read_past_ends(reader, &record, &error), LL_DIVERGED);
	journal_reader_close(reader);
	journal_close(journal);
}

/* A broker that leads no more, and does not know it yet, says that the log ends before the reader's position: the reader asks again, and goes on.
 * (A cluster of the client's own can be told to say so.) */
static void lagging_leader_is_asked_again(void **state)
{
	enum { FETCH = 1 };
	(void)state;
	rd_kafka_t *rk = admin_open();
	rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(rk, 1);
	assert_non_null(cluster);
	assert_int_equal(rd_kafka_mock_topic_create(cluster, "lagging.journal", 1, 1), 0);
	char url[256];
	snprintf(url, sizeof url, "kafka://%s/lagging", rd_kafka_mock_cluster_bootstraps(cluster));
	struct journal *journal = contract_open(url);
	struct journal_reader *reader = reader_at_the_end(journal, 5);
	struct journal_record record;
	struct error error = {0};
	for (unsigned round = 0; round < 3; round++) {
		rd_kafka_mock_push_request_errors(cluster, FETCH, 1, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
		for (int i = 0; i < 30; i++) {
			enum ll_code code = journal_read(reader, 10, &record, &error);
			assert_true(code == LL_END || code == LL_TIMEOUT || code == LL_UNAVAILABLE);
		}
		struct journal_appender *appender = contract_appender(journal);
		assert_int_equal(contract_append(appender, contract_value(5 + round), 1).offset, 5 + round);
		journal_appender_close(appender);
		must(read_past_ends(reader, &record, &error), &error);
		assert_int_equal(record.offset, 5 + round);
	}
	journal_reader_close(reader);
	journal_close(journal);
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(rk);
}

/* A topic made again and longer goes on under the reader's position: it must not lose him, but bytes tell the difference. */
static void recreated_longer_is_read_on(void **state)
{
	(void)state;
	struct journal *journal = contract_fresh();
	char topic[JOURNAL_IDENTITY_MAX];
	topic_of(journal, topic);
	journal_reader_close(reader_at_the_end(journal, 2));
	delete_topic(topic);
	struct error error = {0};
	must(journal_create(journal_url(journal), NULL, 1, &error), &error);
	struct journal_appender *appender = contract_appender(journal);
	for (int i = 0; i < 4; i++)
		assert_int_equal(contract_append(appender, slice_text("another log"), 1).offset, i);
	journal_appender_close(appender);
	struct journal_reader *reader = contract_reader(journal, 2);
	struct journal_record record;
	assert_int_equal(read_past_ends(reader, &record, &error), LL_OK);
	assert_int_equal(record.offset, 2);
	assert_true(slice_equal(record.value, SLICE("another log")));
	journal_reader_close(reader);
	uint8_t *bytes = NULL;
	size_t size = 0;
	int64_t time_ms = 0;
	must(journal_read_at(journal, 1, &bytes, &size, &time_ms, &error), &error);
	assert_true(slice_equal(slice_of(bytes, size), SLICE("another log")));
	free(bytes);
	journal_close(journal);
}

/* A slow reader of far more than the client prefetches gets all of it, in order. */
static void bulk_is_read_whole(void **state)
{
	(void)state;
	enum { RECORDS = 300, BYTES = 500000 };
	struct journal *journal = contract_fresh();
	struct journal_appender *appender = contract_appender(journal);
	uint8_t *value = malloc(BYTES);
	uint32_t noise = 7;
	for (unsigned i = 0; i < BYTES; i++)
		value[i] = (uint8_t)((noise = noise * 1664525 + 1013904223) >> 24);
	for (uint32_t i = 0; i < RECORDS; i++) {
		memcpy(value, &i, sizeof i);
		struct journal_report report = contract_append(appender, slice_of(value, BYTES), 1);
		must(report.code, &report.error);
	}
	struct journal_reader *reader = contract_reader(journal, 0);
	for (uint32_t i = 0; i < RECORDS; i++) {
		struct journal_record record;
		struct error error = {0};
		must(contract_read(reader, &record, &error), &error);
		assert_int_equal(record.offset, i);
		assert_int_equal(record.value.size, BYTES);
		memcpy(value, &i, sizeof i);
		assert_memory_equal(record.value.at, value, BYTES);
	}
	contract_expect(reader, RECORDS, RECORDS);
	free(value);
	journal_reader_close(reader);
	journal_appender_close(appender);
	journal_close(journal);
}

static unsigned logged;

static void count_logged(void *context, int level, const char *facility, const char *text)
{
	(void)level;
	(void)facility;
	(void)text;
	__atomic_fetch_add((unsigned *)context, 1, __ATOMIC_RELAXED);
}

/* What the client has to say goes to the hook. */
static void words_go_to_the_hook(void **state)
{
	(void)state;
	struct journal_option setting = {"debug", "generic"};
	struct journal_options options = {.settings = &setting, .settings_count = 1};
	struct journal *journal = NULL;
	struct error error = {0};
	const char *url = contract_url();
	must(journal_create(url, NULL, 0, &error), &error);
	journal_kafka_log(count_logged, &logged);
	must(journal_open(url, &options, &journal, &error), &error);
	journal_close(journal);
	journal_kafka_log(NULL, NULL);
	assert_true(logged > 0);
}

static int delete_all(void **state)
{
	(void)state;
	rd_kafka_t *rk = admin_open();
	const struct rd_kafka_metadata *metadata = NULL;
	if (rd_kafka_metadata(rk, 1, NULL, &metadata, PATIENCE_MS) == 0) {
		for (int i = 0; i < metadata->topic_cnt; i++)
			if (strncmp(metadata->topics[i].topic, prefix, strlen(prefix)) == 0)
				delete_topic(metadata->topics[i].topic);
		rd_kafka_metadata_destroy(metadata);
	}
	rd_kafka_destroy(rk);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONTRACT_TESTS,
		cmocka_unit_test(bad_urls_are_refused),
		cmocka_unit_test(settings_are_judged),
		cmocka_unit_test(no_broker_is_unavailable),
		cmocka_unit_test(made_topics_are_right),
		cmocka_unit_test(wrong_topics_are_found),
		cmocka_unit_test(brokers_limit_is_reported),
		cmocka_unit_test(brokers_clock_is_reported),
		cmocka_unit_test(deleted_topic_is_not_found),
		cmocka_unit_test(recreated_shorter_is_divergence),
		cmocka_unit_test(lagging_leader_is_asked_again),
		cmocka_unit_test(recreated_longer_is_read_on),
		cmocka_unit_test(bulk_is_read_whole),
		cmocka_unit_test(words_go_to_the_hook),
	};
	broker = getenv("LEDGERLINE_TEST_KAFKA");
	if (!broker || !*broker) {
		printf("skipped: LEDGERLINE_TEST_KAFKA=HOST:PORT names no broker\n");
		return SKIPPED;
	}
	snprintf(prefix, sizeof prefix, "test-%d-%ld", (int)getpid(), (long)time(NULL));
	return cmocka_run_group_tests_name("kafka", tests, NULL, delete_all);
}
