/*
 * Blocks and entries: bytes to structs and back.
 *
 * The layouts are in schemas/blocks.toml. Nothing here knows whether a block is valid: that is the fold's
 * (projections/fold/fold.h). Nothing is copied: what a decoded block or entry points to lies in the record's value and
 * in the cursor's arena, and is good as long as both are.
 */
#ifndef LEDGERLINE_SCHEMAS_BLOCK_H
#define LEDGERLINE_SCHEMAS_BLOCK_H

#include "schemas/blocks.h"
#include "schemas/codes.h"
#include "schemas/commands.h"
#include "schemas/events.h"
#include "schemas/wire/hash.h"

/* An encoded block stays under this, so that it fits a Kafka record of 1 MiB with room for headers and overhead. */
enum { BLOCK_BYTES_MAX = 900 * 1024, LEDGER_UUID_BYTES = 16 };

struct block {
	uint16_t format;
	uint8_t kind; /* enum block_kind */
	struct slice ledger;
	uint32_t partition;
	uint32_t count;
	uint64_t epoch;
	uint64_t first_seq;
	int64_t time;
	struct slice chain;
	struct slice body;
};

/* Reads the envelope of a record's value.
 * LL_FOREIGN: it does not begin with the magic: not a block at all. LL_NEWER: a format or kind that this version does not
 * know. LL_CORRUPT: the checksum or a size is wrong. */
enum ll_code block_read(struct slice value, struct block *block, struct error *error) LL_CHECKED;

/* Writes the envelope before a body that already stands at value + ENVELOPE_SIZE, and seals it with the checksum.
 * `block->body.size` is the body's size; its pointer is not looked at. Returns the whole value. */
struct slice block_write(uint8_t *value, const struct block *block);

/* Writes a whole genesis or claim. `room` has at least 4096 bytes. */
struct slice block_write_genesis(uint8_t *room, struct slice ledger, int64_t time, const struct genesis_body *body);
struct slice block_write_claim(uint8_t *room, struct slice ledger, int64_t time, uint64_t epoch, uint64_t next_seq,
			       const struct claim_body *body);

/* One decided command with its outcome. */
struct entry {
	struct entry_head head;
	uint64_t seq;
	uint64_t offset; /* of its block */
	uint32_t index;  /* within its block */
	int64_t time;    /* effective time */
	/* accepted and system */
	struct event *events;
	uint32_t event_count;
	/* refused */
	uint16_t code;
	struct fact_list facts;
	struct slice command_fields; /* as command_decode reads them */
};

/* Reads the next entry. The caller sets cursor->seq, and entry->seq, offset, index and time, before. */
LL_CHECKED bool entry_decode(struct cursor *c, struct entry *entry);

/* Writes one: the head, then the events, or code, facts and the command's fields. */
void entry_encode(struct packer *p, const struct entry *entry);
void entry_encode_refused(struct packer *p, const struct entry *entry, const struct command *command);

#endif
