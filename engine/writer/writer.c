#include "engine/writer/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/decide/due.h"
#include "engine/writer/builder.h"
#include "engine/writer/hits.h"
#include "schemas/command_hash.h"
#include "schemas/wire/ensure.h"

enum {
	ATTEMPTS_KEPT = 64,
	BACK_OFF_MS_MIN = 50,
	BACK_OFF_MS_MAX = 2000,
	SWEEP_ENTRIES_BUSY = 512, /* of a block, when commands wait too */
	SWEEP_ENTRIES_IDLE = 4096,
	FLUSH_MS_IDLE = 40,
	FLUSH_MS_BUSY = 1000,
	FULL_PAUSE_MS = 500, /* between two blocks, while the journal has no room */
	RECORDS_A_PUMP = 64, /* then others get their turn */
};

struct writer {
	struct ledger *ledger;
	struct journal_reader *reader;
	struct journal_appender *appender;
	struct writer_host *host;
	struct writer_options options;
	struct builder *builder;
	enum writer_state state;
	struct error failure;
	bool stopping, at_end, flush_soon;
	bool suspects_log;       /* read no further until the host has seen that it is still the same log */
	uint64_t log_seen_until; /* the host has seen that it is, with what stood before this offset */
	bool is_closing;         /* an appender, somewhere else */

	uint64_t order;                 /* of the last command that was handed over */
	struct pending_queue queue;     /* not taken yet */
	struct pending_queue in_flight; /* with an entry in the block that was appended, in order */
	struct pending_queue held;      /* without one; answered when that block is committed */
	bool block_is_out;              /* a block was appended and not yet read back */
	bool report_is_due;             /* the appender has not reported the last append: it takes no other one */
	uint64_t block_end;             /* the entry after its last one */
	int64_t out_since_ms, out_since_us;

	uint8_t attempts[ATTEMPTS_KEPT][LEDGER_UUID_BYTES]; /* uuids of own claims, a ring */
	unsigned attempt;                                   /* index of the newest; others are abandoned */
	uint8_t claim_room[4096];
	bool claim_is_out;
	int64_t retry_at_ms; /* WAITING: when it claims again; LEADING: no block before */
	int64_t back_off_ms;

	int64_t flushed_at_ms;
	struct hits hits;
	struct writer_statistics statistics;
	void (*folded)(void *);
	void *folded_context;
};

static int64_t monotonic(struct writer *writer)
{
	return writer->host->monotonic_us(writer->host) / 1000;
}

static void enter(struct writer *writer, enum writer_state state)
{
	if (writer->state == state)
		return;
	writer->state = state;
	writer->host->state_changed(writer->host, state);
}

/* ---- answers ---- */

static void answer_code(struct pending *pending, enum code code)
{
	struct answer answer = {.kind = ANSWER_REJECTED, .code = code};
	if (pending->chain && !pending->chain->broken_at)
		pending->chain->broken_at = pending->order;
	pending->answer(pending, &answer);
}

static void answer_all(struct pending_queue *queue, enum code code)
{
	struct pending *pending;
	while ((pending = pending_pop(queue)))
		answer_code(pending, code);
}

static void answer_held(struct writer *writer)
{
	struct pending *pending;
	while ((pending = pending_pop(&writer->held))) {
		struct answer answer = pending->held;
		writer->statistics.rejected += answer.kind == ANSWER_REJECTED;
		pending->answer(pending, &answer);
	}
}

/* ---- repeated commands ---- */

static void read_hits(struct writer *writer)
{
	struct pending *pending = hits_to_read(&writer->hits);
	if (pending)
		writer->host->read_hit(writer->host, pending->hit_offset);
}

static void answer_hit(struct writer *writer, struct pending *pending)
{
	writer->statistics.repeated++;
	if (!hits_take(&writer->hits, pending))
		read_hits(writer);
}

void writer_answer_hits(struct writer *writer, struct slice bytes)
{
	hits_read(&writer->hits, bytes);
	read_hits(writer);
}

/* ---- losing and gaining the lead ---- */

static void give_up_appender(struct writer *writer)
{
	if (writer->appender) {
		writer->is_closing = true;
		writer->host->close_appender(writer->host, writer->appender);
	}
	writer->appender = NULL;
	writer->claim_is_out = writer->report_is_due = false;
}

