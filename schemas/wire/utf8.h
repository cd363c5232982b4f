/*
 * Well-formed UTF-8, as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef LEDGERLINE_WIRE_UTF8_H
#define LEDGERLINE_WIRE_UTF8_H

#include "schemas/wire/slice.h"

/* How many bytes at the front are well-formed: `size` when all are, else the offset of the first bad sequence. */
size_t utf8_good_prefix(struct slice text);

static inline bool utf8_is_good(struct slice text)
{
	return utf8_good_prefix(text) == text.size;
}

/* Reads one character at the front of a text that is not empty. Returns its bytes (1..4), or 0 when it is not
 * well-formed. */
size_t utf8_next(struct slice text, uint32_t *character);

/* Writes a character (not a surrogate, <= 0x10FFFF) into at most 4 bytes. Returns how many. */
size_t utf8_put(uint32_t character, uint8_t bytes[4]);

#endif
