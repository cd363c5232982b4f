/*
 * Tables for people, and the same rows as JSON.
 *
 *	SCHEDULE   CONCERT       SEATS   SOLD
 *	2026-01    서울의 밤      10,000   9,998
 *
 * Columns are as wide as their widest cell on a terminal (Hangul takes two places), numbers stand to the right. Cells
 * are given from left to right; a row is full when each column has its cell. Text is copied.
 */
#ifndef LEDGERLINE_CLI_TABLE_H
#define LEDGERLINE_CLI_TABLE_H

#include <stdio.h>

#include "schemas/wire/buffer.h"
#include "schemas/wire/json.h"

enum { TABLE_COLUMNS_MAX = 16 };

enum table_kind {
	TABLE_TEXT,
	TABLE_NUMBER, /* as it is: 2026 */
	TABLE_AMOUNT, /* with commas for people: 10,000 */
};

/* An array of them ends with one without title. Borrowed as long as the table lives. */
struct table_column {
	const char *title; /* for people */
	const char *key;   /* in JSON */
	enum table_kind kind;
};

struct table_cell {
	size_t at, size; /* of text, in `bytes` */
	int64_t number;
	bool is_number, is_null, is_bool;
};

/* Owned by the user; table_init, then cells, then print or json as often as wanted, then table_release. */
struct table {
	const struct table_column *columns;
	size_t column_count;
	struct table_cell *cells;
	size_t cell_count, cell_capacity;
	struct buffer bytes;
};

void table_init(struct table *table, const struct table_column *columns);
void table_release(struct table *table);

/* The next cell. Numbers may also stand in a column of text. null is "-" for people. */
void table_text(struct table *table, struct slice text);
void table_number(struct table *table, int64_t number);
void table_bool(struct table *table, bool yes); /* "yes", "no" for people */
void table_null(struct table *table);

/* Titles and rows; nothing but the titles when there are no rows. The last row must be full. */
void table_print(const struct table *table, FILE *out);

/* An array of objects. */
void table_json(const struct table *table, struct json_writer *writer);

/* Places that a text takes on a terminal: 2 for Hangul and its like, 0 for marks that combine. What cannot be shown
 * (control characters, bytes that are not UTF-8) counts and is printed as one '?'. */
size_t table_width(struct slice text);

/* 1234567 -> 1,234,567 */
void table_amount(struct buffer *out, int64_t number);

#endif
