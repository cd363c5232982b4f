/*
 * One Kafka client, as the parts of the Kafka journal use it: kafka.c (the log), kafka_reader.c, kafka_appender.c,
 * kafka_topic.c (making and checking the topic), kafka_settings.c.
 *
 * A journal has one client for questions; each reader and appender has its own, since the client's prefetching and its
 * idempotence are a matter of the whole client.
 */
#ifndef LEDGERLINE_JOURNAL_KAFKA_CLIENT_H
#define LEDGERLINE_JOURNAL_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "engine/journal/adapter.h"

enum { KAFKA_PATIENCE_MS = 10000 /* how long a question waits for brokers */, KAFKA_TEXT_MAX = 256 };

enum kafka_role { KAFKA_QUESTIONS, KAFKA_READER, KAFKA_APPENDER };

/* Where to connect, and how: what is left of a URL and its options. */
struct kafka_address {
	char brokers[JOURNAL_URL_MAX];
	char topic[JOURNAL_IDENTITY_MAX];
	struct journal_option *settings; /* own copies */
	size_t settings_count;
};

/* LL_USAGE: not such a URL, or a setting that is owned, unknown or wrong. Released by kafka_address_release in any case. */
enum ll_code kafka_address_init(struct kafka_address *address, const char *rest, const struct journal_options *options,
				struct error *error) LL_CHECKED;
void kafka_address_release(struct kafka_address *address);

/* The client's configuration for a role: defaults, then the user's settings, then what the protocol owns. */
enum ll_code kafka_conf_new(const struct kafka_address *address, enum kafka_role role, rd_kafka_conf_t **conf,
			    struct error *error) LL_CHECKED;

/* A table of settings ends with one without name. */
struct kafka_setting {
	const char *name, *value;
};
/* One that a person has given. LL_USAGE: the client has none of that name, or refuses its value. */
enum ll_code kafka_conf_set_one(rd_kafka_conf_t *conf, const struct journal_option *setting,
				struct error *error) LL_CHECKED;
void kafka_conf_set_all(rd_kafka_conf_t *conf, const struct kafka_setting *settings); /* one that is refused is a bug */
bool kafka_setting_among(const char *name, const struct kafka_setting *const *lists, size_t lists_count,
			 const char *const *others, size_t others_count);

/* Called by rd_kafka_poll of a client whose owner set it. */
typedef void kafka_error_fn(void *context, rd_kafka_resp_err_t err, const char *reason);

struct kafka_client {
	const struct kafka_address *address;
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic; /* NULL when opened without */
	kafka_error_fn *on_error;
	void *context;
	pthread_mutex_t lock;
	char last_error[KAFKA_TEXT_MAX]; /* guarded by lock: what the client last complained of */
	bool not_authenticated;
};

/* Fills *client, which must stay where it is. Connects in the background. `context` and `on_error` may be NULL. Takes
 * milliseconds: not for the loop. kafka_client_close after success only. */
enum ll_code kafka_client_open(struct kafka_client *client, const struct kafka_address *address, enum kafka_role role,
			       kafka_error_fn *on_error, void *context, bool with_topic,
			       struct error *error) LL_CHECKED;
void kafka_client_close(struct kafka_client *client);

/* What the client last complained of, or a word that it did not. */
void kafka_client_complaint(struct kafka_client *client, char text[KAFKA_TEXT_MAX]);

/* The port's code of the client's. */
enum ll_code kafka_code(rd_kafka_resp_err_t err);

/* Says that `what` failed, with the topic, the brokers and the client's complaint. */
enum ll_code kafka_fail(struct kafka_client *client, rd_kafka_resp_err_t err, const char *what, struct error *error);

int64_t kafka_now_ms(void);

/* ---- kafka_topic.c ---- */

/* Asks the brokers about the topic until `patience_ms` are over. LL_NOT_FOUND: they have no such topic. *partitions and
 * *replicas (of partition 0) may be NULL. */
enum ll_code kafka_topic_look(struct kafka_client *client, int patience_ms, int *partitions, int *replicas,
			      struct error *error) LL_CHECKED;

enum ll_code kafka_topic_watermarks(struct kafka_client *client, int patience_ms, struct journal_watermarks *watermarks,
				    struct error *error) LL_CHECKED;

enum ll_code kafka_topic_create(const char *rest, const struct journal_options *options, int replication,
				struct error *error) LL_CHECKED;

enum ll_code kafka_topic_check(struct kafka_client *client, journal_finding_fn *found, void *context, unsigned *wrong,
			       struct error *error) LL_CHECKED;

/* ---- the journal ---- */

struct kafka_journal {
	struct journal base;
	struct kafka_address address;
	struct kafka_client questions;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_mutex_t reading; /* the questions' client reads one record at a time */
	unsigned keepers;        /* threads of readers that still use the address, closed readers included */
};

enum ll_code kafka_reader_open(struct journal *base, uint64_t offset, struct journal_reader **opened,
			       struct error *error) LL_CHECKED;
enum ll_code kafka_appender_open(struct journal *base, struct journal_appender **opened,
				 struct error *error) LL_CHECKED;

#endif
