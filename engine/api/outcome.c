/* What became of a command: the body of its answer, its receipt, and the counts of both. */
#include "engine/api/internal.h"
#include "engine/reply/receipt.h"
#include "schemas/wire/ensure.h"

/* ---- counting ---- */

void count_answer(struct api *api, const struct answer *answer)
{
	enum ended ended = ENDED_REJECTED;
	uint16_t code = answer->code;
	if (answer->kind == ANSWER_READ) {
		ended = ENDED_READ;
	} else if (answer->kind != ANSWER_REJECTED) {
		bool refused = answer->entry->head.outcome == OUTCOME_REFUSED;
		ended = answer->kind == ANSWER_HIT ? ENDED_REPEATED : refused ? ENDED_REFUSED : ENDED_ACCEPTED;
		code = refused ? answer->entry->code : 0;
	}
	api->counts.commands[ended][code % CODES_MAX]++;
}

void count_rejected(struct api *api, uint16_t code)
{
	api->counts.commands[ENDED_REJECTED][code % CODES_MAX]++;
}

/* ---- bodies ---- */

uint64_t answer_position(struct api *api, const struct answer *answer)
{
	if (answer->kind == ANSWER_DECIDED || answer->kind == ANSWER_HIT)
		return answer->entry->seq;
	return code_is_unavailable(answer->code) ? NO_POSITION : position_now(api);
}

static int write_entry(struct api *api, const struct entry *entry, struct json_writer *writer)
{
	size_t begin = writer->out->size;
	int status = reply_render(entry, writer);
	if (entry->head.command == COMMAND_QUEUE_ENTER)
		token_sign_body(&api->secret, writer->out, begin);
	return status;
}

/* A command that changed nothing: what it would have led to is there already. */
static int write_state(struct api *api, const struct answer *answer, struct json_writer *writer)
{
	size_t begin = writer->out->size;
	if (answer->body.size) {
		json_raw(writer, answer->body);
		token_sign_body(&api->secret, writer->out, begin);
	}
	return answer->status;
}

int write_outcome(struct api *api, const struct answer *answer, struct json_writer *writer)
{
	switch (answer->kind) {
	case ANSWER_DECIDED:
	case ANSWER_HIT: return write_entry(api, answer->entry, writer);
	case ANSWER_READ: return write_state(api, answer, writer);
	case ANSWER_REJECTED:
		return write_code(api, answer->code, &answer->facts, answer->field, answer->reason, writer);
	}
	UNREACHABLE();
}

/* ---- receipts ---- */

/* The body goes through the scratch buffer: the status, which stands before it, is known only when it is written. */
static void member_body(struct api *api, int status, struct json_writer *writer)
{
	json_member_int64(writer, "status", status);
	json_key(writer, "body");
	if (api->scratch.size)
		json_raw(writer, buffer_slice(&api->scratch));
	else
		json_null(writer);
}

static void begin_scratch(struct api *api, struct json_writer *writer)
{
	buffer_clear(&api->scratch);
	json_writer_init(writer, &api->scratch, false);
}

void write_receipt(struct api *api, const struct entry *entry, bool hit, struct json_writer *writer)
{
	struct json_writer inner;
	begin_scratch(api, &inner);
	int status = write_entry(api, entry, &inner);
	receipt_write(entry, status, buffer_slice(&api->scratch), hit, writer);
}

static void write_plain(struct api *api, struct slice id, const char *type, const char *outcome, int status,
			struct json_writer *writer)
{
	json_object_begin(writer);
	if (id.size)
		json_member_string(writer, "commandId", id);
	else
		json_member_null(writer, "commandId");
	if (type)
		json_member_text(writer, "type", type);
	json_member_text(writer, "outcome", outcome);
	member_body(api, status, writer);
	json_object_end(writer);
}

void write_unreceipted(struct api *api, const struct pending *pending, const struct answer *answer,
		       struct json_writer *writer)
{
	struct json_writer inner;
	begin_scratch(api, &inner);
	int status = write_outcome(api, answer, &inner);
	const char *outcome = answer->kind == ANSWER_READ            ? "read"
			      : answer->code == CODE_OUTCOME_UNKNOWN ? "unknown"
								     : "rejected";
	write_plain(api, pending->id, command_info(pending->command.type)->record->name, outcome, status, writer);
}

void write_rejected(struct api *api, struct slice id, uint16_t code, const char *field, const char *reason,
		    struct json_writer *writer)
{
	struct json_writer inner;
	begin_scratch(api, &inner);
	int status = write_code(api, code, NULL, field, reason, &inner);
	write_plain(api, id, NULL, "rejected", status, writer);
}
