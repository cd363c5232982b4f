/*
 * The parts of the writer, between themselves.
 *
 *	writer.c    handing over, the pump, what happens by time
 *	lead.c      losing and gaining the lead
 *	take.c      commands become a block
 *	commit.c    what is read back, and what the appender reports
 *	answers.c   the answers
 */
#ifndef LEDGERLINE_WRITER_INTERNAL_H
#define LEDGERLINE_WRITER_INTERNAL_H

#include "engine/writer/builder.h"
#include "engine/writer/hits.h"
#include "engine/writer/writer.h"

enum {
	ATTEMPTS_KEPT = 64,
	RECORDS_A_PUMP = 64, /* then others get their turn */
	FULL_PAUSE_MS = 500, /* between two blocks, while the journal has no room */
};

struct writer {
	struct ledger *ledger;
	struct journal_reader *reader;
	struct journal_appender *appender;
	struct writer_host *host;
	struct writer_options options;
	struct builder *builder;
	enum writer_state state;
	struct error failure;
	bool stopping, at_end, flush_soon;
	bool tick_wanted;
	const struct event *note; /* NULL: none waits */
	struct slice note_actor_id;
	bool yields;             /* no further block: the host has another engine claim */
	bool suspects_log;       /* read no further until the host has seen that it is still the same log */
	uint64_t log_seen_until; /* the host has seen that it is, with what stood before this offset */
	bool is_busy;            /* an appender is being opened or closed, somewhere else */

	uint64_t order;                 /* of the last command that was handed over */
	struct pending_queue queue;     /* not taken yet */
	struct pending_queue in_flight; /* with an entry in the block that was appended, in order */
	struct pending_queue held;      /* without one; answered when that block is committed */
	bool block_is_out;              /* a block was appended and not yet read back */
	bool report_is_due;             /* the appender has not reported the last append: it takes no other one */
	uint64_t block_end;             /* the entry after its last one */
	int64_t out_since_ms, out_since_us;

	uint8_t attempts[ATTEMPTS_KEPT][LEDGER_UUID_BYTES]; /* uuids of own claims, a ring */
	unsigned attempt;                                   /* index of the newest; others are abandoned */
	uint8_t claim_room[4096];
	bool claim_is_out;
	int64_t retry_at_ms; /* WAITING: when it claims again; LEADING: no block before */
	int64_t back_off_ms;

	int64_t flushed_at_ms;
	struct hits hits;
	struct writer_statistics statistics;
	writer_folded_fn *folded;
	void *folded_context;
};

/* Milliseconds of a clock that only goes forward. */
int64_t writer_monotonic(struct writer *writer);
/* Changes the state and tells the host. */
void writer_enter(struct writer *writer, enum writer_state state);
/* answers.c: one, or all of a queue, with a code and no entry; what was held for the block that is committed now; one whose key
 * was decided before. */
void writer_answer_code(struct pending *pending, enum code code);
void writer_answer_all(struct pending_queue *queue, enum code code);
void writer_answer_held(struct writer *writer);
void writer_answer_hit(struct writer *writer, struct pending *pending);
/* lead.c */
void writer_take_back(struct writer *writer);
void writer_halt(struct writer *writer, const struct error *error);
void writer_retry_later(struct writer *writer, const char *why);
void writer_open_appender(struct writer *writer);
enum ll_code writer_append(struct writer *writer, struct slice value, const char *kind, uint64_t epoch, uint64_t seq,
			   uint32_t count, int64_t time_ms, struct error *error);
void writer_claim(struct writer *writer);
void writer_folded_claim(struct writer *writer);
/* commit.c: what has come from the journal. true: there may be more */
bool writer_read_records(struct writer *writer);
void writer_read_report(struct writer *writer);
/* take.c */
void writer_build_block(struct writer *writer);
bool writer_something_is_due(struct writer *writer, int64_t *when);
bool writer_can_decide(const struct writer *writer, int64_t now);

#endif
