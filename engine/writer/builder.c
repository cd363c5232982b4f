#include "engine/writer/builder.h"

#include <stdlib.h>

#include "engine/decide/due.h"
#include "engine/read/read.h"
#include "projections/views/rows.h"
#include "schemas/wire/ensure.h"

enum { EXPIRED_FOR_COMMAND_MAX = 24 }; /* entries */

struct builder {
	struct ledger *ledger;
	uint8_t *room; /* BLOCK_BYTES_MAX */
	struct packer packer;
	uint32_t count;
	uint64_t first_seq;
	int64_t time;
	struct arena decided; /* what decisions point to, for one entry */
	struct arena rules;   /* the policy's lists and texts */
	struct buffer body;   /* of one answer, while it is written */
	struct arena answers; /* facts and bodies of answers that are held until the block is committed */
	struct policy policy;
	uint32_t policy_version; /* 0: to be read again */
	bool policy_is_of_block; /* the block that is built has made it: when it is lost, another one may get this version */
	struct zone *zone;
	struct decision decision;
};

struct builder *builder_new(struct ledger *ledger)
{
	struct builder *builder = calloc(1, sizeof *builder);
	ENSURE(builder);
	builder->ledger = ledger;
	builder->room = malloc(BLOCK_BYTES_MAX);
	ENSURE(builder->room);
	return builder;
}

void builder_free(struct builder *builder)
{
	if (!builder)
		return;
	arena_release(&builder->decided);
	arena_release(&builder->rules);
	arena_release(&builder->answers);
	buffer_release(&builder->body);
	zone_free(builder->zone);
	free(builder->room);
	free(builder);
}

/* ---- the rules that hold ---- */

static enum ll_code load_zone(struct builder *builder, struct error *error)
{
	struct slice name = builder->policy.time_zone;
	if (builder->zone && slice_equal(slice_text(zone_name(builder->zone)), name))
		return LL_OK;
	struct zone *zone;
	enum ll_code code = zone_load(name, &zone, error);
	if (code != LL_OK)
		return error_prefix(error, "the policy's time zone");
	zone_free(builder->zone);
	builder->zone = zone;
	return LL_OK;
}

/* Reads the policy in force into memory of the builder's own. */
static enum ll_code load_policy(struct builder *builder, struct error *error)
{
	struct view *view = ledger_overlay_view(builder->ledger);
	struct policy policy;
	uint32_t version;
	if (!read_policy(view, &policy, &version))
		return error_set(error, view->failure.code != LL_OK ? view->failure.code : LL_CORRUPT, "%s",
				 view->failure.code != LL_OK ? view->failure.text
							     : "the projection balances has no policy: rebuild it");
	if (version == builder->policy_version)
		return LL_OK;
	arena_reset(&builder->rules);
	builder->policy = policy;
	builder->policy.time_zone = arena_copy(&builder->rules, policy.time_zone);
	size_t steps = policy.refund_table.count * sizeof *policy.refund_table.at;
	builder->policy.refund_table.at = arena_alloc(&builder->rules, steps);
	if (steps)
		memcpy(builder->policy.refund_table.at, policy.refund_table.at, steps);
	builder->policy_version = version;
	return load_zone(builder, error);
}

/* ---- entries ---- */

static struct decide_context decide_context(struct builder *builder)
{
	return (struct decide_context){
		.view = ledger_overlay_view(builder->ledger),
		.policy = &builder->policy,
		.policy_version = builder->policy_version,
		.zone = builder->zone,
		.seq = builder->first_seq + builder->count,
		.now = builder->time,
		.arena = &builder->decided,
	};
}

/* Encodes an entry into the block and applies it to the overlay. false in *fits: no room, nothing has happened. */
static enum ll_code add_entry(struct builder *builder, struct entry *entry, const struct command *command, bool *fits,
			      struct error *error)
{
	struct packer before = builder->packer;
	if (entry->head.outcome == OUTCOME_REFUSED)
		entry_encode_refused(&builder->packer, entry, command);
	else
		entry_encode(&builder->packer, entry);
	*fits = !builder->packer.full;
	if (!*fits) {
		builder->packer = before;
		return LL_OK;
	}
	builder->count++;
	return ledger_overlay_apply(builder->ledger, entry, error);
}

static struct entry new_entry(struct builder *builder)
{
	struct entry entry = {
		.seq = builder->first_seq + builder->count,
		.index = builder->count,
		.time = builder->time,
	};
	entry.head.policy = builder->policy_version;
	return entry;
}

static enum ll_code add_system_entry(struct builder *builder, bool *fits, struct error *error)
{
	struct entry entry = new_entry(builder);
	entry.head.outcome = OUTCOME_SYSTEM;
	entry.head.actor_type = ACTOR_TYPE_SYSTEM;
	entry.events = builder->decision.events;
	entry.event_count = builder->decision.event_count;
	return add_entry(builder, &entry, NULL, fits, error);
}

