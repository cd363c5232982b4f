/*
 * The store against a model: plain arrays that do what the store must look like from outside.
 *
 * Everything random comes from a seed that a failing run prints; STORE_TEST_SEED=<number> runs that one again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "projections/store/environment.h"
#include "projections/store/snapshot.h"
#include "projections/store/store.h"
#include "tests/unit/scratch.h"

enum { POINT, ORDERED, APPEND, ORDERED_APPEND, LAZY, TABLES };
enum { KEYS = 400, KEY_BYTES = 12, VALUE_BYTES_MAX = 30000, BLOCK_CHANGES = 40 };

static const struct table_spec tables[TABLES] = {
	{"point", TABLE_POINT},
	{"ordered", TABLE_ORDERED},
	{"append", TABLE_POINT | TABLE_APPEND},
	{"ordered_append", TABLE_ORDERED | TABLE_APPEND},
	{"lazy", TABLE_ORDERED | TABLE_LAZY},
};
static const struct store_spec spec = {"tested", 3, tables, TABLES};

/* ---- randomness ---- */

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % limit);
}

static uint64_t first_seed(void)
{
	const char *given = getenv("STORE_TEST_SEED");
	return given ? strtoull(given, NULL, 10) : 20240229;
}

static struct error problem;

static void assert_ok(enum ll_code code)
{
	if (code != LL_OK)
		print_error("%s: %s\n", error_code_text(code), problem.text);
	assert_int_equal(code, LL_OK);
}

/* ---- the model ---- */

struct model_row {
	bool there;
	uint32_t size, fill; /* the value: `size` bytes made from `fill` */
};

struct model {
	struct model_row rows[TABLES][KEYS];
	uint32_t next[TABLES]; /* the next ascending key */
	uint64_t position;
};

static struct slice value_of(uint8_t value[VALUE_BYTES_MAX], struct model_row row)
{
	for (uint32_t i = 0; i < row.size; i++)
		value[i] = (uint8_t)(row.fill + i * 7);
	return slice_of(value, row.size);
}

static struct slice key_numbered(char key[KEY_BYTES + 1], uint32_t number)
{
	snprintf(key, KEY_BYTES + 1, "k-%06u", number);
	return slice_of(key, 8);
}

static struct model_row random_row(void)
{
	static const uint32_t sizes[] = {0, 1, 10, 45, 60, 60, 61, 90, 120, 200, 1000, 2500};
	uint32_t size = sizes[random_below(sizeof sizes / sizeof *sizes)];
	if (random_below(300) == 0)
		size = 3000 + random_below(VALUE_BYTES_MAX - 3000);
	return (struct model_row){true, size, random_below(1u << 30)};
}

/* A key to be changed: for ascending tables mostly the next one. */
static uint32_t random_key(struct model *model, unsigned table)
{
	if ((table == APPEND || table == ORDERED_APPEND) && model->next[table] < KEYS && random_below(4))
		return model->next[table]++;
	return random_below(KEYS);
}

static void change(struct model *model, struct store *store, unsigned table)
{
	static uint8_t value[VALUE_BYTES_MAX];
	char key[KEY_BYTES + 1];
	uint32_t number = random_key(model, table);
	struct model_row row = random_row();
	if (random_below(4) == 0)
		row = (struct model_row){0};
	model->rows[table][number] = row;
	if (!store)
		return;
	if (row.there)
		store_put(store, table, key_numbered(key, number), value_of(value, row));
	else
		store_delete(store, table, key_numbered(key, number));
}

static void check_row(const struct model *model, struct store *store, unsigned table, uint32_t number, bool overlay)
{
	static uint8_t value[VALUE_BYTES_MAX];
	char key[KEY_BYTES + 1];
	struct slice found;
	struct model_row row = model->rows[table][number];
	bool there = store_get(store, table, key_numbered(key, number), overlay, &found);
	if (there != row.there || (there && !slice_equal(found, value_of(value, row))))
		print_error("table %s, key %u: wrong row\n", tables[table].name, number);
	assert_int_equal(there, row.there);
	assert_true(!there || slice_equal(found, value_of(value, row)));
}

