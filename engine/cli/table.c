#include "engine/cli/table.h"

#include <locale.h>
#include <stdlib.h>
#include <wchar.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/utf8.h"

enum { COLUMN_GAP = 2 };

void table_init(struct table *table, const struct table_column *columns)
{
	*table = (struct table){.columns = columns};
	while (columns[table->column_count].title)
		table->column_count++;
	ENSURE(table->column_count && table->column_count <= TABLE_COLUMNS_MAX);
}

void table_release(struct table *table)
{
	free(table->cells);
	buffer_release(&table->bytes);
	*table = (struct table){0};
}

static struct table_cell *add_cell(struct table *table)
{
	if (table->cell_count == table->cell_capacity) {
		table->cell_capacity = table->cell_capacity ? table->cell_capacity * 2 : 64;
		table->cells = realloc(table->cells, table->cell_capacity * sizeof *table->cells);
		ENSURE(table->cells);
	}
	struct table_cell *cell = &table->cells[table->cell_count++];
	*cell = (struct table_cell){.at = table->bytes.size};
	return cell;
}

void table_text(struct table *table, struct slice text)
{
	add_cell(table)->size = text.size;
	buffer_append_slice(&table->bytes, text);
}

void table_number(struct table *table, int64_t number)
{
	struct table_cell *cell = add_cell(table);
	cell->is_number = true;
	cell->number = number;
}

void table_bool(struct table *table, bool yes)
{
	struct table_cell *cell = add_cell(table);
	cell->is_bool = true;
	cell->number = yes;
}

void table_null(struct table *table)
{
	add_cell(table)->is_null = true;
}

/* ---- for people ---- */

/* wcwidth follows the thread's locale, and this process may run in "C": it is asked in a locale of our own. */
static int width_of(uint32_t character)
{
	static locale_t unicode;
	if (!unicode)
		unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	if (!unicode)
		return 1;
	locale_t before = uselocale(unicode);
	int width = wcwidth((wchar_t)character);
	uselocale(before);
	return width;
}

/* The character at the front; 0 bytes: it cannot be shown (then one byte, or `*size` bytes, become '?'). */
static int next_width(struct slice rest, size_t *size)
{
	uint32_t character;
	*size = utf8_next(rest, &character);
	int width = *size ? character >= ' ' && character < 0x7F ? 1 : width_of(character) : -1;
	if (!*size)
		*size = 1;
	return width;
}

size_t table_width(struct slice text)
{
	size_t width = 0, size;
	for (size_t i = 0; i < text.size; i += size) {
		int one = next_width(slice_of(text.at + i, text.size - i), &size);
		width += one < 0 ? 1 : (size_t)one;
	}
	return width;
}

static void put_shown(struct buffer *out, struct slice text)
{
	size_t size;
	for (size_t i = 0; i < text.size; i += size) {
		int one = next_width(slice_of(text.at + i, text.size - i), &size);
		buffer_append_slice(out, one < 0 ? SLICE("?") : slice_of(text.at + i, size));
	}
}

void table_amount(struct buffer *out, int64_t number)
{
	struct buffer digits = {0};
	buffer_append_uint64(&digits, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
	if (number < 0)
		buffer_append_byte(out, '-');
	for (size_t i = 0; i < digits.size; i++) {
		if (i && (digits.size - i) % 3 == 0)
			buffer_append_byte(out, ',');
		buffer_append_byte(out, digits.at[i]);
	}
	buffer_release(&digits);
}

static bool to_the_right(const struct table *table, size_t column)
{
	return table->columns[column].kind != TABLE_TEXT;
}

static void render(const struct table *table, size_t index, struct buffer *out)
{
	const struct table_cell *cell = &table->cells[index];
	buffer_clear(out);
	if (cell->is_null)
		buffer_append_byte(out, '-');
	else if (cell->is_bool)
		buffer_append_text(out, cell->number ? "yes" : "no");
	else if (cell->is_number && table->columns[index % table->column_count].kind == TABLE_AMOUNT)
		table_amount(out, cell->number);
	else if (cell->is_number)
		buffer_append_int64(out, cell->number);
	else
		put_shown(out, slice_of(table->bytes.at + cell->at, cell->size));
}

static void print_cell(const struct table *table, size_t column, struct slice text, size_t width, FILE *out)
{
	size_t blanks = width - table_width(text);
	bool is_last = column + 1 == table->column_count;
	if (to_the_right(table, column))
		fprintf(out, "%*s", (int)blanks, "");
	fwrite(text.at, 1, text.size, out);
	if (!to_the_right(table, column) && !is_last)
		fprintf(out, "%*s", (int)blanks, "");
	fprintf(out, "%*s", is_last ? 0 : COLUMN_GAP, "");
	if (is_last)
		fputc('\n', out);
}

void table_print(const struct table *table, FILE *out)
{
	ENSURE(table->cell_count % table->column_count == 0);
	size_t widths[TABLE_COLUMNS_MAX];
	struct buffer text = {0};
	for (size_t i = 0; i < table->column_count; i++)
		widths[i] = table_width(slice_text(table->columns[i].title));
	for (size_t i = 0; i < table->cell_count; i++) {
		render(table, i, &text);
		size_t width = table_width(buffer_slice(&text)), *widest = &widths[i % table->column_count];
		*widest = width > *widest ? width : *widest;
	}
	for (size_t i = 0; i < table->column_count; i++)
		print_cell(table, i, slice_text(table->columns[i].title), widths[i], out);
	for (size_t i = 0; i < table->cell_count; i++) {
		render(table, i, &text);
		print_cell(table, i % table->column_count, buffer_slice(&text), widths[i % table->column_count], out);
	}
	buffer_release(&text);
}

/* ---- JSON ---- */

void table_json(const struct table *table, struct json_writer *writer)
{
	ENSURE(table->cell_count % table->column_count == 0);
	json_array_begin(writer);
	for (size_t i = 0; i < table->cell_count; i++) {
		const struct table_cell *cell = &table->cells[i];
		size_t column = i % table->column_count;
		if (column == 0)
			json_object_begin(writer);
		json_key(writer, table->columns[column].key);
		if (cell->is_null)
			json_null(writer);
		else if (cell->is_bool)
			json_bool(writer, cell->number);
		else if (cell->is_number)
			json_int64(writer, cell->number);
		else
			json_string(writer, slice_of(table->bytes.at + cell->at, cell->size));
		if (column + 1 == table->column_count)
			json_object_end(writer);
	}
	json_array_end(writer);
}
