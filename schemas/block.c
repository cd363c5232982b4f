#include "schemas/block.h"

#include "schemas/wire/ensure.h"

static struct slice part(struct slice value, size_t at, size_t size)
{
	return slice_of(value.at + at, size);
}

/* Covers every byte but its own: the body, seeded with the checksum of the envelope before it. */
static uint64_t check_of(const uint8_t *value, size_t body_size)
{
	uint64_t seed = checksum_of(slice_of(value, ENVELOPE_CHECK), 0);
	return checksum_of(slice_of(value + ENVELOPE_SIZE, body_size), seed);
}

_Static_assert(ENVELOPE_CHECK + ENVELOPE_CHECK_SIZE == ENVELOPE_SIZE, "the checksum stands last");

enum ll_code block_read(struct slice value, struct block *block, struct error *error)
{
	const uint8_t *at = value.at;
	if (value.size < ENVELOPE_MAGIC_SIZE || memcmp(at, BLOCK_MAGIC, ENVELOPE_MAGIC_SIZE) != 0)
		return error_set(error, LL_FOREIGN,
				 "the record is not a block of a ledger: it does not begin with " BLOCK_MAGIC);
	if (value.size < ENVELOPE_SIZE)
		return error_set(error, LL_CORRUPT, "the block is cut short: %zu bytes, an envelope has %d", value.size,
				 ENVELOPE_SIZE);
	size_t body_size = value.size - ENVELOPE_SIZE;
	if (load_u32(at + ENVELOPE_BODY_SIZE) != body_size)
		return error_set(error, LL_CORRUPT, "the block's body has %zu bytes, its envelope says %u", body_size,
				 load_u32(at + ENVELOPE_BODY_SIZE));
	if (load_u64(at + ENVELOPE_CHECK) != check_of(at, body_size))
		return error_set(error, LL_CORRUPT, "the block is damaged: its checksum is not that of its bytes");
	*block = (struct block){
		.format = load_u16(at + ENVELOPE_FORMAT),
		.kind = at[ENVELOPE_KIND],
		.ledger = part(value, ENVELOPE_LEDGER, ENVELOPE_LEDGER_SIZE),
		.partition = load_u32(at + ENVELOPE_PARTITION),
		.count = load_u32(at + ENVELOPE_COUNT),
		.epoch = load_u64(at + ENVELOPE_EPOCH),
		.first_seq = load_u64(at + ENVELOPE_FIRST_SEQ),
		.time = (int64_t)load_u64(at + ENVELOPE_TIME),
		.chain = part(value, ENVELOPE_CHAIN, ENVELOPE_CHAIN_SIZE),
		.body = part(value, ENVELOPE_SIZE, body_size),
	};
	if (block->format > BLOCK_FORMAT || block->kind < BLOCK_GENESIS || block->kind > BLOCK_ENTRIES)
		return error_set(error, LL_NEWER,
				 "the block was made by a newer version (format %u, kind %u): use that version",
				 block->format, block->kind);
	return LL_OK;
}

struct slice block_write(uint8_t *value, const struct block *block)
{
	ENSURE(block->ledger.size == LEDGER_UUID_BYTES);
	memset(value, 0, ENVELOPE_SIZE);
	memcpy(value, BLOCK_MAGIC, ENVELOPE_MAGIC_SIZE);
	store_u16(value + ENVELOPE_FORMAT, BLOCK_FORMAT);
	value[ENVELOPE_KIND] = block->kind;
	memcpy(value + ENVELOPE_LEDGER, block->ledger.at, block->ledger.size);
	store_u32(value + ENVELOPE_PARTITION, block->partition);
	store_u32(value + ENVELOPE_COUNT, block->count);
	store_u64(value + ENVELOPE_EPOCH, block->epoch);
	store_u64(value + ENVELOPE_FIRST_SEQ, block->first_seq);
	store_u64(value + ENVELOPE_TIME, (uint64_t)block->time);
	if (block->chain.size)
		memcpy(value + ENVELOPE_CHAIN, block->chain.at, ENVELOPE_CHAIN_SIZE);
	store_u32(value + ENVELOPE_BODY_SIZE, (uint32_t)block->body.size);
	store_u64(value + ENVELOPE_CHECK, check_of(value, block->body.size));
	return slice_of(value, ENVELOPE_SIZE + block->body.size);
}