struct visit {
	const struct model *model;
	unsigned table;
	uint32_t at, end, left;
	bool backwards;
	struct store *store;
};

static uint32_t next_there(const struct visit *visit)
{
	uint32_t at = visit->at;
	if (visit->backwards)
		while (at > visit->end && !visit->model->rows[visit->table][at - 1].there)
			at--;
	else
		while (at < visit->end && !visit->model->rows[visit->table][at].there)
			at++;
	return at;
}

static bool visit_row(void *context, struct slice key, struct slice value)
{
	static uint8_t bytes[VALUE_BYTES_MAX];
	struct visit *visit = context;
	char text[KEY_BYTES + 1];
	struct slice got;
	visit->at = next_there(visit);
	assert_true(visit->at != visit->end);
	uint32_t number = visit->backwards ? visit->at - 1 : visit->at;
	assert_true(slice_equal(key, key_numbered(text, number)));
	assert_true(slice_equal(value, value_of(bytes, visit->model->rows[visit->table][number])));
	visit->at += visit->backwards ? (uint32_t)-1 : 1;
	if (visit->store) /* reading is allowed while scanning */
		(void)store_get(visit->store, visit->table, key_numbered(text, random_below(KEYS)), true, &got);
	return --visit->left != 0;
}

static void check_scan(const struct model *model, struct store *store, struct snapshot *snapshot, unsigned table,
		       bool overlay)
{
	char from[KEY_BYTES + 1], to[KEY_BYTES + 1];
	uint32_t low = random_below(KEYS), high = low + random_below(KEYS - low + 1);
	struct slice start = key_numbered(from, low), stop = key_numbered(to, high);
	if (random_below(4) == 0) {
		low = 0;
		start = SLICE_EMPTY;
	}
	if (random_below(4) == 0) {
		high = KEYS;
		stop = SLICE_EMPTY;
	}
	struct visit visit = {.model = model, .table = table, .backwards = random_below(2), .store = store};
	visit.at = visit.backwards ? high : low;
	visit.end = visit.backwards ? low : high;
	visit.left = random_below(3) ? UINT32_MAX : 1 + random_below(20);
	if (store)
		store_scan(store, table, start, stop, visit.backwards, overlay, visit_row, &visit);
	else
		snapshot_scan(snapshot, table, start, stop, visit.backwards, visit_row, &visit);
	if (visit.left)
		assert_int_equal(next_there(&visit), visit.end);
}

static void check_all(const struct model *model, struct store *store, bool overlay)
{
	for (unsigned table = 0; table < TABLES; table++) {
		for (uint32_t number = 0; number < KEYS; number++)
			check_row(model, store, table, number, overlay);
		check_scan(model, store, NULL, table, overlay);
	}
}

static struct store *open_store(uint64_t *position, size_t clean_bytes_max, size_t map_bytes)
{
	struct store_options options = {
		.directory = scratch, .create = true, .clean_bytes_max = clean_bytes_max, .map_bytes = map_bytes};
	struct store *store = NULL;
	struct slice stored;
	assert_ok(store_open(&spec, &options, &store, &stored, &problem));
	*position = 0;
	if (stored.size)
		memcpy(position, stored.at, sizeof *position);
	free((void *)stored.at);
	return store;
}

static void mark(struct model *model, struct store *store)
{
	model->position++;
	store_mark_block(store, slice_of(&model->position, sizeof model->position));
}

static void flush(struct store *store)
{
	assert_true(store_freeze(store));
	assert_ok(store_wait_flushed(store, &problem));
}

/* ---- tests ---- */

