#include "projections/store/warm.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "projections/store/thread.h"

enum { STEP = 4 << 20, ASKED_MAX = 8 };

struct range {
	uint8_t *at;
	size_t bytes; /* left to be done from there */
};

struct warmer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under lock. */
	struct range asked[ASKED_MAX]; /* a ring */
	unsigned first, count;
	bool stopping;
};

static void populate(void *at, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
	(void)madvise(at, bytes, MADV_POPULATE_WRITE);
#else
	(void)at;
	(void)bytes;
#endif
}

/* The next step of what was asked for first. */
static struct range take_step(struct warmer *warmer)
{
	struct range *range = &warmer->asked[warmer->first];
	struct range step = {range->at, range->bytes < STEP ? range->bytes : STEP};
	range->at += step.bytes;
	range->bytes -= step.bytes;
	if (range->bytes == 0) {
		warmer->first = (warmer->first + 1) % ASKED_MAX;
		warmer->count--;
	}
	return step;
}

static void *thread_main(void *argument)
{
	struct warmer *warmer = argument;
	pthread_mutex_lock(&warmer->lock);
	for (;;) {
		while (!warmer->stopping && warmer->count == 0)
			pthread_cond_wait(&warmer->changed, &warmer->lock);
		if (warmer->stopping)
			break;
		struct range step = take_step(warmer);
		pthread_mutex_unlock(&warmer->lock);
		populate(step.at, step.bytes);
		pthread_mutex_lock(&warmer->lock);
	}
	pthread_mutex_unlock(&warmer->lock);
	return NULL;
}

struct warmer *warmer_open(void)
{
	struct warmer *warmer = calloc(1, sizeof *warmer);
	if (!warmer)
		return NULL;
	pthread_mutex_init(&warmer->lock, NULL);
	pthread_cond_init(&warmer->changed, NULL);
	if (thread_start(&warmer->thread, "warmer", thread_main, warmer) != 0) {
		free(warmer);
		return NULL;
	}
	return warmer;
}

void warmer_ask(struct warmer *warmer, void *at, size_t bytes)
{
	if (!warmer || bytes == 0)
		return;
	pthread_mutex_lock(&warmer->lock);
	if (warmer->count == ASKED_MAX) {
		warmer->first = (warmer->first + 1) % ASKED_MAX;
		warmer->count--;
	}
	warmer->asked[(warmer->first + warmer->count++) % ASKED_MAX] = (struct range){at, bytes};
	pthread_cond_broadcast(&warmer->changed);
	pthread_mutex_unlock(&warmer->lock);
}

void warmer_close(struct warmer *warmer)
{
	if (!warmer)
		return;
	pthread_mutex_lock(&warmer->lock);
	warmer->stopping = true;
	pthread_cond_broadcast(&warmer->changed);
	pthread_mutex_unlock(&warmer->lock);
	pthread_join(warmer->thread, NULL);
	pthread_cond_destroy(&warmer->changed);
	pthread_mutex_destroy(&warmer->lock);
	free(warmer);
}
