/*
 * The JSON reader: see json.h. yajl takes the text apart and calls back for each token; the callbacks lay nodes one
 * behind the other.
 *
 * Where yajl is not strict enough, it is helped:
 * - UTF-8 is checked before it begins, by our own rules, and its own lax check is off.
 * - It decodes halves of surrogate pairs into nonsense: strings with escapes are looked at again.
 * - It knows no duplicate keys: small objects are compared pairwise, large ones sorted: nobody can make it slow.
 * - It gives no position of a token: strings and numbers are found by their address in the text, the rest by how
 *   much it has consumed. Its memory comes from the reader's arena, so that a text costs no malloc once the arena is
 *   warm.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/json.h"
#include "schemas/wire/utf8.h"

enum {
	NODES_FIRST = 64,
	NODES_KEPT_MAX = 1 << 16, /* what a reader keeps from one text to the next */
	PAIRWISE_MAX = 16,        /* up to so many members each is compared with each */
	KEY_SHOWN_MAX = 64,
};
_Static_assert(JSON_READ_BYTES_MAX < UINT32_MAX, "offsets are uint32_t");

struct level {
	uint32_t node; /* the object or array */
	uint32_t last; /* its last child so far; 0: none */
};

struct reading {
	struct json_reader *reader;
	yajl_handle yajl;
	struct slice text;
	size_t done;      /* offset just behind the last token that became a node or a key */
	struct slice key; /* of the member whose value comes next */
	bool keyed;
	unsigned depth;
	struct level levels[JSON_READ_DEPTH_MAX];
	enum ll_code failed; /* what a callback that returned 0 has said */
	struct error *error;
};

/* ---- messages ---- */

const char *json_type_name(enum json_type type)
{
	static const char *const names[] = {"null", "boolean", "number", "string", "array", "object"};
	ENSURE((unsigned)type < sizeof names / sizeof *names);
	return names[type];
}

void json_place(struct slice text, size_t offset, size_t *line, size_t *column)
{
	size_t begin = 0;
	*line = 1;
	for (size_t i = 0; i < offset && i < text.size; i++) {
		if (text.at[i] == '\n') {
			++*line;
			begin = i + 1;
		}
	}
	*column = offset - begin + 1;
}

static enum ll_code refuse_at(const struct reading *reading, enum ll_code code, size_t offset, const char *what,
			      int size)
{
	size_t line, column;
	json_place(reading->text, offset, &line, &column);
	return error_set(reading->error, code, "%.*s at line %zu, column %zu (byte %zu)", size, what, line, column,
			 offset);
}

static int cancel(struct reading *reading, enum ll_code code, size_t offset, const char *what)
{
	reading->failed = refuse_at(reading, code, offset, what, INT_MAX);
	return 0;
}

/* ---- nodes ---- */

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Where the token after `done` begins: behind blanks, and behind commas and colons that do not end at `limit`. */
static size_t token_begin(const struct reading *reading, size_t limit)
{
	size_t at = reading->done;
	for (size_t next = at; next < limit; next++) {
		uint8_t byte = reading->text.at[next];
		if (is_blank(byte))
			continue;
		at = next;
		if (byte != ',' && byte != ':')
			break;
	}
	return at;
}

static struct json_node *node_add(struct reading *reading, enum json_type type, size_t offset)
{
	struct json_reader *reader = reading->reader;
	if (reader->count == JSON_READ_NODES_MAX) {
		cancel(reading, LL_TOO_LARGE, offset, "more values than are taken in one JSON text,");
		return NULL;
	}
	if (reader->count == reader->capacity) {
		reader->capacity = reader->capacity ? reader->capacity * 2 : NODES_FIRST;
		reader->nodes = realloc(reader->nodes, reader->capacity * sizeof *reader->nodes);
		ENSURE(reader->nodes);
	}
	uint32_t index = reader->count++;
	struct json_node *node = &reader->nodes[index];
	*node = (struct json_node){.type = type, .offset = (uint32_t)offset, .is_member = reading->keyed};
	if (reading->keyed)
		node->key = reading->key;
	reading->keyed = false;
	if (reading->depth) {
		struct level *level = &reading->levels[reading->depth - 1];
		reader->nodes[level->node].children++;
		if (level->last)
			reader->nodes[level->last].next = index;
		else
			reader->nodes[level->node].first_child = index;
		level->last = index;
	}
	return node;
}

