#include "engine/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#define ZIPF_EXPONENT 0.99

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* xoroshiro128+ */
uint64_t bench_random(struct bench_draw *draw)
{
	uint64_t a = draw->state[0], b = draw->state[1], sum = a + b;
	b ^= a;
	draw->state[0] = ((a << 24) | (a >> 40)) ^ b ^ (b << 16);
	draw->state[1] = (b << 37) | (b >> 27);
	return sum;
}

static double unit(struct bench_draw *draw)
{
	return (double)(bench_random(draw) >> 11) * 0x1p-53;
}

static double zeta(uint64_t n)
{
	double sum = 0;
	for (uint64_t i = 1; i <= n; i++)
		sum += pow((double)i, -ZIPF_EXPONENT);
	return sum;
}

void bench_draw_init(struct bench_draw *draw, enum bench_shape shape, uint64_t accounts, uint64_t seed)
{
	*draw = (struct bench_draw){.shape = shape, .accounts = accounts};
	draw->state[0] = splitmix(&seed);
	draw->state[1] = splitmix(&seed);
	if (shape != BENCH_ZIPF)
		return;
	draw->zipf_zeta = zeta(accounts);
	draw->zipf_alpha = 1 / (1 - ZIPF_EXPONENT);
	draw->zipf_eta = (1 - pow(2.0 / (double)accounts, 1 - ZIPF_EXPONENT)) / (1 - zeta(2) / draw->zipf_zeta);
}

/* Popular accounts are spread over the numbers, as popular people are over an alphabet. */
static uint64_t spread(uint64_t rank, uint64_t accounts)
{
	uint64_t state = rank;
	return splitmix(&state) % accounts;
}

uint64_t bench_account(struct bench_draw *draw)
{
	if (draw->shape == BENCH_HOT && bench_random(draw) & 1)
		return 0;
	if (draw->shape != BENCH_ZIPF)
		return bench_random(draw) % draw->accounts;
	double u = unit(draw), uz = u * draw->zipf_zeta;
	if (uz < 1)
		return spread(0, draw->accounts);
	if (uz < 1 + pow(0.5, ZIPF_EXPONENT))
		return spread(1, draw->accounts);
	uint64_t rank =
		(uint64_t)((double)draw->accounts * pow(draw->zipf_eta * u - draw->zipf_eta + 1, draw->zipf_alpha));
	return spread(rank, draw->accounts);
}

enum ll_code bench_shape_parse(const char *text, enum bench_shape *shape, struct error *error)
{
	static const char *const names[] = {[BENCH_UNIFORM] = "uniform", [BENCH_ZIPF] = "zipf", [BENCH_HOT] = "hot"};
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(text, names[i]) == 0) {
			*shape = (enum bench_shape)i;
			return LL_OK;
		}
	return error_set(error, LL_USAGE, "there is no shape %s: uniform, zipf or hot", text);
}

size_t bench_account_id(char id[24], uint64_t account)
{
	/* By hand: snprintf would cost more than all the rest of an event. */
	char digits[20];
	size_t count = 0;
	do
		digits[count++] = (char)('0' + account % 10);
	while ((account /= 10));
	while (count < 7)
		digits[count++] = '0';
	memcpy(id, "user-", 5);
	for (size_t i = 0; i < count; i++)
		id[5 + i] = digits[count - 1 - i];
	return 5 + count;
}

double bench_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double bench_cpu_seconds(void)
{
	struct timespec spent;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
	return (double)spent.tv_sec + (double)spent.tv_nsec * 1e-9;
}

uint64_t bench_resident_bytes_max(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

uint64_t bench_anonymous_bytes(void)
{
	char line[256];
	unsigned long kib = 0;
	FILE *file = fopen("/proc/self/status", "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof line, file))
		if (sscanf(line, "RssAnon: %lu kB", &kib) == 1)
			break;
	fclose(file);
	return (uint64_t)kib * 1024;
}
