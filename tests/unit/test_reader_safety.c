/* libledgerline where it could go wrong: what is unsafe is refused, swaps are followed, maps grow, processes die and fork. */
#include "tests/unit/reader_world.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/wait.h>

#include "projections/store/environment.h"
#include "projections/store/guard.h"

static struct error problem;

static void close_stores(struct data *data)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		assert_int_equal(store_close(data->stores[id], &problem), LL_OK);
		data->stores[id] = NULL;
	}
}

static void balances_path(const struct data *data, char path[GENERATION_PATH_MAX])
{
	char folder[256];
	snprintf(folder, sizeof folder, "%s/projections/balances", data->root);
	assert_int_equal(generation_current(folder, path, NULL, &problem), LL_OK);
}

/* ---- what is unsafe ---- */

static void put_meta(const struct data *data, const char *key, const char *value)
{
	char path[GENERATION_PATH_MAX];
	struct environment *environment;
	struct environment_txn *txn;
	unsigned database;
	balances_path(data, path);
	struct environment_options options = {.directory = path};
	assert_int_equal(environment_open(&options, &environment, &problem), LL_OK);
	assert_int_equal(environment_database(environment, "meta", true, &database, &problem), LL_OK);
	assert_int_equal(environment_txn_begin(environment, true, &txn, &problem), LL_OK);
	assert_int_equal(environment_put(txn, database, slice_text(key), slice_text(value), false, &problem), LL_OK);
	assert_int_equal(environment_txn_commit(txn, &problem), LL_OK);
	environment_close(environment);
}

static void layout_newer(const struct data *data)
{
	put_meta(data, "layout", "2");
}

static void schema_newer(const struct data *data)
{
	put_meta(data, "schema_version", "99");
}

static void schema_older(const struct data *data)
{
	put_meta(data, "schema_version", "0");
}

static void another_projection(const struct data *data)
{
	put_meta(data, "projection", "seats");
}

static void half_built(const struct data *data)
{
	put_meta(data, "building", "yes");
}

static void write_guard(const struct data *data, const char *text)
{
	char path[GENERATION_PATH_MAX], file[GENERATION_PATH_MAX + 8];
	balances_path(data, path);
	snprintf(file, sizeof file, "%s/guard", path);
	FILE *stream = fopen(file, "w");
	assert_non_null(stream);
	fputs(text, stream);
	fclose(stream);
}

static void another_boot(const struct data *data)
{
	write_guard(data, "ledgerline guard 1\nstate running\nboot 0\ndirectory 1:1 1\n");
}

static void broken_guard(const struct data *data)
{
	write_guard(data, "nothing of the kind");
}

static void remove_file(const struct data *data, const char *name)
{
	char path[GENERATION_PATH_MAX], file[GENERATION_PATH_MAX + 16];
	balances_path(data, path);
	snprintf(file, sizeof file, "%s/%s", path, name);
	assert_int_equal(unlink(file), 0);
}

static void no_guard(const struct data *data)
{
	remove_file(data, "guard");
}

static void no_file(const struct data *data)
{
	remove_file(data, "data.mdb");
}

static void not_lmdb(const struct data *data)
{
	char path[GENERATION_PATH_MAX], file[GENERATION_PATH_MAX + 16];
	balances_path(data, path);
	snprintf(file, sizeof file, "%s/data.mdb", path);
	FILE *stream = fopen(file, "w");
	assert_non_null(stream);
	for (int i = 0; i < 16384; i++)
		fputc('x', stream);
	fclose(stream);
}

static void point_current_at(const struct data *data, const char *name)
{
	char link[256];
	snprintf(link, sizeof link, "%s/projections/balances/current", data->root);
	assert_int_equal(unlink(link), 0);
	if (name)
		assert_int_equal(symlink(name, link), 0);
}

static void no_current(const struct data *data)
{
	point_current_at(data, NULL);
}

static void current_elsewhere(const struct data *data)
{
	point_current_at(data, "../../..");
}

static void current_dangling(const struct data *data)
{
	point_current_at(data, "gen-000077");
}

