/*
 * The log behind memory: URLs: records, flights and ticks. See memory_log.h.
 */
#include "engine/journal/memory_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/journal/bell.h"
#include "schemas/wire/ensure.h"

static struct memory_log *logs;
static pthread_mutex_t logs_lock = PTHREAD_MUTEX_INITIALIZER;

struct memory_log *memory_log_find(const char *name, bool create)
{
	pthread_mutex_lock(&logs_lock);
	struct memory_log *log = logs;
	while (log && strcmp(log->name, name) != 0)
		log = log->next;
	if (!log && create) {
		log = calloc(1, sizeof *log);
		ENSURE(log);
		snprintf(log->name, sizeof log->name, "%s", name);
		log->births = 1;
		pthread_mutex_init(&log->lock, NULL);
		log->next = logs;
		logs = log;
	}
	if (log)
		pthread_mutex_lock(&log->lock);
	pthread_mutex_unlock(&logs_lock);
	return log;
}

void memory_log_ring(struct memory_log *log)
{
	for (struct memory_listener *listener = log->listeners; listener; listener = listener->next)
		bell_ring(listener->bell);
}

void memory_log_land(struct memory_log *log, const struct memory_record *record)
{
	if (log->count == log->room) {
		log->room = log->room ? 2 * log->room : 64;
		log->records = realloc(log->records, log->room * sizeof *log->records);
		ENSURE(log->records);
	}
	struct memory_record copy = *record;
	copy.bytes = malloc(record->size + 1);
	ENSURE(copy.bytes);
	memcpy(copy.bytes, record->bytes, record->size);
	log->records[log->count++] = copy;
}

/* The first flight that may land now, taken out of the list. */
static struct memory_flight *take_due(struct memory_log *log)
{
	for (struct memory_flight **link = &log->flights; *link; link = &(*link)->next) {
		struct memory_flight *flight = *link;
		if (flight->lands_at <= log->tick && flight->behind == 0) {
			*link = flight->next;
			return flight;
		}
	}
	return NULL;
}

static void land_flight(struct memory_log *log, struct memory_flight *flight)
{
	struct memory_appender *appender = flight->appender;
	if (appender) {
		appender->report.offset = memory_log_high(log);
		appender->state = MEMORY_REPORT_AT_TICK;
		appender->report_at = log->tick;
	}
	for (unsigned i = 0; i < flight->copies; i++)
		memory_log_land(log, &flight->record);
	for (struct memory_flight *other = log->flights; other; other = other->next)
		other->behind -= other->behind > 0;
	free(flight->record.bytes);
	free(flight);
}

void memory_log_settle(struct memory_log *log)
{
	if (log->away || log->deleted)
		return;
	bool landed = false;
	struct memory_flight *flight;
	while ((flight = take_due(log))) {
		land_flight(log, flight);
		landed = true;
	}
	if (landed)
		memory_log_ring(log);
}

void memory_log_tick(struct memory_log *log)
{
	if (log->away)
		return;
	bool was_delayed = memory_log_is_delayed(log);
	log->tick++;
	memory_log_settle(log);
	if (was_delayed)
		memory_log_ring(log);
}

bool memory_log_is_delayed(const struct memory_log *log)
{
	return log->tick < log->busy_until;
}

void memory_log_keep(struct memory_log *log, uint64_t low, uint64_t high)
{
	size_t kept = 0;
	for (size_t i = 0; i < log->count; i++) {
		uint64_t offset = log->low + i;
		if (offset >= low && offset < high)
			log->records[kept++] = log->records[i];
		else
			free(log->records[i].bytes);
	}
	log->count = kept;
	log->low = low;
}

void memory_log_free_flights(struct memory_log *log)
{
	while (log->flights) {
		struct memory_flight *flight = log->flights;
		log->flights = flight->next;
		if (flight->appender)
			flight->appender->state = MEMORY_REPORT_NEVER;
		free(flight->record.bytes);
		free(flight);
	}
}

void memory_journal_forget_all(void)
{
	pthread_mutex_lock(&logs_lock);
	while (logs) {
		struct memory_log *log = logs;
		ENSURE(!log->listeners);
		logs = log->next;
		memory_log_free_flights(log);
		memory_log_keep(log, 0, 0);
		free(log->records);
		free(log->faults);
		pthread_mutex_destroy(&log->lock);
		free(log);
	}
	pthread_mutex_unlock(&logs_lock);
}
