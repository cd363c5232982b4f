/* The JSON writer and reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "schemas/wire/json.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- writing ---- */

static void write_sample(struct json_writer *writer)
{
	json_object_begin(writer);
	json_member_text(writer, "name", "a\"b\\c/\n\t\x01\x7f");
	json_key(writer, "list");
	json_array_begin(writer);
	json_int64(writer, INT64_MIN);
	json_uint64(writer, UINT64_MAX);
	json_bool(writer, true);
	json_null(writer);
	json_array_begin(writer);
	json_array_end(writer);
	json_object_begin(writer);
	json_object_end(writer);
	json_raw(writer, SLICE("{\"x\":1}"));
	json_array_end(writer);
	json_member_text(writer, "none", NULL);
	json_member_bool(writer, "no", false);
	json_key(writer, "at");
	json_textf(writer, "%d:%d", 0, 1842);
	json_object_end(writer);
}

/* Commas, nesting and escapes come out as RFC 8259 has them, plainly and for people. */
static void writer_writes_json(void **state)
{
	(void)state;
	struct buffer out = {0};
	struct json_writer writer;
	json_writer_init(&writer, &out, false);
	write_sample(&writer);
	assert_string_equal(
		buffer_text(&out),
		"{\"name\":\"a\\\"b\\\\c/\\n\\t\\u0001\x7f\",\"list\":[-9223372036854775808,18446744073709551615,"
		"true,null,[],{},{\"x\":1}],\"none\":null,\"no\":false,\"at\":\"0:1842\"}");
	buffer_clear(&out);
	json_writer_init(&writer, &out, true);
	json_object_begin(&writer);
	json_member_int64(&writer, "a", 1);
	json_key(&writer, "b");
	json_array_begin(&writer);
	json_int64(&writer, 2);
	json_object_begin(&writer);
	json_object_end(&writer);
	json_array_end(&writer);
	json_object_end(&writer);
	assert_string_equal(buffer_text(&out), "{\n  \"a\": 1,\n  \"b\": [\n    2,\n    {}\n  ]\n}");
	buffer_release(&out);
}

/* Text that is not UTF-8 becomes U+FFFD byte by byte, and Hangul stays as it is. */
static void writer_mends_bad_utf8(void **state)
{
	(void)state;
	struct buffer out = {0};
	json_escape(&out, SLICE("\xEC\x84\x9C\xFFz\xED\xA0\x80"));
	assert_string_equal(buffer_text(&out), "\"\xEC\x84\x9C\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
	buffer_release(&out);
}

/* Thousandths become the shortest decimal. */
static void writer_writes_thousandths(void **state)
{
	(void)state;
	static const struct {
		int64_t thousandths;
		const char *text;
	} cases[] = {{0, "0"},      {1, "0.001"},       {-1, "-0.001"}, {1500, "1.5"},
		     {12000, "12"}, {-12340, "-12.34"}, {999, "0.999"}, {INT64_MIN, "-9223372036854775.808"}};
	struct buffer out = {0};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct json_writer writer;
		buffer_clear(&out);
		json_writer_init(&writer, &out, false);
		json_thousandths(&writer, cases[i].thousandths);
		assert_string_equal(buffer_text(&out), cases[i].text);
	}
	buffer_release(&out);
}

/* ---- reading ---- */

/* A text in memory of exactly its size, so that a sanitizer sees each byte read beyond it. */
static struct slice exact(const char *text, size_t size, uint8_t **memory)
{
	*memory = malloc(size ? size : 1);
	memcpy(*memory, text, size);
	return slice_of(*memory, size);
}

/* The tree has the shape, the order, the keys, the offsets and the raw texts of what was read. */
static void reader_delivers_the_tree(void **state)
{
	(void)state;
	struct json_reader reader = {0};
	const struct json_node *root;
	uint8_t *memory;
	static const char whole[] =
		" {\"a\":1, \"b\":[true,null,\"x\"],\"\\u0063\" : {\"d\":\"\\\"\\uD83D\\uDE00\\n\"} }\n";
	struct slice text = exact(whole, sizeof whole - 1, &memory);
	struct error error;
	assert_int_equal(json_read(&reader, text, &root, &error), LL_OK);
	assert_int_equal(root->type, JSON_OBJECT);
	assert_int_equal(root->children, 3);
	assert_int_equal(root->offset, 1);
	assert_int_equal(root->text.size, sizeof whole - 3);
	const struct json_node *a = json_first(&reader, root);
	assert_true(slice_equal(a->key, SLICE("a")) && a->is_member && a->is_integer && a->integer == 1);
	assert_int_equal(a->offset, 6);
	const struct json_node *b = json_next(&reader, a);
	assert_true(slice_equal(b->text, SLICE("[true,null,\"x\"]")));
	assert_int_equal(b->children, 3);
	const struct json_node *yes = json_first(&reader, b);
	assert_true(yes->type == JSON_BOOL && yes->yes && !yes->is_member && slice_equal(yes->text, SLICE("true")));
	assert_int_equal(json_next(&reader, yes)->type, JSON_NULL);
	assert_true(json_is_text(json_next(&reader, json_next(&reader, yes)), SLICE("x")));
	const struct json_node *c = json_member(&reader, root, SLICE("c"));
	assert_non_null(c);
	assert_true(json_is_text(json_member(&reader, c, SLICE("d")), SLICE("\"\xF0\x9F\x98\x80\n")));
	assert_null(json_next(&reader, c));
	assert_null(json_member(&reader, root, SLICE("z")));
	assert_null(json_member(&reader, a, SLICE("a")));
	free(memory);
	json_reader_release(&reader);
}

