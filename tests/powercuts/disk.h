/*
 * The twin of a disk whose power fails: from a recording it makes a directory as it might be found afterwards.
 *
 *	certain    what was synced: a file's bytes and length by fsync or fdatasync of it (or by O_DSYNC, of the pages written); a
 *	           name by fsync of its directory. No more than that: a synced file whose name was not is lost with its name
 *	else       each page, or each sector, of a file is as it was at some moment since; each name too
 *
 * Cuts differ in how adverse the disk was. CUT_KILLED is no power cut: the process ended there, and the page cache has everything.
 */
#ifndef LEDGERLINE_POWERCUTS_DISK_H
#define LEDGERLINE_POWERCUTS_DISK_H

#include "tests/powercuts/recorder.h"

enum cut_bytes {
	CUT_KILLED,  /* all written, names too */
	CUT_ALL,     /* bytes: all that was written before the cut */
	CUT_NOTHING, /* nothing that was not synced */
	CUT_ORDERED, /* all up to some moment */
	CUT_PAGES,   /* each page for itself */
	CUT_SECTORS, /* each sector for itself: torn pages */
	CUT_TORN,    /* all but the last write, which is torn */
	CUT_BYTES_COUNT
};

enum cut_names { NAMES_ALL, NAMES_SYNCED, NAMES_ORDERED, NAMES_BY_DIRECTORY, NAMES_EACH, NAMES_COUNT };

extern const char *const cut_bytes_names[CUT_BYTES_COUNT], *const cut_names_names[NAMES_COUNT];

struct cut {
	const struct recording *recording;
	size_t at; /* before this operation */
	enum cut_bytes bytes;
	enum cut_names names;
	uint64_t seed;
};

/* Makes the image in `directory`, which must be empty. A projection's guard says of the image's directories what it said of the recorded ones: they
 * are the same, after the power came back. */
void disk_image(const struct cut *cut, const char *directory);

/* A number from others, evenly spread. */
uint64_t drawn(uint64_t seed, uint64_t first, uint64_t second);

#endif