/* What is in doubt waits for the barrier, the next valid claim, as commands that are to be decided again, in their order: when
 * the block landed after all, their keys are found. */
static void take_back(struct writer *writer)
{
	for (struct pending *held = writer->held.first; held; held = held->next)
		if (held->chain && held->chain->broken_at == held->order)
			held->chain->broken_at = 0;
	pending_merge(&writer->held, &writer->in_flight);
	pending_merge(&writer->queue, &writer->held);
	writer->block_is_out = false;
}

static void halt(struct writer *writer, const struct error *error)
{
	writer->failure = *error;
	writer->host->tell(writer->host, error->code, error->text);
	give_up_appender(writer);
	answer_all(&writer->in_flight, CODE_OUTCOME_UNKNOWN);
	answer_all(&writer->held, CODE_JOURNAL_UNAVAILABLE);
	answer_all(&writer->queue, CODE_JOURNAL_UNAVAILABLE);
	writer->block_is_out = false;
	enter(writer, WRITER_HALTED);
}

static void retry_later(struct writer *writer, const char *why)
{
	char sentence[LL_ERROR_TEXT_MAX + 128];
	writer->back_off_ms = writer->back_off_ms ? writer->back_off_ms * 2 : BACK_OFF_MS_MIN;
	if (writer->back_off_ms > BACK_OFF_MS_MAX)
		writer->back_off_ms = BACK_OFF_MS_MAX;
	writer->retry_at_ms = monotonic(writer) + writer->back_off_ms;
	snprintf(sentence, sizeof sentence, "%s; claiming the journal again in %" PRId64 " ms", why,
		 writer->back_off_ms);
	writer->host->tell(writer->host, LL_UNAVAILABLE, sentence);
	writer->statistics.append_failures++;
	give_up_appender(writer);
	enter(writer, WRITER_WAITING);
}

static void open_appender(struct writer *writer)
{
	enter(writer, WRITER_OPENING);
	writer->at_end = false; /* the end is to be seen again before the claim */
	writer->host->open_appender(writer->host);
}

void writer_appender_opened(struct writer *writer, struct journal_appender *appender, const struct error *error)
{
	writer->appender = appender;
	if (writer->state != WRITER_OPENING)
		give_up_appender(writer);
	else if (appender)
		enter(writer, WRITER_CLAIMING);
	else if (error->code == LL_UNAVAILABLE || error->code == LL_TIMEOUT)
		retry_later(writer, error->text);
	else
		halt(writer, error);
}

void writer_appender_closed(struct writer *writer)
{
	writer->is_closing = false;
}

static bool is_own_attempt(const struct writer *writer, const uint8_t *uuid)
{
	for (unsigned i = 0; i < ATTEMPTS_KEPT; i++)
		if (memcmp(writer->attempts[i], uuid, LEDGER_UUID_BYTES) == 0)
			return true;
	return false;
}

/* One place for the record headers that people see in their Kafka tools. */
static enum ll_code append(struct writer *writer, struct slice value, const char *kind, uint64_t epoch, uint64_t seq,
			   uint32_t count, int64_t time_ms, struct error *error)
{
	char epoch_text[24], seq_text[24], count_text[24];
	snprintf(epoch_text, sizeof epoch_text, "%" PRIu64, epoch);
	snprintf(seq_text, sizeof seq_text, "%" PRIu64, seq);
	snprintf(count_text, sizeof count_text, "%u", count);
	struct journal_header headers[] = {{"ledgerline-kind", kind},
					   {"ledgerline-epoch", epoch_text},
					   {"ledgerline-sequence", seq_text},
					   {"ledgerline-count", count_text}};
	enum ll_code code = journal_append(writer->appender, value, time_ms, headers, 4, error);
	writer->report_is_due = code == LL_OK;
	return code;
}

