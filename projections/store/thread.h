/*
 * Starting the store's threads, and those of who folds beside it.
 */
#ifndef LEDGERLINE_STORE_THREAD_H
#define LEDGERLINE_STORE_THREAD_H

#include <pthread.h>

/* Starts one that takes no signals: those are the other threads' business. `name` has at most 15 characters. 0, or an errno. */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *context);

#endif
