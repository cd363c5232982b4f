/*
 * Requests that belong to the engine that leads: sent there, and its answer relayed as it is.
 *
 * One hop at most: what comes with Ledger-Forwarded is not sent on. A request with a route of its own always has a key, as one
 * is made here if need be; so it can be sent again after a failure, and who gets OUTCOME_UNKNOWN can ask for it.
 */
#include <strings.h>

#include "engine/api/internal.h"

/* What is remembered of a request that is, or was, sent on. It stands in the request's slot. */
struct forwarding {
	struct engine_forward forward;
	struct api *api;
	struct http_request *request;
	http_handler_fn *handler; /* when this engine leads after all */
	void *context;
	struct slice key;   /* empty: it has none, or one for each of its commands */
	uint16_t otherwise; /* of a question: what is answered when nobody answers; 0: it is of commands */
	struct http_call_field *fields;
	char *target;
};

static struct forwarding *forwarding_of(struct http_request *request)
{
	return *http_slot(request);
}

bool forward_made_key(struct http_request *request, struct slice *key)
{
	const struct forwarding *forwarding = forwarding_of(request);
	if (!forwarding || forwarding->key.size == 0)
		return false;
	*key = forwarding->key;
	return true;
}

uint16_t forward_truth(struct http_request *request, uint16_t code)
{
	const struct forwarding *forwarding = forwarding_of(request);
	bool doubtful = forwarding && forwarding->forward.doubtful && code_is_unavailable(code);
	return doubtful ? CODE_OUTCOME_UNKNOWN : code;
}

/* ---- there ---- */

static bool is_one_of(struct slice name, const char *const names[])
{
	for (; *names; names++)
		if (name.size == strlen(*names) && strncasecmp((const char *)name.at, *names, name.size) == 0)
			return true;
	return false;
}

/* All that the client sent but what belongs to the connection, its key when it was made here, and who sends it on. */
static size_t gather_fields(struct forwarding *forwarding)
{
	static const char *const left_out[] = {
		"Host",    "Content-Length",   "Connection",        "Keep-Alive", "Expect",
		"Upgrade", "Proxy-Connection", "Transfer-Encoding", "Trailer",    "TE",
		NULL};
	struct http_request *request = forwarding->request;
	struct http_call_field field;
	struct slice sent;
	size_t count = 0;
	forwarding->fields = arena_alloc(http_arena(request), (HTTP_HEADERS_MAX + 2) * sizeof *forwarding->fields);
	for (unsigned i = 0; http_header_at(request, i, &field.name, &field.value); i++)
		if (!is_one_of(field.name, left_out))
			forwarding->fields[count++] = field;
	if (forwarding->key.size && !http_header(request, "Idempotency-Key", &sent))
		forwarding->fields[count++] = (struct http_call_field){SLICE("Idempotency-Key"), forwarding->key};
	forwarding->fields[count++] = (struct http_call_field){SLICE("Ledger-Forwarded"), SLICE("1")};
	return count;
}

/* ---- and back ---- */

static const char *text_of(struct http_request *request, struct slice text)
{
	char *copy = arena_take(http_arena(request), text.size + 1, 1);
	memcpy(copy, text.at, text.size);
	copy[text.size] = 0;
	return copy;
}

static void relay(struct http_request *request, const struct http_call_answer *answer)
{
	static const char *const left_out[] = {
		"Date", "Content-Length", "Content-Type", "Connection", "Keep-Alive", "Transfer-Encoding", NULL};
	struct http_field *fields = arena_alloc(http_arena(request), (answer->field_count + 1) * sizeof *fields);
	const char *type = NULL;
	size_t count = 0;
	for (size_t i = 0; i < answer->field_count; i++) {
		const struct http_call_field *field = &answer->fields[i];
		if (field->name.size == 12 && strncasecmp((const char *)field->name.at, "Content-Type", 12) == 0)
			type = text_of(request, field->value);
		else if (!is_one_of(field->name, left_out))
			fields[count++] = (struct http_field){text_of(request, field->name), field->value};
	}
	const struct http_response response = {.status = answer->status,
					       .content_type = type,
					       .body = answer->body,
					       .fields = fields,
					       .field_count = count};
	http_respond(request, &response);
}

