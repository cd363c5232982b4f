/*
 * Random commands about points, with what must hold after every entry. Prints its seed; LEDGERLINE_SEED repeats one.
 */
#include "tests/unit/points_world.h"

#include <time.h>

#include "projections/balances/lots.h"

enum { USERS = 5, COMMANDS = 6000, WORLDS = 4 };

static const char *const users[USERS] = {"ann", "bob", "ann2", "d", "e-e"};

struct random {
	uint64_t state;
};

static uint64_t next(struct random *random)
{
	random->state ^= random->state << 13;
	random->state ^= random->state >> 7;
	random->state ^= random->state << 17;
	return random->state * UINT64_C(2685821657736338717);
}

static uint64_t below(struct random *random, uint64_t bound)
{
	return (next(random) >> 11) % bound;
}

/* ---- what must hold ---- */

struct checking {
	struct world *world;
	struct lot last;
	uint32_t lots;
	int64_t sum;
	uint32_t expiring;
	int64_t held;
	uint32_t holds;
	int64_t first_due;
	const char *user;
};

static bool check_lot(void *context, const struct lot *lot)
{
	struct checking *c = context;
	assert_true(lot->remaining > 0 && lot->remaining <= lot->amount);
	assert_int_equal(lot->expires_at == NONE_TIME, lot->duration_ms == NONE_U64);
	if (c->lots)
		assert_true(lot_compare(&c->last, lot) < 0);
	if (lot->expires_at != NONE_TIME) {
		struct lot_due_row due;
		assert_true(lot_due_get(c->world->view, lot_due_key(lot->expires_at, lot->lot_id), &due));
		assert_true(slice_equal(due.user_id, text(c->user)));
		c->expiring++;
	}
	c->last = *lot;
	c->lots++;
	c->sum += lot->remaining;
	return true;
}

static bool check_hold(void *context, struct slice key, struct slice value)
{
	struct checking *c = context;
	struct account_holds_key parts;
	struct account_holds_row row;
	struct point_holds_row hold;
	assert_true(account_holds_key_read(key, &parts) && account_holds_read(c->world->view, key, value, &row));
	assert_true(point_holds_get(c->world->view, point_holds_key(parts.hold_id), &hold));
	assert_int_equal(hold.status, HOLD_STATUS_HELD);
	assert_int_equal(hold.expires_at, row.expires_at);
	if (c->first_due == NONE_TIME || row.expires_at < c->first_due)
		c->first_due = row.expires_at;
	c->held += hold.amount;
	c->holds++;
	return true;
}

static bool count_row(void *context, struct slice key, struct slice value)
{
	(void)key, (void)value;
	++*(uint32_t *)context;
	return true;
}

static uint32_t rows_of(struct world *world, enum table_id table)
{
	uint32_t count = 0;
	view_scan(world->view, table, SLICE_EMPTY, SLICE_EMPTY, false, count_row, &count);
	return count;
}

/* Adds the account's sums to those over all. */
static void check_account(struct world *world, const char *user, struct totals_row *sums, uint32_t *expiring,
			  uint32_t *holds)
{
	struct accounts_row row;
	if (!accounts_get(world->view, accounts_key(text(user)), &row))
		return;
	struct checking c = {.world = world, .user = user};
	lots_visit(world->view, text(user), &row, check_lot, &c);
	struct key prefix = {.size = 0};
	key_add_id(&prefix, text(user), false);
	view_scan_prefix(world->view, BALANCES_ACCOUNT_HOLDS, key_slice(&prefix), false, check_hold, &c);
	assert_int_equal(c.lots, row.lots.count + row.more_lots);
	assert_true(row.more_lots == 0 || row.lots.count > 0);
	assert_int_equal(c.sum, row.lots_total);
	assert_int_equal(c.held, row.held);
	assert_int_equal(c.holds, row.open_holds);
	assert_int_equal(c.first_due, row.next_hold_due);
	assert_true(row.debt >= 0 && (row.debt == 0 || row.lots_total == 0));
	sums->balances += row.lots_total + row.held - row.debt;
	sums->held += row.held;
	sums->debt += row.debt;
	sums->accounts++;
	*expiring += c.expiring;
	*holds += c.holds;
}

static void check_all(struct world *world)
{
	struct totals_row sums = {0}, totals;
	uint32_t expiring = 0, holds = 0;
	for (int i = 0; i < USERS; i++)
		check_account(world, users[i], &sums, &expiring, &holds);
	assert_true(totals_get(world->view, totals_key(0), &totals));
	assert_int_equal(totals.charged - totals.used + totals.refunded - totals.expired + totals.adjusted,
			 totals.balances);
	assert_int_equal(totals.balances, sums.balances);
	assert_int_equal(totals.held, sums.held);
	assert_int_equal(totals.debt, sums.debt);
	assert_int_equal(totals.accounts, sums.accounts);
	assert_int_equal(totals.accepted + totals.refused + totals.system, world->seq);
	assert_int_equal(rows_of(world, BALANCES_LOT_DUE), expiring);
	assert_int_equal(rows_of(world, BALANCES_ACCOUNT_HOLDS), holds);
	assert_int_equal(rows_of(world, BALANCES_POINT_HOLD_DUE), holds);
}

