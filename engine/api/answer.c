/* Answers: bodies, positions, codes. */
#include "engine/api/internal.h"
#include "schemas/wire/ensure.h"

uint64_t position_now(struct api *api)
{
	return ledger_fold_state(engine_ledger(api->engine))->next_seq - 1;
}

size_t position_text(char text[POSITION_TEXT_MAX], uint64_t seq)
{
	char digits[20];
	size_t count = 0;
	if (seq == AT_START) {
		memcpy(text, "start", 5);
		return 5;
	}
	do
		digits[count++] = (char)('0' + seq % 10);
	while (seq /= 10);
	text[0] = '0';
	text[1] = ':';
	for (size_t i = 0; i < count; i++)
		text[2 + i] = digits[count - 1 - i];
	return count + 2;
}

void json_member_position(struct json_writer *writer, const char *key, uint64_t seq)
{
	char text[POSITION_TEXT_MAX];
	json_member_string(writer, key, slice_of(text, position_text(text, seq)));
}

void fields_add(struct answer_fields *fields, const char *name, struct slice value)
{
	ENSURE(fields->count < FIELDS_MAX);
	fields->at[fields->count++] = (struct http_field){name, value};
}

void fields_position(struct answer_fields *fields, uint64_t seq)
{
	if (seq != NO_POSITION)
		fields_add(fields, "Ledger-Position", slice_of(fields->position, position_text(fields->position, seq)));
}

void answer_body(struct api *api, struct http_request *request, int status, struct answer_fields *fields)
{
	struct http_response response = {
		.status = status,
		.body = buffer_slice(&api->body),
		.fields = fields->at,
		.field_count = fields->count,
	};
	http_respond(request, &response);
}

bool code_is_unavailable(uint16_t code)
{
	return code == CODE_OVERLOADED || code == CODE_NOT_LEADER || code == CODE_JOURNAL_UNAVAILABLE ||
	       code == CODE_OUTCOME_UNKNOWN;
}

int write_code(struct api *api, uint16_t code, const struct fact_list *facts, const char *field, const char *reason,
	       struct json_writer *writer)
{
	const char *leader = ledger_fold_state(engine_ledger(api->engine))->claim_address;
	if (code != CODE_NOT_LEADER || !*leader)
		return reply_error(code, facts, field, reason, writer);
	const struct code_info *info = code_info(code);
	json_object_begin(writer);
	json_member_text(writer, "code", info->name);
	json_member_text(writer, "message", info->message);
	json_key(writer, "details");
	json_object_begin(writer);
	json_member_text(writer, "leader", leader);
	json_object_end(writer);
	json_object_end(writer);
	return info->status;
}

void answer_code(struct api *api, struct http_request *request, uint16_t code, const char *field, const char *reason,
		 struct answer_fields *fields)
{
	struct answer_fields none = {.count = 0};
	struct json_writer writer;
	if (!fields)
		fields = &none;
	if (code_is_unavailable(code))
		fields_add(fields, "Retry-After", SLICE("1"));
	buffer_clear(&api->body);
	json_writer_init(&writer, &api->body, false);
	int status = write_code(api, code, NULL, field, reason, &writer);
	answer_body(api, request, status, fields);
}
