#include "engine/access/access.h"

#include <sodium.h>
#include <stdlib.h>

#include "engine/log/log.h"
#include "schemas/wire/ensure.h"

enum {
	LOOK_EVERY_MS = 1000,
	WAITING_MAX = 64,       /* keys that wait for their slow hash */
	WAITING_OF_KEY_MAX = 8, /* of them, of one id: who knows a part of a key cannot keep all others out */
	WRONG_REMEMBERED = 256,
	REST_FACTOR = 1, /* so guessing at one id takes half a CPU at most, and is not much slower */
	FAST_BYTES = 32,
};

struct access_grant {
	struct access_key key;
	struct access_grant *next; /* all that ever were */
	bool is_revoked;
	bool is_verified;
	uint8_t fast[FAST_BYTES]; /* of the key itself, once it was verified */
	double tokens;
	uint64_t filled_ns;
	uint64_t rests_until_ns; /* after a wrong guess: no slow hash for this id before */
};

struct access {
	uv_loop_t *loop;
	char *path;
	struct access_grant *grants;
	struct access_grant *current[KEYS_MAX];
	size_t count;
	uint8_t secret[FAST_BYTES];
	uint8_t wrong[WRONG_REMEMBERED][FAST_BYTES];
	unsigned wrong_next, wrong_count;
	struct access_ask *first, *last;
	uv_fs_poll_t poll;
	uv_timer_t rest; /* until the first id that waits may be hashed for again */
	bool stopping;
	struct access_statistics statistics;

	uv_work_t work;
	bool working;
	struct {
		char hash[KEY_HASH_MAX];
		uint8_t text[KEY_TEXT_SIZE];
		uint8_t fast[FAST_BYTES];
		struct access_grant *grant;
		uint64_t took_ns;
		bool matches;
	} job;
};

/* ---- the table ---- */

static struct access_grant *find_id(const struct access *access, struct slice id)
{
	struct access_grant *found = NULL;
	for (size_t i = 0; i < access->count; i++) /* all of them, and no byte of them tells by its time */
		if (sodium_memcmp(access->current[i]->key.id, id.at, KEY_ID_SIZE) == 0)
			found = access->current[i];
	return found;
}

/* The grant that a line had before, if it is the same key: what is known of it stays. */
static struct access_grant *same_key(const struct access *access, const struct access_key *key)
{
	struct access_grant *grant = find_id(access, slice_of(key->id, KEY_ID_SIZE));
	return grant && strcmp(grant->key.hash, key->hash) == 0 ? grant : NULL;
}

static struct access_grant *grant_new(struct access *access, const struct access_key *key)
{
	struct access_grant *grant = calloc(1, sizeof *grant);
	ENSURE(grant);
	grant->tokens = key->limit;
	grant->filled_ns = uv_hrtime();
	grant->next = access->grants;
	access->grants = grant;
	return grant;
}

static void take_table(struct access *access, const struct keys *keys)
{
	struct access_grant *taken[KEYS_MAX];
	for (size_t i = 0; i < keys->count; i++) {
		struct access_grant *grant = same_key(access, &keys->at[i]);
		taken[i] = grant ? grant : grant_new(access, &keys->at[i]);
	}
	for (size_t i = 0; i < access->count; i++)
		access->current[i]->is_revoked = true;
	for (size_t i = 0; i < keys->count; i++) {
		taken[i]->key = keys->at[i];
		taken[i]->is_revoked = false;
		access->current[i] = taken[i];
	}
	access->count = access->statistics.keys = keys->count;
	access->wrong_count = access->wrong_next = 0;
}

void access_reload(struct access *access)
{
	struct keys keys;
	struct error error;
	if (access->stopping)
		return;
	if (keys_read(access->path, &keys, &error) != LL_OK) {
		access->statistics.is_stale = true;
		log_error("access.keysNotRead", LOG_TEXT("message", error.text), LOG_NUMBER("kept", access->count));
		return;
	}
	take_table(access, &keys);
	access->statistics.is_stale = false;
	access->statistics.reloads++;
	log_info("access.keysRead", LOG_TEXT("file", access->path), LOG_NUMBER("keys", keys.count));
	keys_release(&keys);
}

static void on_changed(uv_fs_poll_t *poll, int status, const uv_stat_t *before, const uv_stat_t *now)
{
	(void)status; /* one that is gone is told by the reading */
	(void)before;
	(void)now;
	access_reload(poll->data);
}

