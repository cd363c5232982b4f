#include "engine/data/catch_up.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "engine/data/annulled.h"
#include "schemas/wire/ensure.h"

enum { PROGRESS_RECORDS = 64, PROGRESS_ENTRIES = 4096, GENESIS_WAIT_MS = 30000 };

#define REBUILD_HINT "if the journal was replaced on purpose, delete the projections to have them rebuilt"

static enum ll_code check_genesis(struct journal *journal, const struct fold *fold, struct error *error)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	int64_t time_ms;
	struct block block;
	enum ll_code code = journal_read_at(journal, 0, &bytes, &size, &time_ms, error);
	if (code != LL_OK)
		return code;
	code = block_read(slice_of(bytes, size), &block, error);
	if (code == LL_FOREIGN || (code == LL_OK && block.kind != BLOCK_GENESIS))
		code = error_set(
			error, LL_FOREIGN,
			"offset 0 of %s is not the beginning of a ledger: this is not a journal; make one with `ledgerline journal create`",
			journal_url(journal));
	else if (code == LL_OK && fold->begun && memcmp(block.ledger.at, fold->ledger, sizeof fold->ledger) != 0)
		code = error_set(error, LL_DIVERGED,
				 "%s holds another ledger than the projections were built from; " REBUILD_HINT,
				 journal_url(journal));
	free(bytes);
	return code;
}

static enum ll_code check_own_block(struct journal *journal, const struct fold *fold, struct error *error)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	int64_t time_ms;
	enum ll_code code = journal_read_at(journal, fold->block_offset, &bytes, &size, &time_ms, error);
	if (code == LL_OK && !fold_knows(fold, slice_of(bytes, size)))
		code = error_set(
			error, LL_DIVERGED,
			"the block at offset %" PRIu64
			" of %s is not the one that the projections folded there: it is another log, or damaged; " REBUILD_HINT,
			fold->block_offset, journal_url(journal));
	free(bytes);
	return code;
}

/* What was folded behind the last block of the history counted for nothing: when it does now, those records are others. */
static enum ll_code check_void_records(struct journal *journal, const struct fold *fold, struct error *error)
{
	struct fold then = *fold;
	enum ll_code code = LL_OK;
	then.next_offset = fold->block_offset + 1;
	while (code == LL_OK && then.next_offset < fold->next_offset) {
		uint8_t *bytes = NULL;
		size_t size = 0;
		int64_t time_ms;
		enum fold_verdict verdict;
		struct block block;
		uint64_t offset = then.next_offset;
		code = journal_read_at(journal, offset, &bytes, &size, &time_ms, error);
		if (code == LL_OK &&
		    (fold_record(&then, offset, slice_of(bytes, size), &verdict, &block, NULL) != LL_OK ||
		     (verdict != FOLD_STALE && verdict != FOLD_FOREIGN)))
			code = error_set(
				error, LL_DIVERGED,
				"the record at offset %" PRIu64
				" of %s is not the one that the projections skipped there: it is another log, or damaged; " REBUILD_HINT,
				offset, journal_url(journal));
		free(bytes);
	}
	return code;
}

/* A broker that has just come to lead the partition, or that leads no more and does not know it, says for a moment that it ends before what
 * others have read. Only a log that stays shorter was cut. */
static enum ll_code settled_watermarks(struct journal *journal, uint64_t furthest, struct journal_watermarks *marks,
				       struct error *error)
{
	enum { PAUSE_NS = 100000000, TRIES = JOURNAL_SHORTER_MS * 1000000LL / PAUSE_NS };
	bool is_replicated = strncmp(journal_url(journal), "kafka:", 6) == 0;
	enum ll_code code = journal_watermarks(journal, marks, error);
	for (int tried = 0; is_replicated && code == LL_OK && marks->high < furthest && tried < TRIES; tried++) {
		nanosleep(&(struct timespec){0, PAUSE_NS}, NULL);
		code = journal_watermarks(journal, marks, error);
	}
	return code;
}

