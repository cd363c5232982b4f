#include "engine/audit/walk.h"

#include <inttypes.h>
#include <time.h>

enum { READ_WAIT_MS = 100, PATIENCE_S = 30, PROGRESS_RECORDS = 64 };

bool journal_is_bad(enum ll_code code)
{
	return code == LL_DIVERGED || code == LL_CORRUPT || code == LL_POISON;
}

static enum ll_code check_ends(struct journal *journal, uint64_t *high, struct error *error)
{
	struct journal_watermarks marks;
	enum ll_code code = journal_watermarks(journal, &marks, error);
	if (code != LL_OK)
		return code;
	*high = marks.high;
	if (marks.low != 0)
		return error_set(error, LL_DIVERGED, "%s begins at offset %" PRIu64 ": its beginning was deleted",
				 journal_url(journal), marks.low);
	if (marks.high == 0)
		return error_set(error, LL_NOT_FOUND,
				 "%s is empty: it has no genesis; make it with `ledgerline journal create`",
				 journal_url(journal));
	return LL_OK;
}

static enum ll_code walk_entries(const struct walk *how, const struct block *block, const struct fold *fold,
				 uint64_t offset, struct arena *arena, struct error *error)
{
	struct cursor cursor = cursor_over(block->body, arena);
	for (uint32_t i = 0; i < block->count; i++) {
		arena_reset(arena);
		cursor.seq = block->first_seq + i;
		struct entry entry = {.seq = cursor.seq, .offset = offset, .index = i, .time = fold->time};
		if (!entry_decode(&cursor, &entry))
			return error_set(error, LL_POISON,
					 "journal offset %" PRIu64 ": entry %" PRIu64 " cannot be decoded (%s)", offset,
					 cursor.seq, cursor.failed);
		enum ll_code code = how->entry ? how->entry(how->context, &entry, error) : LL_OK;
		if (code != LL_OK)
			return code;
	}
	if (cursor.at != cursor.end)
		return error_set(error, LL_POISON,
				 "journal offset %" PRIu64 ": bytes are left over after the block's last entry",
				 offset);
	return LL_OK;
}

static enum ll_code walk_record(const struct walk *how, const struct journal_record *record, struct fold *fold,
				struct arena *arena, struct error *error)
{
	enum fold_verdict verdict;
	struct block block;
	enum ll_code code = fold_record(fold, record->offset, record->value, &verdict, &block, error);
	if (code == LL_OK && how->record)
		code = how->record(how->context, record, verdict, &block, error);
	if (code == LL_OK && verdict == FOLD_ENTRIES && (how->entry || how->decode))
		code = walk_entries(how, &block, fold, record->offset, arena, error);
	return code;
}

/* The next record, with the patience of somebody who waits at a terminal. */
static enum ll_code next_record(struct journal_reader *reader, struct journal_record *record, struct error *error)
{
	time_t began = time(NULL);
	for (;;) {
		enum ll_code code = journal_read(reader, READ_WAIT_MS, record, error);
		if (code != LL_TIMEOUT && code != LL_UNAVAILABLE)
			return code;
		if (time(NULL) - began >= PATIENCE_S)
			return error_set(error, LL_UNAVAILABLE,
					 "the journal gave nothing for %d s: are its brokers well?", PATIENCE_S);
	}
}

static enum ll_code walk_all(struct journal_reader *reader, const struct walk *how, uint64_t high, struct fold *fold,
			     struct error *error)
{
	struct journal_record record;
	struct arena arena = {0};
	enum ll_code code = LL_OK;
	while (code == LL_OK && fold->next_offset < how->end) {
		code = next_record(reader, &record, error);
		if (code == LL_OK)
			code = walk_record(how, &record, fold, &arena, error);
		if (how->progress && fold->next_offset % PROGRESS_RECORDS == 0)
			how->progress(how->context, fold->next_offset, high);
	}
	arena_release(&arena);
	return code == LL_END ? LL_OK : code;
}

enum ll_code walk_journal(struct journal *journal, const struct walk *how, struct fold *fold, struct error *error)
{
	struct journal_reader *reader = NULL;
	uint64_t high = 0;
	enum ll_code code = check_ends(journal, &high, error);
	if (code == LL_OK)
		code = journal_reader_open(journal, 0, &reader, error);
	if (code == LL_OK)
		code = walk_all(reader, how, how->end < high ? how->end : high, fold, error);
	journal_reader_close(reader);
	return code;
}
