/*
 * The bearer credential of a waiting-room token.
 *
 *	tok-1842.0f3a...        the token's id, a dot, 32 hexadecimal digits: BLAKE2b-128 of the id, keyed with the secret
 *
 * Ids can be counted up by anyone; without the engines' secret nobody makes the digits. The secret is in no journal: an
 * entry, its reply and a canonical command hold the bare id ("tok-1842"), and the digits are put behind it on the way out
 * and checked and taken off on the way in.
 */
#ifndef LEDGERLINE_TOKEN_H
#define LEDGERLINE_TOKEN_H

#include "schemas/wire/buffer.h"
#include "schemas/wire/record.h"

enum { TOKEN_SECRET_BYTES = 32, TOKEN_TEXT_MAX = 64 };

struct token_secret {
	uint8_t bytes[TOKEN_SECRET_BYTES];
};

/* Writes the credential and returns its size; no final zero. */
size_t token_write(const struct token_secret *secret, uint64_t token_id, char text[TOKEN_TEXT_MAX]);

/* Whether `text` is a credential made with this secret; then *token_id is its token, which may have ended or, after the
 * secret moved to another ledger, never been. Takes the same time for every wrong set of digits. */
bool token_check(const struct token_secret *secret, struct slice text, uint64_t *token_id)
	__attribute__((warn_unused_result));

/* A body that reply_queue or read_queue_enter wrote at body[from..]: puts the digits behind the id in its member "token". Any
 * other body is left alone. */
void token_sign_body(const struct token_secret *secret, struct buffer *body, size_t from);

#endif
