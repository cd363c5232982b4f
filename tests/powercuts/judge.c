#include "tests/powercuts/judge.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/audit/replay.h"
#include "engine/data/adopt.h"
#include "engine/data/catch_up.h"
#include "engine/snapshots/snapshots.h"
#include "projections/store/generation.h"
#include "projections/store/guard.h"
#include "schemas/wire/ensure.h"
#include "tests/powercuts/recorder.h"

enum { SECONDS_MAX = 120, PLACE_BYTES = 256, PATHS = 4096 };

/* ---- what should be ---- */

static void copy_records(struct journal *journal, struct truth *truth)
{
	struct journal_watermarks marks;
	struct error error;
	if (journal_watermarks(journal, &marks, &error) != LL_OK)
		abort();
	truth->count = marks.high;
	truth->records = calloc(marks.high, sizeof *truth->records);
	truth->digests = calloc(marks.high + 1, sizeof *truth->digests);
	ENSURE(truth->records && truth->digests);
	for (uint64_t offset = 0; offset < marks.high; offset++) {
		uint8_t *bytes;
		size_t size;
		int64_t time_ms;
		ENSURE(journal_read_at(journal, offset, &bytes, &size, &time_ms, &error) == LL_OK);
		truth->records[offset] = slice_of(bytes, size);
	}
}

void truth_of(const char *url, const char *scratch, struct truth *truth)
{
	struct ledger_options options = {.create = true, .clean_bytes_max = 1 << 20};
	char directories[PROJECTIONS_COUNT][256];
	struct journal *journal;
	struct ledger *ledger;
	struct error error;
	enum fold_verdict verdict;
	*truth = (struct truth){.count = 0};
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		snprintf(directories[id], sizeof directories[id], "%s/%s", scratch, projection_layouts[id].name);
		options.directories[id] = directories[id];
	}
	if (journal_open(url, &(struct journal_options){.read_only = true}, &journal, &error) != LL_OK ||
	    ledger_open(&options, &ledger, NULL, &error) != LL_OK) {
		fprintf(stderr, "%s\n", error.text);
		abort();
	}
	copy_records(journal, truth);
	for (uint64_t i = 0; i < truth->count; i++) {
		ENSURE(ledger_fold(ledger, i, truth->records[i], &verdict, NULL, NULL, &error) == LL_OK);
		ENSURE(digest_of_view(ledger_view(ledger), truth->digests[i + 1], &error) == LL_OK);
		ledger_view_reset(ledger);
	}
	ledger_abandon(ledger);
	journal_close(journal);
}

void truth_release(struct truth *truth)
{
	for (size_t i = 0; i < truth->count; i++)
		free((void *)(uintptr_t)truth->records[i].at);
	free(truth->records);
	free(truth->digests);
}

/* ---- what is ---- */

struct judging {
	const char *data_path, *scratch;
	const struct truth *truth;
	const struct promised *promised;
	struct finding *finding; /* shared with the process that asked */
	struct journal *journal;
	uint64_t records; /* that the journal holds */
};

__attribute__((format(printf, 2, 3), noreturn)) static void wrong(struct judging *judging, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	vsnprintf(judging->finding->sentence, sizeof judging->finding->sentence, format, list);
	va_end(list);
	judging->finding->found = FOUND_WRONG;
	_exit(0);
}

