/*
 * Entries held against the rules: what was decided is decided again to the same, and whatever is altered in an entry or in the state is found
 * and named.
 */
#include "engine/audit/recheck.h"

#include "projections/ledger/ledger.h"
#include "schemas/command_hash.h"
#include "tests/unit/points_world.h"

enum { BONUS = 0, REFUSED = 1, USED = 2, REFUNDED = 3, EXPIRED = 4, COMMANDS = 5 };

static struct view *view_of(void *context)
{
	return context;
}

/* A bonus is charged, a use is refused, one is accepted and taken back in part, and the lot expires. */
static struct world *make_world(void)
{
	struct world *world = world_new();
	struct command commands[] = {charge("kim", 5000, SOURCE_BONUS, world->now + 60000), use("kim", 9000),
				     use("kim", 2000), refund(2, 500)};
	int codes[] = {0, CODE_INSUFFICIENT_POINTS, 0, 0};
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		assert_int_equal(world_run(world, &commands[i]), codes[i]);
	world->now += 60000;
	assert_int_equal(world_sweep(world), 1);
	assert_int_equal(world->seq, COMMANDS);
	return world;
}

/* Folds the world's journal again, checking; `alter` (may be NULL) sees each entry before, `spoil` the state behind it. */
static void recheck_world(struct recheck *recheck, void (*alter)(struct entry *entry), uint64_t spoiled,
			  void (*spoil)(struct view *view))
{
	struct world *world = make_world();
	struct arena rows = {0}, arena = {0};
	struct layer *layer = layer_new(NULL, &rows);
	struct view *view = layer_view(layer);
	struct error error;
	recheck_init(recheck, view_of, view);
	recheck->decide = recheck->invariants = true;
	world_genesis(view);
	for (uint64_t seq = 0; seq < COMMANDS; seq++) {
		struct command command;
		struct short_hash hash;
		world_decode(world, seq);
		struct entry entry = world->entry;
		if (command_of_entry(&entry, &arena, &command)) {
			hash = command_hash(&command);
			entry.head.command_hash = short_hash_slice(&hash);
		}
		if (alter)
			alter(&entry);
		recheck_before(recheck, &entry);
		if (projection_balances.apply(view, &entry, &error) != LL_OK)
			break; /* what was altered contradicts what follows */
		if (spoil && seq == spoiled)
			spoil(view);
		recheck_after(recheck, &entry);
	}
	recheck_count(recheck);
	layer_free(layer);
	arena_release(&rows);
	arena_release(&arena);
	world_free(world);
}

static void expect(struct recheck *recheck, const char *words)
{
	if (!recheck->findings || !strstr(buffer_text(&recheck->words), words))
		fail_msg("no \"%s\" among %u findings:\n%s", words, (unsigned)recheck->findings,
			 buffer_text(&recheck->words));
	recheck_release(recheck);
}

/* Accepted, refused, and the engine's own: all are decided again to the same, and every law holds. */
static void test_all_is_well(void **state)
{
	struct recheck recheck;
	(void)state;
	recheck_world(&recheck, NULL, 0, NULL);
	if (recheck.findings)
		fail_msg("%s", buffer_text(&recheck.words));
	assert_int_equal(recheck.entries, COMMANDS);
	assert_int_equal(recheck.decided, COMMANDS);
	recheck_release(&recheck);
}

static void alter_expiry(struct entry *entry)
{
	if (entry->seq == BONUS)
		entry->events[0].point_charged.expires_at++;
}

static void alter_code(struct entry *entry)
{
	if (entry->seq == REFUSED)
		entry->code = CODE_BALANCE_LIMIT;
}

static void alter_fact(struct entry *entry)
{
	if (entry->seq == REFUSED)
		entry->facts.at[0].number++;
}

static void alter_policy(struct entry *entry)
{
	if (entry->seq == USED)
		entry->head.policy = 2;
}