enum { CONTROL_BLOCK_BYTES_MAX = 4096 };

struct slice block_write_genesis(uint8_t *room, struct slice ledger, int64_t time, const struct genesis_body *body)
{
	struct packer p = packer_over(room + ENVELOPE_SIZE, CONTROL_BLOCK_BYTES_MAX - ENVELOPE_SIZE);
	genesis_body_encode(&p, body);
	ENSURE(!p.full);
	struct block block = {.kind = BLOCK_GENESIS, .ledger = ledger, .time = time};
	block.body.size = (size_t)(p.at - room) - ENVELOPE_SIZE;
	return block_write(room, &block);
}

struct slice block_write_claim(uint8_t *room, struct slice ledger, int64_t time, uint64_t epoch, uint64_t next_seq,
			       const struct claim_body *body)
{
	struct packer p = packer_over(room + ENVELOPE_SIZE, CONTROL_BLOCK_BYTES_MAX - ENVELOPE_SIZE);
	claim_body_encode(&p, body);
	ENSURE(!p.full);
	struct block block = {
		.kind = BLOCK_CLAIM, .ledger = ledger, .time = time, .epoch = epoch, .first_seq = next_seq};
	block.body.size = (size_t)(p.at - room) - ENVELOPE_SIZE;
	return block_write(room, &block);
}

static bool decode_refusal(struct cursor *c, struct entry *entry)
{
	if (!cursor_u16(c, &entry->code, "entry.code"))
		return false;
	if (!code_is_refusal(entry->code) || !code_info(entry->code))
		return cursor_fail(c, "entry.code: made by a newer version, or damaged");
	if (!fact_list_decode(c, &entry->facts, "entry.facts"))
		return false;
	/* Decoded here to know its end and that it is well-formed; kept as bytes for who needs it. */
	const uint8_t *start = c->at;
	struct command command;
	if (!command_decode(c, entry->head.command, &command))
		return false;
	entry->command_fields = slice_of(start, (size_t)(c->at - start));
	return true;
}

bool entry_decode(struct cursor *c, struct entry *entry)
{
	uint32_t count;
	entry->events = NULL;
	entry->event_count = 0;
	entry->code = 0;
	if (!cursor_array(c, &count, "entry") || !entry_head_decode_fields(c, &entry->head))
		return false;
	bool refused = entry->head.outcome == OUTCOME_REFUSED;
	if (count != ENTRY_HEAD_FIELDS + (refused ? 3u : 1u))
		return cursor_fail(c, "entry: number of fields: made by a newer version, or damaged");
	if (entry->head.outcome != OUTCOME_SYSTEM && !command_info(entry->head.command))
		return cursor_fail(c, "entry.command: made by a newer version, or damaged");
	if (refused)
		return decode_refusal(c, entry);
	if (!cursor_array(c, &entry->event_count, "entry.events"))
		return false;
	entry->events = arena_alloc(c->arena, entry->event_count * sizeof *entry->events);
	for (uint32_t i = 0; i < entry->event_count; i++)
		if (!event_decode(c, &entry->events[i]))
			return false;
	return true;
}

void entry_encode(struct packer *p, const struct entry *entry)
{
	pack_array(p, ENTRY_HEAD_FIELDS + 1);
	entry_head_encode_fields(p, &entry->head);
	pack_array(p, entry->event_count);
	for (uint32_t i = 0; i < entry->event_count; i++)
		event_encode(p, &entry->events[i]);
}

void entry_encode_refused(struct packer *p, const struct entry *entry, const struct command *command)
{
	pack_array(p, ENTRY_HEAD_FIELDS + 3);
	entry_head_encode_fields(p, &entry->head);
	pack_u64(p, entry->code);
	fact_list_encode(p, &entry->facts);
	command_encode(p, command);
}
