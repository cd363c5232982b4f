/*
 * Tables for people, and the same rows as JSON.
 *
 *	SCHEDULE   CONCERT       SEATS   SOLD
 *	2026-01    서울의 밤      10,000   9,998
 *
 * Columns are as wide as their widest cell on a terminal (Hangul takes two places), numbers stand to the right. Cells
 * are given from left to right; a row is full when each column has its cell. Text is copied.
 */
#ifndef LEDGERLINE_CLI_LISTING_H
#define LEDGERLINE_CLI_LISTING_H

#include <stdio.h>

#include "schemas/wire/buffer.h"
#include "schemas/wire/json.h"

enum { LISTING_COLUMNS_MAX = 16 };

enum listing_kind {
	LISTING_TEXT,
	LISTING_NUMBER, /* as it is: 2026 */
	LISTING_AMOUNT, /* with commas for people: 10,000 */
};

/* An array of them ends with one without title. Borrowed as long as the listing lives. */
struct listing_column {
	const char *title; /* for people */
	const char *key;   /* in JSON */
	enum listing_kind kind;
};

struct listing_cell {
	size_t at, size; /* of text, in `bytes` */
	int64_t number;
	bool is_number, is_null, is_bool;
};

/* Owned by the user; listing_init, then cells, then print or json as often as wanted, then listing_release. */
struct listing {
	const struct listing_column *columns;
	size_t column_count;
	struct listing_cell *cells;
	size_t cell_count, cell_capacity;
	struct buffer bytes;
};

void listing_init(struct listing *listing, const struct listing_column *columns);
void listing_release(struct listing *listing);

/* The next cell. Numbers may also stand in a column of text. null is "-" for people. */
void listing_text(struct listing *listing, struct slice text);
void listing_number(struct listing *listing, int64_t number);
void listing_bool(struct listing *listing, bool yes); /* "yes", "no" for people */
void listing_null(struct listing *listing);

/* Titles and rows; nothing but the titles when there are no rows. The last row must be full. */
void listing_print(const struct listing *listing, FILE *out);

/* An array of objects. */
void listing_json(const struct listing *listing, struct json_writer *writer);

/* Places that a text takes on a terminal: 2 for Hangul and its like, 0 for marks that combine. What cannot be shown
 * (control characters, bytes that are not UTF-8) counts and is printed as one '?'. */
size_t listing_width(struct slice text);

/* 1234567 -> 1,234,567 */
void listing_amount(struct buffer *out, int64_t number);

#endif
