/* Points: rules in their order of precedence, lots, holds, refunds, corrections, expiry, replies. */
#include "engine/decide/points.h"
#include "tests/unit/points_world.h"

#define DAY ((int64_t)86400000)
#define LARGEST ((int64_t)9007199254740991)

static int setup(void **state)
{
	*state = world_new();
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

/* ---- precedence ---- */

static void set_totals(struct world *world, int64_t charged, int64_t used, int64_t adjusted)
{
	struct totals_row totals;
	assert_true(totals_get(world->view, totals_key(0), &totals));
	totals.charged = charged;
	totals.used = used;
	totals.adjusted = adjusted;
	totals_put(world->view, totals_key(0), &totals);
}

static void given_registration(struct world *world)
{
	struct command command = policy_set();
	command.policy_set.change.registration_required = 1;
	run(world, command, 0);
}

static void given_balance_max(struct world *world)
{
	struct command command = policy_set();
	command.policy_set.change.balance_max = 2000;
	run(world, command, 0);
}

static void given_full_balance(struct world *world)
{
	run(world, adjust("ann", LARGEST), 0);
}

static void given_full_totals(struct world *world)
{
	set_totals(world, INT64_MAX - 10, INT64_MAX - 10, 0);
}

static void given_full_adjusted(struct world *world)
{
	set_totals(world, 0, 0, INT64_MAX - 10);
}

static void given_points_full_totals(struct world *world)
{
	run(world, charge("ann", 5000, SOURCE_PAID, NONE_TIME), 0);
	given_full_totals(world);
}

static void given_registered(struct world *world)
{
	run(world, user_register("ann"), 0);
}

static void given_points(struct world *world) /* entry 0: 5000 */
{
	run(world, charge("ann", 5000, SOURCE_PAID, NONE_TIME), 0);
}

static void given_use(struct world *world) /* entry 1: of 2000, 500 refunded */
{
	given_points(world);
	run(world, use("ann", 2000), 0);
	run(world, refund(1, 500), 0);
}

static void given_use_fully_refunded(struct world *world)
{
	given_use(world);
	run(world, refund(1, NONE_I64), 0);
}

static void given_use_of_payment(struct world *world)
{
	given_use(world);
	struct uses_row row;
	assert_true(uses_get(world->view, uses_key(1), &row));
	row.payment_id = 1;
	uses_put(world->view, uses_key(1), &row);
}

static void given_use_and_full_balance(struct world *world)
{
	given_use(world);
	run(world, adjust("ann", LARGEST - 3500), 0);
}

static void given_hold(struct world *world) /* entry 1: of 2000, for 60 s */
{
	given_points(world);
	run(world, hold("ann", 2000, 60), 0);
}

static void given_hold_full_totals(struct world *world)
{
	given_hold(world);
	given_full_totals(world);
}

static void given_hold_expired(struct world *world)
{
	given_hold(world);
	world->now += 60000;
}

static void given_hold_captured(struct world *world)
{
	given_hold(world);
	run(world, capture(1, 1500), 0);
}

static void given_hold_released(struct world *world)
{
	given_hold(world);
	run(world, release(1), 0);
}

struct precedence {
	const char *what;
	void (*given)(struct world *);
	struct command command;
	int code;
};

#define CHARGE(amount, source, expires_at)                                                                             \
	{                                                                                                              \
		COMMAND_POINTS_CHARGE, .points_charge = { SLICE("ann"), amount, source, expires_at }                   \
	}
#define USE(amount)                                                                                                    \
	{                                                                                                              \
		COMMAND_POINTS_USE, .points_use = { SLICE("ann"), amount, {0} }                                        \
	}
#define REFUND(id, amount)                                                                                             \
	{                                                                                                              \
		COMMAND_POINTS_REFUND, .points_refund = { id, amount }                                                 \
	}
#define HOLD(amount, seconds)                                                                                          \
	{                                                                                                              \
		COMMAND_POINTS_HOLD, .points_hold = { SLICE("ann"), amount, seconds }                                  \
	}
#define CAPTURE(id, amount)                                                                                            \
	{                                                                                                              \
		COMMAND_POINTS_CAPTURE, .points_capture = { id, amount }                                               \
	}
#define RELEASE(id)                                                                                                    \
	{                                                                                                              \
		COMMAND_POINTS_RELEASE, .points_release = { id }                                                       \
	}
#define ADJUST(amount, expires_at)                                                                                     \
	{                                                                                                              \
		COMMAND_POINTS_ADJUST, .points_adjust = {                                                              \
			SLICE("ann"),                                                                                  \
			amount,                                                                                        \
			SLICE("why"),                                                                                  \
			SLICE("who"),                                                                                  \
			SOURCE_PAID,                                                                                   \
			expires_at,                                                                                    \
			0                                                                                              \
		}                                                                                                      \
	}

static const struct precedence precedences[] = {
	{"charge: form before existence", given_registration, CHARGE(1, SOURCE_PAID, 5), CODE_VALIDATION_ERROR},
	{"charge: nothing", NULL, CHARGE(0, SOURCE_PAID, 0), CODE_VALIDATION_ERROR},
	{"charge: beyond what JSON holds", NULL, CHARGE(LARGEST + 1, SOURCE_PAID, 0), CODE_VALIDATION_ERROR},
	{"charge: existence before rules", given_registration, CHARGE(1, SOURCE_PAID, 0), CODE_USER_NOT_FOUND},
	{"charge: amount before balance", given_full_balance, CHARGE(1, SOURCE_PAID, 0), CODE_INVALID_AMOUNT},
	{"charge: below the least", NULL, CHARGE(999, SOURCE_PAID, 0), CODE_INVALID_AMOUNT},
	{"charge: the least", NULL, CHARGE(1000, SOURCE_PAID, 0), 0},
	{"charge: the least is not for bonus", NULL, CHARGE(1, SOURCE_BONUS, 0), 0},
	{"charge: the largest", NULL, CHARGE(1000000, SOURCE_PAID, 0), 0},
	{"charge: above the largest", NULL, CHARGE(1000001, SOURCE_BONUS, 0), CODE_INVALID_AMOUNT},
	{"charge: up to balanceMax", given_balance_max, CHARGE(2000, SOURCE_PAID, 0), 0},
	{"charge: above balanceMax", given_balance_max, CHARGE(2001, SOURCE_PAID, 0), CODE_BALANCE_LIMIT},
	{"charge: above any balance", given_full_balance, CHARGE(1000, SOURCE_PAID, 0), CODE_BALANCE_LIMIT},
	{"charge: the ledger last", given_full_totals, CHARGE(1000, SOURCE_PAID, 0), CODE_LEDGER_LIMIT},
	{"charge: the ledger's room is for all that came in", given_full_adjusted, CHARGE(1000, SOURCE_PAID, 0),
	 CODE_LEDGER_LIMIT},
	{"charge: registered", given_registered, CHARGE(1000, SOURCE_PAID, 0), 0},
	{"use: nothing", given_registration, USE(0), CODE_VALIDATION_ERROR},
	{"use: existence", given_registration, USE(1), CODE_USER_NOT_FOUND},
	{"use: by a user whom nobody named", NULL, USE(1), CODE_INSUFFICIENT_POINTS},
	{"use: all", given_points, USE(5000), 0},
	{"use: one more than all", given_points, USE(5001), CODE_INSUFFICIENT_POINTS},
	{"use: points before the ledger", given_points_full_totals, USE(5001), CODE_INSUFFICIENT_POINTS},
	{"use: the ledger", given_points_full_totals, USE(5000), CODE_LEDGER_LIMIT},
	{"use: what is held is not there", given_hold, USE(3001), CODE_INSUFFICIENT_POINTS},
	{"refund: no such use", NULL, REFUND(7, 1), CODE_USE_NOT_FOUND},
	{"refund: nothing, of no such use", NULL, REFUND(7, 0), CODE_VALIDATION_ERROR},
	{"refund: of a charge", given_points, REFUND(0, 1), CODE_USE_NOT_FOUND},
	{"refund: of a payment, too much", given_use_of_payment, REFUND(1, 9999), CODE_USE_BELONGS_TO_PAYMENT},
	{"refund: too much", given_use, REFUND(1, 1501), CODE_REFUND_EXCEEDS_USE},
	{"refund: too much before the balance", given_use_and_full_balance, REFUND(1, 1501), CODE_REFUND_EXCEEDS_USE},
	{"refund: above any balance", given_use_and_full_balance, REFUND(1, 1), CODE_BALANCE_LIMIT},
	{"refund: all that is left", given_use, REFUND(1, 1500), 0},
	{"refund: all that is left, unnamed", given_use, REFUND(1, NONE_I64), 0},
	{"refund: nothing is left", given_use_fully_refunded, REFUND(1, NONE_I64), CODE_REFUND_EXCEEDS_USE},
	{"hold: existence", given_registration, HOLD(1, 60), CODE_USER_NOT_FOUND},
	{"hold: no time", given_points, HOLD(1, 0), CODE_VALIDATION_ERROR},
	{"hold: too much", given_points, HOLD(5001, 60), CODE_INSUFFICIENT_POINTS},
	{"hold: all", given_points, HOLD(5000, 60), 0},
	{"hold: for as long as the policy says", given_points, HOLD(5000, NONE_U32), 0},
	{"capture: no such hold", NULL, CAPTURE(1, 1), CODE_HOLD_NOT_FOUND},
	{"capture: expired before too much", given_hold_expired, CAPTURE(1, 2001), CODE_HOLD_EXPIRED},
	{"capture: closed before too much", given_hold_captured, CAPTURE(1, 2001), CODE_HOLD_CLOSED},
	{"capture: released", given_hold_released, CAPTURE(1, 1), CODE_HOLD_CLOSED},
	{"capture: too much", given_hold, CAPTURE(1, 2001), CODE_CAPTURE_EXCEEDS_HOLD},
	{"capture: too much before the ledger", given_hold_full_totals, CAPTURE(1, 2001), CODE_CAPTURE_EXCEEDS_HOLD},
	{"capture: the ledger", given_hold_full_totals, CAPTURE(1, 2000), CODE_LEDGER_LIMIT},
	{"capture: a part", given_hold, CAPTURE(1, 1), 0},
	{"capture: all", given_hold, CAPTURE(1, NONE_I64), 0},
	{"release: no such hold", NULL, RELEASE(1), CODE_HOLD_NOT_FOUND},
	{"release: expired", given_hold_expired, RELEASE(1), CODE_HOLD_EXPIRED},
	{"release: captured", given_hold_captured, RELEASE(1), CODE_HOLD_CLOSED},
	{"release: open", given_hold, RELEASE(1), 0},
	{"adjust: nothing", given_registration, ADJUST(0, 0), CODE_VALIDATION_ERROR},
	{"adjust: a past expiry", given_registration, ADJUST(1, 5), CODE_VALIDATION_ERROR},
	{"adjust: existence", given_registration, ADJUST(1, 0), CODE_USER_NOT_FOUND},
	{"adjust: above any balance", given_full_balance, ADJUST(1, 0), CODE_BALANCE_LIMIT},
	{"adjust: not bound by balanceMax", given_balance_max, ADJUST(2001, 0), 0},
	{"adjust: the ledger", given_full_adjusted, ADJUST(11, 0), CODE_LEDGER_LIMIT},
	{"adjust: down into debt", given_points, ADJUST(-6000, 0), 0},
	{"register: twice",
	 given_registered,
	 {COMMAND_USER_REGISTER, .user_register = {SLICE("ann")}},
	 CODE_USER_EXISTS},
	{"register: who has points", given_points, {COMMAND_USER_REGISTER, .user_register = {SLICE("ann")}}, 0},
};

/* Each command is refused with the first code that applies, in the order of the contract. */
static void test_precedence(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof precedences / sizeof *precedences; i++) {
		struct world *world = world_new();
		const struct precedence *row = &precedences[i];
		if (row->given)
			row->given(world);
		int found = world_run(world, &row->command);
		if (found != row->code)
			fail_msg("%s: expected %s, found %s", row->what,
				 row->code ? code_info((uint16_t)row->code)->name : "accepted",
				 found ? code_info((uint16_t)found)->name : "accepted");
		world_free(world);
	}
}

