/*
 * Keys of rows: parts joined so that memcmp order is the order meant.
 *
 * Ids end with a zero byte unless they are the last part (ids have no zero bytes). Numbers are big-endian. Times are
 * big-endian milliseconds, never before 1970, with all ones for "never".
 */
#ifndef LEDGERLINE_WIRE_KEY_H
#define LEDGERLINE_WIRE_KEY_H

#include "schemas/wire/ensure.h"
#include "schemas/wire/msgpack.h"

enum { KEY_BYTES_MAX = 192 };

struct key {
	uint8_t bytes[KEY_BYTES_MAX];
	size_t size;
};

static inline struct slice key_slice(const struct key *key)
{
	return slice_of(key->bytes, key->size);
}

static inline uint8_t *key_room(struct key *key, size_t size)
{
	ENSURE(key->size + size <= sizeof key->bytes);
	uint8_t *at = key->bytes + key->size;
	key->size += size;
	return at;
}

static inline void key_add_u8(struct key *key, uint8_t v)
{
	*key_room(key, 1) = v;
}

static inline void key_add_u32(struct key *key, uint32_t v)
{
	store_u32(key_room(key, 4), v);
}

static inline void key_add_u64(struct key *key, uint64_t v)
{
	store_u64(key_room(key, 8), v);
}

static inline void key_add_time(struct key *key, int64_t ms)
{
	store_u64(key_room(key, 8), ms == NONE_TIME ? UINT64_MAX : (uint64_t)ms);
}

static inline void key_add_bytes(struct key *key, struct slice v)
{
	memcpy(key_room(key, v.size), v.at, v.size);
}

static inline void key_add_id(struct key *key, struct slice id, bool last)
{
	key_add_bytes(key, id);
	if (!last)
		key_add_u8(key, 0);
}

/* The first key after all that begin with this one: for scans of a prefix. Empty when there is none. */
static inline void key_after_prefix(struct key *key)
{
	while (key->size && key->bytes[key->size - 1] == 0xff)
		key->size--;
	if (key->size)
		key->bytes[key->size - 1]++;
}

/* Reading a key back. false: it is not such a key. */
static inline bool key_take_id(struct slice *rest, struct slice *id, bool last)
{
	if (last) {
		*id = *rest;
		*rest = slice_of(rest->at + rest->size, 0);
		return id->size > 0;
	}
	const uint8_t *zero = rest->size ? memchr(rest->at, 0, rest->size) : NULL;
	if (!zero)
		return false;
	*id = slice_of(rest->at, (size_t)(zero - rest->at));
	*rest = slice_of(zero + 1, rest->size - id->size - 1);
	return true;
}

static inline bool key_take(struct slice *rest, size_t size, const uint8_t **at)
{
	if (rest->size < size)
		return false;
	*at = rest->at;
	*rest = slice_of(rest->at + size, rest->size - size);
	return true;
}

#endif