/* Each is refused when it is opened, and by a reader that was open before when it pins; the sentence names it. */
static void unsafe_is_refused(void **state)
{
	(void)state;
	static const struct {
		void (*spoil)(const struct data *);
		enum ll_result result;
		const char *text;
	} cases[] = {
		{layout_newer, LL_REBUILD, "store layout 2"},
		{schema_newer, LL_REBUILD, "schema version 99, made by a newer version"},
		{schema_older, LL_REBUILD, "schema version 0"},
		{another_projection, LL_DAMAGED, "holds the projection seats, not balances"},
		{half_built, LL_REBUILD, "is half built"},
		{another_boot, LL_REBUILD, "the machine stopped before this was synced"},
		{broken_guard, LL_REBUILD, "cannot be understood"},
		{no_guard, LL_REBUILD, "has no guard file"},
		{no_file, LL_NO_LEDGER, "data.mdb"},
		{not_lmdb, LL_DAMAGED, "cannot open the LMDB environment"},
		{no_current, LL_NO_LEDGER, "has no current generation"},
		{current_elsewhere, LL_DAMAGED, "which is no generation"},
		{current_dangling, LL_NO_LEDGER, "there is no projection"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct data data;
		struct ll_reader *reader;
		char message[LL_MESSAGE_SIZE];
		data_init(&data);
		flush(&data, 3);
		close_stores(&data);
		cases[i].spoil(&data);
		assert_int_equal(ll_open(data.root, &reader, message), cases[i].result);
		assert_non_null(strstr(message, cases[i].text));
		assert_non_null(strstr(message, "projection balances"));
		data_release(&data);
	}
}

/* A generation that takes another's place is looked at like the first one, and the next pin looks anew. */
static void a_newer_one_that_is_unsafe(void **state)
{
	(void)state;
	struct data data;
	char path[GENERATION_PATH_MAX];
	struct ll_position position;
	data_init(&data);
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(store_close(data.stores[0], &problem), LL_OK);
	data.stores[0] = open_generation(&data, 0);
	flush_one(&data, 0, 3);
	assert_int_equal(store_close(data.stores[0], &problem), LL_OK);
	data.stores[0] = NULL;
	another_boot(&data);
	assert_int_equal(ll_pin(reader), LL_REBUILD);
	assert_int_equal(ll_read_position(reader, &position), LL_MISUSED);
	balances_path(&data, path);
	assert_int_equal(guard_write(path, GUARD_CLEAN, &problem), LL_OK);
	assert_int_equal(ll_pin(reader), LL_DONE);
	ll_close(reader);
	data_release(&data);
}

/* A row that cannot be decoded fails the call that reads it, with its key, and no other one. */
static void a_damaged_row(void **state)
{
	(void)state;
	struct data data;
	struct ll_balance balance;
	data_init(&data);
	put_balance(&data, "ann", 100);
	view_put(&data.live, BALANCES_ACCOUNTS, SLICE("bob"), SLICE("\xc1"));
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_read_balance(reader, "bob", &balance), LL_DAMAGED);
	assert_non_null(strstr(ll_message(reader), "table accounts: the row with key 626f62 cannot be decoded"));
	assert_int_equal(ll_read_balance(reader, "ann", &balance), LL_DONE);
	assert_int_equal(ll_read_balance(reader, "cid", &balance), LL_ABSENT);
	ll_close(reader);
	data_release(&data);
}

/* ---- swaps ---- */

/* Somebody who opens a new generation gets it, also while another reader of the process still has one that was deleted: a
 * file system gives numbers of deleted directories to new ones. A reader follows whatever put another one in its place. */
static void generations_come_and_go(void **state)
{
	(void)state;
	struct data data;
	struct ll_balance balance;
	char folder[256];
	data_init(&data);
	put_balance(&data, "ann", 100);
	flush(&data, 3);
	struct ll_reader *late = open_reader(&data), *steady = open_reader(&data);
	assert_int_equal(ll_pin(late), LL_DONE);
	snprintf(folder, sizeof folder, "%s/projections/balances", data.root);
	for (unsigned swap = 0; swap < 8; swap++) {
		assert_int_equal(store_close(data.stores[0], &problem), LL_OK);
		data.stores[0] = open_generation(&data, 0);
		put_balance(&data, "ann", 1000 + swap);
		flush_one(&data, 0, 3);
		assert_int_equal(generation_delete(folder, swap + 1, &problem), LL_OK);
		struct ll_reader *fresh = open_reader(&data);
		struct ll_reader *both[] = {fresh, steady};
		for (int i = 0; i < 2; i++) {
			assert_int_equal(ll_pin(both[i]), LL_DONE);
			assert_int_equal(ll_read_balance(both[i], "ann", &balance), LL_DONE);
			assert_int_equal(balance.balance, 1040 + swap);
		}
		ll_close(fresh);
		assert_int_equal(ll_read_balance(late, "ann", &balance), LL_DONE);
		assert_int_equal(balance.balance, 140);
	}
	assert_int_equal(ll_pin(late), LL_DONE);
	assert_int_equal(ll_read_balance(late, "ann", &balance), LL_DONE);
	assert_int_equal(balance.balance, 1047);
	ll_close(steady);
	ll_close(late);
	data_release(&data);
}

