/*
 * Filling a journal: accounts with their lots are kept in arrays, so that each event says what the real rules would have
 * said (lots never expire here: oldest first). The fold holds every event against its own state: a wrong one would be poison.
 */
#include "engine/bench/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/data/catch_up.h"
#include "projections/fold/fold.h"
#include "schemas/command_hash.h"
#include "schemas/wire/ensure.h"

enum { LOTS_OPEN_MAX = 6, CHARGE_AMOUNT = 100000, REPORT_WAIT_MS = 60000 };

struct filled_account {
	int64_t balance;
	uint32_t lots;
	struct taken open[LOTS_OPEN_MAX]; /* lot and what remains */
};

struct filling {
	struct filled_account *accounts;
	struct bench_draw draw;
	struct fold fold;
	struct journal_appender *appender;
	uint8_t *room;
	struct packer packer;
	uint32_t count;
	int64_t time;
	struct bench_fill_result *result;
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum ll_code append(struct filling *f, struct slice value, struct error *error)
{
	struct journal_report report;
	struct block block;
	enum fold_verdict verdict;
	enum ll_code code = journal_append(f->appender, value, f->time, NULL, 0, error);
	if (code == LL_OK)
		code = journal_report(f->appender, REPORT_WAIT_MS, &report);
	if (code == LL_TIMEOUT)
		return error_set(error, code, "the journal has not taken a block in time");
	if (code == LL_OK && report.code != LL_OK)
		return error_set(error, report.code, "%s", report.error.text);
	f->result->blocks++;
	f->result->bytes += value.size;
	return code == LL_OK ? fold_record(&f->fold, f->fold.next_offset, value, &verdict, &block, error) : code;
}

static enum ll_code claim(struct filling *f, struct error *error)
{
	uint8_t room[4096];
	struct claim_body body = {
		.writer = slice_of(f->fold.ledger, sizeof f->fold.ledger),
		.software = SLICE("bench"),
		.format = BLOCK_FORMAT,
	};
	return append(f,
		      block_write_claim(room, slice_of(f->fold.ledger, sizeof f->fold.ledger), f->time,
					f->fold.epoch + 1, f->fold.next_seq, &body),
		      error);
}

/* The genesis is in the log already: fold it, to go on from there. */
static enum ll_code fold_genesis(struct filling *f, struct journal *journal, struct error *error)
{
	uint8_t *bytes = NULL;
	size_t size;
	int64_t time_ms;
	struct block block;
	enum fold_verdict verdict;
	enum ll_code code = journal_read_at(journal, 0, &bytes, &size, &time_ms, error);
	if (code == LL_OK)
		code = fold_record(&f->fold, 0, slice_of(bytes, size), &verdict, &block, error);
	free(bytes);
	return code;
}

static void fill_charge(struct filling *f, struct filled_account *account, uint64_t seq, struct event *event,
			struct command *command, struct slice user)
{
	int64_t amount = CHARGE_AMOUNT + (int64_t)(bench_random(&f->draw) % 1000) * 100;
	uint64_t lot = LOT_ID(seq, 0);
	account->open[account->lots++] = (struct taken){lot, amount};
	account->balance += amount;
	*event = (struct event){.type = EVENT_POINT_CHARGED, .version = 1};
	event->point_charged = (struct point_charged){user,      amount,           SOURCE_PAID,     lot, 0, NONE_TIME,
						      NONE_TIME, account->balance, account->balance};
	command->type = COMMAND_POINTS_CHARGE;
	command->points_charge = (struct points_charge){user, amount, SOURCE_PAID, NONE_TIME};
	f->result->charges++;
	f->result->charged += amount;
}

static void fill_use(struct filling *f, struct filled_account *account, uint64_t seq, struct event *event,
		     struct command *command, struct slice user, struct taken *taken)
{
	int64_t share = account->balance / 4;
	int64_t amount = 1 + (int64_t)(bench_random(&f->draw) % (uint64_t)(share > 40000 ? share : 40000));
	if (amount > account->balance)
		amount = account->balance;
	int64_t left = amount;
	uint32_t used = 0, gone = 0;
	while (left > 0) {
		struct taken *lot = &account->open[used];
		int64_t part = lot->amount < left ? lot->amount : left;
		taken[used++] = (struct taken){lot->lot_id, part};
		lot->amount -= part;
		left -= part;
		gone += lot->amount == 0;
	}
	account->lots -= gone;
	memmove(account->open, account->open + gone, account->lots * sizeof *account->open);
	account->balance -= amount;
	*event = (struct event){.type = EVENT_POINT_USED, .version = 1};
	event->point_used = (struct point_used){.use_id = seq,
						.user_id = user,
						.amount = amount,
						.lots = {taken, used},
						.payment_id = NONE_U64,
						.hold_id = NONE_U64,
						.balance_after = account->balance,
						.available_after = account->balance};
	command->type = COMMAND_POINTS_USE;
	command->points_use = (struct points_use){.user_id = user, .amount = amount};
	f->result->uses++;
	f->result->used += amount;
}

static void fill_event(struct filling *f)
{
	char id[24], command_id[24];
	struct taken taken[LOTS_OPEN_MAX];
	struct event event;
	struct command command;
	uint64_t number = bench_account(&f->draw), seq = f->fold.next_seq + f->count;
	struct filled_account *account = &f->accounts[number];
	struct slice user = slice_of(id, bench_account_id(id, number));
	/* A fifth charges; an account without points is charged, one with many lots uses. */
	bool charge = account->balance == 0 || (account->lots < LOTS_OPEN_MAX && bench_random(&f->draw) % 100 < 12);
	if (charge)
		fill_charge(f, account, seq, &event, &command, user);
	else
		fill_use(f, account, seq, &event, &command, user, taken);
	int size = snprintf(command_id, sizeof command_id, "b-%" PRIu64, seq);
	struct short_hash hash = command_hash(&command);
	struct entry entry = {.events = &event, .event_count = 1};
	entry.head = (struct entry_head){OUTCOME_ACCEPTED,
					 slice_of(command_id, (size_t)size),
					 short_hash_slice(&hash),
					 ACTOR_TYPE_SYSTEM,
					 SLICE("bench"),
					 command.type,
					 1};
	entry_encode(&f->packer, &entry);
	f->count++;
}

static enum ll_code send_block(struct filling *f, struct error *error)
{
	struct block block = {.kind = BLOCK_ENTRIES,
			      .ledger = slice_of(f->fold.ledger, sizeof f->fold.ledger),
			      .count = f->count,
			      .epoch = f->fold.epoch,
			      .first_seq = f->fold.next_seq,
			      .time = f->time,
			      .chain = hash_slice(&f->fold.chain)};
	if (f->packer.full)
		return error_set(error, LL_TOO_LARGE, "%u entries do not fit one block: use fewer", f->count);
	block.body.size = (size_t)(f->packer.at - f->room) - ENVELOPE_SIZE;
	enum ll_code code = append(f, block_write(f->room, &block), error);
	f->packer = packer_over(f->room + ENVELOPE_SIZE, BLOCK_BYTES_MAX - ENVELOPE_SIZE);
	f->count = 0;
	f->time++;
	return code;
}

enum ll_code bench_fill(struct journal *journal, const struct bench_fill_options *options,
			struct bench_fill_result *result, struct error *error)
{
	double begin = bench_seconds();
	struct filling f = {.result = result, .time = now_ms()};
	*result = (struct bench_fill_result){0};
	enum ll_code code = write_genesis(journal, "bench", f.time, error);
	f.accounts = calloc(options->accounts, sizeof *f.accounts);
	f.room = malloc(BLOCK_BYTES_MAX);
	ENSURE(f.accounts && f.room);
	f.packer = packer_over(f.room + ENVELOPE_SIZE, BLOCK_BYTES_MAX - ENVELOPE_SIZE);
	bench_draw_init(&f.draw, options->shape, options->accounts, options->seed);
	if (code == LL_OK)
		code = fold_genesis(&f, journal, error);
	if (code == LL_OK)
		code = journal_appender_open(journal, &f.appender, error);
	if (code == LL_OK)
		code = claim(&f, error);
	while (code == LL_OK && result->events < options->events) {
		fill_event(&f);
		result->events++;
		if (f.count == options->block_entries || result->events == options->events) {
			code = send_block(&f, error);
			if (options->progress)
				options->progress(result->events, options->events);
		}
	}
	journal_appender_close(f.appender);
	free(f.accounts);
	free(f.room);
	result->seconds = bench_seconds() - begin;
	return code;
}