static void begin_decision(struct builder *builder)
{
	builder->decision.outcome = DECIDED_READ;
	builder->decision.event_count = 0;
	builder->decision.facts = (struct fact_list){0};
	builder->decision.field = builder->decision.reason = NULL;
	arena_reset(&builder->decided);
}

static enum ll_code view_is_well(struct builder *builder, struct error *error)
{
	struct view *view = ledger_overlay_view(builder->ledger);
	return view->failure.code == LL_OK ? LL_OK : error_set(error, view->failure.code, "%s", view->failure.text);
}

/* ---- building ---- */

enum ll_code builder_begin(struct builder *builder, int64_t now, struct error *error)
{
	const struct fold *fold = ledger_fold_state(builder->ledger);
	ledger_overlay_open(builder->ledger);
	builder->packer = packer_over(builder->room + ENVELOPE_SIZE, BLOCK_BYTES_MAX - ENVELOPE_SIZE);
	builder->count = 0;
	builder->first_seq = fold->next_seq;
	builder->time = now > fold->time ? now : fold->time;
	arena_reset(&builder->answers);
	enum ll_code code = load_policy(builder, error);
	if (code != LL_OK)
		ledger_overlay_drop(builder->ledger);
	return code;
}

/* What the command touches is brought up to date first. Where that is very much, a block has only a part of it, and the
 * command comes first in the next one. */
static enum built expire_for(struct builder *builder, struct pending *pending, struct error *error)
{
	for (unsigned entries = 0;; entries++) {
		bool fits;
		begin_decision(builder);
		struct decide_context context = decide_context(builder);
		if (!due_for_command(&context, &pending->command, &builder->decision))
			return view_is_well(builder, error) == LL_OK ? BUILT_ENTRY : BUILT_FAILED;
		if (view_is_well(builder, error) != LL_OK || add_system_entry(builder, &fits, error) != LL_OK)
			return BUILT_FAILED;
		if (!fits || entries == EXPIRED_FOR_COMMAND_MAX)
			return BUILT_FULL;
	}
}

/* Facts outlive the decision: copied to where they last until the block is committed. */
static struct fact_list keep_facts(struct builder *builder, struct fact_list facts)
{
	size_t size = facts.count * sizeof *facts.at;
	struct fact *kept = arena_alloc(&builder->answers, size);
	for (uint32_t i = 0; i < facts.count; i++) {
		kept[i] = facts.at[i];
		kept[i].text = arena_copy(&builder->answers, facts.at[i].text);
		size_t numbers = facts.at[i].numbers.count * sizeof *facts.at[i].numbers.at;
		kept[i].numbers.at = arena_alloc(&builder->answers, numbers);
		if (numbers)
			memcpy(kept[i].numbers.at, facts.at[i].numbers.at, numbers);
	}
	return (struct fact_list){kept, facts.count};
}

static enum built hold_answer(struct builder *builder, struct pending *pending, enum answered kind, uint16_t code)
{
	pending->held = (struct answer){
		.kind = kind,
		.code = code,
		.facts = keep_facts(builder, builder->decision.facts),
		.field = builder->decision.field,
		.reason = builder->decision.reason,
	};
	ledger_overlay_reset(builder->ledger);
	return BUILT_ANSWER;
}

/* What a command that is a read shows. Written now, as this is the state that it found: a later command of the block, or a
 * step of the background, may have changed it by the time that the block is committed. */
static enum built hold_state(struct builder *builder, struct pending *pending, struct error *error)
{
	struct view *view = ledger_overlay_view(builder->ledger);
	const struct command *command = &pending->command;
	struct json_writer writer;
	int code = 0, status = 200;
	buffer_clear(&builder->body);
	json_writer_init(&writer, &builder->body, false);
	switch ((enum command_type)command->type) {
	case COMMAND_SCHEDULE_CANCEL:
		code = read_cancellation(view, command->schedule_cancel.schedule_id, &writer);
		break;
	case COMMAND_QUEUE_ENTER:
		code = read_queue_enter(view, command->queue_enter.queue_id, command->queue_enter.user_id, &writer);
		break;
	case COMMAND_QUEUE_LEAVE: status = 204; break;
	default: break;
	}
	if (view_is_well(builder, error) != LL_OK)
		return BUILT_FAILED;
	if (code)
		return hold_answer(builder, pending, ANSWER_REJECTED, (uint16_t)code);
	hold_answer(builder, pending, ANSWER_READ, 0);
	pending->held.status = status;
	pending->held.body = arena_copy(&builder->answers, buffer_slice(&builder->body));
	return BUILT_ANSWER;
}

/* Was this key decided before? */
static enum built look_up(struct builder *builder, struct pending *pending, bool *found)
{
	struct receipts_row receipt;
	struct view *view = ledger_overlay_view(builder->ledger);
	*found = receipts_get(view, receipts_key(short_hash_slice(&pending->id_hash)), &receipt);
	if (!*found)
		return BUILT_ENTRY;
	if (!slice_equal(receipt.command_hash, short_hash_slice(&pending->command_hash))) {
		begin_decision(builder);
		return hold_answer(builder, pending, ANSWER_REJECTED, CODE_IDEMPOTENCY_KEY_REUSED);
	}
	if (receipt.seq >= builder->first_seq)
		return BUILT_LATER;
	pending->hit_offset = receipt.offset;
	pending->hit_index = receipt.index;
	pending->hit_seq = receipt.seq;
	pending->hit_time = receipt.time;
	return BUILT_HIT;
}

