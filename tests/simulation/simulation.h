/*
 * The simulation: engines, their disks and clocks, clients and one journal, all from one seed, on one thread.
 *
 *	simulation.c   a seed becomes a run: which faults, how often; steps; the end, where all is healed and compared
 *	engines.c      what engine/serve does for a writer, with time, disk and line simulated; crashes and restarts
 *	clients.c      who sends commands, gives up, sends them again, elsewhere, or with another body; what they were told
 *	referee.c      reads the journal by itself and knows which history is valid, without the product's fold rule
 *	books.c        keeps accounts, seats and turns from the events alone, and says when one cannot be
 *	disk.c line.c  the twins of the disk, and each engine's line to the journal
 *
 * What runs of the product: writer, builder, decisions, fold, ledger, projections, replies, stores with their memory and flushes,
 * the journal in memory, and catching up. What does not: LMDB, the event loop, HTTP, Kafka and the local journal.
 *
 * A property that does not hold is kept (the first one) and ends the run. Nothing here depends on anything but the seed.
 */
#ifndef LEDGERLINE_SIMULATION_H
#define LEDGERLINE_SIMULATION_H

#include <stdbool.h>
#include <stdio.h>

#include "engine/writer/writer.h"
#include "projections/projection.h"
#include "schemas/wire/buffer.h"
#include "tests/simulation/line.h"

enum {
	ENGINES_MAX = 3,
	KEYS_MAX = 128,
	ASKINGS_MAX = 512,
	USERS = 4,
	SCHEDULES = 2,
	SEATS = 4,
	NAME_SIZE = 16,
	PAST_MAX = 4096, /* records of a run */
	PLAN_AHEAD = 8,
};

#define SIMULATION_JOURNAL "simulation"

/* Every kind of fault that is injected, and the swarm's switches: a seed draws which are on, and how often each comes. */
#define FAULTS(X)                                                                                                      \
	X(APPEND_FAILED, "append failed")                                                                              \
	X(APPEND_DELAYED, "append delayed")                                                                            \
	X(REPORT_DELAYED, "report delayed")                                                                            \
	X(APPEND_DOUBLED, "append doubled")                                                                            \
	X(APPEND_REORDERED, "append reordered")                                                                        \
	X(APPEND_LOST, "append lost")                                                                                  \
	X(REPORT_LOST, "report lost")                                                                                  \
	X(REPORT_LIED_WRITTEN, "report lied: written")                                                                 \
	X(REPORT_LIED_FAILED, "report lied: failed")                                                                   \
	X(REPORT_WRONG_OFFSET, "report of a wrong offset")                                                             \
	X(APPENDER_DIED, "appender died")                                                                              \
	X(JOURNAL_FULL, "journal full")                                                                                \
	X(JOURNAL_AWAY, "journal away")                                                                                \
	X(LINE_CUT, "line cut")                                                                                        \
	X(READS_LATE, "reads late")                                                                                    \
	X(PAUSED, "engine paused")                                                                                     \
	X(CRASHED, "engine crashed")                                                                                   \
	X(DISK_REWOUND, "disk rewound")                                                                                \
	X(DISK_LOST, "disk lost")                                                                                      \
	X(FLUSH_LATE, "flush late")                                                                                    \
	X(FLUSH_FAILED, "flush failed")                                                                                \
	X(CLOCK_JUMPED, "clock jumped")                                                                                \
	X(LEAD_TAKEN, "lead taken")                                                                                    \
	X(FOREIGN_RECORD, "foreign record")                                                                            \
	X(ZOMBIE_RECORD, "zombie record")                                                                              \
	X(LOG_CUT, "log cut short")                                                                                    \
	X(LOG_REPLACED, "log replaced")                                                                                \
	X(CLIENT_GAVE_UP, "client gave up")                                                                            \
	X(OTHER_BODY, "other body under a key")

enum fault {
#define X(name, text) FAULT_##name,
	FAULTS(X)
#undef X
		FAULT_KINDS
};

extern const char *const fault_texts[FAULT_KINDS];

