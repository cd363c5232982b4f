#include "engine/audit/cut.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "engine/data/annulled.h"
#include "engine/data/catch_up.h"
#include "engine/data/scratch.h"
#include "engine/reply/reply.h"
#include "engine/snapshots/snapshots.h"
#include "projections/ledger/ledger.h"
#include "schemas/codes.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/time.h"

#define FORK_BYTES_MAX ((size_t)128 << 20)

/* A snapshot to begin at. */
struct below {
	struct snapshot_manifest manifest;
	char path[SNAPSHOT_PATH_MAX];
};

struct cut {
	struct cut_source source;
	struct cut_point point;
	struct ledger *ledger;      /* a fork */
	struct view *view;          /* of it */
	struct annulments annulled; /* as far as it was looked for */
	bool reached;               /* it stands at its point */
	bool too_long;              /* the way to it is, for memory */
	enum ll_code code;          /* of the part of a block that was folded last, and its error */
	struct error error;
	char scratch[SNAPSHOT_PATH_MAX];
	char digest[DIGEST_TEXT_SIZE + 1]; /* empty: nobody has asked */
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

/* ---- the fork ---- */

/* The entries of a block that lie before the cut. LL_UNTRUSTED: what stopped them is annulled further on; cut->annulled knows it now. */
static enum ll_code take_part(struct cut *cut, const struct read_record *record, uint32_t count, struct error *error)
{
	struct annulments found = {.count = 0};
	const struct fold *before = ledger_fold_state(cut->ledger);
	enum ll_code code = ledger_take_part(cut->ledger, record->offset, &record->after, &record->block, count, error);
	if (!ledger_stopped(cut->ledger))
		return code;
	code = annulled_reason(cut->source.journal, before, ledger_annulments(cut->ledger), code, &found, error);
	if (code == LL_UNTRUSTED)
		annulments_add_all(&cut->annulled, &found);
	annulments_release(&found);
	return code;
}

/* Before each record: does the cut lie within it, or before it? Then no more is folded than lies before the cut. */
static bool arrives(void *context, const struct read_record *record)
{
	struct cut *cut = context;
	size_t bytes_max = cut->source.bytes_max ? cut->source.bytes_max : FORK_BYTES_MAX;
	cut->too_long = ledger_bytes(cut->ledger) > bytes_max;
	if (cut->too_long)
		return true;
	if (!ends_before(&cut->point, record))
		return false;
	uint32_t count = entries_within(&cut->point, &record->block, record->after.time);
	cut->reached = true;
	if (count)
		cut->code = take_part(cut, record, count, &cut->error);
	return true;
}

/* What was folded only so far because somebody gave up must not be taken for the cut. */
static enum ll_code look_for_interruption(const struct cut *cut, struct error *error)
{
	const bool *interrupted = cut->source.interrupted;
	if (interrupted && __atomic_load_n(interrupted, __ATOMIC_RELAXED))
		return error_set(error, LL_UNAVAILABLE, "it was interrupted on the way to the cut");
	return LL_OK;
}

/* Also of those that no decision reads. */
static enum ll_code look_for_failures(const struct ledger *ledger, struct error *error)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger_failure(ledger, id))
			return error_set(error, ledger_failure(ledger, id)->code, "%s",
					 ledger_failure(ledger, id)->text);
	return LL_OK;
}

typedef char directories_room[PROJECTIONS_COUNT][SNAPSHOT_PATH_MAX + 32];

static void name_directories(const struct cut *cut, const char *path, directories_room room,
			     const char *directories[PROJECTIONS_COUNT])
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		if (!(cut->source.mask >> id & 1))
			continue;
		snprintf(room[id], sizeof room[id], "%s/%s", path, projection_layouts[id].name);
		directories[id] = room[id];
	}
}

/* What is not as it was written is of no use, whatever its files say of themselves. */
static enum ll_code not_sound(const char *path, enum ll_code code, struct error *error)
{
	if (code == LL_NOT_FOUND || code == LL_UNTRUSTED || code == LL_OLDER || code == LL_NEWER || code == LL_FOREIGN)
		error->code = LL_CORRUPT;
	return error_prefix(error, "the snapshot %s cannot be used, delete it or mend it", path);
}

/* Over a snapshot (NULL: not one), over a directory (NULL: over nothing). LL_UNTRUSTED: it left out, or folded, what is annulled further on,
 * and did so by another set than the one that is known. */
