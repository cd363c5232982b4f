/*
 * Access keys, and the file that they are kept in.
 *
 *	# NAME ROLE HASH id=ID [limit=N]
 *	shop client $argon2id$v=19$m=19456,t=2,p=1$... id=8f0c21aa90d3e417 limit=500
 *
 * A key is `ll_ID_SECRET`: 16 hexadecimal digits and 43 characters of base64url (32 random bytes). It is shown once, when it is made; the file has
 * its argon2id hash alone. ID says which line a key belongs to, so a key is held against one hash at most. It is a part of the key and
 * shown nowhere else: who does not have a key cannot make anybody hash.
 *
 * The file is written whole, beside, synced, and put in place by a rename, mode 0600; writers wait for one another. One that others than its owner
 * may write is not read. Whatever is wrong with it is said with its line.
 */
#ifndef LEDGERLINE_KEYS_H
#define LEDGERLINE_KEYS_H

#include "schemas/wire/error.h"
#include "schemas/wire/slice.h"

enum access_role { ROLE_CLIENT, ROLE_ADMIN, ROLE_AUDITOR, ROLE_OPERATOR, ROLES };

enum {
	KEYS_MAX = 1000,      /* in one file */
	KEY_NAME_MAX = 64,    /* characters of A-Z a-z 0-9 . _ : - */
	KEY_ID_SIZE = 16,     /* hexadecimal digits */
	KEY_SECRET_SIZE = 43, /* characters of base64url */
	KEY_TEXT_SIZE = 3 + KEY_ID_SIZE + 1 + KEY_SECRET_SIZE,
	KEY_HASH_MAX = 128,     /* crypto_pwhash_STRBYTES */
	KEY_LIMIT_MAX = 1000000 /* commands a second */
};

struct access_key {
	char name[KEY_NAME_MAX + 1];
	enum access_role role;
	char id[KEY_ID_SIZE + 1];
	char hash[KEY_HASH_MAX];
	unsigned limit; /* commands a second; 0: none */
};

struct keys {
	struct access_key *at;
	size_t count;
};

const char *key_role_text(enum access_role role);
bool key_role_parse(const char *text, enum access_role *role); /* false: there is no such role */
bool key_name_is_fine(const char *name);

/* Whether a text has the form of a key; *id is its KEY_ID_SIZE digits, in `text`. */
bool key_has_form(struct slice text, struct slice *id);

/* Makes a key: its text, with a final zero, and its line's id and hash. BLOCKING: a hash takes tens of milliseconds and 19 MiB.
 * LL_NO_MEMORY. */
enum ll_code key_make(struct access_key *key, char text[KEY_TEXT_SIZE + 1], struct error *error) LL_CHECKED;
/* Whether that is the key of this hash. BLOCKING likewise; any thread. */
bool key_matches(const char *hash, struct slice text);

/* Reads the file. LL_NOT_FOUND: it is not there. LL_DENIED: it cannot be read, or others may write it. LL_CORRUPT: a line that is none. */
enum ll_code keys_read(const char *path, struct keys *keys, struct error *error) LL_CHECKED;
void keys_release(struct keys *keys);

/* Adds a line, making the file when it is not there. LL_EXISTS: the name is taken. LL_FULL: there are KEYS_MAX. */
enum ll_code keys_add(const char *path, const struct access_key *key, struct error *error) LL_CHECKED;
/* Takes a line out. LL_NOT_FOUND: there is no such name, or no file. */
enum ll_code keys_revoke(const char *path, const char *name, struct error *error) LL_CHECKED;

/* Reads a file that has one key and nothing else: for who is to show it. LL_CORRUPT: it has something else. */
enum ll_code key_read_file(const char *path, char text[KEY_TEXT_SIZE + 1], struct error *error) LL_CHECKED;

#endif
