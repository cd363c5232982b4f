#include "schemas/wire/record.h"

#include <string.h>

#include "schemas/wire/ensure.h"

uint8_t enumeration_value(const struct enumeration *e, struct slice text)
{
	for (uint8_t value = 1; value < e->count; value++)
		if (e->texts[value] && slice_equal(slice_text(e->texts[value]), text))
			return value;
	return 0;
}

static bool is_lot(const char *kind)
{
	return kind[0] == 'l';
}

static char *put_decimal(char *at, uint64_t number)
{
	char digits[20];
	size_t first = sizeof digits;
	do {
		digits[--first] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	memcpy(at, digits + first, sizeof digits - first);
	return at + (sizeof digits - first);
}

/* By hand: an export writes one or two a line, and printf took a sixth of it. */
size_t reference_text(char text[REFERENCE_TEXT_MAX], const char *kind, uint64_t id)
{
	size_t kind_size = strlen(kind);
	ENSURE(kind_size < REFERENCE_TEXT_MAX - sizeof "-18446744073709551615-65535");
	memcpy(text, kind, kind_size);
	char *at = text + kind_size;
	*at++ = '-';
	at = put_decimal(at, is_lot(kind) ? id >> 16 : id);
	if (is_lot(kind) && (id & 0xffff)) {
		*at++ = '-';
		at = put_decimal(at, id & 0xffff);
	}
	*at = 0;
	return (size_t)(at - text);
}

/* A decimal number without sign or leading zeros. */
static bool take_number(struct slice *rest, uint64_t max, uint64_t *value)
{
	size_t used = 0;
	*value = 0;
	while (used < rest->size && rest->at[used] >= '0' && rest->at[used] <= '9') {
		unsigned digit = (unsigned)(rest->at[used] - '0');
		if (*value > (max - digit) / 10 || (used == 1 && rest->at[0] == '0'))
			return false;
		*value = *value * 10 + digit;
		used++;
	}
	*rest = slice_of(rest->at + used, rest->size - used);
	return used > 0;
}

bool reference_parse(struct slice text, const char *kind, uint64_t *id)
{
	size_t prefix = strlen(kind);
	if (text.size < prefix + 2 || memcmp(text.at, kind, prefix) != 0 || text.at[prefix] != '-')
		return false;
	struct slice rest = slice_of(text.at + prefix + 1, text.size - prefix - 1);
	uint64_t seq, index = 0;
	if (!take_number(&rest, ((uint64_t)1 << 47) - 1, &seq))
		return false;
	if (is_lot(kind) && rest.size && rest.at[0] == '-') {
		rest = slice_of(rest.at + 1, rest.size - 1);
		if (!take_number(&rest, 0xffff, &index) || index == 0)
			return false;
	}
	*id = is_lot(kind) ? LOT_ID(seq, index) : seq;
	return rest.size == 0;
}
