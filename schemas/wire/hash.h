/*
 * Hashes. SHA-256 chains the blocks and digests states (OpenSSL: it uses the processor's instructions); BLAKE2b-128 names
 * commands and their bodies (libsodium: fast on short input); XXH3-64 tells a damaged block from a false one.
 */
#ifndef LEDGERLINE_WIRE_HASH_H
#define LEDGERLINE_WIRE_HASH_H

#include "schemas/wire/slice.h"

enum { HASH_BYTES = 32, SHORT_HASH_BYTES = 16 };

struct hash {
	uint8_t bytes[HASH_BYTES];
};

struct short_hash {
	uint8_t bytes[SHORT_HASH_BYTES];
};

/* SHA-256 of one run of bytes, and of two as if they were joined. */
struct hash hash_of(struct slice bytes);
struct hash hash_of_two(struct slice first, struct slice second);

/* SHA-256 of a stream: new, any number of adds, then end (which frees). Aborts when memory runs out. */
struct hash_stream;
struct hash_stream *hash_stream_new(void);
void hash_stream_add(struct hash_stream *stream, struct slice bytes);
struct hash hash_stream_end(struct hash_stream *stream);

/* BLAKE2b-128, without a key. */
struct short_hash short_hash_of(struct slice bytes);

/* XXH3-64. */
uint64_t checksum_of(struct slice bytes, uint64_t seed);

/* Lower-case hexadecimal with a final zero: 2 * size + 1 bytes. */
void hex_text(char *text, const uint8_t *bytes, size_t size);

/* A UUID of 16 bytes as it is written: 8-4-4-4-12 digits, with a final zero. */
enum { UUID_TEXT_SIZE = 37, UUID_BYTES = 16 };
void uuid_text(char text[UUID_TEXT_SIZE], const uint8_t *uuid);

/* The UUID of a name within a space (RFC 9562, version 5: every language has it). `uuid` may be `space`. */
void uuid_of_name(uint8_t uuid[UUID_BYTES], const uint8_t space[UUID_BYTES], struct slice name);

static inline struct slice hash_slice(const struct hash *hash)
{
	return slice_of(hash->bytes, HASH_BYTES);
}

static inline struct slice short_hash_slice(const struct short_hash *hash)
{
	return slice_of(hash->bytes, SHORT_HASH_BYTES);
}

#endif
