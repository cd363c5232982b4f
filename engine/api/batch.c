/*
 * POST /api/commands: one command, or many in order, each with its own receipt.
 *
 * Elements are handed to the writer one after another as they are read; it decides them in that order. Receipts are written
 * when answers come, in whatever order that is, and put into theirs at the end.
 *
 * An element that names its schedule by concert and day is looked up in the committed state. When elements before it may
 * change what that means, the batch waits for them first: it takes the reader with it, and goes on when the last of
 * them is answered.
 *
 * With ?onRejected=stop nothing is taken behind an element that was not: those behind it are rejected as SKIPPED.
 *
 * When the engine takes nothing at all (it does not lead, or is full), the request fails as a whole, with Retry-After.
 */
#include "engine/api/internal.h"
#include "engine/api/msgpack_tape.h"
#include "schemas/wire/ensure.h"

enum { ELEMENTS_JSON_MAX = 1000, ELEMENTS_MSGPACK_MAX = 10000 };

struct batch;

struct element {
	struct pending pending;
	struct batch *batch;
	size_t receipt_at, receipt_size; /* in the batch's buffer; size 0: not answered yet */
};

struct batch {
	struct api *api;
	struct http_request *request;
	void *context; /* of the handler */
	bool is_array, in_msgpack, out_msgpack;
	bool stops, stopped; /* ?onRejected=stop, and one was rejected before it reached the writer */
	struct pending_chain chain;
	struct element **elements;
	uint32_t count, read, answered, under_way, taken;
	bool changes_schedules;    /* something under way may change what concert and day mean */
	uint16_t unavailable;      /* why nothing more is taken; 0: all is well */
	uint64_t position;         /* of the last entry that was answered */
	bool sending;              /* elements are being read: answers that come meanwhile do not end it */
	struct json_reader reader; /* when it had to wait: its own from then on */
	const struct json_node *next;
	struct buffer receipts;
};

/* ---- the end ---- */

static void gather(struct batch *batch, struct buffer *out)
{
	if (batch->is_array)
		buffer_append_byte(out, '[');
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct element *element = batch->elements[i];
		if (i)
			buffer_append_byte(out, ',');
		buffer_append(out, batch->receipts.at + element->receipt_at, element->receipt_size);
	}
	if (batch->is_array)
		buffer_append_byte(out, ']');
}

static void to_msgpack(struct api *api)
{
	const struct json_node *root;
	ENSURE(json_read(&api->reader, buffer_slice(&api->body), &root, NULL) == LL_OK);
	buffer_clear(&api->scratch);
	msgpack_write(&api->reader, root, &api->scratch);
	buffer_clear(&api->body);
	buffer_append_slice(&api->body, buffer_slice(&api->scratch));
}

/* Nothing of it was taken, as another engine leads: that one is to answer all of it. */
static bool forward_batch(struct batch *batch)
{
	if (!forward_may(batch->api, batch->request))
		return false;
	forward_request(batch->api, batch->request, handle_batch, batch->context, SLICE_EMPTY, false);
	return true;
}

static void batch_end(struct batch *batch)
{
	struct api *api = batch->api;
	struct answer_fields fields = {.count = 0};
	if (batch->reader.nodes)
		json_reader_release(&batch->reader);
	if (batch->unavailable && batch->taken == 0) {
		buffer_release(&batch->receipts);
		if (batch->unavailable == CODE_NOT_LEADER && forward_batch(batch))
			return;
		answer_code(api, batch->request, batch->unavailable, NULL, NULL, &fields);
		return;
	}
	fields_position(&fields, batch->position);
	buffer_clear(&api->body);
	gather(batch, &api->body);
	if (batch->out_msgpack)
		to_msgpack(api);
	buffer_release(&batch->receipts);
	struct http_response response = {
		.status = 200,
		.content_type = batch->out_msgpack ? "application/msgpack" : NULL,
		.body = buffer_slice(&api->body),
		.fields = fields.at,
		.field_count = fields.count,
	};
	http_respond(batch->request, &response);
}

static void batch_go(struct batch *batch);

static void settle(struct batch *batch)
{
	if (batch->sending || batch->under_way)
		return;
	batch->changes_schedules = false;
	if (batch->next)
		batch_go(batch);
	else if (batch->answered == batch->count)
		batch_end(batch);
}

/* ---- receipts ---- */

static void begin_receipt(struct element *element, struct json_writer *writer)
{
	element->receipt_at = element->batch->receipts.size;
	json_writer_init(writer, &element->batch->receipts, false);
}

static void end_receipt(struct element *element)
{
	element->receipt_size = element->batch->receipts.size - element->receipt_at;
	element->batch->answered++;
}

