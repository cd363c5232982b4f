#include "engine/audit/period.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/audit/span.h"
#include "engine/read/read.h"
#include "engine/reply/reply.h"
#include "projections/export/export.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/hash.h"
#include "schemas/wire/record_json.h"

/* ---- the state ---- */

static void digest_bytes(uint8_t *bytes, const char *text)
{
	for (size_t i = 0; i < HASH_BYTES; i++) {
		unsigned byte = 0;
		ENSURE(sscanf(text + 2 * i, "%2x", &byte) == 1);
		bytes[i] = (uint8_t)byte;
	}
}

/* The totals' members of an object, under the event's names. */
static const struct {
	const char *object, *member; /* object NULL: it stands at the top */
	size_t offset;
} members[] = {
#define MEMBER(object, member, field)                                                                                  \
	{                                                                                                              \
		object, member, offsetof(struct period_closed, field)                                                  \
	}
	MEMBER(NULL, "entries", entries),
	MEMBER(NULL, "accepted", accepted),
	MEMBER(NULL, "refused", refused),
	MEMBER("points", "charged", charged),
	MEMBER("points", "used", used),
	MEMBER("points", "refunded", refunded),
	MEMBER("points", "expired", expired),
	MEMBER("points", "adjusted", adjusted),
	MEMBER("points", "held", held),
	MEMBER("points", "debt", debt),
	MEMBER("points", "balances", balances),
	MEMBER("seats", "total", seats_total),
	MEMBER("seats", "available", seats_available),
	MEMBER("seats", "held", seats_held),
	MEMBER("seats", "reserved", seats_reserved),
	MEMBER("reservations", "HELD", reservations_held),
	MEMBER("reservations", "CONFIRMED", reservations_confirmed),
	MEMBER("reservations", "EXPIRED", reservations_expired),
	MEMBER("reservations", "CANCELLED", reservations_cancelled),
};

static void take_totals(struct period *period, struct slice json)
{
	struct json_reader reader = {0};
	const struct json_node *root;
	ENSURE(json_read(&reader, json, &root, NULL) == LL_OK);
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		const struct json_node *object = root;
		if (members[i].object)
			object = json_member(&reader, root, slice_text(members[i].object));
		const struct json_node *member =
			object ? json_member(&reader, object, slice_text(members[i].member)) : NULL;
		ENSURE(member && member->is_integer);
		memcpy((uint8_t *)&period->closed + members[i].offset, &member->integer, sizeof member->integer);
	}
	json_reader_release(&reader);
}

enum ll_code period_at(struct cut *cut, struct period *period, struct error *error)
{
	struct buffer totals = {0};
	struct json_writer writer;
	char digest[DIGEST_TEXT_SIZE + 1];
	struct view *view = cut_view(cut);
	json_writer_init(&writer, &totals, false);
	json_object_begin(&writer);
	(void)read_totals_points(view, &writer);
	(void)read_totals_seats(view, &writer);
	json_object_end(&writer);
	enum ll_code code = digest_of_view(view, digest, error);
	if (code == LL_OK && view->failure.code != LL_OK)
		code = error_set(error, view->failure.code, "%s", view->failure.text);
	if (code == LL_OK) {
		struct hash hash = hash_of(buffer_slice(&totals));
		memcpy(period->totals_digest, hash.bytes, sizeof period->totals_digest);
		digest_bytes(period->state_digest, digest);
		period->closed.last_seq = cut_entries(cut) ? cut_entries(cut) - 1 : NONE_U64;
		period->closed.totals_digest = slice_of(period->totals_digest, sizeof period->totals_digest);
		period->closed.state_digest = slice_of(period->state_digest, sizeof period->state_digest);
		take_totals(period, buffer_slice(&totals));
	}
	buffer_release(&totals);
	return code;
}

/* ---- as JSON, and compared ---- */

/* All but name, approver and the last entry, which are shown otherwise, or are what the state was asked by. */
static bool is_of_state(const struct field *field)
{
	return strcmp(field->name, "name") != 0 && strcmp(field->name, "approver") != 0 &&
	       strcmp(field->name, "last_seq") != 0;
}

void period_write(const struct period_closed *closed, struct json_writer *writer)
{
	json_member_string(writer, "name", closed->name);
	json_member_string(writer, "approver", closed->approver);
	json_key(writer, "position");
	if (closed->last_seq == NONE_U64)
		json_text(writer, "start");
	else
		json_textf(writer, "0:%" PRIu64, closed->last_seq);
	for (uint16_t i = 0; i < period_closed_record.count; i++) {
		struct field field = period_closed_record.fields[i];
		const struct record alone = {period_closed_record.name, &field, 1, period_closed_record.size};
		if (is_of_state(&field))
			record_json_members(writer, &alone, closed);
	}
}

