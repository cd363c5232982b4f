/*
 * Any bytes are a block, an entry, a genesis, a claim, a position or a row, or are refused with a reason: nothing is read beyond them. What
 * was read can be shown, and what this version writes is what it read.
 *
 * The first byte says as what the rest is read. Bodies get a sound envelope, as no fuzzer finds a checksum.
 */
#include <stdlib.h>

#include "engine/audit/event_line.h"
#include "engine/reply/reply.h"
#include "projections/fold/fold.h"
#include "schemas/tables.h"
#include "schemas/wire/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES_MAX = 64, ROW_BYTES = 4096 };

static uint8_t room[BLOCK_BYTES_MAX];

/* Canonical: an accepted entry of today's events has one form only. */
static void write_again(const struct entry *entry, struct slice read)
{
	if (entry->head.outcome == OUTCOME_REFUSED)
		return;
	for (uint32_t i = 0; i < entry->event_count; i++)
		if (entry->events[i].version != event_info(entry->events[i].type)->version)
			return;
	struct packer p = packer_over(room, sizeof room);
	entry_encode(&p, entry);
	struct entry again = {.seq = entry->seq};
	struct arena arena = {0};
	struct cursor cursor = cursor_over(slice_of(room, (size_t)(p.at - room)), &arena);
	cursor.seq = entry->seq;
	ENSURE(!p.full && (size_t)(p.at - room) <= 2 * read.size + 64);
	ENSURE(entry_decode(&cursor, &again) && cursor.at == cursor.end);
	arena_release(&arena);
}

static void read_entries(struct slice body)
{
	struct arena arena = {0};
	struct buffer lines = {0};
	struct json_writer writer;
	struct cursor cursor = cursor_over(body, &arena);
	for (unsigned i = 0; i < ENTRIES_MAX && cursor.at < cursor.end; i++) {
		struct entry entry = {.seq = 1000 + i, .offset = 7, .index = i, .time = 1};
		const uint8_t *from = cursor.at;
		cursor.seq = entry.seq;
		arena_reset(&arena);
		if (!entry_decode(&cursor, &entry)) {
			ENSURE(cursor.failed);
			break;
		}
		event_lines(&entry, &lines);
		write_again(&entry, slice_of(from, (size_t)(cursor.at - from)));
		buffer_clear(&lines);
		json_writer_init(&writer, &lines, false);
		if (entry.head.outcome != OUTCOME_SYSTEM)
			(void)reply_render(&entry, &writer);
		buffer_clear(&lines);
	}
	buffer_release(&lines);
	arena_release(&arena);
}

static void read_block(struct slice value)
{
	struct block block;
	struct error error;
	if (block_read(value, &block, &error) != LL_OK)
		ENSURE(error.text[0]);
	else if (block.kind == BLOCK_ENTRIES)
		read_entries(block.body);
}

static void read_row(struct slice bytes)
{
	union {
		uint8_t bytes[ROW_BYTES];
		uint64_t aligned;
	} row;
	struct arena arena = {0};
	if (bytes.size == 0)
		return;
	const struct table_place *table = &table_places[bytes.at[0] % TABLES_COUNT];
	struct cursor cursor = cursor_over(slice_of(bytes.at + 1, bytes.size - 1), &arena);
	ENSURE(table->record->size <= sizeof row);
	if (!table->decode(&cursor, &row))
		ENSURE(cursor.failed);
	arena_release(&arena);
}

static void read_body(struct slice body, uint8_t kind)
{
	struct fold fold = {0};
	struct error error;
	enum fold_verdict verdict;
	struct block block = {.kind = kind, .ledger = SLICE("ledger-of-tests!"), .body = {NULL, body.size}};
	if (body.size > sizeof room - ENVELOPE_SIZE)
		return;
	block.epoch = kind == BLOCK_CLAIM;
	memcpy(room + ENVELOPE_SIZE, body.at, body.size);
	if (kind == BLOCK_CLAIM) {
		fold.begun = true;
		memcpy(fold.ledger, block.ledger.at, sizeof fold.ledger);
	}
	struct slice value = block_write(room, &block);
	if (fold_record(&fold, 0, value, &verdict, &block, &error) != LL_OK)
		ENSURE(error.text[0]);
}

static void read_position(struct slice bytes)
{
	struct fold fold;
	struct error error;
	uint8_t again[POSITION_BYTES_MAX];
	if (fold_from_position(&fold, bytes, &error) == LL_OK)
		(void)fold_to_position(&fold, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct slice rest = slice_of(data + 1, size - 1);
	switch (data[0] % 6) {
	case 0: read_block(rest); break;
	case 1: read_entries(rest); break;
	case 2: read_body(rest, BLOCK_GENESIS); break;
	case 3: read_body(rest, BLOCK_CLAIM); break;
	case 4: read_position(rest); break;
	default: read_row(rest); break;
	}
	return 0;
}