static void claim(struct writer *writer)
{
	struct error error;
	const struct fold *fold = ledger_fold_state(writer->ledger);
	writer->attempt = (writer->attempt + 1) % ATTEMPTS_KEPT;
	uint8_t *uuid = writer->attempts[writer->attempt];
	writer->host->random(writer->host, uuid, LEDGER_UUID_BYTES);
	struct claim_body body = {
		.writer = slice_of(uuid, LEDGER_UUID_BYTES),
		.address = slice_text(writer->options.address),
		.software = slice_text(LEDGERLINE_VERSION),
		.format = BLOCK_FORMAT,
	};
	int64_t now = writer->host->now_ms(writer->host);
	struct slice value = block_write_claim(writer->claim_room, slice_of(fold->ledger, sizeof fold->ledger), now,
					       fold->epoch + 1, fold->next_seq, &body);
	enum ll_code code = append(writer, value, "claim", fold->epoch + 1, fold->next_seq, 0, now, &error);
	writer->statistics.claims++;
	if (code != LL_OK) {
		retry_later(writer, error.text);
		return;
	}
	writer->claim_is_out = true;
	writer->out_since_ms = monotonic(writer);
}

void writer_lead(struct writer *writer)
{
	if (writer->state != WRITER_FOLLOWING || writer->stopping)
		return;
	writer->retry_at_ms = monotonic(writer); /* at the next pump, when the appender of before is closed */
	enter(writer, WRITER_WAITING);
}

static void follow(struct writer *writer)
{
	char sentence[WRITER_ADDRESS_MAX + 128];
	snprintf(sentence, sizeof sentence,
		 "another engine (%s) has claimed the journal with epoch %" PRIu64 ": following it",
		 ledger_fold_state(writer->ledger)->claim_address, ledger_fold_state(writer->ledger)->epoch);
	writer->host->tell(writer->host, LL_OK, sentence);
	give_up_appender(writer);
	/* The claim is the barrier: what was in flight and is not folded by now never counts. */
	take_back(writer);
	answer_all(&writer->queue, CODE_NOT_LEADER);
	enter(writer, WRITER_FOLLOWING);
}

static void folded_claim(struct writer *writer)
{
	const uint8_t *uuid = ledger_fold_state(writer->ledger)->claim_writer;
	bool newest = memcmp(uuid, writer->attempts[writer->attempt], LEDGER_UUID_BYTES) == 0;
	if (newest && writer->state == WRITER_CLAIMING && writer->claim_is_out) {
		take_back(writer);
		writer->back_off_ms = 0;
		enter(writer, WRITER_LEADING);
	} else if (is_own_attempt(writer, uuid)) {
		/* An abandoned attempt has landed: whoever was to write under it is gone. Claim again at once. */
		if (writer->state == WRITER_LEADING || writer->state == WRITER_CLAIMING) {
			take_back(writer);
			writer->claim_is_out = false;
			enter(writer, WRITER_CLAIMING);
		}
	} else if (writer->state == WRITER_LEADING || writer->state == WRITER_CLAIMING ||
		   writer->state == WRITER_WAITING || writer->state == WRITER_OPENING) {
		follow(writer);
	}
}

/* ---- reading ---- */

static void visit(void *context, const struct entry *entry)
{
	struct writer *writer = context;
	struct writer_statistics *s = &writer->statistics;
	s->entries++;
	s->accepted += entry->head.outcome == OUTCOME_ACCEPTED;
	s->refused += entry->head.outcome == OUTCOME_REFUSED;
	s->system += entry->head.outcome == OUTCOME_SYSTEM;
	struct pending *pending = writer->in_flight.first;
	if (!pending || !writer->block_is_out || pending->seq != entry->seq)
		return;
	pending_pop(&writer->in_flight);
	struct answer answer = {.kind = ANSWER_DECIDED, .entry = entry};
	pending->answer(pending, &answer);
}

static void block_is_committed(struct writer *writer)
{
	writer->block_is_out = false;
	ENSURE(writer->in_flight.count == 0);
	answer_held(writer);
	writer->statistics.own_blocks++;
	writer->statistics.append_us_last = (uint64_t)(writer->host->monotonic_us(writer->host) - writer->out_since_us);
	writer->statistics.append_us_sum += writer->statistics.append_us_last;
}

/* Is the entries block that is being folded the one that is in flight? Told by what it is, not by what was promised. */
static bool is_own_block(struct writer *writer, struct slice value)
{
	struct block block;
	return writer->block_is_out && block_read(value, &block, NULL) == LL_OK && block.kind == BLOCK_ENTRIES &&
	       block.epoch == ledger_fold_state(writer->ledger)->epoch &&
	       block.first_seq + block.count == writer->block_end;
}