/* ---- looking ---- */

static void fast_hash(const struct access *access, struct slice key, uint8_t fast[FAST_BYTES])
{
	ENSURE(crypto_generichash(fast, FAST_BYTES, key.at, key.size, access->secret, sizeof access->secret) == 0);
}

static bool was_wrong(const struct access *access, const uint8_t fast[FAST_BYTES])
{
	for (unsigned i = 0; i < access->wrong_count; i++)
		if (sodium_memcmp(access->wrong[i], fast, FAST_BYTES) == 0)
			return true;
	return false;
}

static enum access_answer judge(const struct access_grant *grant, const uint8_t fast[FAST_BYTES])
{
	if (!grant || grant->is_revoked)
		return ACCESS_UNKNOWN;
	if (!grant->is_verified)
		return ACCESS_LATER;
	return sodium_memcmp(grant->fast, fast, FAST_BYTES) == 0 ? ACCESS_KNOWN : ACCESS_UNKNOWN;
}

static enum access_answer look(const struct access *access, struct slice key, struct access_grant **grant,
			       uint8_t fast[FAST_BYTES])
{
	struct slice id;
	if (!key_has_form(key, &id) || !(*grant = find_id(access, id)))
		return ACCESS_UNKNOWN;
	fast_hash(access, key, fast);
	enum access_answer answer = judge(*grant, fast);
	return answer == ACCESS_LATER && was_wrong(access, fast) ? ACCESS_UNKNOWN : answer;
}

enum access_answer access_look(struct access *access, struct slice key, struct access_grant **grant)
{
	uint8_t fast[FAST_BYTES];
	return look(access, key, grant, fast);
}

/* ---- the slow hash ---- */

static void on_work(uv_work_t *work)
{
	struct access *access = work->data;
	uint64_t began_ns = uv_hrtime();
	access->job.matches = key_matches(access->job.hash, slice_of(access->job.text, KEY_TEXT_SIZE));
	access->job.took_ns = uv_hrtime() - began_ns;
}

static void work_on(struct access *access);

static void keep_result(struct access *access)
{
	struct access_grant *grant = access->job.grant;
	access->statistics.verifications++;
	if (access->job.matches) {
		grant->is_verified = true;
		memcpy(grant->fast, access->job.fast, FAST_BYTES);
		return;
	}
	access->statistics.wrong++;
	grant->rests_until_ns = uv_hrtime() + REST_FACTOR * access->job.took_ns;
	memcpy(access->wrong[access->wrong_next], access->job.fast, FAST_BYTES);
	access->wrong_next = (access->wrong_next + 1) % WRONG_REMEMBERED;
	if (access->wrong_count < WRONG_REMEMBERED)
		access->wrong_count++;
}

/* Takes everybody off who can be told by now. What is told may ask again, so they are taken off first. */
static struct access_ask *take_answered(struct access *access)
{
	struct access_ask *told = NULL, **end = &told, **link = &access->first;
	access->last = NULL;
	while (*link) {
		struct access_ask *ask = *link;
		if (judge(ask->grant, ask->fast) == ACCESS_LATER && !was_wrong(access, ask->fast)) {
			access->last = ask;
			link = &ask->next;
			continue;
		}
		*link = ask->next;
		ask->next = NULL;
		*end = ask;
		end = &ask->next;
		access->statistics.waiting--;
	}
	return told;
}

static void after_work(uv_work_t *work, int status)
{
	struct access *access = work->data;
	access->working = false;
	if (!status)
		keep_result(access);
	sodium_memzero(&access->job, sizeof access->job);
	if (access->stopping)
		return;
	struct access_ask *told = take_answered(access);
	while (told) {
		struct access_ask *ask = told;
		told = ask->next;
		enum access_answer answer =
			judge(ask->grant, ask->fast) == ACCESS_KNOWN ? ACCESS_KNOWN : ACCESS_UNKNOWN;
		ask->done(ask, answer, ask->grant);
	}
	work_on(access);
}

static void on_rested(uv_timer_t *timer)
{
	work_on(timer->data);
}

