/* Building a decision: events, codes, facts. */
#include "engine/decide/points.h"

#include "schemas/wire/ensure.h"

struct event *decision_add(struct decision *decision, enum event_type type)
{
	ENSURE(decision->event_count < EVENTS_MAX);
	struct event *event = &decision->events[decision->event_count++];
	memset(event, 0, sizeof *event);
	event->type = type;
	event->version = event_info(type)->version;
	decision->outcome = DECIDED_ACCEPTED;
	return event;
}

void decision_refuse(struct decision *decision, enum code code)
{
	ENSURE(code_is_refusal(code));
	decision->outcome = DECIDED_REFUSED;
	decision->code = code;
	decision->event_count = 0;
	decision->facts = (struct fact_list){0};
}

void decision_reject(struct decision *decision, enum code code)
{
	ENSURE(!code_is_refusal(code));
	decision->outcome = DECIDED_REJECTED;
	decision->code = code;
	decision->event_count = 0;
	decision->facts = (struct fact_list){0};
	decision->field = decision->reason = NULL;
}

void decision_invalid(struct decision *decision, const char *field, const char *reason)
{
	decision_reject(decision, CODE_VALIDATION_ERROR);
	decision->field = field;
	decision->reason = reason;
}

static struct fact *add_fact(struct decide_context *context, struct decision *decision, enum fact_name name)
{
	struct fact_list *facts = &decision->facts;
	struct fact *grown = arena_alloc(context->arena, (facts->count + 1) * sizeof *grown);
	if (facts->count)
		memcpy(grown, facts->at, facts->count * sizeof *grown);
	facts->at = grown;
	struct fact *fact = &facts->at[facts->count++];
	*fact = (struct fact){.name = name, .number = NONE_I64};
	return fact;
}

void decision_fact_number(struct decide_context *context, struct decision *decision, enum fact_name name,
			  int64_t number)
{
	add_fact(context, decision, name)->number = number;
}

void decision_fact_text(struct decide_context *context, struct decision *decision, enum fact_name name,
			struct slice text)
{
	add_fact(context, decision, name)->text = text;
}

void decision_fact_numbers(struct decide_context *context, struct decision *decision, enum fact_name name,
			   struct u32_list numbers)
{
	add_fact(context, decision, name)->numbers = numbers;
}