/* A block of another ledger: a writer that outlived its topic, or the topic was replaced, and then nothing that is read from
 * it, own blocks least of all, may count. The host looks before it opens an appender again. */
static void suspect_log(struct writer *writer, const struct journal_record *record)
{
	struct block block;
	if (writer->state != WRITER_LEADING || record->offset < writer->log_seen_until ||
	    block_read(record->value, &block, NULL) != LL_OK)
		return;
	writer->suspects_log = true;
	retry_later(writer, "a block of another ledger stands in the journal: was it replaced?");
}

static bool fold_one(struct writer *writer, const struct journal_record *record)
{
	struct error error;
	enum fold_verdict verdict;
	char sentence[160];
	bool own = is_own_block(writer, record->value);
	enum ll_code code = ledger_fold(writer->ledger, record->offset, record->value, &verdict, visit, writer, &error);
	if (code != LL_OK) {
		halt(writer, &error);
		return false;
	}
	if (verdict == FOLD_ENTRIES) {
		hits_folded(&writer->hits, record->offset, record->value);
		writer->statistics.blocks++;
		writer->statistics.bytes += record->value.size;
		if (own)
			block_is_committed(writer);
	} else if (verdict == FOLD_CLAIM) {
		folded_claim(writer);
	} else if (verdict == FOLD_FOREIGN) {
		snprintf(sentence, sizeof sentence,
			 "journal offset %" PRIu64
			 ": a record that is not of this ledger: skipped; somebody writes into this journal by hand",
			 record->offset);
		writer->host->tell(writer->host, LL_FOREIGN, sentence);
		suspect_log(writer, record);
	} else if (verdict == FOLD_STALE) {
		snprintf(sentence, sizeof sentence,
			 "journal offset %" PRIu64 ": a block of a writer that was deposed: skipped", record->offset);
		writer->host->tell(writer->host, LL_OK, sentence);
	}
	if (writer->folded)
		writer->folded(writer->folded_context);
	return true;
}

/* true: there may be more. */
static bool read_records(struct writer *writer)
{
	journal_reader_acknowledge(writer->reader);
	for (unsigned i = 0; i < RECORDS_A_PUMP && !writer->suspects_log; i++) {
		struct journal_record record;
		struct error error;
		enum ll_code code = journal_read(writer->reader, 0, &record, &error);
		switch (code) {
		case LL_OK:
			if (!fold_one(writer, &record))
				return false;
			break;
		case LL_END: writer->at_end = true; return false;
		case LL_TIMEOUT:
		case LL_UNAVAILABLE: return false;
		default: halt(writer, &error); return false;
		}
	}
	return !writer->suspects_log;
}

/* ---- reports ---- */

static bool may_have_landed(enum ll_code code)
{
	return code == LL_UNAVAILABLE || code == LL_TIMEOUT || code == LL_IO || code == LL_BUSY;
}

static void permanent(struct writer *writer, const struct error *error)
{
	if (error->code != LL_FULL) {
		halt(writer, error);
		return;
	}
	/* No room on the journal's disk: nothing has landed. Those who asked may try again, those too whose answers were found on
	 * entries of this block; the lead stays. */
	writer->host->tell(writer->host, error->code, error->text);
	writer->block_is_out = false;
	writer->retry_at_ms = monotonic(writer) + FULL_PAUSE_MS;
	answer_all(&writer->in_flight, CODE_JOURNAL_UNAVAILABLE);
	answer_all(&writer->held, CODE_JOURNAL_UNAVAILABLE);
}

static void read_report(struct writer *writer)
{
	struct journal_report report;
	if (!writer->appender)
		return;
	journal_appender_acknowledge(writer->appender);
	if (!writer->report_is_due || journal_report(writer->appender, 0, &report) != LL_OK)
		return;
	writer->report_is_due = false;
	if (report.code == LL_OK) {
		uint64_t next = ledger_fold_state(writer->ledger)->next_offset;
		/* Read back already, or to be read next: both fine. A lower offset that is not yet folded cannot be. */
		if (report.offset != JOURNAL_NO_OFFSET && report.offset > next + RECORDS_A_PUMP)
			writer->host->tell(
				writer->host, LL_DIVERGED,
				"the journal reports a block far beyond the end that was read: is somebody else writing?");
		return;
	}
	bool no_room_for_claim = writer->state == WRITER_CLAIMING && report.code == LL_FULL;
	if (report.appender_is_dead || may_have_landed(report.code) || no_room_for_claim)
		retry_later(writer, report.error.text);
	else
		permanent(writer, &report.error);
}

