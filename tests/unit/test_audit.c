/* Comparing projections row by row, and showing any row: engine/audit/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/audit/findings.h"
#include "engine/audit/guarded.h"
#include "engine/audit/row_json.h"
#include "engine/cli/answer.h"
#include "projections/views/layer.h"
#include "projections/views/rows.h"

struct world {
	struct arena arena;
	struct layer *left, *right;
	struct findings findings;
	struct compared compared;
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	world->left = layer_new(NULL, &world->arena);
	world->right = layer_new(NULL, &world->arena);
	findings_init(&world->findings);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;
	layer_free(world->left);
	layer_free(world->right);
	arena_release(&world->arena);
	findings_release(&world->findings);
	free(world);
	return 0;
}

static void put_account(struct layer *layer, unsigned number, int64_t debt)
{
	char name[16];
	struct accounts_row row = {.updated_at = 1, .debt = debt};
	snprintf(name, sizeof name, "user-%05u", number);
	accounts_put(layer_view(layer), accounts_key(slice_text(name)), &row);
}

static void compare(struct world *world)
{
	compare_projection(PROJECTION_BALANCES, layer_view(world->left),
			   projection_layouts[PROJECTION_BALANCES].version, layer_view(world->right), findings_add,
			   &world->findings, &world->compared, NULL, 0);
}

/* Any number of equal rows, around the size of a batch too, are found equal, each counted once. */
static void test_equal(void **state)
{
	struct world *world = *state;
	static const unsigned counts[] = {0, 1, 511, 512, 513, 1024, 5000};
	unsigned have = 0;
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		for (; have < counts[i]; have++) {
			put_account(world->left, have, 7);
			put_account(world->right, have, 7);
		}
		world->compared = (struct compared){0};
		compare(world);
		assert_int_equal(world->compared.rows, counts[i]);
		assert_int_equal(world->compared.differences, 0);
	}
}

/* One row that differs, is missing, or is too many, is found wherever it stands. */
static void test_each_place(void **state)
{
	struct world *world = *state;
	for (unsigned i = 0; i < 1100; i++) {
		put_account(world->left, i, 7);
		put_account(world->right, i, 7);
	}
	for (unsigned i = 0; i < 1100; i += 97) {
		struct layer *sides[] = {world->left, world->right};
		for (unsigned side = 0; side < 2; side++) {
			char name[16];
			snprintf(name, sizeof name, "user-%05u", i);
			world->compared = (struct compared){0};
			put_account(sides[side], i, 8);
			compare(world);
			assert_int_equal(world->compared.differences, 1);
			accounts_remove(layer_view(sides[side]), accounts_key(slice_text(name)));
			compare(world);
			assert_int_equal(world->compared.differences, 2);
			put_account(sides[side], i, 7);
		}
	}
}

/* A finding names projection, table and key, and shows both values; at most FINDINGS_MAX are kept. */
static void test_findings(void **state)
{
	struct world *world = *state;
	for (unsigned i = 0; i < 100; i++)
		put_account(world->left, i, 7);
	compare(world);
	assert_int_equal(world->compared.differences, 100);
	assert_int_equal(world->findings.count, FINDINGS_MAX);
	const char *words = buffer_text(&world->findings.words);
	assert_non_null(strstr(words, "projection balances, table accounts, key {\"userId\":\"user-00000\"}"));
	assert_non_null(strstr(words, "\"debt\":7"));
	assert_non_null(strstr(words, "replayed  null"));
	struct slice json = findings_json(&world->findings);
	struct json_reader reader = {0};
	const struct json_node *root;
	assert_int_equal(json_read(&reader, json, &root, NULL), LL_OK);
	assert_int_equal(root->children, FINDINGS_MAX);
	json_reader_release(&reader);
}

static void check_key(enum table_id table, const struct key *key, const char *expected)
{
	struct buffer buffer = {0};
	struct json_writer writer;
	json_writer_init(&writer, &buffer, false);
	row_key_json(&writer, table, key_slice(key));
	assert_string_equal(buffer_text(&buffer), expected);
	buffer_release(&buffer);
}

/* Keys are shown by their parts, and what is no such key by its bytes. */
static void test_keys(void **state)
{
	(void)state;
	struct key key = seats_key(SLICE("s1"), 7);
	check_key(SEATS_SEATS, &key, "{\"scheduleId\":\"s1\",\"seatNo\":7}");
	key.size--;
	check_key(SEATS_SEATS, &key, "{\"hex\":\"733100000000\"}");
	key = lot_due_key(5, 9);
	check_key(BALANCES_LOT_DUE, &key, "{\"expiresAt\":5,\"lotId\":9}");
	key.size = 0;
	check_key(BALANCES_ACCOUNTS, &key, "{\"hex\":\"\"}");
}

/* A value that cannot be decoded is shown by its bytes, none at all as null. */
static void test_values(void **state)
{
	(void)state;
	struct buffer buffer = {0};
	struct json_writer writer;
	json_writer_init(&writer, &buffer, false);
	row_value_json(&writer, SEATS_SEATS, SLICE("\x91"));
	assert_string_equal(buffer_text(&buffer), "{\"hex\":\"91\"}");
	buffer_clear(&buffer);
	json_writer_init(&writer, &buffer, false);
	row_value_json(&writer, SEATS_SEATS, SLICE_EMPTY);
	assert_string_equal(buffer_text(&buffer), "null");
	buffer_release(&buffer);
}

static int end_well(void *context, char *place)
{
	snprintf(place, GUARDED_PLACE_MAX, "here");
	return *(int *)context;
}

static int die(void *context, char *place)
{
	(void)context;
	snprintf(place, GUARDED_PLACE_MAX, "table 7");
	abort();
}

/* Guarded work hands its status on; when it dies, the place where it did is known. */
static void test_guarded(void **state)
{
	char place[GUARDED_PLACE_MAX];
	bool interrupted;
	int status = 3;
	(void)state;
	assert_int_equal(guarded_run(end_well, &status, place, &interrupted), 3);
	assert_string_equal(place, "here");
	assert_int_equal(guarded_run(die, NULL, place, &interrupted), -1);
	assert_string_equal(place, "table 7");
	assert_false(interrupted);
}

static void check_answer(const char *json, const char *expected)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	answer_print(slice_text(json), out);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

/* Answers for people: plain members, then tables of lists and of objects of objects, then objects. */
static void test_answers(void **state)
{
	(void)state;
	check_answer("{\"userId\":\"kim\",\"balance\":1400,\"none\":null,\"list\":[1,2]}",
		     "userId   kim\nbalance  1,400\nnone     -\nlist     1, 2\n");
	check_answer(
		"{\"a\":1,\"lots\":[{\"lotId\":\"lot-1\",\"amount\":1000},{\"lotId\":\"lot-2\",\"amount\":5,\"by\":{\"type\":\"user\",\"id\":\"kim\"}}]}",
		"a  1\n\nLOT ID  AMOUNT  BY\nlot-1    1,000  -\nlot-2        5  user kim\n");
	check_answer("{\"rows\":{\"x\":{\"offset\":1000},\"y\":{\"offset\":2}},\"at\":{\"position\":\"0:1\"}}",
		     "ROWS  OFFSET\nx       1000\ny          2\n\nat\n  position  0:1\n");
	check_answer("{}", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_equal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_each_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_findings, set_up, tear_down),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_guarded),
		cmocka_unit_test(test_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
