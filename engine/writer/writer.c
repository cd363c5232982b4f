#include "engine/writer/writer.h"

#include <stdlib.h>

#include "engine/writer/internal.h"
#include "schemas/command_hash.h"
#include "schemas/wire/ensure.h"

enum { FLUSH_MS_IDLE = 40, FLUSH_MS_BUSY = 1000 };

int64_t writer_monotonic(struct writer *writer)
{
	return writer->host->monotonic_us(writer->host) / 1000;
}

void writer_enter(struct writer *writer, enum writer_state state)
{
	if (writer->state == state)
		return;
	writer->state = state;
	writer->host->state_changed(writer->host, state);
}

/* ---- time ---- */

static void expire_waiting(struct writer *writer, int64_t now)
{
	if (writer->state == WRITER_LEADING && !writer->block_is_out)
		return;
	if (writer->in_flight.first && now >= writer->in_flight.first->deadline_ms)
		writer_answer_all(&writer->in_flight, CODE_OUTCOME_UNKNOWN);
	if (writer->held.first && now >= writer->held.first->deadline_ms)
		writer_answer_all(&writer->held, CODE_JOURNAL_UNAVAILABLE);
	while (writer->queue.first && now >= writer->queue.first->deadline_ms && writer->state != WRITER_LEADING) {
		struct pending *pending = pending_pop(&writer->queue);
		writer_answer_code(pending,
				   pending->seq == UINT64_MAX ? CODE_JOURNAL_UNAVAILABLE : CODE_OUTCOME_UNKNOWN);
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
		writer_retry_later(writer, "the journal has not taken a block in time");
	if (writer->state == WRITER_WAITING && now >= writer->retry_at_ms && !writer->is_busy)
		writer_open_appender(writer);
	if (writer->state == WRITER_CLAIMING && !writer->claim_is_out && !writer->report_is_due && writer->at_end)
		writer_claim(writer);
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

bool writer_tick(struct writer *writer)
{
	writer->tick_wanted = writer->state == WRITER_LEADING && !writer->stopping;
	return writer->tick_wanted;
}

bool writer_note(struct writer *writer, const struct event *event, struct slice actor_id)
{
	bool taken = !event || (writer->state == WRITER_LEADING && !writer->stopping && !writer->note);
	if (taken) {
		writer->note = event;
		writer->note_actor_id = actor_id;
	}
	return taken;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t next_wake(struct writer *writer, int64_t now)
{
	int64_t wake = INT64_MAX, due;
	if (writer->retry_at_ms > now || (writer->state == WRITER_WAITING && !writer->is_busy))
		wake = earlier(wake, writer->retry_at_ms);
	if (writer->state == WRITER_LEADING && !writer->block_is_out && !writer->yields) {
		bool is_due = writer_something_is_due(writer, &due);
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
	bool more = writer->state != WRITER_HALTED && writer_read_records(writer);
	if (writer->state != WRITER_HALTED)
		writer_read_report(writer);
	int64_t now = writer_monotonic(writer);
	if (writer->state != WRITER_HALTED)
		check_deadlines(writer, now);
	if (!more && writer_can_decide(writer, now) &&
	    (writer->queue.count || writer->tick_wanted || writer->note ||
	     (!writer->stopping && writer_something_is_due(writer, &due))))
		writer_build_block(writer);
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
	writer_answer_all(&writer->in_flight, CODE_OUTCOME_UNKNOWN);
	writer_answer_all(&writer->held, CODE_JOURNAL_UNAVAILABLE);
	writer_answer_all(&writer->queue, CODE_JOURNAL_UNAVAILABLE);
	builder_free(writer->builder);
	hits_release(&writer->hits);
	free(writer);
}

void writer_yield(struct writer *writer, bool yields)
{
	writer->yields = yields;
}

bool writer_sends(const struct writer *writer)
{
	return writer->state == WRITER_LEADING && writer->block_is_out;
}

void writer_stop(struct writer *writer)
{
	writer->stopping = true;
}

bool writer_is_idle(const struct writer *writer)
{
	return !writer_sends(writer) && writer->queue.count == 0 && writer->in_flight.count == 0 &&
	       writer->held.count == 0 && writer->hits.waiting.count == 0;
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
	pending->deadline_ms = writer_monotonic(writer) + writer->options.answer_timeout_ms;
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
		writer_halt(writer, error);
}

void writer_flush_soon(struct writer *writer)
{
	writer->flush_soon = true;
}

void writer_on_folded(struct writer *writer, writer_folded_fn *folded, void *context)
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
