/*
 * The parts of the engine, between themselves.
 *
 *	engine.c   opening, starting, stopping, closing; what the API asks
 *	turn.c     the loop's turn: the writer is pumped, those who wait for positions are told
 *	host.c     what the writer needs done: clocks, jobs for the thread pool, the log
 *	closing.c  a period closed
 *	adopt.c    a rebuilt generation taken into use
 *	audit.c    questions about past states; open_cuts.c those that stay open
 *	snapshots.c  snapshots taken by themselves
 *	peers.c    other engines: who leads, standing by, taking over, handing over
 *	lookout.c  when the leader is taken for gone
 *	forward.c  commands on their way to the leader
 */
#ifndef LEDGERLINE_SERVE_INTERNAL_H
#define LEDGERLINE_SERVE_INTERNAL_H

#include "engine/data/data.h"
#include "engine/data/secret.h"
#include "engine/serve/engine.h"
#include "engine/serve/lookout.h"
#include "engine/serve/open_cuts.h"
#include "schemas/wire/json.h"

enum { PEER_KEY_MAX = 127 };

/* An engine that has asked who leads, and would. */
struct standby {
	char address[WRITER_ADDRESS_MAX + 1]; /* empty: none */
	int64_t seen_ms;
};

struct hand_over {
	bool under_way, told; /* told: the successor was told to claim */
	char to[WRITER_ADDRESS_MAX + 1];
	int64_t began_ms;
	void (*done)(void *context, bool done);
	void *context;
};

/* peers.c */
struct peers {
	bool watches;   /* looks whether the leader lives */
	bool stands_by; /* and claims when it is gone */
	struct http_caller *caller;
	char key[PEER_KEY_MAX + 1]; /* shown to other engines; empty: none */
	bool denied;                /* the leader has not taken it, and that was logged */
	uv_timer_t timer;
	struct json_reader reader;
	struct lookout lookout;
	bool probing;
	uint64_t probed_epoch; /* whose leader the probe under way asks */
	int64_t probed_ms;
	uint64_t seen_next_seq;
	bool led;                        /* since the watch began: whoever claims now has deposed this engine */
	bool taking_over, asked_to_lead; /* an attempt to lead is under way; it is not to be reconsidered */
	uint64_t takeovers, handovers;
	struct standby standbys[STANDBYS_MAX];
	struct hand_over hand_over;
};

/* forward.c */
struct forwards {
	struct engine_forward *first;
	unsigned count;
	struct http_caller *caller, *retired; /* to the leader, and to the one before */
	uint64_t epoch;                       /* of the leader that `caller` is for */
	int64_t retire_at_ms;
	uint64_t ended[FORWARD_KINDS];
};

struct engine {
	struct writer_host host; /* first: the writer hands it back */
	uv_loop_t *loop;
	struct data data;
	enum engine_made made;
	struct journal_options journal_options;
	struct journal *journal;
	uv_mutex_t journal_lock; /* jobs ask the journal one at a time: a handle of it serves one thread */
	struct journal_reader *reader;
	struct ledger *ledger;
	struct writer *writer;
	struct writer_options writer_options;
	char address[WRITER_ADDRESS_MAX + 1];
	enum engine_role role;
	int64_t patience_ms;
	struct snapshot_plan snapshot_plan;
	struct http_caller_options caller_options; /* of both */
	struct peers peers;
	struct forwards forwards;
	uint8_t secret[SECRET_BYTES];

	uv_poll_t reader_poll, appender_poll;
	int appender_descriptor; /* -1: not polled */
	bool appender_poll_open;
	uv_async_t flushed;
	uv_check_t turn;
	uv_idle_t again; /* keeps the loop turning while there is work */
	uv_timer_t timer, watermarks_timer, adopt_timer, snapshots_timer;
	unsigned handles; /* open ones */
	unsigned jobs;    /* in the thread pool */
	bool working, stopping, pump_again;
	uint64_t turn_us_max;

	struct adoption *adoption;               /* NULL: none is under way */
	unsigned passed_over[PROJECTIONS_COUNT]; /* a generation that cannot be taken; 0: none */

	struct engine_audit *audits;        /* that are asked and not answered */
	struct engine_closing *closing;     /* NULL: no period is being closed */
	struct open_cuts *open_cuts;        /* jobs of audits share it */
	struct engine_snapshots *snapshots; /* NULL: none are taken */
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

/* closing.c. As audit.c. */
void engine_closing_stop(struct engine *engine);

/* snapshots.c. Stopping leaves at most a job, which ends soon. */
void engine_snapshots_start(struct engine *engine, const struct snapshot_plan *plan);
void engine_snapshots_stop(struct engine *engine);
uint64_t engine_snapshots_taken(const struct engine *engine);
void engine_snapshots_release(struct engine *engine);

/* peers.c. Started with the engine; a turn is taken after the writer was pumped; stopping ends what is under way. */
void engine_peers_start(struct engine *engine);
void engine_peers_turn(struct engine *engine);
void engine_peers_state(struct engine *engine, enum writer_state state); /* the writer has entered it */
void engine_peers_stop(struct engine *engine);
void engine_peers_release(struct engine *engine);

/* forward.c */
void engine_forward_turn(struct engine *engine);
void engine_forward_stop(struct engine *engine);
void engine_forward_caller_freed(void *context);

/* engine.c: nothing is under way any more. */
void engine_finish_stop(struct engine *engine);

#endif
