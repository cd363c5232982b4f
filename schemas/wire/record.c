#include "schemas/wire/record.h"

#include <inttypes.h>
#include <stdio.h>

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

size_t reference_text(char text[REFERENCE_TEXT_MAX], const char *kind, uint64_t id)
{
	int size;
	if (is_lot(kind) && (id & 0xffff))
		size = snprintf(text, REFERENCE_TEXT_MAX, "%s-%" PRIu64 "-%u", kind, id >> 16, (unsigned)(id & 0xffff));
	else
		size = snprintf(text, REFERENCE_TEXT_MAX, "%s-%" PRIu64, kind, is_lot(kind) ? id >> 16 : id);
	return (size_t)size;
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
