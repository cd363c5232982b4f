#include "engine/relay/relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "engine/data/annulled.h"
#include "engine/log/log.h"
#include "engine/relay/public_event.h"
#include "engine/relay/schedules.h"
#include "schemas/wire/ensure.h"

enum {
	READ_WAIT_MS = 50,
	COMMIT_MS = 100, /* between two looks whether it is to stop */
	LATE_MS = 2000,  /* behind by so much, events come in large transactions */
	STAND_BY_MS = 2000,
	BACK_OFF_MS = 200,
	BACK_OFF_MS_MAX = 30000,
	PROGRESS_MS = 10000,
	STUCK_MS = 5000, /* a commit that takes longer is told */
	LIFE_MS = 1000,  /* so often others are to see that it lives, whatever it is doing */
	NAP_MS = 50,
	FLUSH_MS = 5000, /* at the end */
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
	bool away;  /* the journal does not answer */
	bool stuck; /* nor do the brokers of the topics */
	int64_t told_ms, polled_ms;
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

static int64_t wall_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_stopping(const struct relay *relay)
{
	return atomic_load(relay->stop);
}

/* Could trying again help, the journal being well? */
static bool may_pass(enum ll_code code)
{
	return code == LL_UNAVAILABLE || code == LL_TIMEOUT || code == LL_BUSY;
}

/* What a topic that was well may come to while the relay runs, and somebody will mend. */
static bool is_of_topics(enum ll_code code)
{
	return code == LL_NOT_FOUND || code == LL_SETTINGS || code == LL_DENIED || code == LL_TOO_LARGE;
}

/* ---- telling how it stands ---- */

static void set_state(struct relay *relay, enum relay_state state)
{
	pthread_mutex_lock(&relay->board->lock);
	relay->board->status.state = state;
	pthread_mutex_unlock(&relay->board->lock);
}

static void add_counts(struct target_counts *sum, const struct target_counts *more)
{
	for (unsigned i = 0; i < PUBLIC_TYPES_COUNT; i++)
		sum->published[i] += more->published[i];
	for (unsigned i = 0; i < TARGET_DELAYS; i++)
		sum->delays[i] += more->delays[i];
	sum->there_already += more->there_already;
	sum->transactions += more->transactions;
	sum->delay_ms_sum += more->delay_ms_sum;
	sum->under_way = more->under_way;
}

static void post_counts(struct session *session)
{
	struct relay_board *board = session->relay->board;
	struct target_counts now, sum = session->relay->counts;
	target_count(session->target, &now);
	add_counts(&sum, &now);
	pthread_mutex_lock(&board->lock);
	struct relay_status *status = &board->status;
	status->counts = sum;
	status->oldest_ms = target_oldest_ms(session->target);
	if (!target_is_open(session->target))
		status->next = target_next(session->target);
	if (session->fold.next_seq > status->read)
		status->read = session->fold.next_seq;
	pthread_mutex_unlock(&board->lock);
}

/* It waits for brokers, of the journal or of the topics, who do not answer; or does no longer. */
static void show_waiting(struct session *session, bool *which, bool waits, const struct error *why)
{
	enum relay_state well = session->target ? RELAY_PUBLISHING : RELAY_STARTING;
	bool is_journal = which == &session->away;
	if (*which == waits)
		return;
	*which = waits;
	if (waits)
		log_warn(is_journal ? "relay.journal.away" : "relay.waits", LOG_TEXT("reason", why->text));
	else
		log_info(is_journal ? "relay.journal.back" : "relay.goes.on");
	if (waits)
		board_wait(session->relay->board, why);
	else if (!session->away && !session->stuck)
		set_state(session->relay, well);
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
		show_waiting(session, &session->away, away, error);
		if (code != LL_TIMEOUT && !away)
			return code;
		if (is_stopping(session->relay) || wait_ms == 0 || session->target)
			return LL_END;
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
	pthread_mutex_lock(&session->relay->board->lock);
	session->relay->board->status.read = fold.next_seq;
	pthread_mutex_unlock(&session->relay->board->lock);
	return code;
}

/* ---- publishing ---- */

/* LL_END: it is to stop; what is not committed will be by target_flush. */
static enum ll_code commit(struct session *session, struct error *error)
{
	int64_t began = now_ms();
	enum ll_code code;
	do {
		code = target_commit(session->target, COMMIT_MS, error);
		post_counts(session);
		if (code != LL_TIMEOUT || now_ms() - began >= STUCK_MS)
			show_waiting(session, &session->stuck, code == LL_TIMEOUT, error);
	} while (code == LL_TIMEOUT && !is_stopping(session->relay));
	return code == LL_TIMEOUT ? LL_END : code;
}

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
		if (code == LL_OK && target_is_due(session->target, wall_ms() - entry->time > LATE_MS))
			code = commit(session, error);
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

/* Reads and publishes until it is to stop. Whenever nothing more is there, what was published is committed. */
static enum ll_code follow(struct session *session, struct journal_reader *reader, struct error *error)
{
	struct journal_record record;
	enum ll_code code = LL_OK;
	while (code == LL_OK && !is_stopping(session->relay)) {
		bool open = target_is_open(session->target);
		code = next_record(session, reader, open ? 0 : READ_WAIT_MS, &record, error);
		bool at_end = code == LL_END;
		if (code == LL_OK)
			code = publish_record(session, &record, error);
		if (at_end || (code == LL_OK && now_ms() - session->polled_ms >= LIFE_MS)) {
			session->polled_ms = now_ms();
			code = target_poll(session->target, error);
			if (code == LL_OK)
				code = commit(session, error);
		}
		show(session, at_end);
	}
	return code == LL_END ? LL_OK : code;
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
	relay->was_open = true;
	session->begin = target_next(session->target);
	set_state(relay, RELAY_PUBLISHING);
	post_counts(session);
	log_info("relay.begins", LOG_TEXT("ledger", relay->name), LOG_NUMBER("next", session->begin),
		 LOG_TEXT("to", relay->target.brokers));
	return LL_OK;
}

static enum ll_code run_session(struct session *session, bool *was_open, struct error *error)
{
	struct journal_reader *reader = NULL;
	struct error flushing;
	enum ll_code code = LL_OK;
	if (session->relay->was_open) /* somebody else may have begun since */
		code = target_look(&session->relay->target, error);
	if (code == LL_OK || code == LL_NOT_FOUND)
		code = scout(session, error);
	if (code == LL_OK && session->relay->was_open) { /* the journal is long */
		code = target_look(&session->relay->target, error);
		code = code == LL_NOT_FOUND ? LL_OK : code;
	}
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
	post_counts(session);
	show(session, false);
	return code;
}

static void session_release(struct session *session)
{
	struct target_counts counts;
	if (session->target) {
		target_count(session->target, &counts);
		add_counts(&session->relay->counts, &counts);
	}
	target_close(session->target);
	schedules_free(session->schedules);
	annulments_release(&session->annulled);
	arena_release(&session->arena);
	buffer_release(&session->json);
}

static void name_itself(struct relay *relay)
{
	uint8_t self[UUID_BYTES];
	ENSURE(getrandom(self, sizeof self, 0) == sizeof self);
	uuid_text(relay->self, self);
	relay->target.self = relay->self;
	relay->target.rival = &relay->rival;
	relay->target.stop = relay->stop;
}

static uint64_t published_by(const struct relay *relay)
{
	uint64_t all = 0;
	for (unsigned i = 0; i < PUBLIC_TYPES_COUNT; i++)
		all += relay->counts.published[i];
	return all;
}

/* Tells why it begins again, and waits. `open`: it had taken the topics over; `progress`: it had published. */
static void stand_back(struct relay *relay, const struct error *error, bool open, bool progress, int *wait_ms)
{
	bool is_busy = error->code == LL_BUSY;
	int wait = is_busy ? STAND_BY_MS : progress ? BACK_OFF_MS : *wait_ms;
	if (is_busy && open) {
		pthread_mutex_lock(&relay->board->lock);
		relay->board->status.fenced++;
		pthread_mutex_unlock(&relay->board->lock);
		log_warn("relay.fenced", LOG_TEXT("reason", "another relay of this ledger and prefix has begun"));
	} else if (is_busy && relay->board->status.state != RELAY_STANDING_BY) {
		log_info("relay.stands.by", LOG_TEXT("reason", error->text));
	} else if (!is_busy) {
		log_warn("relay.again", LOG_TEXT("reason", error->text), LOG_NUMBER("inMs", wait));
	}
	board_fail(relay->board, error, is_busy && !open ? RELAY_STANDING_BY : RELAY_WAITING);
	for (int waited = 0; waited < wait && !is_stopping(relay); waited += NAP_MS)
		nap(NAP_MS);
	*wait_ms = 2 * wait < BACK_OFF_MS_MAX && !is_busy ? 2 * wait : is_busy ? BACK_OFF_MS : BACK_OFF_MS_MAX;
}

enum ll_code relay_run(struct relay *relay, struct error *error)
{
	int wait_ms = BACK_OFF_MS;
	name_itself(relay);
	for (;;) {
		struct session session = {.relay = relay, .schedules = schedules_new()};
		bool open = false;
		uint64_t before = published_by(relay);
		if (relay->board->status.state != RELAY_STANDING_BY)
			set_state(relay, RELAY_STARTING);
		enum ll_code code = run_session(&session, &open, error);
		session_release(&session);
		bool again = may_pass(code) || (relay->was_open && is_of_topics(code));
		if (is_stopping(relay) && (code == LL_UNAVAILABLE || code == LL_BUSY || code == LL_TIMEOUT))
			code = LL_OK; /* what is not committed is published by the next relay */
		if (!again || is_stopping(relay)) {
			if (code == LL_OK)
				set_state(relay, RELAY_OFF);
			else
				board_fail(relay->board, error, RELAY_STOPPED);
			return code;
		}
		stand_back(relay, error, open, published_by(relay) != before, &wait_ms);
	}
}
