/*
 * The log behind memory: URLs, as memory.c (the port's side) and memory_faults.c (the tests' side) share it.
 *
 * Everything here is called with the log's lock held. A record under way is a flight; it lands in memory_log_settle, when
 * its tick has come and enough others have landed before it.
 */
#ifndef LEDGERLINE_JOURNAL_MEMORY_LOG_H
#define LEDGERLINE_JOURNAL_MEMORY_LOG_H

#include <pthread.h>

#include "engine/journal/adapter.h"
#include "engine/journal/memory.h"

struct memory_record {
	uint8_t *bytes;
	size_t size;
	int64_t time_ms;
};

struct memory_appender;

struct memory_flight {
	struct memory_flight *next;
	struct memory_appender *appender; /* who waits for its offset; NULL: nobody, or closed since */
	struct memory_record record;
	unsigned copies;
	uint64_t lands_at; /* tick */
	unsigned behind;   /* so many others land before it */
};

/* A bell of a reader or an appender. */
struct memory_listener {
	struct memory_listener *next;
	int bell;
};

struct memory_log {
	struct memory_log *next;
	char name[JOURNAL_IDENTITY_MAX];
	pthread_mutex_t lock;
	unsigned births; /* counts how often it was made anew: its identity */
	bool deleted, away, manual;
	uint64_t tick, appends;
	uint64_t low;
	struct memory_record *records; /* of offsets low .. low + count - 1 */
	size_t count, room;
	struct memory_flight *flights; /* oldest first */
	struct memory_listener *listeners;
	uint64_t busy_until; /* tick at which the last of what is delayed is due */
	struct memory_fault *faults;
	size_t faults_count;
	uint64_t chaos; /* state of the generator */
	unsigned chaos_permille;
	bool chaos_lies;
};

enum memory_report_state { MEMORY_REPORT_NONE, MEMORY_REPORT_WITH_FLIGHT, MEMORY_REPORT_AT_TICK, MEMORY_REPORT_NEVER };

struct memory_appender {
	struct journal_appender base;
	struct memory_log *log;
	struct memory_listener listener;
	enum memory_report_state state;
	uint64_t report_at; /* tick */
	struct journal_report report;
	bool dead;
};

/* The log of that name, locked; NULL (and nothing locked) when there is none. `create`: made if it is not there. */
struct memory_log *memory_log_find(const char *name, bool create);

/* Lets land what is due. */
void memory_log_settle(struct memory_log *log);

/* One tick passes. */
void memory_log_tick(struct memory_log *log);

/* Something is still to happen that only ticks bring about. */
bool memory_log_is_delayed(const struct memory_log *log);

void memory_log_ring(struct memory_log *log);

/* Drops records from offset `high` on, and those below `low`. */
void memory_log_keep(struct memory_log *log, uint64_t low, uint64_t high);

/* Appends a copy. */
void memory_log_land(struct memory_log *log, const struct memory_record *record);

void memory_log_free_flights(struct memory_log *log);

/* The fault that befalls append number log->appends, if any. */
bool memory_log_draw_fault(struct memory_log *log, struct memory_fault *fault);

static inline uint64_t memory_log_high(const struct memory_log *log)
{
	return log->low + log->count;
}

#endif
