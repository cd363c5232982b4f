#include "engine/sink/board.h"

#include <inttypes.h>
#include <stdio.h>

#include "schemas/wire/ensure.h"

void member_board_init(struct member_board *board, const struct board_words *words)
{
	ENSURE(words->counts_count <= BOARD_COUNTS_MAX);
	*board = (struct member_board){.words = words};
	pthread_mutex_init(&board->lock, NULL);
}

void member_board_release(struct member_board *board)
{
	pthread_mutex_destroy(&board->lock);
}

void member_board_post(struct member_board *board, const struct board_standing *standing)
{
	pthread_mutex_lock(&board->lock);
	board->standing = *standing;
	pthread_mutex_unlock(&board->lock);
}

void member_board_read(struct member_board *board, struct board_standing *standing)
{
	pthread_mutex_lock(&board->lock);
	*standing = board->standing;
	pthread_mutex_unlock(&board->lock);
}

static void head(const struct board_words *words, struct buffer *out, const char *name, const char *type,
		 const char *help)
{
	buffer_printf(out, "# HELP ledgerline_%s_%s %s\n# TYPE ledgerline_%s_%s %s\n", words->kind, name, help,
		      words->kind, name, type);
}

static void number(const struct board_words *words, struct buffer *out, const char *name, const char *type,
		   const char *help, uint64_t value)
{
	head(words, out, name, type, help);
	buffer_printf(out, "ledgerline_%s_%s %" PRIu64 "\n", words->kind, name, value);
}

static void write_counts(const struct board_words *words, const struct board_standing *standing, struct buffer *out)
{
	for (size_t i = 0; i < words->counts_count; i++) {
		const struct board_count *count = &words->counts[i];
		if (count->help)
			head(words, out, count->name, "counter", count->help);
		buffer_printf(out, "ledgerline_%s_%s", words->kind, count->name);
		if (count->label)
			buffer_printf(out, "{%s=\"%s\"}", count->label, count->value);
		buffer_printf(out, " %" PRIu64 "\n", standing->counts[i]);
	}
}

void member_board_write(struct member_board *board, int64_t now_ms, struct buffer *out)
{
	const struct board_words *words = board->words;
	struct board_standing standing;
	char name[64], help[160];
	member_board_read(board, &standing);
	int64_t lag = standing.oldest_ms && now_ms > standing.oldest_ms ? now_ms - standing.oldest_ms : 0;
	write_counts(words, &standing, out);
	number(words, out, "failed_tries_total", "counter",
	       "Tries that brought no useful answer, and were or are repeated.", standing.again);
	snprintf(name, sizeof name, "%s_down_info", words->other_side);
	snprintf(help, sizeof help, "1: %s, and everything waits.", words->down);
	number(words, out, name, "gauge", help, standing.down);
	snprintf(name, sizeof name, "waiting_%ss", words->record);
	snprintf(help, sizeof help, "The %ss that were read and are not done with.", words->record);
	number(words, out, name, "gauge", help, standing.waiting);
	snprintf(help, sizeof help, "How old the oldest %s at hand is.", words->record);
	head(words, out, "lag_seconds", "gauge", help);
	buffer_printf(out, "ledgerline_%s_lag_seconds %" PRId64 ".%03u\n", words->kind, lag / 1000,
		      (unsigned)(lag % 1000));
	snprintf(help, sizeof help, "Partitions of the topic that are this %s's.", words->kind);
	number(words, out, "partitions", "gauge", help, standing.partitions);
	number(words, out, "failing_info", "gauge", "1: brokers fail it or do not answer, and everything waits.",
	       standing.failing[0] || standing.away[0]);
	number(words, out, "restarts_total", "counter", "How often it began anew because brokers failed it.",
	       standing.restarts);
}

bool member_board_is_ill(struct member_board *board, char reason[BOARD_REASON_MAX])
{
	struct board_standing standing;
	member_board_read(board, &standing);
	if (standing.failing[0])
		snprintf(reason, BOARD_REASON_MAX, "the brokers failed it: %s", standing.failing);
	else if (standing.away[0])
		snprintf(reason, BOARD_REASON_MAX, "%s", standing.away);
	else if (standing.down)
		snprintf(reason, BOARD_REASON_MAX, "%s", board->words->down);
	return standing.failing[0] || standing.away[0] || standing.down;
}
