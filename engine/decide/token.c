#include "engine/decide/token.h"

#include <sodium.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/hash.h"

enum { CODE_BYTES = 16, CODE_TEXT_SIZE = 2 * CODE_BYTES };

_Static_assert(REFERENCE_TEXT_MAX >= 4 + 20 && 4 + 20 + 1 + CODE_TEXT_SIZE <= TOKEN_TEXT_MAX,
	       "the longest credential fits, and is an id to those who look at ids");

static void write_code(const struct token_secret *secret, const char *id, size_t id_size, char text[CODE_TEXT_SIZE + 1])
{
	uint8_t code[CODE_BYTES];
	int failed = crypto_generichash(code, sizeof code, (const uint8_t *)id, id_size, secret->bytes,
					sizeof secret->bytes);
	ENSURE(!failed);
	hex_text(text, code, sizeof code);
}

size_t token_write(const struct token_secret *secret, uint64_t token_id, char text[TOKEN_TEXT_MAX])
{
	char id[REFERENCE_TEXT_MAX], code[CODE_TEXT_SIZE + 1];
	size_t size = reference_text(id, "tok", token_id);
	write_code(secret, id, size, code);
	memcpy(text, id, size);
	text[size++] = '.';
	memcpy(text + size, code, CODE_TEXT_SIZE);
	return size + CODE_TEXT_SIZE;
}

bool token_check(const struct token_secret *secret, struct slice text, uint64_t *token_id)
{
	if (text.size < CODE_TEXT_SIZE + 2)
		return false;
	size_t id_size = text.size - CODE_TEXT_SIZE - 1;
	uint64_t id;
	if (text.at[id_size] != '.' || !reference_parse(slice_of(text.at, id_size), "tok", &id))
		return false;
	char code[CODE_TEXT_SIZE + 1];
	write_code(secret, (const char *)text.at, id_size, code);
	if (sodium_memcmp(code, text.at + id_size + 1, CODE_TEXT_SIZE) != 0)
		return false;
	*token_id = id;
	return true;
}

void token_sign_body(const struct token_secret *secret, struct buffer *body, size_t from)
{
	static const char member[] = "\"token\"";
	struct slice rest = slice_of(body->at + from, body->size - from);
	const uint8_t *at = rest.size ? memmem(rest.at, rest.size, member, sizeof member - 1) : NULL;
	const uint8_t *end = rest.at + rest.size;
	if (!at)
		return;
	for (at += sizeof member - 1; at < end && *at != '"'; at++)
		if (*at != ':' && *at != ' ')
			return;
	const uint8_t *id = at + 1;
	const uint8_t *quote = id < end ? memchr(id, '"', (size_t)(end - id)) : NULL;
	uint64_t token_id;
	if (!quote || !reference_parse(slice_of(id, (size_t)(quote - id)), "tok", &token_id))
		return;
	char text[TOKEN_TEXT_MAX];
	size_t size = token_write(secret, token_id, text);
	size_t id_size = (size_t)(quote - id), extra = size - id_size;
	size_t place = (size_t)(quote - body->at);
	buffer_reserve(body, extra); /* may move it */
	memmove(body->at + place + extra, body->at + place, body->size - place);
	memcpy(body->at + place, text + id_size, extra);
	buffer_commit(body, extra);
}
