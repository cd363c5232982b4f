/*
 * The writer: leads or follows one journal.
 *
 *	                  +------------------------------- back-off over -------------+
 *	                  v                                                           |
 *	FOLLOWING --> OPENING --appender--> CLAIMING --own claim read back--> LEADING  |
 *	    ^            |                     |   ^                             |     |
 *	    |            +--- failed --------->|---+--- failed, or late ---------+--> WAITING
 *	    |                                  |                                 |
 *	    +------ somebody else's claim -----+---------------------------------+
 *	                                                   HALTED: only a person can help
 *
 * It believes only what it has read from the log: a block is committed when the writer's own fold has read it back as valid; the
 * appender's reports only tell of errors. One block is in flight at a time; commands that arrive meanwhile form the
 * next one. After an error that may have let the block land, the next claim is the barrier: either the block was folded
 * before it, or it never counts.
 *
 * No clock, no thread, no descriptor here: the host gives the time and does what blocks. So the same code runs under the
 * event loop and, on one thread, under the simulator.
 */
#ifndef LEDGERLINE_WRITER_H
#define LEDGERLINE_WRITER_H

#include "engine/journal/journal.h"
#include "engine/writer/pending.h"
#include "projections/ledger/ledger.h"

struct writer;

enum writer_state {
	WRITER_FOLLOWING,
	WRITER_OPENING,
	WRITER_CLAIMING,
	WRITER_LEADING,
	WRITER_WAITING,
	WRITER_HALTED,
};

/* What the writer needs done for it. Every function is called on the writer's thread. */
struct writer_host {
	int64_t (*now_ms)(struct writer_host *); /* wall clock, ms since 1970 */
	int64_t (*monotonic_us)(struct writer_host *);
	void (*random)(struct writer_host *, uint8_t *bytes, size_t size);
	/* Open an appender somewhere else, then call writer_appender_opened. */
	void (*open_appender)(struct writer_host *);
	/* Close one somewhere else, then call writer_appender_closed; it may take its time. Until then the writer opens no other one,
	 * and leaves alone the memory of the block that the appender may still be sending. */
	void (*close_appender)(struct writer_host *, struct journal_appender *);
	/* Read the record at `offset` somewhere else, then call writer_answer_hits. One is read at a time. */
	void (*read_hit)(struct writer_host *, uint64_t offset);
	/* Something worth telling a person. `code` LL_OK: for information. */
	void (*tell)(struct writer_host *, enum ll_code code, const char *sentence);
	void (*state_changed)(struct writer_host *, enum writer_state state);
};

struct writer_options {
	const char *address;        /* put into claims: http://HOST:PORT; may be NULL */
	size_t queue_max;           /* commands waiting; more are refused with LL_BUSY. 0: 200,000 */
	int64_t append_timeout_ms;  /* a block not read back by then is in doubt. 0: 10,000 */
	int64_t answer_timeout_ms;  /* a command neither taken nor answered by then gets a 503. 0: 15,000 */
	uint32_t block_entries_max; /* 0: 8,192 */
};

/* How many of something fell into each bucket; the last one: more than its greatest bound. */
enum { WRITER_BUCKETS = 14 };
struct writer_histogram {
	uint64_t counts[WRITER_BUCKETS + 1], sum;
};
extern const uint64_t writer_append_bounds_us[WRITER_BUCKETS], writer_block_bounds[WRITER_BUCKETS];

struct writer_statistics {
	uint64_t blocks, entries, accepted, refused,
		system;      /* read back as valid since the start, whoever wrote them */
	uint64_t own_blocks; /* of them written here */
	uint64_t bytes;
	uint64_t repeated, rejected, overloaded;
	uint64_t append_failures, claims;
	uint64_t append_us_last; /* from append to read back, of the last own block */
	uint64_t append_us_sum;
	uint32_t block_entries_last;
	struct writer_histogram append_us;     /* of own blocks, from append to read back */
	struct writer_histogram block_entries; /* of own blocks */
};

/* The reader stands at the ledger's next offset, where the caller has folded to the end once. The ledger, the reader and the
 * host live longer than the writer. */