/* Who has waited longest, but for ids that rest; NULL: nobody. Then the timer runs until one has rested. */
static const struct access_ask *next_ask(struct access *access)
{
	uint64_t now = uv_hrtime(), earliest = UINT64_MAX;
	for (const struct access_ask *ask = access->first; ask; ask = ask->next) {
		uint64_t until = ask->grant->rests_until_ns;
		if (until <= now)
			return ask;
		if (until < earliest)
			earliest = until;
	}
	if (access->first)
		uv_timer_start(&access->rest, on_rested, (earliest - now) / 1000000 + 1, 0);
	return NULL;
}

static void work_on(struct access *access)
{
	if (access->working || access->stopping)
		return;
	const struct access_ask *ask = next_ask(access);
	if (!ask)
		return;
	memcpy(access->job.hash, ask->grant->key.hash, sizeof access->job.hash);
	memcpy(access->job.text, ask->key.at, KEY_TEXT_SIZE);
	memcpy(access->job.fast, ask->fast, FAST_BYTES);
	access->job.grant = ask->grant;
	access->work.data = access;
	access->working = true;
	ENSURE(uv_queue_work(access->loop, &access->work, on_work, after_work) == 0);
}

static bool is_crowded(const struct access *access, const struct access_grant *grant)
{
	unsigned of_key = 0;
	for (const struct access_ask *ask = access->first; ask; ask = ask->next)
		of_key += ask->grant == grant;
	return access->statistics.waiting >= WAITING_MAX || of_key >= WAITING_OF_KEY_MAX;
}

enum access_answer access_ask(struct access *access, struct access_ask *ask, struct access_grant **grant)
{
	enum access_answer answer = look(access, ask->key, &ask->grant, ask->fast);
	*grant = ask->grant;
	if (answer != ACCESS_LATER)
		return answer;
	if (is_crowded(access, ask->grant)) {
		access->statistics.busy++;
		return ACCESS_BUSY;
	}
	ask->next = NULL;
	if (access->last)
		access->last->next = ask;
	else
		access->first = ask;
	access->last = ask;
	access->statistics.waiting++;
	work_on(access);
	return ACCESS_LATER;
}

/* ---- what is known of a key ---- */

struct slice access_name(const struct access_grant *grant)
{
	return slice_text(grant->key.name);
}

enum access_role access_role(const struct access_grant *grant)
{
	return grant->key.role;
}

bool access_take(struct access_grant *grant, unsigned commands)
{
	double limit = grant->key.limit;
	if (!grant->key.limit)
		return true;
	uint64_t now = uv_hrtime();
	grant->tokens += (double)(now - grant->filled_ns) / 1e9 * limit;
	grant->filled_ns = now;
	if (grant->tokens > limit)
		grant->tokens = limit;
	if (grant->tokens < 1)
		return false;
	grant->tokens -= commands;
	return true;
}

void access_statistics(const struct access *access, struct access_statistics *statistics)
{
	*statistics = access->statistics;
}

/* ---- life ---- */

enum ll_code access_open(uv_loop_t *loop, const char *path, struct access **made, struct error *error)
{
	struct keys keys;
	enum ll_code code = keys_read(path, &keys, error);
	if (code != LL_OK)
		return code;
	struct access *access = calloc(1, sizeof *access);
	ENSURE(access && sodium_init() >= 0);
	access->loop = loop;
	access->path = strdup(path);
	ENSURE(access->path);
	randombytes_buf(access->secret, sizeof access->secret);
	take_table(access, &keys);
	keys_release(&keys);
	ENSURE(uv_timer_init(loop, &access->rest) == 0);
	access->rest.data = access;
	uv_unref((uv_handle_t *)&access->rest);
	ENSURE(uv_fs_poll_init(loop, &access->poll) == 0);
	access->poll.data = access;
	ENSURE(uv_fs_poll_start(&access->poll, on_changed, path, LOOK_EVERY_MS) == 0);
	*made = access;
	return LL_OK;
}

void access_stop(struct access *access)
{
	if (!access || access->stopping)
		return;
	access->stopping = true;
	uv_close((uv_handle_t *)&access->poll, NULL);
	uv_close((uv_handle_t *)&access->rest, NULL);
	if (access->working)
		uv_cancel((uv_req_t *)&access->work);
}

void access_free(struct access *access)
{
	if (!access)
		return;
	ENSURE(access->stopping && !access->working);
	while (access->grants) {
		struct access_grant *grant = access->grants;
		access->grants = grant->next;
		free(grant);
	}
	sodium_memzero(access->secret, sizeof access->secret);
	free(access->path);
	free(access);
}
