/* Opening, pinning, position, and what all reads begin and end with. */
#include <stdio.h>
#include <stdlib.h>

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

enum { MEET_MS = 1000 };

/* Those that this library reads. */
static const unsigned WHICH =
	1u << PROJECTION_BALANCES | 1u << PROJECTION_SEATS | 1u << PROJECTION_RANKINGS | 1u << PROJECTION_RECEIPTS;

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

struct view *reader_begin(struct ll_reader *reader, const char *id, bool has_id, enum ll_result *result)
{
	if (!reader->pinned) {
		*result = reader_misused(reader, "the reader is not pinned: call ll_pin first");
		return NULL;
	}
	if (has_id && (!id || !*id || strlen(id) > ID_BYTES_MAX)) {
		*result = reader_misused(reader, "an id has 1 to 64 characters");
		return NULL;
	}
	buffer_clear(&reader->text);
	snapshot_view_reset(reader->snapshots);
	return snapshot_view_view(reader->snapshots);
}

enum ll_result reader_end(struct ll_reader *reader)
{
	const struct error *failure = &snapshot_view_view(reader->snapshots)->failure;
	if (failure->code == LL_OK)
		return LL_DONE;
	reader->error = *failure;
	return reader_result(failure->code);
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

enum ll_result ll_open(const char *data_directory, struct ll_reader **result, char *message)
{
	struct error error = {.code = LL_OK};
	struct ll_reader *reader = calloc(1, sizeof *reader);
	char *root = NULL;
	enum ll_code code;
	if (!reader || !data_directory || !*data_directory || asprintf(&root, "%s/projections", data_directory) < 0) {
		root = NULL;
		code = error_set(&error, reader ? LL_USAGE : LL_NO_MEMORY,
				 "no directory was named, or memory is used up");
	} else {
		struct snapshot_places places = {.root = root, .which = WHICH};
		code = snapshot_view_open(&places, &reader->snapshots, &error);
	}
	free(root);
	if (message)
		snprintf(message, LL_MESSAGE_SIZE, "%s", error.code == LL_OK ? "" : error.text);
	if (code == LL_OK)
		*result = reader;
	else
		free(reader);
	return reader_result(code);
}

void ll_close(struct ll_reader *reader)
{
	if (!reader)
		return;
	snapshot_view_close(reader->snapshots);
	buffer_release(&reader->text);
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

void ll_unpin(struct ll_reader *reader)
{
	if (reader->pinned)
		snapshot_view_unpin(reader->snapshots);
	reader->pinned = false;
}

enum ll_result ll_read_position(struct ll_reader *reader, struct ll_position *position)
{
	enum ll_result result = LL_DONE;
	if (!reader_begin(reader, NULL, false, &result))
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
