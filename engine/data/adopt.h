/*
 * Putting a generation that is built in the place of the one in use.
 *
 *	rebuild --> `ready` --> who holds the data directory: an engine at once, or at its start; else the rebuild itself --> `current`
 *
 * Who holds the directory answers through the generation's own folder when it does not take it (DIR/.../gen-N/answer).
 */
#ifndef LEDGERLINE_ADOPT_H
#define LEDGERLINE_ADOPT_H

#include "engine/data/data.h"
#include "projections/store/generation.h"

/* The generation that waits to be taken. LL_NOT_FOUND: none does; what is current already does not wait. */
enum ll_code adopt_waiting(const struct data *data, enum projection_id id, char path[GENERATION_PATH_MAX],
			   unsigned *number, struct error *error) LL_CHECKED;

/* Makes it current; it waits no more. On the disk when this returns. */
enum ll_code adopt_take(const struct data *data, enum projection_id id, unsigned number,
			struct error *error) LL_CHECKED;

/* Takes every generation that waits and can be opened by this program; what cannot stays, and is told (`tell` may be NULL). For who
 * holds the directory and has nothing open. */
enum ll_code adopt_all_waiting(const struct data *data, unsigned mask, void (*tell)(const char *sentence),
			       struct error *error) LL_CHECKED;

/* Leaves the mark `retired` in a generation that is not current any more, so that readers look again. Opens it: a damaged one can end
 * the process. false: it could not be opened, so nobody reads it. */
bool adopt_retire(const struct data *data, enum projection_id id, unsigned number);

/* Deletes the generations that are neither `kept` nor `also` and have no name. What somebody still has open for writing is left. */
void adopt_tidy(const struct data *data, enum projection_id id, unsigned kept, unsigned also);

/* Why the one who holds the directory does not take a generation, as one sentence. */
void adopt_answer(const char *generation, const struct error *error);
bool adopt_answered(const char *generation,
		    struct error *error); /* false: not so far. The code is LL_OK's opposite: never LL_OK */

#endif