/* `furthest`: the first offset of which nothing was folded. */
static enum ll_code check_log(struct journal *journal, const struct fold *fold, uint64_t furthest, struct error *error)
{
	struct journal_watermarks marks;
	enum ll_code code = settled_watermarks(journal, furthest, &marks, error);
	if (code != LL_OK)
		return code;
	if (marks.low != 0)
		return error_set(
			error, LL_DIVERGED,
			"%s begins at offset %" PRIu64
			": its beginning was deleted; a journal must keep everything (retention.ms=-1, retention.bytes=-1)",
			journal_url(journal), marks.low);
	if (marks.high < furthest)
		return error_set(error, LL_DIVERGED,
				 "%s ends before offset %" PRIu64 ", the projections have folded up to %" PRIu64
				 ": the log was cut short; " REBUILD_HINT,
				 journal_url(journal), marks.high, furthest);
	if (marks.high == 0)
		return error_set(error, LL_NOT_FOUND,
				 "%s is empty: it has no genesis; make it with `ledgerline journal create`",
				 journal_url(journal));
	code = check_genesis(journal, fold, error);
	if (code == LL_OK && fold->begun)
		code = check_own_block(journal, fold, error);
	if (code == LL_OK && fold->begun)
		code = check_void_records(journal, fold, error);
	return code;
}

enum ll_code check_log_of(struct journal *journal, const struct fold *fold, struct error *error)
{
	return check_log(journal, fold, fold->next_offset, error);
}

enum ll_code check_same_log(struct journal *journal, struct ledger *ledger, struct error *error)
{
	struct journal_identity identity;
	enum ll_code code = journal_identity(journal, &identity, error);
	if (code == LL_OK)
		code = ledger_bind(ledger, identity.kind, identity.cluster, identity.topic, error);
	return code == LL_OK ? check_log(journal, ledger_fold_state(ledger), ledger_furthest(ledger), error) : code;
}

/* Flushes as often as memory asks for; never lets the layers grow without end. */
static void make_room(struct ledger *ledger, uint64_t commit_entries, uint64_t *flushed_seq)
{
	uint64_t next_seq = ledger_fold_state(ledger)->next_seq;
	if (commit_entries && next_seq - *flushed_seq >= commit_entries) {
		*flushed_seq = next_seq;
		ledger_wait(ledger);
		ledger_freeze(ledger);
		return;
	}
	ledger_make_room(ledger);
}

