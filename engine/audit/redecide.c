#include "engine/audit/redecide.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/decide/due.h"
#include "engine/read/read.h"
#include "engine/reply/reply.h"
#include "schemas/command_hash.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/record_json.h"

struct redecider {
	struct arena arena; /* of one decision */
	struct arena rules; /* the policy's lists and texts */
	struct policy policy;
	uint32_t policy_version; /* 0: to be read */
	struct zone *zone;
	uint8_t *rooms[2]; /* BLOCK_BYTES_MAX each: the entry as it was, and as it is now */
	struct buffer texts[2];
};

struct redecider *redecider_new(void)
{
	struct redecider *redecider = calloc(1, sizeof *redecider);
	ENSURE(redecider && "memory is used up");
	for (unsigned i = 0; i < 2; i++) {
		redecider->rooms[i] = malloc(BLOCK_BYTES_MAX);
		ENSURE(redecider->rooms[i] && "memory is used up");
	}
	return redecider;
}

void redecider_free(struct redecider *redecider)
{
	if (!redecider)
		return;
	for (unsigned i = 0; i < 2; i++) {
		free(redecider->rooms[i]);
		buffer_release(&redecider->texts[i]);
	}
	arena_release(&redecider->arena);
	arena_release(&redecider->rules);
	zone_free(redecider->zone);
	free(redecider);
}

const char *decided_name(const struct decision *decision)
{
	switch (decision->outcome) {
	case DECIDED_ACCEPTED: return "accepted";
	case DECIDED_REFUSED: return "refused";
	case DECIDED_REJECTED: return "rejected";
	case DECIDED_READ: return "read";
	}
	UNREACHABLE();
}

/* ---- the rules that held ---- */

static enum ll_code load_policy(struct redecider *redecider, struct view *view, struct error *error)
{
	struct policy policy;
	uint32_t version;
	if (!read_policy(view, &policy, &version))
		return error_set(error, LL_CORRUPT, "%s",
				 view->failure.code != LL_OK ? view->failure.text
							     : "there is no policy at this place of the journal");
	arena_reset(&redecider->rules);
	policy.time_zone = arena_copy(&redecider->rules, policy.time_zone);
	size_t steps = policy.refund_table.count * sizeof *policy.refund_table.at;
	struct refund_step *kept = arena_alloc(&redecider->rules, steps);
	if (steps)
		memcpy(kept, policy.refund_table.at, steps);
	policy.refund_table.at = kept;
	redecider->policy = policy;
	redecider->policy_version = version;
	if (redecider->zone && slice_equal(slice_text(zone_name(redecider->zone)), policy.time_zone))
		return LL_OK;
	zone_free(redecider->zone);
	redecider->zone = NULL;
	return zone_load(policy.time_zone, &redecider->zone, error);
}

/* ---- what differs ---- */

static void differs(struct redecider *redecider, struct redecided *redecided, const char *key)
{
	redecided->same = false;
	if (key)
		snprintf(redecided->key, sizeof redecided->key, "%s", key);
	redecided->recorded = buffer_slice(&redecider->texts[0]);
	redecided->again = buffer_slice(&redecider->texts[1]);
}

static struct json_writer text_of(struct redecider *redecider, unsigned side)
{
	struct json_writer writer;
	buffer_clear(&redecider->texts[side]);
	json_writer_init(&writer, &redecider->texts[side], false);
	return writer;
}

static void differ_in_words(struct redecider *redecider, struct redecided *redecided, const char *key,
			    const char *recorded, const char *again)
{
	struct json_writer writer = text_of(redecider, 0);
	json_text(&writer, recorded);
	writer = text_of(redecider, 1);
	json_text(&writer, again);
	differs(redecider, redecided, key);
}

static void differ_in_numbers(struct redecider *redecider, struct redecided *redecided, const char *key,
			      uint64_t recorded, uint64_t again)
{
	struct json_writer writer = text_of(redecider, 0);
	json_uint64(&writer, recorded);
	writer = text_of(redecider, 1);
	json_uint64(&writer, again);
	differs(redecider, redecided, key);
}

static const void *fields_of(const struct event *event)
{
	return &event->user_registered; /* those of any event stand at one address */
}

