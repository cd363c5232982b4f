#include "engine/cli/listing.h"

#include <locale.h>
#include <stdlib.h>
#include <wchar.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/utf8.h"

enum { COLUMN_GAP = 2 };

void listing_init(struct listing *listing, const struct listing_column *columns)
{
	*listing = (struct listing){.columns = columns};
	while (columns[listing->column_count].title)
		listing->column_count++;
	ENSURE(listing->column_count && listing->column_count <= LISTING_COLUMNS_MAX);
}

void listing_release(struct listing *listing)
{
	free(listing->cells);
	buffer_release(&listing->bytes);
	*listing = (struct listing){0};
}

static struct listing_cell *add_cell(struct listing *listing)
{
	if (listing->cell_count == listing->cell_capacity) {
		listing->cell_capacity = listing->cell_capacity ? listing->cell_capacity * 2 : 64;
		listing->cells = realloc(listing->cells, listing->cell_capacity * sizeof *listing->cells);
		ENSURE(listing->cells);
	}
	struct listing_cell *cell = &listing->cells[listing->cell_count++];
	*cell = (struct listing_cell){.at = listing->bytes.size};
	return cell;
}

void listing_text(struct listing *listing, struct slice text)
{
	add_cell(listing)->size = text.size;
	buffer_append_slice(&listing->bytes, text);
}

void listing_number(struct listing *listing, int64_t number)
{
	struct listing_cell *cell = add_cell(listing);
	cell->is_number = true;
	cell->number = number;
}

void listing_bool(struct listing *listing, bool yes)
{
	struct listing_cell *cell = add_cell(listing);
	cell->is_bool = true;
	cell->number = yes;
}

void listing_null(struct listing *listing)
{
	add_cell(listing)->is_null = true;
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

size_t listing_width(struct slice text)
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

void listing_amount(struct buffer *out, int64_t number)
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

static bool to_the_right(const struct listing *listing, size_t column)
{
	return listing->columns[column].kind != LISTING_TEXT;
}

static void render(const struct listing *listing, size_t index, struct buffer *out)
{
	const struct listing_cell *cell = &listing->cells[index];
	buffer_clear(out);
	if (cell->is_null)
		buffer_append_byte(out, '-');
	else if (cell->is_bool)
		buffer_append_text(out, cell->number ? "yes" : "no");
	else if (cell->is_number && listing->columns[index % listing->column_count].kind == LISTING_AMOUNT)
		listing_amount(out, cell->number);
	else if (cell->is_number)
		buffer_append_int64(out, cell->number);
	else
		put_shown(out, slice_of(listing->bytes.at + cell->at, cell->size));
}

static void print_cell(const struct listing *listing, size_t column, struct slice text, size_t width, FILE *out)
{
	size_t blanks = width - listing_width(text);
	bool is_last = column + 1 == listing->column_count;
	if (to_the_right(listing, column))
		fprintf(out, "%*s", (int)blanks, "");
	fwrite(text.at, 1, text.size, out);
	if (!to_the_right(listing, column) && !is_last)
		fprintf(out, "%*s", (int)blanks, "");
	fprintf(out, "%*s", is_last ? 0 : COLUMN_GAP, "");
	if (is_last)
		fputc('\n', out);
}

void listing_print(const struct listing *listing, FILE *out)
{
	ENSURE(listing->cell_count % listing->column_count == 0);
	size_t widths[LISTING_COLUMNS_MAX];
	struct buffer text = {0};
	for (size_t i = 0; i < listing->column_count; i++)
		widths[i] = listing_width(slice_text(listing->columns[i].title));
	for (size_t i = 0; i < listing->cell_count; i++) {
		render(listing, i, &text);
		size_t width = listing_width(buffer_slice(&text)), *widest = &widths[i % listing->column_count];
		*widest = width > *widest ? width : *widest;
	}
	for (size_t i = 0; i < listing->column_count; i++)
		print_cell(listing, i, slice_text(listing->columns[i].title), widths[i], out);
	for (size_t i = 0; i < listing->cell_count; i++) {
		render(listing, i, &text);
		print_cell(listing, i % listing->column_count, buffer_slice(&text), widths[i % listing->column_count],
			   out);
	}
	buffer_release(&text);
}

/* ---- JSON ---- */

void listing_json(const struct listing *listing, struct json_writer *writer)
{
	ENSURE(listing->cell_count % listing->column_count == 0);
	json_array_begin(writer);
	for (size_t i = 0; i < listing->cell_count; i++) {
		const struct listing_cell *cell = &listing->cells[i];
		size_t column = i % listing->column_count;
		if (column == 0)
			json_object_begin(writer);
		json_key(writer, listing->columns[column].key);
		if (cell->is_null)
			json_null(writer);
		else if (cell->is_bool)
			json_bool(writer, cell->number);
		else if (cell->is_number)
			json_int64(writer, cell->number);
		else
			json_string(writer, slice_of(listing->bytes.at + cell->at, cell->size));
		if (column + 1 == listing->column_count)
			json_object_end(writer);
	}
	json_array_end(writer);
}
