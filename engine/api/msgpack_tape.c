#include "engine/api/msgpack_tape.h"

#include <stdlib.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/msgpack.h"
#include "schemas/wire/utf8.h"

struct taking {
	struct json_reader *reader;
	struct slice bytes;
	size_t at;
	struct error *error;
};

static bool refuse_here(struct taking *taking, const char *what)
{
	error_set(taking->error, LL_USAGE, "%s at byte %zu of the msgpack", what, taking->at);
	return false;
}

static bool node_add(struct taking *taking, uint32_t *index)
{
	struct json_reader *reader = taking->reader;
	if (reader->count == JSON_READ_NODES_MAX) {
		error_set(taking->error, LL_TOO_LARGE, "more than %d values in one msgpack", JSON_READ_NODES_MAX);
		return false;
	}
	if (reader->count == reader->capacity) {
		reader->capacity = reader->capacity ? reader->capacity * 2 : 64;
		reader->nodes = realloc(reader->nodes, reader->capacity * sizeof *reader->nodes);
		ENSURE(reader->nodes);
	}
	*index = reader->count++;
	reader->nodes[*index] = (struct json_node){.offset = (uint32_t)taking->at};
	return true;
}

/* The big-endian number of 1, 2, 4 or 8 bytes behind the tag. */
static bool take_number(struct taking *taking, size_t width, uint64_t *number)
{
	if (taking->bytes.size - taking->at < 1 + width)
		return refuse_here(taking, "a value that is cut off");
	*number = 0;
	for (size_t i = 0; i < width; i++)
		*number = *number << 8 | taking->bytes.at[taking->at + 1 + i];
	taking->at += 1 + width;
	return true;
}

static int64_t signed_of(uint64_t number, size_t width)
{
	unsigned unused = (unsigned)(64 - 8 * width);
	return (int64_t)(number << unused) >> unused;
}

static bool take_string(struct taking *taking, uint64_t size, struct slice *text)
{
	if (taking->bytes.size - taking->at < size)
		return refuse_here(taking, "a string that is cut off");
	*text = slice_of(taking->bytes.at + taking->at, size);
	if (!utf8_is_good(*text))
		return refuse_here(taking, "a string that is not UTF-8");
	taking->at += size;
	return true;
}

enum shape { SHAPE_SCALAR, SHAPE_STRING, SHAPE_ARRAY, SHAPE_MAP };

static bool take_integer(struct taking *taking, uint8_t tag, struct json_node *node)
{
	uint64_t number;
	size_t width = (size_t)1 << (tag & 3);
	bool is_signed = tag >= 0xd0;
	if (!take_number(taking, width, &number))
		return false;
	node->type = JSON_NUMBER;
	node->is_integer = is_signed || number <= INT64_MAX;
	node->integer = is_signed ? signed_of(number, width) : node->is_integer ? (int64_t)number : 0;
	return true;
}

static bool take_fixed(struct taking *taking, uint8_t tag, struct json_node *node)
{
	taking->at++;
	if (tag < 0x80 || tag >= 0xe0) {
		node->type = JSON_NUMBER;
		node->is_integer = true;
		node->integer = (int8_t)tag;
	} else {
		node->type = tag == 0xc0 ? JSON_NULL : JSON_BOOL;
		node->yes = tag == 0xc3;
	}
	return true;
}

/* Reads the head of a value: *shape, and for all but scalars *count, of bytes, elements or members. */
static bool take_head(struct taking *taking, struct json_node *node, enum shape *shape, uint64_t *count)
{
	if (taking->at == taking->bytes.size)
		return refuse_here(taking, "nothing where a value should be");
	uint8_t tag = taking->bytes.at[taking->at];
	*shape = SHAPE_SCALAR;
	if (tag < 0x80 || tag >= 0xe0 || tag == 0xc0 || tag == 0xc2 || tag == 0xc3)
		return take_fixed(taking, tag, node);
	if ((tag >= 0xcc && tag <= 0xcf) || (tag >= 0xd0 && tag <= 0xd3))
		return take_integer(taking, tag, node);
	if (tag == 0xca || tag == 0xcb) {
		node->type = JSON_NUMBER;
		return take_number(taking, tag == 0xca ? 4 : 8, count);
	}
	if (tag < 0xc0) {
		*shape = tag < 0x90 ? SHAPE_MAP : tag < 0xa0 ? SHAPE_ARRAY : SHAPE_STRING;
		*count = tag < 0xa0 ? tag & 0x0f : tag & 0x1f;
		taking->at++;
		return true;
	}
	if (tag >= 0xd9 && tag <= 0xdb) {
		*shape = SHAPE_STRING;
		return take_number(taking, (size_t)1 << (tag - 0xd9), count);
	}
	if (tag >= 0xdc) {
		*shape = tag < 0xde ? SHAPE_ARRAY : SHAPE_MAP;
		return take_number(taking, tag & 1 ? 4 : 2, count);
	}
	return refuse_here(taking, "bytes, or an extension, that no command has,");
}

