/*
 * Kafka clients of the world outside (public topics, dead letters), as the kafka_*.c files of relay and sink use them. The journal's
 * own are engine/journal/kafka_client.h: they carry a protocol that these know nothing of.
 */
#ifndef LEDGERLINE_RELAY_KAFKA_CLIENT_H
#define LEDGERLINE_RELAY_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "engine/journal/journal.h"

enum {
	OUTSIDE_TEXT_MAX = 256,
	OUTSIDE_ASK_MS = 10000,
	OUTSIDE_LOOK_MS = 100,
	OUTSIDE_TOPIC_MAX = 249,
	OUTSIDE_RECORD_BYTES_MAX = 8388608
};

/* Where and how to connect. All of it is borrowed. */
struct outside {
	const char *brokers;
	const struct journal_option *settings;
	size_t settings_count;
	const atomic_bool *stop; /* nobody waits for brokers any more; NULL: that does not happen */
};

enum outside_role {
	OUTSIDE_PRODUCER,   /* acks=all, idempotent, retried for ever, in order */
	OUTSIDE_TRANSACTOR, /* the same, in transactions of which one producer at a time can have some */
	OUTSIDE_READER,     /* of partitions that it is told of: no group. What is not committed is not seen */
	OUTSIDE_ASKER,      /* for the ends of partitions, also of what is not committed */
	OUTSIDE_MEMBER,     /* of a consumer group; commits only what it is told to */
};

struct outside_client {
	rd_kafka_t *rk;
	const struct outside *outside;
	/* A producer's; called from rd_kafka_poll. */
	void (*delivered)(void *context, const rd_kafka_message_t *message);
	/* A member's; called from rd_kafka_consumer_poll. */
	void (*rebalanced)(void *context, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions);
	/* A member's, or NULL; once a second, called from rd_kafka_consumer_poll: what the client counts, as JSON. */
	void (*counted)(void *context, struct slice statistics);
	void *context;
	struct outside_said *said; /* kafka_client.c's */
};

/* Fills *client (delivered, rebalanced, counted and context are kept) and starts it. `name`: a member's group, a transactor's transactional id,
 * else NULL. LL_USAGE: a setting that is owned, unknown or wrong. outside_close after success only. */
enum ll_code outside_open(struct outside_client *client, const struct outside *outside, enum outside_role role,
			  const char *name, struct error *error) LL_CHECKED;
/* Once it is to stop, within seconds: a client that does not end by then, as it waits for brokers, is left to end by itself. */
void outside_close(struct outside_client *client);

int64_t outside_now_ms(void); /* monotonic */
bool outside_is_stopping(const struct outside_client *client);
/* A question that blocks is asked again until OUTSIDE_ASK_MS are over, each time for longer: so a slow answer is waited for, and who is told to stop does so
 * within seconds. How long the try may take (0 is the first); 0: no further one. */
int outside_slice_ms(const struct outside_client *client, unsigned try);
/* Did that try bring no answer? */
bool outside_is_silent(rd_kafka_resp_err_t err);
/* Waits for the answer to a question of the admin's, for a librdkafka that answers within its own time. NULL: it is to stop. */
rd_kafka_event_t *outside_await(const struct outside_client *client, rd_kafka_queue_t *queue);

/* Says that `what` failed, with the brokers and what the client complained of. */
enum ll_code outside_fail(struct outside_client *client, rd_kafka_resp_err_t err, const char *what,
			  struct error *error);

/* ---- kafka_topics.c ---- */

struct topic_wanted {
	const char *name;
	int partitions;
	bool compacted; /* holds the last record of each key for ever, not seven days of all */
	bool kept;      /* forgets nothing */
};

struct topic_found {
	int partitions;
	int64_t record_bytes; /* the largest record that it takes */
};

/* Makes the topics that are not there, with `replication` replicas (0: three, or as many as there are brokers, with a warning in the
 * log), and looks at the settings of all. LL_SETTINGS: some are wrong; each was logged, the error names the first with the command
 * that mends it. One that is kept and takes less than those that are made is warned of. found[i]: what topic i is like. */
enum ll_code topics_prepare(struct outside_client *client, const struct topic_wanted *wanted, size_t count,
			    int replication, struct topic_found *found, struct error *error) LL_CHECKED;

/* How many partitions a topic has. LL_NOT_FOUND: there is no such topic. */
enum ll_code topic_partitions(struct outside_client *client, const char *topic, int *partitions,
			      struct error *error) LL_CHECKED;

/* The same for one that was just made, perhaps by somebody else, and is not known to every broker yet: it is asked for
 * again for five seconds. */
enum ll_code topic_await(struct outside_client *client, const char *topic, int *partitions,
			 struct error *error) LL_CHECKED;

/* ---- kafka_ends.c ---- */

struct topic_end {
	const char *topic;
	int32_t partition;
	int64_t low, high;
	bool found;
};

/* Called for records of the partition, the earlier before the later. true: it is one that was looked for. */
typedef bool end_record_fn(void *context, size_t index, const rd_kafka_message_t *message);

/* Reads the last records of each partition, reaching back further until `seen` knows one (or the beginning is reached). The client is
 * an OUTSIDE_READER. `whole`: what a transaction hides that is not ended counts: LL_UNAVAILABLE until it ends. LL_UNAVAILABLE: nothing came
 * for half a minute. */
enum ll_code topic_ends_read(struct outside_client *client, struct topic_end *ends, size_t count, bool whole,
			     end_record_fn *seen, void *context, struct error *error) LL_CHECKED;

/* The value of a header as text; false: it is not there. Good as long as the message is. */
bool message_header(const rd_kafka_message_t *message, const char *name, struct slice *value);

#endif