/* {"name":value} -> value */
static struct slice value_of(struct slice object, const struct field *field)
{
	size_t before = strlen(field->json) + 4;
	return slice_of(object.at + before, object.size - before - 1);
}

/* An event that was written in an earlier version says nothing about what came later. */
static bool field_differs(struct redecider *redecider, const struct record *record, const struct field *field,
			  const struct event *sides[2], const char *key, struct redecided *redecided)
{
	struct field shown = *field;
	const struct record alone = {record->name, &shown, 1, record->size};
	shown.flat = false;
	for (unsigned side = 0; side < 2; side++) {
		struct json_writer writer = text_of(redecider, side);
		record_json(&writer, &alone, fields_of(sides[side]));
	}
	if (slice_equal(buffer_slice(&redecider->texts[0]), buffer_slice(&redecider->texts[1])))
		return false;
	differs(redecider, redecided, key);
	redecided->recorded = value_of(redecided->recorded, field);
	redecided->again = value_of(redecided->again, field);
	return true;
}

static bool event_differs(struct redecider *redecider, const struct entry *entry, uint32_t index,
			  struct redecided *redecided)
{
	const struct event *sides[2] = {&entry->events[index], &redecided->decision.events[index]};
	const struct event_info *infos[2] = {event_info(sides[0]->type), event_info(sides[1]->type)};
	char key[96];
	if (sides[0]->type != sides[1]->type) {
		snprintf(key, sizeof key, "events[%" PRIu32 "].type", index);
		differ_in_words(redecider, redecided, key, infos[0]->record->name, infos[1]->record->name);
		return true;
	}
	for (uint16_t i = 0; i < infos[0]->record->count; i++) {
		const struct field *field = &infos[0]->record->fields[i];
		snprintf(key, sizeof key, "events[%" PRIu32 "].%s", index, field->json);
		if (field->since <= sides[0]->version &&
		    field_differs(redecider, infos[0]->record, field, sides, key, redecided))
			return true;
	}
	return false;
}

static void write_facts(struct redecider *redecider, unsigned side, const struct fact_list *facts)
{
	struct json_writer writer = text_of(redecider, side);
	json_object_begin(&writer);
	for (uint32_t i = 0; i < facts->count; i++)
		json_member_fact(&writer, enumeration_text(&fact_name_enumeration, facts->at[i].name), &facts->at[i]);
	json_object_end(&writer);
}

static const char *code_name(uint16_t code)
{
	const struct code_info *info = code_info(code);
	return info ? info->name : NULL;
}

/* The bytes differ, or could not be compared: in what? */
static void find_difference(struct redecider *redecider, const struct entry *entry, struct redecided *redecided)
{
	const struct decision *decision = &redecided->decision;
	if (entry->head.outcome == OUTCOME_REFUSED) {
		if (entry->code != decision->code) {
			differ_in_words(redecider, redecided, "code", code_name(entry->code),
					code_name(decision->code));
			return;
		}
		write_facts(redecider, 0, &entry->facts);
		write_facts(redecider, 1, &decision->facts);
		if (!slice_equal(buffer_slice(&redecider->texts[0]), buffer_slice(&redecider->texts[1])))
			differs(redecider, redecided, "facts");
		return;
	}
	if (entry->event_count != decision->event_count) {
		differ_in_numbers(redecider, redecided, "events", entry->event_count, decision->event_count);
		return;
	}
	for (uint32_t i = 0; i < entry->event_count; i++)
		if (event_differs(redecider, entry, i, redecided))
			return;
}

/* Most entries are compared by their bytes. */
static bool bytes_are_equal(struct redecider *redecider, const struct entry *entry, const struct redecided *redecided)
{
	size_t sizes[2];
	struct entry again = *entry;
	again.events = (struct event *)(uintptr_t)redecided->decision.events;
	again.event_count = redecided->decision.event_count;
	again.code = redecided->decision.code;
	again.facts = redecided->decision.facts;
	for (unsigned side = 0; side < 2; side++) {
		const struct entry *one = side ? &again : entry;
		struct packer p = packer_over(redecider->rooms[side], BLOCK_BYTES_MAX);
		if (entry->head.outcome == OUTCOME_REFUSED)
			entry_encode_refused(&p, one, &redecided->command);
		else
			entry_encode(&p, one);
		if (p.full)
			return false;
		sizes[side] = (size_t)(p.at - redecider->rooms[side]);
	}
	return sizes[0] == sizes[1] && memcmp(redecider->rooms[0], redecider->rooms[1], sizes[0]) == 0;
}

