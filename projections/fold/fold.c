#include "projections/fold/fold.h"

#include <inttypes.h>
#include <stdio.h>

#include "schemas/wire/ensure.h"

static enum ll_code diverged(struct error *error, uint64_t offset, const char *what, uint64_t found, uint64_t expected)
{
	return error_set(error, LL_DIVERGED,
			 "journal offset %" PRIu64 ": %s %" PRIu64 ", expected %" PRIu64
			 ": this log is not the one that was folded before, or it is damaged",
			 offset, what, found, expected);
}

/* Reads a genesis' or claim's body and keeps what the fold needs of it. */
static enum ll_code read_genesis(struct slice body, uint64_t offset, struct error *error)
{
	struct arena arena = {0};
	struct cursor cursor = cursor_over(body, &arena);
	struct genesis_body genesis;
	bool fine = genesis_body_decode(&cursor, &genesis) && cursor.at == cursor.end;
	uint32_t format = fine ? genesis.format : 0;
	arena_release(&arena);
	if (!fine)
		return error_set(error, LL_CORRUPT, "journal offset %" PRIu64 ": the genesis cannot be decoded (%s)",
				 offset, cursor.failed ? cursor.failed : "bytes left over");
	if (format > BLOCK_FORMAT)
		return error_set(error, LL_NEWER,
				 "the ledger's format is %u, this version knows %d: use a newer version", format,
				 BLOCK_FORMAT);
	return LL_OK;
}

static enum ll_code read_claim(struct slice body, uint64_t offset, struct claim_body *claim, struct error *error)
{
	struct cursor cursor = cursor_over(body, NULL);
	if (!claim_body_decode(&cursor, claim) || cursor.at != cursor.end)
		return error_set(error, LL_CORRUPT, "journal offset %" PRIu64 ": the claim cannot be decoded (%s)",
				 offset, cursor.failed ? cursor.failed : "bytes left over");
	if (claim->format > BLOCK_FORMAT)
		return error_set(error, LL_NEWER,
				 "journal offset %" PRIu64
				 ": a writer of format %u took over, this version knows %d: use a newer version",
				 offset, claim->format, BLOCK_FORMAT);
	return LL_OK;
}

static void accept(struct fold *fold, uint64_t offset, struct slice value)
{
	fold->chain_before = fold->chain;
	fold->chain = offset == 0 ? hash_of(value) : hash_of_two(hash_slice(&fold->chain_before), value);
	fold->block_offset = offset;
}

static enum ll_code fold_genesis(struct fold *fold, struct slice value, struct block *block, struct error *error)
{
	enum ll_code code = block_read(value, block, error);
	if (code == LL_FOREIGN || (code == LL_OK && (block->kind != BLOCK_GENESIS || block->epoch || block->first_seq)))
		return error_set(
			error, LL_FOREIGN,
			"journal offset 0 is not the beginning of a ledger: this is not a journal; make one with `ledgerline journal create`");
	if (code == LL_OK && block->partition != 0)
		return error_set(error, LL_NEWER,
				 "the journal is partition %u of a ledger: this version knows partition 0 only",
				 block->partition);
	if (code == LL_OK)
		code = read_genesis(block->body, 0, error);
	if (code != LL_OK)
		return error_prefix(error, "journal offset 0");
	fold->begun = true;
	memcpy(fold->ledger, block->ledger.at, sizeof fold->ledger);
	fold->time = block->time;
	accept(fold, 0, value);
	return LL_OK;
}

static enum ll_code fold_claim(struct fold *fold, uint64_t offset, struct slice value, const struct block *block,
			       enum fold_verdict *verdict, struct error *error)
{
	struct claim_body claim;
	if (block->epoch <= fold->epoch) {
		*verdict = FOLD_STALE;
		return LL_OK;
	}
	if (block->epoch != fold->epoch + 1)
		return diverged(error, offset, "a claim of epoch", block->epoch, fold->epoch + 1);
	enum ll_code code = read_claim(block->body, offset, &claim, error);
	if (code != LL_OK)
		return code;
	fold->epoch = block->epoch;
	memcpy(fold->claim_writer, claim.writer.at, sizeof fold->claim_writer);
	snprintf(fold->claim_address, sizeof fold->claim_address, "%.*s", SLICE_PRINT(claim.address));
	accept(fold, offset, value);
	*verdict = FOLD_CLAIM;
	return LL_OK;
}

static enum ll_code fold_entries(struct fold *fold, uint64_t offset, struct slice value, const struct block *block,
				 enum fold_verdict *verdict, struct error *error)
{
	if (block->epoch < fold->epoch || (block->epoch == fold->epoch && block->first_seq < fold->next_seq)) {
		*verdict = FOLD_STALE;
		return LL_OK;
	}
	if (block->epoch != fold->epoch)
		return diverged(error, offset, "entries of epoch", block->epoch, fold->epoch);
	if (block->first_seq != fold->next_seq)
		return diverged(error, offset, "the first entry is", block->first_seq, fold->next_seq);
	if (!slice_equal(block->chain, hash_slice(&fold->chain)))
		return error_set(
			error, LL_DIVERGED,
			"journal offset %" PRIu64
			": the chain hash does not match what was folded before: this log is not the one that was folded before, or it is damaged",
			offset);
	if (block->count == 0)
		return error_set(error, LL_CORRUPT, "journal offset %" PRIu64 ": a block of entries without any",
				 offset);
	fold->next_seq += block->count;
	if (block->time > fold->time)
		fold->time = block->time;
	accept(fold, offset, value);
	*verdict = FOLD_ENTRIES;
	return LL_OK;
}

