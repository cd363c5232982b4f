/*
 * A play of commands, one JSON text a line: each is refused as no command, or decided; what is decided folds without contradiction, and
 * names its command again. A line `@N` lets N milliseconds pass.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/api/command_json.h"
#include "engine/decide/decide.h"
#include "engine/decide/due.h"
#include "engine/read/read.h"
#include "engine/reply/reply.h"
#include "projections/projection.h"
#include "projections/views/layer.h"
#include "schemas/command_hash.h"
#include "schemas/wire/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES_MAX = 400 };
#define START INT64_C(1772355600000) /* 2026-03-01T09:00:00Z */
#define STEP_MAX INT64_C(100000000000)

struct play {
	struct arena arena, decided, parsed, rules;
	struct layer *layer;
	struct view *view;
	struct zone *zone;
	struct policy policy;
	uint32_t policy_version;
	int64_t now;
	uint64_t entries;
	struct decision decision;
	uint8_t *room;
};

static void load_policy(struct play *play)
{
	struct policy policy;
	uint32_t version;
	struct error error;
	ENSURE(read_policy(play->view, &policy, &version));
	if (version == play->policy_version)
		return;
	arena_reset(&play->rules);
	play->policy = policy;
	play->policy.time_zone = arena_copy(&play->rules, policy.time_zone);
	size_t bytes = policy.refund_table.count * sizeof *policy.refund_table.at;
	play->policy.refund_table.at = arena_alloc(&play->rules, bytes);
	if (bytes)
		memcpy(play->policy.refund_table.at, policy.refund_table.at, bytes);
	play->policy_version = version;
	zone_free(play->zone);
	ENSURE(zone_load(play->policy.time_zone, &play->zone, &error) == LL_OK);
}

static void begin(struct play *play)
{
	struct genesis_body body = {SLICE("fuzz"), 1, SLICE("0"), policy_first};
	struct error error;
	*play = (struct play){.now = START, .room = malloc(BLOCK_BYTES_MAX)};
	ENSURE(play->room);
	play->layer = layer_new(NULL, &play->arena);
	play->view = layer_view(play->layer);
	play->view->time = START;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (projections[id]->begin)
			ENSURE(projections[id]->begin(play->view, START, &body, &error) == LL_OK);
	load_policy(play);
}

static void finish(struct play *play)
{
	layer_free(play->layer);
	zone_free(play->zone);
	arena_release(&play->arena);
	arena_release(&play->decided);
	arena_release(&play->parsed);
	arena_release(&play->rules);
	free(play->room);
}

static struct decide_context context_of(struct play *play)
{
	arena_reset(&play->decided);
	play->decision.outcome = DECIDED_READ;
	play->decision.event_count = 0;
	play->decision.facts = (struct fact_list){0};
	play->decision.field = play->decision.reason = NULL;
	return (struct decide_context){.view = play->view,
				       .policy = &play->policy,
				       .policy_version = play->policy_version,
				       .zone = play->zone,
				       .seq = play->view->next_seq,
				       .now = play->now,
				       .arena = &play->decided};
}

static void check_answers(const struct entry *entry, const struct short_hash *hash, struct arena *arena)
{
	struct buffer out = {0};
	struct json_writer writer;
	json_writer_init(&writer, &out, false);
	(void)reply_render(entry, &writer);
	buffer_release(&out);
	if (entry->head.outcome != OUTCOME_ACCEPTED)
		return;
	struct command again;
	ENSURE(command_of_entry(entry, arena, &again));
	struct short_hash found = command_hash(&again);
	ENSURE(memcmp(&found, hash, sizeof found) == 0);
}

