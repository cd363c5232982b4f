/* What comes back: records of the log, which alone commit a block, and reports of the appender, which only warn. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/writer/internal.h"
#include "schemas/wire/ensure.h"

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

const uint64_t writer_append_bounds_us[WRITER_BUCKETS] = {500,    1000,   2500,   5000,    10000,   25000,   50000,
							  100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};
const uint64_t writer_block_bounds[WRITER_BUCKETS] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192};

static void note(struct writer_histogram *histogram, const uint64_t bounds[WRITER_BUCKETS], uint64_t value)
{
	unsigned bucket = 0;
	while (bucket < WRITER_BUCKETS && value > bounds[bucket])
		bucket++;
	histogram->counts[bucket]++;
	histogram->sum += value;
}

static void block_is_committed(struct writer *writer)
{
	writer->block_is_out = false;
	ENSURE(writer->in_flight.count == 0);
	writer_answer_held(writer);
	writer->statistics.own_blocks++;
	writer->statistics.append_us_last = (uint64_t)(writer->host->monotonic_us(writer->host) - writer->out_since_us);
	writer->statistics.append_us_sum += writer->statistics.append_us_last;
	note(&writer->statistics.append_us, writer_append_bounds_us, writer->statistics.append_us_last);
	note(&writer->statistics.block_entries, writer_block_bounds, writer->statistics.block_entries_last);
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
	writer_retry_later(writer, "a block of another ledger stands in the journal: was it replaced?");
}

static bool fold_one(struct writer *writer, const struct journal_record *record)
{
	struct error error;
	enum fold_verdict verdict;
	char sentence[160];
	bool own = is_own_block(writer, record->value);
	enum ll_code code = ledger_fold(writer->ledger, record->offset, record->value, &verdict, visit, writer, &error);
	if (code != LL_OK) {
		writer_halt(writer, &error);
		return false;
	}
	if (verdict == FOLD_ENTRIES) {
		hits_folded(&writer->hits, record->offset, record->value);
		writer->statistics.blocks++;
		writer->statistics.bytes += record->value.size;
		if (own)
			block_is_committed(writer);
	} else if (verdict == FOLD_CLAIM) {
		writer_folded_claim(writer);
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
		writer->folded(writer->folded_context, record->offset, record->value);
	return true;
}

/* true: there may be more. */
bool writer_read_records(struct writer *writer)
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
		default: writer_halt(writer, &error); return false;
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
		writer_halt(writer, error);
		return;
	}
	/* No room on the journal's disk: nothing has landed. Those who asked may try again, those too whose answers were found on
	 * entries of this block; the lead stays. */
	writer->host->tell(writer->host, error->code, error->text);
	writer->statistics.append_failures++;
	writer->block_is_out = false;
	writer->retry_at_ms = writer_monotonic(writer) + FULL_PAUSE_MS;
	writer_answer_all(&writer->in_flight, CODE_JOURNAL_UNAVAILABLE);
	writer_answer_all(&writer->held, CODE_JOURNAL_UNAVAILABLE);
}

void writer_read_report(struct writer *writer)
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
	if (report.code == LL_DENIED) /* also when that was the end of the appender: the next one fares no better */
		permanent(writer, &report.error);
	else if (report.appender_is_dead || may_have_landed(report.code) || no_room_for_claim)
		writer_retry_later(writer, report.error.text);
	else
		permanent(writer, &report.error);
}
