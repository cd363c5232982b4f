/*
 * The lines of an export, JSON Lines, one an event:
 *
 *	{"position":"0:1842","index":0,"offset":97,"time":"...","type":"point.used","version":1,"commandId":"...",
 *	 "actor":{"type":"user","id":"kim"},...the event's fields}
 *
 * A field that is called as one of the line's own members goes by a longer name: policyVersion, queuePosition, annulledOffset.
 * A refusal is one line of type `refused` with `command`, `code` and `facts`. An entry without events has no line. An offset that is not known
 * (NONE_U64) is null. The same entry has the same bytes wherever it was read from.
 */
#ifndef LEDGERLINE_AUDIT_EVENT_LINE_H
#define LEDGERLINE_AUDIT_EVENT_LINE_H

#include "schemas/block.h"
#include "schemas/wire/buffer.h"

/* Appends the lines of the entry, each with its line end. */
void event_lines(const struct entry *entry, struct buffer *out);

#endif
