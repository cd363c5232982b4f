/*
 * What the two ways of loading share: into an engine in this process (load_engine.c), and through one that serves
 * (load_http.c).
 *
 * Without --keep-going nothing behind a bad line is applied: lines on their way are a chain (engine/writer/pending.h), over HTTP
 * by ?onRejected=stop. With several lines on their way the bad one with the lowest number is the one that is told.
 */
#ifndef LEDGERLINE_LOAD_H
#define LEDGERLINE_LOAD_H

#include "engine/cli/options.h"
#include "engine/cli/progress.h"
#include "engine/commands/commands.h"
#include "engine/commands/load_lines.h"
#include "engine/journal/journal.h"
#include "schemas/codes.h"

enum { LOAD_CODES_MAX = 256, LOAD_REASON_MAX = 512 };
#define LOAD_NO_POSITION UINT64_MAX

struct load {
	const struct options *options;
	struct lines lines;
	bool keep_going, list_refusals; /* list_refusals: each is told with its line */
	/* What makes a command of a line; NULL: it is one. LL_END: the line is none and is passed over. LL_USAGE: it is bad. */
	enum ll_code (*translate)(void *context, struct slice line, struct slice *command, struct error *error);
	void *translate_context;
	uint64_t translated; /* the line that *command is of: one that is given again is not translated again */
	struct slice command;
	struct progress progress;
	uint64_t accepted, refused, repeated, rejected, reads;
	uint64_t refusals[LOAD_CODES_MAX]; /* by code */
	uint64_t position;                 /* of the last entry there is; LOAD_NO_POSITION: none */
	uint64_t bad_line;                 /* 0: none. Without --keep-going: the first one */
	char bad_reason[LOAD_REASON_MAX];
};

/* A line was bad. Told at once with --keep-going, at the end without. */
void load_bad(struct load *load, uint64_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for a code that a command was rejected with. `message` may be empty: then it is the code's own. */
void load_bad_code(struct load *load, uint64_t line, struct slice code, struct slice message);
void load_refused(struct load *load, uint64_t line, uint16_t code);
/* The command of the line that was read last. false: it has none; what is to be said was said. */
bool load_command_of(struct load *load, struct slice *line);
/* So many lines are dealt with: for the progress line. */
void load_progress(struct load *load);

/* Is reading on of no use? */
static inline bool load_is_over(const struct load *load)
{
	return load->bad_line && !load->keep_going;
}

/* The whole of a command that loads: `options` and what differs is set. Returns the exit status. BLOCKING. */
int load_run(struct load *load);

#define LOAD_OPTIONS                                                                                                   \
	{.name = "data",                                                                                               \
	 .kind = OPTION_TEXT,                                                                                          \
	 .value = "DIR",                                                                                               \
	 .help = "the data directory; made when it is not there. When an engine serves it, the commands\n"             \
		 "go through that engine"},                                                                            \
		OPTION_JOURNAL, OPTION_KAFKA, OPTION_ACCESS_KEY, OPTION_TLS_CA,                                        \
		{.name = "url",                                                                                        \
		 .kind = OPTION_TEXT,                                                                                  \
		 .value = "URL",                                                                                       \
		 .help = "http://HOST:PORT or https://HOST:PORT of an engine that takes the commands"},                \
		OPTION_CONFIG, OPTION_JSON

/* The ways. BLOCKING. Errors are of the world; bad lines are in `load`. */
enum ll_code load_into_engine(struct load *load, const char *data, const char *journal,
			      const struct journal_option *settings, size_t settings_count,
			      struct error *error) LL_CHECKED;
enum ll_code load_over_http(struct load *load, const char *url, struct error *error) LL_CHECKED;

#endif
