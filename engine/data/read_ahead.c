#include "engine/data/read_ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "projections/store/thread.h"
#include "schemas/wire/ensure.h"

enum { SLOTS = 8, READ_WAIT_MS = 100 };

struct slot {
	struct read_record record;
	enum ll_code code;
	struct error error; /* unless code is LL_OK */
	uint8_t *bytes;     /* the record's value: the journal may take its own back at the next read */
	size_t room;
};

struct read_ahead {
	struct journal_reader *reader;
	struct fold fold; /* as of the last record that was read */
	uint64_t end;
	struct slot slots[SLOTS];
	uint64_t taken; /* slots given to the caller, the last of which is still his; the caller's */

	bool threaded;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under lock. */
	uint64_t filled; /* slots filled */
	uint64_t freed;  /* slots that may be filled again */
	bool stopping;
};

static void keep(struct slot *slot, struct slice value)
{
	if (value.size > slot->room) {
		free(slot->bytes);
		slot->room = value.size + value.size / 4;
		slot->bytes = malloc(slot->room);
		ENSURE(slot->bytes && "memory is used up");
	}
	if (value.size)
		memcpy(slot->bytes, value.at, value.size);
}

/* Reads and judges one record. LL_TIMEOUT: none yet; nothing has changed. */
static enum ll_code read_one(struct read_ahead *ahead, struct slot *slot)
{
	struct journal_record found;
	struct read_record *record = &slot->record;
	if (ahead->fold.next_offset >= ahead->end)
		return LL_END;
	enum ll_code code = journal_read(ahead->reader, READ_WAIT_MS, &found, &slot->error);
	if (code != LL_OK)
		return code == LL_UNAVAILABLE ? LL_TIMEOUT : code;
	keep(slot, found.value);
	record->offset = found.offset;
	code = fold_record(&ahead->fold, found.offset, slice_of(slot->bytes, found.value.size), &record->verdict,
			   &record->block, &slot->error);
	record->after = ahead->fold;
	return code;
}

/* ---- the thread ---- */

static bool wait_for_room(struct read_ahead *ahead)
{
	pthread_mutex_lock(&ahead->lock);
	while (!ahead->stopping && ahead->filled - ahead->freed == SLOTS)
		pthread_cond_wait(&ahead->changed, &ahead->lock);
	bool room = !ahead->stopping;
	pthread_mutex_unlock(&ahead->lock);
	return room;
}

static void hand_over(struct read_ahead *ahead)
{
	pthread_mutex_lock(&ahead->lock);
	ahead->filled++;
	pthread_cond_broadcast(&ahead->changed);
	pthread_mutex_unlock(&ahead->lock);
}

static void *thread_main(void *argument)
{
	struct read_ahead *ahead = argument;
	uint64_t next = 0;
	enum ll_code code = LL_OK;
	while (code == LL_OK && wait_for_room(ahead)) {
		struct slot *slot = &ahead->slots[next % SLOTS];
		code = read_one(ahead, slot);
		if (code == LL_TIMEOUT) {
			code = LL_OK;
			continue;
		}
		slot->code = code;
		next++;
		hand_over(ahead);
	}
	return NULL;
}

static void start(struct read_ahead *ahead)
{
	pthread_mutex_init(&ahead->lock, NULL);
	pthread_cond_init(&ahead->changed, NULL);
	ahead->threaded = thread_start(&ahead->thread, "read-ahead", thread_main, ahead) == 0;
}

/* ---- the caller's side ---- */

struct read_ahead *read_ahead_open(struct journal_reader *reader, const struct fold *fold, uint64_t end,
				   bool with_thread)
{
	struct read_ahead *ahead = calloc(1, sizeof *ahead);
	ENSURE(ahead && "memory is used up");
	ahead->reader = reader;
	ahead->fold = *fold;
	ahead->end = end;
	if (with_thread)
		start(ahead);
	return ahead;
}

/* The slot that comes next; NULL: nothing came for a while. What was given before may be filled again. */
static struct slot *wait_for_record(struct read_ahead *ahead)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += READ_WAIT_MS * 1000000l;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&ahead->lock);
	if (ahead->freed != ahead->taken) {
		ahead->freed = ahead->taken;
		pthread_cond_broadcast(&ahead->changed);
	}
	int late = 0;
	while (ahead->filled == ahead->taken && !late)
		late = pthread_cond_timedwait(&ahead->changed, &ahead->lock, &until);
	bool there = ahead->filled != ahead->taken;
	pthread_mutex_unlock(&ahead->lock);
	return there ? &ahead->slots[ahead->taken % SLOTS] : NULL;
}

enum ll_code read_ahead_next(struct read_ahead *ahead, struct read_record **record, struct error *error)
{
	struct slot *slot = &ahead->slots[0];
	enum ll_code code;
	if (ahead->threaded) {
		slot = wait_for_record(ahead);
		code = slot ? slot->code : LL_TIMEOUT;
		ahead->taken += code == LL_OK; /* an end is told again and again */
	} else {
		code = read_one(ahead, slot);
	}
	if (code == LL_OK)
		*record = &slot->record;
	else if (code != LL_TIMEOUT && code != LL_END)
		*error = slot->error;
	return code;
}

void read_ahead_close(struct read_ahead *ahead)
{
	if (!ahead)
		return;
	if (ahead->threaded) {
		pthread_mutex_lock(&ahead->lock);
		ahead->stopping = true;
		pthread_cond_broadcast(&ahead->changed);
		pthread_mutex_unlock(&ahead->lock);
		pthread_join(ahead->thread, NULL);
		pthread_cond_destroy(&ahead->changed);
		pthread_mutex_destroy(&ahead->lock);
	}
	for (unsigned i = 0; i < SLOTS; i++)
		free(ahead->slots[i].bytes);
	free(ahead);
}
