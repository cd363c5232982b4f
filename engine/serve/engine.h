/*
 * The engine: one process that leads or follows a journal and answers from its projections.
 *
 * Everything here belongs to the loop's thread.
 */
#ifndef LEDGERLINE_ENGINE_H
#define LEDGERLINE_ENGINE_H

#include <uv.h>

#include "engine/audit/explain.h"
#include "engine/audit/questions.h"
#include "engine/http/caller.h"
#include "engine/journal/journal.h"
#include "engine/writer/writer.h"
#include "projections/ledger/ledger.h"
#include "schemas/wire/zone.h"

struct engine;

enum engine_role {
	ENGINE_CLAIMS,    /* claims the journal at once, whoever leads */
	ENGINE_STANDS_BY, /* claims it when nobody leads, now or later; on a journal of its own that is at once */
	ENGINE_FOLLOWS,   /* never claims it */
};

/* When the engine takes snapshots by itself, and how many stay (engine/snapshots/snapshots.h). */
struct snapshot_plan {
	uint64_t every;   /* after so many entries; 0: not by entries */
	int daily_minute; /* at that minute of each day, UTC; -1: not by day */
	unsigned keep;    /* at most so many stay; 1 or more */
};

struct engine_options {
	const char *data;                      /* directory */
	const char *journal;                   /* URL; NULL: what the directory remembers, or local: in it */
	const struct journal_option *settings; /* for the journal, borrowed for the engine's life */
	size_t settings_count;
	const char *
		address; /* http://HOST:PORT or https://... for claims, or NULL. May be set later by engine_set_address */
	const char *secret; /* file with the engines' secret; NULL: the directory's own */
	enum engine_role role;
	struct snapshot_plan snapshots;
	int64_t patience_ms; /* of ENGINE_STANDS_BY: how long a leader may be silent (lookout.h); 0: 1,500 */
};

/* Opens everything and folds to the journal's end. BLOCKING: before the loop runs. `progress` (may be NULL) is called now and
 * then with the offset that was folded and the end. */
enum ll_code engine_open(uv_loop_t *loop, const struct engine_options *options,
			 void (*progress)(uint64_t offset, uint64_t end), struct engine **engine,
			 struct error *error) LL_CHECKED;
void engine_set_address(struct engine *engine, const char *address);
/* The access key that other engines of the journal are shown; NULL: none. Copied. */
void engine_set_peer_key(struct engine *engine, const char *key);
/* Whom it trusts when others are at https:// (tls.h: a client's). Before it is started; borrowed for its life. */
void engine_set_peer_tls(struct engine *engine, struct tls_context *tls);

/* Begins to work, and to lead as its role has it; `ready` is called once: when it leads, or follows a living leader (with
 * ENGINE_FOLLOWS, one that has ever claimed). `failed` when
 * it can go on no more: the process should end with exit status 3. */
void engine_start(struct engine *engine, void (*ready)(void *), void (*failed)(void *, const struct error *),
		  void *context);

/* Finishes what was taken, flushes, marks clean, then calls `stopped`. */
void engine_stop(struct engine *engine, void (*stopped)(void *), void *context);
/* After stopped, or when engine_start was never called. Syncs. BLOCKING. */
enum ll_code engine_close(struct engine *engine, struct error *error) LL_CHECKED;

/* ---- commands ---- */

/* writer_submit, with the loop woken. */
enum ll_code engine_submit(struct engine *engine, struct pending *pending, enum code *code) LL_CHECKED;
struct writer *engine_writer(struct engine *engine);

/* ---- several engines on one journal (peers.c, forward.c) ---- */

enum { STANDBYS_MAX = 16 };

/* Other engines may stand beside this one: the journal is not its own. */
bool engine_is_shared(const struct engine *engine);
/* Commands belong elsewhere. */
bool engine_follows(const struct engine *engine);
/* Where another engine that leads answers, by the newest claim; NULL: it is this one's, or says no address. */
const char *engine_leader_address(const struct engine *engine);
/* It leads, or knows of a living leader. An engine that asks nobody (its journal is its own): somebody has ever led. */
bool engine_knows_leader(const struct engine *engine);
/* The same, but of ENGINE_FOLLOWS only that somebody has ever led: it answers reads also while nobody does. */
bool engine_has_its_place(const struct engine *engine);

/* Another engine, which stands by, has asked who leads. Kept for some seconds, at most STANDBYS_MAX. */
void engine_note_standby(struct engine *engine, struct slice address);
/* The addresses of those that stand by, when this engine leads, the one that asked last first; good until the next call of
 * either. */
unsigned engine_standbys(struct engine *engine, const char *addresses[STANDBYS_MAX]);

/* Claims the journal, unless it leads or is about to: the leader is deposed, and nothing is lost by it. LL_DENIED: this engine
 * never leads, or stops. */
enum ll_code engine_take_over(struct engine *engine) LL_CHECKED;

/* Hands the lead to the engine that stands by at that address (empty: the one that asked last). false: there is none, or it does not lead, or does so
 * already. Otherwise `done` (may be NULL) is called once, later: true when another engine leads, false when this one goes
 * on to. Commands wait meanwhile. */
bool engine_hand_over(struct engine *engine, struct slice to, void (*done)(void *context, bool done),
		      void *context) LL_CHECKED;

