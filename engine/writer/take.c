/* Commands that wait, and what is due, become a block. */
#include "engine/decide/due.h"
#include "engine/writer/internal.h"

enum {
	SWEEP_ENTRIES_BUSY = 512, /* of a block, when commands wait too */
	SWEEP_ENTRIES_IDLE = 4096,
	SWEEP_US_BUSY = 1500, /* folding what was swept takes the loop as long again, and more */
	SWEEP_US_IDLE = 3000, /* a command may come at any moment */
};

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
		case BUILT_HIT: writer_answer_hit(writer, pending); break;
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
	if (writer_append(writer, value, "entries", fold->epoch, fold->next_seq, count, builder_time(writer->builder),
			  &error) != LL_OK) {
		writer_take_back(writer);
		writer_retry_later(writer, error.text);
	}
}

/* What is due gets its share of the block, and of the loop's time. */
static enum ll_code sweep(struct writer *writer, struct error *error)
{
	bool busy = writer->queue.count > 0;
	uint32_t left = busy ? SWEEP_ENTRIES_BUSY : SWEEP_ENTRIES_IDLE, added = 1;
	int64_t until = writer->host->monotonic_us(writer->host) + (busy ? SWEEP_US_BUSY : SWEEP_US_IDLE);
	enum ll_code code = LL_OK;
	while (code == LL_OK && left-- > 0 && added && writer->host->monotonic_us(writer->host) < until)
		code = builder_sweep(writer->builder, &added, error);
	return code;
}

void writer_build_block(struct writer *writer)
{
	struct error error;
	enum ll_code code = builder_begin(writer->builder, writer->host->now_ms(writer->host), &error);
	if (code != LL_OK) {
		writer_halt(writer, &error);
		return;
	}
	if (writer->note)
		code = builder_note(writer->builder, writer->note, writer->note_actor_id, &error);
	writer->note = NULL;
	if (code == LL_OK)
		code = sweep(writer, &error);
	if (code != LL_OK || !take_commands(writer, &error)) {
		builder_drop(writer->builder);
		writer_take_back(writer);
		writer_halt(writer, &error);
		return;
	}
	/* Any entry will do. */
	if (writer->tick_wanted && builder_count(writer->builder) == 0 &&
	    builder_tick(writer->builder, &error) != LL_OK) {
		builder_drop(writer->builder);
		writer_halt(writer, &error);
		return;
	}
	writer->tick_wanted = false;
	if (builder_count(writer->builder) > 0) {
		send_block(writer);
		return;
	}
	builder_drop(writer->builder);
	writer_answer_held(writer);
}

bool writer_something_is_due(struct writer *writer, int64_t *when)
{
	int64_t now = writer->host->now_ms(writer->host);
	*when = due_when(ledger_view(writer->ledger), now);
	ledger_view_reset(writer->ledger);
	return *when != 0 && *when <= now;
}

bool writer_can_decide(const struct writer *writer, int64_t now)
{
	return writer->state == WRITER_LEADING && !writer->yields && !writer->block_is_out && !writer->report_is_due &&
	       now >= writer->retry_at_ms && !ledger_is_behind(writer->ledger);
}
