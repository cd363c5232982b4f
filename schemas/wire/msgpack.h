/*
 * msgpack, as far as ledgerline writes it: nil, booleans, integers, strings, bytes, arrays.
 *
 * Reading: a cursor over bytes that may be anything. Each read checks the bounds and the type, and fails by returning
 * false with `failed` set to what was being read; the cursor is then of no more use. Nothing is copied: slices point into
 * the bytes; lists are laid into the arena.
 *
 * Writing: a packer over a fixed room. Writes that do not fit set `full` and write nothing; look at it once, at the end.
 * Integers take their shortest form, so equal values have equal bytes. (msgpack-c writes the same bytes five times
 * slower, which the fold would feel; the tests hold this file against it.)
 */
#ifndef LEDGERLINE_WIRE_MSGPACK_H
#define LEDGERLINE_WIRE_MSGPACK_H

#include <endian.h>

#include "schemas/wire/arena.h"
#include "schemas/wire/slice.h"

/* "Not there" of optional numbers, times and references. */
#define NONE_U32 UINT32_MAX
#define NONE_U64 UINT64_MAX
#define NONE_I64 INT64_MIN
#define NONE_TIME ((int64_t)0)
#define NONE_DAY INT32_MIN

enum { ID_BYTES_MAX = 64, TEXT_BYTES_MAX = 512, LIST_COUNT_MAX = 1 << 20 };

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	struct arena *arena; /* where lists go; needed only if there are any */
	uint64_t seq;        /* number of the entry that is being read: the value of self: fields */
	const char *failed;  /* what could not be read, for the message; NULL while all is well */
};

static inline struct cursor cursor_over(struct slice bytes, struct arena *arena)
{
	return (struct cursor){bytes.at, bytes.at + bytes.size, arena, 0, NULL};
}

