/*
 * Memory made ready before it is needed: a thread that has the system hand out (and zero) pages of a range which another
 * thread will soon write. A rebuild fills some hundred MiB within seconds; without this a sixth of the folding thread's time
 * goes into page faults. While serving, the loop would wait for milliseconds whenever a large page is wanted.
 *
 * It is a hint: where the system knows no MADV_POPULATE_WRITE, or the thread cannot be started, pages come when they are touched.
 */
#ifndef LEDGERLINE_STORE_WARM_H
#define LEDGERLINE_STORE_WARM_H

#include <stddef.h>
#include <stdint.h>

struct warmer;

/* NULL: no thread could be started; the functions below take it. */
struct warmer *warmer_open(void);
/* These pages are wanted soon: private memory that may be written. It may be unmapped meanwhile. When too much was asked for and is
 * not yet done, the oldest is forgotten. Never waits for the pages. */
void warmer_ask(struct warmer *warmer, void *at, size_t bytes);
void warmer_close(struct warmer *warmer);

#endif
