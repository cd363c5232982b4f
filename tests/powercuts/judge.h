/* Opens what a power cut left with the code of the product, in a process of its own, and says what it is. */
#ifndef LEDGERLINE_POWERCUTS_JUDGE_H
#define LEDGERLINE_POWERCUTS_JUDGE_H

#include "engine/journal/journal.h"
#include "projections/export/export.h"

/* What there should be. */
struct truth {
	struct slice *records;                 /* of the journal, to the end of the work */
	char (*digests)[DIGEST_TEXT_SIZE + 1]; /* [n]: of the state after n records */
	size_t count;
};

/* What was promised before the cut. */
struct promised {
	uint64_t records;
	uint64_t snapshot_entries; /* 0: none */
};

enum found {
	FOUND_RIGHT,   /* trusted, equal to a replay, and so to the end */
	FOUND_REBUILT, /* projections were told from trusted ones, built anew, and then right */
	FOUND_NEW,     /* nothing was promised yet, and there is no journal */
	FOUND_WRONG,
};

struct finding {
	enum found found;
	unsigned distrusted; /* projections */
	char sentence[512];  /* what is wrong */
};

/* Reads the journal at `url`, and what state it leads to record by record; aborts with a sentence when it cannot. */
void truth_of(const char *url, const char *scratch, struct truth *truth);
void truth_release(struct truth *truth);

/* `data`: the data directory of an image. `boot_file`: recorder_reboot. */
void judge(const char *data, const char *boot_file, const struct truth *truth, const struct promised *promised,
	   struct finding *finding);

#endif
