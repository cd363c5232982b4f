/* The writer on the memory journal: every fault that an appender can have, and what the people who asked are told. */
#include "engine/api/command_json.h"
#include "tests/unit/writer_world.h"

static void assert_decided(const struct ask *ask)
{
	if (ask->answers != 1 || ask->kind != ANSWER_DECIDED)
		fail_msg("%s: %u answers, kind %d, code %s", ask->id, ask->answers, ask->kind,
			 code_info(ask->code) ? code_info(ask->code)->name : "-");
}

static void assert_rejected(const struct ask *ask, enum code code)
{
	assert_int_equal(ask->answers, 1);
	assert_int_equal(ask->kind, ANSWER_REJECTED);
	if (ask->code != code)
		fail_msg("%s was rejected with %s, not %s", ask->id, code_info(ask->code)->name,
			 code_info((uint16_t)code)->name);
}

/* ---- leading ---- */

/* A writer that is told to lead claims the journal, reads its claim back, and leads; before that nothing is taken. */
static void test_leads(void **state)
{
	(void)state;
	struct world *world = world_new(1);
	struct ask *early = world_ask(world, world->nodes[0], "early", "kim", 1000);
	assert_rejected(early, CODE_NOT_LEADER);
	writer_lead(world->nodes[0]->writer);
	world_until(world, world->nodes[0], WRITER_LEADING);
	assert_int_equal(ledger_fold_state(world->nodes[0]->ledger)->epoch, 1);
	struct ask *ask = world_ask(world, world->nodes[0], "a", "kim", 1000);
	assert_int_equal(ask->answers, 0);
	world_steps(world, 5);
	assert_decided(ask);
	assert_int_equal(ask->seq, 0);
	world_judge(world);
	world_free(world);
}

/* Commands that wait share a block, are decided in their order, and each sees what those before it did. */
static void test_group_commit(void **state)
{
	(void)state;
	struct world *world = world_leading(2);
	struct node *node = world->nodes[0];
	struct ask *charge = world_ask(world, node, "a", "kim", 1000), *use = world_ask(world, node, "b", "kim", -800),
		   *too_much = world_ask(world, node, "c", "kim", -800);
	world_steps(world, 5);
	assert_decided(charge);
	assert_decided(use);
	assert_decided(too_much);
	assert_int_equal(use->outcome, OUTCOME_ACCEPTED);
	assert_int_equal(too_much->outcome, OUTCOME_REFUSED);
	assert_int_equal(writer_statistics(node->writer)->own_blocks, 1);
	world_judge(world);
	world_free(world);
}

/* A repeated key gets the entry of then; with another body it is 422; both also within one block, and from a block that is
 * not in memory any more. */
static void test_repeated_keys(void **state)
{
	(void)state;
	struct world *world = world_leading(3);
	struct node *node = world->nodes[0];
	struct ask *first = world_ask(world, node, "a", "kim", 1000), *twin = world_ask(world, node, "a", "kim", 1000),
		   *other = world_ask(world, node, "a", "kim", 2000);
	world_steps(world, 8);
	assert_decided(first);
	assert_int_equal(twin->kind, ANSWER_HIT);
	assert_int_equal(twin->seq, first->seq);
	assert_rejected(other, CODE_IDEMPOTENCY_KEY_REUSED);
	for (unsigned i = 0; i < 200; i++) { /* pushes the block out of memory */
		char id[16];
		snprintf(id, sizeof id, "f%u", i);
		world_ask(world, node, id, "lee", 1000);
		world_steps(world, 3);
	}
	struct ask *late[3];
	for (unsigned i = 0; i < 3; i++)
		late[i] = world_ask(world, node, i == 2 ? "f1" : "a", i == 2 ? "lee" : "kim", 1000);
	world_steps(world, 10);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(late[i]->kind, ANSWER_HIT);
	assert_int_equal(late[1]->seq, first->seq);
	world_judge(world);
	world_free(world);
}

/* What is not there is a 404 without an entry, and its key stays free. */
static void test_rejection_leaves_the_key_free(void **state)
{
	(void)state;
	struct world *world = world_leading(4);
	struct node *node = world->nodes[0];
	struct ask *refund = world_refund(world, node, "r", 1);
	world_ask(world, node, "a", "kim", 1000);
	world_ask(world, node, "b", "kim", -500); /* becomes entry 1 */
	world_steps(world, 5);
	assert_rejected(refund, CODE_USE_NOT_FOUND);
	struct ask *again = world_refund(world, node, "r", 1);
	world_steps(world, 5);
	assert_decided(again);
	world_judge(world);
	world_free(world);
}

/* ---- chains and order ---- */

