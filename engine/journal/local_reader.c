/*
 * Readers of a local log.
 *
 * A reader that may wait (timeout above 0: rebuilds, audits) keeps its read transaction from record to record and gives
 * values as they lie in the map: no copy, no allocation. The snapshot is taken anew when it is exhausted, and after so many
 * records, so that a slow replay does not keep old pages for ever.
 *
 * A reader on the event loop (timeout 0) copies the value and lets go of the snapshot before it returns. So nothing waits
 * for the loop: neither old pages nor an appender that must make the map larger.
 *
 * Reading never waits for a commit or a sync: LMDB's readers see the last finished one.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/journal/bell.h"
#include "engine/journal/local_log.h"
#include "schemas/wire/ensure.h"

enum {
	RECORDS_PER_SNAPSHOT = 4096,
	OTHER_PROCESS_POLL_MS = 5, /* there is no bell between processes */
};

struct local_reader {
	struct journal_reader base;
	struct local_log *log;
	struct local_listener listener;
	uint64_t position;
	struct environment_txn *txn; /* reset while !has_snapshot */
	struct environment_cursor *cursor;
	bool has_snapshot;
	bool is_placed; /* the cursor stands on position - 1 */
	unsigned snapshot_records;
	bool told_end;
	enum ll_code ended; /* LL_OK, or why this reader is of no more use */
	struct error ended_error;
	uint8_t *copy;
	size_t copy_room;
};

static void drop_snapshot(struct local_reader *reader)
{
	if (!reader->has_snapshot)
		return;
	environment_txn_reset(reader->txn);
	reader->has_snapshot = false;
}

static enum ll_code take_snapshot(struct local_reader *reader, struct error *error)
{
	enum ll_code code;
	if (!reader->txn) {
		code = environment_txn_begin(reader->log->environment, false, &reader->txn, error);
		if (code != LL_OK)
			return code;
		reader->has_snapshot = true;
		code = environment_cursor_open(reader->txn, reader->log->records, &reader->cursor, error);
	} else {
		code = environment_txn_renew(reader->txn, error);
		if (code != LL_OK)
			return code;
		reader->has_snapshot = true;
		code = environment_cursor_renew(reader->cursor, reader->txn, error);
	}
	reader->is_placed = false;
	reader->snapshot_records = 0;
	return code;
}

/* Nothing stands at the position: is it the end, or is something wrong? */
static enum ll_code explain_nothing(struct local_reader *reader, struct error *error)
{
	struct journal_watermarks watermarks = {0};
	const char *directory = environment_directory(reader->log->environment);
	enum ll_code code = local_bounds(reader->log, reader->txn, &watermarks, error);
	if (code != LL_OK)
		return code;
	if (reader->position == watermarks.high)
		return LL_END;
	bool outside = reader->position > watermarks.high || reader->position < watermarks.low;
	return error_set(error, outside ? LL_DIVERGED : LL_CORRUPT,
			 "the journal in %s holds offsets %llu to %llu, and %llu is %s", directory,
			 (unsigned long long)watermarks.low, (unsigned long long)watermarks.high,
			 (unsigned long long)reader->position,
			 outside ? "outside: it is not the log that was read" : "missing");
}

/* The record at the position as the snapshot has it. LL_END: there is none. */
static enum ll_code look(struct local_reader *reader, struct journal_record *record, struct error *error)
{
	uint8_t wanted[LOCAL_KEY_BYTES];
	struct slice key, row;
	local_put_number(wanted, reader->position);
	key = slice_of(wanted, sizeof wanted);
	enum ll_code code =
		environment_cursor_move(reader->cursor, reader->is_placed ? MOVE_NEXT : MOVE_TO, &key, &row, error);
	if (code == LL_NOT_FOUND)
		return explain_nothing(reader, error);
	if (code != LL_OK)
		return code;
	if (!slice_equal(key, slice_of(wanted, sizeof wanted)))
		return explain_nothing(reader, error);
	code = local_split(reader->log, reader->position, row, &record->time_ms, &record->value, error);
	if (code != LL_OK)
		return code;
	record->offset = reader->position++;
	reader->is_placed = true;
	reader->snapshot_records++;
	return LL_OK;
}

/* The next record, from this snapshot or the newest one. On LL_END no snapshot is held. */
static enum ll_code next(struct local_reader *reader, struct journal_record *record, struct error *error)
{
	enum ll_code code = LL_END;
	if (reader->snapshot_records >= RECORDS_PER_SNAPSHOT)
		drop_snapshot(reader);
	if (reader->has_snapshot)
		code = look(reader, record, error);
	if (code == LL_END) {
		drop_snapshot(reader);
		code = take_snapshot(reader, error);
		if (code == LL_OK)
			code = look(reader, record, error);
	}
	if (code != LL_OK)
		drop_snapshot(reader);
	return code;
}

