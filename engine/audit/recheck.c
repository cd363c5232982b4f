#include "engine/audit/recheck.h"

#include <inttypes.h>
#include <stdio.h>

/* A count of everything takes as long as folding that much: each comes when there is twice as much. */
enum { RECOUNT_FIRST = 1000 };

void recheck_init(struct recheck *recheck, struct view *(*view)(void *context), void *context)
{
	*recheck = (struct recheck){.view = view, .context = context, .next_recount = RECOUNT_FIRST};
	recheck->redecider = redecider_new();
	json_writer_init(&recheck->writer, &recheck->json, false);
	json_array_begin(&recheck->writer);
}

void recheck_release(struct recheck *recheck)
{
	redecider_free(recheck->redecider);
	buffer_release(&recheck->words);
	buffer_release(&recheck->json);
}

static void write_value(struct json_writer *writer, const char *key, struct slice json)
{
	json_key(writer, key);
	if (json.size)
		json_raw(writer, json);
	else
		json_null(writer);
}

/* A list of seats may be long. */
static void say_value(struct buffer *words, struct slice json)
{
	enum { SHOWN_MAX = 120 };
	if (json.size == 0)
		buffer_append_text(words, "nothing");
	else
		buffer_append(words, json.at, json.size < SHOWN_MAX ? json.size : SHOWN_MAX);
	if (json.size > SHOWN_MAX)
		buffer_append_text(words, "...");
}

void recheck_finding(struct recheck *recheck, const struct entry *entry, const char *check, const char *key,
		     struct slice recorded, struct slice found)
{
	struct json_writer *writer = &recheck->writer;
	struct slice id = entry->head.command_id;
	char position[32], line[384];
	if (++recheck->findings > RECHECK_FINDINGS_MAX)
		return;
	snprintf(position, sizeof position, "0:%" PRIu64, entry->seq);
	json_object_begin(writer);
	json_member_text(writer, "position", position);
	json_member_uint64(writer, "offset", entry->offset);
	json_key(writer, "commandId");
	if (id.size)
		json_string(writer, id);
	else
		json_null(writer);
	json_member_text(writer, "check", check);
	json_member_text(writer, "key", key);
	write_value(writer, "recorded", recorded);
	write_value(writer, "found", found);
	json_object_end(writer);
	snprintf(line, sizeof line, "%s %s (offset %" PRIu64 "%s%.*s): %s: ", check, position, entry->offset,
		 id.size ? ", command " : "", SLICE_PRINT(id), key);
	buffer_append_text(&recheck->words, line);
	say_value(&recheck->words, recorded);
	buffer_append_text(&recheck->words, " recorded, ");
	say_value(&recheck->words, found);
	buffer_append_text(&recheck->words, strcmp(check, "decide") == 0 ? " decided now\n" : " is so\n");
}

static void begin_anew(struct recheck *recheck)
{
	struct view *(*view)(void *context) = recheck->view;
	void *context = recheck->context;
	bool decide = recheck->decide, invariants = recheck->invariants;
	recheck_release(recheck);
	recheck_init(recheck, view, context);
	recheck->decide = decide;
	recheck->invariants = invariants;
}

void recheck_before(void *context, const struct entry *entry)
{
	struct recheck *recheck = context;
	struct redecided redecided;
	struct error error;
	if (entry->seq < recheck->entries)
		begin_anew(recheck);
	bool fresh = recheck->entries != entry->seq; /* what stood between is left out */
	recheck->entries = entry->seq + 1;
	if (!recheck->decide)
		return;
	enum ll_code code =
		redecide(recheck->redecider, recheck->view(recheck->context), entry, fresh, &redecided, &error);
	if (code != LL_OK) {
		struct buffer text = {0};
		json_escape(&text, slice_text(error.text));
		recheck_finding(recheck, entry, "decide", "command", SLICE_EMPTY, buffer_slice(&text));
		buffer_release(&text);
		return;
	}
	recheck->decided += !redecided.is_told;
	if (!redecided.same)
		recheck_finding(recheck, entry, "decide", redecided.key, redecided.recorded, redecided.again);
}

void recheck_after(void *context, const struct entry *entry)
{
	struct recheck *recheck = context;
	if (!recheck->invariants)
		return;
	struct view *view = recheck->view(recheck->context);
	laws_of_entry(recheck, view, entry);
	if (entry->seq + 1 >= recheck->next_recount) {
		recheck->next_recount = 2 * (entry->seq + 1);
		laws_of_state(recheck, view, entry);
	}
	arena_reset(view->arena);
}

void recheck_count(struct recheck *recheck)
{
	if (!recheck->invariants || !recheck->entries)
		return;
	struct view *view = recheck->view(recheck->context);
	struct entry last = {.seq = recheck->entries - 1};
	laws_of_state(recheck, view, &last);
	arena_reset(view->arena);
}

struct slice recheck_json(struct recheck *recheck)
{
	json_array_end(&recheck->writer);
	return buffer_slice(&recheck->json);
}
