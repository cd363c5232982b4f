/*
 * The relay: journal -> public topics.
 *
 *	journal --fold rule--> entries --public_event--> target --> topics
 *	   ^                                               |
 *	   '--- read from its beginning at each start      '--- what is there already, and the kept position
 *
 * It reads the journal by the fold rule: void blocks are left out, and so are entries that are annulled anywhere in the journal as it is
 * at the start. An entry that cannot be decoded and is not annulled stops it, as it stops an engine: what comes before is published.
 * It holds no state but what older events of schedules left unsaid (schedules.h).
 *
 * Whatever goes wrong with the brokers of the topics is tried again for ever, with back-off: everything is opened anew, and what is
 * there already is read back. A relay takes over from another one when it starts. One that was taken over from stands by: it looks every few seconds
 * whether the other gives signs of life, and takes over when there are none.
 */
#ifndef LEDGERLINE_RELAY_RELAY_H
#define LEDGERLINE_RELAY_RELAY_H

#include <stdatomic.h>

#include "engine/relay/board.h"
#include "engine/relay/target.h"

struct relay_from {
	bool given;    /* false: goes on where it was, or begins at the start */
	uint64_t seq;  /* entries from this one on; UINT64_MAX: only what comes after the journal's end */
	int64_t after; /* ms; only entries later than this; INT64_MIN: all */
};

struct relay {
	struct journal *journal;      /* borrowed */
	struct target_options target; /* the relay fills ledger, name, again and from */
	const char *prefix;
	struct relay_from from;
	atomic_bool *
		stop; /* when it becomes true: what was read is flushed, the position is kept, and relay_run returns; within seconds, also
			  without brokers: what could not be flushed is published by the next relay */
	struct relay_board *board; /* where it tells how it stands */
	/* ---- its own ---- */
	char self[UUID_TEXT_SIZE];
	struct target_rival rival;
	bool was_open;               /* it has published */
	struct target_counts counts; /* of targets before */
	char name[JOURNAL_IDENTITY_MAX], position_topic[2 * JOURNAL_IDENTITY_MAX];
};

/* Until *stop, or an error that trying again does not mend: LL_USAGE, LL_SETTINGS and LL_DENIED at the first try; what is wrong with the
 * journal (LL_DIVERGED, LL_CORRUPT, LL_POISON, LL_FOREIGN, LL_NEWER, LL_NOT_FOUND, ...). BLOCKING. */
enum ll_code relay_run(struct relay *relay, struct error *error) LL_CHECKED;

#endif