/* Every record that was acknowledged is there, as it was appended, and nothing else but what was being appended. */
static void look_at_journal(struct judging *judging)
{
	char url[PATHS];
	struct journal_reader *reader;
	struct journal_record record;
	struct error error;
	snprintf(url, sizeof url, "local:%s/journal", judging->data_path);
	enum ll_code code = journal_open(url, &(struct journal_options){.create = false}, &judging->journal, &error);
	if (code != LL_OK && judging->promised->records == 0) {
		judging->finding->found = FOUND_NEW;
		_exit(0);
	}
	if (code != LL_OK)
		wrong(judging, "the journal of %" PRIu64 " records cannot be opened: %s", judging->promised->records,
		      error.text);
	if (journal_reader_open(judging->journal, 0, &reader, &error) != LL_OK)
		wrong(judging, "%s", error.text);
	while ((code = journal_read(reader, 0, &record, &error)) == LL_OK) {
		if (record.offset >= judging->truth->count ||
		    !slice_equal(record.value, judging->truth->records[record.offset]))
			wrong(judging, "record %" PRIu64 " of the journal is not what was appended", record.offset);
		judging->records = record.offset + 1;
	}
	journal_reader_close(reader);
	if (code != LL_END)
		wrong(judging, "the journal: %s", error.text);
	if (judging->records < judging->promised->records)
		wrong(judging, "%" PRIu64 " records were acknowledged, the journal holds %" PRIu64,
		      judging->promised->records, judging->records);
	if (judging->records == 0) {
		judging->finding->found = FOUND_NEW;
		_exit(0);
	}
}

/* A bit for each projection that a reader would believe. */
static unsigned trusted_ones(struct judging *judging, const struct data *data)
{
	char root[DATA_PATH_MAX], path[GENERATION_PATH_MAX];
	unsigned trusted = 0;
	struct error error;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		data_projection_root(data, id, root);
		enum ll_code code = generation_current(root, path, NULL, &error);
		if (code == LL_OK)
			code = guard_check(path, &error);
		if (code == LL_OK)
			trusted |= 1u << id;
		else if (code != LL_UNTRUSTED && code != LL_NOT_FOUND)
			wrong(judging, "%s", error.text);
		else
			judging->finding->distrusted++;
	}
	return trusted;
}

static void note_difference(void *context, const struct difference *difference)
{
	(void)context;
	(void)difference;
}

/* What is trusted is row by row what a replay gives. */
static void compare(struct judging *judging, const char *root, unsigned mask, const char *name)
{
	struct replay replay = {.journal = judging->journal, .mask = mask};
	struct verdict verdict;
	struct error error;
	char place[PLACE_BYTES] = "";
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		snprintf(replay.directories[id], sizeof replay.directories[id], "%s/%s-%s", judging->scratch, name,
			 projection_layouts[id].name);
	enum ll_code code = replay_open(&replay, &error);
	if (code == LL_OK)
		code = replay_compare(&replay, root, true, note_difference, NULL, &verdict, place, sizeof place,
				      &error);
	if (code != LL_OK)
		wrong(judging, "%s, %s: %s", name, place, error.text);
	if (verdict.compared.differences)
		wrong(judging, "%s: %" PRIu64 " rows are not what a replay gives, and nothing told so", name,
		      verdict.compared.differences);
	replay_abandon(&replay);
}

/* As the next engine does it: takes what waits, opens, catches up; then all is what a replay gives, and it closes cleanly. */
static void go_on(struct judging *judging)
{
	struct ledger_options options = {.clean_bytes_max = 1 << 20};
	struct catch_up how = {.end = UINT64_MAX};
	char digest[DIGEST_TEXT_SIZE + 1];
	struct ledger *ledger;
	struct data data;
	struct error error;
	if (data_open(judging->data_path, NULL, DATA_MAKE, &data, &error) != LL_OK ||
	    adopt_all_waiting(&data, PROJECTIONS_ALL, NULL, &error) != LL_OK ||
	    data_open_ledger(&data, PROJECTIONS_ALL, &options, NULL, &ledger, &error) != LL_OK ||
	    catch_up(judging->journal, ledger, &how, NULL, &error) != LL_OK ||
	    digest_of_view(ledger_view(ledger), digest, &error) != LL_OK)
		wrong(judging, "the next engine: %s", error.text);
	ledger_view_reset(ledger);
	if (ledger_stopped(ledger))
		wrong(judging, "the next engine: a projection has stopped");
	if (strcmp(digest, judging->truth->digests[judging->records]) != 0)
		wrong(judging, "the next engine comes to another state");
	if (ledger_close(ledger, &error) != LL_OK || data_remember(&data, &error) != LL_OK)
		wrong(judging, "the next engine: %s", error.text);
	data_close(&data);
}

