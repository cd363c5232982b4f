/* Opening, pinning, waiting, position, and what all reads begin and end with. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "projections/reader/internal.h"
#include "schemas/wire/ensure.h"

#ifndef LEDGERLINE_VERSION
#define LEDGERLINE_VERSION "0.1.0"
#endif

_Static_assert((int)LL_MESSAGE_SIZE == (int)LL_ERROR_TEXT_MAX, "a message fits");
_Static_assert((int)LL_ID_SIZE == (int)ID_BYTES_MAX + 1 && (int)LL_ID_SIZE >= (int)REFERENCE_TEXT_MAX, "an id fits");
_Static_assert((int)LL_WINDOW_ALL == (int)WINDOW_ALL && (int)LL_WINDOW_MONTH == (int)WINDOW_MONTH, "as in schemas/");
_Static_assert((int)LL_ORIGIN_OPENING == (int)ORIGIN_OPENING && (int)LL_ORIGIN_FIRST == (int)ORIGIN_FIRST,
	       "as in schemas/");

_Static_assert((int)LL_BALANCES == 1 << PROJECTION_BALANCES && (int)LL_SEATS == 1 << PROJECTION_SEATS &&
		       (int)LL_QUEUE == 1 << PROJECTION_QUEUE && (int)LL_RECEIPTS == 1 << PROJECTION_RECEIPTS &&
		       (int)LL_RANKINGS == 1 << PROJECTION_RANKINGS && (int)LL_HISTORY == 1 << PROJECTION_HISTORY &&
		       (int)LL_ALL == (1 << PROJECTIONS_COUNT) - 1,
	       "a part is a projection");

enum { MEET_MS = 1000, LOOK_EVERY_MS = 2, SNAPSHOT_PATH_BYTES = 4096 };

enum ll_result reader_result(enum ll_code code)
{
	switch (code) {
	case LL_OK: return LL_DONE;
	case LL_USAGE: return LL_MISUSED;
	case LL_NOT_FOUND: return LL_NO_LEDGER;
	case LL_UNTRUSTED:
	case LL_OLDER:
	case LL_NEWER:
	case LL_DIVERGED: return LL_REBUILD;
	case LL_DENIED: return LL_NO_RIGHTS;
	case LL_TIMEOUT:
	case LL_BUSY:
	case LL_FULL: return LL_TRY_AGAIN;
	default: return LL_DAMAGED;
	}
}

enum ll_result reader_misused(struct ll_reader *reader, const char *what)
{
	return reader_result(error_set(&reader->error, LL_USAGE, "%s", what));
}

enum ll_result reader_absent(struct ll_reader *reader, const char *what, const char *id)
{
	(void)error_set(&reader->error, LL_NOT_FOUND, "there is no %s %s", what, id);
	return LL_ABSENT;
}

struct view *reader_begin(struct ll_reader *reader, unsigned parts, enum ll_result *result)
{
	if (!reader->pinned) {
		*result = reader_misused(reader, "the reader is not pinned: call ll_pin first");
		return NULL;
	}
	if (parts & ~reader->parts) {
		*result = reader_misused(reader, "the reader was not opened for this part");
		return NULL;
	}
	snapshot_view_reset(reader->snapshots);
	struct view *view = snapshot_view_view(reader->snapshots);
	view->failure.code = LL_OK; /* what one call could not read says nothing of another's */
	return view;
}

bool reader_takes_id(struct ll_reader *reader, const char *id, enum ll_result *result)
{
	if (id && *id && strnlen(id, ID_BYTES_MAX + 1) <= ID_BYTES_MAX)
		return true;
	*result = reader_misused(reader, "an id has 1 to 64 characters");
	return false;
}

struct view *reader_begin_id(struct ll_reader *reader, unsigned parts, const char *id, enum ll_result *result)
{
	struct view *view = reader_begin(reader, parts, result);
	return view && reader_takes_id(reader, id, result) ? view : NULL;
}

enum ll_result reader_end(struct ll_reader *reader)
{
	const struct error *failure = &snapshot_view_view(reader->snapshots)->failure;
	if (failure->code == LL_OK)
		return LL_DONE;
	reader->error = *failure;
	return reader_result(failure->code);
}

