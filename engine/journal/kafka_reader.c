/*
 * Readers of the Kafka journal.
 *
 * Two threads share a reader. The user's reads messages from a queue that librdkafka fills, and never waits for anything
 * else. The keeper, one per reader, does all that may take its time: it starts and ends the client, notices that brokers or
 * the topic have gone, and wakes the client's fetching.
 *
 *	keeper:	start --> [ serve errors | wake fetching while behind | ask again while away ] --> stop
 *	user:	            read, read, ... close
 *
 * Why fetching must be woken: when the queue is full, librdkafka before 2.2 sleeps about a second before it fetches again,
 * however fast the queue is emptied. Any request through the broker's thread ends that sleep; the keeper asks for the
 * watermarks every few milliseconds while the reader is behind.
 *
 * The client says nothing on the queue when a topic is deleted, only by its error callback, and what it says then it also
 * says while a cluster changes leaders. So the keeper asks the brokers before it believes it.
 *
 * A broker that no longer leads, and does not know it yet, answers that its log ends before what others have read. This client knows no
 * epochs of leaders (KIP-320), so the keeper asks again, who leads and where the log ends; only a log that stays shorter was cut.
 *
 * A closed reader's keeper ends by itself; the journal waits for it when it is closed.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "engine/journal/bell.h"
#include "engine/journal/kafka_client.h"
#include "schemas/wire/ensure.h"

enum {
	MESSAGES_HELD = 16, /* a batch waits until it is full or its time is over: small, and without time */
	WAKE_FETCHING_MS = 10,
	ASK_WHILE_AWAY_MS = 200,
	IDLE_MS = 1000,
	QUESTION_MS = 1000,
};

struct kafka_reader {
	struct journal_reader base;
	struct kafka_journal *journal;
	int bell;        /* rings for the user */
	int keeper_bell; /* rings for the keeper */
	uint64_t start;
	atomic_bool closing, behind, suspect, away;
	atomic_bool outside;          /* the brokers say that `outside_at`, the user's position, is not in the log */
	_Atomic(uint64_t) outside_at; /* written before the flag, which only the keeper takes back */

	/* The keeper's. */
	struct kafka_client client;
	int64_t outside_since_ms; /* since when it has been said without a break; 0: not confirmed yet */
	struct spent_queue
		*spent; /* of fetches that were begun again: the user may still be looking into the last one */

	/* Written by either, under the lock. */
	pthread_mutex_t lock;
	enum ll_code ended; /* LL_OK, or why this reader is of no more use */
	struct error ended_error;

	/* The user's. The queue is the keeper's until it is published. */
	_Atomic(rd_kafka_queue_t *) queue;
	uint64_t position;
	uint64_t end_seen; /* offset of the last end of partition, or JOURNAL_NO_OFFSET */
	bool told_end;
	rd_kafka_message_t *held[MESSAGES_HELD];
	size_t held_count, held_next;
	rd_kafka_message_t *given; /* whose value the user may still read */
};

struct spent_queue {
	rd_kafka_queue_t *queue;
	struct spent_queue *next;
};

static const uint64_t one_ring = 1;

static void end_reader(struct kafka_reader *reader, const struct error *why)
{
	pthread_mutex_lock(&reader->lock);
	if (reader->ended == LL_OK) {
		reader->ended = why->code;
		reader->ended_error = *why;
	}
	pthread_mutex_unlock(&reader->lock);
	bell_ring(reader->bell);
}

/* ---- the keeper ---- */

static void set_away(struct kafka_reader *reader, bool away)
{
	if (atomic_exchange(&reader->away, away) != away)
		bell_ring(reader->bell);
}

static void on_client_error(void *context, rd_kafka_resp_err_t err, const char *reason)
{
	struct kafka_reader *reader = context;
	struct error error;
	(void)reason;
	switch (kafka_code(err)) {
	case LL_NOT_FOUND: atomic_store(&reader->suspect, true); break;
	case LL_DENIED:
		kafka_fail(&reader->client, err, "reading", &error);
		end_reader(reader, &error);
		break;
	default:
		if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
			set_away(reader, true);
	}
}

/* From `offset` on, into a queue of its own. */
static bool start_fetching(struct kafka_reader *reader, uint64_t offset)
{
	struct error error;
	rd_kafka_queue_t *queue = rd_kafka_queue_new(reader->client.rk);
	rd_kafka_queue_io_event_enable(queue, reader->bell, &one_ring, sizeof one_ring);
	if (rd_kafka_consume_start_queue(reader->client.topic, 0, (int64_t)offset, queue) != 0) {
		kafka_fail(&reader->client, rd_kafka_last_error(), "reading", &error);
		end_reader(reader, &error);
		rd_kafka_queue_destroy(queue);
		return false;
	}
	atomic_store(&reader->queue, queue);
	bell_ring(reader->bell);
	return true;
}