/* A row is found in each layer it passes through, newest first, and on the disk. */
static void test_layers(void **state)
{
	(void)state;
	uint64_t position;
	struct slice value;
	struct store *store = open_store(&position, 0, 0);
	assert_false(store_get(store, POINT, SLICE("a"), false, &value));
	store_put(store, POINT, SLICE("a"), SLICE("1"));
	store_mark_block(store, SLICE("12345678"));
	store_overlay_open(store);
	store_put(store, POINT, SLICE("a"), SLICE("2"));
	store_delete(store, POINT, SLICE("b"));
	assert_true(store_get(store, POINT, SLICE("a"), true, &value) && slice_equal(value, SLICE("2")));
	assert_true(store_get(store, POINT, SLICE("a"), false, &value) && slice_equal(value, SLICE("1")));
	store_overlay_drop(store);
	assert_true(store_get(store, POINT, SLICE("a"), true, &value) && slice_equal(value, SLICE("1")));
	assert_true(store_freeze(store));
	store_put(store, POINT, SLICE("a"), SLICE("three"));
	assert_true(store_get(store, POINT, SLICE("a"), false, &value) && slice_equal(value, SLICE("three")));
	store_mark_block(store, SLICE("12345679"));
	assert_ok(store_wait_flushed(store, &problem));
	assert_true(store_get(store, POINT, SLICE("a"), false, &value) && slice_equal(value, SLICE("three")));
	assert_ok(store_close(store, &problem));
	store = open_store(&position, 0, 0);
	assert_memory_equal(&position, "12345679", 8);
	assert_true(store_get(store, POINT, SLICE("a"), false, &value) && slice_equal(value, SLICE("three")));
	assert_ok(store_close(store, &problem));
}

/* What is in the overlay is seen by no flush and no snapshot, and is gone when dropped. */
static void test_overlay_is_never_written(void **state)
{
	(void)state;
	uint64_t position;
	struct slice value;
	struct snapshot *snapshot = NULL;
	struct store *store = open_store(&position, 0, 0);
	store_put(store, ORDERED, SLICE("a"), SLICE("1"));
	store_mark_block(store, SLICE("position"));
	store_overlay_open(store);
	store_put(store, ORDERED, SLICE("a"), SLICE("2"));
	store_put(store, ORDERED, SLICE("b"), SLICE("2"));
	flush(store);
	assert_ok(snapshot_open(&spec, scratch, &snapshot, &problem));
	assert_ok(snapshot_pin(snapshot, &problem));
	assert_true(slice_equal(snapshot_position(snapshot), SLICE("position")));
	assert_true(snapshot_get(snapshot, ORDERED, SLICE("a"), &value) && slice_equal(value, SLICE("1")));
	assert_false(snapshot_get(snapshot, ORDERED, SLICE("b"), &value));
	assert_int_equal(snapshot_rows(snapshot, ORDERED), 1);
	assert_true(store_get(store, ORDERED, SLICE("b"), true, &value));
	store_overlay_drop(store);
	assert_false(store_get(store, ORDERED, SLICE("b"), true, &value));
	snapshot_close(snapshot);
	assert_ok(store_close(store, &problem));
}

/* A value that came from store_get may be given to store_put of the same key, whatever its new size. */
static void test_value_may_overlap(void **state)
{
	(void)state;
	uint64_t position;
	struct slice value;
	struct store *store = open_store(&position, 0, 0);
	store_put(store, POINT, SLICE("a"), SLICE("0123456789012345678901234567890123456789"));
	for (int frozen = 0; frozen < 2; frozen++) {
		assert_true(store_get(store, POINT, SLICE("a"), false, &value));
		store_put(store, POINT, SLICE("a"), slice_of(value.at + 1, value.size - 1));
		assert_true(store_get(store, POINT, SLICE("a"), false, &value));
		store_put(store, POINT, SLICE("a"), slice_of(value.at + 30, value.size - 30));
		assert_true(store_get(store, POINT, SLICE("a"), false, &value));
		assert_true(slice_equal(value, frozen ? SLICE("12345678") : SLICE("123456789")));
		if (!frozen)
			store_put(store, POINT, SLICE("a"), SLICE("0123456789012345678901234567890123456789"));
		store_mark_block(store, SLICE("p"));
		if (!frozen)
			assert_true(store_freeze(store));
		if (!frozen) { /* in the overlay too */
			store_overlay_open(store);
			assert_true(store_get(store, POINT, SLICE("a"), true, &value));
			store_put(store, POINT, SLICE("a"), slice_of(value.at + 1, 39));
			assert_true(store_get(store, POINT, SLICE("a"), true, &value));
			store_put(store, POINT, SLICE("a"), slice_of(value.at + 1, 38));
			assert_true(store_get(store, POINT, SLICE("a"), true, &value) && value.size == 38 &&
				    *value.at == '2');
			store_overlay_drop(store);
			store_put(store, POINT, SLICE("a"), SLICE("012345678901234567890123456789012345678"));
		}
	}
	assert_ok(store_wait_flushed(store, &problem));
	assert_ok(store_close(store, &problem));
}

