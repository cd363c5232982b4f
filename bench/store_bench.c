/*
 * The store alone at the rate of a rebuild: what one thread that folds and one that flushes can do with point events.
 *
 *	store_bench DIRECTORY [events 10000000] [accounts 1000000] [zipf exponent, 0 = uniform] [events per layer 1000000]
 *
 * Each event reads the row of an account (key of 14 bytes, value of 60 to 120), writes it anew, and in four of five cases
 * adds a row of uses (ascending key of 8 bytes, value of 45). A block has 1,000 events. Synced and closed at the end, within
 * the time that is told. The keys are drawn before the clock starts: drawing is not the store's share.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "projections/store/store.h"

enum { BLOCK_EVENTS = 1000, AHEAD = 32, KEY_BYTES = 14, USE_BYTES = 45 };

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Processor time, which a busy machine disturbs less than the time on the clock. */
static double spent_s(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Accounts in order of being drawn: uniform, or by Zipf's law over shuffled accounts. */
static uint32_t *draw(size_t events, uint32_t accounts, double exponent)
{
	uint32_t *drawn = malloc(events * sizeof *drawn);
	if (exponent <= 0) {
		for (size_t i = 0; i < events; i++)
			drawn[i] = (uint32_t)(random_next() % accounts);
		return drawn;
	}
	double *sums = malloc(accounts * sizeof *sums), sum = 0;
	for (uint32_t i = 0; i < accounts; i++)
		sums[i] = sum += 1 / pow(i + 1, exponent);
	for (size_t i = 0; i < events; i++) {
		double wanted = (double)(random_next() >> 11) / 9007199254740992.0 * sum;
		uint32_t low = 0, high = accounts - 1;
		while (low < high) {
			uint32_t middle = low + (high - low) / 2;
			if (sums[middle] < wanted)
				low = middle + 1;
			else
				high = middle;
		}
		drawn[i] = (uint32_t)((uint64_t)low * 2654435761u % accounts);
	}
	free(sums);
	return drawn;
}

static void key_of(char key[KEY_BYTES], uint32_t account)
{
	memcpy(key, "user-000000000", KEY_BYTES);
	for (int i = KEY_BYTES - 1; account; i--, account /= 10)
		key[i] = (char)('0' + account % 10);
}

static size_t anonymous_bytes(void)
{
	char line[256];
	size_t kib = 0;
	FILE *file = fopen("/proc/self/status", "r");
	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "RssAnon: %zu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib << 10;
}

static void check(enum ll_code code, const struct error *error)
{
	if (code == LL_OK || code == LL_BUSY)
		return;
	fprintf(stderr, "store_bench: %s\n", error->text);
	exit(1);
}

int main(int count, char **arguments)
{
	static const struct table_spec tables[] = {{"accounts", TABLE_POINT}, {"uses", TABLE_POINT | TABLE_APPEND}};
	static const struct store_spec spec = {"bench", 1, tables, 2};
	if (count < 2) {
		fprintf(stderr, "store_bench DIRECTORY [events] [accounts] [zipf exponent] [events per layer]\n");
		return 2;
	}
	size_t events = count > 2 ? strtoull(arguments[2], NULL, 10) : 10000000;
	uint32_t accounts = count > 3 ? (uint32_t)strtoul(arguments[3], NULL, 10) : 1000000;
	double exponent = count > 4 ? strtod(arguments[4], NULL) : 0;
	size_t layer = count > 5 ? strtoull(arguments[5], NULL, 10) : 1000000;
	struct store_options options = {.directory = arguments[1], .create = true, .bulk = true};
	struct store *store;
	struct slice position, old;
	struct error error;
	uint32_t *drawn = draw(events, accounts, exponent);
	size_t before_bytes = anonymous_bytes(), peak_bytes = 0;
	check(store_open(&spec, &options, &store, &position, &error), &error);
	free((void *)position.at);

	uint8_t value[128] = {0}, use[USE_BYTES] = {0};
	char key[KEY_BYTES];
	uint64_t use_number = 0;
	size_t in_layer = 0;
	double waited_s = 0, begin_s = now_s();
	double thread_s = -spent_s(CLOCK_THREAD_CPUTIME_ID), process_s = -spent_s(CLOCK_PROCESS_CPUTIME_ID);
	for (size_t i = 0; i < events; i++) {
		if (i + AHEAD < events) {
			key_of(key, drawn[i + AHEAD]);
			store_prefetch(store, 0, slice_of(key, sizeof key));
		}
		key_of(key, drawn[i]);
		size_t size = 60;
		memcpy(value, &i, sizeof i);
		if (store_get(store, 0, slice_of(key, sizeof key), false, &old)) {
			memcpy(value + 8, old.at + 8, old.size - 8);
			value[8]++;
			size = 60 + (value[8] < 15 ? value[8] * 4u : 60);
		} else {
			memset(value + 8, 0, sizeof value - 8);
		}
		store_put(store, 0, slice_of(key, sizeof key), slice_of(value, size));
		if (i % 5) {
			uint64_t number = __builtin_bswap64(++use_number);
			memcpy(use, &i, sizeof i);
			store_put(store, 1, slice_of(&number, sizeof number), slice_of(use, sizeof use));
		}
		if ((i + 1) % BLOCK_EVENTS)
			continue;
		uint64_t at = i + 1;
		store_mark_block(store, slice_of(&at, sizeof at));
		in_layer += BLOCK_EVENTS;
		if (in_layer < layer)
			continue;
		struct store_fill fill = store_fill(store);
		enum ll_code code = store_poll(store, &error);
		check(code, &error);
		if (code == LL_BUSY && (fill.full || in_layer >= layer + layer / 4)) {
			double wait_s = now_s();
			check(store_wait_flushed(store, &error), &error);
			waited_s += now_s() - wait_s;
			code = LL_OK;
		}
		if (code == LL_OK && store_freeze(store)) {
			size_t bytes = anonymous_bytes();
			if (bytes > peak_bytes)
				peak_bytes = bytes;
			struct store_statistics s;
			store_statistics(store, &s);
			if (getenv("VERBOSE"))
				fprintf(stderr,
					"%8.3f s: froze %zu events, %llu rows%s; last flush %.0f ms; clean %zu MiB, dirty %zu "
					"MiB, anonymous %zu MiB\n",
					now_s() - begin_s, in_layer, (unsigned long long)fill.rows,
					fill.full ? " (full)" : "", (double)s.flush_us_last / 1e3,
					(size_t)s.clean_bytes >> 20, (size_t)s.dirty_bytes >> 20, bytes >> 20);
			in_layer = 0;
		}
	}
	double folded_s = now_s() - begin_s;
	check(store_close(store, &error), &error);
	double closed_s = now_s() - begin_s;
	thread_s += spent_s(CLOCK_THREAD_CPUTIME_ID);
	process_s += spent_s(CLOCK_PROCESS_CPUTIME_ID);
	printf("%zu events, %u accounts, zipf %.2f, layers of %zu: %.2f M events/s (%.2f s, of which %.2f s waiting for flushes, "
	       "%.2f s for the last flush and sync), peak anonymous %zu MiB; processor: owner %.0f, flush %.0f ns an event\n",
	       events, accounts, exponent, layer, (double)events / closed_s / 1e6, closed_s, waited_s,
	       closed_s - folded_s, (peak_bytes - before_bytes) >> 20, thread_s / (double)events * 1e9,
	       (process_s - thread_s) / (double)events * 1e9);
	free(drawn);
	return 0;
}
