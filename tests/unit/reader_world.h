/*
 * A data directory that a test writes as an engine would, and readers of it.
 *
 * Stores and readers are in one process, where they share environments. A test that wants another process forks before it makes
 * its directory, or opens readers anew in the child.
 */
#ifndef LEDGERLINE_READER_WORLD_H
#define LEDGERLINE_READER_WORLD_H

#include "tests/unit/fold_fixture.h"

#include <ftw.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "projections/reader/ledgerline.h"
#include "projections/store/generation.h"
#include "projections/views/snapshot_view.h"
#include "projections/views/specs.h"

/* A data directory with stores that a test writes, as an engine would. */
struct data {
	char root[64];
	struct store *stores[PROJECTIONS_COUNT];
	size_t map_bytes; /* of stores that are opened from now on */
	struct view live;
	struct arena arena;
};

static inline int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
	(void)info, (void)type, (void)walk;
	return remove(path);
}

static inline struct store *open_generation(struct data *data, unsigned id)
{
	struct error error;
	struct slice position;
	struct store *store;
	unsigned number;
	char folder[256], path[GENERATION_PATH_MAX];
	snprintf(folder, sizeof folder, "%s/projections/%s", data->root, projection_layouts[id].name);
	assert_int_equal(generation_make(folder, path, &number, &error), LL_OK);
	struct store_options options = {.directory = path, .create = true, .map_bytes = data->map_bytes};
	if (store_open(projection_spec(id), &options, &store, &position, &error) != LL_OK)
		fail_msg("%s", error.text);
	assert_int_equal(generation_adopt(folder, number, &error), LL_OK);
	free((void *)position.at);
	return store;
}

static inline void data_init(struct data *data)
{
	char projections_path[128];
	memset(data, 0, sizeof *data);
	data->map_bytes = 64 << 20;
	snprintf(data->root, sizeof data->root, "/tmp/test_reader.XXXXXX");
	assert_non_null(mkdtemp(data->root));
	snprintf(projections_path, sizeof projections_path, "%s/projections", data->root);
	assert_int_equal(mkdir(projections_path, 0777), 0);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		data->stores[id] = open_generation(data, id);
	data->live = (struct view){.stores = data->stores, .arena = &data->arena};
}

static inline void data_release(struct data *data)
{
	struct error error;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		assert_int_equal(store_close(data->stores[id], &error), LL_OK);
	arena_release(&data->arena);
	nftw(data->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void flush_one(struct data *data, unsigned id, uint64_t entries)
{
	struct error error;
	struct fold fold = {.begun = true,
			    .next_offset = entries + 2,
			    .next_seq = entries,
			    .epoch = 1,
			    .time = INT64_C(1772355600000),
			    .ledger = {0xaa}};
	uint8_t room[POSITION_BYTES_MAX];
	memcpy(fold.journal_kind, "memory", 7);
	store_mark_block(data->stores[id], fold_to_position(&fold, room));
	assert_true(store_freeze(data->stores[id]));
	assert_int_equal(store_wait_flushed(data->stores[id], &error), LL_OK);
}

static inline void flush(struct data *data, uint64_t entries)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		flush_one(data, id, entries);
}

static inline void put_balance(struct data *data, const char *user_id, int64_t amount)
{
	struct lot lot = {.lot_id = LOT_ID(1, 0),
			  .source = SOURCE_PAID,
			  .amount = amount + 5,
			  .remaining = amount,
			  .duration_ms = NONE_U64};
	struct accounts_row row = {
		.updated_at = 77, .lots_total = amount + 30, .held = 10, .debt = 0, .more_lots = 1, .lots = {&lot, 1}};
	struct lots_row further = {.source = SOURCE_BONUS, .amount = 40, .remaining = 30, .duration_ms = NONE_U64};
	accounts_put(&data->live, accounts_key(slice_text(user_id)), &row);
	lots_put(&data->live, lots_key(slice_text(user_id), NONE_TIME, 1, LOT_ID(2, 1)), &further);
}

static inline struct ll_reader *open_reader(struct data *data)
{
	struct ll_reader *reader;
	char message[LL_MESSAGE_SIZE];
	if (ll_open(data->root, &reader, message) != LL_DONE)
		fail_msg("%s", message);
	assert_string_equal(message, "");
	return reader;
}

#endif