/* A directory that was emptied and built anew has a first generation again, which is not the one that was. */
static void the_same_name_again(void **state)
{
	(void)state;
	struct data data;
	struct ll_balance balance;
	char path[GENERATION_PATH_MAX];
	data_init(&data);
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(store_close(data.stores[0], &problem), LL_OK);
	balances_path(&data, path);
	assert_non_null(strstr(path, "gen-000001"));
	snprintf(path, sizeof path, "%s/projections/balances", data.root);
	assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	assert_int_equal(ll_pin(reader), LL_NO_LEDGER);
	data.stores[0] = open_generation(&data, 0);
	balances_path(&data, path);
	assert_non_null(strstr(path, "gen-000001"));
	put_balance(&data, "ann", 500);
	flush_one(&data, 0, 3);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_read_balance(reader, "ann", &balance), LL_DONE);
	assert_int_equal(balance.balance, 540);
	ll_close(reader);
	data_release(&data);
}

static struct data *swapped; /* whose balances are swapped once more; NULL: they were */

static int swap_while_it_is_opened(const char *call)
{
	char folder[256];
	struct data *data = swapped;
	if (!data || strcmp(call, "mdb_env_create") != 0)
		return 0;
	swapped = NULL;
	snprintf(folder, sizeof folder, "%s/projections/balances", data->root);
	assert_int_equal(generation_adopt(folder, 3, &problem), LL_OK);
	assert_int_equal(generation_delete(folder, 2, &problem), LL_OK);
	return 0;
}

/* The generation whose name was read is replaced and deleted before it is open: the next one is opened, and nobody is told. */
static void a_swap_while_one_is_opened(void **state)
{
	(void)state;
	struct data data;
	struct ll_balance balance;
	char folder[256];
	data_init(&data);
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	for (int64_t generation = 2; generation <= 3; generation++) {
		assert_int_equal(store_close(data.stores[0], &problem), LL_OK);
		data.stores[0] = open_generation(&data, 0);
		put_balance(&data, "ann", generation);
		flush_one(&data, 0, 3);
	}
	assert_int_equal(store_close(data.stores[0], &problem), LL_OK);
	data.stores[0] = NULL;
	snprintf(folder, sizeof folder, "%s/projections/balances", data.root);
	assert_int_equal(generation_adopt(folder, 2, &problem), LL_OK);
	swapped = &data;
	environment_fault_set(swap_while_it_is_opened);
	enum ll_result pinned = ll_pin(reader);
	environment_fault_set(NULL);
	assert_null(swapped);
	assert_int_equal(pinned, LL_DONE);
	assert_int_equal(ll_read_balance(reader, "ann", &balance), LL_DONE);
	assert_int_equal(balance.balance, 43);
	ll_close(reader);
	data_release(&data);
}

/* ---- threads ---- */

enum { THREADS = 3, PLAYERS = 20, ROUNDS = 60, EACH = 1000 };

struct player {
	struct data *data;
	int *over; /* atomic */
	unsigned snapshots, wrong;
	uint64_t last_entries;
};

static int add_up(void *context, const struct ll_account *account)
{
	*(int64_t *)context += account->balance.balance;
	return 0;
}

static void look_once(struct player *player, struct ll_reader *reader)
{
	struct ll_totals totals;
	struct ll_position position;
	int64_t sum = 0;
	enum ll_result pinned = ll_pin(reader);
	if (pinned == LL_TRY_AGAIN)
		return;
	bool right = pinned == LL_DONE && ll_read_position(reader, &position) == LL_DONE &&
		     ll_read_totals(reader, &totals) == LL_DONE &&
		     ll_walk_accounts(reader, NULL, 0, add_up, &sum) == LL_DONE && sum == totals.balances &&
		     totals.account_count == position.entry_count && position.entry_count >= player->last_entries;
	if (right)
		player->last_entries = position.entry_count;
	player->wrong += !right;
	player->snapshots++;
	ll_unpin(reader);
}

