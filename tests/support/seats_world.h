/*
 * A small ledger without a journal, for tests of the rules: commands are decided, made entries, written as bytes, read
 * back and folded into a layer of memory, as an engine would, one entry a block.
 */
#ifndef LEDGERLINE_TESTS_SEATS_WORLD_H
#define LEDGERLINE_TESTS_SEATS_WORLD_H

#include "engine/decide/due.h"
#include "projections/projection.h"
#include "projections/views/layer.h"
#include "projections/views/rows.h"
#include "schemas/wire/buffer.h"
#include "schemas/wire/time.h"

/* What world_run returns beside codes. */
enum { WORLD_ACCEPTED = 0, WORLD_READ = -1 };

/* 2026-03-02T00:00:00Z: nine in the morning in Seoul. */
#define WORLD_START INT64_C(1772409600000)
#define SECOND INT64_C(1000)
#define DAY TIME_MS_PER_DAY

struct world {
	struct layer *layer;
	struct view *view;
	struct arena arena;       /* of the layer's lists and of decisions */
	struct arena entry_arena; /* of the entry that was read back */
	struct zone *zone;
	struct policy policy;
	int64_t now;
	uint64_t next_seq;
	uint64_t last;            /* number of the last entry that a command became */
	struct decision decision; /* of the last command */
	struct entry entry;       /* the last entry, as it was read back */
	uint8_t *room;
	size_t room_size;
	struct buffer reply; /* body of the answer to the last command that became an entry */
	int reply_status;
	void (*after_entry)(struct world *);                                                      /* NULL: nothing */
	void (*before_decision)(struct world *, struct decide_context *, const struct command *); /* NULL: nothing */
};

void world_init(struct world *world);
void world_release(struct world *world);

/* Expires what the command waits for, decides it, and folds what it becomes. Returns WORLD_ACCEPTED, WORLD_READ or the
 * code. */
int world_run(struct world *world, const struct command *command);

/* Folds at most `max` entries of what is due. Returns how many there were. */
unsigned world_sweep(struct world *world, unsigned max);

/* Applies events as one system entry; the code of the fold, with its sentence in *error. */
enum ll_code world_apply(struct world *world, struct event *events, uint32_t count, struct error *error);

/* ---- commands in short; the entry's number is then world->last ---- */

int world_charge(struct world *world, const char *user, int64_t amount);
int world_concert(struct world *world, const char *concert);
/* `seats` seats from 1 on, of which seat n costs 1,000 n; the last one is free of charge when `free_last`. */
int world_schedule(struct world *world, const char *schedule, const char *concert, int64_t date, int64_t opens,
		   int64_t closes, uint32_t seats, bool free_last);
int world_add_seats(struct world *world, const char *schedule, uint32_t first, uint32_t count);
int world_cancel_schedule(struct world *world, const char *schedule);
int world_hold(struct world *world, const char *user, const char *schedule, uint32_t count, const uint32_t *seat_nos);
int world_hold_one(struct world *world, const char *user, const char *schedule, uint32_t seat_no);
int world_pay(struct world *world, const char *user, uint64_t reservation_id, int64_t amount); /* NONE_I64: not given */
int world_cancel(struct world *world, uint64_t reservation_id, const char *user);              /* NULL: not given */
int world_cancel_payment(struct world *world, uint64_t payment_id);

/* The number of a fact of the last refusal, or NONE_I64. */
int64_t world_fact(const struct world *world, enum fact_name name);

/* All that must hold between seats, reservations, payments and their counts. Fails the test. */
void world_check(struct world *world);

#endif
