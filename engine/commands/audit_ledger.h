/*
 * Which ledger `ledgerline audit ...` is asked about: a data directory, with its snapshots, or a journal alone.
 */
#ifndef LEDGERLINE_COMMANDS_AUDIT_LEDGER_H
#define LEDGERLINE_COMMANDS_AUDIT_LEDGER_H

#include "engine/commands/commands.h"
#include "engine/data/data.h"

struct audit_ledger {
	struct data data;
	bool has_data;
	char url[JOURNAL_URL_MAX];
	char snapshots[DATA_PATH_MAX]; /* "" without a data directory */
	char scratch[DATA_PATH_MAX];   /* where a directory for work may be made */
};

/* By --data, --journal or both. EXIT_DONE, or an exit status after the complaint. */
int audit_ledger_open(const struct options *options, struct audit_ledger *ledger);
void audit_ledger_close(struct audit_ledger *ledger);

#define OPTION_OF_DATA                                                                                                 \
	{                                                                                                              \
		.name = "data", .kind = OPTION_TEXT, .value = "DIR",                                                   \
		.help = "the data directory: its journal, and its snapshots to begin at"                               \
	}

#endif
