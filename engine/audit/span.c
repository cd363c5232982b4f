#include "engine/audit/span.h"

#include "engine/data/annulled.h"
#include "schemas/codes.h"

/* Where one cut comes to lie, as far as the walk has come. */
struct place {
	const struct cut_point *point;
	uint64_t entries;
	int64_t time;
	bool is_settled;
};

struct finding {
	struct span *span;
	struct fold fold;
	struct place from, at;
};

static void settle(struct place *place, const struct fold *fold, const struct block *block)
{
	const struct cut_point *point = place->point;
	if (place->is_settled)
		return;
	if (point->kind == CUT_TIME && fold->time > point->time) {
		place->is_settled = true;
		return;
	}
	if (point->kind == CUT_ENTRY && fold->next_seq > point->entry) {
		place->entries = point->entry + 1;
		place->time = fold->time;
		place->is_settled = true;
		return;
	}
	if (block->count) {
		place->entries = fold->next_seq;
		place->time = fold->time;
	}
}

static enum ll_code on_record(void *context, const struct journal_record *record, enum fold_verdict verdict,
			      const struct block *block, struct error *error)
{
	struct finding *finding = context;
	(void)error;
	if (verdict != FOLD_ENTRIES)
		return LL_OK;
	settle(&finding->from, &finding->fold, block);
	settle(&finding->at, &finding->fold, block);
	if (block->count == 1)
		annulled_of_block(block, record->offset, &finding->span->annulled);
	return LL_OK;
}

static void on_finding_progress(void *context, uint64_t offset, uint64_t end)
{
	const struct finding *finding = context;
	if (finding->span->progress)
		finding->span->progress(finding->span->context, offset, end);
}

static struct place place_of(const struct cut_point *point)
{
	return (struct place){.point = point, .time = NONE_TIME, .is_settled = point->kind == CUT_START};
}

static int refusal_of(const struct place *place)
{
	if (place->is_settled || place->point->kind == CUT_LATEST)
		return 0;
	return place->point->kind == CUT_TIME ? CODE_CUT_NOT_FINAL : CODE_CUT_NOT_FOUND;
}

enum ll_code span_find(struct journal *journal, struct span *span, int *refused, const struct cut_point **which,
		       struct error *error)
{
	struct finding finding = {.span = span, .from = place_of(&span->from), .at = place_of(&span->at)};
	struct walk walk = {
		.end = UINT64_MAX, .record = on_record, .context = &finding, .progress = on_finding_progress};
	*refused = 0;
	*which = NULL;
	enum ll_code code = walk_journal(journal, &walk, &finding.fold, error);
	if (code != LL_OK)
		return code;
	*refused = refusal_of(&finding.from);
	*which = &span->from;
	if (!*refused) {
		*refused = refusal_of(&finding.at);
		*which = &span->at;
	}
	span->first = finding.from.entries;
	span->end = finding.at.entries;
	span->time = finding.at.time;
	return LL_OK;
}

/* ---- the second walk ---- */

struct giving {
	const struct span *span;
	walk_entry_fn *visit;
	void *context;
};

static enum ll_code on_entry(void *context, const struct entry *entry, struct error *error)
{
	struct giving *giving = context;
	const struct span *span = giving->span;
	if (entry->seq >= span->end)
		return LL_END;
	if (entry->seq < span->first || annulments_cover(&span->annulled, entry->offset, entry->index))
		return LL_OK;
	return giving->visit(giving->context, entry, error);
}

static void on_progress(void *context, uint64_t offset, uint64_t end)
{
	const struct giving *giving = context;
	if (giving->span->progress)
		giving->span->progress(giving->span->context, offset, end);
}

enum ll_code span_walk(struct journal *journal, const struct span *span, walk_entry_fn *visit, void *context,
		       struct error *error)
{
	struct giving giving = {span, visit, context};
	struct fold fold = {0};
	struct walk walk = {.end = UINT64_MAX, .entry = on_entry, .context = &giving, .progress = on_progress};
	return span->first < span->end ? walk_journal(journal, &walk, &fold, error) : LL_OK;
}

void span_release(struct span *span)
{
	annulments_release(&span->annulled);
}