/* A freeze with nothing to write says so; a position that moved alone is written; a block that is not whole never is. */
static void test_positions(void **state)
{
	(void)state;
	uint64_t position;
	struct slice value;
	struct model model = {0};
	struct store *store = open_store(&position, 0, 0);
	assert_int_equal(position, 0);
	assert_false(store_freeze(store));
	mark(&model, store);
	flush(store);
	assert_false(store_freeze(store));
	store_put(store, POINT, SLICE("half"), SLICE("a block"));
	assert_ok(store_close(store, &problem));
	store = open_store(&position, 0, 0);
	assert_int_equal(position, 1);
	assert_false(store_get(store, POINT, SLICE("half"), false, &value));
	store_checkpoint(store);
	flush(store);
	assert_ok(store_close(store, &problem));
}

/* Rows that had to leave memory are found in LMDB, also in a store that began empty and knew all of its rows. */
static void test_eviction(void **state)
{
	(void)state;
	static struct model model;
	uint64_t position;
	struct store_statistics statistics;
	memset(&model, 0, sizeof model);
	random_state = first_seed();
	struct store *store = open_store(&position, 4096, 0);
	for (int block = 0; block < 12; block++) {
		for (int i = 0; i < 400; i++)
			change(&model, store, random_below(TABLES));
		mark(&model, store);
		flush(store);
		if (block % 4 == 3)
			check_all(&model, store, false);
	}
	store_statistics(store, &statistics);
	assert_true(statistics.clean_rows > 0);
	store_abandon(store);
}

/* A layer tells what it holds, each row once, and is full before LMDB could not write it in one transaction. */
static void test_fill(void **state)
{
	(void)state;
	static uint8_t value[1000];
	uint64_t position;
	uint32_t number = 0;
	struct store *store = open_store(&position, 0, 0);
	assert_int_equal(store_fill(store).rows, 0);
	for (int i = 0; i < 3; i++)
		store_put(store, POINT, SLICE("a"), SLICE("1"));
	assert_int_equal(store_fill(store).rows, 1);
	assert_true(store_fill(store).bytes > 0 && !store_fill(store).full);
	while (!store_fill(store).full && number < 1000000) {
		number++;
		store_put(store, POINT, slice_of(&number, sizeof number), slice_of(value, sizeof value));
	}
	assert_int_equal(store_fill(store).rows, number + 1);
	store_mark_block(store, SLICE("12345678"));
	flush(store);
	assert_int_equal(store_fill(store).rows, 0);
	assert_false(store_fill(store).full);
	struct store_statistics statistics;
	store_statistics(store, &statistics);
	assert_in_range(statistics.map_used_bytes / 4096, 50000, 100000);
	assert_int_equal(statistics.rows_flushed, number + 1);
	store_abandon(store);
}

/* Takes the first rows away, or all of them: where a table's rows begin moves on. */
static void take_front(struct model *model, struct store *store, unsigned table)
{
	char key[KEY_BYTES + 1];
	uint32_t end = random_below(4) ? random_below(KEYS) : KEYS;
	for (uint32_t number = 0; number < end; number++) {
		if (!model->rows[table][number].there && random_below(8))
			continue;
		model->rows[table][number].there = false;
		store_delete(store, table, key_numbered(key, number));
	}
}

