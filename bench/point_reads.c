/*
 * Point reads from another process: how many balances a second libledgerline gives, beside a writer or without one.
 *
 *	point_reads DIRECTORY ACCOUNTS SECONDS READS-A-PIN
 *
 * Reads balances of accounts drawn uniformly (as `ledgerline bench` names them) with one thread, and pins anew every so many reads. At
 * the end all accounts are added up and held against the totals of the same position: only then the figure counts. One line of JSON:
 * {"reads", "perSecond", "pins", "positions"}; positions: how many different ones were seen.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "projections/reader/ledgerline.h"

static struct ll_reader *reader;

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void must(enum ll_result result)
{
	if (result == LL_DONE)
		return;
	fprintf(stderr, "point_reads: %s\n", ll_message(reader));
	exit(1);
}

static void pin(void)
{
	enum ll_result result;
	while ((result = ll_pin(reader)) == LL_TRY_AGAIN) {
	}
	must(result);
}

static uint64_t draw(uint64_t *state) /* xorshift64 */
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int add_account(void *context, const struct ll_account *account)
{
	*(int64_t *)context += account->balance.balance;
	return 0;
}

static void check(void)
{
	struct ll_totals totals;
	int64_t sum = 0;
	pin();
	must(ll_read_totals(reader, &totals));
	must(ll_walk_accounts(reader, NULL, 0, add_account, &sum));
	ll_unpin(reader);
	if (sum == totals.balances)
		return;
	fprintf(stderr, "point_reads: the accounts are %" PRId64 " in all, their total says %" PRId64 "\n", sum,
		totals.balances);
	exit(1);
}

int main(int argc, char **argv)
{
	char message[LL_MESSAGE_SIZE], id[32];
	struct ll_position position;
	struct ll_balance balance;
	uint64_t reads = 0, pins = 0, positions = 0, last = UINT64_MAX, state = 88172645463325252;
	if (argc != 5) {
		fprintf(stderr, "usage: point_reads DIRECTORY ACCOUNTS SECONDS READS-A-PIN\n");
		return 2;
	}
	uint64_t accounts = strtoull(argv[2], NULL, 10), each = strtoull(argv[4], NULL, 10);
	double begin, now, seconds = strtod(argv[3], NULL);
	if (ll_open_parts(argv[1], LL_BALANCES, &reader, message) != LL_DONE) {
		fprintf(stderr, "point_reads: %s\n", message);
		return 1;
	}
	begin = now = now_s();
	while (now - begin < seconds) {
		pin();
		must(ll_read_position(reader, &position));
		for (uint64_t i = 0; i < each; i++) {
			snprintf(id, sizeof id, "user-%07" PRIu64, draw(&state) % accounts);
			must(ll_read_balance(reader, id, &balance));
		}
		ll_unpin(reader);
		reads += each;
		positions += position.entry_count != last;
		last = position.entry_count;
		if (++pins % 64 == 0 || each >= 64)
			now = now_s();
	}
	check();
	printf("{\"reads\": %" PRIu64 ", \"perSecond\": %.0f, \"pins\": %" PRIu64 ", \"positions\": %" PRIu64 "}\n",
	       reads, (double)reads / (now - begin), pins, positions);
	ll_close(reader);
	return 0;
}
