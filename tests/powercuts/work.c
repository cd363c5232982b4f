#include "tests/powercuts/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/data/adopt.h"
#include "engine/data/catch_up.h"
#include "engine/snapshots/snapshots.h"
#include "tests/powercuts/disk.h"
#include "tests/powercuts/recorder.h"
#include "tests/support/charged.h"

enum { LIVES = 5, BLOCKS_MAX = 12, REPORT_MS = 60000 };

struct life {
	struct data data;
	struct journal *journal;
	struct journal_appender *appender;
	struct journal_reader *reader;
	struct ledger *ledger;
};

struct chance {
	uint64_t seed, count;
};

static struct chance chance;
static int64_t balances[CHARGED_USERS];

static unsigned below(unsigned limit)
{
	return (unsigned)(drawn(chance.seed, ++chance.count, 0) % limit);
}

static void must(enum ll_code code, const struct error *error)
{
	if (code == LL_OK)
		return;
	fprintf(stderr, "the work that is recorded failed: %s\n", error->text);
	abort();
}

/* As an engine begins: a new directory gets its journal and genesis before it is remembered. */
static void begin(struct life *life, const char *path)
{
	struct journal_watermarks marks;
	struct error error;
	*life = (struct life){.journal = NULL};
	must(data_open(path, NULL, DATA_MAKE, &life->data, &error), &error);
	must(journal_open(life->data.url, &(struct journal_options){.create = true}, &life->journal, &error), &error);
	must(journal_watermarks(life->journal, &marks, &error), &error);
	if (marks.high == 0) {
		must(write_genesis(life->journal, "power", 1, &error), &error);
		recorder_mark(MARK_ACKNOWLEDGED, 1);
	}
	must(data_remember(&life->data, &error), &error);
}

static void end(struct life *life)
{
	journal_reader_close(life->reader);
	journal_appender_close(life->appender);
	journal_close(life->journal);
	data_close(&life->data);
}

/* Appends, waits for the report, reads it back. */
static void decide(struct life *life, struct slice value)
{
	struct journal_report report;
	struct journal_record record;
	struct error error;
	enum fold_verdict verdict;
	must(journal_append(life->appender, value, 1, NULL, 0, &error), &error);
	must(journal_report(life->appender, REPORT_MS, &report), &error);
	must(report.code, &report.error);
	recorder_mark(MARK_ACKNOWLEDGED, report.offset + 1);
	must(journal_read(life->reader, REPORT_MS, &record, &error), &error);
	must(ledger_fold(life->ledger, record.offset, record.value, &verdict, NULL, NULL, &error), &error);
}

static void serve(const char *path)
{
	static uint8_t room[BLOCK_BYTES_MAX];
	struct ledger_options options = {.clean_bytes_max = 1 << 20};
	struct catch_up how = {.end = UINT64_MAX};
	struct life life;
	struct error error;
	begin(&life, path);
	must(adopt_all_waiting(&life.data, PROJECTIONS_ALL, NULL, &error), &error);
	must(data_open_ledger(&life.data, PROJECTIONS_ALL, &options, NULL, &life.ledger, &error), &error);
	must(catch_up(life.journal, life.ledger, &how, &life.reader, &error), &error);
	must(journal_appender_open(life.journal, &life.appender, &error), &error);
	decide(&life, charged_claim(room, ledger_fold_state(life.ledger)));
	for (unsigned left = 1 + below(BLOCKS_MAX); left; left--) {
		decide(&life, charged_block(room, ledger_fold_state(life.ledger), balances));
		ledger_poll(life.ledger);
		if (below(3) == 0)
			ledger_freeze(life.ledger);
		if (below(6) == 0)
			must(ledger_flush(life.ledger, &error), &error);
	}
	if (below(3) == 0)
		ledger_abandon(life.ledger);
	else
		must(ledger_close(life.ledger, &error), &error);
	end(&life);
}

static void take_snapshot(const char *path)
{
	struct snapshot_manifest manifest;
	char root[DATA_PATH_MAX], made[SNAPSHOT_PATH_MAX];
	struct error error;
	struct life life;
	bool was_there;
	begin(&life, path);
	snprintf(root, sizeof root, "%s/snapshots", life.data.path);
	must(snapshot_take(&life.data, life.journal, root, NULL, &manifest, made, &was_there, &error), &error);
	recorder_mark(MARK_SNAPSHOT, manifest.entries);
	end(&life);
}

static void rebuild(const char *path)
{
	struct life life;
	struct error error;
	begin(&life, path);
	must(charged_rebuild(&life.data, life.journal, &error), &error);
	end(&life);
}

void work(const char *root, uint64_t seed)
{
	char path[DATA_PATH_MAX / 4];
	chance = (struct chance){.seed = seed};
	memset(balances, 0, sizeof balances);
	snprintf(path, sizeof path, "%s/data", root);
	for (unsigned life = 0; life < LIVES; life++) {
		serve(path);
		if (below(3) == 0)
			take_snapshot(path);
		if (below(3) == 0)
			rebuild(path);
	}
}
