/* GET /api/leader, POST /api/admin/lead, POST /api/admin/handover: what engines of one journal, and who runs them, ask. */
#include "engine/api/internal.h"

static void answer_leader(struct api *api, struct http_request *request)
{
	const struct fold *fold = ledger_fold_state(engine_ledger(api->engine));
	struct answer_fields fields = {.count = 0};
	struct json_writer writer;
	char uuid[UUID_TEXT_SIZE];
	uuid_text(uuid, fold->ledger);
	buffer_clear(&api->body);
	json_writer_init(&writer, &api->body, false);
	json_object_begin(&writer);
	json_member_text(&writer, "ledger", uuid);
	write_leader(api, &writer);
	json_object_end(&writer);
	fields_position(&fields, position_now(api));
	answer_body(api, request, 200, &fields);
}

void handle_leader(struct http_request *request, void *context)
{
	struct api *api = ((const struct route_context *)context)->api;
	struct slice standby;
	if (http_refuse_query(request))
		return;
	if (http_header(request, "Ledger-Standby", &standby))
		engine_note_standby(api->engine, standby);
	answer_leader(api, request);
}

void handle_lead(struct http_request *request, void *context)
{
	struct api *api = ((const struct route_context *)context)->api;
	if (http_refuse_query(request))
		return;
	if (engine_take_over(api->engine) == LL_OK)
		answer_leader(api, request);
	else
		answer_code(api, request, CODE_NO_STANDBY, NULL, NULL, NULL);
}

struct hand_over_call {
	struct api *api;
	struct http_request *request;
};

static void handed_over(void *context, bool done)
{
	struct hand_over_call *call = context;
	if (done)
		answer_leader(call->api, call->request);
	else
		answer_code(call->api, call->request, CODE_NO_STANDBY, NULL, NULL, NULL);
}

/* Not whether there is anybody: only that it may be one's address. */
static bool is_address(struct slice text)
{
	size_t scheme = slice_begins(text, SLICE("https://")) ? 8 : slice_begins(text, SLICE("http://")) ? 7 : 0;
	if (!scheme || text.size <= scheme || text.size > WRITER_ADDRESS_MAX)
		return false;
	for (size_t i = 0; i < text.size; i++)
		if (text.at[i] <= ' ' || text.at[i] > '~')
			return false;
	return true;
}

void handle_handover(struct http_request *request, void *context)
{
	struct api *api = ((const struct route_context *)context)->api;
	struct slice to = SLICE_EMPTY;
	if (http_refuse_query(request))
		return;
	if (http_query(request, "to", &to) && !is_address(to)) {
		answer_code(api, request, CODE_VALIDATION_ERROR, "to", "must be an address like http://10.0.0.2:8080",
			    NULL);
		return;
	}
	struct hand_over_call *call = arena_alloc(http_arena(request), sizeof *call);
	*call = (struct hand_over_call){api, request};
	if (!engine_hand_over(api->engine, to, handed_over, call))
		answer_code(api, request, engine_follows(api->engine) ? CODE_NOT_LEADER : CODE_NO_STANDBY, NULL, NULL,
			    NULL);
}
