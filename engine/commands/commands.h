/*
 * The commands of `ledgerline`, one file each (or one for a family). Each gives its row of the program's table.
 */
#ifndef LEDGERLINE_COMMANDS_H
#define LEDGERLINE_COMMANDS_H

#include "engine/cli/options.h"
#include "engine/journal/journal.h"
#include "schemas/wire/buffer.h"

extern const struct cli_command command_serve, command_load, command_query, command_rebuild, command_verify,
	command_status, command_demo, command_journal_create, command_journal_info, command_journal_cat,
	command_journal_copy, command_journal_check, command_bench_fill, command_bench_fold, command_bench_commands,
	command_snapshot, command_audit_state, command_audit_history, command_audit_totals, command_audit_diff,
	command_journal_annul, command_audit_export, command_audit_close, command_audit_closes, command_audit_prove,
	command_audit_new_key, command_audit_check_proof, command_audit_explain, command_keys_add, command_keys_list,
	command_keys_revoke, command_relay, command_sink, command_dlq_list, command_dlq_show, command_dlq_redrive,
	command_intake, command_import_seed;

/* Options that several commands share, for their tables. */
#define OPTION_DATA                                                                                                    \
	{                                                                                                              \
		.name = "data", .kind = OPTION_TEXT, .value = "DIR", .help = "the data directory", .required = true    \
	}
#define OPTION_JOURNAL                                                                                                 \
	{                                                                                                              \
		.name = "journal", .kind = OPTION_TEXT, .value = "URL",                                                \
		.help = "local:DIR or kafka://HOST:PORT[,...]/LEDGER; remembered by the data directory"                \
	}
#define OPTION_KAFKA                                                                                                   \
	{                                                                                                              \
		.name = "kafka", .kind = OPTION_LIST, .value = "NAME=VALUE",                                           \
		.help = "a setting for librdkafka, verbatim"                                                           \
	}
#define OPTION_CONFIG                                                                                                  \
	{                                                                                                              \
		.name = "config", .kind = OPTION_TEXT, .value = "FILE",                                                \
		.help = "an ini file: name = value for --name value, [kafka] for --kafka"                              \
	}
#define OPTION_JSON                                                                                                    \
	{                                                                                                              \
		.name = "json", .kind = OPTION_FLAG, .help = "JSON instead of a table"                                 \
	}

#define OPTION_ACCESS_KEY                                                                                              \
	{                                                                                                              \
		.name = "access-key", .kind = OPTION_TEXT, .value = "FILE",                                            \
		.help = "a file with the access key for the engine, as `ledgerline keys add` shows it"                 \
	}

#define OPTION_TLS_CA                                                                                                  \
	{                                                                                                              \
		.name = "tls-ca", .kind = OPTION_TEXT, .value = "FILE",                                                \
		.help = "whom https:// trusts: a PEM file of CAs' certificates; not given: whom the system trusts"     \
	}

struct http_client;
/* A client of the engine at `url`, with what --access-key and --tls-ca give; *client is to be freed also after an error. */
enum ll_code command_client(const struct options *options, const char *url, struct http_client **client,
			    struct error *error) LL_CHECKED;

/* The exit status that an error ends a command with, after saying it: 2 for LL_USAGE, else 3. */
int command_failed(const struct options *options, const struct error *error);

/* The --kafka settings as the journal wants them: at most SETTINGS_MAX. Texts lie in `room`. -1: one of them has no '=' (it was
 * complained of). */
enum { SETTINGS_MAX = 64, SETTINGS_BYTES_MAX = 16384 };
int command_settings(const struct options *options, struct journal_option settings[SETTINGS_MAX], char *room);

/* Opens the journal at `url` with the --kafka settings, for reading only or for appends (`create`: a local one that is not there is
 * made). EXIT_DONE, or an exit status after the complaint. */
int command_open_journal(const struct options *options, const char *url, bool append, bool create,
			 struct journal **journal);

/* The URL that a command was given as its argument, or that of the journal of --data. `room` has JOURNAL_URL_MAX bytes. */
int command_journal_url(const struct options *options, char *room);

/* The same of a URL that was given as an option; NULL: it was not. */
int command_journal_of(const struct options *options, const char *url, char *room);

/* Reads "0:1842", "start" (0) or "latest" (UINT64_MAX). false: it is none of them. */
bool command_position(const char *text, uint64_t *seq);

/* Prints one JSON object to standard output and empties the buffer: as it is with --json, else as a person reads it
 * (engine/cli/answer.h). */
void command_print(const struct options *options, struct buffer *json);

#endif
