/* Dead letters: writing one, and what stands in its headers. Seen by the kafka_*.c files of the sink alone. */
#ifndef LEDGERLINE_SINK_KAFKA_LETTERS_H
#define LEDGERLINE_SINK_KAFKA_LETTERS_H

#include "engine/relay/kafka_client.h"

struct letter_why {
	const char *reason, *group;
	int status;
	unsigned attempts;
};

enum { LETTER_ID_MAX = 64 };

/* The record's eventId. false: it is no public event. */
bool event_id_of(struct slice value, char id[LETTER_ID_MAX + 1]);

/* Hands a record over to its dead-letter topic, as it was, with headers that say why. The report comes with `opaque`. */
rd_kafka_resp_err_t letter_write(rd_kafka_t *producer, const char *topic, const rd_kafka_message_t *message,
				 const struct letter_why *why, void *opaque);

/* Copies headers for which `take` says yes. */
rd_kafka_headers_t *headers_copied(const rd_kafka_message_t *message, bool (*take)(const char *name));

#endif