/* One step of the comparison: a change, a look, a scan, or a move of the layers. */
static struct store *random_step(struct model *model, struct model *over, struct store *store, bool *overlay)
{
	unsigned table = random_below(TABLES);
	uint64_t position;
	enum ll_code code;
	switch (random_below(200) == 0 ? 16 : random_below(16)) {
	case 16: take_front(*overlay ? over : model, store, table); break;
	case 0: check_scan(*overlay ? over : model, store, NULL, table, true); break;
	case 1: check_scan(model, store, NULL, table, false); break;
	case 2:
		if (*overlay)
			store_overlay_drop(store);
		else
			store_overlay_open(store);
		*overlay = !*overlay;
		*over = *model;
		break;
	case 3:
		if (!*overlay) {
			mark(model, store);
			(void)store_freeze(store);
		}
		break;
	case 4:
		code = store_poll(store, &problem);
		assert_true(code == LL_OK || code == LL_BUSY);
		break;
	case 5:
		if (random_below(40) == 0 && !*overlay) {
			mark(model, store);
			assert_ok(store_close(store, &problem));
			store = open_store(&position, 1 << (14 + random_below(10)), 0);
			assert_int_equal(position, model->position);
			check_all(model, store, false);
		}
		break;
	case 6:
	case 7: check_row(*overlay ? over : model, store, table, random_below(KEYS), true); break;
	default:
		change(*overlay ? over : model, store, table);
		check_row(model, store, table, random_below(KEYS), false);
	}
	return store;
}

/* Any order of changes, layers, scans and openings looks as plain arrays do, also when few clean rows may be kept. */
static void test_random_operations(void **state)
{
	(void)state;
	static struct model model, over;
	for (uint64_t seed = first_seed(); seed < first_seed() + 12; seed++) {
		bool overlay = false;
		uint64_t position;
		random_state = seed;
		print_message("seed %llu\n", (unsigned long long)seed);
		memset(&model, 0, sizeof model);
		struct store *store = open_store(&position, 1 << (12 + seed % 12), 0);
		for (int step = 0; step < 6000; step++)
			store = random_step(&model, &over, store, &overlay);
		if (overlay)
			store_overlay_drop(store);
		check_all(&model, store, true);
		mark(&model, store);
		assert_ok(store_close(store, &problem));
		assert_int_equal(scratch_remove(NULL), 0);
		assert_int_equal(scratch_make(NULL), 0);
	}
}

/* A map that is full grows by itself, also while a snapshot comes and goes. */
static void test_map_grows(void **state)
{
	(void)state;
	static struct model model;
	uint64_t position;
	struct store_statistics statistics;
	memset(&model, 0, sizeof model);
	random_state = first_seed();
	struct store *store = open_store(&position, 0, 256 << 10);
	for (int block = 0; block < 20; block++) {
		for (int i = 0; i < 200; i++)
			change(&model, store, random_below(TABLES));
		mark(&model, store);
		flush(store);
	}
	store_statistics(store, &statistics);
	assert_true(statistics.map_bytes > 256 << 10);
	assert_int_equal(statistics.flushes, 20);
	assert_ok(store_close(store, &problem));
	store = open_store(&position, 1 << 12, 0);
	assert_int_equal(position, 20);
	check_all(&model, store, false);
	assert_ok(store_close(store, &problem));
}

/* The blocks of the crash test: each is made from its number alone, so any position can be made again. */
static void play_block(struct model *model, struct store *store, uint64_t number)
{
	random_state = number * 2654435761u + 17;
	for (int i = 0; i < BLOCK_CHANGES; i++)
		change(model, store, random_below(TABLES));
	model->position = number;
	if (store)
		store_mark_block(store, slice_of(&number, sizeof number));
}

static void crash_child(struct model *model, uint64_t from)
{
	uint64_t position;
	struct store *store = open_store(&position, 1 << 16, 0);
	for (uint64_t number = from + 1;; number++) {
		play_block(model, store, number);
		if (number % 3 == 0 && store_poll(store, &problem) == LL_OK)
			(void)store_freeze(store);
	}
}

static uint64_t agreed_position(struct model *model, uint64_t from)
{
	uint64_t position;
	struct store *store = open_store(&position, 0, 0);
	assert_true(position >= from);
	for (uint64_t number = from + 1; number <= position; number++)
		play_block(model, NULL, number);
	check_all(model, store, false);
	store_abandon(store);
	return position;
}

