/*
 * The sink: public topic -> HTTP endpoint, as a member of a consumer group.
 *
 *	poll --> is it a public event? --no--------------------------------> dead letter --> committed
 *	              | yes                                                      ^
 *	              v                                                          |
 *	            POST --taken--> committed                                    |
 *	             | ^  \--refused (4xx, redirect)-----------------------------+
 *	      again  | | back-off with jitter, Retry-After                       |
 *	             v |                                                         |
 *	     attempts over? --> another event is tried: taken or refused --------+   (so the endpoint is well, and this event is not)
 *	                                               no answer: the endpoint is down; go on waiting
 *
 * One event at a time, so order holds within each partition; more instances share the partitions. An offset is committed only when its
 * event was taken, or its dead letter is acknowledged. A sink that dies sends again what it had not committed, under the same
 * Idempotency-Key.
 *
 * Dead letters go to TOPIC.dlq as they were, with headers: dlq-reason, dlq-status, dlq-attempts, dlq-topic, dlq-partition, dlq-offset,
 * dlq-group, dlq-time.
 */
#ifndef LEDGERLINE_SINK_SINK_H
#define LEDGERLINE_SINK_SINK_H

#include <stdatomic.h>

#include "engine/journal/journal.h"
#include "engine/sink/board.h"
#include "engine/sink/post.h"

enum sink_count { SINK_TAKEN, SINK_LETTERS_REFUSED, SINK_LETTERS_ATTEMPTS, SINK_LETTERS_NO_EVENT, SINK_COUNTS };
extern const struct board_words sink_words; /* for its board */

struct sink_options {
	const char *brokers, *topic, *group;
	const struct journal_option *settings;
	size_t settings_count;
	struct post_options post;
	unsigned attempts;   /* before another event is tried; at least 1 */
	int back_off_ms_max; /* at least 100 */
	const char *alert;   /* a command for the shell; NULL: none */
	int replication;     /* of the dead-letter topic; 0: three, or as many as there are brokers */
	atomic_bool *stop;
	struct member_board *board; /* where it tells how it stands */
};

/* Until *stop. LL_USAGE, LL_NOT_FOUND (no such topic), LL_SETTINGS, LL_DENIED: at the start. BLOCKING. */
enum ll_code sink_run(const struct sink_options *options, struct error *error) LL_CHECKED;

#endif
