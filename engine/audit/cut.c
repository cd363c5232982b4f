#include "engine/audit/cut.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "engine/data/annulled.h"
#include "engine/data/catch_up.h"
#include "engine/data/read_ahead.h"
#include "engine/data/scratch.h"
#include "engine/reply/reply.h"
#include "engine/snapshots/snapshots.h"
#include "projections/ledger/apply.h"
#include "projections/views/layer.h"
#include "projections/views/snapshot_view.h"
#include "schemas/codes.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/time.h"

/* What a cut may keep in memory; a longer way to it goes through a directory. */
#define LAYER_BYTES_MAX ((size_t)128 << 20)

struct cut {
	struct cut_source source;
	struct cut_point point;
	struct snapshot_view *under; /* NULL: nothing lies below */
	struct layer *layer;
	struct arena arena;         /* of the layer's view */
	struct annulments annulled; /* as far as it was looked for */
	struct fold fold;           /* of the last record that was folded whole */
	uint64_t entries;
	bool reached;  /* it stands at its point */
	bool too_long; /* the way to it is, for memory */
	char scratch[SNAPSHOT_PATH_MAX];
};

bool cut_parse(struct slice text, struct cut_point *point)
{
	*point = (struct cut_point){.kind = CUT_LATEST};
	if (slice_equal(text, SLICE("latest")))
		return true;
	point->kind = CUT_START;
	if (slice_equal(text, SLICE("start")))
		return true;
	point->kind = CUT_TIME;
	if (!slice_begins(text, SLICE("0:")))
		return time_parse(text, &point->time, NULL) == LL_OK;
	point->kind = CUT_ENTRY;
	if (text.size < 3 || text.size > 20 || (text.size > 3 && text.at[2] == '0'))
		return false;
	for (size_t i = 2; i < text.size; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		point->entry = point->entry * 10 + (uint64_t)(text.at[i] - '0');
	}
	return point->entry < INT64_MAX;
}

/* ---- how far ---- */

/* Entries of the block that lie before the cut. */
static uint32_t entries_within(const struct cut_point *point, const struct block *block, int64_t time)
{
	switch (point->kind) {
	case CUT_LATEST: return block->count;
	case CUT_START: return 0;
	case CUT_TIME: return time <= point->time ? block->count : 0;
	case CUT_ENTRY: break;
	}
	if (point->entry < block->first_seq)
		return 0;
	uint64_t within = point->entry - block->first_seq + 1;
	return within < block->count ? (uint32_t)within : block->count;
}

/* Does the cut lie within this record, or before it? Then it is not folded as a whole. */
static bool ends_before(void *context, const struct read_record *record)
{
	const struct cut_point *point = context;
	return record->verdict == FOLD_ENTRIES &&
	       entries_within(point, &record->block, record->after.time) < record->block.count;
}

/* ---- the layer ---- */

static enum ll_code apply_genesis(struct cut *cut, const struct block *block, struct error *error)
{
	struct genesis_body genesis;
	struct arena arena = {0};
	struct cursor cursor = cursor_over(block->body, &arena);
	enum ll_code code = LL_OK;
	ENSURE(genesis_body_decode(&cursor, &genesis)); /* fold_record has decoded it before */
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++)
		if (cut->source.mask >> id & 1 && projections[id]->begin)
			code = projections[id]->begin(layer_view(cut->layer), block->time, &genesis, error);
	arena_release(&arena);
	return code;
}

static enum ll_code apply_entries(struct cut *cut, struct applier *applier, const struct read_record *record,
				  uint32_t count, struct error *error)
{
	struct block block = record->block;
	apply_block(applier, &block, count, record->offset, record->after.time, cut->source.mask, NULL, NULL);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (applier->failed >> id & 1)
			return error_set(error, applier->failures[id].code, "journal offset %" PRIu64 ": %s",
					 record->offset, applier->failures[id].text);
	return LL_OK;
}