/* Killed at any moment of folding and flushing, the rows are exactly those of the position that is stored with them. */
static void test_kill(void **state)
{
	(void)state;
	static struct model model;
	uint64_t position = 0;
	memset(&model, 0, sizeof model);
	for (int round = 0; round < 25; round++) {
		struct timespec pause = {.tv_nsec = 1000 * 1000 * (3 + (long)(round * 7919 % 40))};
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			crash_child(&model, position);
		nanosleep(&pause, NULL);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		position = agreed_position(&model, position);
	}
	assert_true(position > 0);
}

static int fail_commits(const char *call)
{
	return strcmp(call, "mdb_txn_commit") == 0 ? 28 /* ENOSPC */ : 0;
}

/* A flush that fails is final: it is told, nothing more is flushed, reads go on, and what was flushed before stays. */
static void test_failed_flush(void **state)
{
	(void)state;
	static struct model model, before;
	uint64_t position;
	memset(&model, 0, sizeof model);
	random_state = first_seed();
	struct store *store = open_store(&position, 0, 0);
	for (int i = 0; i < 300; i++)
		change(&model, store, random_below(TABLES));
	mark(&model, store);
	flush(store);
	before = model;
	for (int i = 0; i < 300; i++)
		change(&model, store, random_below(TABLES));
	mark(&model, store);
	environment_fault_set(fail_commits);
	assert_true(store_freeze(store));
	assert_int_equal(store_wait_flushed(store, &problem), LL_FULL);
	assert_non_null(strstr(problem.text, "projection tested"));
	environment_fault_set(NULL);
	check_all(&model, store, false);
	assert_false(store_freeze(store));
	assert_int_equal(store_poll(store, &problem), LL_FULL);
	assert_int_equal(store_close(store, &problem), LL_FULL);
	store = open_store(&position, 0, 0);
	assert_int_equal(position, 1);
	check_all(&before, store, false);
	assert_ok(store_close(store, &problem));
}

/* A store is refused to a second writer, to another projection, and to other schema versions, and stays as it is. */
static void test_refusals(void **state)
{
	(void)state;
	uint64_t position;
	struct store_options options = {.directory = scratch};
	struct store *store = NULL, *second = NULL;
	struct slice stored;
	assert_int_equal(store_open(&spec, &options, &second, &stored, &problem), LL_NOT_FOUND);
	store = open_store(&position, 0, 0);
	assert_int_equal(store_open(&spec, &options, &second, &stored, &problem), LL_BUSY);
	assert_ok(store_close(store, &problem));
	struct store_spec other = spec;
	other.schema_version = 2;
	assert_int_equal(store_open(&other, &options, &second, &stored, &problem), LL_NEWER);
	other.schema_version = 4;
	assert_int_equal(store_open(&other, &options, &second, &stored, &problem), LL_OLDER);
	other = spec;
	other.projection = "another";
	assert_int_equal(store_open(&other, &options, &second, &stored, &problem), LL_FOREIGN);
	assert_null(second);
	assert_ok(store_close(open_store(&position, 0, 0), &problem));
}

/* Snapshots see whole flushes only, each at one position, while the store goes on; the mark `retired` comes and goes. */
static void test_snapshots(void **state)
{
	(void)state;
	static struct model model, seen;
	uint64_t position;
	struct snapshot *snapshot = NULL;
	memset(&model, 0, sizeof model);
	random_state = first_seed();
	struct store *store = open_store(&position, 1 << 14, 0);
	for (int block = 0; block < 30; block++) {
		for (int i = 0; i < 50; i++)
			change(&model, store, random_below(TABLES));
		mark(&model, store);
		if (block == 20)
			store_retire(store);
		flush(store);
		if (block % 3 == 0) {
			snapshot_close(snapshot);
			assert_ok(snapshot_open(&spec, scratch, &snapshot, &problem));
			assert_ok(snapshot_pin(snapshot, &problem));
			seen = model;
		}
		assert_memory_equal(snapshot_position(snapshot).at, &seen.position, sizeof seen.position);
		for (unsigned table = 0; table < TABLES; table++)
			check_scan(&seen, NULL, snapshot, table, false);
		assert_int_equal(snapshot_retired(snapshot), block > 20);
	}
	snapshot_close(snapshot);
	assert_ok(store_close(store, &problem));
	store = open_store(&position, 0, 0);
	assert_ok(snapshot_open(&spec, scratch, &snapshot, &problem));
	assert_ok(snapshot_pin(snapshot, &problem));
	assert_false(snapshot_retired(snapshot));
	assert_ok(store_close(store, &problem)); /* a snapshot outlives it */
	check_scan(&model, NULL, snapshot, POINT, false);
	snapshot_close(snapshot);
}

