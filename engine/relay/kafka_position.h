/* What is kept in LEDGER.relay, of one ledger: where its relay stands, and which one is at work. Seen by the relay's kafka_*.c alone. */
#ifndef LEDGERLINE_RELAY_KAFKA_POSITION_H
#define LEDGERLINE_RELAY_KAFKA_POSITION_H

#include "engine/relay/kafka_client.h"
#include "schemas/wire/buffer.h"
#include "schemas/wire/hash.h"

struct kept_position {
	bool any;
	uint64_t run, next;
	char by[UUID_TEXT_SIZE]; /* empty: nobody is at work */
	int64_t offset;          /* of the record: it grows with each sign of life */
};

/* The newest one. `ledger`: its uuid, as text. */
enum ll_code position_read(struct outside_client *reader, const char *topic, const char *ledger,
			   struct kept_position *position, struct error *error) LL_CHECKED;

/* The record's value. */
void position_write(const struct kept_position *position, const char *ledger_name, struct buffer *json);

#endif
