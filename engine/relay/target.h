/*
 * The public topics, as the relay sees them: what is there already, publishing in order, and the position that is kept there.
 *
 *	public topic   key userId or scheduleId, value the event's JSON, headers
 *	                 ledger-uuid      whose event it is
 *	                 ledger-position  0:1842, the entry
 *	                 ledger-index     1, the event in the entry
 *	                 ledger-run       0; one more each time that somebody had all published again from some position (--from)
 *	PREFIX LEDGER.relay   compacted; key the ledger's uuid, value {"ledger","run","next","by"}: every event of entries before `next` is
 *	                      there; `by` is the relay that is at work. Written anew every few seconds, as a sign of life
 *
 * Events are published in transactions under an id that belongs to ledger and prefix. Who opens a target takes the id over: what the
 * one before had under way is undone by the brokers before target_open goes on, and whatever it still sends is refused, however long it was
 * paused. So of several relays one publishes, and the others get LL_BUSY (docs/decisions/0016).
 *
 * A partition holds the events of a run in the journal's order, each once: so the last record of ours in a partition says what is
 * there already. `target_open` reads these back, and `target_publish` leaves out what they cover. The kept position only says where
 * to begin looking.
 *
 * Used by one thread.
 */
#ifndef LEDGERLINE_RELAY_TARGET_H
#define LEDGERLINE_RELAY_TARGET_H

#include <stdatomic.h>

#include "engine/journal/journal.h"
#include "schemas/block.h"
#include "schemas/public_events.h"
#include "schemas/wire/hash.h"

struct target;

/* Another relay at work, as it was last seen. Outlives targets; begins zeroed. */
struct target_rival {
	char by[UUID_TEXT_SIZE];
	int64_t offset, seen_ms;
};

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
	const char *self; /* a uuid as text: which relay this is */
	struct target_rival *rival;
	atomic_bool *stop; /* gives up waiting */
};

enum { TARGET_DELAYS = 16 };
/* Upper bounds of delays, in milliseconds. */
extern const uint32_t target_delay_bounds_ms[TARGET_DELAYS - 1];

struct target_counts {
	uint64_t published[PUBLIC_TYPES_COUNT]; /* committed */
	uint64_t there_already;
	uint64_t under_way;
	uint64_t transactions;
	uint64_t delays[TARGET_DELAYS]; /* from an entry's time to its event's commit; not cumulated */
	uint64_t delay_ms_sum;
};

/* Is another relay at work? LL_BUSY: it gave a sign of life during the last seconds. A hint for those who would rather stand by: target_open
 * takes over from whoever is there. BLOCKING. LL_NOT_FOUND: there is no position topic. */
enum ll_code target_look(const struct target_options *options, struct error *error) LL_CHECKED;

/* Connects, makes and checks the topics, takes over, reads back what is there. `options` and all it points to is borrowed. BLOCKING.
 * LL_BUSY: another relay has taken over at the same time. LL_UNAVAILABLE: trying again may help. LL_SETTINGS: topics have wrong settings (logged, with the
 * cure). LL_USAGE, LL_DENIED. */
enum ll_code target_open(const struct target_options *options, struct target **target, struct error *error) LL_CHECKED;

/* Gives up what is under way: it is undone when the next one opens, or after a minute. BLOCKING. NULL allowed. */
void target_close(struct target *target);

/* Every event of entries before this one is there, and committed. */
uint64_t target_next(const struct target *target);

/* Publishes an event, unless it is there already; it counts when it was committed. Everything is copied. LL_UNAVAILABLE: this target is
 * of no more use: close it and open another one. LL_BUSY: likewise, and another relay has begun. LL_TOO_LARGE, LL_DENIED, LL_SETTINGS,
 * LL_NOT_FOUND as well, if brokers refuse for good. */
enum ll_code target_publish(struct target *target, uint8_t type, struct slice key, struct slice json, uint64_t seq,
			    uint32_t index, int64_t time_ms, struct error *error) LL_CHECKED;

/* All events of entries before `next` were handed over. */
void target_reached(struct target *target, uint64_t next);

/* Something is not committed. */
bool target_is_open(const struct target *target);
/* It is time to commit also when more is to come: enough is under way, or has been for long enough. `is_late`: the reader is far behind, and
 * speed matters more than delay. */
bool target_is_due(const struct target *target, bool is_late);
/* The time of the first entry that is not committed; 0: nothing is open. */
int64_t target_oldest_ms(const struct target *target);

/* Commits what was published, with the position now and then. LL_TIMEOUT: not within timeout_ms: to be called again before anything
 * else. Errors as of target_publish. BLOCKING. */
enum ll_code target_commit(struct target *target, int timeout_ms, struct error *error) LL_CHECKED;

/* For idle moments: serves the client; opens a transaction when a sign of life is due. Errors as of target_publish. */
enum ll_code target_poll(struct target *target, struct error *error) LL_CHECKED;

/* Commits all and keeps the position, with nobody at work: another relay may begin at once. LL_TIMEOUT: not in time. */
enum ll_code target_flush(struct target *target, int timeout_ms, struct error *error) LL_CHECKED;

void target_count(const struct target *target, struct target_counts *counts);

#endif
