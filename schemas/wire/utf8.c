#include "schemas/wire/utf8.h"

#include "schemas/wire/ensure.h"

static bool continues(uint8_t byte)
{
	return (byte & 0xC0) == 0x80;
}

size_t utf8_next(struct slice text, uint32_t *character)
{
	const uint8_t *at = text.at;
	uint8_t lead = at[0];
	if (lead < 0x80) {
		*character = lead;
		return 1;
	}
	if (lead < 0xC2 || lead > 0xF4)
		return 0;
	size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	if (text.size < size)
		return 0;
	uint32_t value = lead & (0x7Fu >> size);
	for (size_t i = 1; i < size; i++) {
		if (!continues(at[i]))
			return 0;
		value = value << 6 | (at[i] & 0x3F);
	}
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	if (value < least[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
		return 0;
	*character = value;
	return size;
}

size_t utf8_good_prefix(struct slice text)
{
	size_t i = 0;
	while (i < text.size) {
		uint64_t eight;
		while (i + sizeof eight <= text.size) { /* plain ASCII, eight at a time */
			memcpy(&eight, text.at + i, sizeof eight);
			if (eight & UINT64_C(0x8080808080808080))
				break;
			i += sizeof eight;
		}
		if (i == text.size)
			break;
		uint32_t character;
		size_t size = utf8_next(slice_of(text.at + i, text.size - i), &character);
		if (!size)
			return i;
		i += size;
	}
	return i;
}

size_t utf8_put(uint32_t character, uint8_t bytes[4])
{
	ENSURE(character <= 0x10FFFF && !(character >= 0xD800 && character <= 0xDFFF));
	if (character < 0x80) {
		bytes[0] = (uint8_t)character;
		return 1;
	}
	size_t size = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
	for (size_t i = size - 1; i > 0; i--) {
		bytes[i] = (uint8_t)(0x80 | (character & 0x3F));
		character >>= 6;
	}
	static const uint8_t mark[5] = {0, 0, 0xC0, 0xE0, 0xF0};
	bytes[0] = (uint8_t)(mark[size] | character);
	return size;
}
