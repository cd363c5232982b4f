/*
 * The simulator's program.
 *
 *	test_simulation                       the named seeds, as a test
 *	test_simulation --seed N [--trace]    one seed again; with --trace: what happened, a line for each thing
 *	test_simulation --seeds N [--from S]  N seeds from S on (fresh ones without --from), with figures
 *		--jobs J                      so many at a time; else as many as there are processors
 *		--keep-going                  on after a seed that failed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "schemas/wire/ensure.h"
#include "tests/simulation/simulation.h"

enum { NAMED_SEEDS = 2500, JOBS_MAX = 64 };

static const char *program;
static char epitaph[4096]; /* what to say when the process dies of the present seed */

static void tell_failure(uint64_t seed, const char *failure)
{
	printf("seed %" PRIu64 ": %s\n\treplay: %s --seed %" PRIu64 " --trace\n", seed, failure, program, seed);
	fflush(stdout);
}

/* An assertion of the product failed, or worse: say which seed it was, and die of it. */
static void died(int signal_number)
{
	(void)!write(STDOUT_FILENO, epitaph, strlen(epitaph));
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static bool run_seed(uint64_t seed, FILE *trace, struct tally *tally)
{
	char failure[1280];
	snprintf(epitaph, sizeof epitaph,
		 "seed %" PRIu64 ": the program died\n\treplay: %s --seed %" PRIu64 " --trace\n", seed, program, seed);
	bool fine = simulate(seed, trace, tally, failure, sizeof failure);
	if (!fine)
		tell_failure(seed, failure);
	return fine;
}

/* ---- many ---- */

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void add(struct tally *sum, const struct tally *one)
{
	const uint64_t *from = (const uint64_t *)one;
	for (size_t i = 0; i < sizeof *sum / sizeof(uint64_t); i++)
		((uint64_t *)sum)[i] += from[i];
}

static void print_tally(const struct tally *tally, double seconds)
{
	printf("%" PRIu64 " seeds in %.0f s: %.0f seeds/s, %.0f simulated steps/s\n", tally->seeds, seconds,
	       (double)tally->seeds / seconds, (double)tally->steps / seconds);
	printf("%" PRIu64 " commands, %" PRIu64 " answers, %" PRIu64 " entries in %" PRIu64 " blocks, %" PRIu64
	       " claims, %" PRIu64 " void records, %" PRIu64 " starts of engines\n",
	       tally->commands, tally->answers, tally->entries, tally->blocks, tally->claims, tally->void_records,
	       tally->restarts);
	for (unsigned i = 0; i < FAULT_KINDS; i++)
		printf("\t%-26s %12" PRIu64 "\n", fault_texts[i], tally->faults[i]);
}

struct campaign {
	uint64_t from, seeds;
	unsigned jobs;
	bool keep_going;
};

/* Seeds from + job, from + job + jobs, ...; the tally goes through the pipe. Exit status 1: one failed. */
static void run_job(const struct campaign *campaign, unsigned job, int pipe_end)
{
	struct tally tally = {0};
	bool fine = true;
	for (uint64_t i = job; i < campaign->seeds && (fine || campaign->keep_going); i += campaign->jobs)
		fine &= run_seed(campaign->from + i, NULL, &tally);
	ENSURE(write(pipe_end, &tally, sizeof tally) == sizeof tally);
	exit(fine ? 0 : 1);
}

static int run_campaign(const struct campaign *campaign)
{
	struct tally sum = {0}, one;
	int ends[2], status, failed = 0;
	double begin = seconds_now();
	ENSURE(pipe(ends) == 0);
	printf("seeds %" PRIu64 " to %" PRIu64 ", %u at a time\n", campaign->from, campaign->from + campaign->seeds - 1,
	       campaign->jobs);
	fflush(stdout);
	for (unsigned job = 0; job < campaign->jobs; job++) {
		pid_t pid = fork();
		ENSURE(pid >= 0);
		if (pid == 0)
			run_job(campaign, job, ends[1]);
	}
	close(ends[1]);
	while (read(ends[0], &one, sizeof one) == sizeof one)
		add(&sum, &one);
	while (wait(&status) > 0)
		failed |= status != 0;
	print_tally(&sum, seconds_now() - begin);
	return failed;
}

/* ---- the test ---- */

/* The named seeds: all properties hold in each. */
static void test_named_seeds(void **state)
{
	(void)state;
	struct tally tally = {0};
	for (uint64_t seed = 1; seed <= NAMED_SEEDS; seed++)
		assert_true(run_seed(seed, NULL, &tally));
	for (unsigned i = 0; i < FAULT_KINDS; i++)
		if (!tally.faults[i])
			fail_msg("%s never came in %d seeds", fault_texts[i], NAMED_SEEDS);
}

/* The same seed is the same run, to the last line of its trace. */
static void test_deterministic(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		char *texts[2];
		size_t sizes[2];
		struct tally tally = {0};
		for (unsigned i = 0; i < 2; i++) {
			FILE *trace = open_memstream(&texts[i], &sizes[i]);
			assert_true(run_seed(seed, trace, &tally));
			fclose(trace);
		}
		assert_string_equal(texts[0], texts[1]);
		free(texts[0]);
		free(texts[1]);
	}
}

static int test_all(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deterministic),
		cmocka_unit_test(test_named_seeds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);
	if (*end || end == text) {
		fprintf(stderr, "%s: \"%s\" is not a number\n", program, text);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
						{"trace", no_argument, NULL, 't'},
						{"seeds", required_argument, NULL, 'n'},
						{"from", required_argument, NULL, 'f'},
						{"jobs", required_argument, NULL, 'j'},
						{"keep-going", no_argument, NULL, 'k'},
						{0}};
	struct campaign campaign = {.from = (uint64_t)time(NULL) * 1000000,
				    .jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
	struct tally tally = {0};
	bool one = false, trace = false;
	uint64_t seed = 0;
	int option;
	program = argv[0];
	/* Stores are opened by the thousand, each with little in it: large pages would be cleared for nothing. */
	(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	signal(SIGABRT, died);
	signal(SIGSEGV, died);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			seed = number(optarg);
			one = true;
			break;
		case 't': trace = true; break;
		case 'n': campaign.seeds = number(optarg); break;
		case 'f': campaign.from = number(optarg); break;
		case 'j': campaign.jobs = (unsigned)number(optarg); break;
		case 'k': campaign.keep_going = true; break;
		default: return 2;
		}
	}
	if (campaign.jobs < 1 || campaign.jobs > JOBS_MAX)
		campaign.jobs = 1;
	if (one)
		return run_seed(seed, trace ? stdout : NULL, &tally) ? 0 : 1;
	return campaign.seeds ? run_campaign(&campaign) : test_all();
}