/* One record into the layer, or as much of it as lies before the cut. */
static enum ll_code take_record(struct cut *cut, struct applier *applier, const struct read_record *record,
				struct error *error)
{
	enum ll_code code = LL_OK;
	if (record->verdict == FOLD_GENESIS) {
		code = apply_genesis(cut, &record->block, error);
		cut->reached = cut->point.kind == CUT_START;
	} else if (record->verdict == FOLD_ENTRIES) {
		uint32_t count = entries_within(&cut->point, &record->block, record->after.time);
		if (count)
			code = apply_entries(cut, applier, record, count, error);
		if (count < record->block.count) {
			cut->reached = true;
			cut->entries = record->block.first_seq + count;
			if (count)
				cut->fold.time = record->after.time;
			return code;
		}
	}
	cut->fold = record->after;
	cut->entries = cut->fold.next_seq;
	cut->reached |= cut->point.kind == CUT_ENTRY && cut->entries > cut->point.entry;
	return code;
}

/* As take_record. LL_UNTRUSTED: what stopped it is annulled further on; cut->annulled knows it now. */
static enum ll_code take(struct cut *cut, struct applier *applier, const struct read_record *record,
			 struct error *error)
{
	struct fold before = cut->fold;
	struct annulments found = {.count = 0};
	enum ll_code code = take_record(cut, applier, record, error);
	if (!applier->failed)
		return code;
	code = annulled_reason(cut->source.journal, &before, &cut->annulled, code, &found, error);
	if (code == LL_UNTRUSTED)
		annulments_add_all(&cut->annulled, &found);
	annulments_release(&found);
	return code;
}

/* What was folded only so far because somebody gave up must not be taken for the cut. */
static enum ll_code look_for_interruption(const struct cut *cut, struct error *error)
{
	const bool *interrupted = cut->source.interrupted;
	if (interrupted && __atomic_load_n(interrupted, __ATOMIC_RELAXED))
		return error_set(error, LL_UNAVAILABLE, "it was interrupted on the way to the cut");
	return LL_OK;
}

/* Folds on until the cut, the journal's end, or until the layer is too large (LL_FULL). */
static enum ll_code fold_into_layer(struct cut *cut, struct error *error)
{
	struct applier applier = {.view = layer_view(cut->layer), .annulled = &cut->annulled};
	struct journal_reader *reader = NULL;
	struct journal_watermarks marks;
	struct read_record *record;
	struct read_ahead *ahead = NULL;
	enum ll_code code = journal_watermarks(cut->source.journal, &marks, error);
	if (code == LL_OK)
		code = journal_reader_open(cut->source.journal, cut->fold.next_offset, &reader, error);
	if (code == LL_OK)
		ahead = read_ahead_open(reader, &cut->fold, marks.high,
					marks.high >= cut->fold.next_offset + FAR_RECORDS);
	while (code == LL_OK && !cut->reached) {
		code = read_ahead_next(ahead, &record, error);
		if (code == LL_OK)
			code = take(cut, &applier, record, error);
		else if (code == LL_TIMEOUT)
			code = LL_OK;
		if (code == LL_OK)
			code = look_for_interruption(cut, error);
		cut->too_long = layer_bytes(cut->layer) > LAYER_BYTES_MAX;
		if (code == LL_OK && cut->too_long)
			code = error_set(error, LL_FULL, "the way to the cut is too long for memory");
	}
	read_ahead_close(ahead);
	journal_reader_close(reader);
	applier_release(&applier);
	return code == LL_END ? LL_OK : code;
}

/* ---- what lies below ---- */

static enum ll_code open_under(struct cut *cut, const char *path, struct error *error)
{
	char directories[PROJECTIONS_COUNT][SNAPSHOT_PATH_MAX + 32];
	struct snapshot_places places = {.root = NULL};
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		snprintf(directories[id], sizeof directories[id], "%s/%s", path, projection_layouts[id].name);
		places.directories[id] = cut->source.mask >> id & 1 ? directories[id] : NULL;
	}
	enum ll_code code = snapshot_view_open(&places, &cut->under, error);
	if (code == LL_OK)
		code = snapshot_view_pin(cut->under, 0, error);
	if (code == LL_OK)
		cut->fold = *snapshot_view_fold(cut->under);
	if (code == LL_OK)
		cut->entries = cut->fold.next_seq;
	return code;
}

static void begin_layer(struct cut *cut)
{
	layer_free(cut->layer);
	cut->layer = layer_new(cut->under ? snapshot_view_view(cut->under) : NULL, &cut->arena);
	cut->reached = (cut->point.kind == CUT_START && cut->fold.begun) ||
		       (cut->point.kind == CUT_ENTRY && cut->entries > cut->point.entry);
}