/* The entry names the command that it came from, and its hash is that command's. */
static void check_command(struct world *world, const struct command *command)
{
	struct command again;
	uint8_t bytes[4096], bytes_again[4096];
	assert_true(command_of_entry(&world->entry, &world->arena, &again));
	struct packer p = packer_over(bytes, sizeof bytes), q = packer_over(bytes_again, sizeof bytes_again);
	command_encode(&p, command);
	command_encode(&q, &again);
	assert_int_equal(p.at - bytes, q.at - bytes_again);
	assert_memory_equal(bytes, bytes_again, (size_t)(p.at - bytes));
	struct short_hash hash = short_hash_of(slice_of(bytes_again, (size_t)(q.at - bytes_again)));
	assert_true(slice_equal(short_hash_slice(&hash), world->entry.head.command_hash));
}

/* ---- random commands ---- */

static struct command random_policy(struct random *random)
{
	struct command command = policy_set();
	struct policy_change *change = &command.policy_set.change;
	change->refund_expired_lot = 1 + (uint8_t)below(random, 2);
	change->regrant_expires_seconds = 1 + below(random, 5000);
	change->point_hold_seconds = 1 + (uint32_t)below(random, 600);
	change->bonus_expires_seconds = below(random, 3) * 1000;
	change->paid_expires_seconds = below(random, 3) * 500;
	return command;
}

static struct command random_adjust(struct random *random, const char *user)
{
	struct command command = adjust(user, (int64_t)below(random, 8000) - 4500);
	command.points_adjust.source = 1 + (uint8_t)below(random, 2);
	command.points_adjust.effective_at = (int64_t)below(random, 2) * 5;
	return command;
}

static struct command random_command(struct random *random, struct world *world)
{
	const char *user = users[below(random, USERS)];
	uint64_t earlier = world->seq > 40 ? world->seq - 1 - below(random, 40) : below(random, world->seq + 1);
	int64_t part = below(random, 3) ? (int64_t)below(random, 1500) + 1 : NONE_I64;
	switch (below(random, 16)) {
	case 0:
	case 1:
	case 2:
	case 3:
		return charge(user, 1000 + (int64_t)below(random, 1000), 1 + (uint8_t)below(random, 2),
			      below(random, 2) ? NONE_TIME : world->now + 1 + (int64_t)below(random, 400000));
	case 4:
	case 5:
	case 6: {
		struct command command = use(user, 1 + (int64_t)below(random, 4000));
		if (below(random, 2))
			command.points_use.reference = text("order 7");
		return command;
	}
	case 7:
	case 8: return refund(earlier, part);
	case 9:
	case 10:
		return hold(user, 1 + (int64_t)below(random, 3000),
			    below(random, 2) ? NONE_U32 : 1 + (uint32_t)below(random, 300));
	case 11: return capture(earlier, part);
	case 12: return release(earlier);
	case 13: return random_adjust(random, user);
	case 14: return user_register(user);
	default: return below(random, 4) ? use(user, 1 + (int64_t)below(random, 20000)) : random_policy(random);
	}
}

/* ---- the journal folds to the same rows ---- */

struct comparing {
	struct view *other;
	enum table_id table;
	uint32_t rows;
};

static bool compare_row(void *context, struct slice key, struct slice value)
{
	struct comparing *c = context;
	struct slice found;
	assert_true(view_get(c->other, c->table, key, &found));
	assert_true(slice_equal(value, found));
	c->rows++;
	return true;
}

static void check_replay(struct world *world)
{
	struct layer *layer = layer_new(NULL, &world->rows);
	struct view *view = layer_view(layer);
	world_genesis(view);
	for (uint64_t seq = 0; seq < world->seq; seq++) {
		arena_reset(&world->rows);
		arena_reset(&world->arena);
		world_decode(world, seq);
		assert_int_equal(projection_balances.apply(view, &world->entry, NULL), LL_OK);
	}
	for (enum table_id table = BALANCES_ACCOUNTS; table <= BALANCES_TOTALS; table++) {
		struct comparing c = {view, table, 0};
		view_scan(world->view, table, SLICE_EMPTY, SLICE_EMPTY, false, compare_row, &c);
		uint32_t count = 0;
		view_scan(view, table, SLICE_EMPTY, SLICE_EMPTY, false, count_row, &count);
		assert_int_equal(c.rows, count);
	}
	layer_free(layer);
}

/* Whatever is asked in whatever order: sums, orders, totals and due rows agree after every entry, entries name their
 * commands, and the journal folds again to the same bytes. */
static void test_random(void **state)
{
	(void)state;
	const char *given = getenv("LEDGERLINE_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	print_message("LEDGERLINE_SEED=%llu\n", (unsigned long long)seed);
	for (unsigned w = 0; w < WORLDS; w++) {
		struct world *world = world_new();
		struct random random = {seed * 1000 + w + 1};
		unsigned decided[2] = {0};
		for (unsigned i = 0; i < COMMANDS; i++) {
			world->now += (int64_t)below(&random, 20) ? (int64_t)below(&random, 3000)
								  : (int64_t)below(&random, 300000);
			struct command command = random_command(&random, world);
			int code = world_run(world, &command);
			if (code == 0 || code_is_refusal((uint16_t)code)) {
				decided[code != 0]++;
				check_command(world, &command);
			}
			check_all(world);
			if (below(&random, 50) == 0) {
				world_sweep(world);
				check_all(world);
			}
		}
		assert_true(decided[0] > COMMANDS / 4 && decided[1] > COMMANDS / 50);
		check_replay(world);
		world_free(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
