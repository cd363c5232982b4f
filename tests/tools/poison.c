/*
 * poison URL KIND: takes a journal over, as an engine would, and writes what no sound engine writes. For tests.
 *
 *	contradiction   points come in, and the balance after it is not what it is: the balances cannot fold it
 *	gift            points come in that nobody asked for: it can be folded, and no rule gives it
 *	crowd           an entry of more events than the history has numbers for: it alone cannot fold it
 *	closing         a period is closed with totals and digests that are not those of the state
 *	zombie          a block of the epoch before the last
 *	claim           a claim of an epoch that is taken
 *	again           the last block once more
 *	hand            something that is no block
 *	other           a block of another ledger
 *
 * The position of what can be annulled is printed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/audit/walk.h"
#include "engine/data/operator_entry.h"
#include "schemas/wire/ensure.h"

static uint8_t room[4096];
static struct error error;

static int fail(void)
{
	fprintf(stderr, "poison: %s\n", error.text);
	return 1;
}

static enum ll_code append(struct journal *journal, struct slice value)
{
	struct journal_appender *appender = NULL;
	struct journal_report report;
	enum ll_code code = journal_appender_open(journal, &appender, &error);
	if (code == LL_OK)
		code = journal_append(appender, value, 1, NULL, 0, &error);
	if (code == LL_OK)
		code = journal_report(appender, 30000, &report);
	if (code == LL_OK && report.code != LL_OK)
		error = report.error, code = report.code;
	journal_appender_close(appender);
	return code;
}

static struct slice claim(const struct fold *fold, uint64_t epoch, const char *ledger)
{
	struct claim_body body = {SLICE("0123456789abcdef"), SLICE_EMPTY, SLICE("0.1.0"), BLOCK_FORMAT};
	struct slice uuid = ledger ? slice_of((const uint8_t *)ledger, LEDGER_UUID_BYTES)
				   : slice_of(fold->ledger, sizeof fold->ledger);
	return block_write_claim(room, uuid, 1, epoch, fold->next_seq, &body);
}

enum { CROWD = 300 };

/* An entry of so many ticks, of any epoch. */
static struct slice ticks(const struct fold *fold, uint64_t epoch, uint32_t count)
{
	struct packer p = packer_over(room + ENVELOPE_SIZE, sizeof room - ENVELOPE_SIZE);
	struct event events[CROWD];
	for (uint32_t i = 0; i < count; i++)
		events[i] = (struct event){.type = EVENT_TICK, .version = event_info(EVENT_TICK)->version};
	struct entry entry = {.events = events, .event_count = count};
	entry.head = (struct entry_head){.outcome = OUTCOME_SYSTEM, .actor_type = ACTOR_TYPE_SYSTEM};
	entry_encode(&p, &entry);
	struct block block = {.kind = BLOCK_ENTRIES,
			      .ledger = slice_of(fold->ledger, sizeof fold->ledger),
			      .count = 1,
			      .epoch = epoch,
			      .first_seq = fold->next_seq,
			      .time = fold->time,
			      .chain = hash_slice(&fold->chain)};
	block.body.size = (size_t)(p.at - room) - ENVELOPE_SIZE;
	return block_write(room, &block);
}

static enum ll_code write_again(struct journal *journal, const struct fold *fold)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	int64_t time_ms;
	enum ll_code code = journal_read_at(journal, fold->block_offset, &bytes, &size, &time_ms, &error);
	if (code == LL_OK)
		code = append(journal, slice_of(bytes, size));
	free(bytes);
	return code;
}

static enum ll_code write_event(struct journal *journal, struct fold *fold, struct event *event)
{
	uint64_t offset;
	event->version = event_info(event->type)->version;
	enum ll_code code = operator_entry_append(journal, fold, event, &offset, &error);
	if (code == LL_OK)
		printf("0:%" PRIu64 "\n", fold->next_seq - 1);
	return code;
}

static enum ll_code write_kind(struct journal *journal, struct fold *fold, const char *kind)
{
	struct event event = {.type = EVENT_POINT_CHARGED};
	bool is_gift = strcmp(kind, "gift") == 0;
	if (is_gift || strcmp(kind, "contradiction") == 0) {
		event.point_charged = (struct point_charged){.user_id = SLICE("eve"),
							     .amount = 10,
							     .source = SOURCE_PAID,
							     .lot_id = fold->next_seq << 16,
							     .balance_after = is_gift ? 10 : 999,
							     .available_after = is_gift ? 10 : 999};
		return write_event(journal, fold, &event);
	}
	if (strcmp(kind, "closing") == 0) {
		static const uint8_t zeros[32];
		event.type = EVENT_PERIOD_CLOSED;
		event.period_closed = (struct period_closed){.name = SLICE("false"),
							     .approver = SLICE("eve"),
							     .last_seq = fold->next_seq - 1,
							     .totals_digest = slice_of(zeros, sizeof zeros),
							     .state_digest = slice_of(zeros, sizeof zeros),
							     .entries = 7};
		return write_event(journal, fold, &event);
	}
	if (strcmp(kind, "crowd") == 0)
		return append(journal, ticks(fold, fold->epoch, CROWD));
	if (strcmp(kind, "zombie") == 0)
		return append(journal, ticks(fold, fold->epoch - 1, 1));
	if (strcmp(kind, "claim") == 0)
		return append(journal, claim(fold, fold->epoch, NULL));
	if (strcmp(kind, "again") == 0)
		return write_again(journal, fold);
	if (strcmp(kind, "hand") == 0)
		return append(journal, SLICE("typed by hand"));
	if (strcmp(kind, "other") == 0)
		return append(journal, claim(fold, 1, "somebody-else's"));
	return error_set(&error, LL_USAGE, "no such kind: %s", kind);
}

int main(int argc, char **argv)
{
	struct journal *journal = NULL;
	struct fold fold = {0};
	struct walk walk = {.end = UINT64_MAX};
	if (argc != 3) {
		fprintf(stderr, "usage: poison URL KIND\n");
		return 2;
	}
	enum ll_code code = journal_open(argv[1], &(struct journal_options){0}, &journal, &error);
	if (code == LL_OK)
		code = walk_journal(journal, &walk, &fold, &error);
	if (code == LL_OK)
		code = write_kind(journal, &fold, argv[2]);
	journal_close(journal);
	return code == LL_OK ? 0 : fail();
}
