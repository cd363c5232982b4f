#include "engine/bench/bench.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/audit/walk.h"
#include "engine/data/catch_up.h"
#include "projections/export/export.h"
#include "projections/ledger/ledger.h"
#include "projections/views/rows.h"
#include "schemas/wire/ensure.h"

enum { SAMPLE_EVERY_RECORDS = 16, READ_WAIT_MS = 100 };

struct watch {
	const struct bench_fold_options *options;
	uint64_t calls, anonymous_max;
};

static void sample(struct watch *watch)
{
	uint64_t bytes = bench_anonymous_bytes();
	watch->anonymous_max = bytes > watch->anonymous_max ? bytes : watch->anonymous_max;
}

static void on_progress(void *context, const struct fold *fold, uint64_t end)
{
	struct watch *watch = context;
	if (watch->calls++ % SAMPLE_EVERY_RECORDS == 0)
		sample(watch);
	if (watch->options->progress)
		watch->options->progress(fold->next_offset, end);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

void bench_remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static enum ll_code open_stores(const char *directory, unsigned mask, struct ledger **ledger, struct error *error)
{
	char paths[PROJECTIONS_COUNT][4096];
	struct ledger_options options = {.create = true, .bulk = true};
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		if (!(mask & 1u << id))
			continue;
		snprintf(paths[id], sizeof paths[id], "%s/%s", directory, projection_layouts[id].name);
		options.directories[id] = paths[id];
	}
	return ledger_open(&options, ledger, NULL, error);
}

static bool count_one(void *context, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	++*(uint64_t *)context;
	return true;
}

/* The state as it is on disk now, read back through a newly opened ledger. */
static enum ll_code read_back(const char *directory, unsigned mask, bool digest, struct bench_fold_result *result,
			      struct error *error)
{
	struct ledger *ledger = NULL;
	struct totals_row totals;
	uint64_t accounts = 0;
	enum ll_code code = open_stores(directory, mask, &ledger, error);
	if (code != LL_OK)
		return code;
	struct view *view = ledger_view(ledger);
	if (mask & 1u << PROJECTION_BALANCES) {
		view_scan(view, BALANCES_ACCOUNTS, SLICE_EMPTY, SLICE_EMPTY, false, count_one, &accounts);
		if (!totals_get(view, totals_key(0), &totals)) {
			ledger_abandon(ledger);
			return error_set(error, LL_CORRUPT, "there is no row of totals after the fold");
		}
		result->charged = totals.charged;
		result->used = totals.used;
		result->balances = totals.balances;
		if (totals.charged - totals.used + totals.refunded - totals.expired + totals.adjusted !=
			    totals.balances ||
		    totals.accounts != accounts || totals.accepted + totals.refused + totals.system != result->entries)
			code = error_set(error, LL_CORRUPT,
					 "the totals do not agree with each other: the time does not count");
	}
	if (code == LL_OK && digest)
		code = digest_of_view(view, result->digest, error);
	struct error ignored;
	if (ledger_close(ledger, &ignored) != LL_OK && code == LL_OK)
		code = error_set(error, ignored.code, "%s", ignored.text);
	return code;
}

/* ---- the stages ---- */

struct mark {
	double seconds, cpu_seconds;
};

static struct mark mark_now(void)
{
	return (struct mark){bench_seconds(), bench_cpu_seconds()};
}

static void take_cost(struct bench_fold_result *result, struct mark begin)
{
	result->seconds = bench_seconds() - begin.seconds;
	result->cpu_seconds = bench_cpu_seconds() - begin.cpu_seconds;
	result->resident_bytes_max = bench_resident_bytes_max();
}

enum ll_code bench_stage_parse(const char *text, enum bench_stage *stage, struct error *error)
{
	static const char *const names[] = {[BENCH_READ] = "read",   [BENCH_JUDGE] = "judge", [BENCH_DECODE] = "decode",
					    [BENCH_APPLY] = "apply", [BENCH_WRITE] = "write", [BENCH_WHOLE] = "whole"};
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(text, names[i]) == 0) {
			*stage = (enum bench_stage)i;
			return LL_OK;
		}
	return error_set(error, LL_USAGE, "there is no stage %s: read, judge, decode, apply, write or whole", text);
}

/* Up to where the log ends now. Each record is copied, as a fold that reads ahead must; only the last one is looked at: it knows
 * how many entries there were. */
