/*
 * The JSON writer: see json.h. The state is one bit a level (object or array) and what was written last, so that commas
 * and indentation come by themselves.
 */
#include <stdio.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/json.h"
#include "schemas/wire/utf8.h"

void json_writer_init(struct json_writer *writer, struct buffer *out, bool pretty)
{
	*writer = (struct json_writer){.out = out, .pretty = pretty, .first = true};
}

static bool in_object(const struct json_writer *writer)
{
	return writer->depth && (writer->objects >> (writer->depth - 1) & 1);
}

static void new_line(struct json_writer *writer)
{
	size_t blanks = (size_t)writer->depth * 2;
	uint8_t *at = buffer_reserve(writer->out, blanks + 1);
	at[0] = '\n';
	memset(at + 1, ' ', blanks);
	buffer_commit(writer->out, blanks + 1);
}

/* What stands before a key, or before a value that has none. */
static void separate(struct json_writer *writer)
{
	if (!writer->depth)
		return;
	if (!writer->first)
		buffer_append_byte(writer->out, ',');
	if (writer->pretty)
		new_line(writer);
	writer->first = false;
}

static void before_value(struct json_writer *writer)
{
	if (writer->keyed) {
		writer->keyed = false;
		return;
	}
	ENSURE(!in_object(writer));
	separate(writer);
}

static void begin(struct json_writer *writer, bool object)
{
	before_value(writer);
	ENSURE(writer->depth < JSON_WRITE_DEPTH_MAX);
	uint64_t bit = UINT64_C(1) << writer->depth++;
	writer->objects = object ? writer->objects | bit : writer->objects & ~bit;
	writer->first = true;
	buffer_append_byte(writer->out, object ? '{' : '[');
}

static void end(struct json_writer *writer, bool object)
{
	ENSURE(writer->depth && !writer->keyed && in_object(writer) == object);
	writer->depth--;
	if (writer->pretty && !writer->first)
		new_line(writer);
	writer->first = false;
	buffer_append_byte(writer->out, object ? '}' : ']');
}

void json_object_begin(struct json_writer *writer)
{
	begin(writer, true);
}

void json_object_end(struct json_writer *writer)
{
	end(writer, true);
}

void json_array_begin(struct json_writer *writer)
{
	begin(writer, false);
}

void json_array_end(struct json_writer *writer)
{
	end(writer, false);
}

void json_key_slice(struct json_writer *writer, struct slice key)
{
	ENSURE(in_object(writer) && !writer->keyed);
	separate(writer);
	json_escape(writer->out, key);
	buffer_append_byte(writer->out, ':');
	if (writer->pretty)
		buffer_append_byte(writer->out, ' ');
	writer->keyed = true;
}

void json_key(struct json_writer *writer, const char *key)
{
	json_key_slice(writer, slice_text(key));
}

/* 0: stands for itself; 'u': as \u00XX; 'x': a byte of a longer UTF-8 sequence; else the letter after the backslash. */
static const char escapes[256] = {
	[0x00 ... 0x07] = 'u', ['\b'] = 'b',          ['\t'] = 't', ['\n'] = 'n',  [0x0B] = 'u',          ['\f'] = 'f',
	['\r'] = 'r',          [0x0E ... 0x1F] = 'u', ['"'] = '"',  ['\\'] = '\\', [0x80 ... 0xFF] = 'x',
};

/* Writes the character at the front of `rest`, which cannot stand for itself. Returns the bytes taken. */
static size_t escape_one(struct buffer *out, struct slice rest)
{
	char escape = escapes[rest.at[0]];
	if (escape == 'x') {
		uint32_t character;
		size_t size = utf8_next(rest, &character);
		buffer_append_slice(out, size ? slice_of(rest.at, size) : SLICE("\xEF\xBF\xBD"));
		return size ? size : 1;
	}
	if (escape == 'u')
		buffer_printf(out, "\\u%04x", rest.at[0]);
	else
		buffer_append(out, (char[]){'\\', escape}, 2);
	return 1;
}

void json_escape(struct buffer *out, struct slice text)
{
	uint8_t *at = buffer_reserve(out, text.size + 2);
	size_t i = 0;
	*at++ = '"';
	while (i < text.size && !escapes[text.at[i]]) /* nearly every string ends here */
		*at++ = text.at[i++];
	buffer_commit(out, i + 1);
	while (i < text.size) {
		size_t plain = i;
		while (plain < text.size && !escapes[text.at[plain]])
			plain++;
		buffer_append(out, text.at + i, plain - i);
		i = plain;
		if (i < text.size)
			i += escape_one(out, slice_of(text.at + i, text.size - i));
	}
	buffer_append_byte(out, '"');
}

void json_string(struct json_writer *writer, struct slice text)
{
	before_value(writer);
	json_escape(writer->out, text);
}

void json_text(struct json_writer *writer, const char *text)
{
	if (text)
		json_string(writer, slice_text(text));
	else
		json_null(writer);
}

void json_textf(struct json_writer *writer, const char *format, ...)
{
	struct buffer text = {0};
	va_list args;
	va_start(args, format);
	buffer_vprintf(&text, format, args);
	va_end(args);
	json_string(writer, buffer_slice(&text));
	buffer_release(&text);
}

void json_int64(struct json_writer *writer, int64_t number)
{
	before_value(writer);
	buffer_append_int64(writer->out, number);
}

void json_uint64(struct json_writer *writer, uint64_t number)
{
	before_value(writer);
	buffer_append_uint64(writer->out, number);
}

void json_bool(struct json_writer *writer, bool yes)
{
	json_raw(writer, yes ? SLICE("true") : SLICE("false"));
}

void json_null(struct json_writer *writer)
{
	json_raw(writer, SLICE("null"));
}

void json_thousandths(struct json_writer *writer, int64_t thousandths)
{
	before_value(writer);
	uint64_t size = thousandths < 0 ? 0 - (uint64_t)thousandths : (uint64_t)thousandths;
	if (thousandths < 0)
		buffer_append_byte(writer->out, '-');
	buffer_append_uint64(writer->out, size / 1000);
	unsigned fraction = (unsigned)(size % 1000);
	if (!fraction)
		return;
	char digits[4] = {'.', (char)('0' + fraction / 100), (char)('0' + fraction / 10 % 10),
			  (char)('0' + fraction % 10)};
	size_t count = sizeof digits;
	while (digits[count - 1] == '0')
		count--;
	buffer_append(writer->out, digits, count);
}

void json_raw(struct json_writer *writer, struct slice json)
{
	before_value(writer);
	buffer_append_slice(writer->out, json);
}

void json_member_string(struct json_writer *writer, const char *key, struct slice text)
{
	json_key(writer, key);
	json_string(writer, text);
}

void json_member_text(struct json_writer *writer, const char *key, const char *text)
{
	json_key(writer, key);
	json_text(writer, text);
}

void json_member_int64(struct json_writer *writer, const char *key, int64_t number)
{
	json_key(writer, key);
	json_int64(writer, number);
}

void json_member_uint64(struct json_writer *writer, const char *key, uint64_t number)
{
	json_key(writer, key);
	json_uint64(writer, number);
}

void json_member_bool(struct json_writer *writer, const char *key, bool yes)
{
	json_key(writer, key);
	json_bool(writer, yes);
}

void json_member_null(struct json_writer *writer, const char *key)
{
	json_key(writer, key);
	json_null(writer);
}