/* ---- deciding ---- */

static bool is_behind_a_break(const struct pending *pending)
{
	const struct pending_chain *chain = pending->chain;
	return chain && chain->broken_at && chain->broken_at < pending->order;
}

/* It has no entry: its answer waits for the block, whose entries it was found on. */
static void hold(struct writer *writer, struct pending *pending)
{
	if (pending->chain && pending->held.kind == ANSWER_REJECTED && !pending->chain->broken_at)
		pending->chain->broken_at = pending->order;
	pending_push(&writer->held, pending);
}

static bool take_commands(struct writer *writer, struct error *error)
{
	uint32_t max = writer->options.block_entries_max;
	struct pending_queue later = {0};
	struct pending *pending;
	bool fine = true, full = false;
	while (!full && fine && builder_count(writer->builder) < max && (pending = pending_pop(&writer->queue))) {
		if (is_behind_a_break(pending)) {
			pending->held = (struct answer){.kind = ANSWER_REJECTED, .code = CODE_SKIPPED};
			pending_push(&writer->held, pending);
			continue;
		}
		switch (builder_add(writer->builder, pending, error)) {
		case BUILT_ENTRY: pending_push(&writer->in_flight, pending); break;
		case BUILT_ANSWER: hold(writer, pending); break;
		case BUILT_HIT: answer_hit(writer, pending); break;
		case BUILT_LATER: pending_push(&later, pending); break;
		case BUILT_FULL:
			pending_push_front(&writer->queue, pending);
			full = true;
			break;
		case BUILT_FAILED:
			pending_push_front(&writer->queue, pending);
			fine = false;
			break;
		}
	}
	pending_merge(&writer->queue, &later);
	return fine;
}

static void send_block(struct writer *writer)
{
	struct error error;
	const struct fold *fold = ledger_fold_state(writer->ledger);
	uint32_t count = builder_count(writer->builder);
	struct slice value = builder_finish(writer->builder);
	builder_drop(writer->builder);
	writer->block_is_out = true;
	writer->block_end = fold->next_seq + count;
	writer->out_since_us = writer->host->monotonic_us(writer->host);
	writer->out_since_ms = writer->out_since_us / 1000;
	writer->statistics.block_entries_last = count;
	if (append(writer, value, "entries", fold->epoch, fold->next_seq, count, builder_time(writer->builder),
		   &error) != LL_OK) {
		take_back(writer);
		retry_later(writer, error.text);
	}
}

static void build_block(struct writer *writer)
{
	struct error error;
	uint32_t added;
	enum ll_code code = builder_begin(writer->builder, writer->host->now_ms(writer->host), &error);
	if (code != LL_OK) {
		halt(writer, &error);
		return;
	}
	uint32_t sweep = writer->queue.count ? SWEEP_ENTRIES_BUSY : SWEEP_ENTRIES_IDLE;
	code = builder_sweep(writer->builder, sweep, &added, &error);
	if (code != LL_OK || !take_commands(writer, &error)) {
		builder_drop(writer->builder);
		take_back(writer);
		halt(writer, &error);
		return;
	}
	if (builder_count(writer->builder) > 0) {
		send_block(writer);
		return;
	}
	builder_drop(writer->builder);
	answer_held(writer);
}

static bool something_is_due(struct writer *writer, int64_t *when)
{
	int64_t now = writer->host->now_ms(writer->host);
	*when = due_when(ledger_view(writer->ledger), now);
	ledger_view_reset(writer->ledger);
	return *when != 0 && *when <= now;
}

static bool can_decide(const struct writer *writer, int64_t now)
{
	return writer->state == WRITER_LEADING && !writer->block_is_out && !writer->report_is_due &&
	       now >= writer->retry_at_ms && !ledger_is_behind(writer->ledger);
}

/* ---- time ---- */

