/*
 * The simulated disk: twins of the store's environment (LMDB), of its guard and lock, and of the thread that flushes.
 *
 * They are linked in place of projections/store/environment.c, files.c, guard.c, generation.c and flush_thread.c, so that all
 * else of a store is what runs in production: tables, layers, overlays, scans, and what a flush writes in which transaction.
 * Here a transaction is a version of a directory's tables in memory. All versions are kept, so that a crash can come back to an
 * older one; and a flush that was started is done when the simulation says so, or by whoever waits for it.
 *
 * One disk for the process, one thread.
 */
#ifndef LEDGERLINE_SIMULATION_DISK_H
#define LEDGERLINE_SIMULATION_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schemas/wire/error.h"

/* Forgets everything; nothing may be open. The seed is for what production code takes from the system's source of randomness. */
void disk_reset(uint64_t seed);

/* Does the flush that waits in the directory; `failure` not LL_OK: its next commit fails so. false: none waits. */
bool disk_flush(const char *directory, enum ll_code failure);
bool disk_flush_waits(const char *directory);

/* How many commits the directory has seen, since it was wiped; 0: it is not there. */
size_t disk_versions(const char *directory);

/* Goes back to what stood there after that many commits (1 .. disk_versions). Must not be open. */
void disk_rewind(const char *directory, size_t versions);

/* Nothing is there any more. Must not be open. */
void disk_wipe(const char *directory);

#endif