static enum ll_code copy_out(struct local_reader *reader, struct journal_record *record, struct error *error)
{
	if (record->value.size > reader->copy_room) {
		uint8_t *larger = realloc(reader->copy, record->value.size);
		if (!larger)
			return error_set(error, LL_NO_MEMORY, "no memory for a record of %zu bytes",
					 record->value.size);
		reader->copy = larger;
		reader->copy_room = record->value.size;
	}
	if (record->value.size)
		memcpy(reader->copy, record->value.at, record->value.size);
	record->value.at = reader->copy;
	drop_snapshot(reader);
	return LL_OK;
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool appender_is_here(struct local_log *log)
{
	pthread_mutex_lock(&log->lock);
	bool here = log->has_appender;
	pthread_mutex_unlock(&log->lock);
	return here;
}

static enum ll_code wait_for_next(struct local_reader *reader, int timeout_ms, struct journal_record *record,
				  struct error *error)
{
	int64_t deadline = now_ms() + timeout_ms;
	for (;;) {
		bell_mute(reader->listener.bell);
		enum ll_code code = next(reader, record, error);
		int64_t left = deadline - now_ms();
		if (code != LL_END || left <= 0)
			return code;
		if (left > OTHER_PROCESS_POLL_MS && !appender_is_here(reader->log))
			left = OTHER_PROCESS_POLL_MS;
		bell_wait(reader->listener.bell, (int)left);
	}
}

static enum ll_code local_read(struct journal_reader *base, int timeout_ms, struct journal_record *record,
			       struct error *error)
{
	struct local_reader *reader = (struct local_reader *)base;
	if (reader->ended != LL_OK)
		return error_set(error, reader->ended, "%s", reader->ended_error.text);
	struct error own;
	enum ll_code code = next(reader, record, &own);
	if (code == LL_END && timeout_ms > 0 && reader->told_end)
		code = wait_for_next(reader, timeout_ms, record, &own);
	if (code == LL_OK && timeout_ms <= 0)
		code = copy_out(reader, record, &own);
	reader->told_end = code == LL_END;
	if (code != LL_OK && code != LL_END) {
		reader->ended = code;
		reader->ended_error = own;
		error_set(error, code, "%s", own.text);
	}
	return code;
}

static int local_reader_descriptor(struct journal_reader *base)
{
	return ((struct local_reader *)base)->listener.bell;
}

static void local_reader_acknowledge(struct journal_reader *base)
{
	bell_mute(((struct local_reader *)base)->listener.bell);
}

static void local_reader_close(struct journal_reader *base)
{
	struct local_reader *reader = (struct local_reader *)base;
	pthread_mutex_lock(&reader->log->lock);
	struct local_listener **link = &reader->log->listeners;
	while (*link != &reader->listener)
		link = &(*link)->next;
	*link = reader->listener.next;
	pthread_mutex_unlock(&reader->log->lock);
	close(reader->listener.bell);
	environment_cursor_close(reader->cursor);
	environment_txn_abort(reader->txn);
	free(reader->copy);
	free(reader);
}

static const struct journal_reader_ops reader_ops = {
	.read = local_read,
	.descriptor = local_reader_descriptor,
	.acknowledge = local_reader_acknowledge,
	.close = local_reader_close,
};

enum ll_code local_reader_open(struct journal *base, uint64_t offset, struct journal_reader **opened,
			       struct error *error)
{
	struct local_log *log = ((struct local_journal *)base)->log;
	struct local_reader *reader = calloc(1, sizeof *reader);
	if (!reader)
		return error_set(error, LL_NO_MEMORY, "no memory for a reader of %s", base->url);
	reader->listener.bell = bell_open();
	if (reader->listener.bell < 0) {
		free(reader);
		return error_set(error, LL_FULL,
				 "no descriptor is left for a reader of %s: raise the limit of open files", base->url);
	}
	bell_ring(reader->listener.bell); /* a loop must look once of itself */
	reader->base.ops = &reader_ops;
	reader->log = log;
	reader->position = offset;
	pthread_mutex_lock(&log->lock);
	reader->listener.next = log->listeners;
	log->listeners = &reader->listener;
	pthread_mutex_unlock(&log->lock);
	*opened = &reader->base;
	return LL_OK;
}