static bool start_client(struct kafka_reader *reader)
{
	struct error error;
	enum ll_code code = kafka_client_open(&reader->client, &reader->journal->address, KAFKA_READER, on_client_error,
					      reader, true, &error);
	if (code != LL_OK) {
		end_reader(reader, &error);
		return false;
	}
	rd_kafka_queue_t *errors = rd_kafka_queue_get_main(reader->client.rk);
	rd_kafka_queue_io_event_enable(errors, reader->keeper_bell, &one_ring, sizeof one_ring);
	rd_kafka_queue_destroy(errors);
	if (start_fetching(reader, reader->start))
		return true;
	kafka_client_close(&reader->client);
	return false;
}

static void release_queue(rd_kafka_queue_t *queue)
{
	rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
	rd_kafka_queue_destroy(queue);
}

static void stop_client(struct kafka_reader *reader)
{
	rd_kafka_consume_stop(reader->client.topic, 0);
	release_queue(atomic_load(&reader->queue));
	for (struct spent_queue *spent; (spent = reader->spent);) {
		reader->spent = spent->next;
		release_queue(spent->queue);
		free(spent);
	}
	release_queue(rd_kafka_queue_get_main(reader->client.rk));
	kafka_client_close(&reader->client);
}

/* The client fetches no more after it has said that an offset is outside: it is told to once more, with a queue of its own, as what
 * the other one still holds is of the fetch before. */
static void fetch_again(struct kafka_reader *reader, uint64_t offset)
{
	struct spent_queue *spent = malloc(sizeof *spent);
	if (!spent)
		return; /* the next time */
	*spent = (struct spent_queue){.queue = atomic_load(&reader->queue), .next = reader->spent};
	rd_kafka_consume_stop(reader->client.topic, 0);
	atomic_store(&reader->outside, false);
	if (start_fetching(reader, offset))
		reader->spent = spent;
	else
		free(spent);
}

/* Is the position really outside of the log? */
static void look_for_position(struct kafka_reader *reader)
{
	struct journal_watermarks marks;
	struct error error;
	uint64_t at = atomic_load(&reader->outside_at);
	if (kafka_topic_watermarks(&reader->client, QUESTION_MS, &marks, &error) != LL_OK) {
		reader->outside_since_ms = 0;
		return;
	}
	int64_t now = kafka_now_ms();
	if (!reader->outside_since_ms)
		reader->outside_since_ms = now;
	if (at >= marks.low && at <= marks.high) {
		reader->outside_since_ms = 0;
		fetch_again(reader, at);
	} else if (at < marks.low || now - reader->outside_since_ms >= JOURNAL_SHORTER_MS) {
		error_set(&error, LL_DIVERGED,
			  "offset %llu is outside of %s: it was cut short, its beginning was deleted, or it is "
			  "another topic of that name",
			  (unsigned long long)at, reader->client.address->topic);
		end_reader(reader, &error);
		atomic_store(&reader->outside, false);
	}
}

/* Is the topic gone, or was it only a change of leaders? Do brokers answer again? */
static void look_after_topic(struct kafka_reader *reader)
{
	struct error error;
	enum ll_code code = kafka_topic_look(&reader->client, QUESTION_MS, NULL, NULL, &error);
	if (code == LL_UNAVAILABLE)
		return; /* asked again, as long as it is suspect or away */
	atomic_store(&reader->suspect, false);
	if (code == LL_OK)
		set_away(reader, false);
	else
		end_reader(reader, &error);
}

/* The question counts, not the answer. */
static void wake_fetching(struct kafka_reader *reader)
{
	int64_t low, high;
	(void)rd_kafka_query_watermark_offsets(reader->client.rk, reader->client.address->topic, 0, &low, &high,
					       QUESTION_MS);
}

static void keep(struct kafka_reader *reader)
{
	while (!atomic_load(&reader->closing)) {
		int nap = IDLE_MS;
		if (atomic_load(&reader->away) || atomic_load(&reader->suspect) || atomic_load(&reader->outside))
			nap = ASK_WHILE_AWAY_MS;
		else if (atomic_load(&reader->behind))
			nap = WAKE_FETCHING_MS;
		bell_wait(reader->keeper_bell, nap);
		bell_mute(reader->keeper_bell);
		rd_kafka_poll(reader->client.rk, 0);
		if (atomic_load(&reader->closing))
			break;
		if (atomic_load(&reader->suspect) || atomic_load(&reader->away))
			look_after_topic(reader);
		else if (atomic_load(&reader->outside))
			look_for_position(reader);
		else if (atomic_load(&reader->behind))
			wake_fetching(reader);
	}
}