/* Through its bytes, as the journal gives it, to every projection. */
static void fold(struct play *play, const struct entry *made, const struct command *command)
{
	struct error error = {0};
	struct arena arena = {0};
	struct packer p = packer_over(play->room, BLOCK_BYTES_MAX - ENVELOPE_SIZE);
	if (made->head.outcome == OUTCOME_REFUSED)
		entry_encode_refused(&p, made, command);
	else
		entry_encode(&p, made);
	if (p.full)
		return;
	struct entry entry = {.seq = play->view->next_seq, .offset = play->view->next_seq + 2, .time = play->now};
	struct cursor cursor = cursor_over(slice_of(play->room, (size_t)(p.at - play->room)), &arena);
	cursor.seq = entry.seq;
	ENSURE(entry_decode(&cursor, &entry) && cursor.at == cursor.end);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		ENSURE(projections[id]->apply(play->view, &entry, &error) == LL_OK &&
		       play->view->failure.code == LL_OK);
	play->view->next_seq++;
	play->view->time = play->now;
	play->entries++;
	if (command) {
		struct short_hash hash = command_hash(command);
		check_answers(&entry, &hash, &arena);
	}
	arena_release(&arena);
	arena_reset(&play->arena);
}

static void fold_system(struct play *play)
{
	struct entry entry = {.head = {.outcome = OUTCOME_SYSTEM, .actor_type = ACTOR_TYPE_SYSTEM},
			      .events = play->decision.events,
			      .event_count = play->decision.event_count};
	fold(play, &entry, NULL);
}

static void run(struct play *play, const struct parsed_command *parsed)
{
	const struct command *command = &parsed->command;
	struct short_hash hash = command_hash(command);
	struct decide_context context = context_of(play);
	while (play->entries < ENTRIES_MAX && due_for_command(&context, command, &play->decision)) {
		fold_system(play);
		context = context_of(play);
	}
	if (play->entries >= ENTRIES_MAX)
		return;
	context = context_of(play);
	decide(&context, command, &play->decision);
	ENSURE(play->view->failure.code == LL_OK);
	if (play->decision.outcome == DECIDED_READ || play->decision.outcome == DECIDED_REJECTED)
		return;
	bool accepted = play->decision.outcome == DECIDED_ACCEPTED;
	ENSURE(!accepted || (play->decision.event_count > 0 && play->decision.event_count <= EVENTS_MAX));
	struct entry entry = {.events = play->decision.events,
			      .event_count = play->decision.event_count,
			      .code = play->decision.code,
			      .facts = play->decision.facts};
	entry.head = (struct entry_head){.outcome = accepted ? OUTCOME_ACCEPTED : OUTCOME_REFUSED,
					 .command_id = parsed->id.size ? parsed->id : SLICE("c"),
					 .command_hash = short_hash_slice(&hash),
					 .actor_type = ACTOR_TYPE_ADMIN,
					 .actor_id = parsed->actor_id,
					 .command = command->type,
					 .policy = play->policy_version};
	fold(play, &entry, command);
	load_policy(play);
}

static void pass_time(struct play *play, struct slice line)
{
	int64_t step = 0;
	for (size_t i = 1; i < line.size && line.at[i] >= '0' && line.at[i] <= '9' && step < STEP_MAX; i++)
		step = step * 10 + (line.at[i] - '0');
	play->now += step;
	struct decide_context context = context_of(play);
	while (play->entries < ENTRIES_MAX && due_next(&context, &play->decision)) {
		fold_system(play);
		context = context_of(play);
	}
}

static void take_line(struct play *play, struct slice line)
{
	static struct json_reader reader;
	static struct parsed_command parsed;
	const struct json_node *root;
	struct error error;
	if (line.size && line.at[0] == '@') {
		pass_time(play, line);
		return;
	}
	arena_reset(&play->parsed);
	if (json_read(&reader, line, &root, &error) != LL_OK)
		return;
	if (command_from_json(&reader, root, &play->parsed, NULL, &parsed))
		run(play, &parsed);
	else
		ENSURE(parsed.code && (parsed.code != CODE_VALIDATION_ERROR || parsed.reason[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct play play;
	begin(&play);
	while (size && play.entries < ENTRIES_MAX) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t length = end ? (size_t)(end - data) : size;
		take_line(&play, slice_of(data, length));
		data += length + (end ? 1 : 0);
		size -= length + (end ? 1 : 0);
	}
	finish(&play);
	return 0;
}
