/*
 * The lookout of an engine that stands by: is the leader gone, and is it time to claim?
 *
 * A hint and no more. A wrong claim costs a change of leaders and never a command, as claims alone decide who writes; so the
 * lookout may be quick. What it goes by:
 *	blocks       a valid block of the leader's was folded: it lives, whatever else is said
 *	probes       the leader's address was asked who leads
 *
 *	probe says                                          it means
 *	LEADS     it leads, under the newest claim          all is well
 *	BUSY      it has lost the journal and tries again   alive, but of no use: patience is longer
 *	DENIES    it does not lead: started anew, another   nobody leads
 *	          program, another ledger, or stopping
 *	REFUSED   nobody listens there                      its process has ended
 *	SILENT    no way there, or no answer in time        it stands still, or cannot be reached
 *
 * Nobody claims on one bad probe, nor before `patience_ms` without a sign of life (a fifth of that when the process has
 * ended or denies: LOOKOUT_GONE), nor at once when others may have seen the same: a random wait is added.
 *
 * Leaders that cannot reach one another would depose each other for ever. Each time that one is deposed by somebody whom it
 * has not seen alive since, its patience doubles, up to LOOKOUT_DOUBLINGS_MAX times; a probe that says LEADS ends that.
 *
 * Pure: no clock, no loop. Times are monotonic ms.
 */
#ifndef LEDGERLINE_LOOKOUT_H
#define LEDGERLINE_LOOKOUT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	LOOKOUT_PATIENCE_MS = 1500, /* when none is given */
	LOOKOUT_GONE = 5,           /* patience is divided by this when the process has ended */
	LOOKOUT_SPREAD = 10,        /* divided by this, the longest random part */
	LOOKOUT_BUSY = 4,           /* and multiplied by this while the leader answers but does not lead */
	LOOKOUT_DOUBLINGS_MAX = 6,
	LOOKOUT_BAD_PROBES_MIN = 2, /* in a row, before a claim */
};

enum lookout_probe { PROBE_LEADS, PROBE_BUSY, PROBE_DENIES, PROBE_REFUSED, PROBE_SILENT };

struct lookout {
	int64_t patience_ms;
	uint64_t epoch;            /* of the leader that is watched; 0: none yet */
	int64_t alive_ms;          /* its last sign of life, or when the watch began */
	unsigned bad_probes;       /* in a row */
	enum lookout_probe newest; /* of them */
	bool was_seen;             /* it answered a probe, and led */
	bool was_alive;            /* that, or a block of its came */
	unsigned doublings;
	int64_t claim_at_ms; /* the wait is over and the random part was drawn; 0: not yet */
};

/* patience_ms 0: LOOKOUT_PATIENCE_MS. */
void lookout_init(struct lookout *lookout, int64_t patience_ms);

/* A leader of that epoch is watched from now on. LOOKOUT_STARTS: the claim may be old, and its leader long gone: two bad probes
 * are enough when its process has ended. LOOKOUT_DEPOSED: this engine led until then. */
enum lookout_why { LOOKOUT_STARTS, LOOKOUT_DEPOSED, LOOKOUT_CHANGES };
void lookout_watch(struct lookout *lookout, uint64_t epoch, enum lookout_why why, int64_t now);

/* A valid block of its was folded. */
void lookout_saw_block(struct lookout *lookout, int64_t now);

/* A probe has ended. */
void lookout_saw_probe(struct lookout *lookout, enum lookout_probe probe, int64_t now);

/* Whether to claim now. `random`: any number, drawn anew for each call. */
bool lookout_says_claim(struct lookout *lookout, int64_t now, uint32_t random);

/* It was alive, and nothing speaks against it now. */
bool lookout_knows_leader(const struct lookout *lookout);

/* How long to wait between the end of a probe and the next one, and for its answer. */
int64_t lookout_probe_every(const struct lookout *lookout);
int64_t lookout_probe_timeout(const struct lookout *lookout);

#endif
