/* GET /api/receipts/{commandId}: the receipt's row says which entry it is, the journal has it. */
#include "engine/api/internal.h"
#include "projections/views/rows.h"

struct receipt_call {
	struct read_call *call;
	struct receipts_row row;
	struct slice id;
};

/* The entry of the row, decoded into the request's arena. */
static bool find_entry(const struct receipt_call *receipt, struct slice bytes, struct entry *entry)
{
	struct block block;
	if (block_read(bytes, &block, NULL) != LL_OK || receipt->row.index >= block.count)
		return false;
	struct cursor cursor = cursor_over(block.body, http_arena(receipt->call->request));
	for (uint32_t i = 0; i <= receipt->row.index; i++) {
		cursor.seq = block.first_seq + i;
		*entry = (struct entry){
			.seq = cursor.seq, .offset = receipt->row.offset, .index = i, .time = receipt->row.time};
		if (!entry_decode(&cursor, entry))
			return false;
	}
	return entry->seq == receipt->row.seq && slice_equal(entry->head.command_id, receipt->id);
}

static void block_is_there(void *context, struct slice bytes)
{
	struct receipt_call *receipt = context;
	struct read_call *call = receipt->call;
	struct api *api = call->api;
	struct entry entry;
	struct json_writer writer;
	if (!find_entry(receipt, bytes, &entry)) {
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
