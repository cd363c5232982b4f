/* Between the files of the export: where lines go, and what writes them. */
#ifndef LEDGERLINE_EXPORT_LINES_H
#define LEDGERLINE_EXPORT_LINES_H

#include "projections/export/export.h"
#include "schemas/wire/json.h"

struct lines {
	struct view *view;
	struct buffer buffer;
	struct json_writer writer;
	export_lines_fn *receive;
	void *context;
	bool stopped;
};

/* Begins a line {"type":...; line_end ends it, and hands lines on when there are many. false: the receiver stopped. */
struct json_writer *line_begin(struct lines *lines, const char *type);
bool line_end(struct lines *lines);

/* Says which table has a key that cannot be read; returns false, for visitors. */
bool line_unreadable(struct lines *lines, enum table_id table);

/* Members that may be null. */
void member_text(struct json_writer *writer, const char *key, struct slice text);
void member_time(struct json_writer *writer, const char *key, int64_t ms);
void member_day(struct json_writer *writer, const char *key, int32_t day);
void member_reference(struct json_writer *writer, const char *key, const char *kind, uint64_t id);
void member_enum(struct json_writer *writer, const char *key, const struct enumeration *e, uint8_t value);

/* The parts, in the order of the export. */
void export_points(struct lines *lines); /* policy, users, accounts, uses, point holds */
void export_sales(struct lines *lines);  /* concerts, schedules, seats, reservations, payments */
void export_queue(struct lines *lines);
void export_rankings(struct lines *lines);

#endif
