#include "engine/data/operator_entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "schemas/wire/ensure.h"

enum { READ_WAIT_MS = 100, PATIENCE_S = 30, ROOM_BYTES = 64 * 1024 };

struct taking_over {
	struct journal *journal;
	struct journal_reader *reader;
	struct journal_appender *appender;
	struct fold *fold;
	uint8_t writer[LEDGER_UUID_BYTES];
	uint8_t *room;
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum ll_code send(struct taking_over *taking, struct slice value, const char *kind, uint64_t epoch,
			 uint32_t count, int64_t time_ms, struct error *error)
{
	char epoch_text[24], seq_text[24], count_text[24];
	struct journal_report report;
	snprintf(epoch_text, sizeof epoch_text, "%" PRIu64, epoch);
	snprintf(seq_text, sizeof seq_text, "%" PRIu64, taking->fold->next_seq);
	snprintf(count_text, sizeof count_text, "%u", count);
	const struct journal_header headers[] = {{"ledgerline-kind", kind},
						 {"ledgerline-epoch", epoch_text},
						 {"ledgerline-sequence", seq_text},
						 {"ledgerline-count", count_text}};
	enum ll_code code = journal_append(taking->appender, value, time_ms, headers, 4, error);
	if (code == LL_OK)
		code = journal_report(taking->appender, PATIENCE_S * 1000, &report);
	if (code == LL_TIMEOUT)
		return error_set(error, code, "the journal has not taken the block within %d s", PATIENCE_S);
	return code == LL_OK && report.code != LL_OK ? error_set(error, report.code, "%s", report.error.text) : code;
}

/* Folds on until a claim (or an entries block) of ours was read back. What it is told by is what is in the log. */
static enum ll_code read_back(struct taking_over *taking, enum fold_verdict wanted, struct slice sent,
			      struct error *error)
{
	time_t began = time(NULL);
	while (time(NULL) - began < PATIENCE_S) {
		struct journal_record record;
		struct block block;
		enum fold_verdict verdict;
		enum ll_code code = journal_read(taking->reader, READ_WAIT_MS, &record, error);
		if (code == LL_END || code == LL_TIMEOUT || code == LL_UNAVAILABLE)
			continue;
		if (code == LL_OK)
			code = fold_record(taking->fold, record.offset, record.value, &verdict, &block, error);
		if (code != LL_OK)
			return code;
		if (verdict == wanted && slice_equal(record.value, sent))
			return LL_OK;
		if (verdict == FOLD_CLAIM)
			return error_set(error, LL_BUSY,
					 "another writer (%s) claimed the journal at offset %" PRIu64
					 " meanwhile: nothing was written; stop it, or try again",
					 taking->fold->claim_address, record.offset);
	}
	return error_set(
		error, LL_TIMEOUT,
		"what was written was not read back within %d s: it may be there; `ledgerline journal info` shows it",
		PATIENCE_S);
}

static enum ll_code claim(struct taking_over *taking, struct error *error)
{
	const struct fold *fold = taking->fold;
	struct claim_body body = {
		.writer = slice_of(taking->writer, sizeof taking->writer),
		.software = slice_text(LEDGERLINE_VERSION),
		.format = BLOCK_FORMAT,
	};
	int64_t now = now_ms();
	ENSURE(getrandom(taking->writer, sizeof taking->writer, 0) == sizeof taking->writer);
	struct slice value = block_write_claim(taking->room, slice_of(fold->ledger, sizeof fold->ledger), now,
					       fold->epoch + 1, fold->next_seq, &body);
	enum ll_code code = send(taking, value, "claim", fold->epoch + 1, 0, now, error);
	return code == LL_OK ? read_back(taking, FOLD_CLAIM, value, error) : code;
}

static enum ll_code write_entry(struct taking_over *taking, struct event *event, struct error *error)
{
	const struct fold *fold = taking->fold;
	int64_t now = now_ms();
	struct packer p = packer_over(taking->room + ENVELOPE_SIZE, ROOM_BYTES - ENVELOPE_SIZE);
	struct entry entry = {.events = event, .event_count = 1};
	entry.head = (struct entry_head){.outcome = OUTCOME_SYSTEM, .actor_type = ACTOR_TYPE_ADMIN};
	entry_encode(&p, &entry);
	if (p.full)
		return error_set(error, LL_TOO_LARGE, "the entry is too large: are its texts very long?");
	struct block block = {
		.kind = BLOCK_ENTRIES,
		.ledger = slice_of(fold->ledger, sizeof fold->ledger),
		.count = 1,
		.epoch = fold->epoch,
		.first_seq = fold->next_seq,
		.time = now > fold->time ? now : fold->time,
		.chain = hash_slice(&fold->chain),
	};
	block.body.size = (size_t)(p.at - taking->room) - ENVELOPE_SIZE;
	struct slice value = block_write(taking->room, &block);
	enum ll_code code = send(taking, value, "entries", fold->epoch, 1, block.time, error);
	return code == LL_OK ? read_back(taking, FOLD_ENTRIES, value, error) : code;
}

enum ll_code operator_entry_append(struct journal *journal, struct fold *fold, struct event *event, uint64_t *offset,
				   struct error *error)
{
	struct taking_over taking = {.journal = journal, .fold = fold, .room = malloc(ROOM_BYTES)};
	ENSURE(taking.room);
	enum ll_code code = journal_appender_open(journal, &taking.appender, error);
	if (code == LL_OK)
		code = journal_reader_open(journal, fold->next_offset, &taking.reader, error);
	if (code == LL_OK)
		code = claim(&taking, error);
	if (code == LL_OK)
		code = write_entry(&taking, event, error);
	if (code == LL_OK)
		*offset = fold->block_offset;
	journal_appender_close(taking.appender);
	journal_reader_close(taking.reader);
	free(taking.room);
	return code;
}