/* Of a chain nothing behind a rejected command is taken, in that block or later. */
static void test_chain(void **state)
{
	(void)state;
	struct world *world = world_leading(5);
	struct node *node = world->nodes[0];
	struct pending_chain chain = {0};
	struct ask *asks[4];
	enum code code;
	for (unsigned i = 0; i < 4; i++) {
		char id[8];
		snprintf(id, sizeof id, "c%u", i);
		asks[i] = world_new_ask(world, id);
		asks[i]->pending.chain = &chain;
		asks[i]->pending.command.type = i == 1 ? COMMAND_POINTS_REFUND : COMMAND_POINTS_CHARGE;
		if (i == 1)
			asks[i]->pending.command.points_refund = (struct points_refund){99, NONE_I64};
		else
			asks[i]->pending.command.points_charge =
				(struct points_charge){SLICE("kim"), 1000, SOURCE_PAID, NONE_TIME};
		if (i == 3)
			world_steps(world, 5);
		assert_int_equal(writer_submit(node->writer, &asks[i]->pending, &code), LL_OK);
	}
	struct ask *alone = world_ask(world, node, "alone", "lee", 1000);
	world_steps(world, 5);
	assert_decided(asks[0]);
	assert_rejected(asks[1], CODE_USE_NOT_FOUND);
	assert_rejected(asks[2], CODE_SKIPPED);
	assert_rejected(asks[3], CODE_SKIPPED);
	assert_decided(alone);
	world_judge(world);
	world_free(world);
}

/* When a block is lost, its commands are decided again in their order: what was rejected before something that would have
 * helped it is rejected again. */
static void test_order_is_kept_when_a_block_is_lost(void **state)
{
	(void)state;
	struct world *world = world_leading(6);
	struct node *node = world->nodes[0];
	memory_journal_fault(world->name, (struct memory_fault){.append = memory_journal_appends(world->name) + 1,
								.kind = MEMORY_FAIL});
	struct ask *a = world_ask(world, node, "a", "kim", 1000);
	struct ask *refund = world_refund(world, node, "r", 1);
	struct ask *b = world_ask(world, node, "b", "kim", -500);
	world_steps(world, 300);
	assert_decided(a);
	assert_decided(b);
	assert_int_equal(b->seq, 1);
	assert_rejected(refund, CODE_USE_NOT_FOUND);
	world_judge(world);
	world_free(world);
}

/* ---- faults ---- */

struct fault_case {
	const char *name;
	enum memory_fault_kind kind;
	unsigned amount;
	bool dies;
	uint64_t epoch; /* afterwards: 1 when the lead was never in doubt */
};

static const struct fault_case fault_cases[] = {
	{"fails", MEMORY_FAIL, 0, false, 2},
	{"fails and dies", MEMORY_FAIL, 0, true, 2},
	{"is late", MEMORY_DELAY, 20, false, 1},
	{"is too late: lands behind the next claim", MEMORY_DELAY, 400, false, 2},
	{"is reported late", MEMORY_DELAY_REPORT, 20, false, 1},
	{"lands twice", MEMORY_DUPLICATE, 1, false, 1},
	{"lands five times", MEMORY_DUPLICATE, 4, false, 1},
	{"lands behind the next one", MEMORY_REORDER, 1, false, 2},
	{"is lost without a word", MEMORY_LOSE, 0, false, 2},
	{"lands without a word", MEMORY_SILENT, 0, false, 2},
	{"is said to be written, and is not", MEMORY_LIE_WRITTEN, 0, false, 2},
	{"is said to have failed, and has not", MEMORY_LIE_FAILED, 0, false, 2},
	{"is said to have failed and died, and has not", MEMORY_LIE_FAILED, 0, true, 2},
	{"is said to stand elsewhere", MEMORY_WRONG_OFFSET, 3, false, 1},
};

/* Whatever becomes of one append of entries, each command is decided once, and the writer leads on. */
static void test_faults_of_entries(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof fault_cases / sizeof *fault_cases; i++) {
		const struct fault_case *c = &fault_cases[i];
		struct world *world = world_leading(100 + i);
		struct node *node = world->nodes[0];
		struct ask *asks[12];
		memory_journal_fault(world->name,
				     (struct memory_fault){.append = memory_journal_appends(world->name) + 2,
							   .kind = c->kind,
							   .amount = c->amount,
							   .dies = c->dies});
		for (unsigned k = 0; k < 12; k++) {
			char id[16];
			snprintf(id, sizeof id, "k%u", k);
			asks[k] = world_ask(world, node, id, k % 2 ? "kim" : "lee", k < 4 ? 1000 : -300);
			if (k % 3 == 2)
				world_steps(world, 2);
		}
		world_steps(world, 800);
		for (unsigned k = 0; k < 12; k++)
			if (asks[k]->answers != 1 || (asks[k]->kind != ANSWER_DECIDED && asks[k]->kind != ANSWER_HIT))
				fail_msg("a block that %s: %s: %u answers, kind %d, code %u\n%s", c->name, asks[k]->id,
					 asks[k]->answers, asks[k]->kind, asks[k]->code, node->said);
		if (ledger_fold_state(node->ledger)->epoch != c->epoch)
			fail_msg("a block that %s: epoch %llu", c->name,
				 (unsigned long long)ledger_fold_state(node->ledger)->epoch);
		assert_int_equal(writer_state(node->writer), WRITER_LEADING);
		world_judge(world);
		world_free(world);
	}
}

