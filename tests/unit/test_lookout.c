/* When a standby takes the leader for gone. A step is 10 ms of a simulated clock; nothing random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/serve/lookout.h"

enum { STEP_MS = 10, NEVER = 1000000 };

static int64_t now;

/* A probe of that result ends every lookout_probe_every; the ms until it says claim, from now. */
static int64_t until_claim(struct lookout *lookout, enum lookout_probe probe, int64_t limit)
{
	int64_t began = now, probed = now;
	while (now - began < limit) {
		now += STEP_MS;
		if (now - probed >= lookout_probe_every(lookout)) {
			probed = now;
			lookout_saw_probe(lookout, probe, now);
		}
		if (lookout_says_claim(lookout, now, 0))
			return now - began;
	}
	return NEVER;
}

static struct lookout watching(enum lookout_why why)
{
	struct lookout lookout;
	now = 1000000;
	lookout_init(&lookout, 0);
	lookout_watch(&lookout, 1, why, now);
	return lookout;
}

static void assert_about(int64_t found, int64_t expected)
{
	if (found < expected || found > expected + LOOKOUT_PATIENCE_MS / 10 + 2 * STEP_MS)
		fail_msg("after %lld ms, not about %lld", (long long)found, (long long)expected);
}

/* A process that has ended is taken for gone soon, one that is silent later, one that has lost the journal last. */
static void each_sign_has_its_patience(void **state)
{
	(void)state;
	struct lookout lookout = watching(LOOKOUT_CHANGES);
	assert_about(until_claim(&lookout, PROBE_REFUSED, 10000), LOOKOUT_PATIENCE_MS / LOOKOUT_GONE);
	lookout = watching(LOOKOUT_CHANGES);
	assert_about(until_claim(&lookout, PROBE_DENIES, 10000), LOOKOUT_PATIENCE_MS / LOOKOUT_GONE);
	lookout = watching(LOOKOUT_CHANGES);
	assert_about(until_claim(&lookout, PROBE_SILENT, 10000), LOOKOUT_PATIENCE_MS);
	lookout = watching(LOOKOUT_CHANGES);
	assert_about(until_claim(&lookout, PROBE_BUSY, 20000), LOOKOUT_PATIENCE_MS * LOOKOUT_BUSY);
	lookout = watching(LOOKOUT_CHANGES);
	assert_int_equal(until_claim(&lookout, PROBE_LEADS, 100000), NEVER);
}

/* At a start the claim may be of long ago: two refusals are enough. */
static void a_start_is_quick(void **state)
{
	(void)state;
	struct lookout lookout = watching(LOOKOUT_STARTS);
	assert_about(until_claim(&lookout, PROBE_REFUSED, 10000), 2 * (LOOKOUT_PATIENCE_MS / 10));
}

/* One bad probe is none, however long ago the leader was seen: this process may have stood still itself. */
static void one_bad_probe_is_none(void **state)
{
	(void)state;
	struct lookout lookout = watching(LOOKOUT_CHANGES);
	now += 60000;
	assert_false(lookout_says_claim(&lookout, now, 0));
	lookout_saw_probe(&lookout, PROBE_REFUSED, now);
	assert_false(lookout_says_claim(&lookout, now, 0));
	lookout_saw_probe(&lookout, PROBE_LEADS, now);
	lookout_saw_probe(&lookout, PROBE_REFUSED, now);
	assert_false(lookout_says_claim(&lookout, now + 60000, 0));
	lookout_saw_probe(&lookout, PROBE_REFUSED, now);
	assert_true(lookout_says_claim(&lookout, now + 60000, 0));
}

/* Blocks show that the leader lives, whatever probes say. */
static void blocks_are_signs_of_life(void **state)
{
	(void)state;
	struct lookout lookout = watching(LOOKOUT_CHANGES);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(until_claim(&lookout, PROBE_REFUSED, LOOKOUT_PATIENCE_MS / LOOKOUT_GONE - STEP_MS),
				 NEVER);
		lookout_saw_block(&lookout, now);
	}
	assert_about(until_claim(&lookout, PROBE_REFUSED, 10000), LOOKOUT_PATIENCE_MS / LOOKOUT_GONE);
}

/* A leader is known once it was seen alive, by a probe or by a block, until two probes say otherwise. */
static void who_is_known(void **state)
{
	(void)state;
	struct lookout lookout = watching(LOOKOUT_CHANGES);
	assert_false(lookout_knows_leader(&lookout));
	lookout_saw_probe(&lookout, PROBE_SILENT, now);
	lookout_saw_block(&lookout, now);
	assert_true(lookout_knows_leader(&lookout));
	lookout_watch(&lookout, 2, LOOKOUT_CHANGES, now);
	assert_false(lookout_knows_leader(&lookout));
	lookout_saw_probe(&lookout, PROBE_LEADS, now);
	lookout_saw_probe(&lookout, PROBE_SILENT, now);
	assert_true(lookout_knows_leader(&lookout));
	lookout_saw_probe(&lookout, PROBE_SILENT, now);
	assert_false(lookout_knows_leader(&lookout));
}

/* The random wait comes on top, and ends when a sign of life comes. */
static void claims_are_spread(void **state)
{
	(void)state;
	struct lookout lookout = watching(LOOKOUT_CHANGES);
	int64_t spread = LOOKOUT_PATIENCE_MS / LOOKOUT_SPREAD;
	lookout_saw_probe(&lookout, PROBE_SILENT, now);
	lookout_saw_probe(&lookout, PROBE_SILENT, now);
	now += LOOKOUT_PATIENCE_MS;
	assert_false(lookout_says_claim(&lookout, now, (uint32_t)spread));
	assert_false(lookout_says_claim(&lookout, now + spread - 1, 0)); /* drawn once */
	assert_true(lookout_says_claim(&lookout, now + spread, 0));
	lookout_saw_probe(&lookout, PROBE_LEADS, now + spread);
	assert_false(lookout_says_claim(&lookout, now + spread, 0));
}

/* Two that cannot see each other depose one another ever more seldom; one that sees the other forgets that. */
static void deposing_one_another_ends(void **state)
{
	(void)state;
	struct lookout lookout = watching(LOOKOUT_CHANGES);
	int64_t before = until_claim(&lookout, PROBE_SILENT, NEVER), wait;
	for (unsigned i = 0; i < LOOKOUT_DOUBLINGS_MAX + 3; i++) {
		lookout_watch(&lookout, 2 + i, LOOKOUT_CHANGES, now); /* it leads */
		lookout_watch(&lookout, 3 + i, LOOKOUT_DEPOSED, now);
		wait = until_claim(&lookout, PROBE_SILENT, NEVER);
		if (i < LOOKOUT_DOUBLINGS_MAX)
			assert_true(wait > before + before / 2);
		else
			assert_true(wait < before + before / 2);
		before = wait;
	}
	lookout_saw_probe(&lookout, PROBE_LEADS, now);
	assert_about(until_claim(&lookout, PROBE_SILENT, NEVER), LOOKOUT_PATIENCE_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_sign_has_its_patience),
		cmocka_unit_test(a_start_is_quick),
		cmocka_unit_test(one_bad_probe_is_none),
		cmocka_unit_test(blocks_are_signs_of_life),
		cmocka_unit_test(who_is_known),
		cmocka_unit_test(claims_are_spread),
		cmocka_unit_test(deposing_one_another_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