/* Only whole numbers without sign tricks, fraction or exponent that fit count as integers; the rest keep their text. */
static void reader_tells_numbers_apart(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool is_integer;
		int64_t integer;
	} cases[] = {
		{"0", true, 0},
		{"7", true, 7},
		{"-7", true, -7},
		{"9007199254740991", true, 9007199254740991},
		{"9223372036854775807", true, INT64_MAX},
		{"-9223372036854775808", true, INT64_MIN},
		{"9223372036854775808", false, 0},
		{"-9223372036854775809", false, 0},
		{"99999999999999999999999", false, 0},
		{"1.0", false, 0},
		{"1e3", false, 0},
		{"1E+3", false, 0},
		{"-0", false, 0},
		{"-0.0", false, 0},
	};
	struct json_reader reader = {0};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char member[64];
		snprintf(member, sizeof member, "[%s]", cases[i].text);
		const char *forms[] = {cases[i].text, member};
		for (size_t form = 0; form < 2; form++) {
			const struct json_node *root;
			uint8_t *memory;
			struct slice text = exact(forms[form], strlen(forms[form]), &memory);
			assert_int_equal(json_read(&reader, text, &root, NULL), LL_OK);
			const struct json_node *number = form ? json_first(&reader, root) : root;
			assert_int_equal(number->type, JSON_NUMBER);
			assert_int_equal(number->is_integer, cases[i].is_integer);
			assert_int_equal(number->integer, cases[i].integer);
			assert_int_equal(number->offset, form);
			assert_true(slice_equal(number->text, slice_text(cases[i].text)));
			free(memory);
		}
	}
	json_reader_release(&reader);
}

/* Texts that are but one word, in every surrounding, are read whole. */
static void reader_takes_single_values(void **state)
{
	(void)state;
	static const char *const texts[] = {"null",       " null", "true ", "false",  "\"\"",
					    " \"\\\\\" ", "[]",    "{}",    "\n[ ]\t"};
	struct json_reader reader = {0};
	for (size_t i = 0; i < COUNT(texts); i++) {
		uint8_t *memory;
		struct slice text = exact(texts[i], strlen(texts[i]), &memory);
		const struct json_node *root = NULL;
		assert_int_equal(json_read(&reader, text, &root, NULL), LL_OK);
		assert_int_equal(reader.count, 1);
		if (root->type != JSON_STRING)
			assert_true(memcmp(text.at + root->offset, root->text.at, root->text.size) == 0);
		free(memory);
	}
	json_reader_release(&reader);
}

/* What is not JSON is refused with a sentence and the place of the first byte that is wrong. */
static void reader_refuses_with_the_place(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t byte;
		const char *says;
	} cases[] = {
		{"", 0, "ends too early"},
		{"  \n", 3, "ends too early"},
		{"{\"a\":1,}", 7, "object key"},
		{"{\"a\" 1}", 5, "colon"},
		{"[1,2", 4, "ends too early"},
		{"[1.x]", 3, "decimal point"},
		{"[01]", 2, "','"},
		{"[\"a\x01\"]", 3, "inside string"},
		{"{} x", 3, ""},
		{"{} {}", 3, "trailing"},
		{"nul", 0, "invalid string"},
		{"[tru]", 4, "invalid string"},
		{"[\"\\q\"]", 3, "may not"},
		{"[1e]", 3, "exponent"},
		{"[\"abc", 5, "ends too early"},
		{"[-]", 2, "minus"},
		{"[1 2]", 3, "','"},
		{"{1:2}", 1, "object key"},
		{"[/*a*/1]", 1, "comment"},
		{"[\"\\u12g4\"]", 6, "non-hex"},
		{"\xEF\xBB\xBF{}", 0, "invalid char"},
		{"[NaN]", 1, "invalid char"},
		{"{'a':1}", 1, "invalid char"},
		{"[,1]", 1, ""},
		{"[1,,2]", 3, ""},
		{"[\"\xFF\"]", 2, "not UTF-8"},
		{"[\"\\ud800\"]", 2, "surrogate"},
		{"[\"x\\udc00\"]", 3, "surrogate"},
		{"[\"\\ud800\\u0041\"]", 2, "surrogate"},
		{"[\"\\\\ud800\", \"\\ud800x\"]", 13, "surrogate"},
		{"[\"\\ud83d\\ude00\\ude00\"]", 14, "surrogate"},
		{"{\"a\":1,\n \"a\":2}", 13, "\"a\" stands twice"},
		{"{\"a\":1,\"\\u0061\":2}", 16, "\"a\" stands twice"},
		{"{\"b\":{\"\":1,\"\":2}}", 14, "\"\" stands twice"},
	};
	struct json_reader reader = {0};
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t *memory;
		struct slice text = exact(cases[i].text, strlen(cases[i].text), &memory);
		struct error error;
		char place[64];
		size_t line, column;
		assert_int_equal(json_read(&reader, text, NULL, &error), LL_USAGE);
		json_place(text, cases[i].byte, &line, &column);
		snprintf(place, sizeof place, "at line %zu, column %zu (byte %zu)", line, column, cases[i].byte);
		if (!strstr(error.text, place) || !strstr(error.text, cases[i].says))
			fail_msg("%s: %s (expected: %s, %s)", cases[i].text, error.text, place, cases[i].says);
		free(memory);
	}
	json_reader_release(&reader);
}

