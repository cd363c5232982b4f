#include "engine/proof/entry_tree.h"

#include <inttypes.h>

#include "engine/audit/walk.h"
#include "schemas/wire/ensure.h"

struct making {
	struct entry_tree *made;
	struct fold fold;
	struct arena arena;
	struct buffer leaf;
};

static void put_u64(uint8_t *at, uint64_t number)
{
	for (int i = 7; i >= 0; i--, number >>= 8)
		at[i] = (uint8_t)number;
}

static uint64_t get_u64(const uint8_t *at)
{
	uint64_t number = 0;
	for (int i = 0; i < 8; i++)
		number = number << 8 | at[i];
	return number;
}

static void add_leaf(struct making *making, uint64_t seq, struct slice bytes, struct slice command_id)
{
	struct entry_tree *made = making->made;
	struct buffer *leaf = &making->leaf;
	bool wanted =
		made->wants_entry && (made->command.size ? slice_equal(made->command, command_id) : made->entry == seq);
	buffer_clear(leaf);
	put_u64(buffer_reserve(leaf, ENTRY_LEAF_HEAD), seq);
	put_u64(leaf->at + 8, (uint64_t)making->fold.time);
	buffer_commit(leaf, ENTRY_LEAF_HEAD);
	buffer_append_slice(leaf, bytes);
	if (wanted && !made->found) {
		made->found = true;
		made->entry = seq;
		merkle_keep(made->tree, seq);
		buffer_append_slice(&made->leaf, buffer_slice(leaf));
	}
	if (seq + 1 == made->earlier)
		merkle_keep(made->tree, seq);
	merkle_add(made->tree, buffer_slice(leaf));
}

static enum ll_code add_entries(struct making *making, const struct block *block)
{
	struct entry_tree *made = making->made;
	struct cursor cursor = cursor_over(block->body, &making->arena);
	bool readable = true;
	for (uint32_t i = 0; i < block->count; i++) {
		uint64_t seq = block->first_seq + i;
		struct entry entry = {.seq = seq};
		const uint8_t *begin = cursor.at;
		if (merkle_size(made->tree) == made->entries)
			return LL_END;
		ENSURE(seq == merkle_size(made->tree));
		arena_reset(&making->arena);
		cursor.seq = seq;
		if (readable && entry_decode(&cursor, &entry)) {
			add_leaf(making, seq, slice_of(begin, (size_t)(cursor.at - begin)), entry.head.command_id);
			continue;
		}
		const uint8_t *end = block->body.at + block->body.size;
		add_leaf(making, seq, readable ? slice_of(begin, (size_t)(end - begin)) : SLICE_EMPTY, SLICE_EMPTY);
		readable = false;
	}
	return merkle_size(made->tree) == made->entries ? LL_END : LL_OK;
}

static enum ll_code on_record(void *context, const struct journal_record *record, enum fold_verdict verdict,
			      const struct block *block, struct error *error)
{
	struct making *making = context;
	struct entry_tree *made = making->made;
	(void)record;
	(void)error;
	if (verdict == FOLD_GENESIS) {
		uuid_text(made->ledger, block->ledger.at);
		return made->entries == 0 ? LL_END : LL_OK;
	}
	return verdict == FOLD_ENTRIES ? add_entries(making, block) : LL_OK;
}

static void on_progress(void *context, uint64_t offset, uint64_t end)
{
	const struct entry_tree *made = ((struct making *)context)->made;
	if (made->progress)
		made->progress(made->context, offset, end);
}

enum ll_code entry_tree_make(struct entry_tree *made, struct error *error)
{
	struct making making = {.made = made};
	struct walk walk = {
		.end = UINT64_MAX, .record = on_record, .decode = true, .context = &making, .progress = on_progress};
	made->tree = merkle_new();
	made->found = false;
	made->leaf = (struct buffer){0};
	enum ll_code code = walk_journal(made->journal, &walk, &making.fold, error);
	arena_release(&making.arena);
	buffer_release(&making.leaf);
	if (code == LL_OK && merkle_size(made->tree) < made->entries)
		code = error_set(error, LL_NOT_FOUND,
				 "%s has %" PRIu64 " entries, not %" PRIu64 ": it was cut short, or is "
				 "a copy from before",
				 journal_url(made->journal), merkle_size(made->tree), made->entries);
	return code;
}

void entry_tree_release(struct entry_tree *made)
{
	merkle_free(made->tree);
	buffer_release(&made->leaf);
	made->tree = NULL;
}

bool entry_leaf_read(struct slice leaf, struct arena *arena, struct entry *entry)
{
	if (leaf.size <= ENTRY_LEAF_HEAD)
		return false;
	struct cursor cursor = cursor_over(slice_of(leaf.at + ENTRY_LEAF_HEAD, leaf.size - ENTRY_LEAF_HEAD), arena);
	*entry = (struct entry){.seq = get_u64(leaf.at), .time = (int64_t)get_u64(leaf.at + 8)};
	cursor.seq = entry->seq;
	return entry_decode(&cursor, entry) && cursor.at == cursor.end;
}
