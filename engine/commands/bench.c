/* `ledgerline bench fill|fold|commands`. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/bench/bench.h"
#include "engine/cli/progress.h"
#include "engine/commands/commands.h"
#include "engine/log/log.h"
#include "projections/ledger/ledger.h"
#include "projections/views/specs.h"
#include "schemas/wire/json.h"

static struct progress progress;

static void on_progress(uint64_t done, uint64_t all)
{
	progress.total = all;
	progress_update(&progress, done);
}

static void print_json(struct buffer *buffer)
{
	buffer_append_byte(buffer, '\n');
	fwrite(buffer->at, 1, buffer->size, stdout);
	buffer_release(buffer);
}

static void member_rate(struct json_writer *w, const char *key, uint64_t count, double seconds)
{
	json_member_uint64(w, key, seconds > 0 ? (uint64_t)((double)count / seconds) : 0);
}

static void member_seconds(struct json_writer *w, const char *key, double seconds)
{
	json_key(w, key);
	json_thousandths(w, (int64_t)(seconds * 1000));
}

static enum ll_code open_journal(const struct options *options, const struct journal_option *settings, int count,
				 bool create, struct journal **journal, struct error *error)
{
	struct journal_options journal_options = {
		.settings = settings, .settings_count = (size_t)count, .create = create, .read_only = !create};
	return journal_open(option_text(options, "journal"), &journal_options, journal, error);
}

#define OPTION_JOURNAL_REQUIRED                                                                                        \
	{                                                                                                              \
		.name = "journal", .kind = OPTION_TEXT, .value = "URL",                                                \
		.help = "local:DIR or kafka://HOST:PORT[,...]/LEDGER", .required = true                                \
	}
#define OPTION_ACCOUNTS                                                                                                \
	{                                                                                                              \
		.name = "accounts", .kind = OPTION_INTEGER, .value = "N", .standard = "1000000", .min = 1,             \
		.max = 100000000, .help = "how many accounts"                                                          \
	}
#define OPTION_SHAPE                                                                                                   \
	{                                                                                                              \
		.name = "shape", .kind = OPTION_TEXT, .value = "SHAPE", .standard = "uniform",                         \
		.help = "uniform, zipf (0.99) or hot (half go to one account)"                                         \
	}
#define OPTION_SEED                                                                                                    \
	{                                                                                                              \
		.name = "seed", .kind = OPTION_INTEGER, .value = "N", .standard = "1", .min = 0, .max = INT64_MAX,     \
		.help = "of the draw"                                                                                  \
	}

/* ---- fill ---- */

static void print_fill(const struct options *options, const struct bench_fill_result *r)
{
	if (!option_flag(options, "json")) {
		printf("%" PRIu64 " events (%" PRIu64 " charges, %" PRIu64 " uses) in %" PRIu64 " blocks, %" PRIu64
		       " MiB, %.1f s\n",
		       r->events, r->charges, r->uses, r->blocks, r->bytes >> 20, r->seconds);
		return;
	}
	struct buffer buffer = {0};
	struct json_writer w;
	json_writer_init(&w, &buffer, false);
	json_object_begin(&w);
	json_member_uint64(&w, "events", r->events);
	json_member_uint64(&w, "charges", r->charges);
	json_member_uint64(&w, "uses", r->uses);
	json_member_int64(&w, "charged", r->charged);
	json_member_int64(&w, "used", r->used);
	json_member_uint64(&w, "blocks", r->blocks);
	json_member_uint64(&w, "bytes", r->bytes);
	member_seconds(&w, "seconds", r->seconds);
	member_rate(&w, "eventsPerSecond", r->events, r->seconds);
	json_object_end(&w);
	print_json(&buffer);
}

static int run_fill(const struct options *options, void *context)
{
	char room[SETTINGS_BYTES_MAX];
	struct journal_option settings[SETTINGS_MAX];
	struct journal *journal = NULL;
	struct bench_fill_result result;
	struct error error;
	(void)context;
	int count = command_settings(options, settings, room);
	if (count < 0)
		return EXIT_USAGE;
	struct bench_fill_options fill = {
		.events = (uint64_t)option_integer(options, "events"),
		.accounts = (uint64_t)option_integer(options, "accounts"),
		.seed = (uint64_t)option_integer(options, "seed"),
		.block_entries = (uint32_t)option_integer(options, "block"),
		.progress = on_progress,
	};
	enum ll_code code = bench_shape_parse(option_text(options, "shape"), &fill.shape, &error);
	if (code == LL_OK)
		code = open_journal(options, settings, count, true, &journal, &error);
	progress_begin(&progress, stderr, "filling", "events", fill.events);
	if (code == LL_OK)
		code = bench_fill(journal, &fill, &result, &error);
	progress_end(&progress);
	journal_close(journal);
	if (code != LL_OK)
		return command_failed(options, &error);
	print_fill(options, &result);
	return EXIT_DONE;
}

