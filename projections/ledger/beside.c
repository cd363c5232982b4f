#include "projections/ledger/beside.h"

#include <pthread.h>
#include <stdlib.h>

#include "projections/store/thread.h"
#include "schemas/wire/ensure.h"

enum beside_state { BESIDE_IDLE, BESIDE_STARTED, BESIDE_DONE, BESIDE_STOPPED };

struct beside {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum beside_state state; /* under lock */

	/* The ledger's while it is idle or done, else the thread's. */
	struct block block;
	uint64_t offset;
	int64_t time;
	unsigned mask;
	struct view view;
	struct arena rows;
	struct applier applier;
};

static void set_state(struct beside *beside, enum beside_state state)
{
	pthread_mutex_lock(&beside->lock);
	beside->state = state;
	pthread_cond_broadcast(&beside->changed);
	pthread_mutex_unlock(&beside->lock);
}

static void *thread_main(void *argument)
{
	struct beside *beside = argument;
	for (;;) {
		pthread_mutex_lock(&beside->lock);
		while (beside->state != BESIDE_STARTED && beside->state != BESIDE_STOPPED)
			pthread_cond_wait(&beside->changed, &beside->lock);
		bool stopped = beside->state == BESIDE_STOPPED;
		pthread_mutex_unlock(&beside->lock);
		if (stopped)
			return NULL;
		apply_block(&beside->applier, &beside->block, beside->block.count, beside->offset, beside->time,
			    beside->mask, NULL, NULL);
		set_state(beside, BESIDE_DONE);
	}
}

struct beside *beside_open(struct store **stores, const struct annulments *annulled)
{
	struct beside *beside = calloc(1, sizeof *beside);
	ENSURE(beside && "memory is used up");
	beside->view = (struct view){.stores = stores, .arena = &beside->rows};
	beside->applier.view = &beside->view;
	beside->applier.annulled = annulled;
	pthread_mutex_init(&beside->lock, NULL);
	pthread_cond_init(&beside->changed, NULL);
	if (thread_start(&beside->thread, "beside", thread_main, beside) != 0) {
		free(beside);
		return NULL;
	}
	return beside;
}

void beside_close(struct beside *beside)
{
	if (!beside)
		return;
	set_state(beside, BESIDE_STOPPED);
	pthread_join(beside->thread, NULL);
	pthread_cond_destroy(&beside->changed);
	pthread_mutex_destroy(&beside->lock);
	applier_release(&beside->applier);
	arena_release(&beside->rows);
	free(beside);
}

void beside_begin(struct beside *beside, const struct block *block, uint64_t offset, int64_t time, unsigned mask)
{
	beside->block = *block;
	beside->offset = offset;
	beside->time = time;
	beside->mask = mask;
	set_state(beside, BESIDE_STARTED);
}

const struct applier *beside_end(struct beside *beside)
{
	pthread_mutex_lock(&beside->lock);
	while (beside->state != BESIDE_DONE)
		pthread_cond_wait(&beside->changed, &beside->lock);
	beside->state = BESIDE_IDLE;
	pthread_mutex_unlock(&beside->lock);
	return &beside->applier;
}
