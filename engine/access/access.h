/*
 * Who may ask: keys that were shown, against the file of keys, on a libuv loop.
 *
 *	key ── no form, or an id that no line has ──────────> UNKNOWN, at once
 *	   ├── its fast hash is that of the line's key ─────> KNOWN, at once
 *	   ├── its fast hash is among those just found wrong > UNKNOWN, at once
 *	   └── else: held against the line's argon2id hash by the thread pool, one at a time
 *	             └── too many wait ─────────────────────> BUSY
 *
 * A key is held against its slow hash once in the life of a process. From then on a keyed BLAKE2b of it (the key of that is drawn at the start, and
 * lives in memory only) is compared in constant time. docs/decisions/0015-access.md says why.
 *
 * Everything here belongs to the loop's thread. The file is looked at each second and read again when it has changed; one that cannot
 * be read leaves the keys as they were, and is logged.
 */
#ifndef LEDGERLINE_ACCESS_H
#define LEDGERLINE_ACCESS_H

#include <uv.h>

#include "engine/access/keys.h"

struct access;
struct access_grant; /* a key that is known. Good as long as the access, also after it was revoked */

enum access_answer { ACCESS_KNOWN, ACCESS_UNKNOWN, ACCESS_LATER, ACCESS_BUSY };

/* One who waits for an answer. Owned by the caller until `done` was called. */
struct access_ask {
	struct slice key;
	void (*done)(struct access_ask *, enum access_answer, struct access_grant *); /* KNOWN, UNKNOWN */
	void *context;

	/* The access's own. */
	struct access_ask *next;
	struct access_grant *grant;
	uint8_t fast[32];
};

/* Reads the file, and watches it from now on. As keys_read. */
enum ll_code access_open(uv_loop_t *loop, const char *path, struct access **access, struct error *error) LL_CHECKED;
/* Nobody is answered any more. The loop must run until its handles are closed; then access_free. NULL allowed. */
void access_stop(struct access *access);
void access_free(struct access *access); /* NULL allowed */
void access_reload(struct access *access);

/* Never waits: LATER means that access_ask is to be called. KNOWN: *grant. */
enum access_answer access_look(struct access *access, struct slice key, struct access_grant **grant);
/* As access_look; with LATER `done` is called once, from the loop, unless it is stopped before. */
enum access_answer access_ask(struct access *access, struct access_ask *ask, struct access_grant **grant);

struct slice access_name(const struct access_grant *grant);
enum access_role access_role(const struct access_grant *grant);
/* Takes so many commands out of the key's bucket, which may owe some after. false: it is empty. */
bool access_take(struct access_grant *grant, unsigned commands);

struct access_statistics {
	size_t keys;
	uint64_t verifications, wrong, busy, reloads;
	unsigned waiting;
	bool is_stale; /* the file has changed and could not be read */
};
void access_statistics(const struct access *access, struct access_statistics *statistics);

#endif
