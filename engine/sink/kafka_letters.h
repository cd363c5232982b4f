/* Dead letters: writing one, and what stands in its headers. Seen by the kafka_*.c files of the sink alone. */
#ifndef LEDGERLINE_SINK_KAFKA_LETTERS_H
#define LEDGERLINE_SINK_KAFKA_LETTERS_H

#include "engine/relay/kafka_client.h"

struct letter_why {
	const char *reason, *group;
	int status;
	unsigned attempts;
	bool permanent; /* the record is at fault: whoever sends it again gets the same letter */
};

enum { LETTER_ID_MAX = 64 };

/* The record's eventId. false: it is no public event. */
bool event_id_of(struct slice value, char id[LETTER_ID_MAX + 1]);

/* A letter of a record: key and value as they are, the headers with why it is one. When that makes more than `bytes` (what its topic takes), the
 * value is its first LETTER_CUT_BYTES, and the header dlq-bytes says how much there was. When that is still too much, the key (dlq-key-bytes) and the
 * record's headers are left out as well. */
enum { LETTER_CUT_BYTES = 4096 };
struct letter_parts {
	struct slice key, value; /* of the record */
	rd_kafka_headers_t *headers;
};
struct letter_parts letter_of(const rd_kafka_message_t *message, const struct letter_why *why, size_t bytes);

/* Copies headers for which `take` says yes. */
rd_kafka_headers_t *headers_copied(const rd_kafka_message_t *message, bool (*take)(const char *name));

#endif