/* Properties, by the name that is told. */
#define PROPERTIES(X)                                                                                                  \
	X(ONE_HISTORY, "one valid history")                                                                            \
	X(ONE_CLAIM, "one valid claim for each epoch")                                                                 \
	X(PREFIX, "every engine has folded a prefix of the valid history")                                             \
	X(ACKNOWLEDGED, "what was acknowledged is in the valid history")                                               \
	X(COMMITTED_FIRST, "no reply before its block was read back")                                                  \
	X(ONE_REPLY, "one reply for each key")                                                                         \
	X(DECIDED_ONCE, "no key is decided twice")                                                                     \
	X(NOT_TAKEN, "what was told not to be taken is not in the history")                                            \
	X(ANSWERED_ONCE, "every command is answered once, and in the end")                                             \
	X(CONSERVATION, "no point is made or lost")                                                                    \
	X(SOLD_ONCE, "no seat is sold or held twice")                                                                  \
	X(IN_TIME, "nothing ends early, and nothing is used after its end")                                            \
	X(WAITING_ROOM, "no more are let in than may be, each once")                                                   \
	X(REPLAY, "projections equal a replay from 0")                                                                 \
	X(RUNNING, "an engine stops only for a cause, and leads again when all is well")

enum property {
#define X(name, text) PROPERTY_##name,
	PROPERTIES(X)
#undef X
};

struct tally {
	uint64_t seeds, steps, commands, answers, entries, blocks, claims, void_records, restarts;
	uint64_t faults[FAULT_KINDS];
};

/* ---- books.c ---- */

enum { LOTS_MAX = 512, THINGS_MAX = 256 };

struct books {
	int64_t balances[USERS];
	struct book_lot {
		uint64_t id;
		unsigned user;
		int64_t remaining, expires_at;
	} lots[LOTS_MAX];
	unsigned lot_count;
	struct book_hold {
		uint64_t id;
		unsigned user;
		int64_t amount, expires_at; /* amount 0: closed */
	} holds[THINGS_MAX];
	unsigned hold_count;
	struct book_reservation {
		uint64_t id, payment;
		unsigned user, schedule, seats; /* bits */
		int64_t price, expires_at;
		enum { BOOK_HELD, BOOK_CONFIRMED, BOOK_OVER } state;
	} reservations[THINGS_MAX];
	unsigned reservation_count;
	struct book_token {
		uint64_t id;
		unsigned user;
		enum { TOKEN_WAITS, TOKEN_ACTIVE, TOKEN_OVER } state;
		int64_t expires_at;
	} tokens[THINGS_MAX];
	unsigned token_count;
	uint64_t uses[THINGS_MAX];
	unsigned use_count;
	unsigned taken[SCHEDULES]; /* seats held or sold, bits */
	uint32_t active_max;
};

struct simulation;

void books_enter(struct simulation *simulation, const struct entry *entry);

/* ---- referee.c ---- */

/* Where the valid history stands before each offset. */
struct past {
	uint64_t next_seq, epoch;
	struct hash chain;
	uint64_t void_records;
};

struct referee {
	struct journal *journal;
	struct journal_reader *reader;
	uint8_t uuid[LEDGER_UUID_BYTES];
	struct past past[PAST_MAX + 1];
	uint64_t next_offset;
	bool damaged;          /* the log itself: from here on nobody can read on */
	struct ledger *replay; /* the replay from 0 that engines are compared with */
	struct arena arena;
	struct books books;
};

void referee_open(struct simulation *simulation);
void referee_close(struct simulation *simulation);
/* Reads what has come. */
void referee_read(struct simulation *simulation);
/* The log was cut or replaced: reads it anew from its beginning. What had been in it is forgotten. */
void referee_start_over(struct simulation *simulation);
/* Is what the engine has folded a prefix of the valid history? */
void referee_compare(struct simulation *simulation, unsigned engine);
/* Does every row of every projection equal those of the replay, if both stand at the same place? */
void referee_compare_rows(struct simulation *simulation, unsigned engine);

/* ---- clients.c ---- */

struct body {
	struct command command;
	struct short_hash hash;
	uint32_t seat_nos[SEATS];
	char token[24];
	/* Askings with this body that may be why the key has an entry: not answered, or with a doubt, or decided. */
	unsigned possible;
};

struct wish {
	char id[NAME_SIZE];
	struct body bodies[2];
	bool has_other, settled, told;
	bool there; /* in the valid history */
	unsigned there_body;
	uint64_t seq;
	struct short_hash reply;
	int64_t next_try_us;
	unsigned outstanding, tries;
};

