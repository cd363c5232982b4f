/*
 * Replies: a pure function of the entry.
 *
 * The same entry renders to the same status and the same bytes for ever, on every machine: nothing here reads a view or a
 * clock. (The bearer credential of a waiting-room token is added by who has the engines' secret.)
 */
#ifndef LEDGERLINE_REPLY_H
#define LEDGERLINE_REPLY_H

#include "schemas/block.h"
#include "schemas/wire/json.h"

/* Writes the body of the answer to a client's entry (accepted or refused) and returns its HTTP status. 204 writes nothing.
 * 500 for an accepted entry whose events are no answer to its command: no program of ours has written such a one, but one may stand
 * in the journal. */
int reply_render(const struct entry *entry, struct json_writer *writer);

/* Writes {"code","message","details"} for any code. `facts` become details; field and reason (both or none, for
 * VALIDATION_ERROR) too. Returns the HTTP status. */
int reply_error(uint16_t code, const struct fact_list *facts, const char *field, const char *reason,
		struct json_writer *writer);

/* One room each: the replies of points, and of seats. false: not one of theirs. */
bool reply_points(const struct entry *entry, struct json_writer *writer, int *status);
bool reply_seats(const struct entry *entry, struct json_writer *writer, int *status);
bool reply_queue(const struct entry *entry, struct json_writer *writer, int *status);

/* Pieces that all of them use. */
void json_member_time(struct json_writer *writer, const char *key, int64_t ms); /* NONE_TIME writes null */
void json_member_ref(struct json_writer *writer, const char *key, const char *kind, uint64_t id); /* NONE_U64: null */
/* One fact's value by its kind: a number, a time, an id, text, numbers. */
void json_member_fact(struct json_writer *writer, const char *key, const struct fact *fact);

#endif
