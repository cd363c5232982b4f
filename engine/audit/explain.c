#include "engine/audit/explain.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/audit/facts.h"
#include "engine/audit/walk.h"
#include "engine/data/annulled.h"
#include "engine/reply/reply.h"
#include "schemas/codes.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/record_json.h"

struct explaining {
	const struct explain_asked *asked;
	const struct cut_source *source;
	/* Where the entry stands. */
	bool is_found;
	uint64_t seq, offset;
	uint32_t index;
	int64_t time;
	struct entry entry; /* in `arena`; its bytes are `bytes` */
	uint8_t *bytes;
	struct arena arena;
	struct cut *cut;
	struct redecider *redecider;
	struct redecided redecided;
	struct facts facts;
	struct watch earlier; /* another entry of the same command, before */
};

void explain_parse(struct slice text, struct explain_asked *asked)
{
	struct cut_point point;
	bool is_position = slice_begins(text, SLICE("0:")) && cut_parse(text, &point) && point.kind == CUT_ENTRY;
	*asked = (struct explain_asked){.command_id = is_position ? SLICE_EMPTY : text,
					.seq = is_position ? point.entry : 0};
}

/* ---- the entry ---- */

static enum ll_code look_at_entry(void *context, const struct entry *entry, struct error *error)
{
	struct explaining *explaining = context;
	const struct explain_asked *asked = explaining->asked;
	(void)error;
	if (asked->command_id.size ? !slice_equal(entry->head.command_id, asked->command_id) : entry->seq != asked->seq)
		return LL_OK;
	explaining->is_found = true;
	explaining->seq = entry->seq;
	explaining->offset = entry->offset;
	explaining->index = entry->index;
	explaining->time = entry->time;
	return LL_END;
}

static enum ll_code find_entry(struct explaining *explaining, struct error *error)
{
	const struct explain_asked *asked = explaining->asked;
	struct walk walk = {.end = UINT64_MAX, .entry = look_at_entry, .context = explaining};
	struct fold fold = {.begun = false};
	if (!asked->is_found)
		return walk_journal(explaining->source->journal, &walk, &fold, error);
	explaining->is_found = true;
	explaining->seq = asked->seq;
	explaining->offset = asked->offset;
	explaining->index = asked->index;
	explaining->time = asked->time;
	return LL_OK;
}

static enum ll_code read_entry(struct explaining *explaining, struct error *error)
{
	struct block block;
	size_t size = 0;
	int64_t time_ms;
	struct entry *entry = &explaining->entry;
	enum ll_code code = journal_read_at(explaining->source->journal, explaining->offset, &explaining->bytes, &size,
					    &time_ms, error);
	if (code == LL_OK)
		code = block_read(slice_of(explaining->bytes, size), &block, error);
	if (code != LL_OK)
		return code;
	struct cursor cursor = cursor_over(block.body, &explaining->arena);
	for (uint32_t i = 0; i <= explaining->index; i++) {
		cursor.seq = block.first_seq + i;
		*entry = (struct entry){
			.seq = cursor.seq, .offset = explaining->offset, .index = i, .time = explaining->time};
		if (block.kind != BLOCK_ENTRIES || i >= block.count || !entry_decode(&cursor, entry))
			return error_set(error, LL_DIVERGED,
					 "the block at offset %" PRIu64 " of the journal has no entry 0:%" PRIu64
					 ": run `ledgerline verify`",
					 explaining->offset, explaining->seq);
	}
	struct slice wanted = explaining->asked->command_id;
	if (entry->seq != explaining->seq || (wanted.size && !slice_equal(wanted, entry->head.command_id)))
		return error_set(error, LL_DIVERGED,
				 "entry 0:%" PRIu64 " is not of command %.*s: receipts and journal do not belong "
				 "together: run `ledgerline verify`",
				 entry->seq, SLICE_PRINT(wanted));
	return LL_OK;
}

/* ---- the decision ---- */

static enum ll_code open_before(struct explaining *explaining, struct error *error)
{
	struct cut_source source = *explaining->source;
	struct cut_point point = {.kind = CUT_START};
	int refused = 0;
	if (explaining->seq > 0)
		point = (struct cut_point){.kind = CUT_ENTRY, .entry = explaining->seq - 1};
	source.mask = EXPLAIN_MASK;
	enum ll_code code = cut_open(&source, &point, INT64_MAX, &explaining->cut, &refused, error);
	if (code == LL_OK && refused)
		code = error_set(error, LL_DIVERGED, "the journal ends before entry 0:%" PRIu64, explaining->seq);
	return code;
}

