#include "engine/access/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schemas/wire/buffer.h"
#include "schemas/wire/ensure.h"

#define HASH_MEMORY_BYTES ((size_t)19 << 20)
enum {
	HASH_PASSES = 2,
	FILE_BYTES_MAX = 512 * 1024,
	PATH_BYTES_MAX = 4096,
	WORDS_MAX = 6,
};

static const char *const role_names[ROLES] = {"client", "admin", "auditor", "operator"};
static const char name_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
static const char secret_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
static const char id_characters[] = "0123456789abcdef";

_Static_assert(KEY_HASH_MAX == crypto_pwhash_STRBYTES, "a hash has its room");

const char *key_role_text(enum access_role role)
{
	return role_names[role];
}

bool key_role_parse(const char *text, enum access_role *role)
{
	for (*role = 0; *role < ROLES; (*role)++)
		if (strcmp(role_names[*role], text) == 0)
			return true;
	return false;
}

bool key_name_is_fine(const char *name)
{
	size_t size = strlen(name);
	return size && size <= KEY_NAME_MAX && strspn(name, name_characters) == size;
}

/* ---- keys ---- */

static bool all_of(const uint8_t *at, size_t size, const char *characters)
{
	for (size_t i = 0; i < size; i++)
		if (!at[i] || !strchr(characters, at[i]))
			return false;
	return true;
}

bool key_has_form(struct slice text, struct slice *id)
{
	if (text.size != KEY_TEXT_SIZE || memcmp(text.at, "ll_", 3) != 0 || text.at[3 + KEY_ID_SIZE] != '_')
		return false;
	*id = slice_of(text.at + 3, KEY_ID_SIZE);
	return all_of(id->at, KEY_ID_SIZE, id_characters) &&
	       all_of(text.at + 4 + KEY_ID_SIZE, KEY_SECRET_SIZE, secret_characters);
}

enum ll_code key_make(struct access_key *key, char text[KEY_TEXT_SIZE + 1], struct error *error)
{
	uint8_t id[KEY_ID_SIZE / 2], secret[32];
	ENSURE(sodium_init() >= 0);
	randombytes_buf(id, sizeof id);
	randombytes_buf(secret, sizeof secret);
	sodium_bin2hex(key->id, sizeof key->id, id, sizeof id);
	memcpy(text, "ll_", 3);
	memcpy(text + 3, key->id, KEY_ID_SIZE);
	text[3 + KEY_ID_SIZE] = '_';
	sodium_bin2base64(text + 4 + KEY_ID_SIZE, KEY_SECRET_SIZE + 1, secret, sizeof secret,
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(secret, sizeof secret);
	memset(key->hash, 0, sizeof key->hash);
	if (crypto_pwhash_str_alg(key->hash, text, KEY_TEXT_SIZE, HASH_PASSES, HASH_MEMORY_BYTES,
				  crypto_pwhash_ALG_ARGON2ID13) != 0)
		return error_set(error, LL_NO_MEMORY, "a key cannot be hashed: that takes %zu MiB of memory",
				 HASH_MEMORY_BYTES >> 20);
	return LL_OK;
}

bool key_matches(const char *hash, struct slice text)
{
	ENSURE(sodium_init() >= 0);
	return crypto_pwhash_str_verify(hash, (const char *)text.at, text.size) == 0;
}

/* ---- reading ---- */

static enum ll_code bad_line(struct error *error, const char *path, unsigned line, const char *what)
{
	return error_set(error, LL_CORRUPT,
			 "%s, line %u: %s; a line is NAME ROLE HASH id=ID [limit=N], made by "
			 "`ledgerline keys add`",
			 path, line, what);
}

static bool take_limit(const char *text, unsigned *limit)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);
	*limit = (unsigned)number;
	return *text >= '1' && *text <= '9' && !*end && number <= KEY_LIMIT_MAX;
}

static unsigned split(char *line, char *words[WORDS_MAX])
{
	unsigned count = 0;
	char *rest = NULL;
	for (char *word = strtok_r(line, " \t\r", &rest); word && count < WORDS_MAX;
	     word = strtok_r(NULL, " \t\r", &rest))
		words[count++] = word;
	return count;
}

/* NULL: the line is fine. */
static const char *take_line(char *words[WORDS_MAX], unsigned count, struct access_key *key)
{
	static const char hash_begin[] = "$argon2id$v=19$";
	if (count < 4 || count > 5)
		return "it has not four or five words";
	if (!key_name_is_fine(words[0]))
		return "the name has other characters than A-Z a-z 0-9 . _ : - or more than 64 of them";
	if (!key_role_parse(words[1], &key->role))
		return "the role is none of client, admin, auditor, operator";
	if (strncmp(words[2], hash_begin, sizeof hash_begin - 1) != 0 || strlen(words[2]) >= sizeof key->hash)
		return "the hash is none of argon2id";
	if (strncmp(words[3], "id=", 3) != 0 || strlen(words[3] + 3) != KEY_ID_SIZE ||
	    !all_of((const uint8_t *)words[3] + 3, KEY_ID_SIZE, id_characters))
		return "the id is not 16 hexadecimal digits";
	if (count == 5 && (strncmp(words[4], "limit=", 6) != 0 || !take_limit(words[4] + 6, &key->limit)))
		return "the limit is not from 1 to 1000000";
	snprintf(key->name, sizeof key->name, "%s", words[0]);
	memcpy(key->hash, words[2], strlen(words[2]));
	memcpy(key->id, words[3] + 3, KEY_ID_SIZE);
	return NULL;
}

