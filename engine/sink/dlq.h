/*
 * A dead-letter topic, read in whole, and its letters sent back.
 *
 * A letter that was redriven is marked in the topic itself: a record without a value whose header dlq-redriven names the letter's offset.
 * The mark is written after the letter went out and was acknowledged: whoever dies in between redrives it once more, under the same eventId.
 *
 * To its origin topic a letter goes with its key and its headers, but without those of letters and of the relay (by which a relay tells
 * what it has published), and with dlq-redriven-from: TOPIC/OFFSET of the letter.
 *
 * A letter is permanent when the record itself is at fault: whoever sends it again gets the same letter. Who wrote it says so (dlq-permanent),
 * and what was never posted to anybody is so anyway.
 */
#ifndef LEDGERLINE_SINK_DLQ_H
#define LEDGERLINE_SINK_DLQ_H

#include "engine/journal/journal.h"
#include "engine/sink/post.h"

struct dlq;

/* A record is a letter by its header dlq-reason. Others are counted, and left alone. */

struct dlq_options {
	const char *brokers, *topic;
	const struct journal_option *settings;
	size_t settings_count;
};

/* Everything points into the topic's records, and is good until dlq_close. Absent: empty, -1. */
struct letter {
	int64_t offset;
	struct slice key, value;
	struct slice reason, group, time, topic; /* topic: where it came from */
	int64_t status, attempts, partition, origin_offset;
	int64_t bytes;        /* of the record's value, when the letter holds its beginning alone */
	const char *event_id; /* NULL: it is no public event */
	bool redriven, permanent;
};

/* Reads all of it: of its first partition, as letters are on no other. LL_NOT_FOUND: no such topic. LL_UNAVAILABLE, LL_USAGE, LL_DENIED. BLOCKING. */
enum ll_code dlq_open(const struct dlq_options *options, struct dlq **dlq, struct error *error) LL_CHECKED;
void dlq_close(struct dlq *dlq); /* NULL allowed */

size_t dlq_count(const struct dlq *dlq);
const struct letter *dlq_letter(const struct dlq *dlq, size_t index); /* in their order */
uint64_t dlq_others(const struct dlq *dlq);                           /* records that are no letters */
int dlq_partitions(const struct dlq *dlq);                            /* more than one: hardly a topic of letters */

/* Sends a letter that was not redriven back, to its origin topic or (poster not NULL) to an endpoint, and marks it. BLOCKING.
 * LL_USAGE: it does not say where it came from, or is no event and so nothing to post. LL_DENIED: the endpoint refused it. LL_UNAVAILABLE:
 * the endpoint or the brokers do not answer. */
enum ll_code dlq_redrive(struct dlq *dlq, size_t index, struct poster *poster, struct error *error) LL_CHECKED;

#endif