static bool take_key(struct taking *taking, uint32_t first, struct slice *key)
{
	struct json_node ignored;
	enum shape shape;
	uint64_t size;
	if (!take_head(taking, &ignored, &shape, &size))
		return false;
	if (shape != SHAPE_STRING)
		return refuse_here(taking, "a key that is not a string");
	if (!take_string(taking, size, key))
		return false;
	for (uint32_t i = first; i; i = taking->reader->nodes[i].next)
		if (slice_equal(taking->reader->nodes[i].key, *key))
			return refuse_here(taking, "a key that stands twice in its map,");
	return true;
}

static bool take_value(struct taking *taking, unsigned depth, uint32_t *index);

static bool take_children(struct taking *taking, unsigned depth, uint32_t parent, bool is_map, uint64_t count)
{
	uint32_t last = 0, child;
	if (depth >= JSON_READ_DEPTH_MAX)
		return refuse_here(taking, "more levels than are taken");
	if (count > (is_map ? MSGPACK_MEMBERS_MAX : taking->bytes.size - taking->at))
		return refuse_here(taking,
				   is_map ? "a map with more members than a command has" : "an array that is cut off");
	for (uint64_t i = 0; i < count; i++) {
		struct slice key = SLICE_EMPTY;
		if (is_map && !take_key(taking, taking->reader->nodes[parent].first_child, &key))
			return false;
		if (!take_value(taking, depth + 1, &child))
			return false;
		taking->reader->nodes[child].is_member = is_map;
		taking->reader->nodes[child].key = key;
		if (last)
			taking->reader->nodes[last].next = child;
		else
			taking->reader->nodes[parent].first_child = child;
		last = child;
		taking->reader->nodes[parent].children++;
	}
	return true;
}

static bool take_value(struct taking *taking, unsigned depth, uint32_t *index)
{
	struct json_node node = {0};
	enum shape shape;
	uint64_t count = 0;
	if (!node_add(taking, index))
		return false;
	size_t begin = taking->at;
	if (!take_head(taking, &node, &shape, &count))
		return false;
	node.offset = (uint32_t)begin;
	if (shape == SHAPE_STRING && !take_string(taking, count, &node.text))
		return false;
	if (shape != SHAPE_SCALAR)
		node.type = shape == SHAPE_STRING ? JSON_STRING : shape == SHAPE_ARRAY ? JSON_ARRAY : JSON_OBJECT;
	taking->reader->nodes[*index] = node;
	return shape == SHAPE_SCALAR || shape == SHAPE_STRING ||
	       take_children(taking, depth, *index, shape == SHAPE_MAP, count);
}

enum ll_code msgpack_read(struct json_reader *reader, struct slice bytes, const struct json_node **root,
			  struct error *error)
{
	struct error own;
	struct taking taking = {reader, bytes, 0, error ? error : &own};
	uint32_t index;
	reader->count = 0;
	bool fine = take_value(&taking, 0, &index);
	if (fine && taking.at < bytes.size)
		fine = refuse_here(&taking, "something behind the value");
	if (!fine) {
		reader->count = 0;
		return taking.error->code;
	}
	if (root)
		*root = &reader->nodes[0];
	return LL_OK;
}

/* ---- writing ---- */

static void put_count(struct buffer *out, uint8_t tag_16, uint32_t count)
{
	uint8_t *at = buffer_reserve(out, 5);
	at[0] = count <= UINT16_MAX ? tag_16 : (uint8_t)(tag_16 + 1);
	if (count <= UINT16_MAX)
		store_u16(at + 1, (uint16_t)count);
	else
		store_u32(at + 1, count);
	buffer_commit(out, count <= UINT16_MAX ? 3 : 5);
}

static void put_string(struct buffer *out, struct slice text)
{
	if (text.size < 32)
		buffer_append_byte(out, (uint8_t)(0xa0 | text.size));
	else
		put_count(out, 0xda, (uint32_t)text.size);
	buffer_append_slice(out, text);
}

static void put_integer(struct buffer *out, int64_t number)
{
	uint8_t *room = buffer_reserve(out, 9);
	struct packer packer = packer_over(room, 9);
	pack_i64(&packer, number);
	buffer_commit(out, (size_t)(packer.at - room));
}

void msgpack_write(const struct json_reader *reader, const struct json_node *node, struct buffer *out)
{
	bool is_map = node->type == JSON_OBJECT;
	switch (node->type) {
	case JSON_NULL: buffer_append_byte(out, 0xc0); return;
	case JSON_BOOL: buffer_append_byte(out, node->yes ? 0xc3 : 0xc2); return;
	case JSON_NUMBER: put_integer(out, node->integer); return;
	case JSON_STRING: put_string(out, node->text); return;
	default: break;
	}
	if (node->children < 16)
		buffer_append_byte(out, (uint8_t)((is_map ? 0x80 : 0x90) | node->children));
	else
		put_count(out, is_map ? 0xde : 0xdc, node->children);
	for (const struct json_node *child = json_first(reader, node); child; child = json_next(reader, child)) {
		if (is_map)
			put_string(out, child->key);
		msgpack_write(reader, child, out);
	}
}