static enum ll_code open_fork(struct cut *cut, const struct below *below, const char *path, struct error *error)
{
	directories_room room;
	struct ledger_options options = {.fork = cut->source.mask};
	enum ll_code code = LL_OK;
	if (below)
		path = below->path;
	if (path)
		name_directories(cut, path, room, options.directories);
	if (below)
		code = snapshot_is_sound(path, &below->manifest, cut->source.mask, error);
	if (code == LL_OK)
		code = ledger_open(&options, &cut->ledger, NULL, error);
	if (code == LL_OK && below)
		code = snapshot_is_of(&below->manifest, cut->ledger, error);
	if (code != LL_OK)
		return below ? not_sound(path, code, error) : code;
	return cut->annulled.count ? ledger_honour(cut->ledger, &cut->annulled, NULL, error) : LL_OK;
}

static void close_fork(struct cut *cut)
{
	if (cut->ledger)
		ledger_abandon(cut->ledger);
	cut->ledger = NULL;
}

static struct catch_up way_to(struct cut *cut)
{
	return (struct catch_up){.end = UINT64_MAX,
				 .annulled = &cut->annulled,
				 .any_copy = true,
				 .interrupted = cut->source.interrupted,
				 .progress = cut->source.progress,
				 .context = cut->source.context};
}

/* From what lies below up to the cut, to the journal's end, or until it is too long for memory. */
static enum ll_code fold_in_memory(struct cut *cut, const struct below *below, const char *path, struct error *error)
{
	struct journal_watermarks marks;
	struct catch_up how = way_to(cut);
	cut->code = LL_OK;
	cut->reached = cut->too_long = false;
	enum ll_code code = journal_watermarks(cut->source.journal, &marks, error);
	if (code == LL_OK)
		code = open_fork(cut, below, path, error);
	if (code != LL_OK)
		return code;
	how.end = marks.high; /* nobody waits for what comes next */
	how.never_flush = true;
	how.stop = arrives;
	how.stop_context = cut;
	code = catch_up(cut->source.journal, cut->ledger, &how, NULL, error);
	if (cut->code != LL_OK) {
		*error = cut->error;
		code = cut->code;
	}
	if (code == LL_OK)
		code = look_for_interruption(cut, error);
	return code == LL_OK ? look_for_failures(cut->ledger, error) : code;
}

/* ---- what lies below ---- */

/* The nearest snapshot that is not beyond the cut and of this program's layouts. false: there is none. */
static bool find_snapshot(const struct cut *cut, struct below *below)
{
	struct snapshot_limit limit = {.entries = UINT64_MAX, .time = INT64_MAX};
	if (!cut->source.snapshots || cut->point.kind == CUT_START)
		return false;
	if (cut->point.kind == CUT_ENTRY)
		limit.entries = cut->point.entry + 1;
	if (cut->point.kind == CUT_TIME)
		limit.time = cut->point.time;
	limit.mask = cut->source.mask;
	return snapshot_before(cut->source.snapshots, &limit, &below->manifest, below->path, NULL) == LL_OK;
}

/* Snapshots may be thinned out at any time, also between the look for one and its opening. */
static bool is_gone(const struct below *below)
{
	struct snapshot_manifest manifest;
	return manifest_read(below->path, &manifest, NULL) == LL_NOT_FOUND;
}

/* ---- the long way ---- */

/* A process may have several cuts open, and may have been killed with them: not only the first name is looked after. */
static enum ll_code make_scratch(struct cut *cut, struct error *error)
{
	enum { AT_ONCE_MAX = 64 };
	char name[16];
	enum ll_code code = LL_EXISTS;
	for (unsigned i = 0; i < AT_ONCE_MAX; i++) {
		snprintf(name, sizeof name, "cut-%u", i);
		scratch_tidy(cut->source.scratch, name);
	}
	for (unsigned i = 0; i < AT_ONCE_MAX && code == LL_EXISTS; i++) {
		snprintf(name, sizeof name, "cut-%u", i);
		code = scratch_make(cut->source.scratch, name, cut->scratch, sizeof cut->scratch, error);
	}
	return code;
}

