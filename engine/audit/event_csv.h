/*
 * Events as CSV (RFC 4180: commas, CRLF, quotes where needed): one table for events of all types, a row for each line of
 * event_line.h, made from that line.
 *
 *	entry,index,offset,time,type,version,commandId,actorType,actorId,userId,amount,...,rest
 *
 * `entry` is the number in the line's position. The columns are those of event_csv_columns, for ever in this order: what a
 * line has beside them is an object in `rest`, and so is what a later version adds. Absent and null are empty cells.
 *
 * Spreadsheets take a cell that begins with = + - @, a tab or a carriage return for a formula. Text that does so, or begins with an
 * apostrophe, gets an apostrophe in front; whoever takes one leading apostrophe away from a text has what was there. Numbers
 * stand as they are.
 */
#ifndef LEDGERLINE_AUDIT_EVENT_CSV_H
#define LEDGERLINE_AUDIT_EVENT_CSV_H

#include "schemas/wire/json.h"

/* The row of titles. */
void event_csv_titles(struct buffer *out);

/* Rows for lines as event_lines writes them; each ends in a line end. `reader` keeps its memory between calls. */
void event_csv_rows(struct json_reader *reader, struct slice lines, struct buffer *out);

/* One cell of text, quoted and made safe as said above. */
void csv_text(struct buffer *out, struct slice text);

#endif