/* Whatever becomes of the append of a claim, the writer leads in the end. */
static void test_faults_of_claims(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof fault_cases / sizeof *fault_cases; i++) {
		const struct fault_case *c = &fault_cases[i];
		struct world *world = world_new(200 + i);
		struct node *node = world->nodes[0];
		memory_journal_fault(world->name,
				     (struct memory_fault){.append = memory_journal_appends(world->name) + 1,
							   .kind = c->kind,
							   .amount = c->amount,
							   .dies = c->dies});
		writer_lead(node->writer);
		world_until(world, node, WRITER_LEADING);
		struct ask *ask = world_ask(world, node, "a", "kim", 1000);
		world_steps(world, 800);
		assert_decided(ask);
		assert_int_equal(writer_state(node->writer), WRITER_LEADING);
		world_judge(world);
		world_free(world);
	}
}

/* A claim that was given up and lands before the next one has no appender behind it: the writer claims once more, and leads. */
static void test_abandoned_claim(void **state)
{
	(void)state;
	struct world *world = world_new(300);
	struct node *node = world->nodes[0];
	for (unsigned i = 0; i < 2; i++)
		memory_journal_fault(world->name,
				     (struct memory_fault){.append = memory_journal_appends(world->name) + 1 + i,
							   .kind = MEMORY_DELAY,
							   .amount = i ? 50 : 130});
	writer_lead(node->writer);
	world_until(world, node, WRITER_LEADING);
	assert_int_equal(ledger_fold_state(node->ledger)->epoch, 2);
	assert_int_equal(writer_statistics(node->writer)->claims, 3);
	assert_int_equal(node->states_seen & 1u << WRITER_FOLLOWING, 0);
	world_judge(world);
	world_free(world);
}

/* A full journal takes nothing, says so to whoever asked, is not asked a thousand times a second, and goes on when there is
 * room. */
static void test_full(void **state)
{
	(void)state;
	struct world *world = world_leading(7);
	struct node *node = world->nodes[0];
	uint64_t appends = memory_journal_appends(world->name);
	memory_journal_fault(
		world->name,
		(struct memory_fault){.append = appends + 1, .kind = MEMORY_FAIL, .code = LL_FULL, .for_ever = true});
	struct ask *a = world_ask(world, node, "a", "kim", 1000), *twin = world_ask(world, node, "a", "kim", 2000);
	world_steps(world, 5);
	assert_rejected(a, CODE_JOURNAL_UNAVAILABLE);
	assert_rejected(twin, CODE_JOURNAL_UNAVAILABLE); /* not 422: the key is still free */
	for (unsigned i = 0; i < 100; i++) {
		char id[16];
		snprintf(id, sizeof id, "b%u", i);
		world_ask(world, node, id, "kim", 1000);
		world_step(world);
	}
	assert_in_range(memory_journal_appends(world->name) - appends, 1, 4);
	memory_journal_heal(world->name);
	world_steps(world, 1500);
	struct ask *after = world_ask(world, node, "c", "kim", 1000);
	world_steps(world, 5);
	assert_decided(after);
	assert_int_equal(ledger_fold_state(node->ledger)->epoch, 1);
	world_judge(world);
	world_free(world);
}

/* An error that does not pass is never answered with a claim: the writer halts. */
static void test_permanent_errors_halt(void **state)
{
	(void)state;
	for (unsigned claim = 0; claim < 2; claim++) {
		struct world *world = claim ? world_new(8) : world_leading(8);
		struct node *node = world->nodes[0];
		memory_journal_fault(world->name,
				     (struct memory_fault){.append = memory_journal_appends(world->name) + 1,
							   .kind = MEMORY_FAIL,
							   .code = LL_DENIED,
							   .for_ever = true});
		uint64_t appends = memory_journal_appends(world->name);
		if (claim)
			writer_lead(node->writer);
		struct ask *ask = claim ? NULL : world_ask(world, node, "a", "kim", 1000);
		world_steps(world, 500);
		assert_int_equal(writer_state(node->writer), WRITER_HALTED);
		assert_non_null(writer_failure(node->writer));
		assert_int_equal(memory_journal_appends(world->name), appends + 1);
		if (ask)
			assert_rejected(ask, CODE_OUTCOME_UNKNOWN);
		world_judge(world);
		world_free(world);
	}
}

