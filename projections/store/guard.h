/*
 * The guard: may this environment be trusted after the machine stopped?
 *
 * Environments of projections are committed without syncing. A process that dies loses nothing: the pages are the system's.
 * A machine that stops leaves any mixture of old and new pages, which LMDB opens without complaint and reads wrongly. So a
 * small file beside data.mdb says what may be believed; it is put on the disk before the first commit that is not:
 *
 *	ledgerline guard 1
 *	state running          or clean: everything was synced, and nothing was written since
 *	boot 0b1c...           the run of the machine in which it was written
 *	directory 254:1 1234   device and inode: a copy of a running directory is not trusted
 *
 *	clean                                          trusted
 *	running, this boot, this directory             trusted: the page cache is still there
 *	running, another boot or another directory     not trusted
 *
 * Readers ask before they open. What it cannot see: a disk that was detached by force, a virtual machine that was restored.
 */
#ifndef LEDGERLINE_STORE_GUARD_H
#define LEDGERLINE_STORE_GUARD_H

#include "schemas/wire/error.h"

enum guard_state { GUARD_RUNNING, GUARD_CLEAN };

#define GUARD_FILE "guard"

/* LL_OK: trusted. LL_NOT_FOUND: no environment was ever made there. LL_UNTRUSTED: not to be opened, also when there is an
 * environment without a guard, or the guard cannot be understood. LL_DENIED, LL_IO. */
enum ll_code guard_check(const char *directory, struct error *error) LL_CHECKED;

/* On the disk when it returns. LL_FULL, LL_DENIED, LL_IO: what was there before still holds. */
enum ll_code guard_write(const char *directory, enum guard_state state, struct error *error) LL_CHECKED;

#endif
