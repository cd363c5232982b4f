/* POST /api/admin/periods: a period is closed (engine/serve/closing.c). */
#include "engine/api/internal.h"

struct close_call {
	struct api *api;
	struct http_request *request;
};

static void closed(void *context, const struct engine_audited *audited)
{
	struct close_call *call = context;
	struct api *api = call->api;
	struct answer_fields fields = {.count = 0};
	if (audited->failure || audited->code) {
		uint16_t code = (uint16_t)audited->code;
		if (audited->failure)
			code = audited->failure->code == LL_UNAVAILABLE ? CODE_JOURNAL_UNAVAILABLE : CODE_INTERNAL;
		answer_code(api, call->request, code, NULL, NULL, NULL);
		return;
	}
	fields_position(&fields, audited->entries - 1);
	buffer_clear(&api->body);
	buffer_append_slice(&api->body, audited->body);
	answer_body(api, call->request, 200, &fields);
}

/* false: answered. */
static bool take_query(struct api *api, struct http_request *request, struct engine_close *close)
{
	struct slice at;
	const char *field = NULL, *reason = NULL;
	if (!http_query(request, "name", &close->name) || !id_is_fine(close->name)) {
		field = "name";
		reason = "must have 1 to 64 characters of A-Z a-z 0-9 . _ : -";
	} else if (!http_query(request, "approver", &close->approver) || close->approver.size == 0 ||
		   close->approver.size > TEXT_BYTES_MAX) {
		field = "approver";
		reason = "must be who closes it, in 1 to 512 bytes";
	} else if (!http_query(request, "at", &at) || !cut_parse(at, &close->at)) {
		field = "at";
		reason = "must be latest, start, a position like 0:1842, or a time like 2026-03-01T09:00:00Z";
	}
	if (field)
		answer_code(api, request, CODE_VALIDATION_ERROR, field, reason, NULL);
	return !field;
}

void handle_close_period(struct http_request *request, void *context)
{
	struct api *api = ((const struct route_context *)context)->api;
	struct engine_close close = {.actor_id = SLICE_EMPTY};
	uint8_t actor_type; /* an administrator's: others may not ask this */
	if (http_refuse_query(request) || !take_query(api, request, &close))
		return;
	if (forward_may(api, request)) {
		forward_request(api, request, handle_close_period, context, SLICE_EMPTY, false);
		return;
	}
	if (engine_follows(api->engine)) {
		answer_code(api, request, CODE_NOT_LEADER, NULL, NULL, NULL);
		return;
	}
	(void)admitted_actor(request, &actor_type, &close.actor_id);
	struct close_call *call = arena_alloc(http_arena(request), sizeof *call);
	*call = (struct close_call){api, request};
	if (!engine_close_period(api->engine, &close, closed, call))
		answer_code(api, request, CODE_OVERLOADED, NULL, NULL, NULL);
}
