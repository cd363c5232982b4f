#include "engine/data/annulled.h"

#include <inttypes.h>
#include <time.h>

enum { READ_WAIT_MS = 100, PATIENCE_S = 30 };

void annulled_of_block(const struct block *block, uint64_t offset, struct annulments *found)
{
	struct arena arena = {0};
	struct cursor cursor = cursor_over(block->body, &arena);
	struct entry entry = {.offset = offset};
	struct annulment annulment;
	cursor.seq = entry.seq = block->first_seq;
	if (block->kind == BLOCK_ENTRIES && block->count == 1 && entry_decode(&cursor, &entry) &&
	    annulment_of(block, &entry, &annulment))
		(void)annulments_add(found, annulment);
	arena_release(&arena);
}

static enum ll_code look_through(struct journal_reader *reader, struct fold *fold, struct annulments *found,
				 struct error *error)
{
	time_t began = time(NULL);
	for (;;) {
		struct journal_record record;
		struct block block;
		enum fold_verdict verdict;
		enum ll_code code = journal_read(reader, READ_WAIT_MS, &record, error);
		if (code == LL_END)
			return LL_OK;
		if ((code == LL_TIMEOUT || code == LL_UNAVAILABLE) && time(NULL) - began < PATIENCE_S)
			continue;
		if (code != LL_OK)
			return code;
		if (fold_record(fold, record.offset, record.value, &verdict, &block, error) != LL_OK)
			return LL_OK;
		if (verdict == FOLD_ENTRIES)
			annulled_of_block(&block, record.offset, found);
		began = time(NULL);
	}
}

enum ll_code annulled_find(struct journal *journal, const struct fold *from, struct annulments *found,
			   struct error *error)
{
	struct journal_reader *reader = NULL;
	struct fold fold = *from;
	enum ll_code code = journal_reader_open(journal, fold.next_offset, &reader, error);
	if (code == LL_OK)
		code = look_through(reader, &fold, found, error);
	journal_reader_close(reader);
	return code;
}

static bool has_more(const struct annulments *found, const struct annulments *known, uint64_t until)
{
	for (size_t i = 0; i < found->count; i++)
		if (found->at[i].offset <= until && !annulments_cover(known, found->at[i].offset, found->at[i].index))
			return true;
	return false;
}

enum ll_code annulled_reason(struct journal *journal, const struct fold *before, const struct annulments *known,
			     enum ll_code code, struct annulments *found, struct error *error)
{
	struct error reading;
	annulments_add_all(found, known);
	enum ll_code looked = annulled_find(journal, before, found, &reading);
	if (looked != LL_OK)
		return error_set(error, looked, "%s", reading.text);
	if (!has_more(found, known, before->next_offset))
		return code;
	return error_set(error, LL_UNTRUSTED,
			 "journal offset %" PRIu64
			 ": entries that were folded are annulled further on: folding again without them",
			 before->next_offset);
}
