/*
 * The relay beside an engine: a thread of its own, with its own handle of the journal.
 *
 * It relays while the engine leads. When that begins it takes over from whoever relayed before, an engine that was paused while it led included
 * (target.h). Whatever goes wrong is told on the board and in the log, and tried again for ever: the engine goes on.
 */
#ifndef LEDGERLINE_RELAY_BESIDE_H
#define LEDGERLINE_RELAY_BESIDE_H

#include "engine/relay/relay.h"

struct relay_beside;

struct relay_beside_options {
	const char *journal; /* URL */
	const struct journal_option *settings;
	size_t settings_count;
	const char *brokers;       /* of the public topics */
	const char *const *topics; /* PUBLIC_TYPES_COUNT */
	const char *prefix;
	int replication;
};

/* Everything is borrowed. The thread begins to wait for the lead. */
struct relay_beside *relay_beside_start(const struct relay_beside_options *options);

/* The engine leads, or does not. Never blocks for long. */
void relay_beside_lead(struct relay_beside *beside, bool leads);

void relay_beside_status(struct relay_beside *beside, struct relay_status *status);

/* Flushes what was read and ends: within seconds. BLOCKING. NULL allowed. */
void relay_beside_stop(struct relay_beside *beside);

#endif
