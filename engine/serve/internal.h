/*
 * The parts of the engine, between themselves.
 *
 *	engine.c   opening, starting, stopping, closing; what the API asks
 *	turn.c     the loop's turn: the writer is pumped, those who wait for positions are told
 *	host.c     what the writer needs done: clocks, jobs for the thread pool, the log
 *	adopt.c    a rebuilt generation taken into use
 *	audit.c    questions about past states
 */
#ifndef LEDGERLINE_SERVE_INTERNAL_H
#define LEDGERLINE_SERVE_INTERNAL_H

#include "engine/data/data.h"
#include "engine/data/secret.h"
#include "engine/serve/engine.h"

struct engine {
	struct writer_host host; /* first: the writer hands it back */
	uv_loop_t *loop;
	struct data data;
	struct journal_options journal_options;
	struct journal *journal;
	uv_mutex_t journal_lock; /* jobs ask the journal one at a time: a handle of it serves one thread */
	struct journal_reader *reader;
	struct ledger *ledger;
	struct writer *writer;
	struct writer_options writer_options;
	char address[WRITER_ADDRESS_MAX + 1];
	bool follow;
	uint8_t secret[SECRET_BYTES];

	uv_poll_t reader_poll, appender_poll;
	int appender_descriptor; /* -1: not polled */
	bool appender_poll_open;
	uv_async_t flushed;
	uv_check_t turn;
	uv_idle_t again; /* keeps the loop turning while there is work */
	uv_timer_t timer, watermarks_timer, adopt_timer;
	unsigned handles; /* open ones */
	unsigned jobs;    /* in the thread pool */
	bool working, stopping, pump_again;
	uint64_t turn_us_max;

	struct adoption *adoption;               /* NULL: none is under way */
	unsigned passed_over[PROJECTIONS_COUNT]; /* a generation that cannot be taken; 0: none */

	struct engine_audit *audits; /* that are asked and not answered */
	struct engine_wait *waits;
	struct journal_watermarks watermarks;
	struct journal_identity identity;
	bool watermarks_asked;
	int64_t started_ms;

	struct arena policy_arena;
	struct policy policy;
	uint32_t policy_version;
	struct zone *zone;

	bool is_ready;
	bool told_stopped[PROJECTIONS_COUNT]; /* that a projection has stopped was logged */
	void (*ready)(void *);
	void (*failed)(void *, const struct error *);
	void *context;
	void (*stopped)(void *);
	void *stopped_context;
};

/* host.c. Of jobs that still run there are engine->jobs. */
void engine_host_init(struct writer_host *host);
int64_t engine_host_monotonic(struct writer_host *host);
void engine_unpoll_appender(struct engine *engine);
void engine_on_watermarks_timer(uv_timer_t *timer);

/* turn.c: callbacks of the loop's handles, and of the flush threads. */
void engine_on_turn(uv_check_t *check);
void engine_on_reader(uv_poll_t *poll, int status, int events);
void engine_on_again(uv_idle_t *idle);
void engine_on_flushed_async(uv_async_t *async);
void engine_on_flushed(void *context);

/* adopt.c. A turn is taken after the writer was pumped; stopping leaves at most a job, which ends soon. */
void engine_adopt_start(struct engine *engine);
void engine_adopt_turn(struct engine *engine);
void engine_adopt_stop(struct engine *engine);

/* audit.c. What waits is answered; what runs is given up soon. */
void engine_audit_stop(struct engine *engine);

/* engine.c: nothing is under way any more. */
void engine_finish_stop(struct engine *engine);

#endif
