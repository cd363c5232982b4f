/*
 * Lines of a file or a pipe, one after another, never the whole of it in memory.
 */
#ifndef LEDGERLINE_LOAD_LINES_H
#define LEDGERLINE_LOAD_LINES_H

#include "schemas/wire/buffer.h"
#include "schemas/wire/error.h"

enum { LINE_BYTES_MAX = 8 << 20 };

/* Opened with lines_open, ended with lines_close. */
struct lines {
	int descriptor;
	bool is_file;         /* an ordinary one: reading it never waits for anybody */
	bool ended;           /* nothing more comes */
	uint64_t bytes_total; /* of an ordinary file; 0: nobody knows */
	uint64_t bytes_taken;
	uint64_t number; /* of the line that was given last, from 1 */
	struct buffer buffer;
	size_t at, last; /* in the buffer: what comes next; where the last line began */
	size_t looked;   /* no line end before here */
	bool too_long;   /* the rest of a line that was too long is passed over */
};

enum line { LINE_READY, LINE_NEEDS_MORE, LINE_TOO_LONG, LINE_NONE };

/* "-": standard input. LL_NOT_FOUND, LL_DENIED, LL_IO; LL_USAGE: a directory. */
enum ll_code lines_open(const char *path, struct lines *lines, struct error *error) LL_CHECKED;
void lines_close(struct lines *lines);

/* The next line that is not blank, without its end, good until lines_fill. NEEDS_MORE: call lines_fill, then again. TOO_LONG: it
 * has more than LINE_BYTES_MAX bytes and is passed over; once for each. NONE: that was all. */
enum line lines_next(struct lines *lines, struct slice *line);

/* The last line will be given again. Not behind a lines_fill. */
void lines_back(struct lines *lines);

/* Reads on, once. Waits when `is_file` is not set and nothing has come. LL_IO. */
enum ll_code lines_fill(struct lines *lines, struct error *error) LL_CHECKED;

#endif