static enum ll_code decide_again(struct explaining *explaining, struct error *error)
{
	struct recording recording;
	struct view *view = cut_view(explaining->cut);
	explaining->redecider = redecider_new();
	explaining->facts.arena = &explaining->arena;
	recording_init(&recording, view, &explaining->arena);
	enum ll_code code = redecide(explaining->redecider, &recording.view, &explaining->entry, true,
				     &explaining->redecided, error);
	if (view->failure.code != LL_OK) /* what else is said follows from it */
		return error_set(error, view->failure.code, "%s", view->failure.text);
	if (code != LL_OK)
		return code;
	facts_draw(&explaining->facts, &explaining->entry, &explaining->redecided, recording.first, view);
	return view->failure.code == LL_OK ? LL_OK : error_set(error, view->failure.code, "%s", view->failure.text);
}

/* ---- who set the facts ---- */

static enum ll_code show_watches(void *context, const struct entry *entry, struct error *error)
{
	struct explaining *explaining = context;
	(void)error;
	if (entry->seq >= explaining->seq)
		return LL_END;
	if (annulments_cover(cut_annulled(explaining->cut), entry->offset, entry->index))
		return LL_OK;
	for (uint32_t i = 0; i < explaining->facts.count; i++)
		watch_entry(&explaining->facts.at[i].watch, entry);
	watch_entry(&explaining->earlier, entry);
	return LL_OK;
}

static enum ll_code find_setters(struct explaining *explaining, struct error *error)
{
	struct walk walk = {.end = explaining->offset + 1, .entry = show_watches, .context = explaining};
	struct fold fold = {.begun = false};
	struct slice id = explaining->entry.head.command_id;
	explaining->earlier = (struct watch){.kind = id.size ? WATCH_COMMAND : WATCH_NOTHING, .text = id};
	return walk_journal(explaining->source->journal, &walk, &fold, error);
}

/* ---- the answer ---- */

static void write_position(struct json_writer *writer, const struct watch *watch)
{
	json_key(writer, "position");
	if (watch->is_set)
		json_textf(writer, "0:%" PRIu64, watch->seq);
	else
		json_null(writer);
	json_key(writer, "offset");
	if (watch->is_set)
		json_uint64(writer, watch->offset);
	else
		json_null(writer);
}

static void write_facts(const struct explaining *explaining, struct json_writer *writer)
{
	json_key(writer, "facts");
	json_array_begin(writer);
	for (uint32_t i = 0; i < explaining->facts.count; i++) {
		const struct drawn_fact *fact = &explaining->facts.at[i];
		json_object_begin(writer);
		json_member_text(writer, "fact", fact->name);
		json_key(writer, "value");
		json_raw(writer, fact->value);
		write_position(writer, &fact->watch);
		json_object_end(writer);
	}
	if (explaining->entry.head.command_id.size) {
		json_object_begin(writer);
		json_member_text(writer, "fact", "earlierReceipt");
		json_key(writer, "value");
		if (explaining->earlier.is_set)
			json_textf(writer, "0:%" PRIu64, explaining->earlier.seq);
		else
			json_null(writer);
		write_position(writer, &explaining->earlier);
		json_object_end(writer);
	}
	json_array_end(writer);
}

static const char *code_name(uint16_t code)
{
	const struct code_info *info = code ? code_info(code) : NULL;
	return info ? info->name : NULL;
}

static void write_raw(struct json_writer *writer, const char *key, struct slice json)
{
	json_key(writer, key);
	if (json.size)
		json_raw(writer, json);
	else
		json_null(writer);
}

static void write_again(const struct explaining *explaining, bool same, struct json_writer *writer)
{
	const struct redecided *redecided = &explaining->redecided;
	json_key(writer, "again");
	if (same) {
		json_null(writer);
		return;
	}
	json_object_begin(writer);
	json_member_text(writer, "outcome", redecided->found_due ? NULL : decided_name(&redecided->decision));
	json_member_text(writer, "code", redecided->found_due ? NULL : code_name(redecided->decision.code));
	if (redecided->same) {
		json_member_text(writer, "key", "earlierReceipt");
		json_member_null(writer, "recorded");
		json_key(writer, "decided");
		json_textf(writer, "0:%" PRIu64, explaining->earlier.seq);
	} else {
		json_member_text(writer, "key", redecided->key);
		write_raw(writer, "recorded", redecided->recorded);
		write_raw(writer, "decided", redecided->again);
	}
	json_object_end(writer);
}