enum ll_result reader_end_absent(struct ll_reader *reader, const char *what, const char *id)
{
	enum ll_result result = reader_end(reader);
	return result == LL_DONE ? reader_absent(reader, what, id) : result;
}

const char *reader_text(struct view *view, struct slice text)
{
	char *copy = arena_take(view->arena, text.size + 1, 1);
	if (text.size)
		memcpy(copy, text.at, text.size);
	copy[text.size] = 0;
	return copy;
}

void reader_copy_id(char to[LL_ID_SIZE], struct slice id)
{
	ENSURE(id.size < LL_ID_SIZE);
	if (id.size)
		memcpy(to, id.at, id.size);
	to[id.size] = 0;
}

void reader_copy_reference(char to[LL_ID_SIZE], const char *kind, uint64_t id)
{
	to[0] = 0;
	if (id != NONE_U64)
		(void)reference_text(to, kind, id);
}

struct reader_walk reader_walk_over(struct ll_reader *reader, struct view *view, uint64_t limit, void *context)
{
	return (struct reader_walk){
		.reader = reader, .view = view, .left = limit ? limit : UINT64_MAX, .context = context};
}

void reader_next_row(struct ll_reader *reader)
{
	snapshot_view_reset(reader->snapshots);
}

bool reader_walk_on(struct reader_walk *walk, int stop)
{
	return --walk->left > 0 && !stop;
}

bool reader_bad_key(struct view *view, enum table_id table)
{
	const struct table_place *place = &table_places[table];
	const char *projection = projection_layouts[place->projection].name;
	view_fail(view, LL_CORRUPT, "projection %s, table %s: a key cannot be read; rebuild %s", projection,
		  place->name, projection);
	return false;
}

bool reader_key_after(struct ll_reader *reader, struct key *key, const char *after, enum ll_result *result)
{
	if (!after || !*after)
		return true;
	if (!reader_takes_id(reader, after, result))
		return false;
	key_add_id(key, slice_text(after), true);
	key_add_u8(key, 0);
	return true;
}

static enum ll_code open_root(struct ll_reader *reader, const char *data_directory, struct error *error)
{
	char *root = NULL;
	if (asprintf(&root, "%s/projections", data_directory) < 0)
		return error_set(error, LL_NO_MEMORY, "memory is used up");
	struct snapshot_places places = {.root = root, .which = reader->parts, .tell_failures = true};
	enum ll_code code = snapshot_view_open(&places, &reader->snapshots, error);
	free(root);
	return code;
}

static bool holds(const char *directory, const char *name)
{
	char path[SNAPSHOT_PATH_BYTES];
	return snprintf(path, sizeof path, "%s/%s", directory, name) < (int)sizeof path && access(path, F_OK) == 0;
}

/* A directory that `ledgerline snapshot` made has a manifest, and the projections in it. */
static bool is_snapshot(const char *directory)
{
	return holds(directory, "manifest.json") && !holds(directory, "projections");
}

static enum ll_code open_snapshot(struct ll_reader *reader, const char *directory, struct error *error)
{
	char paths[PROJECTIONS_COUNT][SNAPSHOT_PATH_BYTES];
	struct snapshot_places places = {.tell_failures = true};
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		if (!(reader->parts >> id & 1))
			continue;
		if (snprintf(paths[id], sizeof paths[id], "%s/%s", directory, projection_layouts[id].name) >=
		    (int)sizeof paths[id])
			return error_set(error, LL_USAGE, "the path %s is too long", directory);
		places.directories[id] = paths[id];
	}
	return snapshot_view_open(&places, &reader->snapshots, error);
}

enum ll_result ll_open(const char *data_directory, struct ll_reader **reader, char *message)
{
	return ll_open_parts(data_directory, LL_ALL, reader, message);
}

