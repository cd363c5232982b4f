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

/* A letter's headers: those of the record, and why it is one. *value: what the letter holds of the record: all of it, or when that is more
 * than LETTER_BYTES_MAX its beginning, with a header dlq-bytes that says how much there was. */
enum { LETTER_BYTES_MAX = 7 << 20, LETTER_CUT_BYTES = 4096 };
rd_kafka_headers_t *letter_headers(const rd_kafka_message_t *message, const struct letter_why *why,
				   struct slice *value);

/* Copies headers for which `take` says yes. */
rd_kafka_headers_t *headers_copied(const rd_kafka_message_t *message, bool (*take)(const char *name));

#endif
