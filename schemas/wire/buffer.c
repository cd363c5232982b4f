#include "schemas/wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>

#include "schemas/wire/ensure.h"

enum { BUFFER_BYTES_MIN = 64, DECIMAL_DIGITS_MAX = 20 };

uint8_t *buffer_reserve_slow(struct buffer *buffer, size_t extra)
{
	ENSURE(extra <= SIZE_MAX / 4 - buffer->size);
	size_t wanted = buffer->size + extra;
	size_t capacity = buffer->capacity + buffer->capacity / 2;
	if (capacity < wanted)
		capacity = wanted;
	if (capacity < BUFFER_BYTES_MIN)
		capacity = BUFFER_BYTES_MIN;
	uint8_t *grown = realloc(buffer->at, capacity);
	ENSURE(grown);
	buffer->at = grown;
	buffer->capacity = capacity;
	return grown + buffer->size;
}

void buffer_append_uint64(struct buffer *buffer, uint64_t number)
{
	uint8_t digits[DECIMAL_DIGITS_MAX];
	size_t first = sizeof digits;
	do {
		digits[--first] = (uint8_t)('0' + number % 10);
		number /= 10;
	} while (number);
	buffer_append(buffer, digits + first, sizeof digits - first);
}

void buffer_append_int64(struct buffer *buffer, int64_t number)
{
	if (number < 0)
		buffer_append_byte(buffer, '-');
	buffer_append_uint64(buffer, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int size = vsnprintf(NULL, 0, format, args);
	ENSURE(size >= 0);
	char *at = (char *)buffer_reserve(buffer, (size_t)size + 1);
	vsnprintf(at, (size_t)size + 1, format, again);
	buffer_commit(buffer, (size_t)size);
	va_end(again);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	buffer_vprintf(buffer, format, args);
	va_end(args);
}

void buffer_drop_front(struct buffer *buffer, size_t size)
{
	ENSURE(size <= buffer->size);
	if (size && size < buffer->size)
		memmove(buffer->at, buffer->at + size, buffer->size - size);
	buffer->size -= size;
}

const char *buffer_text(struct buffer *buffer)
{
	*buffer_reserve(buffer, 1) = 0;
	return (const char *)buffer->at;
}

void buffer_release(struct buffer *buffer)
{
	free(buffer->at);
	*buffer = (struct buffer){0};
}
