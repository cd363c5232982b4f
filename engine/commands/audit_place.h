/*
 * Where an audit on the command line reads from: a data directory, with an engine beside it or without, or a journal alone.
 *
 * The work is done in a child process, because a damaged snapshot can end the process that reads it.
 */
#ifndef LEDGERLINE_COMMANDS_AUDIT_PLACE_H
#define LEDGERLINE_COMMANDS_AUDIT_PLACE_H

#include "engine/audit/cut.h"
#include "engine/cli/progress.h"
#include "engine/commands/commands.h"
#include "engine/data/data.h"

struct audit_place {
	const struct options *options;
	struct data data;
	bool has_data;
	char url[JOURNAL_URL_MAX], snapshots[DATA_PATH_MAX], scratch[DATA_PATH_MAX];
	struct journal *journal;
	struct progress progress;
	struct cut_source source;
	char *reading; /* GUARDED_PLACE_MAX bytes: what is being read, should it end the process. At first a snapshot */
};

/* Returns an exit status. The place's journal is open. */
typedef int audit_work_fn(struct audit_place *place, void *context);

/* Finds the ledger of --data or --journal and does the work in a child; returns the exit status, after complaining. */
int audit_place_run(struct audit_place *place, const struct options *options, audit_work_fn *work, void *context);

/* For those who open its journal themselves: finds the ledger, and lets go of the data directory again. */
int audit_place_find(struct audit_place *place, const struct options *options);
void audit_place_leave(struct audit_place *place);

/* A cut, for the work. `text`: as it was given. EXIT_DONE, or the status after the complaint. */
int audit_place_cut(struct audit_place *place, const struct cut_point *point, const char *text, unsigned mask,
		    struct cut **cut);

/* Reads the option `name` as a cut. */
int audit_take_cut(const struct options *options, const char *name, struct cut_point *point);

/* Is --tz a zone? EXIT_DONE, or the status after the complaint. */
int audit_check_zone(const struct options *options);

/* As command_print, with times in the zone of --tz. */
void audit_print(const struct options *options, struct buffer *json);

#define OPTION_TZ                                                                                                      \
	{                                                                                                              \
		.name = "tz", .kind = OPTION_TEXT, .value = "ZONE", .standard = "UTC",                                 \
		.help = "the time zone of the times in the answer, like Asia/Seoul"                                    \
	}
#define OPTION_OF_DATA                                                                                                 \
	{                                                                                                              \
		.name = "data", .kind = OPTION_TEXT, .value = "DIR",                                                   \
		.help = "the data directory: its journal, and its snapshots to begin at"                               \
	}
#define OPTION_AT                                                                                                      \
	{                                                                                                              \
		.name = "at", .kind = OPTION_TEXT, .value = "CUT", .standard = "latest", .help = "the cut"             \
	}
#define ABOUT_CUTS                                                                                                        \
	"A cut is latest, start, a position like 0:1842 (right after that entry), or a time (after the last entry that\n" \
	"is not later; final once a later one is there). --journal alone reads a journal without a data directory."

#endif