/* ---- lots ---- */

static void expect_lots(struct world *world, const char *user, const int64_t *remaining, uint32_t count)
{
	struct accounts_row row = account(world, user);
	assert_int_equal(row.lots.count, count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(row.lots.at[i].remaining, remaining[i]);
}

/* The design's golden case: a refund gives back in the order of taking, and grants anew what had expired. */
static void test_golden_case(void **state)
{
	struct world *world = *state;
	run(world, charge("ann", 1000, SOURCE_PAID, world->now + DAY), 0);
	uint64_t b = run(world, charge("ann", 500, SOURCE_BONUS, world->now + 90 * DAY), 0);
	uint64_t used = run(world, use("ann", 1200), 0);
	assert_int_equal(world->entry.events[0].point_used.lots.count, 2);
	assert_int_equal(world->entry.events[0].point_used.lots.at[0].amount, 1000);
	world->now += 2 * DAY;
	run(world, refund(used, 1100), 0);
	const struct point_refunded *event = &world->entry.events[0].point_refunded;
	assert_int_equal(event->lots.at[0].new_lot_id, LOT_ID(world->seq - 1, 0));
	assert_int_equal(event->lots.at[0].expires_at,
			 world->now + DAY); /* its life was a day: shorter than the policy's */
	assert_int_equal(event->lots.at[1].lot_id, LOT_ID(b, 0));
	assert_int_equal(event->remaining_refundable, 100);
	assert_int_equal(balance(world, "ann"), 1400);
	expect_lots(world, "ann", (int64_t[]){1000, 400}, 2);
	run(world, refund(used, 101), CODE_REFUND_EXCEEDS_USE);
	run(world, refund(used, 100), 0);
	expect_lots(world, "ann", (int64_t[]){1000, 500}, 2);
}

/* A lot that is granted anew lives no longer than the policy allows. */
static void test_regrant_is_bounded(void **state)
{
	struct world *world = *state;
	run(world, charge("ann", 1000, SOURCE_PAID, world->now + 365 * DAY), 0);
	uint64_t used = run(world, use("ann", 1000), 0);
	world->now += 400 * DAY;
	run(world, refund(used, NONE_I64), 0);
	assert_int_equal(account(world, "ann").lots.at[0].expires_at, world->now + 30 * DAY);
	assert_int_equal(account(world, "ann").lots.at[0].duration_ms, 30 * DAY);
}

/* Under the policy "expire" what comes back to an expired lot expires by the same entry. */
static void test_refund_expires(void **state)
{
	struct world *world = *state;
	struct command policy = policy_set();
	policy.policy_set.change.refund_expired_lot = REFUND_EXPIRED_LOT_EXPIRE;
	run(world, policy, 0);
	run(world, charge("ann", 1000, SOURCE_PAID, world->now + DAY), 0);
	run(world, charge("ann", 1000, SOURCE_PAID, NONE_TIME), 0);
	uint64_t used = run(world, use("ann", 1500), 0);
	world->now += DAY; /* due is what expires now */
	run(world, refund(used, 1200), 0);
	assert_int_equal(world->entry.event_count, 2);
	assert_int_equal(world->entry.events[1].point_expired.amount, 1000);
	assert_int_equal(balance(world, "ann"), 700);
	struct totals_row totals;
	assert_true(totals_get(world->view, totals_key(0), &totals));
	assert_int_equal(totals.refunded, 1200);
	assert_int_equal(totals.expired, 1000);
}

/* Lots are spent by expiry, then bonus before paid, then oldest, however many there are and in whatever order they
 * came. */
static void test_order_beyond_the_row(void **state)
{
	struct world *world = *state;
	enum { LOTS = 40 };
	for (int i = 0; i < LOTS; i++) {
		int mixed = (i * 17) % LOTS;
		int64_t expires_at = mixed < 10 ? NONE_TIME : world->now + (1 + mixed / 2) * DAY;
		run(world,
		    charge("ann", 1000 + mixed, mixed % 2 ? SOURCE_BONUS : SOURCE_PAID,
			   mixed < 10 && mixed % 2 ? world->now + 300 * DAY : expires_at),
		    0);
	}
	struct accounts_row row = account(world, "ann");
	assert_int_equal(row.lots.count, 8);
	assert_int_equal(row.more_lots, LOTS - 8);
	int64_t all = row.lots_total;
	run(world, use("ann", all), 0);
	const struct taken_list *taken = &world->entry.events[0].point_used.lots;
	assert_int_equal(taken->count, LOTS);
	struct uses_row use_row;
	assert_true(uses_get(world->view, uses_key(world->seq - 1), &use_row));
	for (uint32_t i = 1; i < LOTS; i++) {
		const struct use_lot *a = &use_row.lots.at[i - 1], *b = &use_row.lots.at[i];
		uint64_t a_end = a->expires_at ? (uint64_t)a->expires_at : UINT64_MAX;
		uint64_t b_end = b->expires_at ? (uint64_t)b->expires_at : UINT64_MAX;
		assert_true(a_end <= b_end);
		if (a_end == b_end)
			assert_true(a->source > b->source || (a->source == b->source && a->lot_id < b->lot_id));
	}
	assert_int_equal(account(world, "ann").more_lots, 0);
	assert_int_equal(balance(world, "ann"), 0);
	run(world, refund(world->seq - 1, NONE_I64), 0);
	assert_int_equal(balance(world, "ann"), all);
	assert_int_equal(account(world, "ann").more_lots, LOTS - 8);
}

static bool count_row(void *context, struct slice key, struct slice value)
{
	(void)key, (void)value;
	++*(int *)context;
	return true;
}

static int rows_of(struct world *world, enum table_id table)
{
	int count = 0;
	view_scan(world->view, table, SLICE_EMPTY, SLICE_EMPTY, false, count_row, &count);
	return count;
}

/* Lots expire when their time has come, by the sweeper in bounded entries or before a command; nothing due stays
 * behind. */
static void test_expiry(void **state)
{
	struct world *world = *state;
	for (int i = 0; i < 1200; i++)
		run(world, charge("ann", 1000, SOURCE_BONUS, world->now + DAY + i), 0);
	run(world, charge("ann", 1000, SOURCE_PAID, NONE_TIME), 0);
	run(world, charge("bob", 1000, SOURCE_PAID, world->now + DAY), 0);
	assert_int_equal(due_points_when(world->view, world->now), world->now + DAY);
	assert_int_equal(world_sweep(world), 0);
	world->now += DAY + 99;
	assert_int_equal(world_sweep(world), 2);
	assert_int_equal(balance(world, "ann"), 1101000);
	assert_int_equal(balance(world, "bob"), 0);
	assert_int_equal(rows_of(world, BALANCES_LOT_DUE), 1100);
	world->now += DAY;
	run(world, use("ann", 1001), CODE_INSUFFICIENT_POINTS);
	assert_int_equal(world->entries_before, 11); /* 1100 lots in steps of 100 */
	assert_int_equal(balance(world, "ann"), 1000);
	assert_int_equal(rows_of(world, BALANCES_LOT_DUE), 0);
	assert_int_equal(due_points_when(world->view, world->now), 0);
}

/* Decides and folds two refunds of one user as one entry, as a step of a cancellation does. */
static void refund_two_at_once(struct world *world, uint64_t first, int64_t amount, uint64_t second)
{
	struct policy policy;
	struct error error = {0};
	struct decide_context context = world_context(world, &policy);
	world->decision = (struct decision){0};
	points_plan_refund(&context, first, amount, NONE_I64, NONE_U64, &world->decision);
	points_plan_refund(&context, second, 1000, NONE_I64, NONE_U64, &world->decision);
	if (world_commit(world, NULL, 1, &error) != LL_OK)
		fail_msg("%s", error.text);
}

/* Several refunds of one entry stand on one another: balances, debt, and the numbers of new lots. */
static void test_refunds_of_one_entry(void **state)
{
	struct world *world = *state;
	run(world, charge("ann", 2000, SOURCE_PAID, world->now + DAY), 0);
	uint64_t first = run(world, use("ann", 1000), 0);
	uint64_t second = run(world, use("ann", 1000), 0);
	run(world, adjust("ann", -600), 0);
	world->now += 2 * DAY;
	refund_two_at_once(world, first, 500, second);
	assert_int_equal(balance(world, "ann"), 900);
	assert_int_equal(account(world, "ann").lots.count, 1); /* 500 of the first repaid debt, and 100 of the second */
	assert_int_equal(account(world, "ann").lots.at[0].remaining, 900);
	run(world, charge("bob", 2000, SOURCE_PAID, world->now + DAY), 0);
	first = run(world, use("bob", 1000), 0);
	second = run(world, use("bob", 1000), 0);
	world->now += 2 * DAY;
	refund_two_at_once(world, first, 500, second);
	expect_lots(world, "bob", (int64_t[]){500, 1000}, 2); /* both opened by this entry */
}

/* What comes back only to expire may stand behind many lots that are due but not yet expired: also beyond the row. */
static void test_expiry_behind_what_is_due(void **state)
{
	struct world *world = *state;
	struct command policy = policy_set();
	policy.policy_set.change.refund_expired_lot = REFUND_EXPIRED_LOT_EXPIRE;
	run(world, policy, 0);
	run(world, charge("ann", 2000, SOURCE_PAID, world->now + DAY), 0);
	uint64_t first = run(world, use("ann", 1000), 0);
	uint64_t second = run(world, use("ann", 1000), 0);
	for (int i = 0; i < 30; i++)
		run(world, charge("ann", 1000, SOURCE_PAID, world->now + 1000 + i), 0);
	world->now += DAY; /* and nobody has swept */
	refund_two_at_once(world, first, 1000, second);
	assert_int_equal(world->entry.event_count, 4);
	assert_int_equal(balance(world, "ann"), 30000);
	assert_int_equal(world_sweep(world), 1);
	assert_int_equal(balance(world, "ann"), 0);
}

/* ---- holds ---- */

/* A partial capture keeps what was taken first; the rest goes back as a refund would. */
static void test_capture_in_part(void **state)
{
	struct world *world = *state;
	run(world, charge("ann", 1000, SOURCE_PAID, world->now + DAY), 0);
	run(world, charge("ann", 1000, SOURCE_PAID, NONE_TIME), 0);
	uint64_t held = run(world, hold("ann", 1500, 600), 0);
	assert_int_equal(balance(world, "ann"), 2000);
	assert_int_equal(account(world, "ann").held, 1500);
	run(world, capture(held, 1200), 0);
	struct accounts_row row = account(world, "ann");
	assert_int_equal(row.held, 0);
	assert_int_equal(row.lots_total, 800);
	assert_int_equal(row.open_holds, 0);
	assert_int_equal(row.next_hold_due, NONE_TIME);
	assert_int_equal(world->entry.event_count, 2);
	assert_int_equal(world->entry.events[0].point_used.lots.at[0].amount, 1000);
	assert_int_equal(world->entry.events[0].point_used.lots.at[1].amount, 200);
	run(world, refund(held + 1, 1100), 0); /* the use that the capture made */
	assert_int_equal(balance(world, "ann"), 1900);
}

/* A hold that nobody captures comes back at its time; its lots that have expired meanwhile are granted anew. */
static void test_hold_expires(void **state)
{
	struct world *world = *state;
	run(world, charge("ann", 1000, SOURCE_PAID, world->now + 60000), 0);
	run(world, hold("ann", 300, 120), 0);
	uint64_t held = run(world, hold("ann", 700, 90), 0);
	assert_int_equal(due_points_when(world->view, world->now), world->now + 90000);
	world->now += 100000;
	assert_int_equal(world_sweep(world), 1);
	run(world, capture(held, NONE_I64), CODE_HOLD_EXPIRED);
	assert_int_equal(account(world, "ann").lots_total, 700);
	assert_int_equal(account(world, "ann").next_hold_due, world->now + 20000);
	world->now += 20000;
	run(world, use("ann", 1000), 0);
	assert_int_equal(world->entries_before, 1);
	assert_int_equal(rows_of(world, BALANCES_ACCOUNT_HOLDS) + rows_of(world, BALANCES_POINT_HOLD_DUE), 0);
}

/* ---- debt ---- */

/* Debt arises beyond the lots, and whatever comes in repays it first: charges, refunds, released holds, corrections. */
static void test_debt(void **state)
{
	struct world *world = *state;
	run(world, charge("ann", 5000, SOURCE_PAID, NONE_TIME), 0);
	uint64_t used = run(world, use("ann", 1000), 0);
	uint64_t held = run(world, hold("ann", 1000, 60), 0);
	run(world, adjust("ann", -8000), 0); /* 3000 of lots, 5000 of debt */
	assert_int_equal(account(world, "ann").debt, 5000);
	assert_int_equal(balance(world, "ann"), -4000);
	run(world, use("ann", 1), CODE_INSUFFICIENT_POINTS);
	run(world, refund(used, NONE_I64), 0);
	assert_int_equal(account(world, "ann").debt, 4000);
	run(world, capture(held, 400), 0); /* 600 come back */
	assert_int_equal(account(world, "ann").debt, 3400);
	assert_int_equal(balance(world, "ann"), -3400);
	run(world, charge("ann", 1400, SOURCE_PAID, NONE_TIME), 0);
	assert_int_equal(world->entry.events[0].point_charged.lot_id, NONE_U64);
	run(world, adjust("ann", 2500), 0);
	assert_int_equal(account(world, "ann").debt, 0);
	assert_int_equal(account(world, "ann").lots.at[0].amount, 2500);
	assert_int_equal(account(world, "ann").lots.at[0].remaining, 500);
	assert_int_equal(balance(world, "ann"), 500);
}

/* ---- policies ---- */

struct policy_case {
	const char *field; /* NULL: accepted */
	void (*change)(struct policy_change *);
};

static void none(struct policy_change *c)
{
	(void)c;
}
static void hold_zero(struct policy_change *c)
{
	c->hold_seconds = 0;
}
static void hold_one(struct policy_change *c)
{
	c->hold_seconds = 1;
}
static void hold_long(struct policy_change *c)
{
	c->hold_seconds = 86401;
}
static void min_above_max(struct policy_change *c)
{
	c->charge_min = 1000001;
}
static void max_below_min(struct policy_change *c)
{
	c->charge_max = 999;
}
static void both_moved(struct policy_change *c)
{
	c->charge_min = 5, c->charge_max = 5;
}
static void max_huge(struct policy_change *c)
{
	c->charge_max = LARGEST + 1;
}
static void no_zone(struct policy_change *c)
{
	c->time_zone = SLICE("Europe/Nowhere");
}
static void a_zone(struct policy_change *c)
{
	c->time_zone = SLICE("Europe/Berlin");
}
static void queue_zero(struct policy_change *c)
{
	c->queue_active_max = 0;
}
static void regrant_zero(struct policy_change *c)
{
	c->regrant_expires_seconds = 0;
}
static void negative_expiry(struct policy_change *c)
{
	c->bonus_expires_seconds = UINT64_MAX - 5;
}
static struct refund_step rising[] = {{1, 50}, {3, 80}}, falling[] = {{3, 80}, {0, 0}}, too_much[] = {{3, 101}};
static void table_rising(struct policy_change *c)
{
	c->refund_table = (struct refund_step_list){rising, 2};
}
static void table_falling(struct policy_change *c)
{
	c->refund_table = (struct refund_step_list){falling, 2};
}
static void table_too_much(struct policy_change *c)
{
	c->refund_table = (struct refund_step_list){too_much, 1};
}

static const struct policy_case policy_cases[] = {
	{"policy", none},
	{"holdSeconds", hold_zero},
	{NULL, hold_one},
	{"holdSeconds", hold_long},
	{"chargeMin", min_above_max},
	{"chargeMax", max_below_min},
	{NULL, both_moved},
	{"chargeMax", max_huge},
	{"timeZone", no_zone},
	{NULL, a_zone},
	{"queueActiveMax", queue_zero},
	{"regrantExpiresSeconds", regrant_zero},
	{"bonusExpiresSeconds", negative_expiry},
	{"refundTable", table_rising},
	{NULL, table_falling},
	{"refundTable", table_too_much},
};

/* Each rule is checked by itself and named when it is out of range; a version is made only when all is well. */
static void test_policies(void **state)
{
	struct world *world = *state;
	uint32_t version = 1;
	for (size_t i = 0; i < sizeof policy_cases / sizeof *policy_cases; i++) {
		struct command command = policy_set();
		struct policy policy;
		uint32_t found;
		policy_cases[i].change(&command.policy_set.change);
		run(world, command, policy_cases[i].field ? CODE_VALIDATION_ERROR : 0);
		if (policy_cases[i].field)
			assert_string_equal(world->decision.field, policy_cases[i].field);
		else
			version++;
		assert_true(read_policy(world->view, &policy, &found));
		assert_int_equal(found, version);
		struct command back = policy_set(); /* to the limits that the next case expects */
		back.policy_set.change.charge_min = 1000;
		back.policy_set.change.charge_max = 1000000;
		run(world, back, 0);
		version++;
	}
}

/* ---- poison ---- */

struct tampering {
	const char *what;
	void (*tamper)(struct event *);
};

static void other_balance(struct event *e)
{
	e->point_used.balance_after++;
}
static void other_available(struct event *e)
{
	e->point_used.available_after--;
}
static void unknown_lot(struct event *e)
{
	e->point_used.lots.at[0].lot_id++;
}
static void too_much_of_a_lot(struct event *e)
{
	e->point_used.lots.at[0].amount = 5001, e->point_used.amount = 5001;
}
static void other_sum(struct event *e)
{
	e->point_used.amount++;
}
static void other_user(struct event *e)
{
	e->point_used.user_id = SLICE("bob");
}
static void no_lots(struct event *e)
{
	e->point_used.lots.count = 0;
}
static void no_hold(struct event *e)
{
	e->point_used.hold_id = 77;
}

static const struct tampering tamperings[] = {
	{"another balance", other_balance},
	{"another rest", other_available},
	{"an unknown lot", unknown_lot},
	{"more than the lot has", too_much_of_a_lot},
	{"lots that do not sum up", other_sum},
	{"another user", other_user},
	{"no lots", no_lots},
	{"a hold that is not there", no_hold},
};

/* An event that contradicts the state is poison, whatever it contradicts it in. */
static void test_poison(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof tamperings / sizeof *tamperings; i++) {
		struct world *world = world_new();
		struct policy policy;
		struct error error = {0};
		given_points(world);
		struct command command = use("ann", 2000);
		struct decide_context context = world_context(world, &policy);
		decide(&context, &command, &world->decision);
		tamperings[i].tamper(&world->decision.events[0]);
		if (world_commit(world, &command, 1, &error) != LL_POISON)
			fail_msg("%s was folded", tamperings[i].what);
		assert_true(strlen(error.text) > 10);
		world_free(world);
	}
}

