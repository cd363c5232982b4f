/*
 * Signed notes: a text and, behind an empty line, Ed25519 signatures of it, each under the name of its key. The format of C2SP's
 * signed-note, which Go's golang.org/x/mod/sumdb/note also reads and writes:
 *
 *	TEXT, lines that each end in \n
 *
 *	— NAME BASE64(key id, signature)
 *
 * A key's id: the first four bytes of SHA-256(NAME, "\n", 0x01, public key). Keys are written on one line:
 *
 *	public	NAME+ID+BASE64(0x01, public key)
 *	private	PRIVATE+KEY+NAME+ID+BASE64(0x01, seed)
 *
 * A name is not empty and has neither blanks nor '+'.
 */
#ifndef LEDGERLINE_PROOF_NOTE_H
#define LEDGERLINE_PROOF_NOTE_H

#include "schemas/wire/buffer.h"
#include "schemas/wire/error.h"

enum { NOTE_NAME_MAX = 128, NOTE_ID_BYTES = 4, NOTE_KEY_BYTES = 32, NOTE_SIGNING_BYTES = 64, NOTE_BYTES_MAX = 1 << 20 };

struct note_key {
	char name[NOTE_NAME_MAX + 1];
	uint8_t id[NOTE_ID_BYTES];
	uint8_t public_key[NOTE_KEY_BYTES];
};

struct note_signer {
	struct note_key key;
	uint8_t seed[NOTE_KEY_BYTES];
	uint8_t signing[NOTE_SIGNING_BYTES]; /* libsodium's form: the seed and the public key */
};

bool note_name_is_good(struct slice name);

/* A new pair of keys from the system's randomness. The name is good. */
void note_signer_new(struct slice name, struct note_signer *signer);

/* A line of text each, without its end. LL_USAGE: it is not such a key, with what is wrong. */
enum ll_code note_key_read(struct slice text, struct note_key *key, struct error *error) LL_CHECKED;
enum ll_code note_signer_read(struct slice text, struct note_signer *signer, struct error *error) LL_CHECKED;
void note_key_write(const struct note_key *key, struct buffer *out);
void note_signer_write(const struct note_signer *signer, struct buffer *out);

/* Appends the text, which ends in \n, the empty line, and the signature. */
void note_sign(const struct note_signer *signer, struct slice text, struct buffer *out);

/* *text: what was signed, with its last \n. LL_USAGE: it is no signed note. LL_NOT_FOUND: none of its signatures is under that key.
 * LL_CORRUPT: the signature under that key is not of this text. Signatures of others are left alone. */
enum ll_code note_open(struct slice note, const struct note_key *key, struct slice *text,
		       struct error *error) LL_CHECKED;

/* Appends bytes as base64 (with padding); reads it back into at most `room` bytes. false: it is no base64, or more. */
void base64_write(struct slice bytes, struct buffer *out);
bool base64_read(struct slice text, uint8_t *bytes, size_t room, size_t *size);

/* A line without its end, taken off the front of *rest. false: no line end is left. */
bool line_take(struct slice *rest, struct slice *line);

#endif