/* While the journal is away everybody is answered in time (what may have landed: OUTCOME_UNKNOWN), a stop ends, and
 * afterwards the writer leads again. */
static void test_away(void **state)
{
	(void)state;
	struct world *world = world_leading(9);
	struct node *node = world->nodes[0];
	memory_journal_fault(world->name, (struct memory_fault){.append = memory_journal_appends(world->name) + 1,
								.kind = MEMORY_LOSE});
	struct ask *in_flight = world_ask(world, node, "a", "kim", 1000);
	struct ask *held = world_refund(world, node, "r", 77);
	world_steps(world, 2);
	memory_journal_set_away(world->name, true);
	struct ask *waiting = world_ask(world, node, "b", "kim", 1000);
	world_steps(world, 600);
	assert_rejected(in_flight, CODE_OUTCOME_UNKNOWN);
	assert_rejected(held, CODE_JOURNAL_UNAVAILABLE);
	assert_rejected(waiting, CODE_JOURNAL_UNAVAILABLE);
	memory_journal_set_away(world->name, false);
	world_until(world, node, WRITER_LEADING);
	struct ask *after = world_ask(world, node, "c", "kim", 1000);
	world_steps(world, 5);
	assert_decided(after);
	world_judge(world);
	world_free(world);
}

/* One whose answer alone waits for a block is answered in time, too; and a writer that is told to stop becomes idle although
 * the journal does not come back. */
static void test_stop_while_away(void **state)
{
	(void)state;
	struct world *world = world_leading(10);
	struct node *node = world->nodes[0];
	memory_journal_fault(world->name, (struct memory_fault){.append = memory_journal_appends(world->name) + 1,
								.kind = MEMORY_LOSE});
	struct ask *entry = world_ask(world, node, "a", "kim", 1000), *held = world_refund(world, node, "r", 77);
	world_steps(world, 2);
	memory_journal_set_away(world->name, true);
	writer_stop(node->writer);
	struct ask *late = world_ask(world, node, "b", "kim", 1000);
	assert_rejected(late, CODE_JOURNAL_UNAVAILABLE);
	assert_false(writer_is_idle(node->writer));
	world_steps(world, 600);
	assert_rejected(entry, CODE_OUTCOME_UNKNOWN);
	assert_rejected(held, CODE_JOURNAL_UNAVAILABLE);
	assert_true(writer_is_idle(node->writer));
	memory_journal_set_away(world->name, false);
	world_judge(world);
	world_free(world);
}

/* ---- several writers ---- */

/* A second writer takes over; the first one becomes a follower at once, says NOT_LEADER, and folds what the other one writes. */
static void test_takeover(void **state)
{
	(void)state;
	struct world *world = world_leading(11);
	world->nodes[1] = node_new(world);
	struct ask *a = world_ask(world, world->nodes[0], "a", "kim", 1000);
	world_steps(world, 5);
	assert_decided(a);
	writer_lead(world->nodes[1]->writer);
	world_until(world, world->nodes[1], WRITER_LEADING);
	world_until(world, world->nodes[0], WRITER_FOLLOWING);
	struct ask *b = world_ask(world, world->nodes[0], "b", "kim", 1000);
	assert_rejected(b, CODE_NOT_LEADER);
	struct ask *c = world_ask(world, world->nodes[1], "b", "kim", 1000);
	world_steps(world, 5);
	assert_decided(c);
	world_judge(world);
	writer_lead(world->nodes[0]->writer); /* and back */
	world_until(world, world->nodes[0], WRITER_LEADING);
	world_until(world, world->nodes[1], WRITER_FOLLOWING);
	struct ask *d = world_ask(world, world->nodes[0], "b", "kim", 1000);
	world_steps(world, 5);
	assert_int_equal(d->kind, ANSWER_HIT);
	assert_int_equal(ledger_fold_state(world->nodes[0]->ledger)->epoch, 3);
	world_judge(world);
	world_free(world);
}

/* Handing over: a leader that yields sends no further block, and keeps what it is handed; the successor finds nothing in flight, and
 * what waited is told NOT_LEADER. One that ends yielding goes on where it was. */
