/*
 * Seats under random commands: whatever is asked, what must hold holds after every entry (seats_invariants.c).
 *
 * Seeded: LEDGERLINE_SEED=n plays run n alone; a failure prints its seed.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/seats_world.h"

enum { RUNS = 40, STEPS = 400, USERS = 4, SCHEDULES_MAX = 6, SEATS = 8 };

struct play {
	struct world world;
	uint64_t random;
	unsigned schedules;
	unsigned accepted[64]; /* by type of command */
};

static uint64_t next_random(struct play *play)
{
	uint64_t x = (play->random += UINT64_C(0x9e3779b97f4a7c15));
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t below(struct play *play, uint64_t limit)
{
	return next_random(play) % limit;
}

static const char *some_user(struct play *play)
{
	static const char *const users[USERS] = {"ann", "ben", "cho", "dan"};
	return users[below(play, USERS)];
}

static const char *some_schedule(struct play *play)
{
	static const char *const schedules[SCHEDULES_MAX] = {"s0", "s1", "s10", "s2", "t", "t0"};
	return schedules[below(play, play->schedules ? play->schedules : 1)];
}

/* A recent entry, or (now and then) one that is none. */
static uint64_t some_entry(struct play *play)
{
	uint64_t recent = play->world.next_seq < 30 ? play->world.next_seq : 30;
	return below(play, 20) == 0 ? 100000 : play->world.next_seq - 1 - below(play, recent);
}

/* A live reservation near a random place, or any entry. */
static uint64_t some_reservation(struct play *play)
{
	struct reservations_row row;
	for (int i = 0; i < 20; i++) {
		uint64_t id = some_entry(play);
		if (reservations_get(play->world.view, reservations_key(id), &row))
			return id;
	}
	return some_entry(play);
}

static const char *owner_of(struct play *play, uint64_t reservation_id)
{
	static char name[ID_BYTES_MAX + 1];
	struct reservations_row row;
	if (below(play, 8) == 0 || !reservations_get(play->world.view, reservations_key(reservation_id), &row))
		return some_user(play);
	memcpy(name, row.user_id.at, row.user_id.size);
	name[row.user_id.size] = 0;
	return name;
}

static void hold_some(struct play *play)
{
	uint32_t seat_nos[5], count = 0, limit = 1 + (uint32_t)below(play, 3);
	for (uint32_t seat_no = 1; seat_no <= SEATS + 1 && count < limit; seat_no++)
		if (below(play, 4) == 0)
			seat_nos[count++] = seat_no;
	if (count > 0)
		play->accepted[COMMAND_RESERVATION_CREATE] +=
			world_hold(&play->world, some_user(play), some_schedule(play), count, seat_nos) ==
			WORLD_ACCEPTED;
}

static void open_schedule(struct play *play)
{
	struct world *world = &play->world;
	static const char *const names[SCHEDULES_MAX] = {"s0", "s1", "s10", "s2", "t", "t0"};
	if (play->schedules == SCHEDULES_MAX)
		return;
	int64_t date = world->now + (int64_t)below(play, 15) * DAY;
	assert_int_equal(world_schedule(world, names[play->schedules], "c", date, NONE_TIME, NONE_TIME, SEATS, true),
			 WORLD_ACCEPTED);
	play->schedules++;
}

static void update_schedule(struct play *play)
{
	struct command command = {.type = COMMAND_SCHEDULE_UPDATE};
	command.schedule_update = (struct schedule_update){
		.schedule_id = slice_text(some_schedule(play)),
		.concert_date = play->world.now + (int64_t)below(play, 12) * DAY,
		.booking_opens_at = NONE_TIME,
		.booking_closes_at = NONE_TIME,
	};
	world_run(&play->world, &command);
}

static int64_t jump(struct play *play)
{
	static const int64_t jumps[] = {1, 1000, 60000, 150000, 300000, 300001, DAY / 2, DAY};
	return jumps[below(play, sizeof jumps / sizeof *jumps)];
}

static void step(struct play *play)
{
	struct world *world = &play->world;
	uint64_t id = some_reservation(play);
	struct payments_row payment;
	switch (below(play, 24)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
	case 5:
	case 6: hold_some(play); break;
	case 7:
	case 8:
	case 9:
	case 10:
	case 11:
		play->accepted[COMMAND_PAYMENT_CREATE] +=
			world_pay(world, owner_of(play, id), id, NONE_I64) == WORLD_ACCEPTED;
		break;
	case 12:
	case 13:
		play->accepted[COMMAND_RESERVATION_CANCEL] +=
			world_cancel(world, id, owner_of(play, id)) == WORLD_ACCEPTED;
		break;
	case 14:
	case 15:
		for (int i = 0; i < 20 && !payments_get(world->view, payments_key(id), &payment); i++)
			id = some_entry(play);
		play->accepted[COMMAND_PAYMENT_CANCEL] += world_cancel_payment(world, id) == WORLD_ACCEPTED;
		break;
	case 16: world_charge(world, some_user(play), 1000 + (int64_t)below(play, 8000)); break;
	case 17: world->now += jump(play); break;
	case 18: world->now += 20000; break;
	case 19:
	case 20: world_sweep(world, (unsigned)below(play, 4)); break;
	case 21: open_schedule(play); break;
	case 22: update_schedule(play); break;
	default:
		if (below(play, 6) == 0)
			play->accepted[COMMAND_SCHEDULE_CANCEL] +=
				world_cancel_schedule(world, some_schedule(play)) == WORLD_ACCEPTED;
		else
			world_add_seats(world, some_schedule(play), 1 + (uint32_t)below(play, 30), 1);
		break;
	}
}

/* Nothing is live for ever: when time passes, holds end, cancellations come to their end, and then nothing is due. */
static void let_time_pass(struct play *play)
{
	struct world *world = &play->world;
	struct seat_totals_row totals;
	struct key first = cancelling_key(SLICE("s0"));
	world->now += 400 * DAY;
	world_sweep(world, 1000);
	assert_int_equal(due_when(world->view, world->now), 0);
	if (seat_totals_get(world->view, seat_totals_key(0), &totals))
		assert_int_equal(totals.held, 0);
	struct cancelling_row cursor;
	assert_false(cancelling_get(world->view, first, &cursor));
}

static void play_once(uint64_t seed, unsigned accepted[64])
{
	struct play *play = calloc(1, sizeof *play);
	assert_non_null(play);
	play->random = seed;
	world_init(&play->world);
	play->world.after_entry = world_check;
	play->world.policy.seats_per_user_per_schedule = seed % 3 == 0 ? 4 : 0;
	play->world.policy.refund_expired_lot = seed % 2 ? REFUND_EXPIRED_LOT_EXPIRE : REFUND_EXPIRED_LOT_REGRANT;
	play->world.policy.paid_expires_seconds = seed % 5 == 0 ? 86400 : 0;
	assert_int_equal(world_concert(&play->world, "c"), WORLD_ACCEPTED);
	for (int i = 0; i < STEPS; i++)
		step(play);
	let_time_pass(play);
	for (int i = 0; i < 64; i++)
		accepted[i] += play->accepted[i];
	world_release(&play->world);
	free(play);
}

/* Whatever is asked in whatever order: seats, reservations, payments and their counts agree after every entry. */
static void holds_under_random_commands(void **state)
{
	(void)state;
	unsigned accepted[64] = {0};
	const char *chosen = getenv("LEDGERLINE_SEED");
	uint64_t first = chosen ? strtoull(chosen, NULL, 10) : 1;
	for (uint64_t seed = first; seed < first + (chosen ? 1 : RUNS); seed++) {
		print_message("seed %" PRIu64 "\n", seed);
		play_once(seed, accepted);
	}
	if (chosen)
		return;
	/* The play is worth something only if things happen in it. */
	assert_true(accepted[COMMAND_RESERVATION_CREATE] > 500);
	assert_true(accepted[COMMAND_PAYMENT_CREATE] > 100);
	assert_true(accepted[COMMAND_RESERVATION_CANCEL] > 50);
	assert_true(accepted[COMMAND_PAYMENT_CANCEL] > 20);
	assert_true(accepted[COMMAND_SCHEDULE_CANCEL] > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(holds_under_random_commands)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