static struct store *open_fork(const char *directory, uint64_t position)
{
	struct store_options options = {.directory = directory, .fork = true};
	struct store *store = NULL;
	struct slice stored;
	assert_ok(store_open(&spec, &options, &store, &stored, &problem));
	assert_int_equal(stored.size, position ? sizeof position : 0);
	assert_true(!position || memcmp(stored.at, &position, sizeof position) == 0);
	free((void *)stored.at);
	return store;
}

/* Several forks of what lies in a directory, and of nothing, each with changes of its own: none sees another's, and the directory stays as it is. */
static void test_forks(void **state)
{
	enum { FORKS = 3, STEPS = 6000 };
	(void)state;
	static struct model base, models[FORKS], over[FORKS];
	struct store *forks[FORKS];
	bool overlay[FORKS] = {false};
	uint64_t position;
	random_state = first_seed();
	memset(&base, 0, sizeof base);
	struct store *store = open_store(&position, 0, 0);
	for (int i = 0; i < 1500; i++)
		change(&base, store, random_below(TABLES));
	mark(&base, store);
	assert_ok(store_close(store, &problem));
	memset(models, 0, sizeof models);
	for (unsigned i = 0; i < FORKS; i++) {
		bool begins_with_nothing = i == FORKS - 1;
		forks[i] = open_fork(begins_with_nothing ? NULL : scratch, begins_with_nothing ? 0 : base.position);
		if (!begins_with_nothing)
			models[i] = base;
		check_all(&models[i], forks[i], false);
	}
	for (int step = 0; step < STEPS; step++) {
		unsigned i = random_below(FORKS), table = random_below(TABLES);
		struct model *current = overlay[i] ? &over[i] : &models[i];
		switch (random_below(12)) {
		case 0: check_scan(current, forks[i], NULL, table, true); break;
		case 1: check_scan(&models[i], forks[i], NULL, table, false); break;
		case 2:
			if (overlay[i])
				store_overlay_drop(forks[i]);
			else
				store_overlay_open(forks[i]);
			overlay[i] = !overlay[i];
			over[i] = models[i];
			break;
		case 3:
			if (random_below(20) == 0)
				take_front(current, forks[i], table);
			else if (!overlay[i])
				mark(&models[i], forks[i]);
			break;
		default:
			change(current, forks[i], table);
			check_row(current, forks[i], random_below(TABLES), random_below(KEYS), true);
		}
	}
	for (unsigned i = 0; i < FORKS; i++) {
		check_all(&models[i], forks[i], false);
		assert_true(store_fill(forks[i]).bytes > 0 && !store_fill(forks[i]).flushing);
		store_abandon(forks[i]);
	}
	store = open_store(&position, 0, 0);
	assert_int_equal(position, base.position);
	check_all(&base, store, false);
	assert_ok(store_close(store, &problem));
}

/* A page that cannot be read ends a fork's read as if nothing were there, and is told. */
static int refuse_reads(const char *call)
{
	return strcmp(call, "mdb_get") == 0 || strcmp(call, "mdb_cursor_get") == 0 ||
			       strcmp(call, "mdb_cursor_open") == 0
		       ? EIO
		       : 0;
}

