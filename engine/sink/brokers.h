/*
 * Do brokers answer the member of a group? By what its client counts (librdkafka's statistics, JSON, one text a second), as it hears of nothing by
 * itself: a broker that stands still keeps its connections, and one that died is told of once.
 *
 *	a connection is well    it is up, and not one of them waits for an answer while nothing has been received for BROKERS_SILENT_MS
 *	brokers are away        no connection is well; or that to the coordinator is not, which a member in peace hears from all the time (heartbeats)
 *
 * What is seen once may be a moment between two connections: BROKERS_AWAY_AFTER in a row count.
 *
 * Pure.
 */
#ifndef LEDGERLINE_SINK_BROKERS_H
#define LEDGERLINE_SINK_BROKERS_H

#include "schemas/wire/json.h"

enum { BROKERS_SILENT_MS = 4000, BROKERS_AWAY_AFTER = 3 };

/* All zeros is one that has seen nothing. */
struct brokers {
	struct json_reader reader;
	unsigned bad;    /* texts in a row by which they are away */
	const char *why; /* the last of them */
};

/* NULL: they are there. Else how they are away: a sentence's end. A text that cannot be read changes nothing. */
const char *brokers_away(struct brokers *brokers, struct slice statistics);
void brokers_release(struct brokers *brokers);

#endif