static void alter_hash(struct entry *entry)
{
	if (entry->seq == USED)
		entry->head.command_hash = SLICE("0123456789abcdef");
}

static void alter_remaining(struct entry *entry)
{
	if (entry->seq == REFUNDED)
		entry->events[0].point_refunded.amount_given = 400;
}

/* The lot is ended a moment too early. */
static void alter_time(struct entry *entry)
{
	if (entry->seq == EXPIRED)
		entry->time--;
}

/* Each altered entry is named with what differs, and both values. */
static void test_altered(void **state)
{
	struct recheck recheck;
	(void)state;
	recheck_world(&recheck, alter_expiry, 0, NULL);
	expect(&recheck, "decide 0:0 (offset 0, command some-key): events[0].expiresAt: \"2026-01-01");
	recheck_world(&recheck, alter_code, 0, NULL);
	expect(&recheck, "decide 0:1 (offset 0, command some-key): code: \"BALANCE_LIMIT\" recorded, "
			 "\"INSUFFICIENT_POINTS\" decided now");
	recheck_world(&recheck, alter_fact, 0, NULL);
	expect(&recheck, "facts: {\"balance\":5001,");
	recheck_world(&recheck, alter_policy, 0, NULL);
	expect(&recheck, "policyVersion: 2 recorded, 1 decided now");
	recheck_world(&recheck, alter_hash, 0, NULL);
	expect(&recheck, "commandHash: \"30313233");
	recheck_world(&recheck, alter_remaining, 0, NULL);
	expect(&recheck, "decide 0:3");
	recheck_world(&recheck, alter_time, 0, NULL);
	expect(&recheck, "decide 0:4 (offset 0): outcome: \"system\" recorded, \"nothing was due\" decided now");
}

static void spoil_lots(struct view *view)
{
	struct accounts_row row;
	assert_true(accounts_get(view, accounts_key(text("kim")), &row));
	row.lots_total += 7;
	accounts_put(view, accounts_key(text("kim")), &row);
}

static void spoil_totals(struct view *view)
{
	struct totals_row row;
	assert_true(totals_get(view, totals_key(0), &row));
	row.used++;
	totals_put(view, totals_key(0), &row);
}

static void spoil_another(struct view *view)
{
	struct accounts_row row = {.lots_total = 5, .next_hold_due = NONE_TIME};
	accounts_put(view, accounts_key(text("lee")), &row);
}

/* A law that does not hold is found where the entry touched the state, and elsewhere by the count of everything. */
static void test_spoiled(void **state)
{
	struct recheck recheck;
	(void)state;
	recheck_world(&recheck, NULL, EXPIRED, spoil_lots);
	expect(&recheck, "invariants 0:4 (offset 0): sum of lots = lots_total of kim: 0 recorded, 7 is so");
	recheck_world(&recheck, NULL, EXPIRED, spoil_totals);
	expect(&recheck, "charged - used + refunded - expired + adjusted = balances");
	recheck_world(&recheck, NULL, EXPIRED, spoil_another);
	expect(&recheck, "sum of all lots: 5 recorded, 0 is so");
}

/* A fold that begins anew (an entry was annulled) is checked from the first one again: nothing stays of what was found. */
static void test_begins_anew(void **state)
{
	struct recheck recheck;
	struct world *world = make_world();
	(void)state;
	recheck_init(&recheck, view_of, world->view);
	recheck.decide = true;
	world_decode(world, USED);
	recheck_before(&recheck, &world->entry);
	assert_true(recheck.findings > 0);
	world_decode(world, BONUS);
	recheck_before(&recheck, &world->entry);
	assert_int_equal(recheck.entries, 1);
	assert_true(recheck.findings <= 1);
	recheck_release(&recheck);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_well),
		cmocka_unit_test(test_altered),
		cmocka_unit_test(test_spoiled),
		cmocka_unit_test(test_begins_anew),
	};
	return cmocka_run_group_tests_name("recheck", tests, NULL, NULL);
}