static void expire_waiting(struct writer *writer, int64_t now)
{
	if (writer->state == WRITER_LEADING && !writer->block_is_out)
		return;
	if (writer->in_flight.first && now >= writer->in_flight.first->deadline_ms)
		answer_all(&writer->in_flight, CODE_OUTCOME_UNKNOWN);
	if (writer->held.first && now >= writer->held.first->deadline_ms)
		answer_all(&writer->held, CODE_JOURNAL_UNAVAILABLE);
	while (writer->queue.first && now >= writer->queue.first->deadline_ms && writer->state != WRITER_LEADING) {
		struct pending *pending = pending_pop(&writer->queue);
		answer_code(pending, pending->seq == UINT64_MAX ? CODE_JOURNAL_UNAVAILABLE : CODE_OUTCOME_UNKNOWN);
	}
}

/* Does the journal owe an answer to what the present appender sent? What an earlier one sent is settled by the claim. */
static bool journal_owes(const struct writer *writer)
{
	return writer->report_is_due || (writer->state == WRITER_LEADING && writer->block_is_out) ||
	       (writer->state == WRITER_CLAIMING && writer->claim_is_out);
}

static void check_deadlines(struct writer *writer, int64_t now)
{
	if (journal_owes(writer) && now - writer->out_since_ms >= writer->options.append_timeout_ms)
		retry_later(writer, "the journal has not taken a block in time");
	if (writer->state == WRITER_WAITING && now >= writer->retry_at_ms && !writer->is_closing)
		open_appender(writer);
	if (writer->state == WRITER_CLAIMING && !writer->claim_is_out && !writer->report_is_due && writer->at_end)
		claim(writer);
	expire_waiting(writer, now);
}