/* The nearest snapshot that is not beyond the cut and of this program's layouts. false: there is none. */
static bool find_snapshot(const struct cut *cut, struct snapshot_manifest *manifest, char path[SNAPSHOT_PATH_MAX])
{
	struct snapshot_limit limit = {.entries = UINT64_MAX, .time = INT64_MAX};
	if (!cut->source.snapshots || cut->point.kind == CUT_START)
		return false;
	if (cut->point.kind == CUT_ENTRY)
		limit.entries = cut->point.entry + 1;
	if (cut->point.kind == CUT_TIME)
		limit.time = cut->point.time;
	limit.mask = cut->source.mask;
	return snapshot_before(cut->source.snapshots, &limit, manifest, path, NULL) == LL_OK;
}

/* ---- the long way ---- */

/* A process may have several cuts open. */
static enum ll_code make_scratch(struct cut *cut, struct error *error)
{
	enum { AT_ONCE_MAX = 64 };
	char name[16];
	enum ll_code code = LL_EXISTS;
	for (unsigned i = 0; i < AT_ONCE_MAX && code == LL_EXISTS; i++) {
		snprintf(name, sizeof name, "cut-%u", i);
		code = scratch_make(cut->source.scratch, name, cut->scratch, sizeof cut->scratch, error);
	}
	return code;
}

/* Folded into a directory as a rebuild does, up to the record in which the cut lies; then that lies below. */
static enum ll_code go_through_scratch(struct cut *cut, const struct snapshot_manifest *manifest, const char *snapshot,
				       struct error *error)
{
	char directories[PROJECTIONS_COUNT][SNAPSHOT_PATH_MAX + 32];
	struct ledger_options options = {
		.create = true, .bulk = true, .annulled = cut->annulled.count ? &cut->annulled : NULL};
	struct ledger *ledger = NULL;
	struct catch_up how = {.end = UINT64_MAX,
			       .stop = ends_before,
			       .stop_context = &cut->point,
			       .annulled = &cut->annulled,
			       .interrupted = cut->source.interrupted,
			       .progress = cut->source.progress,
			       .context = cut->source.context};
	enum ll_code code = make_scratch(cut, error);
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++) {
		if (!(cut->source.mask >> id & 1))
			continue;
		snprintf(directories[id], sizeof directories[id], "%s/%s", cut->scratch, projection_layouts[id].name);
		options.directories[id] = directories[id];
		if (mkdir(directories[id], 0770) != 0)
			code = error_set(error, LL_IO, "cannot make %s to work in", directories[id]);
		if (code == LL_OK && snapshot)
			code = snapshot_restore(snapshot, manifest, id, directories[id], error);
	}
	if (code == LL_OK)
		code = ledger_open(&options, &ledger, NULL, error);
	if (code == LL_OK)
		code = catch_up(cut->source.journal, ledger, &how, NULL, error);
	if (code == LL_OK)
		code = look_for_interruption(cut, error);
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++)
		if (ledger_failure(ledger, id))
			code = error_set(error, ledger_failure(ledger, id)->code, "%s",
					 ledger_failure(ledger, id)->text);
	if (code != LL_OK) {
		if (ledger)
			ledger_abandon(ledger);
		return code;
	}
	code = ledger_close(ledger, error);
	return code == LL_OK ? open_under(cut, cut->scratch, error) : code;
}

/* ---- opening ---- */

static void clear_below(struct cut *cut)
{
	layer_free(cut->layer);
	cut->layer = NULL;
	snapshot_view_close(cut->under);
	cut->under = NULL;
	cut->fold = (struct fold){.begun = false};
	cut->entries = 0;
	cut->reached = cut->too_long = false;
}

/* A snapshot that left out, or folded, what is annulled further on is of use only if it did so by the same set. */
static enum ll_code judge_below(struct cut *cut, bool *useless, struct error *error)
{
	enum ll_code code = LL_OK;
	if (cut->fold.ahead.count && !cut->annulled.count)
		code = annulled_find(cut->source.journal, &cut->fold, &cut->annulled, error);
	struct annulments_ahead ahead = annulments_ahead(&cut->annulled, cut->fold.next_offset);
	*useless = ahead.count != cut->fold.ahead.count || ahead.digest != cut->fold.ahead.digest;
	return code;
}

