/*
 * Reads a ledger with libledgerline.
 *
 *	gcc read_ledger.c $(pkg-config --cflags --libs ledgerline) -o read_ledger
 *	./read_ledger DIR            prints what stands in it, at one position
 *	./read_ledger DIR --watch    checks every new position until its input ends: the totals must be what the rows add up to
 */
#include <ledgerline.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct ll_reader *reader;

static void fail(const char *message)
{
	fprintf(stderr, "read_ledger: %s\n", message);
	exit(1);
}

static void must(enum ll_result result)
{
	if (result != LL_DONE)
		fail(ll_message(reader));
}

/* ---- printing ---- */

static int print_lot(void *user_id, const struct ll_lot *lot)
{
	printf("lot %s %s %s %" PRId64 "\n", (const char *)user_id, lot->lot_id, lot->source, lot->remaining);
	return 0;
}

/* A visitor must not use the reader: ids are kept, and their lots read afterwards. */
struct ids {
	char (*at)[LL_ID_SIZE];
	size_t count;
};

static int print_account(void *context, const struct ll_account *account)
{
	struct ids *ids = context;
	printf("account %s balance %" PRId64 " held %" PRId64 " debt %" PRId64 "\n", account->user_id,
	       account->balance.balance, account->balance.held, account->balance.debt);
	ids->at = realloc(ids->at, (ids->count + 1) * sizeof *ids->at);
	memcpy(ids->at[ids->count++], account->user_id, LL_ID_SIZE);
	return 0;
}

static int print_schedule(void *context, const struct ll_schedule *schedule)
{
	struct ids *ids = context;
	printf("schedule %s of %s %s seats %" PRIu32 " held %" PRIu32 " reserved %" PRIu32 "\n", schedule->schedule_id,
	       schedule->concert_id, schedule->status, schedule->seat_count, schedule->held_count,
	       schedule->reserved_count);
	ids->at = realloc(ids->at, (ids->count + 1) * sizeof *ids->at);
	memcpy(ids->at[ids->count++], schedule->schedule_id, LL_ID_SIZE);
	return 0;
}

static int print_seat(void *schedule_id, const struct ll_seat *seat)
{
	printf("seat %s %" PRIu32 " %s %" PRId64 "\n", (const char *)schedule_id, seat->seat_no, seat->status,
	       seat->price);
	return 0;
}

static int print_ranked(void *context, const struct ll_ranked *ranked)
{
	(void)context;
	printf("popular %u %s %" PRIu32 "\n", ranked->rank, ranked->schedule_id, ranked->reservation_count);
	return 0;
}

static void print_ledger(void)
{
	struct ll_position position;
	struct ll_totals totals;
	struct ids users = {NULL, 0}, schedules = {NULL, 0};
	must(ll_read_position(reader, &position));
	printf("position %" PRIu64 "\n", position.entry_count);
	must(ll_walk_accounts(reader, NULL, 0, print_account, &users));
	for (size_t i = 0; i < users.count; i++)
		must(ll_read_lots(reader, users.at[i], print_lot, users.at[i]));
	must(ll_read_totals(reader, &totals));
	printf("totals accounts %" PRIu64 " balances %" PRId64 "\n", totals.account_count, totals.balances);
	must(ll_walk_schedules(reader, NULL, NULL, 0, print_schedule, &schedules));
	for (size_t i = 0; i < schedules.count; i++)
		must(ll_read_seats(reader, schedules.at[i], print_seat, schedules.at[i]));
	must(ll_read_popular(reader, LL_WINDOW_ALL, 10, print_ranked, NULL));
	free(users.at);
	free(schedules.at);
}

/* ---- watching ---- */

struct sums {
	uint64_t accounts, seats, held, reserved;
	int64_t balances;
};

static int add_account(void *context, const struct ll_account *account)
{
	struct sums *sums = context;
	sums->accounts++;
	sums->balances += account->balance.balance;
	return 0;
}

static int add_schedule(void *context, const struct ll_schedule *schedule)
{
	struct sums *sums = context;
	if (strcmp(schedule->status, "OPEN") == 0) {
		sums->seats += schedule->seat_count;
		sums->held += schedule->held_count;
		sums->reserved += schedule->reserved_count;
	}
	return 0;
}

static void check_sums(void)
{
	struct ll_totals totals;
	struct ll_seat_totals seats;
	struct sums sums = {0};
	must(ll_read_totals(reader, &totals));
	must(ll_read_seat_totals(reader, &seats));
	must(ll_walk_accounts(reader, NULL, 0, add_account, &sums));
	must(ll_walk_schedules(reader, NULL, NULL, 0, add_schedule, &sums));
	if (sums.accounts != totals.account_count || sums.balances != totals.balances || sums.seats != seats.seats ||
	    sums.held != seats.held || sums.reserved != seats.reserved)
		fail("the rows do not add up to the totals");
}

static int input_ended(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;
	return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static void watch(void)
{
	struct ll_position position;
	uint64_t snapshots = 0, last = UINT64_MAX;
	while (!input_ended()) {
		enum ll_result result = ll_pin(reader);
		if (result == LL_TRY_AGAIN)
			continue;
		must(result);
		must(ll_read_position(reader, &position));
		check_sums();
		ll_unpin(reader);
		snapshots++;
		if (position.entry_count != last)
			printf("right at %" PRIu64 "\n", position.entry_count);
		fflush(stdout);
		last = position.entry_count;
	}
	printf("snapshots %" PRIu64 "\n", snapshots);
}

int main(int argc, char **argv)
{
	char message[LL_MESSAGE_SIZE];
	if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "--watch") != 0)) {
		fprintf(stderr, "usage: read_ledger DIR [--watch]\n");
		return 2;
	}
	if (ll_open(argv[1], &reader, message) != LL_DONE)
		fail(message);
	if (argc == 3) {
		watch();
	} else {
		must(ll_pin(reader));
		print_ledger();
	}
	ll_close(reader);
	return 0;
}
