/*
 * A public event: what the relay tells the world of one event of the journal.
 *
 *	{"eventId":"...","eventType":"payment.completed","eventTime":"...","schemaVersion":1,"sequence":1842,"payload":{...}}
 *
 * What stands in the payload is described in schemas/events.toml (schemas/generator/public.py), from which docs/schemas/ comes too.
 * Pure: the same event of the same ledger has the same bytes, whoever relays it and whenever.
 *
 * The event's id is the UUID, version 5, of "PARTITION:ENTRY:INDEX" ("0:1842:1") in the space of the ledger's uuid: anybody can
 * make it from a line of `ledgerline journal cat`.
 */
#ifndef LEDGERLINE_RELAY_PUBLIC_EVENT_H
#define LEDGERLINE_RELAY_PUBLIC_EVENT_H

#include "schemas/block.h"
#include "schemas/public_events.h"
#include "schemas/wire/buffer.h"

/* The key of the event's record. Good as long as the event is. */
struct slice public_event_key(const struct event *event, const struct public_event *public);

/* Appends the JSON of event `index` of an entry. The event is of the newest version, or was completed (schedules.h). */
void public_event_json(const uint8_t ledger[LEDGER_UUID_BYTES], const struct entry *entry, uint32_t index,
		       const struct public_event *public, struct buffer *out);

#endif