__attribute__((cold)) static inline bool cursor_fail(struct cursor *c, const char *what)
{
	c->failed = what;
	return false;
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

static inline uint16_t load_u16(const uint8_t *at)
{
	uint16_t v;
	memcpy(&v, at, sizeof v);
	return be16toh(v);
}

static inline uint32_t load_u32(const uint8_t *at)
{
	uint32_t v;
	memcpy(&v, at, sizeof v);
	return be32toh(v);
}

static inline uint64_t load_u64(const uint8_t *at)
{
	uint64_t v;
	memcpy(&v, at, sizeof v);
	return be64toh(v);
}

static inline void store_u16(uint8_t *at, uint16_t v)
{
	v = htobe16(v);
	memcpy(at, &v, sizeof v);
}

static inline void store_u32(uint8_t *at, uint32_t v)
{
	v = htobe32(v);
	memcpy(at, &v, sizeof v);
}

static inline void store_u64(uint8_t *at, uint64_t v)
{
	v = htobe64(v);
	memcpy(at, &v, sizeof v);
}

static inline bool cursor_is_nil(struct cursor *c)
{
	if (c->at == c->end || *c->at != 0xc0)
		return false;
	c->at++;
	return true;
}

static inline bool cursor_u64(struct cursor *c, uint64_t *v, const char *what)
{
	size_t left = cursor_left(c);
	if (left == 0)
		return cursor_fail(c, what);
	uint8_t tag = *c->at;
	if (tag < 0x80) {
		*v = tag;
		c->at += 1;
		return true;
	}
	size_t width = tag >= 0xcc && tag <= 0xcf ? (size_t)1 << (tag - 0xcc) : 0;
	if (width == 0 || left < 1 + width)
		return cursor_fail(c, what);
	switch (width) {
	case 1: *v = c->at[1]; break;
	case 2: *v = load_u16(c->at + 1); break;
	case 4: *v = load_u32(c->at + 1); break;
	default: *v = load_u64(c->at + 1); break;
	}
	c->at += 1 + width;
	return true;
}

static inline bool cursor_i64(struct cursor *c, int64_t *v, const char *what)
{
	size_t left = cursor_left(c);
	if (left == 0)
		return cursor_fail(c, what);
	uint8_t tag = *c->at;
	if (tag >= 0xe0) {
		*v = (int8_t)tag;
		c->at += 1;
		return true;
	}
	if (tag < 0xd0 || tag > 0xd3) {
		uint64_t u;
		if (!cursor_u64(c, &u, what))
			return false;
		if (u > INT64_MAX)
			return cursor_fail(c, what);
		*v = (int64_t)u;
		return true;
	}
	size_t width = (size_t)1 << (tag - 0xd0);
	if (left < 1 + width)
		return cursor_fail(c, what);
	switch (width) {
	case 1: *v = (int8_t)c->at[1]; break;
	case 2: *v = (int16_t)load_u16(c->at + 1); break;
	case 4: *v = (int32_t)load_u32(c->at + 1); break;
	default: *v = (int64_t)load_u64(c->at + 1); break;
	}
	c->at += 1 + width;
	return true;
}

static inline bool cursor_below(struct cursor *c, uint64_t *v, uint64_t max, const char *what)
{
	return cursor_u64(c, v, what) && (*v <= max || cursor_fail(c, what));
}

static inline bool cursor_u32(struct cursor *c, uint32_t *v, const char *what)
{
	uint64_t u;
	if (!cursor_below(c, &u, UINT32_MAX, what))
		return false;
	*v = (uint32_t)u;
	return true;
}

static inline bool cursor_u16(struct cursor *c, uint16_t *v, const char *what)
{
	uint64_t u;
	if (!cursor_below(c, &u, UINT16_MAX, what))
		return false;
	*v = (uint16_t)u;
	return true;
}

static inline bool cursor_u8(struct cursor *c, uint8_t *v, const char *what)
{
	uint64_t u;
	if (!cursor_below(c, &u, UINT8_MAX, what))
		return false;
	*v = (uint8_t)u;
	return true;
}

/* Whole won: never negative. */
static inline bool cursor_amount(struct cursor *c, int64_t *v, const char *what)
{
	uint64_t u;
	if (!cursor_below(c, &u, INT64_MAX, what))
		return false;
	*v = (int64_t)u;
	return true;
}

static inline bool cursor_i32(struct cursor *c, int32_t *v, const char *what)
{
	int64_t i;
	if (!cursor_i64(c, &i, what))
		return false;
	if (i < INT32_MIN || i > INT32_MAX)
		return cursor_fail(c, what);
	*v = (int32_t)i;
	return true;
}

static inline bool cursor_bool(struct cursor *c, bool *v, const char *what)
{
	if (c->at == c->end || (*c->at != 0xc2 && *c->at != 0xc3))
		return cursor_fail(c, what);
	*v = *c->at++ == 0xc3;
	return true;
}

static inline bool cursor_sized(struct cursor *c, struct slice *v, size_t header, size_t size, const char *what)
{
	if (cursor_left(c) < header + size)
		return cursor_fail(c, what);
	*v = slice_of(c->at + header, size);
	c->at += header + size;
	return true;
}

static inline bool cursor_string(struct cursor *c, struct slice *v, size_t max, const char *what)
{
	size_t left = cursor_left(c), header, size;
	if (left >= 1 && (*c->at & 0xe0) == 0xa0) {
		header = 1;
		size = *c->at & 0x1f;
	} else if (left >= 2 && *c->at == 0xd9) {
		header = 2;
		size = c->at[1];
	} else if (left >= 3 && *c->at == 0xda) {
		header = 3;
		size = load_u16(c->at + 1);
	} else {
		return cursor_fail(c, what);
	}
	if (size > max)
		return cursor_fail(c, what);
	return cursor_sized(c, v, header, size, what);
}

/* An id is never empty; a text that is there is not either. */
static inline bool cursor_id(struct cursor *c, struct slice *v, const char *what)
{
	return cursor_string(c, v, ID_BYTES_MAX, what) && (v->size > 0 || cursor_fail(c, what));
}

static inline bool cursor_text(struct cursor *c, struct slice *v, const char *what)
{
	return cursor_string(c, v, TEXT_BYTES_MAX, what) && (v->size > 0 || cursor_fail(c, what));
}

/* Exactly `size` bytes (16 or 32). */
static inline bool cursor_bytes(struct cursor *c, struct slice *v, size_t size, const char *what)
{
	if (cursor_left(c) < 2 || c->at[0] != 0xc4 || c->at[1] != size)
		return cursor_fail(c, what);
	return cursor_sized(c, v, 2, size, what);
}

static inline bool cursor_array(struct cursor *c, uint32_t *count, const char *what)
{
	size_t left = cursor_left(c);
	if (left >= 1 && (*c->at & 0xf0) == 0x90) {
		*count = *c->at & 0x0f;
		c->at += 1;
	} else if (left >= 3 && *c->at == 0xdc) {
		*count = load_u16(c->at + 1);
		c->at += 3;
	} else if (left >= 5 && *c->at == 0xdd) {
		*count = load_u32(c->at + 1);
		c->at += 5;
	} else {
		return cursor_fail(c, what);
	}
	/* Each element takes a byte at least: a count beyond that is a lie, and would be believed by an allocation. */
	return *count <= cursor_left(c) || cursor_fail(c, what);
}

/* An array of exactly `count`: one more is a newer version's field, one less a damaged row. */
static inline bool cursor_array_of(struct cursor *c, uint32_t count, const char *what)
{
	uint32_t found;
	return cursor_array(c, &found, what) && (found == count || cursor_fail(c, what));
}

struct packer {
	uint8_t *at;
	uint8_t *end;
	bool full;
};

static inline struct packer packer_over(void *room, size_t size)
{
	return (struct packer){room, (uint8_t *)room + size, false};
}

static inline uint8_t *packer_room(struct packer *p, size_t size)
{
	if (__builtin_expect((size_t)(p->end - p->at) < size, 0)) {
		p->full = true;
		p->end = p->at;
		return NULL;
	}
	uint8_t *at = p->at;
	p->at += size;
	return at;
}

static inline void pack_byte(struct packer *p, uint8_t v)
{
	uint8_t *at = packer_room(p, 1);
	if (at)
		*at = v;
}

static inline void pack_nil(struct packer *p)
{
	pack_byte(p, 0xc0);
}

static inline void pack_bool(struct packer *p, bool v)
{
	pack_byte(p, v ? 0xc3 : 0xc2);
}

static inline void pack_u64(struct packer *p, uint64_t v)
{
	uint8_t *at;
	if (v < 0x80) {
		pack_byte(p, (uint8_t)v);
	} else if (v <= UINT8_MAX) {
		if ((at = packer_room(p, 2))) {
			at[0] = 0xcc;
			at[1] = (uint8_t)v;
		}
	} else if (v <= UINT16_MAX) {
		if ((at = packer_room(p, 3))) {
			at[0] = 0xcd;
			store_u16(at + 1, (uint16_t)v);
		}
	} else if (v <= UINT32_MAX) {
		if ((at = packer_room(p, 5))) {
			at[0] = 0xce;
			store_u32(at + 1, (uint32_t)v);
		}
	} else if ((at = packer_room(p, 9))) {
		at[0] = 0xcf;
		store_u64(at + 1, v);
	}
}

static inline void pack_i64(struct packer *p, int64_t v)
{
	uint8_t *at;
	if (v >= 0) {
		pack_u64(p, (uint64_t)v);
	} else if (v >= -32) {
		pack_byte(p, (uint8_t)v);
	} else if (v >= INT8_MIN) {
		if ((at = packer_room(p, 2))) {
			at[0] = 0xd0;
			at[1] = (uint8_t)v;
		}
	} else if (v >= INT16_MIN) {
		if ((at = packer_room(p, 3))) {
			at[0] = 0xd1;
			store_u16(at + 1, (uint16_t)v);
		}
	} else if (v >= INT32_MIN) {
		if ((at = packer_room(p, 5))) {
			at[0] = 0xd2;
			store_u32(at + 1, (uint32_t)v);
		}
	} else if ((at = packer_room(p, 9))) {
		at[0] = 0xd3;
		store_u64(at + 1, (uint64_t)v);
	}
}

static inline void pack_raw(struct packer *p, struct slice v)
{
	uint8_t *at = packer_room(p, v.size);
	if (at && v.size)
		memcpy(at, v.at, v.size);
}

static inline void pack_string(struct packer *p, struct slice v)
{
	uint8_t *at;
	if (v.size < 32) {
		pack_byte(p, (uint8_t)(0xa0 | v.size));
	} else if (v.size <= UINT8_MAX) {
		if ((at = packer_room(p, 2))) {
			at[0] = 0xd9;
			at[1] = (uint8_t)v.size;
		}
	} else if ((at = packer_room(p, 3))) {
		at[0] = 0xda;
		store_u16(at + 1, (uint16_t)v.size);
	}
	pack_raw(p, v);
}

static inline void pack_bytes(struct packer *p, struct slice v)
{
	uint8_t *at = packer_room(p, 2);
	if (at) {
		at[0] = 0xc4;
		at[1] = (uint8_t)v.size;
	}
	pack_raw(p, v);
}

static inline void pack_array(struct packer *p, uint32_t count)
{
	uint8_t *at;
	if (count < 16) {
		pack_byte(p, (uint8_t)(0x90 | count));
	} else if (count <= UINT16_MAX) {
		if ((at = packer_room(p, 3))) {
			at[0] = 0xdc;
			store_u16(at + 1, (uint16_t)count);
		}
	} else if ((at = packer_room(p, 5))) {
		at[0] = 0xdd;
		store_u32(at + 1, count);
	}
}

#endif
