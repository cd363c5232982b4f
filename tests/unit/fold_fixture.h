/* A ledger in memory for tests of single projections: entries are folded into a layer, one after another. */
#ifndef LEDGERLINE_TESTS_FOLD_FIXTURE_H
#define LEDGERLINE_TESTS_FOLD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "projections/projection.h"
#include "projections/views/layer.h"
#include "projections/views/rows.h"
#include "schemas/wire/json.h"
#include "schemas/wire/time.h"

struct ledger {
	struct arena arena;
	struct layer *layer;
	struct view *view;
	struct buffer out;
	struct json_writer writer;
	struct error error;
	enum ll_code code; /* of the last fold */
};

static inline void ledger_init(struct ledger *ledger)
{
	memset(ledger, 0, sizeof *ledger);
	ledger->layer = layer_new(NULL, &ledger->arena);
	ledger->view = layer_view(ledger->layer);
	ledger->view->time = INT64_C(1772355600000); /* 2026-03-01T09:00:00Z, a Sunday */
}

static inline void ledger_release(struct ledger *ledger)
{
	assert_int_equal(ledger->view->failure.code, LL_OK);
	layer_free(ledger->layer);
	buffer_release(&ledger->out);
	arena_release(&ledger->arena);
}

/* Folds one entry of a user's with these events; its number is the one before plus one, its time view->time. */
static inline uint64_t ledger_fold(struct ledger *ledger, const struct projection *projection,
				   const struct event *events, uint32_t count)
{
	struct event copies[8];
	assert_true(count <= 8);
	memcpy(copies, events, count * sizeof *copies);
	struct entry entry = {
		.head = {.outcome = OUTCOME_ACCEPTED,
			 .command_id = SLICE("cmd"),
			 .command_hash = SLICE("0123456789abcdef"),
			 .actor_type = ACTOR_TYPE_USER,
			 .actor_id = SLICE("ann"),
			 .policy = 1},
		.seq = ledger->view->next_seq,
		.offset = ledger->view->next_seq + 2,
		.time = ledger->view->time,
		.events = copies,
		.event_count = count,
	};
	ledger->code = projection->apply(ledger->view, &entry, &ledger->error);
	ledger->view->next_seq++;
	return entry.seq;
}

#define FOLD(ledger, projection, ...)                                                                                  \
	ledger_fold(ledger, projection, (struct event[]){__VA_ARGS__},                                                 \
		    sizeof((struct event[]){__VA_ARGS__}) / sizeof(struct event))

/* A writer to read an answer with, and the answer as text. */
static inline struct json_writer *ledger_ask(struct ledger *ledger)
{
	buffer_clear(&ledger->out);
	json_writer_init(&ledger->writer, &ledger->out, false);
	return &ledger->writer;
}

static inline const char *ledger_answer(struct ledger *ledger)
{
	return buffer_text(&ledger->out);
}

#define TEXT(text) slice_text(text)

#endif