enum ll_result ll_open_parts(const char *data_directory, unsigned parts, struct ll_reader **result, char *message)
{
	struct error error = {.code = LL_OK};
	struct ll_reader *reader = calloc(1, sizeof *reader);
	enum ll_code code;
	if (!reader) {
		code = error_set(&error, LL_NO_MEMORY, "memory is used up");
	} else if (!data_directory || !*data_directory) {
		code = error_set(&error, LL_USAGE, "no directory was named");
	} else if (!parts || parts & ~(unsigned)LL_ALL) {
		code = error_set(&error, LL_USAGE, "there is no such part of a ledger");
	} else {
		reader->parts = parts;
		code = is_snapshot(data_directory) ? open_snapshot(reader, data_directory, &error)
						   : open_root(reader, data_directory, &error);
	}
	if (message)
		snprintf(message, LL_MESSAGE_SIZE, "%s", error.code == LL_OK ? "" : error.text);
	if (code == LL_OK)
		*result = reader;
	else
		ll_close(reader);
	return reader_result(code);
}

void ll_close(struct ll_reader *reader)
{
	if (!reader)
		return;
	snapshot_view_close(reader->snapshots);
	zone_free(reader->zone);
	free(reader);
}

const char *ll_message(const struct ll_reader *reader)
{
	return reader->error.text;
}

const char *ll_version(void)
{
	return LEDGERLINE_VERSION;
}

enum ll_result ll_pin(struct ll_reader *reader)
{
	enum ll_code code = snapshot_view_pin(reader->snapshots, MEET_MS, &reader->error);
	reader->pinned = code == LL_OK;
	return reader_result(code);
}

static int64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct place {
	uint64_t entry_count, offset_after;
};

/* Pins if the place is reached. LL_TIMEOUT: it is not yet, or projections are on their way to meet. */
static enum ll_code pin_at(struct ll_reader *reader, struct place place)
{
	enum ll_code code = snapshot_view_pin(reader->snapshots, 0, &reader->error);
	reader->pinned = code == LL_OK;
	if (code != LL_OK)
		return code;
	const struct fold *fold = snapshot_view_fold(reader->snapshots);
	if (fold->next_seq >= place.entry_count && fold->next_offset >= place.offset_after)
		return LL_OK;
	code = error_set(&reader->error, LL_TIMEOUT,
			 "the projections stand at %" PRIu64 " entries, next offset %" PRIu64
			 ", which is not yet where the reader waits",
			 fold->next_seq, fold->next_offset);
	ll_unpin(reader);
	return code;
}

static enum ll_result wait_for(struct ll_reader *reader, struct place place, unsigned timeout_ms)
{
	int64_t deadline = clock_ms() + timeout_ms;
	for (;;) {
		enum ll_code code = pin_at(reader, place);
		bool may_come = code == LL_TIMEOUT || code == LL_BUSY || code == LL_NOT_FOUND;
		if (!may_come)
			return reader_result(code);
		if (clock_ms() >= deadline)
			return LL_TRY_AGAIN;
		nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000L}, NULL);
	}
}

enum ll_result ll_wait(struct ll_reader *reader, uint64_t entry_count, unsigned timeout_ms)
{
	return wait_for(reader, (struct place){.entry_count = entry_count}, timeout_ms);
}

enum ll_result ll_wait_offset(struct ll_reader *reader, uint64_t offset, unsigned timeout_ms)
{
	if (offset == UINT64_MAX)
		return reader_misused(reader, "no record has this offset");
	return wait_for(reader, (struct place){.offset_after = offset + 1}, timeout_ms);
}

void ll_unpin(struct ll_reader *reader)
{
	if (reader->pinned)
		snapshot_view_unpin(reader->snapshots);
	reader->pinned = false;
}

enum ll_result ll_read_position(struct ll_reader *reader, struct ll_position *position)
{
	enum ll_result result = LL_DONE;
	if (!reader_begin(reader, 0, &result))
		return result;
	const struct fold *fold = snapshot_view_fold(reader->snapshots);
	*position = (struct ll_position){
		.entry_count = fold->next_seq,
		.next_offset = fold->next_offset,
		.epoch = fold->epoch,
		.time_ms = fold->time,
	};
	memcpy(position->ledger, fold->ledger, sizeof position->ledger);
	return LL_DONE;
}
