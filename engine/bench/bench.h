/*
 * The measurements behind `ledgerline bench`: what the engine is made of, timed one piece at a time.
 *
 * Figures are of one run on one machine: only their ratios to each other in the same run mean anything.
 */
#ifndef LEDGERLINE_BENCH_H
#define LEDGERLINE_BENCH_H

#include "engine/journal/journal.h"
#include "schemas/wire/error.h"

/* How often each account is chosen. */
enum bench_shape {
	BENCH_UNIFORM,
	BENCH_ZIPF, /* exponent 0.99 */
	BENCH_HOT,  /* half of all events go to one account */
};

/* Draws account numbers. Deterministic: the same seed gives the same row on every machine. */
struct bench_draw {
	enum bench_shape shape;
	uint64_t accounts;
	uint64_t state[2];
	double zipf_zeta, zipf_eta,
		zipf_alpha; /* after Gray et al., "Quickly generating billion-record synthetic databases" */
};
void bench_draw_init(struct bench_draw *draw, enum bench_shape shape, uint64_t accounts, uint64_t seed);
uint64_t bench_random(struct bench_draw *draw);
uint64_t bench_account(struct bench_draw *draw); /* 0..accounts-1 */
enum ll_code bench_shape_parse(const char *text, enum bench_shape *shape, struct error *error) LL_CHECKED;

/* The account's id: 16 bytes at most, no final zero. Returns its size. */
size_t bench_account_id(char id[24], uint64_t account);

struct bench_fill_options {
	uint64_t events, accounts, seed;
	enum bench_shape shape;
	uint32_t block_entries; /* entries of one block */
	void (*progress)(uint64_t done, uint64_t all);
};
struct bench_fill_result {
	uint64_t events, charges, uses, blocks, bytes;
	int64_t charged, used;
	double seconds;
};
/* Writes a journal of point events (a fifth charges, the rest uses) to an empty log, genesis and claim first, through the real
 * encoder. BLOCKING. */
enum ll_code bench_fill(struct journal *journal, const struct bench_fill_options *options,
			struct bench_fill_result *result, struct error *error) LL_CHECKED;

/* How far a fold goes: what is left out shows what it costs. The first three run on the caller's thread alone, beside the
 * journal's own. */
enum bench_stage {
	BENCH_READ,   /* records are read and copied, and not looked at */
	BENCH_JUDGE,  /* and judged by the fold rule: checksum, chain */
	BENCH_DECODE, /* and their entries decoded */
	BENCH_APPLY, /* and folded into memory, which grows without bound: read ahead by another thread, as a fold does; nothing flushed */
	BENCH_WRITE, /* what apply left in memory is written and synced in one go: only that is timed */
	BENCH_WHOLE,
};
enum ll_code bench_stage_parse(const char *text, enum bench_stage *stage, struct error *error) LL_CHECKED;

struct bench_fold_options {
	unsigned projections;  /* mask; 0: balances, seats, rankings */
	const char *directory; /* of the stores; NULL: a temporary one, removed afterwards */
	enum bench_stage stage;
	uint64_t commit_entries; /* flush, and wait for it, after so many entries; 0: as memory asks for */
	bool digest;             /* afterwards; needs every projection of the state */
	void (*progress)(uint64_t offset, uint64_t end);
};
struct bench_fold_result {
	uint64_t entries, records, bytes;
	double seconds;        /* to the end, synced */
	double seconds_folded; /* until all was folded, before the last flush and sync */
	double cpu_seconds;    /* of all threads, from the beginning to the end of `seconds` */
	uint64_t anonymous_bytes_max;
	uint64_t resident_bytes_max;     /* with the pages of files that are mapped */
	int64_t charged, used, balances; /* from the totals row, read back: checked before the time counts */
	char digest[65];
};
/* Stages before BENCH_WHOLE leave nothing behind, not even in `directory`, and have no totals: those are zeros. */
enum ll_code bench_fold(struct journal *journal, const struct bench_fold_options *options,
			struct bench_fold_result *result, struct error *error) LL_CHECKED;

struct bench_commands_options {
	const char *journal; /* URL */
	const char *data;    /* directory */
	const struct journal_option *settings;
	size_t settings_count;
	uint64_t accounts, in_flight, seed;
	unsigned seconds;
	enum bench_shape shape;
};
struct bench_commands_result {
	uint64_t decided, accepted, refused, blocks;
	double seconds;
	uint64_t p50_us, p99_us, p999_us, max_us;
	double entries_per_block;
};
/* Debits, each waited for until it is durable and read back, `in_flight` at a time, over accounts that were charged before
 * the clock starts. BLOCKING. */
enum ll_code bench_commands(const struct bench_commands_options *options, struct bench_commands_result *result,
			    struct error *error) LL_CHECKED;

/* Anonymous resident memory of this process. */
uint64_t bench_anonymous_bytes(void);
double bench_seconds(void);

/* Processor time of this process, and the most memory that it had. */
double bench_cpu_seconds(void);
uint64_t bench_resident_bytes_max(void);

/* rm -rf, for directories that a bench has made itself. */
void bench_remove_tree(const char *path);

#endif
