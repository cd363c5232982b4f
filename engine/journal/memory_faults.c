/*
 * The tests' side of memory: logs: the fault plan and what is done to a log behind its users' backs. See memory.h.
 */
#include "engine/journal/memory.h"

#include <stdlib.h>

#include "engine/journal/memory_log.h"
#include "schemas/wire/ensure.h"

static struct memory_log *named(const char *name)
{
	struct memory_log *log = memory_log_find(name, false);
	ENSURE(log);
	return log;
}

static void unlock(struct memory_log *log)
{
	pthread_mutex_unlock(&log->lock);
}

void memory_journal_fault(const char *name, struct memory_fault fault)
{
	ENSURE(fault.append > 0 && fault.kind < MEMORY_FAULT_KINDS);
	struct memory_log *log = named(name);
	log->faults = realloc(log->faults, (log->faults_count + 1) * sizeof *log->faults);
	ENSURE(log->faults);
	log->faults[log->faults_count++] = fault;
	unlock(log);
}

void memory_journal_chaos(const char *name, uint64_t seed, unsigned permille, bool lies)
{
	struct memory_log *log = named(name);
	log->chaos = seed * 0x9e3779b97f4a7c15u + 1;
	log->chaos_permille = permille;
	log->chaos_lies = lies;
	unlock(log);
}

void memory_journal_heal(const char *name)
{
	struct memory_log *log = named(name);
	free(log->faults);
	log->faults = NULL;
	log->faults_count = 0;
	log->chaos_permille = 0;
	unlock(log);
}

uint64_t memory_journal_appends(const char *name)
{
	struct memory_log *log = named(name);
	uint64_t appends = log->appends;
	unlock(log);
	return appends;
}

/* splitmix64: every seed, small ones too, gives a good sequence. */
static uint64_t draw(struct memory_log *log)
{
	log->chaos += 0x9e3779b97f4a7c15u;
	uint64_t mixed = log->chaos;
	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
	return mixed ^ mixed >> 31;
}

bool memory_log_draw_fault(struct memory_log *log, struct memory_fault *fault)
{
	static const enum memory_fault_kind honest[] = {MEMORY_FAIL,      MEMORY_DELAY, MEMORY_DELAY_REPORT,
							MEMORY_DUPLICATE, MEMORY_LOSE,  MEMORY_SILENT,
							MEMORY_LIE_FAILED};
	for (size_t i = 0; i < log->faults_count; i++) {
		const struct memory_fault *planned = &log->faults[i];
		if (planned->append == log->appends || (planned->for_ever && planned->append < log->appends)) {
			*fault = *planned;
			return true;
		}
	}
	if (!log->chaos_permille || draw(log) % 1000 >= log->chaos_permille)
		return false;
	*fault = (struct memory_fault){.append = log->appends};
	fault->kind = log->chaos_lies ? (enum memory_fault_kind)(draw(log) % MEMORY_FAULT_KINDS)
				      : honest[draw(log) % (sizeof honest / sizeof *honest)];
	fault->amount = 1 + (unsigned)(draw(log) % 4);
	fault->dies = draw(log) % 4 == 0;
	return true;
}

void memory_journal_set_manual(const char *name, bool manual)
{
	struct memory_log *log = named(name);
	log->manual = manual;
	memory_log_ring(log);
	unlock(log);
}

void memory_journal_tick(const char *name, unsigned ticks)
{
	struct memory_log *log = named(name);
	while (ticks--)
		memory_log_tick(log);
	unlock(log);
}

void memory_journal_cut(const char *name, uint64_t high)
{
	struct memory_log *log = named(name);
	memory_log_keep(log, log->low, high);
	memory_log_ring(log);
	unlock(log);
}

void memory_journal_trim(const char *name, uint64_t low)
{
	struct memory_log *log = named(name);
	ENSURE(low <= memory_log_high(log));
	memory_log_keep(log, low, UINT64_MAX);
	memory_log_ring(log);
	unlock(log);
}

void memory_journal_flip(const char *name, uint64_t offset, uint64_t index, uint8_t mask)
{
	struct memory_log *log = named(name);
	ENSURE(offset >= log->low && offset < memory_log_high(log));
	struct memory_record *record = &log->records[offset - log->low];
	ENSURE(record->size > 0);
	record->bytes[index % record->size] ^= mask;
	unlock(log);
}

static void empty(struct memory_log *log)
{
	memory_log_keep(log, 0, 0);
	memory_log_free_flights(log);
}

void memory_journal_replace(const char *name, bool same_identity)
{
	struct memory_log *log = named(name);
	empty(log);
	if (!same_identity)
		log->births++;
	memory_log_ring(log);
	unlock(log);
}

void memory_journal_set_away(const char *name, bool away)
{
	struct memory_log *log = named(name);
	log->away = away;
	memory_log_settle(log);
	memory_log_ring(log);
	unlock(log);
}

void memory_journal_delete(const char *name)
{
	struct memory_log *log = named(name);
	empty(log);
	log->deleted = true;
	memory_log_ring(log);
	unlock(log);
}