static void compare(struct redecider *redecider, const struct entry *entry, struct redecided *redecided)
{
	bool refused = entry->head.outcome == OUTCOME_REFUSED;
	enum decided wanted = refused ? DECIDED_REFUSED : DECIDED_ACCEPTED;
	redecided->same = true;
	if (entry->head.policy != redecided->policy_version)
		differ_in_numbers(redecider, redecided, "policyVersion", entry->head.policy, redecided->policy_version);
	else if (redecided->decision.outcome != wanted)
		differ_in_words(redecider, redecided, "outcome", refused ? "refused" : "accepted",
				decided_name(&redecided->decision));
	else if (!bytes_are_equal(redecider, entry, redecided))
		find_difference(redecider, entry, redecided);
}

/* ---- deciding ---- */

static void decide_system(struct redecider *redecider, struct decide_context *context, const struct entry *entry,
			  struct redecided *redecided)
{
	bool due = due_again(context, entry, &redecided->decision, &redecided->is_told);
	redecided->same = redecided->is_told;
	if (redecided->is_told)
		return;
	redecided->found_due = !due;
	if (due)
		compare(redecider, entry, redecided);
	else
		differ_in_words(redecider, redecided, "outcome", "system", "nothing was due");
}

static enum ll_code decide_command(struct redecider *redecider, struct decide_context *context,
				   const struct entry *entry, struct redecided *redecided, struct error *error)
{
	struct command *command = &redecided->command;
	redecided->has_command = command_of_entry(entry, &redecider->arena, command);
	if (!redecided->has_command)
		return error_set(error, LL_POISON, "entry 0:%" PRIu64 ": its events are not those of any command",
				 entry->seq);
	struct short_hash hash = command_hash(command);
	redecided->found_due = due_for_command(context, command, &redecided->decision);
	if (redecided->found_due) {
		const struct event_info *info = event_info(redecided->decision.events[0].type);
		differ_in_words(redecider, redecided, "due", NULL, info->record->name);
		return LL_OK;
	}
	decide(context, command, &redecided->decision);
	compare(redecider, entry, redecided);
	if (redecided->same && !slice_equal(short_hash_slice(&hash), entry->head.command_hash)) {
		char texts[2][2 * HASH_BYTES + 1];
		hex_text(texts[0], entry->head.command_hash.at, entry->head.command_hash.size);
		hex_text(texts[1], hash.bytes, sizeof hash.bytes);
		differ_in_words(redecider, redecided, "commandHash", texts[0], texts[1]);
	}
	return LL_OK;
}

enum ll_code redecide(struct redecider *redecider, struct view *view, const struct entry *entry, bool fresh,
		      struct redecided *redecided, struct error *error)
{
	enum ll_code code = LL_OK;
	if (fresh || !redecider->policy_version)
		code = load_policy(redecider, view, error);
	if (code != LL_OK)
		return code;
	arena_reset(&redecider->arena);
	struct decide_context context = {
		.view = view,
		.policy = &redecider->policy,
		.policy_version = redecider->policy_version,
		.zone = redecider->zone,
		.seq = entry->seq,
		.now = entry->time,
		.arena = &redecider->arena,
	};
	redecided->is_told = redecided->has_command = redecided->found_due = redecided->same = false;
	redecided->policy = redecider->policy;
	redecided->policy_version = redecider->policy_version;
	redecided->key[0] = 0;
	redecided->recorded = redecided->again = SLICE_EMPTY;
	if (entry->head.outcome == OUTCOME_SYSTEM)
		decide_system(redecider, &context, entry, redecided);
	else
		code = decide_command(redecider, &context, entry, redecided, error);
	if (entry->event_count && entry->events[0].type == EVENT_POLICY_CHANGED)
		redecider->policy_version = 0;
	if (code == LL_OK && view->failure.code != LL_OK)
		code = error_set(error, view->failure.code, "%s", view->failure.text);
	return code;
}