static enum ll_code read_all(struct journal *journal, struct bench_fold_result *result, struct error *error)
{
	struct journal_reader *reader = NULL;
	uint8_t *copy = malloc(JOURNAL_VALUE_BYTES_MAX);
	ENSURE(copy && "memory is used up");
	struct journal_watermarks marks;
	struct journal_record record;
	struct block block;
	enum ll_code code = journal_watermarks(journal, &marks, error);
	if (code == LL_OK)
		code = journal_reader_open(journal, 0, &reader, error);
	while (code == LL_OK && result->records < marks.high) {
		code = journal_read(reader, READ_WAIT_MS, &record, error);
		if (code == LL_TIMEOUT || code == LL_UNAVAILABLE || code == LL_END) {
			code = LL_OK;
			continue;
		}
		if (code != LL_OK)
			break;
		result->records++;
		result->bytes += record.value.size;
		memcpy(copy, record.value.at, record.value.size);
		if (result->records == marks.high)
			code = block_read(slice_of(copy, record.value.size), &block, error);
	}
	if (code == LL_OK && result->records)
		result->entries = block.first_seq + block.count;
	journal_reader_close(reader);
	free(copy);
	return code;
}

static enum ll_code count_bytes(void *context, const struct journal_record *record, enum fold_verdict verdict,
				const struct block *block, struct error *error)
{
	struct bench_fold_result *result = context;
	(void)verdict;
	(void)block;
	(void)error;
	result->bytes += record->value.size;
	return LL_OK;
}

static enum ll_code walk_all(struct journal *journal, bool decode, struct bench_fold_result *result,
			     struct error *error)
{
	struct walk walk = {.end = UINT64_MAX, .record = count_bytes, .decode = decode, .context = result};
	struct fold fold = {0};
	enum ll_code code = walk_journal(journal, &walk, &fold, error);
	result->entries = fold.next_seq;
	result->records = fold.next_offset;
	return code;
}

static enum ll_code fold_all(struct journal *journal, const char *directory, unsigned mask,
			     const struct bench_fold_options *options, struct bench_fold_result *result,
			     struct error *error)
{
	struct ledger *ledger = NULL;
	struct watch watch = {.options = options};
	struct catch_up how = {.progress = on_progress,
			       .context = &watch,
			       .end = UINT64_MAX,
			       .commit_entries = options->commit_entries,
			       .never_flush = options->stage != BENCH_WHOLE};
	struct mark begin = mark_now();
	enum ll_code code = open_stores(directory, mask, &ledger, error);
	if (code != LL_OK)
		return code;
	code = catch_up(journal, ledger, &how, NULL, error);
	if (options->stage == BENCH_WRITE)
		begin = mark_now();
	else
		result->seconds_folded = bench_seconds() - begin.seconds;
	result->entries = ledger_fold_state(ledger)->next_seq;
	result->records = ledger_fold_state(ledger)->next_offset;
	sample(&watch);
	if (options->stage == BENCH_APPLY)
		take_cost(result, begin); /* giving the memory back is no part of it */
	struct error closing;
	if (code != LL_OK || options->stage == BENCH_APPLY)
		ledger_abandon(ledger);
	else if (ledger_close(ledger, &closing) != LL_OK)
		code = error_set(error, closing.code, "%s", closing.text);
	if (options->stage != BENCH_APPLY)
		take_cost(result, begin);
	result->anonymous_bytes_max = watch.anonymous_max;
	return code;
}

static enum ll_code run_stage(struct journal *journal, const char *directory, unsigned mask,
			      const struct bench_fold_options *options, struct bench_fold_result *result,
			      struct error *error)
{
	struct mark begin = mark_now();
	enum ll_code code;
	switch (options->stage) {
	case BENCH_READ: code = read_all(journal, result, error); break;
	case BENCH_JUDGE: code = walk_all(journal, false, result, error); break;
	case BENCH_DECODE: code = walk_all(journal, true, result, error); break;
	default: return fold_all(journal, directory, mask, options, result, error);
	}
	take_cost(result, begin);
	return code;
}

enum ll_code bench_fold(struct journal *journal, const struct bench_fold_options *options,
			struct bench_fold_result *result, struct error *error)
{
	char temporary[] = "/tmp/ledgerline-fold-XXXXXX";
	bool whole = options->stage == BENCH_WHOLE;
	const char *directory = whole ? options->directory : NULL;
	unsigned mask = options->projections;
	*result = (struct bench_fold_result){0};
	if (!mask)
		mask = 1u << PROJECTION_BALANCES | 1u << PROJECTION_SEATS | 1u << PROJECTION_RANKINGS;
	if (!directory) {
		directory = mkdtemp(temporary);
		if (!directory)
			return error_set(error, LL_IO, "cannot make a temporary directory: %s", strerror(errno));
	} else if (mkdir(directory, 0775) != 0) {
		return error_set(error, errno == EEXIST ? LL_EXISTS : LL_IO, "cannot make %s: %s", directory,
				 strerror(errno));
	}
	enum ll_code code = run_stage(journal, directory, mask, options, result, error);
	if (code == LL_OK && whole)
		code = read_back(directory, mask, options->digest, result, error);
	if (!whole || !options->directory)
		bench_remove_tree(directory);
	return code;
}
