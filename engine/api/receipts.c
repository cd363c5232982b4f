/* GET /api/receipts/{commandId}: the receipt's row says which entry it is, the journal has it. */
#include "engine/api/internal.h"
#include "engine/reply/receipt.h"
#include "projections/views/rows.h"

struct receipt_call {
	struct read_call *call;
	struct receipts_row row;
	struct slice id;
};

static void block_is_there(void *context, struct slice bytes)
{
	struct receipt_call *receipt = context;
	struct read_call *call = receipt->call;
	struct api *api = call->api;
	struct entry entry;
	struct json_writer writer;
	if (!receipt_find(&receipt->row, receipt->id, bytes, http_arena(call->request), &entry)) {
		answer_code(api, call->request, CODE_JOURNAL_UNAVAILABLE, NULL, NULL, &call->fields);
		return;
	}
	buffer_clear(&api->body);
	json_writer_init(&writer, &api->body, false);
	write_receipt(api, &entry, false, &writer);
	answer_body(api, call->request, 200, &call->fields);
}

int read_receipt(struct read_call *call, struct view *view, struct json_writer *writer)
{
	(void)writer;
	struct receipt_call *receipt = arena_alloc(http_arena(call->request), sizeof *receipt);
	receipt->call = call;
	receipt->id = http_param(call->request, "commandId");
	if (!id_is_fine(receipt->id)) {
		call->field = "commandId";
		call->reason = "must have 1 to 64 characters of A-Z a-z 0-9 . _ : -";
		return CODE_VALIDATION_ERROR;
	}
	struct short_hash hash = short_hash_of(receipt->id);
	if (!receipts_get(view, receipts_key(short_hash_slice(&hash)), &receipt->row))
		return CODE_RECEIPT_NOT_FOUND;
	engine_read_block(call->api->engine, receipt->row.offset, block_is_there, receipt);
	return READ_LATER;
}
