/* Between the files of the reader library. */
#ifndef LEDGERLINE_READER_INTERNAL_H
#define LEDGERLINE_READER_INTERNAL_H

#include "projections/reader/ledgerline.h"
#include "projections/views/rows.h"
#include "projections/views/snapshot_view.h"
#include "schemas/wire/buffer.h"

struct ll_reader {
	struct snapshot_view *snapshots;
	bool pinned;
	struct buffer text; /* strings with a final zero, of the current call */
	struct error error;
};

/* The public result of an error. */
enum ll_result reader_result(enum ll_code code);
enum ll_result reader_misused(struct ll_reader *reader, const char *what);
enum ll_result reader_absent(struct ll_reader *reader, const char *what, const char *id);

/* Begins a call: takes back what the last one handed out. NULL, with the result in *result: it is not pinned, or the id (may be
 * NULL when the call has none) is not of an id's form. */
struct view *reader_begin(struct ll_reader *reader, const char *id, bool has_id, enum ll_result *result);

/* Ends a call: LL_DONE, or LL_DAMAGED when a row could not be read meanwhile. */
enum ll_result reader_end(struct ll_reader *reader);

void reader_copy_id(char to[LL_ID_SIZE], struct slice id);
void reader_copy_reference(char to[LL_ID_SIZE], const char *kind, uint64_t id); /* "" for NONE_U64 */

#endif