static void one_member(const struct field *field, const struct period_closed *closed, struct buffer *out)
{
	struct json_writer writer;
	const struct record alone = {period_closed_record.name, field, 1, period_closed_record.size};
	buffer_clear(out);
	json_writer_init(&writer, out, false);
	record_json(&writer, &alone, closed);
}

/* {"charged":5000} -> 5000 */
static struct slice value_of(const struct buffer *json, const struct field *field)
{
	size_t skip = strlen(field->json) + 4;
	return slice_of(json->at + skip, json->size - skip - 1);
}

void period_compare(const struct period_closed *said, const struct period_closed *found, struct buffer *words)
{
	struct buffer left = {0}, right = {0};
	for (uint16_t i = 0; i < period_closed_record.count; i++) {
		const struct field *field = &period_closed_record.fields[i];
		if (!is_of_state(field))
			continue;
		one_member(field, said, &left);
		one_member(field, found, &right);
		struct slice then = value_of(&left, field), now = value_of(&right, field);
		if (slice_equal(then, now) || (field->since > 1 && slice_equal(then, SLICE("null"))))
			continue;
		buffer_printf(words, "%s%s was closed as %.*s and is %.*s", words->size ? "; " : "", field->json,
			      SLICE_PRINT(then), SLICE_PRINT(now));
	}
	buffer_release(&left);
	buffer_release(&right);
}

void closing_write(const struct closing *closing, struct json_writer *writer)
{
	json_object_begin(writer);
	period_write(&closing->period.closed, writer);
	json_key(writer, "closedBy");
	json_textf(writer, "0:%" PRIu64, closing->seq);
	json_member_uint64(writer, "offset", closing->offset);
	json_member_time(writer, "time", closing->time);
	json_object_end(writer);
}

/* ---- those of a journal ---- */

void closings_release(struct closings *closings)
{
	for (size_t i = 0; i < closings->count; i++)
		free(closings->at[i]);
	free(closings->at);
	arena_release(&closings->arena);
}

static enum ll_code on_entry(void *context, const struct entry *entry, struct error *error)
{
	struct closings *closings = context;
	(void)error;
	if (entry->event_count != 1 || entry->events[0].type != EVENT_PERIOD_CLOSED)
		return LL_OK;
	struct closing *closing = calloc(1, sizeof *closing);
	closings->at = realloc(closings->at, (closings->count + 1) * sizeof *closings->at);
	ENSURE(closing && closings->at);
	*closing = (struct closing){.seq = entry->seq, .offset = entry->offset, .time = entry->time};
	struct period_closed *closed = &closing->period.closed;
	*closed = entry->events[0].period_closed;
	closed->name = arena_copy(&closings->arena, closed->name);
	closed->approver = arena_copy(&closings->arena, closed->approver);
	closed->totals_digest = arena_copy(&closings->arena, closed->totals_digest);
	closed->state_digest = arena_copy(&closings->arena, closed->state_digest);
	closings->at[closings->count++] = closing;
	return LL_OK;
}

enum ll_code closings_find(struct journal *journal, struct closings *closings,
			   void (*progress)(void *context, uint64_t offset, uint64_t end), void *context,
			   struct error *error)
{
	struct span span = {
		.from = {.kind = CUT_START}, .at = {.kind = CUT_LATEST}, .progress = progress, .context = context};
	const struct cut_point *which;
	int refused = 0;
	enum ll_code code = span_find(journal, &span, &refused, &which, error);
	if (code == LL_OK)
		code = span_walk(journal, &span, on_entry, closings, error);
	span_release(&span);
	return code;
}

enum ll_code closing_check(const struct cut_source *source, const struct closing *closing, struct buffer *words,
			   struct error *error)
{
	const struct period_closed *said = &closing->period.closed;
	struct cut_point point = {.kind = CUT_START};
	struct cut_source all = *source;
	struct period found;
	struct cut *cut = NULL;
	int refused = 0;
	if (said->last_seq != NONE_U64)
		point = (struct cut_point){.kind = CUT_ENTRY, .entry = said->last_seq};
	if (said->last_seq != NONE_U64 && said->last_seq >= closing->seq) {
		buffer_printf(words, "its last entry 0:%" PRIu64 " is not before it", said->last_seq);
		return LL_OK;
	}
	all.mask = audit_mask(AUDIT_TOTALS);
	enum ll_code code = cut_open(&all, &point, INT64_MAX, &cut, &refused, error);
	ENSURE(code != LL_OK || !refused); /* the closing itself stands behind it */
	if (code == LL_OK)
		code = period_at(cut, &found, error);
	if (code == LL_OK)
		period_compare(said, &found.closed, words);
	cut_close(cut);
	return code;
}
