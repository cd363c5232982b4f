/*
 * A member of a consumer group that works through a topic: what sink and intake share. Seen by kafka_*.c files alone.
 *
 *	poll --> pending --> the owner's work, in order --> settled --> committed
 *	                          |                                        ^ only when all that was sent is acknowledged
 *	                          \--> member_send, member_bury (dead letters, replies)
 *
 * While the other side (an endpoint, engines) is down, the owner waits with member_wait: the group sees it alive, and once enough is
 * pending the partitions are paused. Partitions that are taken away take their pending records along: member_is_over says so, and the
 * work ends without settling.
 *
 * One thread.
 */
#ifndef LEDGERLINE_SINK_KAFKA_MEMBER_H
#define LEDGERLINE_SINK_KAFKA_MEMBER_H

#include <stdatomic.h>

#include "engine/relay/kafka_client.h"
#include "engine/sink/board.h"
#include "engine/sink/brokers.h"
#include "engine/sink/kafka_letters.h"

enum { MEMBER_PENDING_ROOM = 4096 };

struct member_options {
	const char *name;       /* its log lines begin with it: "sink" */
	const char *other_side; /* as logs and alerts call it: "endpoint" */
	struct outside outside;
	const char *topic, *group, *letters;
	const struct topic_wanted
		*topics;     /* to be made and looked at; the letters' among them; `topic` too, to be looked at alone */
	size_t topics_count; /* at most 8 */
	int replication;     /* 0: three, or as many as there are brokers */
	size_t pending_max;  /* then the partitions are paused while it waits */
	const char *alert;   /* a command for the shell; NULL: none */
	atomic_bool *stop;
	void (*begins)(void *context); /* it has joined the group */
	/* Something is pending: do one step, and drop what was done. Errors as of member_run. */
	enum ll_code (*work)(void *context, struct error *error);
	void (*tell)(void *context); /* every ten seconds */
	struct member_board *board;  /* where it tells how it stands: before each step, and while it waits */
	void *context;
};

struct member_pending {
	rd_kafka_message_t *message;
	bool done; /* the owner's: it was taken out of turn */
};

/* The owner reads `pending`, `lettered` and `standing`, and counts in standing.counts; the rest is kafka_member.c's. */
struct member {
	const struct member_options *options;
	struct outside_client consumer, producer;
	bool has_consumer, has_producer;
	struct member_pending pending[MEMBER_PENDING_ROOM]; /* in their order */
	size_t pending_count, pending_bytes;
	bool leaving;
	bool paused, lost, overflowed; /* lost: partitions were taken away, what was polled belongs to another member */
	size_t stale; /* when lost: so many at the front; one poll may bring new partitions and their records, too */
	struct board_standing standing;
	struct brokers brokers;
	const char *away;     /* by what the client counts; NULL: they are there */
	int64_t delivered_ms; /* when something was acknowledged, or sent while nothing else was */
	unsigned failures;    /* of the other side, in a row */
	uint64_t lettered;
	int64_t letter_bytes; /* the largest record that the letters' topic takes */
	uint64_t undelivered;
	enum ll_code send_failed;
	int64_t committed_ms, told_ms;
	struct error failure; /* with send_failed */
	char event[64];
};

/* Until *stop; through outages of the brokers. What was settled is committed. LL_USAGE, LL_NOT_FOUND (no such topic), LL_SETTINGS,
 * LL_DENIED, LL_TOO_LARGE; what `work` ended with, but for LL_UNAVAILABLE, with which it begins anew. BLOCKING. */
enum ll_code member_run(struct member *member, const struct member_options *options, struct error *error) LL_CHECKED;

/* "sink.dead.letter" of "dead.letter". Good until the next call. */
const char *member_event(struct member *member, const char *what);

/* Is it of no use to go on with what is pending? */
bool member_is_over(const struct member *member);

/* Polls once: true: a record has come, and is pending. */
bool member_serve(struct member *member, int timeout_ms);
/* Keeps the group company for so long, unless it is over. */
void member_wait(struct member *member, int64_t ms);
/* How long to wait after so many tries in vain: from 0.1 s on, doubled, with jitter; not less than was asked for. */
int64_t member_back_off(unsigned attempts, int64_t ms_max, int64_t asked_ms);

/* What is pending at the front is done: its offsets may be committed once all that was sent is acknowledged. Nothing when it is lost. */
void member_settle(struct member *member, size_t count);

/* Hands a record over, as letters and replies go. Takes the headers, copies the rest. */
enum ll_code member_send(struct member *member, const char *topic, int32_t partition, struct slice key,
			 struct slice value, rd_kafka_headers_t *headers, struct error *error) LL_CHECKED;
/* Makes a dead letter of a record, and says so. The group is the member's own. */
enum ll_code member_bury(struct member *member, const rd_kafka_message_t *message, const struct letter_why *why,
			 struct error *error) LL_CHECKED;

/* Puts how it stands on its board. To be called by an owner who polls himself; else it is done before each step, and while it waits. */
void member_show(struct member *member);

/* The other side has answered something useful, or not. Three times not, in a row: it is down. */
void member_answered(struct member *member, const char *who);
void member_failed(struct member *member, const char *who, const char *reason);

#endif