static void *run_keeper(void *context)
{
	struct kafka_reader *reader = context;
	struct kafka_journal *journal = reader->journal;
	if (start_client(reader)) {
		keep(reader);
		while (!atomic_load(&reader->closing))
			bell_wait(reader->keeper_bell, IDLE_MS);
		stop_client(reader);
	} else {
		while (!atomic_load(&reader->closing))
			bell_wait(reader->keeper_bell, IDLE_MS);
	}
	close(reader->bell);
	close(reader->keeper_bell);
	pthread_mutex_destroy(&reader->lock);
	free(reader);
	pthread_mutex_lock(&journal->lock);
	journal->keepers--;
	pthread_cond_broadcast(&journal->changed);
	pthread_mutex_unlock(&journal->lock);
	return NULL;
}

/* ---- reading ---- */

static void give_back(struct kafka_reader *reader)
{
	if (reader->given)
		rd_kafka_message_destroy(reader->given);
	reader->given = NULL;
}

/* The next message without waiting; NULL: there is none. */
static rd_kafka_message_t *next_message(struct kafka_reader *reader)
{
	rd_kafka_queue_t *queue = atomic_load(&reader->queue);
	if (reader->held_next == reader->held_count && queue) {
		ssize_t got = rd_kafka_consume_batch_queue(queue, 0, reader->held, MESSAGES_HELD);
		reader->held_next = 0;
		reader->held_count = got > 0 ? (size_t)got : 0;
	}
	return reader->held_next < reader->held_count ? reader->held[reader->held_next++] : NULL;
}

/* Has everything been given that the brokers had when they were last heard? Tells the keeper how far behind we are. */
static bool is_at_end(struct kafka_reader *reader)
{
	int64_t low = -1, high = -1;
	if (reader->end_seen == reader->position)
		high = (int64_t)reader->position;
	else if (!atomic_load(&reader->queue) ||
		 rd_kafka_get_watermark_offsets(reader->client.rk, reader->client.address->topic, 0, &low, &high) !=
			 RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	if (high < 0)
		return false; /* nothing was fetched yet */
	bool behind = high > (int64_t)reader->position;
	if (atomic_exchange(&reader->behind, behind) != behind && behind)
		bell_ring(reader->keeper_bell);
	return (uint64_t)high == reader->position;
}

/* What a message that carries no record means. LL_OK: nothing, go on. */
static enum ll_code take_event(struct kafka_reader *reader, rd_kafka_message_t *message, struct error *error)
{
	rd_kafka_resp_err_t err = message->err;
	const char *topic = reader->journal->address.topic;
	enum ll_code code = kafka_code(err);
	if (err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		reader->end_seen = (uint64_t)message->offset;
		code = LL_OK;
	} else if (code == LL_DIVERGED) {
		reader->end_seen = JOURNAL_NO_OFFSET;
		atomic_store(&reader->outside_at, reader->position);
		atomic_store(&reader->outside, true);
		bell_ring(reader->keeper_bell);
		code = LL_OK;
	} else if (code == LL_NOT_FOUND) {
		atomic_store(&reader->suspect, true);
		bell_ring(reader->keeper_bell);
		code = LL_OK;
	} else if (code == LL_DENIED || code == LL_CORRUPT || code == LL_SETTINGS) {
		code = code == LL_SETTINGS ? LL_IO : code;
		error_set(error, code, "reading %s at offset %llu: %s", topic, (unsigned long long)reader->position,
			  rd_kafka_message_errstr(message));
	} else {
		code = LL_OK; /* the client tries again by itself */
	}
	return code;
}

/* Goes through what is there. LL_TIMEOUT: no record among it. */
static enum ll_code look(struct kafka_reader *reader, struct journal_record *record, struct error *error)
{
	rd_kafka_message_t *message;
	while ((message = next_message(reader))) {
		if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
			reader->given = message;
			record->offset = (uint64_t)message->offset;
			record->time_ms = rd_kafka_message_timestamp(message, NULL);
			record->value = slice_of(message->payload, message->len);
			reader->position = record->offset + 1;
			if (reader->held_next == reader->held_count)
				(void)is_at_end(reader);
			return LL_OK;
		}
		enum ll_code code = take_event(reader, message, error);
		rd_kafka_message_destroy(message);
		if (code != LL_OK)
			return code;
	}
	return LL_TIMEOUT;
}

static enum ll_code say_why_nothing(struct kafka_reader *reader, struct error *error)
{
	char complaint[KAFKA_TEXT_MAX];
	pthread_mutex_lock(&reader->lock);
	enum ll_code ended = reader->ended;
	if (ended != LL_OK)
		error_set(error, ended, "%s", reader->ended_error.text);
	pthread_mutex_unlock(&reader->lock);
	if (ended != LL_OK)
		return ended;
	if (atomic_load(&reader->outside))
		return error_set(error, LL_UNAVAILABLE,
				 "a broker says that %s ends before offset %llu: asking again who leads it",
				 reader->journal->address.topic, (unsigned long long)reader->position);
	if (atomic_load(&reader->away)) {
		kafka_client_complaint(&reader->client, complaint);
		return error_set(error, LL_UNAVAILABLE, "no broker of %s answers for now: %s",
				 reader->journal->address.brokers, complaint);
	}
	return is_at_end(reader) ? LL_END : LL_TIMEOUT;
}

