/*
 * A local log as its parts share it: local.c (the log), local_reader.c, local_appender.c.
 *
 * One struct local_log for each LMDB environment that this process has open, however many journals stand on it, so that an
 * appender finds the readers that it has to wake.
 */
#ifndef LEDGERLINE_JOURNAL_LOCAL_LOG_H
#define LEDGERLINE_JOURNAL_LOCAL_LOG_H

#include <pthread.h>

#include "engine/journal/adapter.h"
#include "projections/store/environment.h"

enum { LOCAL_KEY_BYTES = 8, LOCAL_TIME_BYTES = 8 };

/* A bell to ring after each commit. */
struct local_listener {
	struct local_listener *next;
	int bell;
};

struct local_log {
	struct local_log *next;
	unsigned journals_count;
	struct environment *environment;
	unsigned records;     /* database: offset -> time and bytes */
	pthread_mutex_t lock; /* guards what follows */
	struct local_listener *listeners;
	bool has_appender; /* in this process */
	bool disk_failed;  /* a sync went wrong: what the system's cache shows may not be on the disk */
};

struct local_journal {
	struct journal base;
	struct local_log *log;
	char id[64];
};

/* Big-endian, so that LMDB's order is the order of offsets; the time of a record is kept the same way. */
static inline void local_put_number(uint8_t at[8], uint64_t number)
{
	for (int i = 7; i >= 0; i--, number >>= 8)
		at[i] = (uint8_t)number;
}

static inline uint64_t local_get_number(const uint8_t at[8])
{
	uint64_t number = 0;
	for (int i = 0; i < 8; i++)
		number = number << 8 | at[i];
	return number;
}

/* First and one-past-last offset as `txn` sees them. */
enum ll_code local_bounds(struct local_log *log, struct environment_txn *txn, struct journal_watermarks *watermarks,
			  struct error *error) LL_CHECKED;

/* Splits a row into time and record. LL_CORRUPT: too short to be one. */
enum ll_code local_split(const struct local_log *log, uint64_t offset, struct slice row, int64_t *time_ms,
			 struct slice *value, struct error *error) LL_CHECKED;

enum ll_code local_reader_open(struct journal *base, uint64_t offset, struct journal_reader **opened,
			       struct error *error) LL_CHECKED;
enum ll_code local_appender_open(struct journal *base, struct journal_appender **opened,
				 struct error *error) LL_CHECKED;

#endif
