/* Buffers, arenas and UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "schemas/wire/arena.h"
#include "schemas/wire/buffer.h"
#include "schemas/wire/utf8.h"

/* What is appended in pieces of every size comes out as one run, and clearing keeps the memory. */
static void buffer_keeps_what_is_appended(void **state)
{
	(void)state;
	struct buffer buffer = {0};
	size_t total = 0;
	uint8_t piece[300];
	for (size_t size = 0; size < sizeof piece; size++) {
		memset(piece, (int)size, sizeof piece);
		buffer_append(&buffer, piece, size);
		total += size;
	}
	assert_int_equal(buffer.size, total);
	size_t at = 0;
	for (size_t size = 0; size < sizeof piece; size++)
		for (size_t i = 0; i < size; i++)
			assert_int_equal(buffer.at[at++], (uint8_t)size);
	size_t capacity = buffer.capacity;
	buffer_clear(&buffer);
	assert_int_equal(buffer.size, 0);
	assert_int_equal(buffer.capacity, capacity);
	buffer_release(&buffer);
	assert_null(buffer.at);
}

/* Numbers are written as printf would, at the edges of their range too. */
static void buffer_writes_numbers(void **state)
{
	(void)state;
	struct buffer buffer = {0};
	const int64_t numbers[] = {0, 1, -1, 9, 10, -10, 1234567890, INT64_MAX, INT64_MIN};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		char expected[32];
		snprintf(expected, sizeof expected, "%lld", (long long)numbers[i]);
		buffer_clear(&buffer);
		buffer_append_int64(&buffer, numbers[i]);
		assert_string_equal(buffer_text(&buffer), expected);
	}
	buffer_clear(&buffer);
	buffer_append_uint64(&buffer, UINT64_MAX);
	assert_string_equal(buffer_text(&buffer), "18446744073709551615");
	buffer_clear(&buffer);
	buffer_printf(&buffer, "%s-%d", "seat", 12);
	buffer_append_text(&buffer, "!");
	assert_string_equal(buffer_text(&buffer), "seat-12!");
	buffer_drop_front(&buffer, 5);
	assert_string_equal(buffer_text(&buffer), "12!");
	buffer_drop_front(&buffer, 3);
	assert_int_equal(buffer.size, 0);
	buffer_release(&buffer);
}

/* Pieces of an arena are aligned, do not overlap, and after a reset the same memory is given out again. */
static void arena_gives_aligned_pieces_and_reuses_them(void **state)
{
	(void)state;
	struct arena arena = {.chunk_bytes = 256};
	uint8_t *first = NULL;
	for (int round = 0; round < 3; round++) {
		uint8_t *pieces[100];
		for (size_t i = 0; i < 100; i++) {
			pieces[i] = i % 2 ? arena_alloc(&arena, i) : arena_take(&arena, i * 3, 1);
			if (i % 2)
				assert_int_equal((uintptr_t)pieces[i] % ARENA_ALIGNMENT, 0);
			memset(pieces[i], (int)i, i % 2 ? i : i * 3);
		}
		for (size_t i = 0; i < 100; i++)
			for (size_t byte = 0; byte < (i % 2 ? i : i * 3); byte++)
				assert_int_equal(pieces[i][byte], i);
		if (round == 0)
			first = pieces[1];
		assert_ptr_equal(pieces[1], first);
		arena_reset(&arena);
	}
	struct slice copy = arena_copy(&arena, SLICE("points"));
	assert_true(slice_equal(copy, SLICE("points")));
	assert_int_equal(arena_copy(&arena, SLICE_EMPTY).size, 0);
	arena_release(&arena);
	assert_null(arena.first);
}

/* Each bad form of UTF-8 is found at its first byte; each good one passes and comes back from utf8_put. */
static void utf8_is_strict(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t good;
	} cases[] = {
		{"", 0},
		{"plain ascii, long enough for two words", 38},
		{"\xEC\x84\x9C\xEC\x9A\xB8", 6},
		{"\xF0\x9F\x98\x80", 4},
		{"ab\xC0\x80", 2},
		{"ab\xE0\x80\x80", 2},
		{"\xED\xA0\x80", 0},
		{"\xF4\x90\x80\x80", 0},
		{"\xF8\x88\x80\x80\x80", 0},
		{"12345678\xEC\x84", 8},
		{"\x80", 0},
		{"\xC3\x28", 0},
		{"\xEF\xBF\xBD", 3},
		{"\xF4\x8F\xBF\xBF", 4},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(utf8_good_prefix(slice_text(cases[i].text)), cases[i].good);
	for (uint32_t character = 0; character <= 0x10FFFF; character++) {
		if (character == 0xD800)
			character = 0xE000;
		uint8_t bytes[4];
		uint32_t back;
		size_t size = utf8_put(character, bytes);
		assert_int_equal(utf8_next(slice_of(bytes, size), &back), size);
		assert_int_equal(back, character);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffer_keeps_what_is_appended),
		cmocka_unit_test(buffer_writes_numbers),
		cmocka_unit_test(arena_gives_aligned_pieces_and_reuses_them),
		cmocka_unit_test(utf8_is_strict),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
