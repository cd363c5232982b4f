/*
 * Intake: commands from a topic -> the engines' /api/commands, as a member of a consumer group; receipts -> a topic of replies.
 *
 *	poll --> a batch --> is each a command with an id, of a bearable size? --no--> dead letter
 *	                          | yes
 *	                          v
 *	                    POST as an array --a receipt each--> reply (rejected: a dead letter as well)
 *	                      | ^        \--400, 413 of the whole: in halves, until the one at fault is alone: dead letter
 *	               again  | | another engine; when all have failed: back-off with jitter, Retry-After
 *	                      v |
 *	                  (no answer, no HTTP, another status, receipts with 429, 500, 503: from the first such on)
 *
 * Offsets are committed when replies and dead letters are acknowledged. So a command is posted at least once, and as the ledger decides an id
 * once, it has one effect. Batches go one after another, each in the order of its partitions, and none overtakes what is sent again: so
 * commands of a partition are decided in its order.
 */
#ifndef LEDGERLINE_INTAKE_INTAKE_H
#define LEDGERLINE_INTAKE_INTAKE_H

#include <stdatomic.h>

#include "engine/client/http_client.h"
#include "engine/journal/journal.h"
#include "engine/sink/board.h"

enum { INTAKE_BATCH_MAX = 1000, INTAKE_BYTES_MAX = (8 << 20) - 2 };

/* Dead letters: what engines did not take, and what was never posted or could not be read by them. */
enum intake_count {
	INTAKE_ACCEPTED,
	INTAKE_REFUSED,
	INTAKE_REPEATED,
	INTAKE_READ,
	INTAKE_REJECTED,
	INTAKE_REPLIES,
	INTAKE_LETTERS_REJECTED,
	INTAKE_LETTERS_POISON,
	INTAKE_COUNTS
};
extern const struct board_words intake_words; /* for its board */

struct intake_options {
	const char *brokers, *topic, *group, *replies, *letters;
	const struct journal_option *settings;
	size_t settings_count;
	struct http_client **engines; /* of one ledger, at least one */
	const char *const *urls;      /* theirs */
	size_t engines_count;
	size_t batch_max; /* 1..INTAKE_BATCH_MAX: commands in one request */
	size_t bytes_max; /* of one command, at most INTAKE_BYTES_MAX */
	int timeout_ms, back_off_ms_max;
	const char *alert; /* a command for the shell; NULL: none */
	int replication;   /* of topics that are made; 0: three, or as many as there are brokers */
	atomic_bool *stop;
	struct member_board *board; /* where it tells how it stands; the last word is said before intake_run returns */
};

/* Until *stop. LL_USAGE, LL_NOT_FOUND (no such topic), LL_SETTINGS, LL_DENIED: at the start. BLOCKING. */
enum ll_code intake_run(const struct intake_options *options, struct error *error) LL_CHECKED;

#endif
