/*
 * A bell: the eventfd by which an adapter tells an event loop that there is something new. Ringing and muting are safe
 * from any thread and never block.
 */
#ifndef LEDGERLINE_JOURNAL_BELL_H
#define LEDGERLINE_JOURNAL_BELL_H

#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* -1 and errno when there are no descriptors left. Closed with close(2). */
static inline int bell_open(void)
{
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static inline void bell_ring(int bell)
{
	uint64_t one = 1;
	/* Fails only when the counter is full, and then it is readable anyway. */
	ssize_t written = write(bell, &one, sizeof one);
	(void)written;
}

static inline void bell_mute(int bell)
{
	uint64_t rings;
	ssize_t got = read(bell, &rings, sizeof rings);
	(void)got;
}

/* Waits until it rings, up to timeout_ms; -1: for ever. */
static inline void bell_wait(int bell, int timeout_ms)
{
	struct pollfd waited = {.fd = bell, .events = POLLIN};
	(void)poll(&waited, 1, timeout_ms);
}

#endif