static void test_yield(void **state)
{
	(void)state;
	struct world *world = world_leading(111);
	struct node *node = world->nodes[0];
	memory_journal_fault(world->name, (struct memory_fault){.append = memory_journal_appends(world->name) + 1,
								.kind = MEMORY_DELAY,
								.amount = 20});
	struct ask *a = world_ask(world, node, "a", "kim", 1000);
	world_step(world);
	assert_true(writer_sends(node->writer));
	writer_yield(node->writer, true);
	struct ask *b = world_ask(world, node, "b", "kim", 1000);
	world_steps(world, 50);
	assert_decided(a);
	assert_false(writer_sends(node->writer));
	assert_int_equal(b->answers, 0);
	writer_yield(node->writer, false);
	world_steps(world, 5);
	assert_decided(b);
	writer_yield(node->writer, true);
	struct ask *c = world_ask(world, node, "c", "kim", 1000);
	world->nodes[1] = node_new(world);
	writer_lead(world->nodes[1]->writer);
	world_until(world, world->nodes[1], WRITER_LEADING);
	world_until(world, node, WRITER_FOLLOWING);
	assert_rejected(c, CODE_NOT_LEADER);
	struct ask *again = world_ask(world, world->nodes[1], "c", "kim", 1000);
	world_steps(world, 5);
	assert_decided(again);
	assert_int_equal(ledger_fold_state(world->nodes[1]->ledger)->stale_blocks, 0);
	world_judge(world);
	world_free(world);
}

/* An attempt to lead that waits for the journal can be given up: what was handed over is told NOT_LEADER, and no claim follows. A
 * claim that is out, or a lead, is not given up. */
static void test_withdraw(void **state)
{
	(void)state;
	struct world *world = world_leading(112);
	world->nodes[1] = node_new(world);
	struct writer *second = world->nodes[1]->writer;
	memory_journal_set_away(world->name, true);
	writer_lead(second);
	world_until(world, world->nodes[1], WRITER_WAITING);
	world_steps(world, 5);
	struct ask *a = world_ask(world, world->nodes[1], "a", "kim", 1000);
	assert_int_equal(a->answers, 0);
	writer_withdraw(second);
	assert_int_equal(writer_state(second), WRITER_FOLLOWING);
	assert_rejected(a, CODE_NOT_LEADER);
	memory_journal_set_away(world->name, false);
	world_steps(world, 200);
	assert_int_equal(writer_state(second), WRITER_FOLLOWING);
	assert_int_equal(writer_state(world->nodes[0]->writer), WRITER_LEADING);
	assert_int_equal(ledger_fold_state(world->nodes[1]->ledger)->epoch, 1);
	writer_withdraw(world->nodes[0]->writer);
	assert_int_equal(writer_state(world->nodes[0]->writer), WRITER_LEADING);
	memory_journal_fault(world->name, (struct memory_fault){.append = memory_journal_appends(world->name) + 1,
								.kind = MEMORY_DELAY,
								.amount = 20});
	uint64_t appends = memory_journal_appends(world->name);
	writer_lead(second);
	for (unsigned i = 0; memory_journal_appends(world->name) == appends; i++) {
		assert_true(i < 1000);
		world_step(world);
	}
	writer_withdraw(second);
	world_until(world, world->nodes[1], WRITER_LEADING);
	world_judge(world);
	world_free(world);
}

/* A block that its writer sent before it was deposed, and that lands behind the other one's claim, never counts: whoever asked is
 * told NOT_LEADER, truthfully. */
static void test_deposed_in_flight(void **state)
{
	(void)state;
	struct world *world = world_leading(12);
	world->nodes[1] = node_new(world);
	memory_journal_fault(world->name, (struct memory_fault){.append = memory_journal_appends(world->name) + 1,
								.kind = MEMORY_DELAY,
								.amount = 30});
	struct ask *a = world_ask(world, world->nodes[0], "a", "kim", 1000);
	world_step(world);
	writer_lead(world->nodes[1]->writer);
	world_until(world, world->nodes[0], WRITER_FOLLOWING);
	assert_rejected(a, CODE_NOT_LEADER);
	world_steps(world, 100);
	assert_int_equal(ledger_fold_state(world->nodes[1]->ledger)->stale_blocks, 1);
	world_judge(world);
	world_free(world);
}

static struct policy_change nothing_changes(void)
{
	struct json_reader reader = {0};
	struct arena arena = {0};
	struct parsed_command parsed;
	const struct json_node *root;
	assert_int_equal(json_read(&reader, SLICE("{\"type\":\"policy.set\",\"chargeMin\":1}"), &root, NULL), LL_OK);
	assert_true(command_from_json(&reader, root, &arena, NULL, &parsed));
	json_reader_release(&reader);
	arena_release(&arena);
	return parsed.command.policy_set.change;
}

