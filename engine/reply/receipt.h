/*
 * Receipts: which entry a row of the projection `receipts` means, and the JSON that tells of it.
 */
#ifndef LEDGERLINE_RECEIPT_H
#define LEDGERLINE_RECEIPT_H

#include "schemas/block.h"
#include "schemas/tables.h"
#include "schemas/wire/json.h"

/* Decodes the row's entry from `value`, the record at row->offset, into `arena`. false: it is not there, or it is not the
 * command `id`: row and journal do not belong together. */
bool receipt_find(const struct receipts_row *row, struct slice id, struct slice value, struct arena *arena,
		  struct entry *entry);

/* {commandId,type,outcome,position,offset,time,status,body,events}, with `hit` when it is true. `body`: what reply_render wrote;
 * empty: null. */
void receipt_write(const struct entry *entry, int status, struct slice body, bool hit, struct json_writer *writer);

#endif