static void element_answered(struct pending *pending, const struct answer *answer)
{
	struct element *element = pending->context;
	struct batch *batch = element->batch;
	struct json_writer writer;
	count_answer(batch->api, answer);
	begin_receipt(element, &writer);
	if (answer->kind == ANSWER_DECIDED || answer->kind == ANSWER_HIT)
		write_receipt(batch->api, answer->entry, answer->kind == ANSWER_HIT, &writer);
	else
		write_unreceipted(batch->api, pending, answer, &writer);
	end_receipt(element);
	uint64_t position = answer_position(batch->api, answer);
	if (position != NO_POSITION && (batch->position == NO_POSITION || position > batch->position))
		batch->position = position;
	if (answer->kind == ANSWER_REJECTED && code_is_unavailable(answer->code) &&
	    answer->code != CODE_OUTCOME_UNKNOWN) {
		batch->unavailable = answer->code;
		batch->taken--;
	}
	batch->under_way--;
	settle(batch);
}

static void reject(struct element *element, struct slice id, uint16_t code, const char *field, const char *reason)
{
	struct json_writer writer;
	count_rejected(element->batch->api, code);
	element->batch->stopped = element->batch->stops;
	begin_receipt(element, &writer);
	write_rejected(element->batch->api, id, code, field, reason, &writer);
	end_receipt(element);
}

/* ---- elements ---- */

static void submit(struct element *element, const struct parsed_command *parsed)
{
	struct batch *batch = element->batch;
	struct api *api = batch->api;
	enum code code = CODE_JOURNAL_UNAVAILABLE;
	element->pending = (struct pending){
		.command = parsed->command,
		.id = parsed->id,
		.actor_type = parsed->actor_type ? parsed->actor_type : ACTOR_TYPE_SYSTEM,
		.actor_id = parsed->actor_id,
		.answer = element_answered,
		.context = element,
		.chain = batch->stops ? &batch->chain : NULL,
	};
	if (parsed->id.size == 0) {
		char *made = arena_take(http_arena(batch->request), 37, 1);
		api_make_key(api, made);
		element->pending.id = slice_text(made);
	}
	/* What comes behind one that was not taken is not taken either: order is kept. */
	if (!batch->unavailable && !api->doors_closed &&
	    engine_submit(api->engine, &element->pending, &code) == LL_OK) {
		batch->under_way++;
		batch->taken++;
		batch->changes_schedules |= command_changes_schedules(parsed->command.type);
		return;
	}
	batch->unavailable = batch->unavailable ? batch->unavailable : code;
	reject(element, element->pending.id, batch->unavailable, NULL, NULL);
}

static struct element *element_new(struct batch *batch)
{
	struct element *element = arena_alloc(http_arena(batch->request), sizeof *element);
	element->batch = batch;
	element->receipt_size = 0;
	return element;
}

/* A single command may have its key in the header, too. false: it has two. */
static bool take_header_key(struct batch *batch, struct parsed_command *parsed)
{
	struct slice key;
	if (batch->is_array || !http_header(batch->request, "Idempotency-Key", &key))
		return true;
	if (!id_is_fine(key) || http_header_count(batch->request, "Idempotency-Key") != 1 ||
	    (parsed->id.size && !slice_equal(parsed->id, key)))
		return false;
	parsed->id = arena_copy(http_arena(batch->request), key);
	return true;
}

static const struct json_reader *reader_of(const struct batch *batch)
{
	return batch->reader.nodes ? &batch->reader : &batch->api->reader;
}

/* Whether the request's key may send it, and in the name that it has: before its form, but for the type's. */
static bool may_send(struct batch *batch, const struct json_node *node, struct parsed_command *parsed)
{
	const struct json_node *type =
		node->type == JSON_OBJECT ? json_member(reader_of(batch), node, SLICE("type")) : NULL;
	const struct command_info *info = type && type->type == JSON_STRING ? command_info_named(type->text) : NULL;
	return !info ||
	       admitted_as(batch->request, command_is_admins(info->type), &parsed->actor_type, &parsed->actor_id);
}

/* false: it must wait until nothing is under way. */
static bool take_element(struct batch *batch, const struct json_node *node)
{
	struct parsed_command parsed;
	struct resolve_context resolve = api_resolve(batch->api);
	resolve.busy = batch->under_way && batch->changes_schedules;
	bool fine = command_from_json(reader_of(batch), node, http_arena(batch->request), &resolve, &parsed);
	if (parsed.later)
		return false;
	struct element *element = element_new(batch);
	batch->elements[batch->read++] = element;
	if (!may_send(batch, node, &parsed)) {
		reject(element, parsed.id, CODE_FORBIDDEN, NULL, NULL);
	} else if (!fine) {
		bool form = parsed.code == CODE_VALIDATION_ERROR;
		reject(element, parsed.id, parsed.code, form ? parsed.field : NULL, form ? parsed.reason : NULL);
	} else if (!take_header_key(batch, &parsed)) {
		reject(element, parsed.id, CODE_VALIDATION_ERROR, "Idempotency-Key",
		       "must be given once, be an id, and the command's own when it has one");
	} else if (batch->stopped && !batch->unavailable) {
		reject(element, parsed.id, CODE_SKIPPED, NULL, NULL);
	} else {
		submit(element, &parsed);
	}
	return true;
}