static void *play(void *context)
{
	struct player *player = context;
	struct ll_reader *reader = open_reader(player->data);
	while (!__atomic_load_n(player->over, __ATOMIC_ACQUIRE))
		look_once(player, reader);
	look_once(player, reader);
	ll_close(reader);
	return NULL;
}

/* Moves points about: each account is another one than before, their sum and the number of the entry go with them. */
static void put_round(struct data *data, uint64_t round)
{
	int64_t sum = 0;
	char id[16];
	for (unsigned i = 0; i < PLAYERS; i++) {
		int64_t amount = (int64_t)(EACH + round * (i + 1));
		snprintf(id, sizeof id, "p%u", i);
		put_balance(data, id, amount);
		sum += amount + 40; /* as put_balance makes a balance */
	}
	totals_put(&data->live, totals_key(0), &(struct totals_row){.balances = sum, .accounts = round});
}

/* Threads with a reader each see sums that are right, while all is written on and generations are swapped under them. */
static void threads_beside_a_writer(void **state)
{
	(void)state;
	struct data data;
	struct player players[THREADS];
	pthread_t threads[THREADS];
	int over = 0;
	char folder[256];
	unsigned generation = 1;
	data_init(&data);
	put_round(&data, 1);
	flush(&data, 1);
	for (int i = 0; i < THREADS; i++) {
		players[i] = (struct player){.data = &data, .over = &over};
		assert_int_equal(pthread_create(&threads[i], NULL, play, &players[i]), 0);
	}
	snprintf(folder, sizeof folder, "%s/projections/balances", data.root);
	for (uint64_t round = 2; round <= ROUNDS; round++) {
		if (round % 5 == 0) { /* a rebuild: the next generation has the same rows, then takes its place */
			char path[GENERATION_PATH_MAX];
			struct slice position;
			struct store *old = data.stores[0];
			assert_int_equal(generation_make(folder, path, &generation, &problem), LL_OK);
			struct store_options options = {.directory = path, .create = true, .map_bytes = 64 << 20};
			assert_int_equal(store_open(projection_spec(0), &options, &data.stores[0], &position, &problem),
					 LL_OK);
			free((void *)position.at);
			put_round(&data, round - 1);
			flush_one(&data, 0, round - 1);
			assert_int_equal(generation_adopt(folder, generation, &problem), LL_OK);
			assert_int_equal(store_close(old, &problem), LL_OK);
			assert_int_equal(generation_delete(folder, generation - 1, &problem), LL_OK);
		}
		put_round(&data, round);
		flush(&data, round);
	}
	__atomic_store_n(&over, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(players[i].wrong, 0);
		assert_true(players[i].snapshots > 0);
		assert_int_equal(players[i].last_entries, ROUNDS);
	}
	data_release(&data);
}

/* ---- other processes ---- */

/* A process that does `work` when it is told to, and ends with what that says: 0 is well. Forked before anything is open. */
struct other {
	pid_t pid;
	int to[2], from[2];
};

static void hear(int descriptor)
{
	char byte;
	if (read(descriptor, &byte, 1) != 1)
		_exit(9);
}

static void say(int descriptor)
{
	if (write(descriptor, "x", 1) != 1)
		_exit(9);
}

static struct other fork_other(int (*work)(struct other *, const char *root), const char *root)
{
	struct other other;
	assert_int_equal(pipe(other.to), 0);
	assert_int_equal(pipe(other.from), 0);
	other.pid = fork();
	assert_true(other.pid >= 0);
	close(other.pid ? other.to[0] : other.to[1]);
	close(other.pid ? other.from[1] : other.from[0]);
	if (other.pid == 0) {
		hear(other.to[0]);
		_exit(work(&other, root));
	}
	return other;
}

static int end_other(struct other *other)
{
	int status;
	assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
	close(other->to[1]);
	close(other->from[0]);
	return status;
}

enum { GROWN_ACCOUNTS = 20000 };

static int count_account(void *context, const struct ll_account *account)
{
	(void)account;
	++*(unsigned *)context;
	return 0;
}

