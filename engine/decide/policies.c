/*
 * Changing the policy: each rule may be set alone; what is out of its range is refused by name, and nothing changes.
 *
 * Ranges stand in schemas/policies.toml and come here with the records' descriptions; so does the way from a change
 * to the policy: both records have the same fields in the same order.
 */
#include <stdio.h>

#include "engine/decide/limits.h"
#include "engine/decide/rules.h"
#include "schemas/wire/ensure.h"

/* A field of a change: whether it is there, and its number if it is one. */
static bool field_given(const struct field *field, const void *at, int64_t *number)
{
	*number = 0;
	switch (field->kind) {
	case FIELD_U32: *number = *(const uint32_t *)at; return *(const uint32_t *)at != NONE_U32;
	case FIELD_U64: *number = (int64_t) * (const uint64_t *)at; return *(const uint64_t *)at != NONE_U64;
	case FIELD_AMOUNT: *number = *(const int64_t *)at; return *number != NONE_I64;
	case FIELD_BOOL: *number = *(const int8_t *)at; return *number >= 0;
	case FIELD_ENUM: *number = *(const uint8_t *)at; return *number != 0;
	case FIELD_TEXT: return ((const struct slice *)at)->size > 0;
	case FIELD_LIST: return ((const struct refund_step_list *)at)->count > 0;
	default: UNREACHABLE();
	}
}

static void field_set(const struct field *field, void *to, const void *from)
{
	switch (field->kind) {
	case FIELD_U32: *(uint32_t *)to = *(const uint32_t *)from; return;
	case FIELD_U64: *(uint64_t *)to = *(const uint64_t *)from; return;
	case FIELD_AMOUNT: *(int64_t *)to = *(const int64_t *)from; return;
	case FIELD_BOOL: *(bool *)to = *(const int8_t *)from == 1; return;
	case FIELD_ENUM: *(uint8_t *)to = *(const uint8_t *)from; return;
	case FIELD_TEXT: *(struct slice *)to = *(const struct slice *)from; return;
	case FIELD_LIST: *(struct refund_step_list *)to = *(const struct refund_step_list *)from; return;
	default: UNREACHABLE();
	}
}

static const char *range_text(struct decide_context *context, int64_t min, int64_t max)
{
	char *text = arena_alloc(context->arena, 64);
	snprintf(text, 64, "must be from %lld to %lld", (long long)min, (long long)max);
	return text;
}

/* Each rule by itself. Returns how many were given; 0 also when the decision says what is wrong. */
static unsigned merge(struct decide_context *context, const struct policy_change *change, struct policy *policy,
		      struct decision *decision)
{
	unsigned given = 0;
	for (unsigned i = 0; i < policy_change_record.count; i++) {
		const struct field *field = &policy_change_record.fields[i], *target = &policy_record.fields[i];
		const void *at = (const uint8_t *)change + field->offset;
		int64_t number;
		if (!field_given(field, at, &number))
			continue;
		given++;
		int64_t max = field->max ? field->max : AMOUNT_MAX;
		bool is_number = field->kind == FIELD_U32 || field->kind == FIELD_U64 || field->kind == FIELD_AMOUNT;
		if (is_number && (number < field->min || number > max)) {
			decision_invalid(decision, field->json, range_text(context, field->min, max));
			return 0;
		}
		field_set(target, (uint8_t *)policy + target->offset, at);
	}
	if (given == 0)
		decision_invalid(decision, "policy", "must name one rule at least");
	return given;
}

static const char *table_fault(const struct refund_step_list *table)
{
	if (table->count > 100)
		return "must have at most 100 rows";
	for (uint32_t i = 0; i < table->count; i++) {
		if (table->at[i].percent > 100)
			return "a share must be from 0 to 100 per cent";
		if (table->at[i].days > 3650)
			return "days must be from 0 to 3650";
		if (i > 0 && table->at[i].days >= table->at[i - 1].days)
			return "days must fall from row to row";
	}
	return NULL;
}

/* What rules are worth together, and those that are no numbers. */
static bool refuse_rules(const struct policy_change *change, const struct policy *policy, struct decision *decision)
{
	if (policy->charge_min > policy->charge_max) {
		bool min_given = change->charge_min != NONE_I64;
		decision_invalid(decision, min_given ? "chargeMin" : "chargeMax",
				 "chargeMin must not be above chargeMax");
		return true;
	}
	const char *fault = table_fault(&policy->refund_table);
	if (fault) {
		decision_invalid(decision, "refundTable", fault);
		return true;
	}
	struct zone *zone = NULL;
	if (change->time_zone.size && zone_load(change->time_zone, &zone, NULL) != LL_OK) {
		decision_invalid(decision, "timeZone", "is no time zone that this machine knows");
		return true;
	}
	zone_free(zone);
	return false;
}

void decide_policy_set(struct decide_context *context, const struct policy_set *command, struct decision *decision)
{
	struct policy policy = *context->policy;
	if (merge(context, &command->change, &policy, decision) == 0 ||
	    refuse_rules(&command->change, &policy, decision))
		return;
	decision_add(decision, EVENT_POLICY_CHANGED)->policy_changed =
		(struct policy_changed){context->policy_version + 1, command->change, policy};
}