static enum built write_entry(struct builder *builder, struct pending *pending, struct error *error)
{
	bool fits;
	bool alone = builder->count == 0;
	struct entry entry = new_entry(builder);
	entry.head.outcome = builder->decision.outcome == DECIDED_ACCEPTED ? OUTCOME_ACCEPTED : OUTCOME_REFUSED;
	entry.head.command_id = pending->id;
	entry.head.command_hash = short_hash_slice(&pending->command_hash);
	entry.head.actor_type = pending->actor_type;
	entry.head.actor_id = pending->actor_id;
	entry.head.command = pending->command.type;
	entry.events = builder->decision.events;
	entry.event_count = builder->decision.event_count;
	entry.code = builder->decision.code;
	entry.facts = builder->decision.facts;
	pending->seq = entry.seq;
	if (add_entry(builder, &entry, &pending->command, &fits, error) != LL_OK)
		return BUILT_FAILED;
	if (fits)
		return BUILT_ENTRY;
	if (!alone)
		return BUILT_FULL;
	begin_decision(builder);
	return hold_answer(builder, pending, ANSWER_REJECTED, CODE_ENTRY_TOO_LARGE);
}

enum built builder_add(struct builder *builder, struct pending *pending, struct error *error)
{
	bool found;
	enum built built = look_up(builder, pending, &found);
	if (view_is_well(builder, error) != LL_OK)
		return BUILT_FAILED;
	if (found)
		return built;
	built = expire_for(builder, pending, error);
	if (built != BUILT_ENTRY)
		return built;
	begin_decision(builder);
	struct decide_context context = decide_context(builder);
	decide(&context, &pending->command, &builder->decision);
	if (view_is_well(builder, error) != LL_OK)
		return BUILT_FAILED;
	switch (builder->decision.outcome) {
	case DECIDED_REJECTED: return hold_answer(builder, pending, ANSWER_REJECTED, builder->decision.code);
	case DECIDED_READ: return hold_state(builder, pending, error);
	default: break;
	}
	built = write_entry(builder, pending, error);
	if (built != BUILT_ENTRY || pending->command.type != COMMAND_POLICY_SET)
		return built;
	builder->policy_is_of_block = true;
	return load_policy(builder, error) == LL_OK ? BUILT_ENTRY : BUILT_FAILED;
}

enum ll_code builder_sweep(struct builder *builder, uint32_t *added, struct error *error)
{
	bool fits;
	*added = 0;
	begin_decision(builder);
	struct decide_context context = decide_context(builder);
	bool due = due_next(&context, &builder->decision);
	enum ll_code code = view_is_well(builder, error);
	if (code != LL_OK || !due)
		return code;
	code = add_system_entry(builder, &fits, error);
	*added = code == LL_OK && fits;
	return code;
}

enum ll_code builder_tick(struct builder *builder, struct error *error)
{
	bool fits;
	begin_decision(builder);
	builder->decision.event_count = 1;
	builder->decision.events[0] = (struct event){.type = EVENT_TICK, .version = event_info(EVENT_TICK)->version};
	return add_system_entry(builder, &fits, error);
}

enum ll_code builder_note(struct builder *builder, const struct event *event, struct slice actor_id,
			  struct error *error)
{
	bool fits;
	struct event copy = *event;
	struct entry entry = new_entry(builder);
	entry.head.outcome = OUTCOME_SYSTEM;
	entry.head.actor_type = ACTOR_TYPE_ADMIN;
	entry.head.actor_id = actor_id;
	entry.events = &copy;
	entry.event_count = 1;
	enum ll_code code = add_entry(builder, &entry, NULL, &fits, error);
	return code == LL_OK && !fits ? error_set(error, LL_TOO_LARGE, "the entry has no room") : code;
}

uint32_t builder_count(const struct builder *builder)
{
	return builder->count;
}

int64_t builder_time(const struct builder *builder)
{
	return builder->time;
}

struct slice builder_finish(struct builder *builder)
{
	const struct fold *fold = ledger_fold_state(builder->ledger);
	ENSURE(builder->count > 0);
	struct block block = {
		.kind = BLOCK_ENTRIES,
		.ledger = slice_of(fold->ledger, sizeof fold->ledger),
		.count = builder->count,
		.epoch = fold->epoch,
		.first_seq = builder->first_seq,
		.time = builder->time,
		.chain = hash_slice(&fold->chain),
	};
	block.body.size = (size_t)(builder->packer.at - builder->room) - ENVELOPE_SIZE;
	return block_write(builder->room, &block);
}

void builder_drop(struct builder *builder)
{
	if (builder->policy_is_of_block)
		builder->policy_version = 0;
	builder->policy_is_of_block = false;
	ledger_overlay_drop(builder->ledger);
}
