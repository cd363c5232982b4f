/*
 * Successors: the new generations of some projections, from their making to their being in use.
 *
 *	lock        one rebuild at a time for a projection; who died does not hold it
 *	begin       a directory each, named `building`; or the one that a killed rebuild left, to be built on
 *	ready       all are built: named `ready`
 *	hand over   who holds the data directory takes them: an engine, while it serves, or this process when nobody does
 *	give up     what is not handed over is deleted, unless it is worth building on
 *
 * Not for threads. Nothing of this opens a generation but handing over without an engine.
 */
#ifndef LEDGERLINE_SUCCESSORS_H
#define LEDGERLINE_SUCCESSORS_H

#include "engine/data/data.h"
#include "projections/store/generation.h"

struct successor {
	int lock;              /* descriptor, or -1 */
	unsigned made, before; /* generations; 0: none */
	bool resumed;          /* it was begun by a rebuild that did not end */
	bool taken;            /* it is in use */
	bool taken_here;       /* and this process did that */
	char path[GENERATION_PATH_MAX];
};

struct successors {
	struct data *data; /* borrowed */
	unsigned mask;
	bool by_engine; /* an engine took them */
	struct successor of[PROJECTIONS_COUNT];
};

void successors_init(struct successors *successors, struct data *data, unsigned mask);
void successors_release(struct successors *successors); /* the locks */

/* LL_BUSY: another process rebuilds one of them (its pid is named). */
enum ll_code successors_lock(struct successors *successors, struct error *error) LL_CHECKED;

/* Finds or makes them. What waited to be taken before is given up. */
enum ll_code successors_begin(struct successors *successors, struct error *error) LL_CHECKED;

/* Throws what was resumed away, and makes new ones in its place. */
enum ll_code successors_begin_anew(struct successors *successors, struct error *error) LL_CHECKED;
bool successors_are_resumed(const struct successors *successors);

/* They were built and closed clean. */
enum ll_code successors_ready(struct successors *successors, struct error *error) LL_CHECKED;

/* The generations before the current ones are to be used again: they are ready. LL_NOT_FOUND: there is none of one of them; nothing
 * was changed. */
enum ll_code successors_go_back(struct successors *successors, struct error *error) LL_CHECKED;

/* Has them taken into use: by who holds the directory, for whom it waits, or at once. `waiting` (may be NULL) is called once when there
 * is something to wait for. An error that the holder answers is returned; of LL_NEWER or LL_OLDER: they stay ready for a program that
 * can use them. BLOCKING. */
enum ll_code successors_hand_over(struct successors *successors, void (*waiting)(int pid),
				  struct error *error) LL_CHECKED;

/* Deletes the generations that nobody needs: of each projection the new one stays, and with `keep_replaced` the one before. */
void successors_tidy(const struct successors *successors, bool keep_replaced);

/* Deletes those that are not in use and not ready. With `keep_building` a next rebuild may build them on. */
void successors_give_up(struct successors *successors, bool keep_building);

/* Ends the rebuilds of other processes, and deletes what they made. `told` is called for each projection that had something. LL_BUSY:
 * a process does not end. */
enum ll_code successors_cancel(struct successors *successors,
			       void (*told)(enum projection_id id, unsigned generation, int pid),
			       struct error *error) LL_CHECKED;

#endif