/* ---- replies and reads ---- */

static void expect_reply(struct world *world, int status, const char *json)
{
	struct buffer out = {0};
	struct json_writer writer;
	json_writer_init(&writer, &out, false);
	assert_int_equal(reply_render(&world->entry, &writer), status);
	char *found = strndup((const char *)out.at, out.size);
	assert_string_equal(found, json);
	free(found);
	buffer_release(&out);
}

static void expect_balance(struct world *world, const char *user, const char *json)
{
	struct buffer out = {0};
	struct json_writer writer;
	json_writer_init(&writer, &out, false);
	assert_int_equal(read_balance(world->view, text(user), &writer), 0);
	char *found = strndup((const char *)out.at, out.size);
	assert_string_equal(found, json);
	free(found);
	buffer_release(&out);
}

/* Replies have exactly the contract's fields. */
static void test_replies(void **state)
{
	struct world *world = *state;
	run(world, user_register("ann"), 0);
	expect_reply(world, 201, "{\"userId\":\"ann\",\"registeredAt\":\"2026-01-01T00:00:00.000Z\"}");
	run(world, charge("ann", 5000, SOURCE_PAID, NONE_TIME), 0);
	expect_reply(world, 200,
		     "{\"userId\":\"ann\",\"balance\":5000,\"chargedAmount\":5000,\"lotId\":\"lot-1\","
		     "\"lastUpdated\":\"2026-01-01T00:00:00.000Z\"}");
	run(world, use("ann", 1000), 0);
	expect_reply(world, 200,
		     "{\"useId\":\"use-2\",\"userId\":\"ann\",\"balance\":4000,\"usedAmount\":1000,"
		     "\"lots\":[{\"lotId\":\"lot-1\",\"amount\":1000}],\"lastUpdated\":\"2026-01-01T00:00:00.000Z\"}");
	run(world, refund(2, 400), 0);
	expect_reply(world, 200,
		     "{\"userId\":\"ann\",\"balance\":4400,\"refundedAmount\":400,\"remainingRefundable\":600}");
	run(world, hold("ann", 500, 60), 0);
	expect_reply(world, 201,
		     "{\"holdId\":\"hold-4\",\"userId\":\"ann\",\"amount\":500,\"status\":\"HELD\",\"balance\":4400,"
		     "\"available\":3900,\"expiresAt\":\"2026-01-01T00:01:00.000Z\"}");
	expect_balance(
		world, "ann",
		"{\"userId\":\"ann\",\"balance\":4400,\"held\":500,\"debt\":0,\"available\":3900,\"lots\":["
		"{\"lotId\":\"lot-1\",\"source\":\"paid\",\"amount\":5000,\"remaining\":3900,\"expiresAt\":null}],"
		"\"lastUpdated\":\"2026-01-01T00:00:00.000Z\"}");
	run(world, capture(4, 200), 0);
	expect_reply(world, 200,
		     "{\"holdId\":\"hold-4\",\"useId\":\"use-5\",\"userId\":\"ann\",\"capturedAmount\":200,"
		     "\"releasedAmount\":300,\"status\":\"CAPTURED\",\"balance\":4200,\"available\":4200}");
	run(world, hold("ann", 500, 60), 0);
	run(world, release(6), 0);
	expect_reply(world, 200,
		     "{\"holdId\":\"hold-6\",\"userId\":\"ann\",\"releasedAmount\":500,\"status\":\"RELEASED\","
		     "\"balance\":4200,\"available\":4200}");
	run(world, adjust("ann", -200), 0);
	expect_reply(world, 200,
		     "{\"adjustmentId\":\"adjustment-8\",\"userId\":\"ann\",\"amount\":-200,\"balance\":4000,"
		     "\"available\":4000,\"debt\":0,\"lotId\":null}");
	run(world, use("ann", 9000), CODE_INSUFFICIENT_POINTS);
	expect_reply(world, 402,
		     "{\"code\":\"INSUFFICIENT_POINTS\",\"message\":\"There are not enough points.\","
		     "\"details\":{\"balance\":4000,\"available\":4000,\"required\":9000}}");
	run(world, capture(4, NONE_I64), CODE_HOLD_CLOSED);
	expect_reply(world, 409,
		     "{\"code\":\"HOLD_CLOSED\",\"message\":\"The hold was captured or released already.\","
		     "\"details\":{\"holdId\":\"hold-4\",\"status\":\"CAPTURED\"}}");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_precedence),
		TEST(test_golden_case),
		TEST(test_regrant_is_bounded),
		TEST(test_refund_expires),
		TEST(test_order_beyond_the_row),
		TEST(test_expiry),
		TEST(test_refunds_of_one_entry),
		TEST(test_expiry_behind_what_is_due),
		TEST(test_capture_in_part),
		TEST(test_hold_expires),
		TEST(test_debt),
		TEST(test_policies),
		cmocka_unit_test(test_poison),
		TEST(test_replies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
