/*
 * What tests and the simulator do to a memory: journal behind its users' backs.
 *
 * Logs belong to the process and are found by the NAME of memory:NAME. They outlive the handles on them, as a topic does,
 * until memory_journal_forget. A name must exist (journal_create, or journal_open with `create`) before anything here is
 * done to it; naming one that does not is a bug.
 *
 * Deterministic: no threads, no clock, no randomness but the seed of a plan. Time counts in ticks. A tick passes with each
 * journal_read that finds nothing and each journal_report that has none to give, and with memory_journal_tick; after
 * memory_journal_set_manual only with memory_journal_tick. While something is delayed and ticks pass by calls, the
 * descriptors stay readable, so that an event loop drives the delays on.
 *
 * Caveat: delays make records land after their appender was closed, and in another order. That is what they are for.
 */
#ifndef LEDGERLINE_JOURNAL_MEMORY_H
#define LEDGERLINE_JOURNAL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "schemas/wire/error.h"

/* Appends are counted from 1 over a log's life, those included that did not land. */
enum memory_fault_kind {
	MEMORY_FAIL,         /* does not land; reported as `code`, LL_UNAVAILABLE when that is LL_OK */
	MEMORY_DELAY,        /* lands, and is reported, `amount` ticks later */
	MEMORY_DELAY_REPORT, /* lands at once, is reported `amount` ticks later */
	MEMORY_DUPLICATE,    /* lands 1 + `amount` times */
	MEMORY_REORDER,      /* reported at once as written, lands only behind the next `amount` appends that land */
	MEMORY_LOSE,         /* does not land and is never reported */
	MEMORY_SILENT,       /* lands and is never reported */
	MEMORY_LIE_WRITTEN,  /* does not land; reported as written, at the offset that it would have had */
	MEMORY_LIE_FAILED,   /* lands; reported as `code`, LL_UNAVAILABLE when that is LL_OK */
	MEMORY_WRONG_OFFSET, /* lands; reported as written, at an offset that is wrong by `amount` */
	MEMORY_FAULT_KINDS
};

struct memory_fault {
	uint64_t append; /* which one */
	enum memory_fault_kind kind;
	unsigned amount;
	enum ll_code code;
	bool dies;     /* the report says that the appender is dead */
	bool for_ever; /* every append from this one on */
};

/* Adds to the log's plan. Of several for one append the first one counts. */
void memory_journal_fault(const char *name, struct memory_fault fault);

/* From now on each append that the plan says nothing about suffers, with a chance of `permille` in a thousand, a fault drawn
 * from `seed`; only if `lies` one whose report of success is wrong. 0 permille ends it. */
void memory_journal_chaos(const char *name, uint64_t seed, unsigned permille, bool lies);

/* Takes all faults and chaos away. What is delayed already stays so. */
void memory_journal_heal(const char *name);

/* How many appends it has seen: the next one is this + 1. */
uint64_t memory_journal_appends(const char *name);

void memory_journal_set_manual(const char *name, bool manual);
void memory_journal_tick(const char *name, unsigned ticks);

/* The log ends before `high` from now on. Beyond its end: nothing happens. */
void memory_journal_cut(const char *name, uint64_t high);

/* Records below `low` are gone; the low watermark rises. */
void memory_journal_trim(const char *name, uint64_t low);

/* Changes one byte of a stored record, at index % its size, by XOR with `mask`. */
void memory_journal_flip(const char *name, uint64_t offset, uint64_t index, uint8_t mask);

/* Deleted and made anew, empty: offsets begin at 0. Its identity stays, as a topic's name does, if `same_identity`. Readers
 * that stood at 0, or that look only when it has grown past their position, go on without noticing, as with Kafka. */
void memory_journal_replace(const char *name, bool same_identity);

/* While it is away reads say LL_UNAVAILABLE, nothing lands, nothing is reported, and no tick passes. */
void memory_journal_set_away(const char *name, bool away);

/* The log is gone: its readers get LL_NOT_FOUND, appends and opening it too. journal_create makes it anew. */
void memory_journal_delete(const char *name);

/* Frees all logs. No handle may be open. */
void memory_journal_forget_all(void);

#endif