static void test_fork_tells_failures(void **state)
{
	(void)state;
	struct error failure = {.code = LL_OK};
	struct store_options options = {.directory = scratch, .fork = true, .failure = &failure};
	struct visit visit = {.left = 1};
	uint64_t position;
	struct slice stored;
	struct store *store = open_store(&position, 0, 0);
	for (unsigned table = 0; table < TABLES; table++)
		store_put(store, table, SLICE("a"), SLICE("1"));
	store_mark_block(store, SLICE("12345678"));
	assert_ok(store_close(store, &problem));
	assert_ok(store_open(&spec, &options, &store, &stored, &problem));
	free((void *)stored.at);
	environment_fault_set(refuse_reads);
	for (unsigned table = 0; table < TABLES; table++) {
		failure.code = LL_OK;
		assert_false(store_get(store, table, SLICE("a"), false, &stored));
		assert_int_equal(failure.code, LL_IO);
		for (int backwards = 0; backwards <= 1; backwards++) {
			failure.code = LL_OK;
			store_scan(store, table, SLICE("0"), SLICE("b"), backwards, false, visit_row, &visit);
			assert_int_equal(failure.code, LL_IO);
		}
	}
	environment_fault_set(NULL);
	assert_true(store_get(store, POINT, SLICE("a"), false, &stored));
	store_abandon(store);
}

/* A server has dozens of forks at a time: each takes addresses as it may need them, not as a live store does (a sanitizer, or a limit on addresses, has
 * no room for that). */
static size_t addresses(void)
{
	size_t pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%zu", &pages), 1);
	(void)fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_addresses_of_forks(void **state)
{
	enum { FORKS = 10 };
	(void)state;
	struct store *forks[FORKS];
	size_t before = addresses();
	for (unsigned i = 0; i < FORKS; i++)
		forks[i] = open_fork(NULL, 0);
	assert_true(addresses() - before < FORKS * ((size_t)5 << 30));
	for (unsigned i = 0; i < FORKS; i++)
		store_abandon(forks[i]);
	assert_true(addresses() - before < (size_t)1 << 30);
}

/* A key that is longer than any store puts (LMDB takes some more bytes, and a damaged page says anything) is damage: nothing has room for it. */
static void test_fork_of_long_keys(void **state)
{
	(void)state;
	struct error failure = {.code = LL_OK};
	struct store_options options = {.directory = scratch, .fork = true, .failure = &failure};
	struct environment_options written = {.directory = scratch};
	struct visit visit = {.left = 10};
	struct environment *environment;
	struct environment_txn *txn;
	uint8_t key[STORE_KEY_BYTES_MAX + 5] = {1};
	uint64_t position;
	unsigned database;
	struct slice stored;
	struct store *store = open_store(&position, 0, 0);
	store_put(store, ORDERED, SLICE("a"), SLICE("1"));
	store_mark_block(store, SLICE("12345678"));
	assert_ok(store_close(store, &problem));
	for (unsigned table = ORDERED; table <= APPEND; table++) {
		assert_ok(environment_open(&written, &environment, &problem));
		assert_ok(environment_database(environment, tables[table].name, false, &database, &problem));
		assert_ok(environment_txn_begin(environment, true, &txn, &problem));
		assert_ok(environment_put(txn, database, slice_of(key, sizeof key), SLICE("2"), false, &problem));
		assert_ok(environment_txn_commit(txn, &problem));
		environment_close(environment);
		if (table == APPEND) {
			assert_int_equal(store_open(&spec, &options, &store, &stored, &problem), LL_CORRUPT);
			assert_non_null(strstr(problem.text, "a key of 505 bytes"));
			return;
		}
		assert_ok(store_open(&spec, &options, &store, &stored, &problem));
		free((void *)stored.at);
		store_scan(store, table, SLICE_EMPTY, SLICE_EMPTY, false, false, visit_row, &visit);
		assert_int_equal(failure.code, LL_CORRUPT);
		store_abandon(store);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_layers, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_overlay_is_never_written, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_value_may_overlap, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_eviction, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_fill, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_positions, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_random_operations, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_map_grows, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_kill, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_failed_flush, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_refusals, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_snapshots, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_forks, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_fork_tells_failures, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_addresses_of_forks, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_fork_of_long_keys, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