enum engine_forwarded {
	FORWARD_ANSWERED,  /* by the engine that leads */
	FORWARD_NOT_TAKEN, /* nobody has it, and it is too late */
	FORWARD_UNKNOWN,   /* it was sent, and may have been taken */
	FORWARD_LEADS_HERE, /* this engine leads by now: hand it to engine_submit. It may have been taken elsewhere before */
	FORWARD_KINDS,
};

/* A request for the engine that leads. Owned by the caller with all that it points to until `done` was called. */
struct engine_forward {
	const char *method;
	struct slice target;
	const struct http_call_field *fields;
	size_t field_count;
	struct slice body;
	bool may_repeat; /* it has a key: sent twice it counts once */
	void (*done)(struct engine_forward *, enum engine_forwarded, const struct http_call_answer *);
	void *context;

	/* The engine's own. */
	struct engine_forward *next;
	struct engine *engine;
	bool sent, doubtful;
	int64_t deadline_ms, again_ms;
};

/* Sends it to whoever leads, through a change of leaders if need be; for at most 10 s. `done` is called once, from the loop.
 * false: too many are under way, or it stops: it was not taken. */
bool engine_forward(struct engine *engine, struct engine_forward *forward) LL_CHECKED;

/* ---- reads ---- */

struct ledger *engine_ledger(struct engine *engine);

/* The policy in force and its zone; good until the next turn of the loop. NULL: the state cannot be read. */
const struct policy *engine_policy(struct engine *engine, const struct zone **zone);

/* One who waits for a position. Owned by the caller until `reached` was called. */
struct engine_wait {
	struct engine_wait *next;
	uint64_t seq;        /* the entry that must be folded */
	int64_t deadline_ms; /* the engine's own */
	void (*reached)(struct engine_wait *, bool in_time);
	void *context;
};
/* Calls `reached` at once if entry `seq` is folded, else when it is, or after `timeout_ms`. */
void engine_wait_for(struct engine *engine, struct engine_wait *wait, uint64_t seq, int64_t timeout_ms);

/* Calls `done`, now or later, once, with the journal's record at that offset: from the blocks that were folded last, or read
 * by a helper thread. Empty bytes: it cannot be read now. They are good during the call. Not before engine_start, nor
 * after engine_stop. */
void engine_read_block(struct engine *engine, uint64_t offset, void (*done)(void *context, struct slice bytes),
		       void *context);

/* ---- audits ---- */

struct engine_question {
	struct audit_asked asked;
	struct cut_point at; /* of a difference: the later one */
	bool diff;           /* what differs between `from` and `at`, instead of what is asked */
	struct cut_point from;
	bool explain; /* why a command was decided so, instead of what is asked */
	struct explain_asked explained;
	int64_t latest_time; /* of the cuts that are times, the latest; 0: none is */
};

/* An answer: good during the call. failure NULL and code 0: body is it, as of so many entries. */
struct engine_audited {
	int code;
	const struct error *failure;
	struct slice body;
	uint64_t entries;
};
typedef void engine_audited_fn(void *context, const struct engine_audited *audited);

/* Calls `done` once, later, or before the engine has stopped. The question is copied. A time that has passed and is not final yet is made
 * so by an entry of the engine's own, when it leads; else it stays CUT_NOT_FINAL, and the leader is to be asked. false: too many wait. */
bool engine_audit(struct engine *engine, const struct engine_question *question, engine_audited_fn *done,
		  void *context);

/* A period to be closed: its name, who closes it, the access key that asks (empty: there are none), and the cut at its end. */
struct engine_close {
	struct slice name, approver, actor_id;
	struct cut_point at;
};

/* Computes totals and digest at the cut, writes the entry `period.closed`, and looks for it in the journal; as engine_audit. Only a leader can.
 * false: one is under way, or it stops. In the answer, code CODE_OUTCOME_UNKNOWN: it was handed over, and not found within 10 s. */
bool engine_close_period(struct engine *engine, const struct engine_close *close, engine_audited_fn *done,
			 void *context);

struct engine_audits_status {
	uint64_t cuts_opened, cuts_found; /* folded for a question, ever; found open for one */
	unsigned cuts_open;
	uint64_t snapshots; /* taken by itself, ever */
};
void engine_audits_status(struct engine *engine, struct engine_audits_status *status);

/* ---- status ---- */

/* What opening has made, since it was not there. */
enum engine_made {
	ENGINE_MADE_NOTHING,
	ENGINE_MADE_DIRECTORY, /* a data directory, for a ledger that there was */
	ENGINE_MADE_LEDGER,    /* a ledger in an embedded journal, in a data directory or with it */
};

struct engine_status {
	enum engine_made made;
	const char *made_among; /* something else that lay there; empty: nothing did */
	const char *journal_url;
	struct journal_identity identity;
	struct journal_watermarks watermarks; /* as of the last look, every few seconds */
	const char *data;
	int64_t started_ms;
	bool is_ready;
	uint64_t loop_late_us_max; /* the longest that one turn of the loop took */
	enum engine_role role;     /* ENGINE_STANDS_BY also when the journal is its own */
	uint64_t takeovers;        /* it began to lead after another one had led */
	uint64_t handovers;        /* it handed the lead to another one */
	uint64_t forwarded[FORWARD_KINDS];
};
void engine_status(struct engine *engine, struct engine_status *status);

/* Wall clock in ms. */
int64_t engine_now(struct engine *engine);
void engine_random(struct engine *engine, uint8_t *bytes, size_t size);

/* The engines' secret for queue credentials: 32 bytes. */
const uint8_t *engine_secret(struct engine *engine);

#endif
