#include "engine/bench/bench.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/data/catch_up.h"
#include "projections/export/export.h"
#include "projections/ledger/ledger.h"
#include "projections/views/rows.h"
#include "schemas/wire/ensure.h"

enum { SAMPLE_EVERY_RECORDS = 16 };

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

static enum ll_code fold_all(struct journal *journal, const char *directory, unsigned mask,
			     const struct bench_fold_options *options, struct bench_fold_result *result,
			     struct error *error)
{
	struct ledger *ledger = NULL;
	struct watch watch = {.options = options};
	struct catch_up how = {.progress = on_progress,
			       .context = &watch,
			       .end = UINT64_MAX,
			       .commit_entries = options->commit_entries};
	double begin = bench_seconds();
	enum ll_code code = open_stores(directory, mask, &ledger, error);
	if (code != LL_OK)
		return code;
	code = catch_up(journal, ledger, &how, NULL, error);
	result->seconds_folded = bench_seconds() - begin;
	result->entries = ledger_fold_state(ledger)->next_seq;
	result->records = ledger_fold_state(ledger)->next_offset;
	sample(&watch);
	struct error closing;
	if (code != LL_OK)
		ledger_abandon(ledger);
	else if (ledger_close(ledger, &closing) != LL_OK)
		code = error_set(error, closing.code, "%s", closing.text);
	result->seconds = bench_seconds() - begin;
	result->anonymous_bytes_max = watch.anonymous_max;
	return code;
}

enum ll_code bench_fold(struct journal *journal, const struct bench_fold_options *options,
			struct bench_fold_result *result, struct error *error)
{
	char temporary[] = "/tmp/ledgerline-fold-XXXXXX";
	const char *directory = options->directory;
	unsigned mask = options->projections;
	*result = (struct bench_fold_result){0};
	if (!mask && !options->decode_only)
		mask = 1u << PROJECTION_BALANCES | 1u << PROJECTION_SEATS | 1u << PROJECTION_RANKINGS;
	if (!directory) {
		directory = mkdtemp(temporary);
		if (!directory)
			return error_set(error, LL_IO, "cannot make a temporary directory: %s", strerror(errno));
	} else if (mkdir(directory, 0775) != 0) {
		return error_set(error, errno == EEXIST ? LL_EXISTS : LL_IO, "cannot make %s: %s", directory,
				 strerror(errno));
	}
	enum ll_code code = fold_all(journal, directory, mask, options, result, error);
	if (code == LL_OK)
		code = read_back(directory, mask, options->digest, result, error);
	if (!options->directory)
		bench_remove_tree(directory);
	return code;
}
