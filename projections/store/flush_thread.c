/* Where flushes run, and how the owner and the thread take turns. */
#include "projections/store/flush.h"

#include <sys/resource.h>
#include <unistd.h>

#include "projections/store/thread.h"
#include "schemas/wire/ensure.h"

enum { FLUSH_NICENESS = 10 };

static void *thread_main(void *argument)
{
	struct flush *flush = argument;
	/* Behind those who decide and answer: a flush that takes longer keeps nobody waiting. A rebuild's is as urgent as
	 * the fold. Without the right to it, or where threads have no niceness of their own, all stays as it is. */
	if (!flush->write_out)
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + FLUSH_NICENESS);
	pthread_mutex_lock(&flush->lock);
	for (;;) {
		while (flush->state != FLUSH_STARTED && flush->state != FLUSH_STOPPED)
			pthread_cond_wait(&flush->changed, &flush->lock);
		if (flush->state == FLUSH_STOPPED)
			break;
		pthread_mutex_unlock(&flush->lock);
		flush_run(flush);
		pthread_mutex_lock(&flush->lock);
		flush->state = FLUSH_DONE;
		pthread_cond_broadcast(&flush->changed);
		pthread_mutex_unlock(&flush->lock);
		if (flush->flushed)
			flush->flushed(flush->flushed_context);
		pthread_mutex_lock(&flush->lock);
	}
	pthread_mutex_unlock(&flush->lock);
	return NULL;
}

/* ---- the owner's side ---- */

enum ll_code flush_open(struct flush *flush, struct error *error)
{
	pthread_mutex_init(&flush->lock, NULL);
	pthread_cond_init(&flush->changed, NULL);
	int failed = thread_start(&flush->thread, "flush", thread_main, flush);
	flush->running = !failed;
	return failed ? error_set(error, LL_NO_MEMORY, "cannot start a flush thread: %s", strerror(failed)) : LL_OK;
}

void flush_close(struct flush *flush)
{
	if (flush->running) {
		flush_wait(flush);
		pthread_mutex_lock(&flush->lock);
		flush->state = FLUSH_STOPPED;
		pthread_cond_broadcast(&flush->changed);
		pthread_mutex_unlock(&flush->lock);
		pthread_join(flush->thread, NULL);
		pthread_cond_destroy(&flush->changed);
		pthread_mutex_destroy(&flush->lock);
	}
	flush_release(flush);
}

static void set_state(struct flush *flush, enum flush_state from, enum flush_state to)
{
	pthread_mutex_lock(&flush->lock);
	ENSURE(flush->state == from);
	flush->state = to;
	pthread_cond_broadcast(&flush->changed);
	pthread_mutex_unlock(&flush->lock);
}

void flush_start(struct flush *flush)
{
	set_state(flush, FLUSH_IDLE, FLUSH_STARTED);
}

void flush_take(struct flush *flush)
{
	set_state(flush, FLUSH_DONE, FLUSH_IDLE);
}

bool flush_under_way(struct flush *flush)
{
	pthread_mutex_lock(&flush->lock);
	bool under_way = flush->state == FLUSH_STARTED;
	pthread_mutex_unlock(&flush->lock);
	return under_way;
}

void flush_wait(struct flush *flush)
{
	pthread_mutex_lock(&flush->lock);
	while (flush->state == FLUSH_STARTED)
		pthread_cond_wait(&flush->changed, &flush->lock);
	pthread_mutex_unlock(&flush->lock);
}
