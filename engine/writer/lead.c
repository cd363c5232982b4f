/* Losing and gaining the lead: claims, back-off, the barrier. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/writer/internal.h"

enum { BACK_OFF_MS_MIN = 50, BACK_OFF_MS_MAX = 2000 };

static void give_up_appender(struct writer *writer)
{
	if (writer->appender) {
		writer->is_busy = true;
		writer->host->close_appender(writer->host, writer->appender);
	}
	writer->appender = NULL;
	writer->claim_is_out = writer->report_is_due = false;
}

/* What is in doubt waits for the barrier, the next valid claim, as commands that are to be decided again, in their order: when
 * the block landed after all, their keys are found. */
void writer_take_back(struct writer *writer)
{
	for (struct pending *held = writer->held.first; held; held = held->next)
		if (held->chain && held->chain->broken_at == held->order)
			held->chain->broken_at = 0;
	pending_merge(&writer->held, &writer->in_flight);
	pending_merge(&writer->queue, &writer->held);
	writer->block_is_out = false;
}

void writer_halt(struct writer *writer, const struct error *error)
{
	writer->failure = *error;
	writer->host->tell(writer->host, error->code, error->text);
	give_up_appender(writer);
	writer_answer_all(&writer->in_flight, CODE_OUTCOME_UNKNOWN);
	writer_answer_all(&writer->held, CODE_JOURNAL_UNAVAILABLE);
	writer_answer_all(&writer->queue, CODE_JOURNAL_UNAVAILABLE);
	writer->block_is_out = false;
	writer_enter(writer, WRITER_HALTED);
}

void writer_retry_later(struct writer *writer, const char *why)
{
	char sentence[LL_ERROR_TEXT_MAX + 128];
	writer->back_off_ms = writer->back_off_ms ? writer->back_off_ms * 2 : BACK_OFF_MS_MIN;
	if (writer->back_off_ms > BACK_OFF_MS_MAX)
		writer->back_off_ms = BACK_OFF_MS_MAX;
	writer->retry_at_ms = writer_monotonic(writer) + writer->back_off_ms;
	snprintf(sentence, sizeof sentence, "%s; claiming the journal again in %" PRId64 " ms", why,
		 writer->back_off_ms);
	writer->host->tell(writer->host, LL_UNAVAILABLE, sentence);
	writer->statistics.append_failures++;
	give_up_appender(writer);
	writer_enter(writer, WRITER_WAITING);
}

void writer_open_appender(struct writer *writer)
{
	writer_enter(writer, WRITER_OPENING);
	writer->at_end = false; /* the end is to be seen again before the claim */
	writer->is_busy = true;
	writer->host->open_appender(writer->host);
}

void writer_appender_opened(struct writer *writer, struct journal_appender *appender, const struct error *error)
{
	writer->appender = appender;
	writer->is_busy = false;
	if (writer->state != WRITER_OPENING)
		give_up_appender(writer);
	else if (appender)
		writer_enter(writer, WRITER_CLAIMING);
	else if (error->code == LL_UNAVAILABLE || error->code == LL_TIMEOUT)
		writer_retry_later(writer, error->text);
	else
		writer_halt(writer, error);
}

void writer_appender_closed(struct writer *writer)
{
	writer->is_busy = false;
}

static bool is_own_attempt(const struct writer *writer, const uint8_t *uuid)
{
	for (unsigned i = 0; i < ATTEMPTS_KEPT; i++)
		if (memcmp(writer->attempts[i], uuid, LEDGER_UUID_BYTES) == 0)
			return true;
	return false;
}

/* One place for the record headers that people see in their Kafka tools. */
enum ll_code writer_append(struct writer *writer, struct slice value, const char *kind, uint64_t epoch, uint64_t seq,
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

void writer_claim(struct writer *writer)
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
	enum ll_code code = writer_append(writer, value, "claim", fold->epoch + 1, fold->next_seq, 0, now, &error);
	writer->statistics.claims++;
	if (code != LL_OK) {
		writer_retry_later(writer, error.text);
		return;
	}
	writer->claim_is_out = true;
	writer->out_since_ms = writer_monotonic(writer);
}

void writer_lead(struct writer *writer)
{
	if (writer->state != WRITER_FOLLOWING || writer->stopping)
		return;
	writer->retry_at_ms = writer_monotonic(writer); /* at the next pump, when the appender of before is closed */
	writer_enter(writer, WRITER_WAITING);
}

static void step_back(struct writer *writer)
{
	give_up_appender(writer);
	writer_take_back(writer);
	writer_enter(writer, WRITER_FOLLOWING); /* first: who is answered may send it on */
	writer_answer_all(&writer->queue, CODE_NOT_LEADER);
}

void writer_withdraw(struct writer *writer)
{
	bool attempts = writer->state == WRITER_WAITING || writer->state == WRITER_OPENING ||
			(writer->state == WRITER_CLAIMING && !writer->claim_is_out && !writer->report_is_due);
	if (attempts)
		step_back(writer);
}

static void follow(struct writer *writer)
{
	char sentence[WRITER_ADDRESS_MAX + 128];
	snprintf(sentence, sizeof sentence,
		 "another engine (%s) has claimed the journal with epoch %" PRIu64 ": following it",
		 ledger_fold_state(writer->ledger)->claim_address, ledger_fold_state(writer->ledger)->epoch);
	writer->host->tell(writer->host, LL_OK, sentence);
	/* The claim is the barrier: what was in flight and is not folded by now never counts. */
	step_back(writer);
}

void writer_folded_claim(struct writer *writer)
{
	const uint8_t *uuid = ledger_fold_state(writer->ledger)->claim_writer;
	bool newest = memcmp(uuid, writer->attempts[writer->attempt], LEDGER_UUID_BYTES) == 0;
	if (newest && writer->state == WRITER_CLAIMING && writer->claim_is_out) {
		writer_take_back(writer);
		writer->back_off_ms = 0;
		writer_enter(writer, WRITER_LEADING);
	} else if (is_own_attempt(writer, uuid)) {
		/* An abandoned attempt has landed: whoever was to write under it is gone. Claim again at once. */
		if (writer->state == WRITER_LEADING || writer->state == WRITER_CLAIMING) {
			writer_take_back(writer);
			writer->claim_is_out = false;
			writer_enter(writer, WRITER_CLAIMING);
		}
	} else if (writer->state == WRITER_LEADING || writer->state == WRITER_CLAIMING ||
		   writer->state == WRITER_WAITING || writer->state == WRITER_OPENING) {
		follow(writer);
	}
}
