/*
 * JSON: a writer into a growing buffer, and a reader that makes a flat tree in reused memory.
 *
 * Caveats first
 * - Nothing here knows floating point. The reader keeps each number as the text that was sent, so that 1.0, 1e3, -0 and
 *   what is too large can be told apart; the writer writes integers, and decimals given in thousandths.
 * - Everything that a reader delivers lies in the reader or in the text that it was given: both must stay as they are
 *   while the tree is looked at. The next json_read on the same reader takes the tree back.
 * - The writer trusts its user with the order of calls: a value where a key belongs is a bug, and aborts.
 */
#ifndef LEDGERLINE_WIRE_JSON_H
#define LEDGERLINE_WIRE_JSON_H

#include "schemas/wire/arena.h"
#include "schemas/wire/buffer.h"
#include "schemas/wire/error.h"
#include "schemas/wire/slice.h"

/* ---- writing ---- */

enum { JSON_WRITE_DEPTH_MAX = 64 };

/* Writes one value after another into `out`, at its end. Owns nothing; may lie on the stack and be left without
 * a farewell. One writer may write several values in a row (JSON Lines): what stands between them is the user's. */
struct json_writer {
	struct buffer *out;
	uint64_t objects; /* bit n: level n is an object, not an array */
	uint32_t depth;
	bool pretty; /* for people: one member a line, indented with two blanks */
	bool first;  /* nothing yet at this level */
	bool keyed;  /* a key was written and waits for its value */
};

void json_writer_init(struct json_writer *writer, struct buffer *out, bool pretty);

void json_object_begin(struct json_writer *writer);
void json_object_end(struct json_writer *writer);
void json_array_begin(struct json_writer *writer);
void json_array_end(struct json_writer *writer);

/* The next member's name. Exactly one value must follow. */
void json_key(struct json_writer *writer, const char *key);
void json_key_slice(struct json_writer *writer, struct slice key);

/* Strings are UTF-8; a byte that is not well-formed is written as U+FFFD, so that what is written is always JSON. */
void json_string(struct json_writer *writer, struct slice text);
void json_text(struct json_writer *writer, const char *text); /* a C string; NULL writes null */
void json_textf(struct json_writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void json_int64(struct json_writer *writer, int64_t number);
void json_uint64(struct json_writer *writer, uint64_t number);
void json_bool(struct json_writer *writer, bool yes);
void json_null(struct json_writer *writer);

/* A number of thousandths as a decimal: 0 -> 0, 1500 -> 1.5, -1 -> -0.001, 12000 -> 12. */
void json_thousandths(struct json_writer *writer, int64_t thousandths);

/* One value that is JSON already, as it stands. Not looked at. */
void json_raw(struct json_writer *writer, struct slice json);

/* A key with its value, in one call. */
void json_member_string(struct json_writer *writer, const char *key, struct slice text);
void json_member_text(struct json_writer *writer, const char *key, const char *text);
void json_member_int64(struct json_writer *writer, const char *key, int64_t number);
void json_member_uint64(struct json_writer *writer, const char *key, uint64_t number);
void json_member_bool(struct json_writer *writer, const char *key, bool yes);
void json_member_null(struct json_writer *writer, const char *key);

/* `text` as a JSON string with its quotes, at the end of `out`: the piece that the writer is made of. */
void json_escape(struct buffer *out, struct slice text);

/* ---- reading ---- */

enum {
	JSON_READ_DEPTH_MAX = 16,      /* objects and arrays inside one another */
	JSON_READ_BYTES_MAX = 1 << 30, /* of one text */
	JSON_READ_NODES_MAX = 1 << 20, /* values in one text: 64 MiB of nodes */
};

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Nodes stand in one array, parents before children, in the order of the text. */
struct json_node {
	enum json_type type;
	bool is_integer;      /* a number of the form -?(0|[1-9][0-9]*), not -0, that fits int64 */
	bool yes;             /* of a JSON_BOOL */
	bool is_member;       /* has a key (which may be "") */
	uint32_t offset;      /* where the value begins in the text, in bytes from 0 */
	uint32_t children;    /* of an array or object: how many elements or members */
	uint32_t first_child; /* index of the first one; 0: none */
	uint32_t next;        /* index of the next child of the same parent; 0: this was the last */
	struct slice key;     /* decoded */
	struct slice text;    /* string: decoded. Everything else: as it stands in the text, brackets and all */
	int64_t integer;      /* valid when is_integer, else 0 */
};

/* All zeros is a reader ready to be used. It keeps its memory from one text to the next. */
struct json_reader {
	struct json_node *nodes; /* nodes[0] is the whole value */
	uint32_t count, capacity;
	struct arena arena; /* decoded strings, yajl's own memory */
};

/*
 * Reads one JSON value (RFC 8259, UTF-8, white space around it allowed) and nothing else. Refused are also: a key that
 * stands twice in one object, more than JSON_READ_DEPTH_MAX levels, an escape that is half of a surrogate pair, a byte
 * order mark.
 * *root (may be NULL): &reader->nodes[0].
 * LL_USAGE: not JSON: *error says what is wrong and where (line, column and byte from 1, 1 and 0; columns count bytes).
 * LL_TOO_LARGE: more than JSON_READ_BYTES_MAX or JSON_READ_NODES_MAX. After an error the reader is as good as new.
 */
enum ll_code json_read(struct json_reader *reader, struct slice text, const struct json_node **root,
		       struct error *error) LL_CHECKED;

/* The member of that name, or NULL; also when `node` is no object. Linear: for objects with few members. */
const struct json_node *json_member(const struct json_reader *reader, const struct json_node *node, struct slice key);

/* For loops over children: for (child = json_first(r, n); child; child = json_next(r, child)). */
static inline const struct json_node *json_first(const struct json_reader *reader, const struct json_node *node)
{
	return node->first_child ? &reader->nodes[node->first_child] : NULL;
}

static inline const struct json_node *json_next(const struct json_reader *reader, const struct json_node *node)
{
	return node->next ? &reader->nodes[node->next] : NULL;
}

static inline bool json_is_text(const struct json_node *node, struct slice text)
{
	return node->type == JSON_STRING && slice_equal(node->text, text);
}

/* "null", "boolean", "number", "string", "array", "object": for messages. */
const char *json_type_name(enum json_type type);

/* Line and column (both from 1, in bytes) of an offset into a text: for messages. */
void json_place(struct slice text, size_t offset, size_t *line, size_t *column);

void json_reader_release(struct json_reader *reader);

#endif