static const struct access_key *find_name(const struct keys *keys, const char *name)
{
	for (size_t i = 0; i < keys->count; i++)
		if (strcmp(keys->at[i].name, name) == 0)
			return &keys->at[i];
	return NULL;
}

static bool has_id(const struct keys *keys, const char *id)
{
	for (size_t i = 0; i < keys->count; i++)
		if (memcmp(keys->at[i].id, id, KEY_ID_SIZE) == 0)
			return true;
	return false;
}

static enum ll_code parse(const char *path, char *text, struct keys *keys, struct error *error)
{
	unsigned number = 0;
	char *words[WORDS_MAX], *next;
	for (char *line = text; line; line = next) {
		struct access_key key = {.limit = 0};
		number++;
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		unsigned count = split(line, words);
		if (count == 0 || words[0][0] == '#')
			continue;
		const char *wrong = take_line(words, count, &key);
		if (!wrong && (find_name(keys, key.name) || has_id(keys, key.id)))
			wrong = "another line has this name or id";
		if (!wrong && keys->count == KEYS_MAX)
			wrong = "there are more than 1000 keys";
		if (wrong)
			return bad_line(error, path, number, wrong);
		keys->at[keys->count++] = key;
	}
	return LL_OK;
}

/* The whole file as a text in `buffer`, which is not cleared before. */
static enum ll_code slurp(const char *path, struct buffer *buffer, struct error *error)
{
	struct stat about;
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return error_set(error, errno == ENOENT ? LL_NOT_FOUND : LL_DENIED, "cannot read the keys in %s: %s",
				 path, strerror(errno));
	enum ll_code code = LL_OK;
	ssize_t size = 0;
	if (fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode))
		code = error_set(error, LL_DENIED, "%s is not a file that keys could be in", path);
	else if (about.st_mode & (S_IWGRP | S_IWOTH))
		code = error_set(error, LL_DENIED,
				 "others than its owner may write %s, and so let in whom they like: chmod 600 it",
				 path);
	else if (about.st_size > FILE_BYTES_MAX)
		code = error_set(error, LL_CORRUPT, "%s is larger than any file of keys: 512 KiB at most", path);
	while (code == LL_OK && (size = read(descriptor, buffer_reserve(buffer, 4096), 4096)) > 0)
		buffer_commit(buffer, (size_t)size);
	if (size < 0)
		code = error_set(error, LL_IO, "cannot read the keys in %s: %s", path, strerror(errno));
	close(descriptor);
	if (code == LL_OK && buffer->size && memchr(buffer->at, 0, buffer->size))
		code = error_set(error, LL_CORRUPT, "%s is no text", path);
	return code;
}

enum ll_code keys_read(const char *path, struct keys *keys, struct error *error)
{
	struct buffer text = {0};
	*keys = (struct keys){.at = calloc(KEYS_MAX, sizeof *keys->at)};
	ENSURE(keys->at);
	enum ll_code code = slurp(path, &text, error);
	if (code == LL_OK) {
		buffer_append_byte(&text, 0);
		code = parse(path, (char *)text.at, keys, error);
	}
	buffer_release(&text);
	if (code != LL_OK)
		keys_release(keys);
	return code;
}

void keys_release(struct keys *keys)
{
	free(keys->at);
	*keys = (struct keys){0};
}

/* ---- writing ---- */

static void render(const struct keys *keys, struct buffer *out)
{
	buffer_append_text(
		out, "# Access keys of ledgerline: NAME ROLE HASH id=ID [limit=N]. Made by `ledgerline keys add`.\n");
	for (size_t i = 0; i < keys->count; i++) {
		const struct access_key *key = &keys->at[i];
		buffer_printf(out, "%s %s %s id=%s", key->name, key_role_text(key->role), key->hash, key->id);
		if (key->limit)
			buffer_printf(out, " limit=%u", key->limit);
		buffer_append_byte(out, '\n');
	}
}

static enum ll_code cannot_write(struct error *error, const char *path)
{
	return error_set(error, errno == EACCES || errno == EROFS ? LL_DENIED : LL_IO,
			 "cannot write the keys to %s: %s", path, strerror(errno));
}

static enum ll_code write_all(int descriptor, struct slice bytes, const char *path, struct error *error)
{
	while (bytes.size) {
		ssize_t size = write(descriptor, bytes.at, bytes.size);
		if (size < 0)
			return cannot_write(error, path);
		bytes = slice_of(bytes.at + size, bytes.size - (size_t)size);
	}
	return fsync(descriptor) == 0 ? LL_OK : cannot_write(error, path);
}