static void refuse(struct api *api, struct http_request *request, uint16_t code, struct slice key)
{
	struct answer_fields fields = {.count = 0};
	if (key.size)
		fields_add(&fields, "Idempotency-Key", key);
	count_rejected(api, code);
	answer_code(api, request, code, NULL, NULL, &fields);
}

/* Nobody has answered; `code` says whether a command may have been taken. */
static void give_up(struct forwarding *forwarding, uint16_t code)
{
	if (forwarding->otherwise)
		answer_code(forwarding->api, forwarding->request, forwarding->otherwise, NULL, NULL, NULL);
	else
		refuse(forwarding->api, forwarding->request, code, forwarding->key);
}

static void forwarded(struct engine_forward *forward, enum engine_forwarded how, const struct http_call_answer *answer)
{
	struct forwarding *forwarding = forward->context;
	struct http_request *request = forwarding->request;
	switch (how) {
	case FORWARD_ANSWERED:
		if (answer->status >= 200 && answer->status <= 599)
			relay(request, answer);
		else
			give_up(forwarding, CODE_OUTCOME_UNKNOWN);
		break;
	case FORWARD_NOT_TAKEN: give_up(forwarding, CODE_NOT_LEADER); break;
	case FORWARD_UNKNOWN: give_up(forwarding, CODE_OUTCOME_UNKNOWN); break;
	case FORWARD_LEADS_HERE: forwarding->handler(request, forwarding->context); break;
	case FORWARD_KINDS: break;
	}
}

/* ---- handing over ---- */

bool forward_may(struct api *api, struct http_request *request)
{
	struct slice from;
	return !api->doors_closed && engine_follows(api->engine) && !http_header(request, "Ledger-Forwarded", &from);
}

/* The key that names the whole request; made when there is none. Not made for a key that the leader will refuse. */
static struct slice key_of(struct api *api, struct http_request *request)
{
	struct slice key;
	if (http_header(request, "Idempotency-Key", &key))
		return id_is_fine(key) && http_header_count(request, "Idempotency-Key") == 1 ? key : SLICE_EMPTY;
	char *made = arena_take(http_arena(request), 37, 1);
	api_make_key(api, made);
	return slice_text(made);
}

static void forward_any(struct api *api, struct http_request *request, http_handler_fn *handler, void *context,
			struct slice key, bool may_repeat, uint16_t otherwise)
{
	struct forwarding *forwarding = forwarding_of(request);
	if (!forwarding) {
		forwarding = arena_alloc(http_arena(request), sizeof *forwarding);
		*forwarding = (struct forwarding){
			.api = api,
			.request = request,
			.handler = handler,
			.context = context,
			.key = key,
			.otherwise = otherwise,
		};
		*http_slot(request) = forwarding;
		forwarding->forward = (struct engine_forward){
			.method = http_method_text(request),
			.target = http_target(request),
			.body = http_body(request),
			.may_repeat = may_repeat,
			.done = forwarded,
			.context = forwarding,
		};
		forwarding->forward.field_count = gather_fields(forwarding);
		forwarding->forward.fields = forwarding->fields;
	}
	if (!engine_forward(api->engine, &forwarding->forward))
		give_up(forwarding, forward_truth(request, CODE_OVERLOADED));
}

void forward_request(struct api *api, struct http_request *request, http_handler_fn *handler, void *context,
		     struct slice key, bool may_repeat)
{
	forward_any(api, request, handler, context, key, may_repeat, 0);
}

void forward_question(struct api *api, struct http_request *request, http_handler_fn *handler, void *context,
		      uint16_t otherwise)
{
	forward_any(api, request, handler, context, SLICE_EMPTY, true, otherwise);
}

bool forward_command(struct api *api, struct http_request *request, http_handler_fn *handler, void *context)
{
	if (!forward_may(api, request))
		return false;
	struct slice key = key_of(api, request);
	forward_request(api, request, handler, context, key, key.size != 0);
	return true;
}
