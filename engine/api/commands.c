/* Commands with a route of their own: one request, one command, one answer. */
#include <stdio.h>
#include <strings.h>

#include "engine/api/internal.h"
#include "schemas/wire/ensure.h"

struct command_call {
	struct pending pending;
	struct api *api;
	struct http_request *request;
	void *context; /* of the handler */
};

/* ---- what all commands need ---- */

static const struct zone *find_zone(void *context)
{
	struct api *api = context;
	const struct zone *zone = NULL;
	return engine_policy(api->engine, &zone) ? zone : NULL;
}

static bool token_required(void *context)
{
	struct api *api = context;
	const struct zone *zone;
	const struct policy *policy = engine_policy(api->engine, &zone);
	return policy && policy->queue_required;
}

struct resolve_context api_resolve(struct api *api)
{
	return (struct resolve_context){
		.view = ledger_view(engine_ledger(api->engine)),
		.zone = find_zone,
		.token_required = token_required,
		.context = api,
		.secret = &api->secret,
	};
}

void api_make_key(struct api *api, char key[37])
{
	enum { KEY_BYTES = 16 };
	char hex[2 * KEY_BYTES + 1];
	if (api->random_left < KEY_BYTES) {
		engine_random(api->engine, api->random, sizeof api->random);
		api->random_left = sizeof api->random;
	}
	api->random_left -= KEY_BYTES;
	uint8_t *bytes = api->random + api->random_left;
	bytes[6] = (bytes[6] & 0x0f) | 0x40; /* as a UUID of version 4 has them */
	bytes[8] = (bytes[8] & 0x3f) | 0x80;
	hex_text(hex, bytes, KEY_BYTES);
	snprintf(key, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

struct slice bearer_token(const struct http_request *request)
{
	enum { SCHEME = 7 };
	struct slice value;
	if (!http_header(request, "Authorization", &value) || value.size < SCHEME ||
	    strncasecmp((const char *)value.at, "Bearer ", SCHEME) != 0)
		return SLICE_EMPTY;
	size_t skip = SCHEME;
	while (skip < value.size && value.at[skip] == ' ')
		skip++;
	return slice_of(value.at + skip, value.size - skip);
}

/* ---- the answer ---- */

static void command_answered(struct pending *pending, const struct answer *answer)
{
	struct command_call *call = pending->context;
	struct api *api = call->api;
	struct answer_fields fields = {.count = 0};
	struct json_writer writer;
	struct answer truth = *answer;
	if (answer->kind == ANSWER_REJECTED && answer->code == CODE_NOT_LEADER && forward_may(api, call->request)) {
		forward_request(api, call->request, handle_command, call->context, pending->id, true);
		return;
	}
	truth.code = answer->kind == ANSWER_REJECTED ? forward_truth(call->request, answer->code) : answer->code;
	answer = &truth;
	count_answer(api, answer);
	fields_position(&fields, answer_position(api, answer));
	fields_add(&fields, "Idempotency-Key", pending->id);
	if (answer->kind == ANSWER_HIT)
		fields_add(&fields, "Idempotency-Hit", SLICE("true"));
	if (answer->kind == ANSWER_REJECTED && code_is_unavailable(answer->code))
		fields_add(&fields, "Retry-After", SLICE("1"));
	buffer_clear(&api->body);
	json_writer_init(&writer, &api->body, false);
	int status = write_outcome(api, answer, &writer);
	answer_body(api, call->request, status, &fields);
}

/* ---- the request ---- */

static void refuse_command(struct api *api, struct http_request *request, uint16_t code, const char *field,
			   const char *reason, struct answer_fields *fields)
{
	count_rejected(api, code);
	answer_code(api, request, code, field, reason, fields);
}

/* Who may not ask is told so before the rest of the request is looked at, its key's form included. */
static void refuse_access(struct api *api, struct http_request *request, uint16_t code)
{
	struct answer_fields fields = {.count = 0};
	struct slice key;
	fields_position(&fields, position_now(api));
	if (http_header(request, "Idempotency-Key", &key) && id_is_fine(key))
		fields_add(&fields, "Idempotency-Key", key);
	refuse_command(api, request, code, NULL, NULL, &fields);
}

/* What the path, the query and the bearer token say. false: answered. */
static bool take_given(struct api *api, struct http_request *request, const struct command_route *route,
		       const char *names[], struct slice values[])
{
	unsigned count = 0;
	for (unsigned i = 0; i < sizeof route->given / sizeof *route->given && route->given[i].field; i++) {
		const struct given_field *given = &route->given[i];
		bool bearer = given->source == FROM_BEARER || given->source == FROM_BEARER_NEEDED;
		struct slice value = SLICE_EMPTY;
		uint64_t token_id;
		if (given->source == FROM_PATH)
			value = http_param(request, given->field);
		else if (given->source == FROM_QUERY)
			(void)http_query(request, given->field, &value);
		else
			value = bearer_token(request);
		if (given->source == FROM_BEARER && value.size == 0)
			continue; /* it may stand in the body */
		if (given->source == FROM_BEARER_NEEDED && value.size == 0) {
			refuse_access(api, request, CODE_TOKEN_REQUIRED);
			return false;
		}
		if (bearer && !token_check(&api->secret, value, &token_id)) {
			refuse_access(api, request, CODE_TOKEN_INVALID);
			return false;
		}
		names[count] = given->field;
		values[count++] = value;
	}
	names[count] = NULL;
	return true;
}

/* The key that the request has, or one made for it. false: answered. */
static bool take_key(struct api *api, struct http_request *request, struct slice *key)
{
	if (forward_made_key(request, key))
		return true;
	if (http_header(request, "Idempotency-Key", key)) {
		if (id_is_fine(*key) && http_header_count(request, "Idempotency-Key") == 1)
			return true;
		refuse_command(api, request, CODE_VALIDATION_ERROR, "Idempotency-Key",
			       "must be given once, with 1 to 64 characters of A-Z a-z 0-9 . _ : -", NULL);
		return false;
	}
	char *made = arena_take(http_arena(request), 37, 1);
	api_make_key(api, made);
	*key = slice_text(made);
	return true;
}

/* Reads the body: an object, or nothing. false: answered. */
static bool take_body(struct api *api, struct http_request *request, const struct json_node **body)
{
	struct error error;
	struct slice text = http_body(request);
	*body = NULL;
	if (text.size == 0 || json_read(&api->reader, text, body, &error) == LL_OK)
		return true;
	refuse_command(api, request, CODE_VALIDATION_ERROR, "body", error.text, NULL);
	return false;
}

static struct slice user_of(const struct command *command)
{
	const struct record *record = command_info(command->type)->record;
	for (uint16_t i = 0; i < record->count; i++)
		if (record->fields[i].kind == FIELD_ID && strcmp(record->fields[i].name, "user_id") == 0)
			return *(const struct slice *)((const uint8_t *)&command->user_register +
						       record->fields[i].offset);
	return SLICE_EMPTY;
}

static void set_actor(struct pending *pending, bool admin, struct http_request *request)
{
	if (admitted_actor(request, &pending->actor_type, &pending->actor_id))
		return;
	struct slice user = admin ? SLICE_EMPTY : user_of(&pending->command);
	pending->actor_type = admin ? ACTOR_TYPE_ADMIN : ACTOR_TYPE_USER;
	pending->actor_id = user.size ? user : SLICE("local");
}

static void submit(struct command_call *call)
{
	struct api *api = call->api;
	enum code code = CODE_JOURNAL_UNAVAILABLE;
	if (!api->doors_closed && engine_submit(api->engine, &call->pending, &code) == LL_OK)
		return;
	struct answer_fields fields = {.count = 0};
	fields_add(&fields, "Idempotency-Key", call->pending.id);
	refuse_command(api, call->request, forward_truth(call->request, code), NULL, NULL, &fields);
}

void handle_command(struct http_request *request, void *context)
{
	const struct route_context *at = context;
	const struct command_route *route = at->command;
	struct api *api = at->api;
	const char *names[3];
	struct slice values[3], key;
	const struct json_node *body;
	struct parsed_command parsed;
	if (forward_command(api, request, handle_command, context))
		return;
	if (!admitted_commands(request, 1)) {
		refuse_access(api, request, CODE_OVERLOADED);
		return;
	}
	struct resolve_context resolve = api_resolve(api);
	if (!take_given(api, request, route, names, values) || !take_body(api, request, &body))
		return;
	bool fine = command_fields_from_json(route->type, &api->reader, body, names, values, http_arena(request),
					     &resolve, &parsed);
	ledger_view_reset(engine_ledger(api->engine));
	if (!fine && parsed.code == CODE_TOKEN_INVALID) {
		refuse_access(api, request, CODE_TOKEN_INVALID);
		return;
	}
	if (http_refuse_query(request) || !take_key(api, request, &key))
		return;
	if (!fine) {
		bool form = parsed.code == CODE_VALIDATION_ERROR;
		struct answer_fields fields = {.count = 0};
		if (!form)
			fields_position(&fields, position_now(api));
		fields_add(&fields, "Idempotency-Key", key);
		refuse_command(api, request, parsed.code, form ? parsed.field : NULL, form ? parsed.reason : NULL,
			       &fields);
		return;
	}
	struct command_call *call = arena_alloc(http_arena(request), sizeof *call);
	call->pending =
		(struct pending){.command = parsed.command, .id = key, .answer = command_answered, .context = call};
	call->api = api;
	call->request = request;
	call->context = context;
	set_actor(&call->pending, route->admin, request);
	submit(call);
}