/* Beside the file and in its place, with its owner when it was there. `directory` is its directory's descriptor, locked. */
static enum ll_code put(int directory, const char *path, const struct keys *keys, struct error *error)
{
	char beside[PATH_BYTES_MAX + 8];
	struct buffer text = {0};
	struct stat old;
	snprintf(beside, sizeof beside, "%s.new", path);
	if (unlink(beside) != 0 && errno != ENOENT) /* of one that was killed */
		return cannot_write(error, beside);
	int descriptor = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (descriptor < 0)
		return cannot_write(error, beside);
	render(keys, &text);
	enum ll_code code = write_all(descriptor, buffer_slice(&text), beside, error);
	if (code == LL_OK && stat(path, &old) == 0 && (old.st_uid != geteuid() || old.st_gid != getegid()) &&
	    fchown(descriptor, old.st_uid, old.st_gid) != 0)
		code = cannot_write(error, path);
	close(descriptor);
	buffer_release(&text);
	if (code == LL_OK && (rename(beside, path) != 0 || fsync(directory) != 0))
		code = cannot_write(error, path);
	if (code != LL_OK)
		unlink(beside);
	return code;
}

/* The directory's descriptor, with its lock; -1. */
static int lock_directory(const char *path, struct error *error)
{
	char directory[PATH_BYTES_MAX];
	const char *slash = strrchr(path, '/');
	int size = slash == path ? 1 : slash ? (int)(slash - path) : 1;
	if (strlen(path) >= sizeof directory) {
		errno = ENAMETOOLONG;
		(void)cannot_write(error, "a path that long");
		return -1;
	}
	snprintf(directory, sizeof directory, "%.*s", size, slash ? path : ".");
	int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (descriptor < 0 || flock(descriptor, LOCK_EX) != 0) {
		(void)cannot_write(error, path);
		if (descriptor >= 0)
			close(descriptor);
		return -1;
	}
	return descriptor;
}

static enum ll_code append(const char *path, struct keys *keys, const struct access_key *key, struct error *error)
{
	if (find_name(keys, key->name))
		return error_set(error, LL_EXISTS, "%s has a key of the name %s: revoke it, or choose another name",
				 path, key->name);
	if (keys->count == KEYS_MAX)
		return error_set(error, LL_FULL, "%s has %d keys, and cannot have more", path, KEYS_MAX);
	keys->at[keys->count++] = *key;
	return LL_OK;
}

enum ll_code keys_add(const char *path, const struct access_key *key, struct error *error)
{
	struct keys keys;
	int directory = lock_directory(path, error);
	if (directory < 0)
		return error->code;
	enum ll_code code = keys_read(path, &keys, error);
	if (code == LL_NOT_FOUND) {
		keys = (struct keys){.at = calloc(KEYS_MAX, sizeof *keys.at)};
		ENSURE(keys.at);
		code = LL_OK;
	}
	if (code == LL_OK)
		code = append(path, &keys, key, error);
	if (code == LL_OK)
		code = put(directory, path, &keys, error);
	keys_release(&keys);
	close(directory);
	return code;
}

enum ll_code keys_revoke(const char *path, const char *name, struct error *error)
{
	struct keys keys;
	int directory = lock_directory(path, error);
	if (directory < 0)
		return error->code;
	enum ll_code code = keys_read(path, &keys, error);
	const struct access_key *found = code == LL_OK ? find_name(&keys, name) : NULL;
	if (code == LL_OK && !found)
		code = error_set(error, LL_NOT_FOUND, "%s has no key of the name %s", path, name);
	if (code == LL_OK) {
		size_t index = (size_t)(found - keys.at);
		memmove(keys.at + index, keys.at + index + 1, (--keys.count - index) * sizeof *keys.at);
		code = put(directory, path, &keys, error);
	}
	keys_release(&keys);
	close(directory);
	return code;
}

enum ll_code key_read_file(const char *path, char text[KEY_TEXT_SIZE + 1], struct error *error)
{
	char read_here[KEY_TEXT_SIZE + 2];
	struct slice id;
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return error_set(error, errno == ENOENT ? LL_NOT_FOUND : LL_DENIED, "cannot read the key in %s: %s",
				 path, strerror(errno));
	ssize_t size = read(descriptor, read_here, sizeof read_here);
	close(descriptor);
	bool fine = (size == KEY_TEXT_SIZE || (size == KEY_TEXT_SIZE + 1 && read_here[KEY_TEXT_SIZE] == '\n')) &&
		    key_has_form(slice_of(read_here, KEY_TEXT_SIZE), &id);
	if (fine) {
		memcpy(text, read_here, KEY_TEXT_SIZE);
		text[KEY_TEXT_SIZE] = 0;
	}
	sodium_memzero(read_here, sizeof read_here);
	return fine ? LL_OK
		    : error_set(error, LL_CORRUPT,
				"%s is not one key as `ledgerline keys add` shows it, and nothing else", path);
}