/* From the element where it stopped. */
static void batch_go(struct batch *batch)
{
	struct api *api = batch->api;
	batch->sending = true;
	while (batch->next && take_element(batch, batch->next))
		batch->next = batch->is_array ? json_next(reader_of(batch), batch->next) : NULL;
	batch->sending = false;
	ledger_view_reset(engine_ledger(api->engine));
	if (batch->next && !batch->reader.nodes) {
		/* It will go on later: the nodes stay where they are, with another owner. */
		batch->reader = api->reader;
		api->reader = (struct json_reader){0};
	}
	settle(batch);
}

/* ---- the request ---- */

static bool accepts_msgpack(const struct http_request *request)
{
	struct slice accept;
	return http_header(request, "Accept", &accept) &&
	       memmem(accept.at, accept.size, "application/msgpack", strlen("application/msgpack")) != NULL;
}

static bool refuse_batch(struct api *api, struct http_request *request, uint16_t code, const char *field,
			 const char *reason)
{
	answer_code(api, request, code, field, reason, NULL);
	return false;
}

static bool read_batch(struct api *api, struct http_request *request, bool in_msgpack, const struct json_node **root)
{
	struct error error;
	struct slice body = http_body(request);
	enum ll_code code = in_msgpack ? msgpack_read(&api->reader, body, root, &error)
				       : json_read(&api->reader, body, root, &error);
	if (code == LL_TOO_LARGE)
		return refuse_batch(api, request, CODE_BODY_TOO_LARGE, "body", error.text);
	if (code != LL_OK)
		return refuse_batch(api, request, CODE_VALIDATION_ERROR, "body", error.text);
	if ((*root)->type != JSON_ARRAY && (*root)->type != JSON_OBJECT)
		return refuse_batch(api, request, CODE_VALIDATION_ERROR, "body",
				    "must be a command or an array of commands");
	if ((*root)->type == JSON_ARRAY && (*root)->children > (in_msgpack ? ELEMENTS_MSGPACK_MAX : ELEMENTS_JSON_MAX))
		return refuse_batch(api, request, CODE_BODY_TOO_LARGE, "body",
				    in_msgpack ? "must have at most 10000 commands"
					       : "must have at most 1000 commands");
	return true;
}

/* For who must be told that its outcome is unknown; empty: none, or none that is one. */
static struct slice header_key(const struct http_request *request)
{
	struct slice key;
	return http_header(request, "Idempotency-Key", &key) && id_is_fine(key) ? key : SLICE_EMPTY;
}

static bool read_stops(struct api *api, struct http_request *request, bool *stops)
{
	struct slice what = SLICE("continue");
	bool given = http_query(request, "onRejected", &what);
	*stops = given && slice_equal(what, SLICE("stop"));
	return *stops || slice_equal(what, SLICE("continue")) ||
	       refuse_batch(api, request, CODE_VALIDATION_ERROR, "onRejected", "must be stop or continue");
}

void handle_batch(struct http_request *request, void *context)
{
	struct api *api = ((const struct route_context *)context)->api;
	const struct json_node *root;
	bool in_msgpack = http_body_is(request, "application/msgpack");
	bool stops;
	if (forward_may(api, request)) {
		forward_request(api, request, handle_batch, context, header_key(request), false);
		return;
	}
	if (http_refuse_query(request) || !read_stops(api, request, &stops) ||
	    !read_batch(api, request, in_msgpack, &root))
		return;
	struct batch *batch = arena_alloc(http_arena(request), sizeof *batch);
	*batch = (struct batch){
		.api = api,
		.request = request,
		.context = context,
		.is_array = root->type == JSON_ARRAY,
		.in_msgpack = in_msgpack,
		.out_msgpack = in_msgpack && accepts_msgpack(request),
		.position = NO_POSITION,
		.stops = stops,
	};
	batch->count = batch->is_array ? root->children : 1;
	batch->next = batch->is_array ? json_first(&api->reader, root) : root;
	if (batch->count && !admitted_commands(request, batch->count)) {
		refuse_batch(api, request, CODE_OVERLOADED, NULL, NULL);
		return;
	}
	batch->elements = arena_alloc(http_arena(request), batch->count * sizeof *batch->elements);
	batch_go(batch);
}