/* One attempt without waiting: a record, or why there is none. */
static enum ll_code try_read(struct kafka_reader *reader, struct journal_record *record, struct error *error)
{
	struct error own;
	enum ll_code code = look(reader, record, &own);
	if (code == LL_OK)
		return LL_OK;
	if (code != LL_TIMEOUT)
		end_reader(reader, &own);
	return say_why_nothing(reader, error);
}

static enum ll_code kafka_read(struct journal_reader *base, int timeout_ms, struct journal_record *record,
			       struct error *error)
{
	struct kafka_reader *reader = (struct kafka_reader *)base;
	give_back(reader);
	enum ll_code code = try_read(reader, record, error);
	int64_t deadline = code != LL_OK && timeout_ms > 0 ? kafka_now_ms() + timeout_ms : 0;
	while (code == LL_TIMEOUT || code == LL_UNAVAILABLE || (code == LL_END && reader->told_end)) {
		int64_t left = deadline ? deadline - kafka_now_ms() : 0;
		if (left <= 0)
			break;
		/* What comes between muting and waiting rings again. */
		bell_mute(reader->bell);
		code = try_read(reader, record, error);
		if (code == LL_OK || (code == LL_END && !reader->told_end))
			break;
		bell_wait(reader->bell, (int)left);
		code = try_read(reader, record, error);
	}
	reader->told_end = code == LL_END;
	return code;
}

static int kafka_reader_descriptor(struct journal_reader *base)
{
	return ((struct kafka_reader *)base)->bell;
}

static void kafka_reader_acknowledge(struct journal_reader *base)
{
	bell_mute(((struct kafka_reader *)base)->bell);
}

static void kafka_reader_close(struct journal_reader *base)
{
	struct kafka_reader *reader = (struct kafka_reader *)base;
	int keeper_bell = reader->keeper_bell;
	give_back(reader);
	while (reader->held_next < reader->held_count)
		rd_kafka_message_destroy(reader->held[reader->held_next++]);
	/* From the store on the reader is the keeper's, who may free it before the bell rings. */
	int own_bell = dup(keeper_bell);
	atomic_store(&reader->closing, true);
	if (own_bell >= 0) {
		bell_ring(own_bell);
		close(own_bell);
	}
}

static const struct journal_reader_ops reader_ops = {
	.read = kafka_read,
	.descriptor = kafka_reader_descriptor,
	.acknowledge = kafka_reader_acknowledge,
	.close = kafka_reader_close,
};

static bool start_keeper(struct kafka_reader *reader)
{
	struct kafka_journal *journal = reader->journal;
	pthread_attr_t detached;
	pthread_t thread;
	pthread_mutex_lock(&journal->lock);
	journal->keepers++;
	pthread_mutex_unlock(&journal->lock);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	bool started = pthread_create(&thread, &detached, run_keeper, reader) == 0;
	pthread_attr_destroy(&detached);
	if (!started) {
		pthread_mutex_lock(&journal->lock);
		journal->keepers--;
		pthread_mutex_unlock(&journal->lock);
	}
	return started;
}

enum ll_code kafka_reader_open(struct journal *base, uint64_t offset, struct journal_reader **opened,
			       struct error *error)
{
	if (offset > INT64_MAX)
		return error_set(error, LL_USAGE, "there is no offset %llu in Kafka", (unsigned long long)offset);
	struct kafka_reader *reader = calloc(1, sizeof *reader);
	if (!reader)
		return error_set(error, LL_NO_MEMORY, "no memory for a reader of %s", base->url);
	reader->base.ops = &reader_ops;
	reader->journal = (struct kafka_journal *)base;
	reader->start = reader->position = offset;
	reader->end_seen = JOURNAL_NO_OFFSET;
	atomic_store(&reader->behind, true); /* a client that starts may oversleep, too */
	pthread_mutex_init(&reader->lock, NULL);
	reader->bell = bell_open();
	reader->keeper_bell = bell_open();
	if (reader->bell < 0 || reader->keeper_bell < 0 || !start_keeper(reader)) {
		if (reader->bell >= 0)
			close(reader->bell);
		if (reader->keeper_bell >= 0)
			close(reader->keeper_bell);
		pthread_mutex_destroy(&reader->lock);
		free(reader);
		return error_set(error, LL_FULL, "no thread or descriptor is left for a reader of %s: raise the limits",
				 base->url);
	}
	*opened = &reader->base;
	return LL_OK;
}
