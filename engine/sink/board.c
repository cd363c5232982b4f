#include "engine/sink/board.h"

#include <inttypes.h>

void sink_board_init(struct sink_board *board)
{
	*board = (struct sink_board){.status = {.waiting = 0}};
	pthread_mutex_init(&board->lock, NULL);
}

void sink_board_release(struct sink_board *board)
{
	pthread_mutex_destroy(&board->lock);
}

void sink_board_post(struct sink_board *board, const struct sink_status *status)
{
	pthread_mutex_lock(&board->lock);
	board->status = *status;
	pthread_mutex_unlock(&board->lock);
}

void sink_board_read(struct sink_board *board, struct sink_status *status)
{
	pthread_mutex_lock(&board->lock);
	*status = board->status;
	pthread_mutex_unlock(&board->lock);
}

static void head(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP ledgerline_sink_%s %s\n# TYPE ledgerline_sink_%s %s\n", name, help, name, type);
}

static void number(struct buffer *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	buffer_printf(out, "ledgerline_sink_%s %" PRIu64 "\n", name, value);
}

void sink_write_metrics(const struct sink_status *status, int64_t now_ms, struct buffer *out)
{
	static const char *const kinds[LETTER_KINDS] = {
		[LETTER_REFUSED] = "refused", [LETTER_ATTEMPTS] = "attempts", [LETTER_NO_EVENT] = "no_event"};
	int64_t lag = status->at_hand_ms && now_ms > status->at_hand_ms ? now_ms - status->at_hand_ms : 0;
	number(out, "delivered_total", "counter", "Events that the endpoint took.", status->taken);
	number(out, "failed_tries_total", "counter", "Tries that brought no useful answer, and were or are repeated.",
	       status->again);
	head(out, "dead_letters_total", "counter", "Events that became dead letters, by why.");
	for (unsigned i = 0; i < LETTER_KINDS; i++)
		buffer_printf(out, "ledgerline_sink_dead_letters_total{reason=\"%s\"} %" PRIu64 "\n", kinds[i],
			      status->letters[i]);
	number(out, "endpoint_down_info", "gauge", "1: the endpoint does not answer, and everything waits.",
	       status->down);
	number(out, "waiting_events", "gauge", "Events that were read and are not delivered.", status->waiting);
	head(out, "lag_seconds", "gauge", "How old the event at hand is.");
	buffer_printf(out, "ledgerline_sink_lag_seconds %" PRId64 ".%03u\n", lag / 1000, (unsigned)(lag % 1000));
	number(out, "partitions", "gauge", "Partitions of the topic that are this sink's.", status->partitions);
	number(out, "restarts_total", "counter", "How often it began anew because brokers failed it.",
	       status->restarts);
}
