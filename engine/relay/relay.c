#include "engine/relay/relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/data/annulled.h"
#include "engine/log/log.h"
#include "engine/relay/public_event.h"
#include "engine/relay/schedules.h"
#include "schemas/wire/ensure.h"

enum {
	READ_WAIT_MS = 50,
	POLL_MS = 2,
	POLL_BLOCKS = 32, /* reports are served at least every so many records */
	FLUSH_MS = 30000,
	BACK_OFF_MS = 200,
	BACK_OFF_MS_MAX = 30000,
	PROGRESS_MS = 10000,
	NAP_MS = 50,
};

struct session {
	struct relay *relay;
	struct target *target;
	struct fold fold;
	struct annulments annulled;
	struct schedules *schedules;
	struct arena arena;
	struct buffer json;
	uint64_t begin;    /* entries before this one are not published */
	uint64_t resolved; /* --from, as the first entry to publish; UINT64_MAX: not yet */
	uint8_t ledger[LEDGER_UUID_BYTES];
	bool away; /* the journal does not answer */
	int64_t told_ms;
	uint64_t told_published;
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void nap(int ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	nanosleep(&pause, NULL);
}

static bool is_stopping(const struct relay *relay)
{
	return atomic_load(relay->stop);
}

/* Could trying again help, the journal being well? */
static bool may_pass(enum ll_code code)
{
	return code == LL_UNAVAILABLE || code == LL_TIMEOUT;
}

/* What a topic that was well may come to while the relay runs, and somebody will mend. */
static bool is_of_topics(enum ll_code code)
{
	return code == LL_NOT_FOUND || code == LL_SETTINGS || code == LL_DENIED || code == LL_TOO_LARGE;
}

/* ---- before anything is published: who the ledger is, what is annulled, where to begin ---- */

static enum ll_code meet_genesis(struct session *session, const struct block *block, struct error *error)
{
	struct relay *relay = session->relay;
	struct genesis_body body;
	struct cursor cursor = cursor_over(block->body, &session->arena);
	if (!genesis_body_decode(&cursor, &body))
		return error_set(error, LL_CORRUPT, "the genesis of %s cannot be decoded: %s",
				 journal_url(relay->journal), cursor.failed);
	memcpy(session->ledger, block->ledger.at, LEDGER_UUID_BYTES);
	snprintf(relay->name, sizeof relay->name, "%.*s", SLICE_PRINT(body.name));
	for (char *at = relay->name; *at; at++)
		if (*at == ':') /* of names, not of topics */
			*at = '_';
	snprintf(relay->position_topic, sizeof relay->position_topic, "%s%s.relay", relay->prefix, relay->name);
	memcpy(relay->target.ledger, session->ledger, LEDGER_UUID_BYTES);
	relay->target.name = relay->name;
	relay->target.position_topic = relay->position_topic;
	return LL_OK;
}

static void resolve(struct session *session, const struct block *block, int64_t time)
{
	const struct relay_from *from = &session->relay->from;
	uint64_t behind = block->first_seq + block->count;
	if (session->resolved != UINT64_MAX || from->seq == UINT64_MAX || behind <= from->seq || time <= from->after)
		return;
	session->resolved = block->first_seq > from->seq ? block->first_seq : from->seq;
}

static enum ll_code scout_record(struct session *session, struct fold *fold, const struct journal_record *record,
				 struct error *error)
{
	enum fold_verdict verdict;
	struct block block;
	enum ll_code code = fold_record(fold, record->offset, record->value, &verdict, &block, error);
	if (code == LL_OK && verdict == FOLD_GENESIS)
		code = meet_genesis(session, &block, error);
	if (code == LL_OK && verdict == FOLD_ENTRIES) {
		annulled_of_block(&block, record->offset, &session->annulled);
		resolve(session, &block, fold->time);
	}
	return code;
}

/* The next record, however long it takes. LL_END: the journal's end, or the relay is to stop. */
static enum ll_code next_record(struct session *session, struct journal_reader *reader, int wait_ms,
				struct journal_record *record, struct error *error)
{
	for (;;) {
		enum ll_code code = journal_read(reader, wait_ms, record, error);
		bool away = code == LL_UNAVAILABLE;
		if (away != session->away) {
			session->away = away;
			if (away)
				log_warn("relay.journal.away", LOG_TEXT("reason", error->text));
			else
				log_info("relay.journal.back");
		}
		if (code != LL_TIMEOUT && !away)
			return code;
		if (is_stopping(session->relay) || wait_ms == 0)
			return LL_END;
		if (session->target && target_poll(session->target, 0, error) != LL_OK)
			return LL_END; /* the caller's own poll tells why */
	}
}

static enum ll_code scout(struct session *session, struct error *error)
{
	struct journal_reader *reader = NULL;
	struct journal_record record;
	struct fold fold = {0};
	enum ll_code code = journal_reader_open(session->relay->journal, 0, &reader, error);
	session->resolved = UINT64_MAX;
	while (code == LL_OK) {
		code = next_record(session, reader, READ_WAIT_MS, &record, error);
		if (code == LL_OK)
			code = scout_record(session, &fold, &record, error);
	}
	journal_reader_close(reader);
	if (code == LL_END)
		code = LL_OK;
	if (code == LL_OK && !fold.begun && !is_stopping(session->relay))
		return error_set(error, LL_NOT_FOUND,
				 "%s is empty: it has no genesis; make it with `ledgerline journal create`",
				 journal_url(session->relay->journal));
	if (session->resolved == UINT64_MAX)
		session->resolved = fold.next_seq;
	return code;
}

/* ---- publishing ---- */

static enum ll_code publish_entry(struct session *session, const struct entry *entry, struct error *error)
{
	enum ll_code code = LL_OK;
	for (uint32_t i = 0; i < entry->event_count && code == LL_OK; i++) {
		const struct public_event *public = public_event_of(entry->events[i].type);
		if (!public)
			continue;
		buffer_clear(&session->json);
		public_event_json(session->ledger, entry, i, public, &session->json);
		code = target_publish(session->target, public->type, public_event_key(&entry->events[i], public),
				      buffer_slice(&session->json), entry->seq, i, entry->time, error);
	}
	if (code == LL_OK)
		target_reached(session->target, entry->seq + 1);
	return code;
}

/* An entry that annuls one which was published already: nobody can take that back. */
static void look_for_annulment(const struct block *block, const struct entry *entry)
{
	struct annulment annulment;
	if (annulment_of(block, entry, &annulment))
		log_warn("relay.annulled", LOG_NUMBER("offset", annulment.offset), LOG_NUMBER("by", entry->offset),
			 LOG_TEXT("reason", "events of entries that are annulled now may have been published before"));
}

static enum ll_code undecodable(struct session *session, const struct entry *entry, const char *why,
				struct error *error)
{
	if (annulments_cover(&session->annulled, entry->offset, entry->index))
		return LL_OK;
	return error_set(
		error, LL_POISON,
		"journal offset %" PRIu64 ": entry %" PRIu64
		" cannot be decoded (%s): nothing behind it is published until `ledgerline journal annul` was used",
		entry->offset, entry->seq, why);
}

static enum ll_code publish_block(struct session *session, const struct block *block, uint64_t offset,
				  struct error *error)
{
	struct cursor cursor = cursor_over(block->body, &session->arena);
	struct entry entry = {.offset = offset};
	for (uint32_t i = 0; i < block->count; i++) {
		arena_reset(&session->arena);
		cursor.seq = block->first_seq + i;
		entry = (struct entry){.seq = cursor.seq, .offset = offset, .index = i, .time = session->fold.time};
		if (!entry_decode(&cursor, &entry))
			return undecodable(session, &entry, cursor.failed, error);
		if (annulments_cover(&session->annulled, offset, i))
			continue;
		schedules_apply(session->schedules, &entry);
		if (entry.seq < session->begin)
			continue;
		look_for_annulment(block, &entry);
		enum ll_code code = publish_entry(session, &entry, error);
		if (code != LL_OK)
			return code;
	}
	return cursor.at == cursor.end
		       ? LL_OK
		       : undecodable(session, &entry, "bytes are left over after the block's last entry", error);
}

static void show(struct session *session, bool at_end)
{
	struct target_counts counts;
	uint64_t all = 0;
	target_count(session->target, &counts);
	for (unsigned i = 0; i < PUBLIC_TYPES_COUNT; i++)
		all += counts.published[i];
	int64_t now = now_ms();
	if (now - session->told_ms < PROGRESS_MS || all == session->told_published)
		return;
	log_info("relay.progress", LOG_NUMBER("published", all),
		 LOG_NUMBER("perSecond", (all - session->told_published) * 1000 / (uint64_t)(now - session->told_ms)),
		 LOG_NUMBER("thereAlready", counts.there_already), LOG_NUMBER("underWay", counts.under_way),
		 LOG_NUMBER("next", session->fold.next_seq), LOG_TEXT("atEnd", at_end ? "yes" : "no"));
	session->told_ms = now;
	session->told_published = all;
}

static enum ll_code publish_record(struct session *session, const struct journal_record *record, struct error *error)
{
	enum fold_verdict verdict;
	struct block block;
	enum ll_code code = fold_record(&session->fold, record->offset, record->value, &verdict, &block, error);
	if (code == LL_OK && (verdict == FOLD_STALE || verdict == FOLD_FOREIGN))
		log_debug("relay.void", LOG_NUMBER("offset", record->offset));
	if (code == LL_OK && verdict == FOLD_ENTRIES)
		code = publish_block(session, &block, record->offset, error);
	return code;
}

/* Reads and publishes until it is to stop. While reports are awaited the journal is only looked at. */
static enum ll_code follow(struct session *session, struct journal_reader *reader, struct error *error)
{
	struct target_counts counts;
	struct journal_record record;
	unsigned since_poll = 0;
	enum ll_code code = LL_OK;
	while (code == LL_OK && !is_stopping(session->relay)) {
		target_count(session->target, &counts);
		code = next_record(session, reader, counts.under_way ? 0 : READ_WAIT_MS, &record, error);
		bool at_end = code == LL_END;
		if (code == LL_OK)
			code = publish_record(session, &record, error);
		if ((code == LL_OK && ++since_poll >= POLL_BLOCKS) || at_end) {
			since_poll = 0;
			code = target_poll(session->target, at_end && counts.under_way ? POLL_MS : 0, error);
		}
		show(session, at_end);
	}
	return code;
}

static enum ll_code open_target(struct session *session, struct error *error)
{
	struct relay *relay = session->relay;
	relay->target.again = relay->from.given;
	relay->target.from = session->resolved;
	enum ll_code code = target_open(&relay->target, &session->target, error);
	if (code != LL_OK)
		return code;
	relay->from.given = false; /* the next session goes on */
	session->begin = target_next(session->target);
	log_info("relay.begins", LOG_TEXT("ledger", relay->name), LOG_NUMBER("next", session->begin),
		 LOG_TEXT("to", relay->target.brokers));
	return LL_OK;
}

static enum ll_code run_session(struct session *session, bool *was_open, struct error *error)
{
	struct journal_reader *reader = NULL;
	struct error flushing;
	enum ll_code code = scout(session, error);
	if (code != LL_OK || is_stopping(session->relay))
		return code;
	code = open_target(session, error);
	if (code != LL_OK)
		return code;
	*was_open = true;
	session->told_ms = now_ms();
	code = journal_reader_open(session->relay->journal, 0, &reader, error);
	if (code == LL_OK)
		code = follow(session, reader, error);
	journal_reader_close(reader);
	/* Also what stands before poison. */
	if (target_flush(session->target, FLUSH_MS, &flushing) != LL_OK && code == LL_OK)
		code = error_set(error, flushing.code, "%s", flushing.text);
	show(session, false);
	return code;
}

static void session_release(struct session *session)
{
	target_close(session->target);
	schedules_free(session->schedules);
	annulments_release(&session->annulled);
	arena_release(&session->arena);
	buffer_release(&session->json);
}

enum ll_code relay_run(struct relay *relay, struct error *error)
{
	int wait_ms = BACK_OFF_MS;
	bool was_open = false;
	for (;;) {
		struct session session = {.relay = relay, .schedules = schedules_new()};
		bool open = false;
		enum ll_code code = run_session(&session, &open, error);
		session_release(&session);
		was_open |= open;
		bool again = may_pass(code) || (was_open && is_of_topics(code));
		if (is_stopping(relay) && code == LL_UNAVAILABLE)
			return LL_OK; /* what is not acknowledged is published by the next relay */
		if (!again || is_stopping(relay))
			return code;
		if (open)
			wait_ms = BACK_OFF_MS;
		log_warn("relay.again", LOG_TEXT("reason", error->text), LOG_NUMBER("inMs", wait_ms));
		for (int waited = 0; waited < wait_ms && !is_stopping(relay); waited += NAP_MS)
			nap(NAP_MS);
		wait_ms = 2 * wait_ms < BACK_OFF_MS_MAX ? 2 * wait_ms : BACK_OFF_MS_MAX;
	}
}