struct writer *writer_new(struct ledger *ledger, struct journal_reader *reader, struct writer_host *host,
			  const struct writer_options *options);

/* Answers everything that waits with JOURNAL_UNAVAILABLE or OUTCOME_UNKNOWN and frees. The appender must be closed by then
 * (writer_stop). */
void writer_free(struct writer *writer);

/* Asks to lead: FOLLOWING -> OPENING. In other states nothing happens. */
void writer_lead(struct writer *writer);

/* Gives up an attempt to lead whose claim is not out, as somebody turned out to lead: back to FOLLOWING. For attempts that began
 * with writer_lead only, not for a lead that was lost and is to be won back. In other states nothing happens. */
void writer_withdraw(struct writer *writer);

/* While `yields` a leader sends no further block: a successor's claim then finds nothing in flight. What is handed over meanwhile
 * waits; the successor's claim answers it with NOT_LEADER. Nothing but the caller ends it, whoever claims. writer_sends: a block
 * of this lead is still on its way. */
void writer_yield(struct writer *writer, bool yields);
bool writer_sends(const struct writer *writer);

/* Takes no more commands, finishes what was taken. writer_is_idle tells when. */
void writer_stop(struct writer *writer);
bool writer_is_idle(const struct writer *writer);

/* Hands a command over. Its id, actor and command must be set. LL_OK: `answer` will be called, once, later.
 * LL_BUSY: too much is waiting (OVERLOADED). LL_UNAVAILABLE: not leading, and not about to (NOT_LEADER), halted or
 * stopping (JOURNAL_UNAVAILABLE): *code says which. */
enum ll_code writer_submit(struct writer *writer, struct pending *pending, enum code *code) LL_CHECKED;

/* Has an entry made that does nothing but have a time, so that the moments before it are over. false: it does not lead. */
bool writer_tick(struct writer *writer);

/* Has an entry made with that event, as an operator's, once; actor_id: the access key that asked for it, or empty. Both are borrowed until the
 * next block is built; NULL takes it back. Whether the entry came to stand in the journal must be looked for there. false: it does not lead,
 * or another one waits. */
bool writer_note(struct writer *writer, const struct event *event, struct slice actor_id);

/* Works off what has come: records, reports, commands, what is due. Call it after every event, and at the time that it
 * returns (monotonic ms; INT64_MAX: only after an event). */
int64_t writer_pump(struct writer *writer);

/* Results of what the host was asked for. appender NULL: it failed, with *error. */
void writer_appender_opened(struct writer *writer, struct journal_appender *appender, const struct error *error);
void writer_appender_closed(struct writer *writer);
/* The record that read_hit asked for; empty: it could not be read. */
void writer_answer_hits(struct writer *writer, struct slice bytes);

/* The record at that offset, if it is one of those that were folded last. Good until the next pump. */
bool writer_recent(const struct writer *writer, uint64_t offset, struct slice *bytes);

/* The host has seen, before it opened an appender or at any time, that the log is the one that was folded, and ended at
 * `until`. */
void writer_log_is_seen(struct writer *writer, uint64_t until);

/* The host has seen that the log is not the one that was folded: nothing more is read or written. */
void writer_log_is_another(struct writer *writer, const struct error *error);

/* Starts a flush as soon as one can be: for reads that want the stores as fresh as the memory. */
void writer_flush_soon(struct writer *writer);

/* Called for every record that was folded, after its entries were answered, with its bytes: good during the call. No block is being
 * decided then. */
typedef void writer_folded_fn(void *context, uint64_t offset, struct slice value);
void writer_on_folded(struct writer *writer, writer_folded_fn *folded, void *context);

enum writer_state writer_state(const struct writer *writer);
const char *writer_state_text(enum writer_state state);
const struct error *writer_failure(const struct writer *writer); /* why it is HALTED; NULL: it is not */
const struct writer_statistics *writer_statistics(const struct writer *writer);
size_t writer_waiting(const struct writer *writer);              /* commands that wait or are in flight */
struct journal_appender *writer_appender(struct writer *writer); /* NULL: none */

#endif