/* Is the log the one that lies below was folded from? */
static enum ll_code begin_below(struct cut *cut, struct snapshot_manifest *manifest, char snapshot[SNAPSHOT_PATH_MAX],
				struct error *error)
{
	enum ll_code code = LL_OK;
	bool useless = false;
	if (find_snapshot(cut, manifest, snapshot)) {
		code = open_under(cut, snapshot, error);
		if (code == LL_OK)
			code = judge_below(cut, &useless, error);
		if (useless)
			clear_below(cut);
	}
	if (!cut->under)
		*snapshot = 0;
	return code == LL_OK ? check_log_of(cut->source.journal, &cut->fold, error) : code;
}

static enum ll_code fold_to_point(struct cut *cut, struct error *error)
{
	struct snapshot_manifest manifest;
	char snapshot[SNAPSHOT_PATH_MAX];
	enum ll_code code = begin_below(cut, &manifest, snapshot, error);
	if (code != LL_OK)
		return code;
	begin_layer(cut);
	code = fold_into_layer(cut, error);
	if (code != LL_FULL || !cut->too_long)
		return code;
	clear_below(cut);
	code = go_through_scratch(cut, &manifest, *snapshot ? snapshot : NULL, error);
	if (code != LL_OK)
		return code;
	begin_layer(cut);
	return fold_into_layer(cut, error);
}

/* Begins anew without them as often as more turns out to be annulled on the way. */
static enum ll_code fold_without_annulled(struct cut *cut, struct error *error)
{
	for (;;) {
		size_t known = cut->annulled.count;
		enum ll_code code = fold_to_point(cut, error);
		if (code != LL_UNTRUSTED || cut->annulled.count == known)
			return code;
		clear_below(cut);
		scratch_remove(cut->scratch);
		cut->scratch[0] = 0;
	}
}

static int refusal_of(const struct cut *cut)
{
	if (cut->reached || cut->point.kind == CUT_LATEST || cut->point.kind == CUT_START)
		return 0;
	return cut->point.kind == CUT_TIME ? CODE_CUT_NOT_FINAL : CODE_CUT_NOT_FOUND;
}

enum ll_code cut_open(const struct cut_source *source, const struct cut_point *point, int64_t now_ms,
		      struct cut **opened, int *refused, struct error *error)
{
	*refused = point->kind == CUT_TIME && point->time > now_ms ? CODE_CUT_NOT_FINAL : 0;
	if (*refused)
		return LL_OK;
	struct cut *cut = calloc(1, sizeof *cut);
	ENSURE(cut && "memory is used up");
	cut->source = *source;
	cut->point = *point;
	enum ll_code code = fold_without_annulled(cut, error);
	if (code == LL_OK)
		*refused = refusal_of(cut);
	if (code != LL_OK || *refused) {
		cut_close(cut);
		return code;
	}
	struct view *view = layer_view(cut->layer);
	view->next_seq = cut->entries;
	view->time = cut->fold.time;
	*opened = cut;
	return LL_OK;
}

void cut_close(struct cut *cut)
{
	if (!cut)
		return;
	layer_free(cut->layer);
	snapshot_view_close(cut->under);
	arena_release(&cut->arena);
	annulments_release(&cut->annulled);
	scratch_remove(cut->scratch);
	free(cut);
}

void cut_reset(struct cut *cut)
{
	arena_reset(&cut->arena);
	if (cut->under)
		snapshot_view_reset(cut->under);
}

size_t cut_bytes(const struct cut *cut)
{
	return layer_bytes(cut->layer);
}

uint64_t cut_next_offset(const struct cut *cut)
{
	return cut->fold.next_offset;
}

struct view *cut_view(struct cut *cut)
{
	return layer_view(cut->layer);
}

uint64_t cut_entries(const struct cut *cut)
{
	return cut->entries;
}

const struct annulments *cut_annulled(const struct cut *cut)
{
	return &cut->annulled;
}

int64_t cut_time(const struct cut *cut)
{
	return cut->entries ? cut->fold.time : NONE_TIME;
}

void cut_write_at(const struct cut *cut, struct json_writer *writer)
{
	json_object_begin(writer);
	json_key(writer, "position");
	if (cut->entries)
		json_textf(writer, "0:%" PRIu64, cut->entries - 1);
	else
		json_text(writer, "start");
	json_member_time(writer, "time", cut_time(cut));
	json_object_end(writer);
}