/* A policy of a block that was lost does not stay in a leader's mind when another leader made one with the same version. */
static void test_lost_policy(void **state)
{
	(void)state;
	struct world *world = world_leading(13);
	world->nodes[1] = node_new(world);
	struct ask *policies[2];
	enum code code;
	for (unsigned i = 0; i < 2; i++) {
		policies[i] = world_new_ask(world, i ? "p1" : "p0");
		struct policy_change change = nothing_changes();
		change.charge_min = i ? 100 : 5000;
		policies[i]->pending.command.type = COMMAND_POLICY_SET;
		policies[i]->pending.command.policy_set.change = change;
	}
	memory_journal_fault(world->name, (struct memory_fault){.append = memory_journal_appends(world->name) + 1,
								.kind = MEMORY_LOSE});
	assert_int_equal(writer_submit(world->nodes[0]->writer, &policies[0]->pending, &code), LL_OK);
	world_step(world);
	writer_lead(world->nodes[1]->writer);
	world_until(world, world->nodes[1], WRITER_LEADING);
	assert_int_equal(writer_submit(world->nodes[1]->writer, &policies[1]->pending, &code), LL_OK);
	world_steps(world, 5);
	assert_decided(policies[1]);
	writer_lead(world->nodes[0]->writer);
	world_until(world, world->nodes[0], WRITER_LEADING);
	struct ask *small = world_ask(world, world->nodes[0], "a", "kim", 200);
	world_steps(world, 5);
	assert_decided(small);
	assert_int_equal(small->outcome, OUTCOME_ACCEPTED); /* by charge_min 100, not 5000 */
	world_judge(world);
	world_free(world);
}

/* ---- a log that is not what it was ---- */

/* What somebody wrote into the journal by hand is skipped with an alarm, and the writer goes on. */
static void test_foreign_record(void **state)
{
	(void)state;
	struct world *world = world_leading(14);
	struct node *node = world->nodes[0];
	struct journal *journal;
	struct journal_appender *appender;
	struct error error;
	assert_int_equal(journal_open(world->url, &(struct journal_options){0}, &journal, &error), LL_OK);
	assert_int_equal(journal_appender_open(journal, &appender, &error), LL_OK);
	assert_int_equal(journal_append(appender, SLICE("hello"), WORLD_TIME, NULL, 0, &error), LL_OK);
	world_steps(world, 5);
	journal_appender_close(appender);
	journal_close(journal);
	struct ask *ask = world_ask(world, node, "a", "kim", 1000);
	world_steps(world, 5);
	assert_decided(ask);
	assert_int_equal(ledger_fold_state(node->ledger)->foreign_blocks, 1);
	assert_non_null(strstr(node->said, "not of this ledger"));
	world_judge(world);
	world_free(world);
}

/* A log that is cut off behind a reader's back: the writer halts and says so, instead of writing on. */
static void test_cut_log_halts(void **state)
{
	(void)state;
	struct world *world = world_leading(15);
	struct node *node = world->nodes[0];
	world_ask(world, node, "a", "kim", 1000);
	world_steps(world, 5);
	memory_journal_cut(world->name, 2);
	struct ask *ask = world_ask(world, node, "b", "kim", 1000);
	world_steps(world, 300);
	assert_int_equal(writer_state(node->writer), WRITER_HALTED);
	assert_int_equal(writer_failure(node->writer)->code, LL_DIVERGED);
	assert_int_equal(ask->answers, 1);
	assert_int_equal(ask->kind, ANSWER_REJECTED);
	world_free(world);
}

/* ---- the swarm ---- */

static uint64_t swarm_seed; /* of the run that is under way */

static void ask_something(struct world *world, unsigned step)
{
	char id[16], user[8];
	struct node *node = world->nodes[1] && draw(world, 3) == 0 ? world->nodes[1] : world->nodes[0];
	bool repeats = world->ask_count && draw(world, 4) == 0;
	snprintf(id, sizeof id, "k%u", repeats ? draw(world, world->ask_count) : world->ask_count);
	snprintf(user, sizeof user, "u%u", draw(world, 4));
	(void)step;
	if (repeats && draw(world, 3)) {
		const struct ask *before = &world->asks[draw(world, world->ask_count)];
		memcpy(id, before->id, sizeof id);
		struct ask *again = world_new_ask(world, id);
		again->pending.command = before->pending.command;
		world_submit(node, again);
	} else if (draw(world, 8) == 0) {
		world_refund(world, node, id, draw(world, 40));
	} else {
		world_ask(world, node, id, user,
			  draw(world, 3) ? 1000 + (int64_t)draw(world, 100) : -(int64_t)(1 + draw(world, 1500)));
	}
}