static void member_id(struct json_writer *writer, const char *key, struct slice id)
{
	json_key(writer, key);
	if (id.size)
		json_string(writer, id);
	else
		json_null(writer);
}

/* Of the engine's own entries: the first thing that they tell. */
static const char *type_of(const struct entry *entry)
{
	if (entry->head.outcome == OUTCOME_SYSTEM)
		return entry->event_count ? event_info(entry->events[0].type)->record->name : NULL;
	const struct command_info *info = command_info(entry->head.command);
	return info ? info->record->name : NULL;
}

static void write_answer(const struct explaining *explaining, bool same, struct buffer *out)
{
	const struct entry *entry = &explaining->entry;
	struct json_writer writer;
	json_writer_init(&writer, out, false);
	json_object_begin(&writer);
	member_id(&writer, "commandId", entry->head.command_id);
	json_member_text(&writer, "type", type_of(entry));
	json_key(&writer, "actor");
	json_object_begin(&writer);
	json_member_text(&writer, "type", enumeration_text(&actor_type_enumeration, entry->head.actor_type));
	member_id(&writer, "id", entry->head.actor_id);
	json_object_end(&writer);
	json_key(&writer, "position");
	json_textf(&writer, "0:%" PRIu64, entry->seq);
	json_member_uint64(&writer, "offset", entry->offset);
	json_member_time(&writer, "time", entry->time);
	json_member_text(&writer, "outcome", enumeration_text(&outcome_enumeration, entry->head.outcome));
	json_member_text(&writer, "code", entry->head.outcome == OUTCOME_REFUSED ? code_name(entry->code) : NULL);
	json_member_uint64(&writer, "policyVersion", entry->head.policy);
	write_facts(explaining, &writer);
	json_member_bool(&writer, "redecided", same);
	write_again(explaining, same, &writer);
	json_object_end(&writer);
}

/* ---- all of it ---- */

/* An entry that does not come out again may be one that the journal takes back further on. */
static enum ll_code look_for_annulment(struct explaining *explaining, int *refused, struct error *error)
{
	struct annulments found = {.count = 0};
	struct fold fold = {.begun = false};
	enum ll_code code = annulled_find(explaining->source->journal, &fold, &found, error);
	if (code == LL_OK && annulments_cover(&found, explaining->offset, explaining->index))
		*refused = explaining->asked->command_id.size ? CODE_RECEIPT_NOT_FOUND : CODE_CUT_NOT_FOUND;
	annulments_release(&found);
	return code;
}

static enum ll_code explain_found(struct explaining *explaining, struct buffer *out, bool *redecided, int *refused,
				  struct error *error)
{
	enum ll_code code = read_entry(explaining, error);
	if (code == LL_OK)
		code = open_before(explaining, error);
	if (code == LL_OK)
		code = decide_again(explaining, error);
	if (code == LL_OK)
		code = find_setters(explaining, error);
	*redecided = explaining->redecided.same && !explaining->earlier.is_set;
	if (code == LL_OK && !*redecided)
		code = look_for_annulment(explaining, refused, error);
	if (code == LL_OK && !*refused)
		write_answer(explaining, *redecided, out);
	return code;
}

enum ll_code explain(const struct cut_source *source, const struct explain_asked *asked, struct buffer *out,
		     uint64_t *seq, bool *redecided, int *refused, struct error *error)
{
	struct explaining *explaining = calloc(1, sizeof *explaining);
	ENSURE(explaining && "memory is used up");
	explaining->asked = asked;
	explaining->source = source;
	*refused = 0;
	*redecided = false;
	enum ll_code code = find_entry(explaining, error);
	if (code == LL_OK && !explaining->is_found)
		*refused = asked->command_id.size ? CODE_RECEIPT_NOT_FOUND : CODE_CUT_NOT_FOUND;
	if (code == LL_OK && explaining->is_found)
		code = explain_found(explaining, out, redecided, refused, error);
	*seq = explaining->seq;
	cut_close(explaining->cut);
	redecider_free(explaining->redecider);
	arena_release(&explaining->arena);
	free(explaining->bytes);
	free(explaining);
	return code;
}