static bool is_interrupted(const struct catch_up *how)
{
	return how->interrupted && __atomic_load_n(how->interrupted, __ATOMIC_RELAXED);
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until `entries` may have been folded since `began_ms`. */
static void keep_pace(const struct catch_up *how, uint64_t entries, int64_t began_ms)
{
	enum { STEP_MS = 50 };
	int64_t due_ms = how->rate ? began_ms + (int64_t)((double)entries * 1000 / (double)how->rate) : 0;
	for (int64_t left; (left = due_ms - now_ms()) > 0 && !is_interrupted(how);)
		nanosleep(&(struct timespec){0, (left < STEP_MS ? left : STEP_MS) * 1000000}, NULL);
}

/* ---- what is annulled ---- */

bool catch_up_found_more(const struct catch_up *how, enum ll_code code, size_t known)
{
	return code == LL_UNTRUSTED && how->annulled && how->annulled->count > known;
}

/* For a ledger that was closed between an entry that it left out and its annulment. */
static enum ll_code honour_what_is_ahead(struct journal *journal, struct ledger *ledger, const struct catch_up *how,
					 struct error *error)
{
	struct annulments found = {.count = 0};
	if (!ledger_leans_on_annulments(ledger))
		return LL_OK;
	enum ll_code code = annulled_find(journal, ledger_fold_state(ledger), &found, error);
	if (code == LL_OK)
		code = ledger_honour(ledger, &found, NULL, error);
	if (code == LL_UNTRUSTED && how->annulled)
		annulments_add_all(how->annulled, &found);
	annulments_release(&found);
	return code;
}

/* A projection has stopped at the record behind `before`. Is the reason annulled? */
static enum ll_code look_for_annulments(struct journal *journal, struct ledger *ledger, const struct catch_up *how,
					const struct fold *before, enum ll_code code, struct error *error)
{
	struct annulments found = {.count = 0};
	code = annulled_reason(journal, before, ledger_annulments(ledger), code, &found, error);
	if (code == LL_UNTRUSTED && how->annulled)
		annulments_add_all(how->annulled, &found);
	annulments_release(&found);
	return code;
}

static enum ll_code fold_to_end(struct journal *journal, struct read_ahead *ahead, struct ledger *ledger,
				const struct catch_up *how, uint64_t end, struct error *error)
{
	struct read_record *record;
	struct fold before;
	unsigned stopped = ledger_stopped(ledger);
	uint64_t first_seq = ledger_fold_state(ledger)->next_seq, flushed_seq = first_seq, told_seq = first_seq;
	int64_t began_ms = how->rate ? now_ms() : 0;
	for (uint64_t count = 0;; count++) {
		if (is_interrupted(how))
			return LL_OK;
		enum ll_code code = read_ahead_next(ahead, &record, error);
		if (code == LL_END)
			return LL_OK;
		if (code == LL_TIMEOUT)
			continue;
		if (code != LL_OK)
			return code;
		if (how->stop && how->stop(how->stop_context, record))
			return LL_OK;
		before = *ledger_fold_state(ledger);
		code = ledger_take(ledger, record->offset, &record->after, record->verdict, &record->block, how->visit,
				   how->context, error);
		if (ledger_stopped(ledger) != stopped) {
			stopped = ledger_stopped(ledger);
			code = look_for_annulments(journal, ledger, how, &before, code, error);
		}
		if (code != LL_OK)
			return code;
		if (!how->never_flush)
			make_room(ledger, how->commit_entries, &flushed_seq);
		uint64_t seq = ledger_fold_state(ledger)->next_seq;
		if (how->progress && (count % PROGRESS_RECORDS == 0 || seq - told_seq >= PROGRESS_ENTRIES)) {
			how->progress(how->context, ledger_fold_state(ledger), end);
			told_seq = seq;
		}
		if (how->rate)
			keep_pace(how, seq - first_seq, began_ms);
	}
}

enum ll_code catch_up(struct journal *journal, struct ledger *ledger, const struct catch_up *how,
		      struct journal_reader **handed_over, struct error *error)
{
	struct journal_reader *reader = NULL;
	struct journal_watermarks marks;
	const struct fold *fold = ledger_fold_state(ledger);
	enum ll_code code = how->any_copy ? check_log(journal, fold, ledger_furthest(ledger), error)
					  : check_same_log(journal, ledger, error);
	if (code == LL_OK)
		code = honour_what_is_ahead(journal, ledger, how, error);
	if (code == LL_OK)
		code = journal_watermarks(journal, &marks, error);
	if (code == LL_OK)
		code = journal_reader_open(journal, fold->next_offset, &reader, error);
	if (code == LL_OK) {
		bool far = marks.high >= fold->next_offset + FAR_RECORDS;
		struct read_ahead *ahead = read_ahead_open(reader, fold, how->end, far);
		code = fold_to_end(journal, ahead, ledger, how, marks.high, error);
		read_ahead_close(ahead);
	}
	if (code == LL_OK)
		code = ledger_health(ledger, error);
	if (code == LL_OK && how->progress)
		how->progress(how->context, ledger_fold_state(ledger), marks.high);
	if (code == LL_OK && handed_over)
		*handed_over = reader;
	else
		journal_reader_close(reader);
	return code;
}

static enum ll_code append_genesis(struct journal_appender *appender, struct slice value, int64_t now_ms,
				   struct error *error)
{
	static const struct journal_header headers[] = {{"ledgerline-kind", "genesis"},
							{"ledgerline-epoch", "0"},
							{"ledgerline-sequence", "0"},
							{"ledgerline-count", "0"}};
	struct journal_report report;
	enum ll_code code = journal_append(appender, value, now_ms, headers, 4, error);
	if (code == LL_OK)
		code = journal_report(appender, GENESIS_WAIT_MS, &report);
	if (code == LL_TIMEOUT)
		return error_set(error, code, "the journal has not taken the genesis within %d s",
				 GENESIS_WAIT_MS / 1000);
	if (code == LL_OK && report.code != LL_OK)
		return error_set(error, report.code, "%s", report.error.text);
	return code;
}

enum ll_code write_genesis(struct journal *journal, const char *name, int64_t now_ms, struct error *error)
{
	uint8_t uuid[LEDGER_UUID_BYTES], room[4096];
	struct journal_watermarks marks;
	struct journal_appender *appender = NULL;
	enum ll_code code = journal_watermarks(journal, &marks, error);
	if (code != LL_OK)
		return code;
	if (marks.high != 0)
		return error_set(error, LL_EXISTS, "%s is not empty: it has its genesis already", journal_url(journal));
	ENSURE(getrandom(uuid, sizeof uuid, 0) == sizeof uuid);
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40); /* a version 4 UUID */
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
	struct genesis_body body = {
		.name = slice_text(name),
		.format = BLOCK_FORMAT,
		.software = slice_text(LEDGERLINE_VERSION),
		.policy = policy_first,
	};
	struct slice value = block_write_genesis(room, slice_of(uuid, sizeof uuid), now_ms, &body);
	code = journal_appender_open(journal, &appender, error);
	if (code == LL_OK)
		code = append_genesis(appender, value, now_ms, error);
	journal_appender_close(appender);
	return code;
}
