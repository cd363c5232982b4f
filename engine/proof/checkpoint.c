#include "engine/proof/checkpoint.h"

#include <inttypes.h>

#define STATE "state "

void checkpoint_write(const struct checkpoint *checkpoint, struct buffer *out)
{
	buffer_printf(out, CHECKPOINT_ORIGIN_PREFIX "%s\n%" PRIu64 "\n", checkpoint->ledger, checkpoint->entries);
	base64_write(hash_slice(&checkpoint->root), out);
	buffer_printf(out, "\n" STATE "%" PRIu64 " ", checkpoint->lines);
	base64_write(hash_slice(&checkpoint->state), out);
	buffer_append_byte(out, '\n');
}

bool decimal_read(struct slice text, uint64_t *number)
{
	*number = 0;
	if (text.size == 0 || text.size > 18 || (text.size > 1 && text.at[0] == '0'))
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		*number = *number * 10 + (uint64_t)(text.at[i] - '0');
	}
	return true;
}

static bool hash_read(struct slice text, struct hash *hash)
{
	size_t size;
	return base64_read(text, hash->bytes, sizeof hash->bytes, &size) && size == sizeof hash->bytes;
}

static bool take_origin(struct slice *text, struct checkpoint *checkpoint)
{
	struct slice line;
	size_t prefix = strlen(CHECKPOINT_ORIGIN_PREFIX);
	if (!line_take(text, &line) || !slice_begins(line, SLICE(CHECKPOINT_ORIGIN_PREFIX)) ||
	    line.size != prefix + UUID_TEXT_SIZE - 1)
		return false;
	memcpy(checkpoint->ledger, line.at + prefix, UUID_TEXT_SIZE - 1);
	checkpoint->ledger[UUID_TEXT_SIZE - 1] = 0;
	return true;
}

static bool take_state(struct slice *text, struct checkpoint *checkpoint)
{
	struct slice line;
	if (!line_take(text, &line) || !slice_begins(line, SLICE(STATE)))
		return false;
	line = slice_of(line.at + strlen(STATE), line.size - strlen(STATE));
	const uint8_t *blank = memchr(line.at, ' ', line.size);
	if (!blank)
		return false;
	size_t digits = (size_t)(blank - line.at);
	return decimal_read(slice_of(line.at, digits), &checkpoint->lines) &&
	       hash_read(slice_of(blank + 1, line.size - digits - 1), &checkpoint->state);
}

enum ll_code checkpoint_read(struct slice text, struct checkpoint *checkpoint, struct error *error)
{
	struct slice line;
	if (take_origin(&text, checkpoint) && line_take(&text, &line) && decimal_read(line, &checkpoint->entries) &&
	    line_take(&text, &line) && hash_read(line, &checkpoint->root) && take_state(&text, checkpoint) &&
	    text.size == 0)
		return LL_OK;
	return error_set(error, LL_USAGE, "what is signed is no checkpoint of a ledger");
}