static const struct option fill_options[] = {
	OPTION_JOURNAL_REQUIRED,
	OPTION_KAFKA,
	{.name = "events",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "10000000",
	 .min = 1,
	 .max = 10000000000,
	 .help = "how many events"},
	OPTION_ACCOUNTS,
	OPTION_SHAPE,
	OPTION_SEED,
	{.name = "block",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "4000",
	 .min = 1,
	 .max = 6000,
	 .help = "entries of one block"},
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

const struct cli_command command_bench_fill = {
	.name = "bench fill",
	.summary = "write a valid journal of point events",
	.description =
		"Fills an empty journal through the real encoder: a fifth charges, the rest uses. A Kafka journal's topic must be\n"
		"there and empty; a local one is made.",
	.options = fill_options,
	.run = run_fill,
};

/* ---- fold ---- */

static void print_fold(const struct options *options, const struct bench_fold_result *r, enum bench_stage stage)
{
	if (!option_flag(options, "json")) {
		printf("%" PRIu64 " entries in %.2f s: %.0f/s", r->entries, r->seconds,
		       (double)r->entries / r->seconds);
		if (stage == BENCH_WHOLE)
			printf(" (folded after %.2f s; then the last flush and the sync), %" PRIu64
			       " MiB anonymous at most",
			       r->seconds_folded, r->anonymous_bytes_max >> 20);
		putchar('\n');
		return;
	}
	struct buffer buffer = {0};
	struct json_writer w;
	json_writer_init(&w, &buffer, false);
	json_object_begin(&w);
	json_member_uint64(&w, "entries", r->entries);
	json_member_uint64(&w, "records", r->records);
	member_seconds(&w, "seconds", r->seconds);
	member_seconds(&w, "secondsFolded", r->seconds_folded);
	member_seconds(&w, "cpuSeconds", r->cpu_seconds);
	member_rate(&w, "entriesPerSecond", r->entries, r->seconds);
	json_member_uint64(&w, "anonymousBytesMax", r->anonymous_bytes_max);
	json_member_uint64(&w, "residentBytesMax", r->resident_bytes_max);
	json_member_int64(&w, "charged", r->charged);
	json_member_int64(&w, "used", r->used);
	json_member_int64(&w, "balances", r->balances);
	json_member_text(&w, "digest", r->digest[0] ? r->digest : NULL);
	json_object_end(&w);
	print_json(&buffer);
}

static int parse_projections(const struct options *options, unsigned *mask)
{
	*mask = 0;
	for (size_t i = 0; i < option_arguments(options); i++) {
		const char *name = option_argument(options, i);
		enum projection_id id = projection_named(slice_text(name));
		if (strcmp(name, "all") == 0)
			*mask = PROJECTIONS_ALL;
		else if (id < PROJECTIONS_COUNT)
			*mask |= 1u << id;
		else
			return option_complain(options, EXIT_USAGE, "there is no projection %s", name);
	}
	return EXIT_DONE;
}

static int run_fold(const struct options *options, void *context)
{
	char room[SETTINGS_BYTES_MAX];
	struct journal_option settings[SETTINGS_MAX];
	struct journal *journal = NULL;
	struct bench_fold_result result;
	struct error error;
	(void)context;
	int count = command_settings(options, settings, room);
	if (count < 0)
		return EXIT_USAGE;
	struct bench_fold_options fold = {.directory = option_text(options, "to"),
					  .commit_entries = (uint64_t)option_integer(options, "commit-entries"),
					  .digest = option_flag(options, "digest"),
					  .progress = on_progress};
	if (parse_projections(options, &fold.projections) != EXIT_DONE)
		return EXIT_USAGE;
	enum ll_code code = bench_stage_parse(option_text(options, "stage"), &fold.stage, &error);
	if (code == LL_OK)
		code = open_journal(options, settings, count, false, &journal, &error);
	progress_begin(&progress, stderr, "folding", "blocks", 0);
	if (code == LL_OK)
		code = bench_fold(journal, &fold, &result, &error);
	progress_end(&progress);
	journal_close(journal);
	if (code != LL_OK)
		return command_failed(options, &error);
	print_fold(options, &result, fold.stage);
	return EXIT_DONE;
}

static const struct option fold_options[] = {
	OPTION_JOURNAL_REQUIRED,
	OPTION_KAFKA,
	{.name = "to",
	 .kind = OPTION_TEXT,
	 .value = "DIR",
	 .help = "keep the projections there; without it they are made in a temporary directory and removed"},
	{.name = "commit-entries",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .max = INT32_MAX,
	 .help = "write a commit to LMDB after at least N entries, at a block's end (default: as memory asks for)"},
	{.name = "stage",
	 .kind = OPTION_TEXT,
	 .value = "STAGE",
	 .standard = "whole",
	 .help = "go only so far: read, judge (by the fold rule), decode, apply (in memory, nothing written), write (only that) or whole"},
	{.name = "digest",
	 .kind = OPTION_FLAG,
	 .help = "also compute the state's digest, after the clock has stopped (needs all of it: name `all`)"},
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

const struct cli_command command_bench_fold = {
	.name = "bench fold",
	.arguments = "[PROJECTION...|all]",
	.summary = "fold a journal into fresh projections, against the clock",
	.description =
		"Folds from offset 0 with one thread, flushes with another, and syncs at the end; the totals are read back and\n"
		"held against each other before the time counts. Without names: balances, seats, rankings. What a stage before\n"
		"the whole has done is thrown away.",
	.options = fold_options,
	.arguments_max = PROJECTIONS_COUNT,
	.run = run_fold,
};

/* ---- commands ---- */

static void print_commands(const struct options *options, const struct bench_commands_result *r)
{
	if (!option_flag(options, "json")) {
		printf("%" PRIu64
		       " debits decided and durable in %.1f s: %.0f/s, p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms, max %.1f ms, %.0f entries a block, %" PRIu64
		       " refused\n",
		       r->decided, r->seconds, (double)r->decided / r->seconds, (double)r->p50_us / 1e3,
		       (double)r->p99_us / 1e3, (double)r->p999_us / 1e3, (double)r->max_us / 1e3, r->entries_per_block,
		       r->refused);
		return;
	}
	struct buffer buffer = {0};
	struct json_writer w;
	json_writer_init(&w, &buffer, false);
	json_object_begin(&w);
	json_member_uint64(&w, "decided", r->decided);
	json_member_uint64(&w, "accepted", r->accepted);
	json_member_uint64(&w, "refused", r->refused);
	member_seconds(&w, "seconds", r->seconds);
	member_rate(&w, "perSecond", r->decided, r->seconds);
	json_member_uint64(&w, "p50Us", r->p50_us);
	json_member_uint64(&w, "p99Us", r->p99_us);
	json_member_uint64(&w, "p999Us", r->p999_us);
	json_member_uint64(&w, "maxUs", r->max_us);
	json_member_uint64(&w, "blocks", r->blocks);
	json_member_uint64(&w, "entriesPerBlock", (uint64_t)r->entries_per_block);
	json_object_end(&w);
	print_json(&buffer);
}

static int run_commands(const struct options *options, void *context)
{
	char room[SETTINGS_BYTES_MAX], temporary[] = "/tmp/ledgerline-commands-XXXXXX";
	struct journal_option settings[SETTINGS_MAX];
	struct bench_commands_result result;
	struct error error;
	(void)context;
	int count = command_settings(options, settings, room);
	if (count < 0)
		return EXIT_USAGE;
	struct bench_commands_options bench = {
		.journal = option_text(options, "journal"),
		.data = option_text(options, "data"),
		.settings = settings,
		.settings_count = (size_t)count,
		.accounts = (uint64_t)option_integer(options, "accounts"),
		.in_flight = (uint64_t)option_integer(options, "in-flight"),
		.seconds = (unsigned)option_integer(options, "seconds"),
		.seed = (uint64_t)option_integer(options, "seed"),
	};
	enum ll_code code = bench_shape_parse(option_text(options, "shape"), &bench.shape, &error);
	bool own = code == LL_OK && !bench.data;
	if (own)
		bench.data = mkdtemp(temporary);
	log_configure(LOG_WARN, LOG_WORDS);
	if (code == LL_OK)
		code = bench_commands(&bench, &result, &error);
	if (own && bench.data)
		bench_remove_tree(bench.data);
	if (code != LL_OK)
		return command_failed(options, &error);
	print_commands(options, &result);
	return EXIT_DONE;
}

static const struct option commands_options[] = {
	OPTION_JOURNAL,
	OPTION_KAFKA,
	{.name = "data",
	 .kind = OPTION_TEXT,
	 .value = "DIR",
	 .help = "the data directory; without it a temporary one, removed afterwards"},
	OPTION_ACCOUNTS,
	{.name = "in-flight",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "4096",
	 .min = 1,
	 .max = 100000,
	 .help = "commands that wait for their answer at a time"},
	{.name = "seconds",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "10",
	 .min = 1,
	 .max = 3600,
	 .help = "how long"},
	OPTION_SHAPE,
	OPTION_SEED,
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

const struct cli_command command_bench_commands = {
	.name = "bench commands",
	.summary = "decide point debits against the clock",
	.description =
		"Runs the engine without sockets: each debit is waited for until its entry was journaled and read back. The accounts\n"
		"are charged before the clock starts.",
	.options = commands_options,
	.run = run_commands,
};
