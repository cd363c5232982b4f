/*
 * msgpack as a tree of JSON nodes, so that one reader of commands serves both; and JSON text as msgpack, for answers in kind.
 *
 * Taken: nil, booleans, integers, UTF-8 strings, arrays, and maps whose keys are strings, each once. Floats become numbers
 * that are no integers; bytes and extensions are refused.
 */
#ifndef LEDGERLINE_MSGPACK_TAPE_H
#define LEDGERLINE_MSGPACK_TAPE_H

#include "schemas/wire/json.h"

enum { MSGPACK_MEMBERS_MAX = 64 /* of one map: more than any command has */ };

/* Reads one value and nothing behind it into the reader's nodes, in place of what was there. Strings point into `bytes`.
 * LL_USAGE: not such msgpack, *error says what and where. LL_TOO_LARGE: more than JSON_READ_NODES_MAX values. */
enum ll_code msgpack_read(struct json_reader *reader, struct slice bytes, const struct json_node **root,
			  struct error *error) LL_CHECKED;

/* The tree of a JSON text whose numbers are all integers, as msgpack, at the end of `out`. */
void msgpack_write(const struct json_reader *reader, const struct json_node *node, struct buffer *out);

#endif
