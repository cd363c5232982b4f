/*
 * How far a rebuild is, told to the engine that serves from the same directory: a file in the generation that is being built.
 *
 *	DIR/projections/NAME/building/progress   "PID ENTRIES OFFSET END BEGAN_ENTRIES BEGAN_MS\n"
 *
 * It is written beside and renamed, twice a second at most, and removed when the generation is built.
 */
#ifndef LEDGERLINE_BUILDING_H
#define LEDGERLINE_BUILDING_H

#include "projections/projection.h"

struct building {
	int process;
	uint64_t entries;     /* folded */
	uint64_t offset, end; /* of the journal: folded next, and where it goes */
	/* When this process began: one that goes on where another was killed does not begin with nothing. */
	uint64_t began_entries;
	int64_t began_ms, now_ms;
};

/* Into the generation at that path. What cannot be written is left out: a rebuild goes on without. */
void building_tell(const char *generation, const struct building *building);

/* It is built. */
void building_forget(const char *generation);

/* Of the data directory's projection. false, and all zeros: none is being built, by a process that lives. Never waits for more than a small
 * file. */
bool building_look(const char *data, enum projection_id id, struct building *building);

/* Entries a second since it began. */
uint64_t building_rate(const struct building *building);

#endif