static void run_swarm(uint64_t seed)
{
	struct world *world = world_new(seed);
	world->slow = 1 + draw(world, 6);
	unsigned steps = 150 + draw(world, 250), busy = 1 + draw(world, 4);
	bool two = draw(world, 2), lies = draw(world, 2);
	if (two)
		world->nodes[1] = node_new(world);
	for (unsigned i = 0; i < 2; i++)
		if (world->nodes[i])
			world->nodes[i]->ahead_ms = (int64_t)draw(world, 2000) - 1000;
	memory_journal_chaos(world->name, seed, draw(world, 300), lies);
	writer_lead(world->nodes[0]->writer);
	for (unsigned step = 0; step < steps; step++) {
		for (unsigned i = 0; i < 3; i++)
			if (draw(world, busy) == 0 && world->ask_count < COMMANDS_MAX - 20)
				ask_something(world, step);
		if (draw(world, 60) == 0)
			writer_lead(world->nodes[two ? draw(world, 2) : 0]->writer);
		if (draw(world, 100) == 0)
			memory_journal_set_away(world->name, draw(world, 2));
		world_step(world);
	}
	memory_journal_set_away(world->name, false);
	memory_journal_heal(world->name);
	world_steps(world, 1500);
	struct node *leader =
		two && writer_state(world->nodes[1]->writer) == WRITER_LEADING ? world->nodes[1] : world->nodes[0];
	writer_lead(leader->writer);
	world_until(world, leader, WRITER_LEADING);
	struct ask *last = world_ask(world, leader, "last", "kim", 1000);
	world_steps(world, 100);
	assert_decided(last);
	for (unsigned i = 0; i < world->ask_count; i++)
		if (world->asks[i].answers != 1)
			fail_msg("%s was answered %u times", world->asks[i].id, world->asks[i].answers);
	for (unsigned i = 0; i < 2; i++)
		if (world->nodes[i])
			assert_false(writer_state(world->nodes[i]->writer) == WRITER_HALTED);
	world_judge(world);
	world_free(world);
}

/* One or two writers, random commands, random faults: everybody is answered once and truthfully, nothing stands twice in the
 * log, and the state is what a fresh fold makes of it. LEDGERLINE_SEEDS=N runs more, LEDGERLINE_SEED=N one again. */
static void test_swarm(void **state)
{
	(void)state;
	const char *seed = getenv("LEDGERLINE_SEED"), *seeds = getenv("LEDGERLINE_SEEDS");
	uint64_t first = seed ? strtoull(seed, NULL, 10) : 1000, count = seed    ? 1
									 : seeds ? strtoull(seeds, NULL, 10)
										 : 150;
	for (uint64_t i = first; i < first + count; i++) {
		swarm_seed = i;
		run_swarm(i);
	}
}

/* ---- another log ---- */

/* Folds the world's log into those projections of the directory, up to `end`. */
static enum ll_code fold_some(struct world *world, const char *directory, unsigned mask, uint64_t end)
{
	const struct catch_up how = {.end = end};
	struct ledger_options options = {.create = true};
	char paths[PROJECTIONS_COUNT][96];
	struct journal *journal;
	struct ledger *ledger;
	struct error error;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		snprintf(paths[id], sizeof paths[id], "%s/%u", directory, id);
		options.directories[id] = mask & 1u << id ? paths[id] : NULL;
	}
	assert_int_equal(ledger_open(&options, &ledger, NULL, &error), LL_OK);
	assert_int_equal(journal_open(world->url, NULL, &journal, &error), LL_OK);
	enum ll_code code = catch_up(journal, ledger, &how, NULL, &error);
	if (code == LL_OK)
		code = ledger_close(ledger, &error);
	else
		ledger_abandon(ledger);
	journal_close(journal);
	return code;
}

/* A log that was cut short is told as soon as any projection has folded beyond its end, though the others have not: what is
 * decided would be decided on what the log does not have. */
static void test_one_projection_ahead(void **state)
{
	(void)state;
	struct world *world = world_leading(40);
	char directory[] = "/tmp/ledgerline_ahead.XXXXXX";
	assert_non_null(mkdtemp(directory));
	for (unsigned i = 0; i < 3; i++) {
		world_ask(world, world->nodes[0], i == 0 ? "a" : i == 1 ? "b" : "c", "kim", 1000);
		world_steps(world, 3);
	}
	uint64_t high = ledger_fold_state(world->nodes[0]->ledger)->next_offset;
	assert_int_equal(fold_some(world, directory, PROJECTIONS_ALL, high - 2), LL_OK);
	assert_int_equal(fold_some(world, directory, 1u << PROJECTION_RECEIPTS, high), LL_OK);
	memory_journal_cut(world->name, high - 1);
	assert_int_equal(fold_some(world, directory, PROJECTIONS_ALL, UINT64_MAX), LL_DIVERGED);
	bench_remove_tree(directory);
	world_free(world);
}

