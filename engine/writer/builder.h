/*
 * Building one block: commands are decided one after another on the folded state and the block's own overlay.
 *
 *	builder_begin -> builder_sweep, builder_add ... -> builder_finish -> (append, read back) -> builder_drop
 *
 * From begin to drop the ledger's overlay is open. Nothing is answered here: what comes of each command is told to the caller.
 */
#ifndef LEDGERLINE_BUILDER_H
#define LEDGERLINE_BUILDER_H

#include "engine/decide/decide.h"
#include "engine/writer/pending.h"
#include "projections/ledger/ledger.h"

struct builder;

enum built {
	BUILT_ENTRY,  /* it has an entry: pending->seq */
	BUILT_ANSWER, /* it has none: pending->held is its answer, to be given once this block is committed */
	BUILT_HIT,    /* decided before this block: pending->hit_... say where */
	BUILT_LATER,  /* its key stands earlier in this block: ask again in the next one */
	BUILT_FULL,   /* no room: ask again in the next block */
	BUILT_FAILED, /* the state cannot be read, or the decision contradicts itself: *error */
};

struct builder *builder_new(struct ledger *ledger);
void builder_free(struct builder *builder);

/* `now` in ms; the block's time is the later of it and the ledger's effective time. */
enum ll_code builder_begin(struct builder *builder, int64_t now, struct error *error) LL_CHECKED;

enum built builder_add(struct builder *builder, struct pending *pending, struct error *error);

/* Adds an entry for what is due next. *added: 1, or 0 when nothing is due or the block has no room. */
enum ll_code builder_sweep(struct builder *builder, uint32_t *added, struct error *error) LL_CHECKED;

/* Adds an entry that says nothing but that time has passed. */
enum ll_code builder_tick(struct builder *builder, struct error *error) LL_CHECKED;

/* Adds an entry of an operator's with that event; actor_id: the access key that asked for it, or empty. LL_TOO_LARGE: it has no room
 * even in an empty block. */
enum ll_code builder_note(struct builder *builder, const struct event *event, struct slice actor_id,
			  struct error *error) LL_CHECKED;

uint32_t builder_count(const struct builder *builder); /* entries so far */
int64_t builder_time(const struct builder *builder);

/* Envelope and all. Good until builder_begin. Needs one entry at least. */
struct slice builder_finish(struct builder *builder);

/* Closes the overlay: the block was read back, or given up. */
void builder_drop(struct builder *builder);

#endif