static int word(struct reading *reading, enum json_type type, size_t size, bool yes)
{
	size_t end = yajl_get_bytes_consumed(reading->yajl);
	if (end < size)
		end = reading->text.size; /* the text ended with this word, and yajl was asked to finish */
	struct json_node *node = node_add(reading, type, end - size);
	if (!node)
		return 0;
	node->yes = yes;
	node->text = slice_of(reading->text.at + end - size, size);
	reading->done = end;
	return 1;
}

static int on_null(void *context)
{
	return word(context, JSON_NULL, strlen("null"), false);
}

static int on_bool(void *context, int yes)
{
	return word(context, JSON_BOOL, yes ? strlen("true") : strlen("false"), yes);
}

/* Whether it is an integer that fits; everything else stays text. */
static bool integer_of(struct slice text, int64_t *integer)
{
	bool negative = text.at[0] == '-';
	uint64_t limit = (uint64_t)INT64_MAX + negative, value = 0;
	for (size_t i = negative; i < text.size; i++) {
		unsigned digit = (unsigned)text.at[i] - '0';
		if (digit > 9 || value > limit / 10 || value * 10 > limit - digit)
			return false;
		value = value * 10 + digit;
	}
	if (negative && value == 0)
		return false;
	*integer = negative ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

static bool lies_in_text(const struct reading *reading, const void *at)
{
	uintptr_t place = (uintptr_t)at, begin = (uintptr_t)reading->text.at;
	return place >= begin && place <= begin + reading->text.size;
}

static int on_number(void *context, const char *at, size_t size)
{
	struct reading *reading = context;
	const uint8_t *digits = (const uint8_t *)at;
	if (!lies_in_text(reading, at)) /* a text that is but a number, finished by yajl's own white space */
		digits = reading->text.at + reading->text.size - size;
	size_t offset = (size_t)(digits - reading->text.at);
	struct json_node *node = node_add(reading, JSON_NUMBER, offset);
	if (!node)
		return 0;
	node->text = slice_of(digits, size);
	node->is_integer = integer_of(node->text, &node->integer);
	reading->done = offset + size;
	return 1;
}

static unsigned hex_unit(const uint8_t *at)
{
	unsigned unit = 0;
	for (int i = 0; i < 4; i++)
		unit = unit << 4 | (unsigned)(at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
	return unit;
}

/* The first half of a surrogate pair that stands alone in a string that yajl has taken; -1: none. */
static ptrdiff_t half_pair(struct slice raw)
{
	for (size_t i = 0; i + 1 < raw.size; i++) {
		if (raw.at[i] != '\\')
			continue;
		if (raw.at[i + 1] != 'u') {
			i++;
			continue;
		}
		unsigned unit = hex_unit(raw.at + i + 2);
		if (unit >= 0xDC00 && unit <= 0xDFFF)
			return (ptrdiff_t)i;
		if (unit >= 0xD800 && unit <= 0xDBFF) {
			if (i + 12 > raw.size || raw.at[i + 6] != '\\' || raw.at[i + 7] != 'u')
				return (ptrdiff_t)i;
			unsigned low = hex_unit(raw.at + i + 8);
			if (low < 0xDC00 || low > 0xDFFF)
				return (ptrdiff_t)i;
			i += 6;
		}
		i += 5;
	}
	return -1;
}

/* Finds where a string token stands, and keeps its bytes. */
static bool take_string(struct reading *reading, const unsigned char *at, size_t size, struct slice *string,
			size_t *offset)
{
	if (lies_in_text(reading, at)) {
		*string = slice_of(at, size);
		*offset = (size_t)(at - reading->text.at) - 1;
		reading->done = *offset + size + 2;
		return true;
	}
	size_t end = yajl_get_bytes_consumed(reading->yajl);
	*offset = token_begin(reading, end);
	ptrdiff_t half = half_pair(slice_of(reading->text.at + *offset + 1, end - *offset - 2));
	if (half >= 0) {
		cancel(reading, LL_USAGE, *offset + 1 + (size_t)half, "half of a surrogate pair");
		return false;
	}
	*string = arena_copy(&reading->reader->arena, slice_of(at, size));
	reading->done = end;
	return true;
}

static int on_string(void *context, const unsigned char *at, size_t size)
{
	struct reading *reading = context;
	struct slice string;
	size_t offset;
	if (!take_string(reading, at, size, &string, &offset))
		return 0;
	struct json_node *node = node_add(reading, JSON_STRING, offset);
	if (!node)
		return 0;
	node->text = string;
	return 1;
}

static int on_key(void *context, const unsigned char *at, size_t size)
{
	struct reading *reading = context;
	size_t offset;
	reading->keyed = true;
	return take_string(reading, at, size, &reading->key, &offset);
}

static int begin(struct reading *reading, enum json_type type)
{
	size_t end = yajl_get_bytes_consumed(reading->yajl);
	if (reading->depth == JSON_READ_DEPTH_MAX)
		return cancel(reading, LL_USAGE, end - 1, "more than 16 levels of objects and arrays");
	_Static_assert(JSON_READ_DEPTH_MAX == 16, "the message above names it");
	if (!node_add(reading, type, end - 1))
		return 0;
	reading->levels[reading->depth++] = (struct level){.node = reading->reader->count - 1};
	reading->done = end;
	return 1;
}

static struct json_node *end(struct reading *reading)
{
	struct json_node *node = &reading->reader->nodes[reading->levels[--reading->depth].node];
	reading->done = yajl_get_bytes_consumed(reading->yajl);
	node->text = slice_of(reading->text.at + node->offset, reading->done - node->offset);
	return node;
}

static int on_object_begin(void *context)
{
	return begin(context, JSON_OBJECT);
}

static int on_array_begin(void *context)
{
	return begin(context, JSON_ARRAY);
}

static int on_array_end(void *context)
{
	end(context);
	return 1;
}

/* ---- duplicate keys ---- */

static int twice(struct reading *reading, const struct json_node *node)
{
	char what[KEY_SHOWN_MAX + 64];
	int shown = node->key.size > KEY_SHOWN_MAX ? KEY_SHOWN_MAX : (int)node->key.size;
	snprintf(what, sizeof what, "the key \"%.*s\" stands twice in one object,", shown, (const char *)node->key.at);
	return cancel(reading, LL_USAGE, node->offset, what);
}

static int compare_keys(const void *left, const void *right)
{
	const struct json_node *const *a = left, *const *b = right;
	int order = slice_compare((*a)->key, (*b)->key);
	return order ? order : (*a)->offset < (*b)->offset ? -1 : 1;
}

static const struct json_node *twin_by_sorting(struct reading *reading, const struct json_node *object)
{
	const struct json_node **members = arena_alloc(&reading->reader->arena, object->children * sizeof *members);
	const struct json_node *node = json_first(reading->reader, object), *twin = NULL;
	for (uint32_t i = 0; i < object->children; i++, node = json_next(reading->reader, node))
		members[i] = node;
	qsort(members, object->children, sizeof *members, compare_keys);
	for (uint32_t i = 1; i < object->children; i++)
		if (slice_equal(members[i - 1]->key, members[i]->key) && (!twin || members[i]->offset < twin->offset))
			twin = members[i];
	return twin;
}

static const struct json_node *twin_by_pairs(struct reading *reading, const struct json_node *object)
{
	const struct json_reader *reader = reading->reader;
	const struct json_node *first = json_first(reader, object);
	for (const struct json_node *node = first; node; node = json_next(reader, node))
		for (const struct json_node *other = first; other != node; other = json_next(reader, other))
			if (slice_equal(other->key, node->key))
				return node;
	return NULL;
}

static int on_object_end(void *context)
{
	struct reading *reading = context;
	const struct json_node *object = end(reading);
	const struct json_node *twin =
		object->children <= PAIRWISE_MAX ? twin_by_pairs(reading, object) : twin_by_sorting(reading, object);
	return twin ? twice(reading, twin) : 1;
}

/* ---- yajl's memory: from the arena, with the size before each piece ---- */

static void *memory_take(void *context, size_t size)
{
	uint8_t *piece = arena_alloc(context, size + ARENA_ALIGNMENT);
	memcpy(piece, &size, sizeof size);
	return piece + ARENA_ALIGNMENT;
}

static void *memory_grow(void *context, void *old, size_t size)
{
	size_t before = 0;
	if (old)
		memcpy(&before, (uint8_t *)old - ARENA_ALIGNMENT, sizeof before);
	if (old && before >= size)
		return old;
	void *grown = memory_take(context, size);
	if (before)
		memcpy(grown, old, before);
	return grown;
}

static void memory_leave(void *context, void *piece)
{
	(void)context;
	(void)piece;
}

/* ---- the whole ---- */

/* Puts what yajl has to say into our words: its sentence without "parse error: " and the end of line. */
static enum ll_code refuse_for_yajl(struct reading *reading, bool finishing)
{
	size_t consumed = finishing ? reading->text.size : yajl_get_bytes_consumed(reading->yajl);
	const char *all = (const char *)yajl_get_error(reading->yajl, 0, NULL, 0);
	bool lexical = strncmp(all, "lexical", strlen("lexical")) == 0;
	const char *what = strstr(all, "error: ");
	what = what ? what + strlen("error: ") : all;
	size_t offset = token_begin(reading, consumed);
	if (strstr(what, "premature EOF")) {
		what = "not JSON: the text ends too early,";
		offset = reading->text.size;
	} else if (lexical && !finishing && !strstr(what, "invalid char in json text")) {
		offset = consumed; /* inside a token: yajl stands before the byte that it did not like */
	}
	char sentence[256];
	size_t size = strcspn(what, "\n");
	while (size && what[size - 1] == '.')
		size--;
	bool ours = strncmp(what, "not JSON", strlen("not JSON")) == 0;
	snprintf(sentence, sizeof sentence, "%s%.*s", ours ? "" : "not JSON: ", (int)size, what);
	return refuse_at(reading, LL_USAGE, offset, sentence, INT_MAX);
}

static enum ll_code run(struct reading *reading)
{
	static const yajl_callbacks callbacks = {
		.yajl_null = on_null,
		.yajl_boolean = on_bool,
		.yajl_number = on_number,
		.yajl_string = on_string,
		.yajl_start_map = on_object_begin,
		.yajl_map_key = on_key,
		.yajl_end_map = on_object_end,
		.yajl_start_array = on_array_begin,
		.yajl_end_array = on_array_end,
	};
	yajl_alloc_funcs memory = {memory_take, memory_grow, memory_leave, &reading->reader->arena};
	bool finishing = false;
	reading->yajl = yajl_alloc(&callbacks, &memory, reading);
	yajl_config(reading->yajl, yajl_dont_validate_strings, 1);
	yajl_status status = yajl_parse(reading->yajl, reading->text.at, reading->text.size);
	if (status == yajl_status_ok) {
		finishing = true;
		status = yajl_complete_parse(reading->yajl);
	}
	enum ll_code code = status == yajl_status_ok ? LL_OK
			    : reading->failed        ? reading->failed
						     : refuse_for_yajl(reading, finishing);
	yajl_free(reading->yajl);
	return code;
}

enum ll_code json_read(struct json_reader *reader, struct slice text, const struct json_node **root,
		       struct error *error)
{
	struct reading reading = {.reader = reader, .text = text, .error = error};
	if (reader->capacity > NODES_KEPT_MAX)
		json_reader_release(reader);
	reader->count = 0;
	arena_reset(&reader->arena);
	if (text.size > JSON_READ_BYTES_MAX)
		return error_set(error, LL_TOO_LARGE, "a JSON text of %zu bytes is more than is taken", text.size);
	size_t good = utf8_good_prefix(text);
	if (good < text.size)
		return refuse_at(&reading, LL_USAGE, good, "not UTF-8", INT_MAX);
	enum ll_code code = run(&reading);
	if (code == LL_OK && root)
		*root = &reader->nodes[0];
	return code;
}

const struct json_node *json_member(const struct json_reader *reader, const struct json_node *node, struct slice key)
{
	if (node->type != JSON_OBJECT)
		return NULL;
	for (const struct json_node *child = json_first(reader, node); child; child = json_next(reader, child))
		if (slice_equal(child->key, key))
			return child;
	return NULL;
}

void json_reader_release(struct json_reader *reader)
{
	free(reader->nodes);
	arena_release(&reader->arena);
	*reader = (struct json_reader){0};
}
