/*
 * Any sequence of records is folded: each is history, void, or an error that changes nothing; and entries of any content, in sound blocks,
 * are applied to every projection or are poison, with a sentence.
 *
 * A record: one byte what it is, two bytes how long, the bytes. 0: as they are; 1: entries in a sound block; 2: a claim; 3: such a block with
 * one byte of its envelope changed and sealed again.
 */
#include <stdlib.h>
#include <string.h>

#include "projections/fold/fold.h"
#include "projections/projection.h"
#include "projections/views/layer.h"
#include "schemas/wire/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES_MAX = 32 };

static uint8_t room[BLOCK_BYTES_MAX];

struct folding {
	struct fold fold;
	struct arena arena, decoded;
	struct layer *layer;
	bool stopped[PROJECTIONS_COUNT];
};

static void stop(struct folding *folding, unsigned id, const struct error *error)
{
	ENSURE(error->text[0]);
	folding->stopped[id] = true;
}

static void apply(struct folding *folding, const struct entry *entry)
{
	struct error error = {0};
	struct view *view = layer_view(folding->layer);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		if (folding->stopped[id])
			continue;
		if (projections[id]->apply(view, entry, &error) != LL_OK)
			stop(folding, id, &error);
		else if (view->failure.code != LL_OK)
			stop(folding, id, &view->failure);
		view->failure.code = LL_OK;
	}
	arena_reset(&folding->arena);
	view->next_seq = entry->seq + 1;
}

static void apply_block(struct folding *folding, const struct block *block)
{
	struct cursor cursor = cursor_over(block->body, &folding->decoded);
	layer_view(folding->layer)->time = folding->fold.time;
	for (uint32_t i = 0; i < block->count && i < ENTRIES_MAX; i++) {
		struct entry entry = {.seq = block->first_seq + i,
				      .offset = folding->fold.block_offset,
				      .index = i,
				      .time = folding->fold.time};
		cursor.seq = entry.seq;
		arena_reset(&folding->decoded);
		if (!entry_decode(&cursor, &entry))
			break;
		apply(folding, &entry);
	}
}

static void take(struct folding *folding, struct slice value)
{
	struct fold before = folding->fold;
	struct error error = {0};
	enum fold_verdict verdict;
	struct block block;
	enum ll_code code = fold_record(&folding->fold, before.next_offset, value, &verdict, &block, &error);
	if (code != LL_OK) {
		ENSURE(error.text[0] && memcmp(&before, &folding->fold, sizeof before) == 0);
		return;
	}
	ENSURE(folding->fold.next_offset == before.next_offset + 1 && folding->fold.next_seq >= before.next_seq &&
	       folding->fold.epoch >= before.epoch && folding->fold.time >= before.time);
	if (verdict == FOLD_ENTRIES)
		apply_block(folding, &block);
	if (verdict == FOLD_GENESIS || verdict == FOLD_CLAIM || verdict == FOLD_ENTRIES)
		ENSURE(fold_knows(&folding->fold, value));
}

static struct slice entries(const struct fold *fold, struct slice body)
{
	struct arena arena = {0};
	struct cursor cursor = cursor_over(body, &arena);
	struct block block = {.kind = BLOCK_ENTRIES,
			      .ledger = slice_of(fold->ledger, sizeof fold->ledger),
			      .epoch = fold->epoch,
			      .first_seq = fold->next_seq,
			      .time = fold->time + 1000,
			      .chain = hash_slice(&fold->chain)};
	struct entry entry = {.seq = 0};
	while (cursor.at < cursor.end && block.count < ENTRIES_MAX && entry_decode(&cursor, &entry))
		block.count++;
	block.count += block.count == 0;
	memcpy(room + ENVELOPE_SIZE, body.at, body.size);
	block.body.size = body.size;
	arena_release(&arena);
	return block_write(room, &block);
}

static struct slice claim(const struct fold *fold, struct slice bytes)
{
	struct claim_body body = {SLICE("0123456789abcdef"), SLICE("http://h:1"), SLICE("0"), BLOCK_FORMAT};
	uint64_t epoch = fold->epoch + (bytes.size ? (uint64_t)(bytes.at[0] % 4) : 1);
	return block_write_claim(room, slice_of(fold->ledger, sizeof fold->ledger), fold->time, epoch, fold->next_seq,
				 &body);
}

static struct slice changed(const struct fold *fold, struct slice bytes)
{
	struct slice value = entries(fold, slice_of(bytes.at + 2, bytes.size - 2));
	room[bytes.at[0] % ENVELOPE_CHECK] ^= bytes.at[1];
	uint64_t seed = checksum_of(slice_of(room, ENVELOPE_CHECK), 0);
	store_u64(room + ENVELOPE_CHECK, checksum_of(slice_of(room + ENVELOPE_SIZE, value.size - ENVELOPE_SIZE), seed));
	return value;
}

static void take_record(struct folding *folding, uint8_t what, struct slice bytes)
{
	switch (what % 4) {
	case 0: take(folding, bytes); break;
	case 1: take(folding, entries(&folding->fold, bytes)); break;
	case 2: take(folding, claim(&folding->fold, bytes)); break;
	default:
		if (bytes.size >= 2)
			take(folding, changed(&folding->fold, bytes));
	}
}

static void begin(struct folding *folding)
{
	struct genesis_body body = {SLICE("fuzz"), 1, SLICE("0"), policy_first};
	struct error error;
	folding->layer = layer_new(NULL, &folding->arena);
	take(folding, block_write_genesis(room, SLICE("ledger-of-tests!"), 1000, &body));
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (projections[id]->begin)
			ENSURE(projections[id]->begin(layer_view(folding->layer), 1000, &body, &error) == LL_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct folding folding;
	memset(&folding, 0, sizeof folding); /* its padding is compared */
	begin(&folding);
	while (size >= 3) {
		size_t length = (size_t)data[1] << 8 | data[2];
		if (length > size - 3)
			length = size - 3;
		take_record(&folding, data[0], slice_of(data + 3, length));
		data += 3 + length;
		size -= 3 + length;
	}
	layer_free(folding.layer);
	arena_release(&folding.arena);
	arena_release(&folding.decoded);
	return 0;
}
