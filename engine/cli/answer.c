#include "engine/cli/answer.h"

#include <ctype.h>
#include <string.h>

#include "engine/cli/listing.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/json.h"

enum { NAME_GAP = 2, INDENT = 2, TITLE_MAX = 64 };

static bool is_plain(const struct json_node *node)
{
	return node->type != JSON_OBJECT && node->type != JSON_ARRAY;
}

/* Numbers of things that are counted get commas; those that name something do not. */
static bool is_counted(struct slice key)
{
	static const char *const names[] = {"seatNo", "offset",        "epoch", "format",     "low",
					    "high",   "version",       "index", "generation", "schemaVersion",
					    "status", "policyVersion", "pid",   "rank"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (slice_equal(key, slice_text(names[i])))
			return false;
	return true;
}

static void put_plain(const struct json_node *node, struct buffer *out)
{
	if (node->type == JSON_NULL || (node->type == JSON_STRING && node->text.size == 0))
		buffer_append_byte(out, '-');
	else if (node->type == JSON_BOOL)
		buffer_append_text(out, node->yes ? "yes" : "no");
	else if (node->is_integer && is_counted(node->key))
		listing_amount(out, node->integer);
	else
		buffer_append_slice(out, node->text);
}

/* ---- tables ---- */

/* seatNo -> SEAT NO */
static void make_title(struct slice key, char title[TITLE_MAX])
{
	size_t used = 0;
	for (size_t i = 0; i < key.size && used + 3 < TITLE_MAX; i++) {
		if (i && isupper(key.at[i]))
			title[used++] = ' ';
		title[used++] = (char)toupper(key.at[i]);
	}
	title[used] = 0;
}

/* A list of objects, or an object of nothing but objects. */
static bool is_table(const struct json_reader *reader, const struct json_node *rows)
{
	if (is_plain(rows) || !rows->children)
		return false;
	for (const struct json_node *row = json_first(reader, rows); row; row = json_next(reader, row))
		if (row->type != JSON_OBJECT)
			return false;
	return true;
}

/* A table while it is made: its columns are all members that any row has. */
struct table {
	char titles[LISTING_COLUMNS_MAX][TITLE_MAX];
	struct slice keys[LISTING_COLUMNS_MAX];
	struct listing_column columns[LISTING_COLUMNS_MAX + 1];
	size_t count;
};

static void add_column(struct table *table, struct slice key, enum listing_kind kind)
{
	for (size_t i = 0; i < table->count; i++)
		if (slice_equal(table->keys[i], key))
			return;
	if (table->count == LISTING_COLUMNS_MAX)
		return;
	char *title = table->titles[table->count];
	make_title(key, title);
	table->keys[table->count] = key;
	table->columns[table->count++] = (struct listing_column){title, title, kind};
}

/* {"type":"user","id":"kim"} -> user kim */
static void add_object(struct listing *listing, const struct json_reader *reader, const struct json_node *object)
{
	struct buffer text = {0};
	for (const struct json_node *one = json_first(reader, object); one; one = json_next(reader, one)) {
		if (one->type == JSON_NULL)
			continue;
		if (text.size)
			buffer_append_byte(&text, ' ');
		buffer_append_slice(&text, one->text);
	}
	listing_text(listing, buffer_slice(&text));
	buffer_release(&text);
}

static void add_cell(struct listing *listing, const struct json_reader *reader, const struct json_node *node)
{
	if (!node || node->type == JSON_NULL)
		listing_null(listing);
	else if (node->is_integer)
		listing_number(listing, node->integer);
	else if (node->type == JSON_BOOL)
		listing_bool(listing, node->yes);
	else if (node->type == JSON_OBJECT)
		add_object(listing, reader, node);
	else
		listing_text(listing, node->text);
}

static void print_table(const struct json_reader *reader, const struct json_node *rows, FILE *out)
{
	struct table table = {.count = 0};
	struct listing listing;
	bool is_named = rows->type == JSON_OBJECT;
	if (is_named)
		add_column(&table, rows->key, LISTING_TEXT);
	for (const struct json_node *row = json_first(reader, rows); row; row = json_next(reader, row))
		for (const struct json_node *cell = json_first(reader, row); cell; cell = json_next(reader, cell))
			add_column(&table, cell->key,
				   cell->type != JSON_NUMBER ? LISTING_TEXT
				   : is_counted(cell->key)   ? LISTING_AMOUNT
							     : LISTING_NUMBER);
	listing_init(&listing, table.columns);
	for (const struct json_node *row = json_first(reader, rows); row; row = json_next(reader, row)) {
		if (is_named)
			listing_text(&listing, row->key);
		for (size_t i = is_named; i < table.count; i++)
			add_cell(&listing, reader, json_member(reader, row, table.keys[i]));
	}
	listing_print(&listing, out);
	listing_release(&listing);
}

/* ---- objects ---- */

static void print_line(const struct json_reader *reader, const struct json_node *list, FILE *out)
{
	struct buffer text = {0};
	for (const struct json_node *one = json_first(reader, list); one; one = json_next(reader, one)) {
		if (text.size)
			buffer_append_text(&text, ", ");
		buffer_append_slice(&text, one->text);
	}
	fprintf(out, "%s\n", text.size ? buffer_text(&text) : "-");
	buffer_release(&text);
}

static bool is_short_list(const struct json_reader *reader, const struct json_node *node)
{
	const struct json_node *first = node->type == JSON_ARRAY ? json_first(reader, node) : NULL;
	return node->type == JSON_ARRAY && (!first || is_plain(first));
}

static size_t widest_name(const struct json_reader *reader, const struct json_node *object)
{
	size_t widest = 0;
	for (const struct json_node *member = json_first(reader, object); member; member = json_next(reader, member))
		if ((is_plain(member) || is_short_list(reader, member)) && member->key.size > widest)
			widest = member->key.size;
	return widest;
}

static void print_object(const struct json_reader *reader, const struct json_node *object, int indent, FILE *out)
{
	struct buffer text = {0};
	bool anything = false, after_table = false;
	int width = (int)widest_name(reader, object) + NAME_GAP;
	for (const struct json_node *member = json_first(reader, object); member; member = json_next(reader, member)) {
		if (!is_plain(member) && !is_short_list(reader, member))
			continue;
		anything = true;
		fprintf(out, "%*s%-*.*s", indent, "", width, SLICE_PRINT(member->key));
		if (!is_plain(member)) {
			print_line(reader, member, out);
			continue;
		}
		buffer_clear(&text);
		put_plain(member, &text);
		fprintf(out, "%s\n", buffer_text(&text));
	}
	for (const struct json_node *member = json_first(reader, object); member; member = json_next(reader, member)) {
		if (is_plain(member) || is_short_list(reader, member))
			continue;
		bool is_rows = is_table(reader, member);
		if ((is_rows && anything) || after_table)
			fprintf(out, "\n");
		anything = true;
		after_table = is_rows;
		if (is_rows) {
			print_table(reader, member, out);
		} else if (member->type == JSON_OBJECT) {
			fprintf(out, "%*s%.*s\n", indent, "", SLICE_PRINT(member->key));
			print_object(reader, member, indent + INDENT, out);
		}
	}
	buffer_release(&text);
}

void answer_print(struct slice json, FILE *out)
{
	struct json_reader reader = {0};
	const struct json_node *root = NULL;
	struct error error;
	enum ll_code code = json_read(&reader, json, &root, &error);
	ENSURE(code == LL_OK || code == LL_TOO_LARGE);
	if (code == LL_OK)
		print_object(&reader, root, 0, out);
	else
		fprintf(out, "%.*s\n", SLICE_PRINT(json)); /* nobody reads a million lines */
	json_reader_release(&reader);
}
