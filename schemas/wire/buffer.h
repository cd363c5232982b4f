/*
 * A growable run of bytes.
 *
 * A buffer owns its bytes. All zeros (`struct buffer b = {0}`) is an empty buffer, ready to be used. It grows by half
 * at least, keeps its memory when cleared, and never shrinks by itself. When memory runs out the process aborts: so
 * nothing here can fail.
 *
 * Caveat: whatever may grow the buffer may move it. A pointer or slice into it is good until the next call that appends
 * or reserves, or until buffer_clear or buffer_release.
 */
#ifndef LEDGERLINE_WIRE_BUFFER_H
#define LEDGERLINE_WIRE_BUFFER_H

#include <stdarg.h>

#include "schemas/wire/slice.h"

struct buffer {
	uint8_t *at;
	size_t size;     /* bytes in use */
	size_t capacity; /* bytes there are */
};

/* Room for `extra` more bytes behind those in use. Returns where they go; buffer_commit makes them count. */
uint8_t *buffer_reserve_slow(struct buffer *buffer, size_t extra);
static inline uint8_t *buffer_reserve(struct buffer *buffer, size_t extra)
{
	if (__builtin_expect(buffer->capacity - buffer->size < extra || !buffer->at, 0))
		return buffer_reserve_slow(buffer, extra);
	return buffer->at + buffer->size;
}

/* `size` of the bytes that were reserved last have been written. */
static inline void buffer_commit(struct buffer *buffer, size_t size)
{
	buffer->size += size;
}

/* Appends a copy. `bytes` must not lie inside this buffer. A size of 0 is allowed, with any pointer. */
static inline void buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
	if (size == 0)
		return;
	memcpy(buffer_reserve(buffer, size), bytes, size);
	buffer->size += size;
}

static inline void buffer_append_slice(struct buffer *buffer, struct slice bytes)
{
	buffer_append(buffer, bytes.at, bytes.size);
}

/* A C string without its final zero. */
static inline void buffer_append_text(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

static inline void buffer_append_byte(struct buffer *buffer, uint8_t byte)
{
	*buffer_reserve(buffer, 1) = byte;
	buffer->size++;
}

/* Decimal digits, with a leading '-' when negative. */
void buffer_append_int64(struct buffer *buffer, int64_t number);
void buffer_append_uint64(struct buffer *buffer, uint64_t number);

void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_vprintf(struct buffer *buffer, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Removes the first `size` bytes and moves the rest to the front. */
void buffer_drop_front(struct buffer *buffer, size_t size);

/* The bytes with a zero behind them, which does not count. Good as long as a slice would be. */
const char *buffer_text(struct buffer *buffer);

static inline struct slice buffer_slice(const struct buffer *buffer)
{
	return (struct slice){buffer->at, buffer->size};
}

/* Empty again; the memory stays. */
static inline void buffer_clear(struct buffer *buffer)
{
	buffer->size = 0;
}

/* Frees the memory and leaves an empty buffer that may be used again. */
void buffer_release(struct buffer *buffer);

#endif