static void look_at_snapshot(struct judging *judging, const char *path, const struct snapshot_manifest *manifest)
{
	char directory[PATHS];
	struct error error;
	if (strcmp(manifest->digest, judging->truth->digests[manifest->next_offset]) != 0)
		wrong(judging, "%s is a snapshot of another state", path);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		snprintf(directory, sizeof directory, "%s/restored-%s", judging->scratch, projection_layouts[id].name);
		if (mkdir(directory, 0770) != 0 || snapshot_restore(path, manifest, id, directory, &error) != LL_OK)
			wrong(judging, "the snapshot %s: %s", path, error.text);
	}
}

/* A directory with the name of a snapshot is a whole one, and the one that was promised is there. */
static void look_at_snapshots(struct judging *judging)
{
	char root[PATHS], path[SNAPSHOT_PATH_MAX];
	struct snapshot_manifest manifest;
	struct error error;
	snprintf(root, sizeof root, "%s/snapshots", judging->data_path);
	enum ll_code code = snapshot_newest(root, &manifest, path, &error);
	if (code == LL_OK)
		look_at_snapshot(judging, path, &manifest);
	else if (code != LL_NOT_FOUND || judging->promised->snapshot_entries)
		wrong(judging, "%s", error.text);
	if (code == LL_OK && manifest.entries < judging->promised->snapshot_entries)
		wrong(judging, "the snapshot of %" PRIu64 " entries is gone", judging->promised->snapshot_entries);
}

static void look(struct judging *judging)
{
	char root[DATA_PATH_MAX + 16];
	struct data data;
	struct error error;
	look_at_journal(judging);
	if (data_open(judging->data_path, NULL, DATA_MAKE, &data, &error) != LL_OK)
		wrong(judging, "the directory: %s", error.text);
	snprintf(root, sizeof root, "%s/projections", data.path);
	unsigned trusted = trusted_ones(judging, &data);
	data_close(&data);
	if (trusted)
		compare(judging, root, trusted, "found");
	look_at_snapshots(judging);
	go_on(judging);
	compare(judging, root, PROJECTIONS_ALL, "then");
	judging->finding->found = judging->finding->distrusted ? FOUND_REBUILT : FOUND_RIGHT;
	_exit(0);
}

void judge(const char *data, const char *boot_file, const struct truth *truth, const struct promised *promised,
	   struct finding *finding)
{
	char scratch[PATHS];
	struct finding *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	ENSURE(shared != MAP_FAILED);
	*shared = (struct finding){.found = FOUND_WRONG};
	snprintf(shared->sentence, sizeof shared->sentence, "the process that opened it did not say anything");
	snprintf(scratch, sizeof scratch, "%s.judging", data);
	ENSURE(mkdir(scratch, 0770) == 0);
	pid_t pid = fork();
	ENSURE(pid >= 0);
	if (pid == 0) {
		struct judging judging = {
			.data_path = data, .scratch = scratch, .truth = truth, .promised = promised, .finding = shared};
		const struct rlimit no_core = {0, 0};
		(void)setrlimit(RLIMIT_CORE, &no_core);
		for (int number = 1; number < 32; number++)
			(void)signal(number, SIG_DFL);
		alarm(SECONDS_MAX);
		recorder_reboot(boot_file);
		look(&judging);
	}
	ENSURE(waitpid(pid, &status, 0) == pid);
	*finding = *shared;
	if (WIFSIGNALED(status)) {
		finding->found = FOUND_WRONG;
		snprintf(finding->sentence, sizeof finding->sentence, "the process that opened it died of signal %d",
			 WTERMSIG(status));
	}
	munmap(shared, sizeof *shared);
}