static void flush(struct writer *writer, int64_t now)
{
	ledger_poll(writer->ledger);
	if (!ledger_is_dirty(writer->ledger) || ledger_is_flushing(writer->ledger))
		return;
	bool busy = writer->block_is_out || writer->queue.count;
	int64_t since = now - writer->flushed_at_ms;
	if (writer->flush_soon || since >= (busy ? FLUSH_MS_BUSY : FLUSH_MS_IDLE) ||
	    ledger_wants_freeze(writer->ledger)) {
		writer->flush_soon = false;
		writer->flushed_at_ms = now;
		ledger_freeze(writer->ledger);
	}
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t next_wake(struct writer *writer, int64_t now)
{
	int64_t wake = INT64_MAX, due;
	if (writer->retry_at_ms > now || (writer->state == WRITER_WAITING && !writer->is_closing))
		wake = earlier(wake, writer->retry_at_ms);
	if (writer->state == WRITER_LEADING && !writer->block_is_out) {
		bool is_due = something_is_due(writer, &due);
		int64_t delay = is_due ? 1 : due - writer->host->now_ms(writer->host);
		if (due)
			wake = earlier(wake, now + (delay < 1 ? 1 : delay > 1000 ? 1000 : delay));
	}
	if (journal_owes(writer))
		wake = earlier(wake, writer->out_since_ms + writer->options.append_timeout_ms);
	if (writer->in_flight.first)
		wake = earlier(wake, writer->in_flight.first->deadline_ms);
	if (writer->held.first)
		wake = earlier(wake, writer->held.first->deadline_ms);
	if (writer->state != WRITER_LEADING && writer->queue.first)
		wake = earlier(wake, writer->queue.first->deadline_ms);
	if (ledger_is_dirty(writer->ledger) && !ledger_is_flushing(writer->ledger))
		wake = earlier(wake, now + FLUSH_MS_IDLE);
	return wake > now ? wake : now + 1;
}

int64_t writer_pump(struct writer *writer)
{
	int64_t due;
	bool more = writer->state != WRITER_HALTED && read_records(writer);
	if (writer->state != WRITER_HALTED)
		read_report(writer);
	int64_t now = monotonic(writer);
	if (writer->state != WRITER_HALTED)
		check_deadlines(writer, now);
	if (!more && can_decide(writer, now) &&
	    (writer->queue.count || (!writer->stopping && something_is_due(writer, &due))))
		build_block(writer);
	flush(writer, now);
	return more ? now : next_wake(writer, now);
}

/* ---- for the others ---- */

struct writer *writer_new(struct ledger *ledger, struct journal_reader *reader, struct writer_host *host,
			  const struct writer_options *options)
{
	struct writer *writer = calloc(1, sizeof *writer);
	ENSURE(writer);
	writer->ledger = ledger;
	writer->reader = reader;
	writer->host = host;
	writer->options = *options;
	if (!writer->options.queue_max)
		writer->options.queue_max = 200000;
	if (!writer->options.append_timeout_ms)
		writer->options.append_timeout_ms = 10000;
	if (!writer->options.answer_timeout_ms)
		writer->options.answer_timeout_ms = 15000;
	if (!writer->options.block_entries_max)
		writer->options.block_entries_max = 8192;
	writer->builder = builder_new(ledger);
	return writer;
}

void writer_free(struct writer *writer)
{
	if (!writer)
		return;
	answer_all(&writer->in_flight, CODE_OUTCOME_UNKNOWN);
	answer_all(&writer->held, CODE_JOURNAL_UNAVAILABLE);
	answer_all(&writer->queue, CODE_JOURNAL_UNAVAILABLE);
	builder_free(writer->builder);
	hits_release(&writer->hits);
	free(writer);
}

void writer_stop(struct writer *writer)
{
	writer->stopping = true;
}

bool writer_is_idle(const struct writer *writer)
{
	bool sends =
		writer->state == WRITER_LEADING && writer->block_is_out; /* of an earlier lead: nobody waits for it */
	return !sends && writer->queue.count == 0 && writer->in_flight.count == 0 && writer->held.count == 0 &&
	       writer->hits.waiting.count == 0;
}

enum ll_code writer_submit(struct writer *writer, struct pending *pending, enum code *code)
{
	if (writer->state == WRITER_FOLLOWING) {
		*code = CODE_NOT_LEADER;
		return LL_UNAVAILABLE;
	}
	if (writer->state == WRITER_HALTED || writer->stopping) {
		*code = CODE_JOURNAL_UNAVAILABLE;
		return LL_UNAVAILABLE;
	}
	if (writer->queue.count >= writer->options.queue_max) {
		writer->statistics.overloaded++;
		*code = CODE_OVERLOADED;
		return LL_BUSY;
	}
	pending->command_hash = command_hash(&pending->command);
	pending->id_hash = short_hash_of(pending->id);
	pending->seq = UINT64_MAX;
	pending->order = ++writer->order;
	pending->deadline_ms = monotonic(writer) + writer->options.answer_timeout_ms;
	pending_push(&writer->queue, pending);
	return LL_OK;
}

bool writer_recent(const struct writer *writer, uint64_t offset, struct slice *bytes)
{
	return recent_find(&writer->hits.recent, offset, bytes);
}

void writer_log_is_seen(struct writer *writer, uint64_t until)
{
	if (until > writer->log_seen_until)
		writer->log_seen_until = until;
	writer->suspects_log = false;
}

void writer_log_is_another(struct writer *writer, const struct error *error)
{
	if (writer->state != WRITER_HALTED)
		halt(writer, error);
}

void writer_flush_soon(struct writer *writer)
{
	writer->flush_soon = true;
}

void writer_on_folded(struct writer *writer, void (*folded)(void *context), void *context)
{
	writer->folded = folded;
	writer->folded_context = context;
}

enum writer_state writer_state(const struct writer *writer)
{
	return writer->state;
}

const char *writer_state_text(enum writer_state state)
{
	static const char *const texts[] = {
		[WRITER_FOLLOWING] = "following", [WRITER_OPENING] = "opening", [WRITER_CLAIMING] = "claiming",
		[WRITER_LEADING] = "leading",     [WRITER_WAITING] = "waiting", [WRITER_HALTED] = "halted",
	};
	return texts[state];
}

const struct error *writer_failure(const struct writer *writer)
{
	return writer->state == WRITER_HALTED ? &writer->failure : NULL;
}

const struct writer_statistics *writer_statistics(const struct writer *writer)
{
	return &writer->statistics;
}

size_t writer_waiting(const struct writer *writer)
{
	return writer->queue.count + writer->in_flight.count + writer->held.count + writer->hits.waiting.count;
}

struct journal_appender *writer_appender(struct writer *writer)
{
	return writer->appender;
}
