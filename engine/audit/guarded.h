/*
 * Reading files that may be damaged.
 *
 * LMDB keeps no checksums: a damaged page can end the process that reads it. Whoever looks for damage therefore looks in a child
 * process, and the parent tells what became of it.
 */
#ifndef LEDGERLINE_AUDIT_GUARDED_H
#define LEDGERLINE_AUDIT_GUARDED_H

#include <stdbool.h>

enum { GUARDED_PLACE_MAX = 512 };

/* Does the work; returns an exit status. `place` (GUARDED_PLACE_MAX bytes) is kept up to date: what is being read. */
typedef int guarded_fn(void *context, char *place);

/* Runs it in a child and returns its exit status; or -1 when it was ended by a signal, with the last place copied to `place`, and
 * *interrupted saying whether somebody asked for that end (SIGINT, SIGTERM). No thread may run and nothing may be open in this process
 * that the child would use. */
int guarded_run(guarded_fn *work, void *context, char place[GUARDED_PLACE_MAX], bool *interrupted);

#endif