/* Reads before and after the map grew beyond what it mapped. */
static int read_growing(struct other *other, const char *root)
{
	struct ll_reader *reader;
	unsigned few = 0, all = 0;
	if (ll_open(root, &reader, NULL) != LL_DONE || ll_pin(reader) != LL_DONE ||
	    ll_walk_accounts(reader, NULL, 0, count_account, &few) != LL_DONE || few != 1)
		return 1;
	ll_unpin(reader);
	say(other->from[1]);
	hear(other->to[0]);
	if (ll_pin(reader) != LL_DONE)
		return 2;
	if (ll_walk_accounts(reader, NULL, 0, count_account, &all) != LL_DONE || all != 1 + GROWN_ACCOUNTS)
		return 3;
	ll_close(reader);
	return 0;
}

/* The file outgrows the map with which another process opened it: that follows. */
static void a_map_that_grows(void **state)
{
	(void)state;
	struct data data;
	struct store_statistics before, after;
	char root[] = "/tmp/test_reader.grow.XXXXXX", id[24];
	assert_non_null(mkdtemp(root)); /* its name is wanted before the fork */
	char link[64];
	snprintf(link, sizeof link, "%s/data", root);
	struct other other = fork_other(read_growing, link);
	data_init(&data);
	assert_int_equal(symlink(data.root, link), 0);
	assert_int_equal(store_close(data.stores[0], &problem), LL_OK);
	data.map_bytes = 256 << 10;
	data.stores[0] = open_generation(&data, 0);
	put_balance(&data, "ann", 100);
	flush(&data, 3);
	store_statistics(data.stores[0], &before);
	say(other.to[1]);
	hear(other.from[0]);
	for (unsigned i = 0; i < GROWN_ACCOUNTS; i++) {
		snprintf(id, sizeof id, "p%u", i);
		put_balance(&data, id, i);
	}
	flush(&data, 4);
	store_statistics(data.stores[0], &after);
	assert_true(after.map_bytes > before.map_bytes);
	say(other.to[1]);
	assert_int_equal(end_other(&other), 0);
	data_release(&data);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(root), 0);
}

static int map_has_grown(const char *call)
{
	if (strncmp(call, "mdb_txn_", 8) == 0)
		return -30785; /* MDB_MAP_RESIZED */
	return strcmp(call, "mdb_env_set_mapsize") == 0 ? ETIMEDOUT : 0;
}

/* A reader that cannot follow a map because another one of its process stays pinned may try again. */
static void a_map_that_is_kept(void **state)
{
	(void)state;
	struct data data;
	data_init(&data);
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	for (int i = 0; i < 2; i++) { /* the first pin begins a transaction, the next one renews it */
		environment_fault_set(map_has_grown);
		enum ll_result pinned = ll_pin(reader);
		environment_fault_set(NULL);
		assert_int_equal(pinned, LL_TRY_AGAIN);
		assert_non_null(strstr(ll_message(reader), "a reader of this process that stays pinned"));
		assert_int_equal(ll_pin(reader), LL_DONE);
	}
	ll_close(reader);
	data_release(&data);
}

static int pin_and_stay(struct other *other, const char *root)
{
	struct ll_reader *reader;
	if (ll_open(root, &reader, NULL) != LL_DONE || ll_pin(reader) != LL_DONE)
		return 1;
	say(other->from[1]);
	hear(other->to[0]);
	return 0; /* without closing: ends like a program that forgets to */
}

/* A process that stands still is told once it has for long, from the look that saw it behind; that it is gone is seen; killed
 * with -9 its slot is cleared. */
