#include "engine/audit/walk.h"

#include <inttypes.h>
#include <time.h>

#include "engine/data/annulled.h"

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

struct walking {
	const struct walk *how;
	struct journal *journal;
	struct fold *fold;
	struct arena arena;
	struct annulments annulled;
	bool has_looked; /* for what is annulled, to the journal's end */
};

/* Of an entry that cannot be decoded. LL_OK: the block's rest is to be left out. */
static enum ll_code undecodable(struct walking *walking, const struct entry *entry, const char *why,
				struct error *error)
{
	const struct walk *how = walking->how;
	if (!walking->has_looked) {
		enum ll_code code = annulled_find(walking->journal, walking->fold, &walking->annulled, error);
		if (code != LL_OK)
			return code;
		walking->has_looked = true;
	}
	if (annulments_cover(&walking->annulled, entry->offset, entry->index))
		return LL_OK;
	return how->poison ? how->poison(how->context, entry, why, error)
			   : error_set(error, LL_POISON,
				       "journal offset %" PRIu64 ": entry %" PRIu64 " cannot be decoded (%s)",
				       entry->offset, entry->seq, why);
}

static enum ll_code walk_entries(struct walking *walking, const struct block *block, uint64_t offset,
				 struct error *error)
{
	const struct walk *how = walking->how;
	struct arena *arena = &walking->arena;
	struct entry entry = {.offset = offset};
	struct cursor cursor = cursor_over(block->body, arena);
	for (uint32_t i = 0; i < block->count; i++) {
		arena_reset(arena);
		cursor.seq = block->first_seq + i;
		entry = (struct entry){.seq = cursor.seq, .offset = offset, .index = i, .time = walking->fold->time};
		if (!entry_decode(&cursor, &entry))
			return undecodable(walking, &entry, cursor.failed, error);
		enum ll_code code = how->entry ? how->entry(how->context, &entry, error) : LL_OK;
		if (code != LL_OK)
			return code;
	}
	return cursor.at == cursor.end
		       ? LL_OK
		       : undecodable(walking, &entry, "bytes are left over after the block's last entry", error);
}

static enum ll_code walk_record(struct walking *walking, const struct journal_record *record, struct error *error)
{
	const struct walk *how = walking->how;
	enum fold_verdict verdict;
	struct block block;
	enum ll_code code = fold_record(walking->fold, record->offset, record->value, &verdict, &block, error);
	if (code == LL_OK && how->record)
		code = how->record(how->context, record, verdict, &block, error);
	if (code == LL_OK && verdict == FOLD_ENTRIES && (how->entry || how->decode))
		code = walk_entries(walking, &block, record->offset, error);
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

static enum ll_code walk_all(struct journal_reader *reader, struct walking *walking, uint64_t high, struct error *error)
{
	const struct walk *how = walking->how;
	const struct fold *fold = walking->fold;
	struct journal_record record;
	enum ll_code code = LL_OK;
	while (code == LL_OK && fold->next_offset < how->end) {
		code = next_record(reader, &record, error);
		if (code == LL_OK)
			code = walk_record(walking, &record, error);
		if (how->progress && fold->next_offset % PROGRESS_RECORDS == 0)
			how->progress(how->context, fold->next_offset, high);
	}
	arena_release(&walking->arena);
	annulments_release(&walking->annulled);
	return code == LL_END ? LL_OK : code;
}

enum ll_code walk_journal(struct journal *journal, const struct walk *how, struct fold *fold, struct error *error)
{
	struct journal_reader *reader = NULL;
	struct walking walking = {.how = how, .journal = journal, .fold = fold};
	uint64_t high = 0;
	enum ll_code code = check_ends(journal, &high, error);
	if (code == LL_OK)
		code = journal_reader_open(journal, 0, &reader, error);
	if (code == LL_OK)
		code = walk_all(reader, &walking, how->end < high ? how->end : high, error);
	journal_reader_close(reader);
	return code;
}
