/*
 * GET /api/audit/...: past states, at a cut. The questions are answered in the thread pool (engine/serve/audit.c); here is what a request
 * asks, and how the answer is sent.
 */
#include "engine/api/internal.h"
#include "engine/audit/questions.h"
#include "projections/views/rows.h"
#include "schemas/wire/ensure.h"

enum { RANKING_LIMIT = 10, RANKING_LIMIT_MAX = 100 };

static void audit_answered(void *context, const struct engine_audited *audited)
{
	struct read_call *call = context;
	struct api *api = call->api;
	if (audited->failure) {
		answer_code(api, call->request,
			    audited->failure->code == LL_UNAVAILABLE ? CODE_JOURNAL_UNAVAILABLE : CODE_INTERNAL, NULL,
			    NULL, &call->fields);
		return;
	}
	/* Whether a moment is over, the leader knows: it can make an entry of a later time. */
	if (audited->code == CODE_CUT_NOT_FINAL && forward_may(api, call->request)) {
		forward_question(api, call->request, handle_read, call->context, CODE_CUT_NOT_FINAL);
		return;
	}
	struct answer_fields fields = {.count = 0};
	fields_position(&fields, audited->entries ? audited->entries - 1 : AT_START);
	if (audited->code) {
		bool has_cut = audited->code != CODE_CUT_NOT_FINAL && audited->code != CODE_CUT_NOT_FOUND &&
			       audited->code != CODE_RECEIPT_NOT_FOUND;
		answer_code(api, call->request, (uint16_t)audited->code, NULL, NULL, has_cut ? &fields : &call->fields);
		return;
	}
	buffer_clear(&api->body);
	buffer_append_slice(&api->body, audited->body);
	answer_body(api, call->request, 200, &fields);
}

static int take_cut(struct read_call *call, const char *name, bool needed, struct cut_point *point)
{
	struct slice text;
	*point = (struct cut_point){.kind = CUT_LATEST};
	if (!http_query(call->request, name, &text))
		return needed ? read_invalid(call, name, "is missing") : 0;
	return cut_parse(text, point)
		       ? 0
		       : read_invalid(
				 call, name,
				 "must be latest, start, a position like 0:1842, or a time like 2026-03-01T09:00:00Z");
}

/* Adds nothing when it is no time. */
static void note_time(struct engine_question *question, const struct cut_point *point)
{
	if (point->kind == CUT_TIME && point->time > question->latest_time)
		question->latest_time = point->time;
}

static int ask(struct read_call *call, struct engine_question *question)
{
	int code = take_cut(call, question->diff ? "to" : "at", question->diff, &question->at);
	if (!code && question->diff)
		code = take_cut(call, "from", true, &question->from);
	if (code)
		return code;
	note_time(question, &question->at);
	note_time(question, &question->from);
	return engine_audit(call->api->engine, question, audit_answered, call) ? READ_LATER : CODE_OVERLOADED;
}

static int ask_about(struct read_call *call, enum audit_question about, const char *parameter)
{
	struct engine_question question = {.asked = {.question = about}};
	question.asked.subject = http_param(call->request, parameter);
	if (!id_is_fine(question.asked.subject))
		return read_invalid(call, parameter, "must have 1 to 64 characters of A-Z a-z 0-9 . _ : -");
	return ask(call, &question);
}

int audit_account(struct read_call *call, struct view *view, struct json_writer *writer)
{
	(void)view;
	(void)writer;
	return ask_about(call, AUDIT_ACCOUNT, "userId");
}

int audit_schedule(struct read_call *call, struct view *view, struct json_writer *writer)
{
	(void)view;
	(void)writer;
	return ask_about(call, AUDIT_SCHEDULE, "scheduleId");
}

int audit_reservation(struct read_call *call, struct view *view, struct json_writer *writer)
{
	(void)view;
	(void)writer;
	return ask_about(call, AUDIT_RESERVATION, "reservationId");
}

static int ask_ranking(struct read_call *call, enum audit_question about)
{
	struct engine_question question = {.asked = {.question = about}};
	uint8_t window = WINDOW_ALL, origin = ORIGIN_OPENING;
	int code = read_limit(call, RANKING_LIMIT, RANKING_LIMIT_MAX, &question.asked.limit);
	if (!code && about == AUDIT_POPULAR)
		code = read_enum(call, "window", &window_enumeration, "must be all, day, week or month", &window);
	if (!code && about == AUDIT_SOLD_OUT)
		code = read_enum(call, "from", &origin_enumeration, "must be opening or first", &origin);
	question.asked.window = (enum window)window;
	question.asked.origin = (enum origin)origin;
	return code ? code : ask(call, &question);
}

int audit_popular(struct read_call *call, struct view *view, struct json_writer *writer)
{
	(void)view;
	(void)writer;
	return ask_ranking(call, AUDIT_POPULAR);
}

int audit_sold_out(struct read_call *call, struct view *view, struct json_writer *writer)
{
	(void)view;
	(void)writer;
	return ask_ranking(call, AUDIT_SOLD_OUT);
}

int audit_totals(struct read_call *call, struct view *view, struct json_writer *writer)
{
	struct engine_question question = {.asked = {.question = AUDIT_TOTALS}};
	(void)view;
	(void)writer;
	return ask(call, &question);
}

int audit_diff_of(struct read_call *call, struct view *view, struct json_writer *writer)
{
	struct engine_question question = {.diff = true};
	(void)view;
	(void)writer;
	return ask(call, &question);
}

/* A command's receipt says where its entry stands: without one nothing is asked of the journal. */
int audit_explain(struct read_call *call, struct view *view, struct json_writer *writer)
{
	struct engine_question question = {.explain = true};
	struct slice text = http_param(call->request, "commandId");
	struct receipts_row row;
	(void)writer;
	if (!id_is_fine(text))
		return read_invalid(
			call, "commandId",
			"must have 1 to 64 characters of A-Z a-z 0-9 . _ : -, or be a position like 0:1842");
	explain_parse(text, &question.explained);
	if (question.explained.command_id.size) {
		struct short_hash hash = short_hash_of(text);
		if (!receipts_get(view, receipts_key(short_hash_slice(&hash)), &row))
			return CODE_RECEIPT_NOT_FOUND;
		question.explained.is_found = true;
		question.explained.seq = row.seq;
		question.explained.offset = row.offset;
		question.explained.index = row.index;
		question.explained.time = row.time;
	}
	return engine_audit(call->api->engine, &question, audit_answered, call) ? READ_LATER : CODE_OVERLOADED;
}
