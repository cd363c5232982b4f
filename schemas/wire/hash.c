#include "schemas/wire/hash.h"

#include <openssl/evp.h>
#include <sodium/crypto_generichash.h>
#include <xxhash.h>

#include "schemas/wire/ensure.h"

/* Fetching the algorithm costs more than hashing a short block: once per thread. */
static EVP_MD_CTX *begin(void)
{
	static __thread EVP_MD_CTX *context;
	static __thread EVP_MD *sha256;
	if (!context) {
		context = EVP_MD_CTX_new();
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
		ENSURE(context && sha256);
		ENSURE(EVP_DigestInit_ex(context, sha256, NULL));
	} else {
		ENSURE(EVP_DigestInit_ex(context, NULL, NULL));
	}
	return context;
}

static void add(EVP_MD_CTX *context, struct slice bytes)
{
	if (bytes.size)
		ENSURE(EVP_DigestUpdate(context, bytes.at, bytes.size));
}

static struct hash end(EVP_MD_CTX *context)
{
	struct hash hash;
	ENSURE(EVP_DigestFinal_ex(context, hash.bytes, NULL));
	return hash;
}

struct hash hash_of_two(struct slice first, struct slice second)
{
	EVP_MD_CTX *context = begin();
	add(context, first);
	add(context, second);
	return end(context);
}

struct hash hash_of(struct slice bytes)
{
	return hash_of_two(bytes, SLICE_EMPTY);
}

struct hash_stream *hash_stream_new(void)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	ENSURE(context && EVP_DigestInit_ex(context, EVP_sha256(), NULL));
	return (struct hash_stream *)context;
}

void hash_stream_add(struct hash_stream *stream, struct slice bytes)
{
	add((EVP_MD_CTX *)stream, bytes);
}

struct hash hash_stream_end(struct hash_stream *stream)
{
	struct hash hash = end((EVP_MD_CTX *)stream);
	EVP_MD_CTX_free((EVP_MD_CTX *)stream);
	return hash;
}

struct short_hash short_hash_of(struct slice bytes)
{
	struct short_hash hash;
	ENSURE(crypto_generichash_blake2b(hash.bytes, sizeof hash.bytes, bytes.at, bytes.size, NULL, 0) == 0);
	return hash;
}

uint64_t checksum_of(struct slice bytes, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes.at, bytes.size, seed);
}

void hex_text(char *text, const uint8_t *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < size; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * size] = 0;
}

void uuid_text(char text[UUID_TEXT_SIZE], const uint8_t *uuid)
{
	static const uint8_t parts[] = {4, 2, 2, 2, 6};
	for (unsigned i = 0; i < sizeof parts; i++) {
		hex_text(text, uuid, parts[i]);
		uuid += parts[i];
		text += 2 * parts[i];
		*text++ = i + 1 < sizeof parts ? '-' : 0;
	}
}

void uuid_of_name(uint8_t uuid[UUID_BYTES], const uint8_t space[UUID_BYTES], struct slice name)
{
	static __thread EVP_MD_CTX *context;
	uint8_t digest[EVP_MAX_MD_SIZE];
	bool fresh = !context;
	if (fresh)
		context = EVP_MD_CTX_new();
	ENSURE(context && EVP_DigestInit_ex(context, fresh ? EVP_sha1() : NULL, NULL));
	add(context, slice_of(space, UUID_BYTES));
	add(context, name);
	ENSURE(EVP_DigestFinal_ex(context, digest, NULL));
	memcpy(uuid, digest, UUID_BYTES);
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x50);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}