static enum ll_code judge(struct fold *fold, uint64_t offset, struct slice value, enum fold_verdict *verdict,
			  struct block *block, struct error *error)
{
	enum ll_code code = block_read(value, block, error);
	if (code == LL_FOREIGN) {
		*verdict = FOLD_FOREIGN;
		return LL_OK;
	}
	if (code != LL_OK)
		return error_prefix(error, "journal offset %" PRIu64, offset);
	if (memcmp(block->ledger.at, fold->ledger, sizeof fold->ledger) != 0) {
		*verdict = FOLD_FOREIGN;
		return LL_OK;
	}
	if (block->partition != 0)
		return diverged(error, offset, "a block of partition", block->partition, 0);
	switch (block->kind) {
	case BLOCK_CLAIM: return fold_claim(fold, offset, value, block, verdict, error);
	case BLOCK_ENTRIES: return fold_entries(fold, offset, value, block, verdict, error);
	default: return error_set(error, LL_DIVERGED, "journal offset %" PRIu64 ": a second genesis", offset);
	}
}

enum ll_code fold_record(struct fold *fold, uint64_t offset, struct slice value, enum fold_verdict *verdict,
			 struct block *block, struct error *error)
{
	enum ll_code code;
	*block = (struct block){0};
	if (offset != fold->next_offset)
		return diverged(error, offset, "the next record has offset", offset, fold->next_offset);
	if (!fold->begun) {
		*verdict = FOLD_GENESIS;
		code = offset == 0 ? fold_genesis(fold, value, block, error)
				   : error_set(error, LL_FOREIGN, "a fold begins at offset 0, not at %" PRIu64, offset);
	} else {
		code = judge(fold, offset, value, verdict, block, error);
	}
	if (code != LL_OK)
		return code;
	fold->stale_blocks += *verdict == FOLD_STALE;
	fold->foreign_blocks += *verdict == FOLD_FOREIGN;
	fold->next_offset = offset + 1;
	return LL_OK;
}

bool fold_knows(const struct fold *fold, struct slice value)
{
	struct hash chain =
		fold->block_offset == 0 ? hash_of(value) : hash_of_two(hash_slice(&fold->chain_before), value);
	return slice_equal(hash_slice(&chain), hash_slice(&fold->chain));
}

struct slice fold_to_position(const struct fold *fold, uint8_t *room)
{
	struct position position = {
		.kind = slice_text(fold->journal_kind[0] ? fold->journal_kind : "none"),
		.cluster = slice_text(fold->journal_cluster),
		.topic = slice_text(fold->journal_topic),
		.ledger = slice_of(fold->ledger, sizeof fold->ledger),
		.next_offset = fold->next_offset,
		.next_seq = fold->next_seq,
		.epoch = fold->epoch,
		.time = fold->time,
		.chain = hash_slice(&fold->chain),
		.block_offset = fold->block_offset,
		.chain_before = hash_slice(&fold->chain_before),
		.claim_writer = fold->epoch ? slice_of(fold->claim_writer, sizeof fold->claim_writer) : SLICE_EMPTY,
		.claim_address = slice_text(fold->claim_address),
		.stale_blocks = fold->stale_blocks,
		.foreign_blocks = fold->foreign_blocks,
	};
	struct packer p = packer_over(room, POSITION_BYTES_MAX);
	position_encode(&p, &position);
	if (fold->ahead.count) { /* most ledgers never have any: their positions are as they always were */
		pack_u64(&p, fold->ahead.count);
		pack_u64(&p, fold->ahead.digest);
	}
	ENSURE(!p.full);
	return slice_of(room, (size_t)(p.at - room));
}

static void copy_text(char *to, size_t size, struct slice from)
{
	size_t used = from.size < size - 1 ? from.size : size - 1;
	if (used)
		memcpy(to, from.at, used);
	to[used] = 0;
}

enum ll_code fold_from_position(struct fold *fold, struct slice bytes, struct error *error)
{
	struct position position;
	struct annulments_ahead ahead = {.count = 0};
	struct cursor cursor = cursor_over(bytes, NULL);
	bool fine = position_decode(&cursor, &position);
	if (fine && cursor.at != cursor.end)
		fine = cursor_u64(&cursor, &ahead.count, "position.ahead") &&
		       cursor_u64(&cursor, &ahead.digest, "position.ahead");
	if (!fine || cursor.at != cursor.end)
		return error_set(error, LL_CORRUPT, "the position row cannot be decoded (%s)",
				 cursor.failed ? cursor.failed : "bytes left over");
	*fold = (struct fold){
		.begun = true,
		.next_offset = position.next_offset,
		.next_seq = position.next_seq,
		.epoch = position.epoch,
		.time = position.time,
		.block_offset = position.block_offset,
		.stale_blocks = position.stale_blocks,
		.foreign_blocks = position.foreign_blocks,
		.ahead = ahead,
	};
	memcpy(fold->ledger, position.ledger.at, sizeof fold->ledger);
	memcpy(fold->chain.bytes, position.chain.at, HASH_BYTES);
	memcpy(fold->chain_before.bytes, position.chain_before.at, HASH_BYTES);
	if (position.claim_writer.size)
		memcpy(fold->claim_writer, position.claim_writer.at, sizeof fold->claim_writer);
	copy_text(fold->claim_address, sizeof fold->claim_address, position.claim_address);
	copy_text(fold->journal_kind, sizeof fold->journal_kind, position.kind);
	copy_text(fold->journal_cluster, sizeof fold->journal_cluster, position.cluster);
	copy_text(fold->journal_topic, sizeof fold->journal_topic, position.topic);
	return LL_OK;
}