struct asking {
	struct pending pending; /* first */
	struct simulation *simulation;
	struct wish *key;
	unsigned body, engine;
	bool answered;
};

/* The first commands, which all others are about. */
void clients_begin(struct simulation *simulation);
/* Sends, gives up, sends again. `fresh`: new commands too. */
void clients_step(struct simulation *simulation, bool fresh);
bool clients_are_settled(const struct simulation *simulation);
/* An entry of the valid history was read. */
void clients_entry(struct simulation *simulation, const struct entry *entry);
void clients_forget_history(struct simulation *simulation);
/* The verdict on what was told for good. */
void clients_check_end(struct simulation *simulation);

/* ---- engines.c ---- */

struct engine {
	struct writer_host host; /* first */
	struct simulation *simulation;
	unsigned number;
	bool up;
	bool is_of_another_past; /* of what the log has lost */
	bool dying;              /* its answers reach nobody */
	struct line line;
	int64_t back_us;                                      /* down until then */
	int64_t paused_until_us, cut_until_us, late_until_us; /* 0: not */
	int64_t clock_ahead_ms, spent_us;
	char directories[PROJECTIONS_COUNT][NAME_SIZE];
	struct journal *journal;
	struct journal_reader *reader;
	struct ledger *ledger;
	struct writer *writer;
	/* What is done elsewhere, and when. 0: not asked for. */
	int64_t open_us, close_us, hit_us, look_us;
	struct fold open_fold; /* as it was when the appender was asked for */
	uint64_t hit_offset;
	struct journal_appender *closing;
};

void engines_init(struct simulation *simulation);
void engine_step(struct engine *engine);
/* As a crash does: what was not flushed is gone. What becomes of the disk is drawn. */
void engine_crash(struct engine *engine, const char *why, bool disk_is_safe);
void engine_free(struct engine *engine);
bool engine_runs(const struct engine *engine); /* up and not paused */
/* Opens the ledger of directories that are named so ("e0-3"). NULL: *error. */
struct ledger *ledger_on_disk(const char directories[PROJECTIONS_COUNT][NAME_SIZE], size_t clean_bytes,
			      struct error *error);
void name_directories(char directories[PROJECTIONS_COUNT][NAME_SIZE], const char *owner);

/* ---- simulation.c ---- */

struct simulation {
	uint64_t seed, random;
	FILE *trace; /* NULL: none */
	struct tally *tally;
	uint64_t step;
	int64_t now_us;
	bool beginning, healing;
	/* The swarm's draw. */
	unsigned rates[FAULT_KINDS]; /* in 10,000 steps (appends, crashes, commands), 0: off */
	unsigned engine_count, key_max, elsewhere_ms, busy_us;
	int64_t takeover_us; /* without a leader for so long, another engine claims */
	size_t clean_bytes;
	struct writer_options options;

	struct engine engines[ENGINES_MAX];
	struct referee referee;
	struct wish keys[KEYS_MAX];
	unsigned key_count;
	struct asking askings[ASKINGS_MAX];
	unsigned next_asking;
	int64_t no_leader_since_us, away_until_us;
	uint64_t faults_planned, faults_counted; /* appends that the plan covers, and that have come */
	unsigned char plan[PLAN_AHEAD];          /* of append n, at n % PLAN_AHEAD: its fault, or FAULT_KINDS */
	bool was_damaged;                        /* the log was cut or replaced */
	struct journal *stranger;                /* of who writes what no engine does */
	struct buffer reply;

	bool failed;
	enum property property;
	char detail[1024];
};

/* Plays a seed. false: a property did not hold: *property and detail say which. */
bool simulate(uint64_t seed, FILE *trace, struct tally *tally, char *failure, size_t failure_size);

uint32_t draw(struct simulation *simulation, uint32_t below);
/* Happens in `rate` of 10,000 cases; always draws. */
bool chance(struct simulation *simulation, unsigned rate);
/* chance at the swarm's rate; never while all is being healed. Counts it. */
bool fault_comes(struct simulation *simulation, enum fault fault);
void violated(struct simulation *simulation, enum property property, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A line of the trace. engine < 0: of nobody in particular. */
void note(struct simulation *simulation, int engine, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
