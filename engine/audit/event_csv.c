#include "engine/audit/event_csv.h"

#include <string.h>

#include "schemas/wire/ensure.h"

/* The names of an event's members that have a column of their own. New ones are never added in between: see the header. */
static const char *const columns[] = {
	"entry",     "index",       "offset",    "time",         "type",          "version",        "commandId",
	"actorType", "actorId",     "userId",    "amount",       "balanceAfter",  "availableAfter", "source",
	"lotId",     "useId",       "holdId",    "paymentId",    "reservationId", "adjustmentId",   "scheduleId",
	"concertId", "queueId",     "price",     "refundAmount", "fee",           "reference",      "reason",
	"approver",  "effectiveAt", "expiresAt", "command",      "code",
};
enum { COLUMNS = sizeof columns / sizeof *columns, ENTRY = 0, ACTOR_TYPE = 7, ACTOR_ID = 8, NONE = -1 };

void event_csv_titles(struct buffer *out)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		buffer_append_text(out, columns[i]);
		buffer_append_byte(out, ',');
	}
	buffer_append_text(out, "rest\r\n");
}

/* ---- cells ---- */

static bool looks_like_a_formula(struct slice text)
{
	return text.size && memchr("=+-@\t\r'", text.at[0], 7);
}

static bool wants_quotes(struct slice text)
{
	if (text.size == 0)
		return true; /* an empty text is no absent one */
	for (size_t i = 0; i < text.size; i++)
		if (text.at[i] == ',' || text.at[i] == '"' || text.at[i] == '\n' || text.at[i] == '\r')
			return true;
	return false;
}

static void put_quoted(struct buffer *out, struct slice text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.at[i] == '"')
			buffer_append_byte(out, '"');
		buffer_append_byte(out, text.at[i]);
	}
}

void csv_text(struct buffer *out, struct slice text)
{
	bool quotes = wants_quotes(text);
	if (quotes)
		buffer_append_byte(out, '"');
	if (looks_like_a_formula(text))
		buffer_append_byte(out, '\'');
	put_quoted(out, text);
	if (quotes)
		buffer_append_byte(out, '"');
}

static void put_cell(struct buffer *out, const struct json_node *node)
{
	if (node && node->type == JSON_STRING)
		csv_text(out, node->text);
	else if (node && node->type != JSON_NULL)
		buffer_append_slice(out, node->text);
	buffer_append_byte(out, ',');
}

/* ---- rows ---- */

static int column_of(struct slice name)
{
	for (int i = 0; i < COLUMNS; i++)
		if (slice_equal(name, slice_text(columns[i])))
			return i;
	return NONE;
}

struct row {
	const struct json_node *cells[COLUMNS];
	struct slice entry; /* the number in the position */
	struct buffer rest; /* an object, without its last brace; empty: there is nothing */
};

static void add_to_rest(struct buffer *rest, const struct json_node *member)
{
	if (member->type == JSON_NULL)
		return;
	buffer_append_byte(rest, rest->size ? ',' : '{');
	json_escape(rest, member->key);
	buffer_append_byte(rest, ':');
	if (member->type == JSON_STRING)
		json_escape(rest, member->text);
	else
		buffer_append_slice(rest, member->text);
}

static void take_member(struct row *row, const struct json_reader *reader, const struct json_node *member)
{
	int column = column_of(member->key);
	if (slice_equal(member->key, SLICE("position"))) {
		row->entry = slice_of(member->text.at + 2, member->text.size - 2);
	} else if (slice_equal(member->key, SLICE("actor"))) {
		row->cells[ACTOR_TYPE] = json_member(reader, member, SLICE("type"));
		row->cells[ACTOR_ID] = json_member(reader, member, SLICE("id"));
	} else if (column != NONE && member->type != JSON_OBJECT && member->type != JSON_ARRAY) {
		row->cells[column] = member;
	} else {
		add_to_rest(&row->rest, member);
	}
}

static void put_row(const struct json_reader *reader, struct buffer *rest, struct buffer *out)
{
	struct row row = {.rest = *rest};
	const struct json_node *line = &reader->nodes[0];
	buffer_clear(&row.rest);
	for (const struct json_node *member = json_first(reader, line); member; member = json_next(reader, member))
		take_member(&row, reader, member);
	buffer_append_slice(out, row.entry);
	buffer_append_byte(out, ',');
	for (size_t i = ENTRY + 1; i < COLUMNS; i++)
		put_cell(out, row.cells[i]);
	if (row.rest.size) {
		buffer_append_byte(&row.rest, '}');
		csv_text(out, buffer_slice(&row.rest));
	}
	buffer_append_text(out, "\r\n");
	*rest = row.rest;
}

void event_csv_rows(struct json_reader *reader, struct slice lines, struct buffer *out)
{
	struct buffer rest = {0};
	while (lines.size) {
		const uint8_t *end = memchr(lines.at, '\n', lines.size);
		ENSURE(end);
		size_t size = (size_t)(end - lines.at);
		enum ll_code code = json_read(reader, slice_of(lines.at, size), NULL, NULL);
		ENSURE(code == LL_OK);
		put_row(reader, &rest, out);
		lines = slice_of(end + 1, lines.size - size - 1);
	}
	buffer_release(&rest);
}
