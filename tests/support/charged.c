#include "tests/support/charged.h"

#include <stdio.h>
#include <string.h>

#include "engine/audit/replay.h"
#include "engine/rebuild/successors.h"

struct slice charged_block(uint8_t *room, const struct fold *fold, int64_t *balances)
{
	struct packer p = packer_over(room + ENVELOPE_SIZE, BLOCK_BYTES_MAX - ENVELOPE_SIZE);
	for (unsigned i = 0; i < CHARGES_PER_BLOCK; i++) {
		char user[16], id[24];
		uint64_t seq = fold->next_seq + i;
		struct short_hash hash = {{(uint8_t)seq}};
		snprintf(user, sizeof user, "user-%u", (unsigned)(seq % CHARGED_USERS));
		snprintf(id, sizeof id, "charge-%u", (unsigned)seq);
		int64_t balance = balances[seq % CHARGED_USERS] += 10;
		struct event event = {.type = EVENT_POINT_CHARGED, .version = 1};
		event.point_charged = (struct point_charged){.user_id = slice_text(user),
							     .amount = 10,
							     .source = SOURCE_PAID,
							     .lot_id = seq << 16,
							     .balance_after = balance,
							     .available_after = balance};
		struct entry entry = {.events = &event, .event_count = 1};
		entry.head = (struct entry_head){.outcome = OUTCOME_ACCEPTED,
						 .command_id = slice_text(id),
						 .command_hash = short_hash_slice(&hash),
						 .actor_type = ACTOR_TYPE_USER,
						 .actor_id = slice_text(user),
						 .command = COMMAND_POINTS_CHARGE,
						 .policy = 1};
		entry_encode(&p, &entry);
	}
	struct block block = {.kind = BLOCK_ENTRIES,
			      .ledger = slice_of(fold->ledger, sizeof fold->ledger),
			      .count = CHARGES_PER_BLOCK,
			      .epoch = fold->epoch,
			      .first_seq = fold->next_seq,
			      .time = 1000 + (int64_t)fold->next_seq,
			      .chain = hash_slice(&fold->chain)};
	block.body.size = (size_t)(p.at - room) - ENVELOPE_SIZE;
	return block_write(room, &block);
}

struct slice charged_claim(uint8_t *room, const struct fold *fold)
{
	struct claim_body body = {SLICE("0123456789abcdef"), SLICE_EMPTY, SLICE("0.1.0"), BLOCK_FORMAT};
	return block_write_claim(room, slice_of(fold->ledger, sizeof fold->ledger), 1000, fold->epoch + 1,
				 fold->next_seq, &body);
}

enum ll_code charged_rebuild(struct data *data, struct journal *journal, struct error *error)
{
	struct successors successors;
	struct replay replay = {
		.journal = journal, .mask = 1u << PROJECTION_BALANCES | 1u << PROJECTION_RECEIPTS, .resume = true};
	data_unlock(data);
	successors_init(&successors, data, replay.mask);
	enum ll_code code = successors_lock(&successors, error);
	if (code == LL_OK)
		code = successors_begin(&successors, error);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		memcpy(replay.directories[id], successors.of[id].path, GENERATION_PATH_MAX);
	if (code == LL_OK)
		code = replay_open(&replay, error);
	if (code == LL_OK)
		code = replay_to(&replay, UINT64_MAX, error);
	if (code == LL_OK)
		code = replay_close(&replay, error);
	else
		replay_abandon(&replay);
	if (code == LL_OK)
		code = successors_ready(&successors, error);
	if (code == LL_OK)
		code = successors_hand_over(&successors, NULL, error);
	if (code == LL_OK)
		successors_tidy(&successors, false);
	else
		successors_give_up(&successors, false);
	successors_release(&successors);
	return code;
}