/* Folded into a directory as a rebuild does, up to the record in which the cut lies; then that lies below. */
static enum ll_code fold_into_scratch(struct cut *cut, const struct below *below, struct error *error)
{
	directories_room room;
	struct ledger_options options = {
		.create = true, .bulk = true, .annulled = cut->annulled.count ? &cut->annulled : NULL};
	struct ledger *ledger = NULL;
	struct catch_up how = way_to(cut);
	how.stop = ends_before;
	how.stop_context = &cut->point;
	enum ll_code code = make_scratch(cut, error);
	if (code == LL_OK)
		name_directories(cut, cut->scratch, room, options.directories);
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++) {
		if (!options.directories[id])
			continue;
		if (mkdir(options.directories[id], 0770) != 0)
			code = error_set(error, LL_IO, "cannot make %s to work in", options.directories[id]);
		if (code == LL_OK && below)
			code = snapshot_restore(below->path, &below->manifest, id, options.directories[id], error);
	}
	if (code == LL_OK)
		code = ledger_open(&options, &ledger, NULL, error);
	if (code != LL_OK)
		return code;
	code = catch_up(cut->source.journal, ledger, &how, NULL, error);
	if (code == LL_OK)
		code = look_for_interruption(cut, error);
	if (code == LL_OK)
		code = look_for_failures(ledger, error);
	if (code == LL_OK)
		return ledger_close(ledger, error);
	ledger_abandon(ledger);
	return code;
}

/* ---- opening ---- */

/* NULL: from the journal's beginning. */
static enum ll_code fold_from(struct cut *cut, const struct below *below, struct error *error)
{
	enum ll_code code = fold_in_memory(cut, below, NULL, error);
	if (code != LL_OK || !cut->too_long)
		return code;
	close_fork(cut);
	code = fold_into_scratch(cut, below, error);
	return code == LL_OK ? fold_in_memory(cut, NULL, cut->scratch, error) : code;
}

static void throw_away(struct cut *cut)
{
	close_fork(cut);
	scratch_remove(cut->scratch);
	cut->scratch[0] = 0;
}

/* Begins anew as often as more turns out to be annulled on the way, without that. A snapshot that knew of others is of no use. */
static enum ll_code fold_to_point(struct cut *cut, struct error *error)
{
	struct below found;
	const struct below *below = find_snapshot(cut, &found) ? &found : NULL;
	for (;;) {
		size_t known = cut->annulled.count;
		enum ll_code code = fold_from(cut, below, error);
		bool is_untrusted = code == LL_UNTRUSTED && (cut->annulled.count > known || below);
		bool gone = code != LL_OK && below && is_gone(below);
		if (!is_untrusted && !gone)
			return code;
		throw_away(cut);
		if (gone)
			below = find_snapshot(cut, &found) ? &found : NULL;
		else if (cut->annulled.count == known)
			below = NULL;
	}
}

static int refusal_of(const struct cut *cut)
{
	if (cut->reached || cut->point.kind == CUT_LATEST || cut->point.kind == CUT_START ||
	    (cut->point.kind == CUT_ENTRY && cut_entries(cut) > cut->point.entry))
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
	enum ll_code code = fold_to_point(cut, error);
	if (code == LL_OK) {
		cut->view = ledger_view(cut->ledger);
		*refused = refusal_of(cut);
	}
	if (code != LL_OK || *refused) {
		cut_close(cut);
		return code;
	}
	*opened = cut;
	return LL_OK;
}

void cut_close(struct cut *cut)
{
	if (!cut)
		return;
	throw_away(cut);
	annulments_release(&cut->annulled);
	free(cut);
}

void cut_reset(struct cut *cut)
{
	ledger_view_reset(cut->ledger);
}

size_t cut_bytes(const struct cut *cut)
{
	return ledger_bytes(cut->ledger);
}

uint64_t cut_next_offset(const struct cut *cut)
{
	return ledger_fold_state(cut->ledger)->next_offset;
}

struct view *cut_view(struct cut *cut)
{
	return cut->view;
}

enum ll_code cut_digest(struct cut *cut, char digest[DIGEST_TEXT_SIZE + 1], struct error *error)
{
	char found[sizeof cut->digest];
	enum ll_code code = *cut->digest ? LL_OK : digest_of_view(cut->view, found, error);
	if (code == LL_OK && !*cut->digest)
		memcpy(cut->digest, found, sizeof found);
	if (code == LL_OK)
		memcpy(digest, cut->digest, sizeof cut->digest);
	return code;
}

uint64_t cut_entries(const struct cut *cut)
{
	return cut->view->next_seq;
}

const struct annulments *cut_annulled(const struct cut *cut)
{
	return ledger_annulments(cut->ledger);
}

int64_t cut_time(const struct cut *cut)
{
	return cut_entries(cut) ? cut->view->time : NONE_TIME;
}

void cut_write_at(const struct cut *cut, struct json_writer *writer)
{
	json_object_begin(writer);
	json_key(writer, "position");
	if (cut_entries(cut))
		json_textf(writer, "0:%" PRIu64, cut_entries(cut) - 1);
	else
		json_text(writer, "start");
	json_member_time(writer, "time", cut_time(cut));
	json_object_end(writer);
}
