/*
 * Threads of the Kafka client, for the thread sanitizer only.
 *
 * The client uses C11's threads, locks and conditions, which the sanitizer does not know: it crashes in the first such thread,
 * and takes what a lock guards for a race. In a build with it these stand in for the C library's, and use POSIX's, which it
 * knows. glibc's C11 types are its POSIX ones under other names.
 */
#ifdef __SANITIZE_THREAD__
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

#define SEEN_BY_LIBRARIES __attribute__((visibility("default")))

struct start {
	thrd_start_t function;
	void *argument;
};

static void *run(void *context)
{
	struct start start = *(struct start *)context;
	free(context);
	return (void *)(intptr_t)start.function(start.argument);
}

SEEN_BY_LIBRARIES int thrd_create(thrd_t *thread, thrd_start_t function, void *argument)
{
	struct start *start = malloc(sizeof *start);
	if (!start)
		return thrd_nomem;
	*start = (struct start){function, argument};
	if (pthread_create(thread, NULL, run, start) == 0)
		return thrd_success;
	free(start);
	return thrd_error;
}

SEEN_BY_LIBRARIES int thrd_join(thrd_t thread, int *result)
{
	void *returned;
	if (pthread_join(thread, &returned) != 0)
		return thrd_error;
	if (result)
		*result = (int)(intptr_t)returned;
	return thrd_success;
}

SEEN_BY_LIBRARIES int mtx_init(mtx_t *lock, int type)
{
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	if (type & mtx_recursive)
		pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	int status = pthread_mutex_init((pthread_mutex_t *)lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
	return status == 0 ? thrd_success : thrd_error;
}

SEEN_BY_LIBRARIES int mtx_lock(mtx_t *lock)
{
	return pthread_mutex_lock((pthread_mutex_t *)lock) == 0 ? thrd_success : thrd_error;
}

SEEN_BY_LIBRARIES int mtx_unlock(mtx_t *lock)
{
	return pthread_mutex_unlock((pthread_mutex_t *)lock) == 0 ? thrd_success : thrd_error;
}

SEEN_BY_LIBRARIES void mtx_destroy(mtx_t *lock)
{
	pthread_mutex_destroy((pthread_mutex_t *)lock);
}

SEEN_BY_LIBRARIES int cnd_init(cnd_t *condition)
{
	return pthread_cond_init((pthread_cond_t *)condition, NULL) == 0 ? thrd_success : thrd_error;
}

SEEN_BY_LIBRARIES int cnd_signal(cnd_t *condition)
{
	return pthread_cond_signal((pthread_cond_t *)condition) == 0 ? thrd_success : thrd_error;
}

SEEN_BY_LIBRARIES int cnd_broadcast(cnd_t *condition)
{
	return pthread_cond_broadcast((pthread_cond_t *)condition) == 0 ? thrd_success : thrd_error;
}

SEEN_BY_LIBRARIES int cnd_wait(cnd_t *condition, mtx_t *lock)
{
	int status = pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)lock);
	return status == 0 ? thrd_success : thrd_error;
}

SEEN_BY_LIBRARIES int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict lock,
				    const struct timespec *restrict until)
{
	int status = pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)lock, until);
	return status == 0 ? thrd_success : status == ETIMEDOUT ? thrd_timedout : thrd_error;
}

SEEN_BY_LIBRARIES void cnd_destroy(cnd_t *condition)
{
	pthread_cond_destroy((pthread_cond_t *)condition);
}
#endif
