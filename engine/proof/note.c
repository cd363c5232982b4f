#include "engine/proof/note.h"

#include <sodium/core.h>
#include <sodium/crypto_sign.h>
#include <sodium/randombytes.h>
#include <sodium/utils.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/hash.h"

#define DASH "\xe2\x80\x94 " /* an em dash and a blank */
#define PRIVATE_PREFIX "PRIVATE+KEY+"

enum { ALGORITHM_ED25519 = 1, ID_TEXT = 2 * NOTE_ID_BYTES, SIGNATURE_BYTES = crypto_sign_BYTES };

_Static_assert(NOTE_KEY_BYTES == crypto_sign_SEEDBYTES, "Ed25519");
_Static_assert(NOTE_SIGNING_BYTES == crypto_sign_SECRETKEYBYTES, "Ed25519");

/* ---- text ---- */

void base64_write(struct slice bytes, struct buffer *out)
{
	size_t size = sodium_base64_encoded_len(bytes.size, sodium_base64_VARIANT_ORIGINAL); /* with a final zero */
	sodium_bin2base64((char *)buffer_reserve(out, size), size, bytes.at, bytes.size,
			  sodium_base64_VARIANT_ORIGINAL);
	buffer_commit(out, size - 1);
}

/* One text for the same bytes: what has other bits behind its last byte, which decoders leave out, is none. */
bool base64_read(struct slice text, uint8_t *bytes, size_t room, size_t *size)
{
	const char *end = NULL;
	struct buffer again = {0};
	if (sodium_base642bin(bytes, room, (const char *)text.at, text.size, NULL, size, &end,
			      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    end != (const char *)text.at + text.size)
		return false;
	base64_write(slice_of(bytes, *size), &again);
	bool same = slice_equal(text, buffer_slice(&again));
	buffer_release(&again);
	return same;
}

bool line_take(struct slice *rest, struct slice *line)
{
	const uint8_t *end = rest->size ? memchr(rest->at, '\n', rest->size) : NULL;
	if (!end)
		return false;
	*line = slice_of(rest->at, (size_t)(end - rest->at));
	*rest = slice_of(end + 1, rest->size - line->size - 1);
	return true;
}

/* What stands before the first `c`, taken off the front together with it. */
static bool take_until(struct slice *rest, char c, struct slice *taken)
{
	const uint8_t *end = rest->size ? memchr(rest->at, c, rest->size) : NULL;
	if (!end)
		return false;
	*taken = slice_of(rest->at, (size_t)(end - rest->at));
	*rest = slice_of(end + 1, rest->size - taken->size - 1);
	return true;
}

/* ---- keys ---- */

bool note_name_is_good(struct slice name)
{
	for (size_t i = 0; i < name.size; i++)
		if (name.at[i] <= ' ' || name.at[i] > '~' || name.at[i] == '+')
			return false;
	return name.size > 0 && name.size <= NOTE_NAME_MAX;
}

static void set_name_and_id(struct note_key *key, struct slice name)
{
	static const uint8_t between[] = {'\n', ALGORITHM_ED25519};
	struct hash_stream *stream = hash_stream_new();
	hash_stream_add(stream, name);
	hash_stream_add(stream, slice_of(between, sizeof between));
	hash_stream_add(stream, slice_of(key->public_key, sizeof key->public_key));
	struct hash hash = hash_stream_end(stream);
	memcpy(key->name, name.at, name.size);
	key->name[name.size] = 0;
	memcpy(key->id, hash.bytes, sizeof key->id);
}

static void make_signer(struct slice name, struct note_signer *signer)
{
	ENSURE(crypto_sign_seed_keypair(signer->key.public_key, signer->signing, signer->seed) == 0);
	set_name_and_id(&signer->key, name);
}

void note_signer_new(struct slice name, struct note_signer *signer)
{
	ENSURE(sodium_init() >= 0);
	ENSURE(note_name_is_good(name));
	randombytes_buf(signer->seed, sizeof signer->seed);
	make_signer(name, signer);
}

/* NAME+ID+BASE64 of either kind of key: its name, id and 32 bytes. */
static enum ll_code read_parts(struct slice text, struct slice *name, struct slice *id, uint8_t bytes[NOTE_KEY_BYTES],
			       struct error *error)
{
	uint8_t coded[1 + NOTE_KEY_BYTES];
	size_t size;
	if (!take_until(&text, '+', name) || !take_until(&text, '+', id) || !note_name_is_good(*name) ||
	    id->size != ID_TEXT || !base64_read(text, coded, sizeof coded, &size) || size != sizeof coded)
		return error_set(error, LL_USAGE,
				 "it is not of the form NAME+ID+KEY, as `ledgerline audit new-key` "
				 "writes it");
	if (coded[0] != ALGORITHM_ED25519)
		return error_set(error, LL_USAGE, "it is a key of kind %u; only Ed25519 keys (1) are known", coded[0]);
	memcpy(bytes, coded + 1, NOTE_KEY_BYTES);
	return LL_OK;
}

static enum ll_code check_id(const struct note_key *key, struct slice id, struct error *error)
{
	char text[ID_TEXT + 1];
	hex_text(text, key->id, NOTE_ID_BYTES);
	return slice_equal(id, slice_text(text))
		       ? LL_OK
		       : error_set(error, LL_USAGE,
				   "its id is %.*s, but that of its name and key is %s: a part of it "
				   "was changed",
				   SLICE_PRINT(id), text);
}

enum ll_code note_key_read(struct slice text, struct note_key *key, struct error *error)
{
	struct slice name, id;
	if (slice_begins(text, SLICE(PRIVATE_PREFIX)))
		return error_set(error, LL_USAGE, "it is a private key; the public one is wanted");
	enum ll_code code = read_parts(text, &name, &id, key->public_key, error);
	if (code != LL_OK)
		return code;
	set_name_and_id(key, name);
	return check_id(key, id, error);
}

enum ll_code note_signer_read(struct slice text, struct note_signer *signer, struct error *error)
{
	struct slice name, id;
	if (!slice_begins(text, SLICE(PRIVATE_PREFIX)))
		return error_set(error, LL_USAGE, "it is no private key: it does not begin with " PRIVATE_PREFIX);
	text = slice_of(text.at + strlen(PRIVATE_PREFIX), text.size - strlen(PRIVATE_PREFIX));
	ENSURE(sodium_init() >= 0);
	enum ll_code code = read_parts(text, &name, &id, signer->seed, error);
	if (code != LL_OK)
		return code;
	make_signer(name, signer);
	return check_id(&signer->key, id, error);
}

static void write_parts(const struct note_key *key, const uint8_t bytes[NOTE_KEY_BYTES], struct buffer *out)
{
	char id[ID_TEXT + 1];
	uint8_t coded[1 + NOTE_KEY_BYTES] = {ALGORITHM_ED25519};
	hex_text(id, key->id, NOTE_ID_BYTES);
	memcpy(coded + 1, bytes, NOTE_KEY_BYTES);
	buffer_printf(out, "%s+%s+", key->name, id);
	base64_write(slice_of(coded, sizeof coded), out);
	sodium_memzero(coded, sizeof coded);
}

void note_key_write(const struct note_key *key, struct buffer *out)
{
	write_parts(key, key->public_key, out);
}

void note_signer_write(const struct note_signer *signer, struct buffer *out)
{
	buffer_append_text(out, PRIVATE_PREFIX);
	write_parts(&signer->key, signer->seed, out);
}

/* ---- notes ---- */

void note_sign(const struct note_signer *signer, struct slice text, struct buffer *out)
{
	uint8_t coded[NOTE_ID_BYTES + SIGNATURE_BYTES];
	ENSURE(text.size && text.at[text.size - 1] == '\n');
	memcpy(coded, signer->key.id, NOTE_ID_BYTES);
	ENSURE(crypto_sign_detached(coded + NOTE_ID_BYTES, NULL, text.at, text.size, signer->signing) == 0);
	buffer_append_slice(out, text);
	buffer_printf(out, "\n" DASH "%s ", signer->key.name);
	base64_write(slice_of(coded, sizeof coded), out);
	buffer_append_byte(out, '\n');
}

/* Cuts a note at its last empty line. */
static bool split(struct slice note, struct slice *text, struct slice *signatures)
{
	if (note.size < 2 || note.size > NOTE_BYTES_MAX || note.at[note.size - 1] != '\n')
		return false;
	for (size_t i = note.size - 1; i > 0; i--)
		if (note.at[i] == '\n' && note.at[i - 1] == '\n') {
			*text = slice_of(note.at, i);
			*signatures = slice_of(note.at + i + 1, note.size - i - 1);
			return signatures->size > 0;
		}
	return false;
}

/* One line. *ours: it is under that key; *good: and it is of that text. false: it is no signature line. */
static bool look_at(struct slice line, const struct note_key *key, struct slice text, bool *ours, bool *good)
{
	uint8_t coded[1024];
	size_t size;
	struct slice name;
	if (!slice_begins(line, SLICE(DASH)))
		return false;
	line = slice_of(line.at + strlen(DASH), line.size - strlen(DASH));
	if (!take_until(&line, ' ', &name) || !note_name_is_good(name) ||
	    !base64_read(line, coded, sizeof coded, &size) || size <= NOTE_ID_BYTES)
		return false;
	*ours = slice_equal(name, slice_text(key->name)) && memcmp(coded, key->id, NOTE_ID_BYTES) == 0;
	*good = *ours && size == NOTE_ID_BYTES + SIGNATURE_BYTES &&
		crypto_sign_verify_detached(coded + NOTE_ID_BYTES, text.at, text.size, key->public_key) == 0;
	return true;
}

enum ll_code note_open(struct slice note, const struct note_key *key, struct slice *text, struct error *error)
{
	struct slice signatures, line;
	bool found = false;
	ENSURE(sodium_init() >= 0);
	if (!split(note, text, &signatures))
		return error_set(error, LL_USAGE, "it is no signed note: no text, empty line and signatures behind it");
	while (line_take(&signatures, &line)) {
		bool ours = false, good = false;
		if (!look_at(line, key, *text, &ours, &good))
			return error_set(error, LL_USAGE,
					 "it is no signed note: a line behind its text is no "
					 "signature");
		if (ours && !good)
			return error_set(error, LL_CORRUPT,
					 "the signature of %s is not of this text: one of them was "
					 "changed",
					 key->name);
		found |= good;
	}
	return found ? LL_OK : error_set(error, LL_NOT_FOUND, "it is not signed by %s", key->name);
}
