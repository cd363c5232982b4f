/* A generation of an earlier layout beside one that was folded anew from the same journal: projections/certify/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/data/catch_up.h"
#include "projections/certify/earlier.h"
#include "projections/certify/rows.h"
#include "tests/unit/scratch.h"

/* What the last program of block format 1 left: seats in layout 1 (tests/e2e/old_directory.py). */
#define UNPACK "tar -xJf tests/vectors/directory-1/directory.tar.xz -C "

static int unpack(void **state)
{
	char command[256];
	if (scratch_make(state) != 0)
		return -1;
	snprintf(command, sizeof command, UNPACK "%s", scratch);
	return system(command); /* NOLINT(cert-env33-c): a text of our own */
}

/* Folds its journal anew: one directory for each projection under the scratch directory. */
static void fold_anew(void)
{
	static char paths[PROJECTIONS_COUNT][128];
	char url[128];
	struct ledger_options options = {.create = true, .clean_bytes_max = 1 << 20};
	const struct catch_up how = {.end = UINT64_MAX};
	struct journal *journal;
	struct ledger *ledger;
	struct error error;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		snprintf(paths[id], sizeof paths[id], "%s/new-%u", scratch, id);
		options.directories[id] = paths[id];
	}
	snprintf(url, sizeof url, "local:%s/data/journal", scratch);
	if (journal_open(url, &(struct journal_options){0}, &journal, &error) != LL_OK ||
	    ledger_open(&options, &ledger, NULL, &error) != LL_OK ||
	    catch_up(journal, ledger, &how, NULL, &error) != LL_OK || ledger_close(ledger, &error) != LL_OK)
		fail_msg("%s", error.text);
	journal_close(journal);
}

static void open_one(struct earlier *one, enum projection_id id, const char *directory)
{
	char path[256];
	struct error error;
	snprintf(path, sizeof path, "%s/%s", scratch, directory);
	if (earlier_open(one, id, path, &error) != LL_OK || snapshot_pin(one->snapshot, &error) != LL_OK)
		fail_msg("%s", error.text);
}

struct comparison {
	enum table_id table;
	struct earlier *old, *new;
	unsigned rows, changed;
};

static bool compare(void *context, struct slice key, struct slice value)
{
	struct comparison *comparison = context;
	struct row_difference found;
	struct slice other;
	enum table_id table = comparison->table;
	assert_true(snapshot_get(comparison->new->snapshot, earlier_table(comparison->new, table), key, &other));
	if (!row_equal_but_declared(table, comparison->old->version, value, other, &found))
		fail_msg("table %s: %s differs", table_places[table].name,
			 found.field ? found.field->name : found.failed);
	comparison->rows++;
	comparison->changed += !slice_equal(value, other);
	return true;
}

static void compare_tables(struct earlier *old, struct earlier *new, enum projection_id id,
			   struct comparison *comparison)
{
	const struct projection_layout *layout = &projection_layouts[id];
	*comparison = (struct comparison){.old = old, .new = new};
	for (unsigned i = 0; i < layout->table_count; i++) {
		enum table_id table = comparison->table = layout->first_table + i;
		if (table_is_new(table, old->version))
			continue;
		assert_int_equal(snapshot_rows(old->snapshot, earlier_table(old, table)),
				 snapshot_rows(new->snapshot, earlier_table(new, table)));
		snapshot_scan(old->snapshot, earlier_table(old, table), SLICE_EMPTY, SLICE_EMPTY, false, compare,
			      comparison);
	}
}

/* A real directory of layout 1 equals what is folded today but for what the layout declares, in every table. */
static void test_declared(void **state)
{
	struct earlier old, new;
	struct comparison seats, balances;
	(void)state;
	fold_anew();
	open_one(&old, PROJECTION_SEATS, "data/projections/seats/gen-000001");
	open_one(&new, PROJECTION_SEATS, "new-1");
	assert_int_equal(old.version, 1);
	assert_int_equal(new.version, 2);
	compare_tables(&old, &new, PROJECTION_SEATS, &seats);
	assert_true(seats.rows > 15);
	assert_int_equal(seats.changed, 2); /* both schedules */
	earlier_close(&old);
	earlier_close(&new);
	open_one(&old, PROJECTION_BALANCES, "data/projections/balances/gen-000001");
	open_one(&new, PROJECTION_BALANCES, "new-0");
	compare_tables(&old, &new, PROJECTION_BALANCES, &balances);
	assert_true(balances.rows > 9);
	assert_int_equal(balances.changed, 0);
	earlier_close(&old);
	earlier_close(&new);
}

/* Of another projection, or not there: an error, and nothing stays open. */
static void test_wrong(void **state)
{
	struct earlier earlier;
	struct error error;
	char path[256];
	(void)state;
	snprintf(path, sizeof path, "%s/data/projections/seats/gen-000001", scratch);
	assert_int_equal(earlier_open(&earlier, PROJECTION_QUEUE, path, &error), LL_FOREIGN);
	earlier_close(&earlier);
	snprintf(path, sizeof path, "%s/nowhere", scratch);
	assert_int_equal(earlier_open(&earlier, PROJECTION_SEATS, path, &error), LL_NOT_FOUND);
	assert_null(earlier.snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_declared, unpack, scratch_remove),
		cmocka_unit_test_setup_teardown(test_wrong, unpack, scratch_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