/* Sixteen levels are taken, seventeen are not; the reader is good afterwards. */
static void reader_bounds_the_depth(void **state)
{
	(void)state;
	struct json_reader reader = {0};
	struct error error;
	assert_int_equal(json_read(&reader, SLICE("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"), NULL, &error), LL_OK);
	assert_int_equal(json_read(&reader, SLICE("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"), NULL, &error), LL_USAGE);
	assert_non_null(strstr(error.text, "16 levels"));
	assert_int_equal(json_read(&reader, SLICE("[1]"), NULL, &error), LL_OK);
	json_reader_release(&reader);
}

/* A duplicate is found among a hundred thousand keys, without comparing each with each. */
static void reader_finds_duplicates_in_large_objects(void **state)
{
	(void)state;
	struct json_reader reader = {0};
	struct buffer text = {0};
	for (int twice = 0; twice < 2; twice++) {
		struct json_writer writer;
		struct error error;
		buffer_clear(&text);
		json_writer_init(&writer, &text, false);
		json_object_begin(&writer);
		for (int i = 0; i < 100000; i++) {
			char key[16];
			snprintf(key, sizeof key, "k%d", i);
			json_member_int64(&writer, key, i);
		}
		if (twice)
			json_member_int64(&writer, "k77777", 0);
		json_object_end(&writer);
		enum ll_code code = json_read(&reader, buffer_slice(&text), NULL, &error);
		assert_int_equal(code, twice ? LL_USAGE : LL_OK);
		if (twice)
			assert_non_null(strstr(error.text, "\"k77777\" stands twice"));
	}
	buffer_release(&text);
	json_reader_release(&reader);
}

/* More values than the limit are refused, however small the text. */
static void reader_bounds_the_nodes(void **state)
{
	(void)state;
	struct json_reader reader = {0};
	struct buffer text = {0};
	buffer_append_byte(&text, '[');
	for (int i = 0; i < JSON_READ_NODES_MAX; i++)
		buffer_append_text(&text, i ? ",0" : "0");
	buffer_append_byte(&text, ']');
	struct error error;
	assert_int_equal(json_read(&reader, buffer_slice(&text), NULL, &error), LL_TOO_LARGE);
	buffer_release(&text);
	json_reader_release(&reader);
}

/* Every prefix of a text with everything in it is refused, none is read beyond its end; the whole is taken. */
static void reader_refuses_every_prefix(void **state)
{
	(void)state;
	static const char whole[] =
		"{\"id\":\"a\\u00e9\\ud83d\\ude00\",\"n\":[-12.5e-3,0,true,false,null],\"o\":{\"\":{}}}";
	struct json_reader reader = {0};
	for (size_t size = 0; size < sizeof whole; size++) {
		uint8_t *memory;
		struct slice text = exact(whole, size, &memory);
		assert_int_equal(json_read(&reader, text, NULL, NULL), size == sizeof whole - 1 ? LL_OK : LL_USAGE);
		free(memory);
	}
	json_reader_release(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writer_writes_json),
		cmocka_unit_test(writer_mends_bad_utf8),
		cmocka_unit_test(writer_writes_thousandths),
		cmocka_unit_test(reader_delivers_the_tree),
		cmocka_unit_test(reader_tells_numbers_apart),
		cmocka_unit_test(reader_takes_single_values),
		cmocka_unit_test(reader_refuses_with_the_place),
		cmocka_unit_test(reader_bounds_the_depth),
		cmocka_unit_test(reader_finds_duplicates_in_large_objects),
		cmocka_unit_test(reader_bounds_the_nodes),
		cmocka_unit_test(reader_refuses_every_prefix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
