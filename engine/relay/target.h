/*
 * The public topics, as the relay sees them: what is there already, publishing in order, and the position that is kept there.
 *
 *	public topic   key userId or scheduleId, value the event's JSON, headers
 *	                 ledger-uuid      whose event it is
 *	                 ledger-position  0:1842, the entry
 *	                 ledger-index     1, the event in the entry
 *	                 ledger-run       0; one more each time that somebody had all published again from some position (--from)
 *	PREFIX LEDGER.relay   compacted; key the ledger's uuid, value {"ledger","run","next"}: every event of entries before `next` is there
 *
 * A partition holds the events of a run in the journal's order, each once: so the last record of ours in a partition says what is
 * there already. `target_open` reads these back, and `target_publish` leaves out what they cover. The kept position only says where
 * to begin looking.
 *
 * What may double an event: a request of a relay that was killed, which reaches the broker after the next relay has read the ends.
 * One relay at a time may work on the same topics.
 *
 * Used by one thread.
 */
#ifndef LEDGERLINE_RELAY_TARGET_H
#define LEDGERLINE_RELAY_TARGET_H

#include "engine/journal/journal.h"
#include "schemas/block.h"
#include "schemas/public_events.h"

struct target;

struct target_options {
	const char *brokers;
	const struct journal_option *settings;
	size_t settings_count;
	const char *topics[PUBLIC_TYPES_COUNT]; /* where each public type goes; two may share one */
	const char *position_topic;
	int replication; /* 0: three, or as many as there are brokers */
	uint8_t ledger[LEDGER_UUID_BYTES];
	const char *name; /* of the ledger */
	bool again;       /* a new run: nothing is there already, and `from` is kept as its position */
	uint64_t from;
};

struct target_counts {
	uint64_t published[PUBLIC_TYPES_COUNT]; /* acknowledged */
	uint64_t there_already;
	uint64_t under_way;
};

/* Connects, makes and checks the topics, reads back what is there. `options` and all it points to is borrowed. BLOCKING.
 * LL_UNAVAILABLE: trying again may help. LL_SETTINGS: topics have wrong settings (logged, with the cure). LL_USAGE, LL_DENIED. */
enum ll_code target_open(const struct target_options *options, struct target **target, struct error *error) LL_CHECKED;

/* Gives up what is under way; it may land all the same. BLOCKING. NULL allowed. */
void target_close(struct target *target);

/* Every event of entries before this one is there. */
uint64_t target_next(const struct target *target);

/* Publishes an event, unless it is there already. Waits while too much is under way. Everything is copied. LL_UNAVAILABLE: this target is
 * of no more use: close it and open another one. LL_TOO_LARGE, LL_DENIED, LL_SETTINGS, LL_NOT_FOUND as well, if brokers refuse for good. */
enum ll_code target_publish(struct target *target, uint8_t type, struct slice key, struct slice json, uint64_t seq,
			    uint32_t index, int64_t time_ms, struct error *error) LL_CHECKED;

/* All events of entries before `next` were handed over. */
void target_reached(struct target *target, uint64_t next);

/* Serves reports for up to timeout_ms, and keeps the position now and then. Errors as of target_publish. */
enum ll_code target_poll(struct target *target, int timeout_ms, struct error *error) LL_CHECKED;

/* Waits until all is acknowledged, and keeps the position. LL_TIMEOUT: not in time. */
enum ll_code target_flush(struct target *target, int timeout_ms, struct error *error) LL_CHECKED;

void target_count(const struct target *target, struct target_counts *counts);

#endif
