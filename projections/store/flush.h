/*
 * Flushes: one frozen layer goes to LMDB, in key order, with its position, in one transaction, on a thread of its own.
 *
 * The owner hands the tables' frozen lists over (flush_start) and leaves them and their rows alone until flush_poll no longer
 * says LL_BUSY. A full map is grown and the transaction done again; any other error ends the flush for good.
 *
 * What a flush does is in flush.c; where and when it is done is in flush_thread.c, which the simulator has a twin of.
 */
#ifndef LEDGERLINE_STORE_FLUSH_H
#define LEDGERLINE_STORE_FLUSH_H

#include <pthread.h>

#include "projections/store/environment.h"
#include "projections/store/sort.h"
#include "projections/store/store.h"
#include "projections/store/table.h"

enum flush_state { FLUSH_IDLE, FLUSH_STARTED, FLUSH_DONE, FLUSH_STOPPED };

struct flush {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum flush_state state; /* under lock */
	bool running;           /* the thread was started */
	bool give_up;           /* atomic: abandon the transaction */
	void (*flushed)(void *);
	void *flushed_context;
	struct environment *environment;
	unsigned meta;
	bool write_out; /* begin to write to the disk at once */

	/* The owner's between flushes, the thread's while one is under way. */
	struct table *tables;
	unsigned table_count;
	bool sync, retire;
	bool finish;    /* also merge what was spilled */
	bool runs_only; /* rows ahead of the position, which stays as it is in LMDB */
	size_t position_size;
	uint8_t position[STORE_POSITION_BYTES_MAX];
	struct error error;
	enum ll_code result;
	uint64_t rows, us;
	uint64_t leaf_pages[STORE_TABLES_MAX];

	/* The thread's. */
	bool ahead; /* LMDB may hold rows ahead of the position */
	struct sorted_row *sorted, *spare;
	size_t sorted_capacity;
};

enum ll_code flush_open(struct flush *flush, struct error *error) LL_CHECKED;
void flush_close(struct flush *flush); /* waits for the one under way */

void flush_start(struct flush *flush);
bool flush_under_way(struct flush *flush); /* false once it is done, though nobody took note */
void flush_wait(struct flush *flush);
/* After the end of a flush: back to idle. */
void flush_take(struct flush *flush);

/* Of flush.c, for who runs flushes: one flush, to its result; and the memory that they share is freed. */
void flush_run(struct flush *flush);
void flush_release(struct flush *flush);

#endif