static void readers_that_stand_still(void **state)
{
	(void)state;
	struct data data;
	struct store_reader readers[4];
	struct store_statistics statistics;
	char root[] = "/tmp/test_reader.long.XXXXXX", link[64];
	assert_non_null(mkdtemp(root));
	snprintf(link, sizeof link, "%s/data", root);
	struct other other = fork_other(pin_and_stay, link);
	data_init(&data);
	assert_int_equal(symlink(data.root, link), 0);
	flush(&data, 3);
	struct store *store = data.stores[0];
	say(other.to[1]);
	hear(other.from[0]);
	store_look_at_readers(store, 1000);
	store_look_at_readers(store, 60000);
	assert_int_equal(store_long_readers(store, readers, 4), 0); /* it has the newest commit: it holds nothing */
	flush(&data, 4);
	flush(&data, 5);
	store_look_at_readers(store, 61000);
	assert_int_equal(store_long_readers(store, readers, 4), 0);
	store_look_at_readers(store, 61000 + STORE_READER_LONG_MS);
	assert_int_equal(store_long_readers(store, readers, 4), 1);
	assert_int_equal(readers[0].process, other.pid);
	assert_int_equal(readers[0].held_ms, STORE_READER_LONG_MS);
	assert_int_equal(readers[0].commits_behind, 2);
	assert_true(readers[0].is_new);
	store_look_at_readers(store, 67000);
	assert_int_equal(store_long_readers(store, NULL, 0), 1);
	assert_int_equal(store_long_readers(store, readers, 4), 1);
	assert_false(readers[0].is_new);
	store_statistics(store, &statistics);
	assert_int_equal(statistics.readers_cleared, 0);
	assert_int_equal(kill(other.pid, SIGKILL), 0);
	assert_int_equal(end_other(&other), SIGKILL);
	store_look_at_readers(store, 68000);
	assert_int_equal(store_long_readers(store, readers, 4), 0);
	store_statistics(store, &statistics);
	assert_int_equal(statistics.readers_cleared, 1);
	data_release(&data);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(root), 0);
}

/* A child opens its own reader while its parent has one, and does not get its parent's environment: its slot is its own. */
static void a_child_opens_its_own(void **state)
{
	(void)state;
	struct data data;
	struct store_reader readers[4];
	data_init(&data);
	put_balance(&data, "ann", 100);
	flush(&data, 3);
	close_stores(&data);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	struct other other = fork_other(pin_and_stay, data.root);
	say(other.to[1]);
	hear(other.from[0]);
	ll_close(reader);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		char path[GENERATION_PATH_MAX], folder[256];
		struct slice position;
		snprintf(folder, sizeof folder, "%s/projections/%s", data.root, projection_layouts[id].name);
		assert_int_equal(generation_current(folder, path, NULL, &problem), LL_OK);
		struct store_options options = {.directory = path};
		assert_int_equal(store_open(projection_spec(id), &options, &data.stores[id], &position, &problem),
				 LL_OK);
		free((void *)position.at);
	}
	flush(&data, 4);
	store_look_at_readers(data.stores[0], 1000);
	store_look_at_readers(data.stores[0], 1000 + STORE_READER_LONG_MS);
	assert_int_equal(store_long_readers(data.stores[0], readers, 4), 1);
	assert_int_equal(readers[0].process, other.pid);
	say(other.to[1]);
	assert_int_equal(end_other(&other), 0);
	data_release(&data);
}

/* ---- rights ---- */

/* Who is in the files' group may read, whatever the umask was; others are told what they lack. As root only. */
static void rights_of_the_group(void **state)
{
	(void)state;
	enum { GROUP = 54321, SOMEBODY = 54322 };
	struct data data;
	struct {
		gid_t group;
		enum ll_result result;
	} cases[] = {{GROUP, LL_DONE}, {SOMEBODY, LL_NO_RIGHTS}};
	if (geteuid() != 0)
		skip();
	mode_t before = umask(027);
	data_init(&data);
	umask(before);
	flush(&data, 3);
	close_stores(&data);
	char command[160];
	snprintf(command, sizeof command, "chgrp -R %d %s && chmod 0750 %s", GROUP, data.root, data.root);
	assert_int_equal(system(command), 0); /* NOLINT: a test's own directory */
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		pid_t child = fork();
		if (child == 0) {
			struct ll_reader *reader;
			if (setgroups(0, NULL) != 0 || setgid(cases[i].group) != 0 || setuid(SOMEBODY) != 0)
				_exit(9);
			enum ll_result result = ll_open(data.root, &reader, NULL);
			if (result == LL_DONE)
				result = ll_pin(reader);
			_exit((int)result);
		}
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), cases[i].result);
	}
	data_release(&data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_that_grows), /* those that fork come first: there is no thread yet */
		cmocka_unit_test(readers_that_stand_still),
		cmocka_unit_test(a_child_opens_its_own),
		cmocka_unit_test(a_map_that_is_kept),
		cmocka_unit_test(rights_of_the_group),
		cmocka_unit_test(unsafe_is_refused),
		cmocka_unit_test(a_newer_one_that_is_unsafe),
		cmocka_unit_test(a_damaged_row),
		cmocka_unit_test(generations_come_and_go),
		cmocka_unit_test(the_same_name_again),
		cmocka_unit_test(a_swap_while_one_is_opened),
		cmocka_unit_test(threads_beside_a_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