/* Of projections that stand at one place, where the log ends, one was folded from records that the log does not have any more: that
 * is told before anything is decided on it, and again when the log has grown. */
static void test_one_projection_of_another_past(void **state)
{
	(void)state;
	const unsigned others = PROJECTIONS_ALL & ~(1u << PROJECTION_RECEIPTS);
	struct world *world = world_leading(41);
	char directory[] = "/tmp/ledgerline_past.XXXXXX";
	assert_non_null(mkdtemp(directory));
	world_ask(world, world->nodes[0], "a", "kim", 1000);
	world_steps(world, 3);
	uint64_t high = ledger_fold_state(world->nodes[0]->ledger)->next_offset;
	assert_int_equal(fold_some(world, directory, 1u << PROJECTION_RECEIPTS, high), LL_OK);
	memory_journal_cut(world->name, high - 1);
	world->nodes[1] = node_new(world);
	writer_lead(world->nodes[1]->writer);
	world_until(world, world->nodes[1], WRITER_LEADING);
	assert_int_equal(fold_some(world, directory, others, high), LL_OK);
	assert_int_equal(fold_some(world, directory, PROJECTIONS_ALL, high), LL_DIVERGED);
	assert_int_equal(fold_some(world, directory, others, high), LL_OK);
	world_ask(world, world->nodes[1], "b", "kim", 1000);
	world_steps(world, 3);
	assert_int_equal(fold_some(world, directory, PROJECTIONS_ALL, UINT64_MAX), LL_DIVERGED);
	bench_remove_tree(directory);
	world_free(world);
}

static void append_by_hand(struct world *world)
{
	struct journal *journal;
	struct journal_appender *appender;
	struct error error;
	assert_int_equal(journal_open(world->url, NULL, &journal, &error), LL_OK);
	assert_int_equal(journal_appender_open(journal, &appender, &error), LL_OK);
	assert_int_equal(journal_append(appender, SLICE("by hand"), 1, NULL, 0, &error), LL_OK);
	journal_appender_close(appender);
	journal_close(journal);
}

/* A log that lost no more than a record that counted for nothing, and has a block in its place now, is another log: who had passed
 * over that record would never see the block. */
static void test_void_record_lost(void **state)
{
	(void)state;
	struct world *world = world_leading(42);
	char directory[] = "/tmp/ledgerline_void.XXXXXX";
	assert_non_null(mkdtemp(directory));
	uint64_t high = ledger_fold_state(world->nodes[0]->ledger)->next_offset;
	append_by_hand(world);
	assert_int_equal(fold_some(world, directory, PROJECTIONS_ALL, UINT64_MAX), LL_OK);
	assert_int_equal(fold_some(world, directory, PROJECTIONS_ALL, UINT64_MAX), LL_OK); /* it is void still */
	memory_journal_cut(world->name, high);
	struct ask *ask = world_ask(world, world->nodes[0], "a", "kim", 1000);
	world_steps(world, 3);
	assert_decided(ask);
	assert_int_equal(fold_some(world, directory, PROJECTIONS_ALL, UINT64_MAX), LL_DIVERGED);
	bench_remove_tree(directory);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leads),
		cmocka_unit_test(test_group_commit),
		cmocka_unit_test(test_repeated_keys),
		cmocka_unit_test(test_rejection_leaves_the_key_free),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_order_is_kept_when_a_block_is_lost),
		cmocka_unit_test(test_faults_of_entries),
		cmocka_unit_test(test_faults_of_claims),
		cmocka_unit_test(test_abandoned_claim),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_permanent_errors_halt),
		cmocka_unit_test(test_away),
		cmocka_unit_test(test_stop_while_away),
		cmocka_unit_test(test_takeover),
		cmocka_unit_test(test_yield),
		cmocka_unit_test(test_withdraw),
		cmocka_unit_test(test_deposed_in_flight),
		cmocka_unit_test(test_lost_policy),
		cmocka_unit_test(test_foreign_record),
		cmocka_unit_test(test_cut_log_halts),
		cmocka_unit_test(test_swarm),
		cmocka_unit_test(test_one_projection_ahead),
		cmocka_unit_test(test_void_record_lost),
		cmocka_unit_test(test_one_projection_of_another_past),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (failed && swarm_seed)
		fprintf(stderr, "the swarm's last seed: LEDGERLINE_SEED=%llu\n", (unsigned long long)swarm_seed);
	return failed;
}
