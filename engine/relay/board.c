#include "engine/relay/board.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

const char *relay_state_text(enum relay_state state)
{
	static const char *const texts[RELAY_STATES_COUNT] = {
#define X(name, text) [RELAY_##name] = (text),
		RELAY_STATES(X)
#undef X
	};
	return texts[state];
}

void board_init(struct relay_board *board)
{
	*board = (struct relay_board){.status = {.state = RELAY_OFF}};
	pthread_mutex_init(&board->lock, NULL);
}

void board_release(struct relay_board *board)
{
	pthread_mutex_destroy(&board->lock);
}

static void note(struct relay_board *board, const struct error *error, enum relay_state state, bool again)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	pthread_mutex_lock(&board->lock);
	board->status.state = state;
	board->status.retries += again;
	board->status.error_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	memcpy(board->status.error, error->text, sizeof board->status.error);
	pthread_mutex_unlock(&board->lock);
}

void board_fail(struct relay_board *board, const struct error *error, enum relay_state state)
{
	note(board, error, state, state == RELAY_WAITING);
}

void board_wait(struct relay_board *board, const struct error *error)
{
	note(board, error, RELAY_WAITING, false);
}

void board_read(struct relay_board *board, struct relay_status *status)
{
	pthread_mutex_lock(&board->lock);
	*status = board->status;
	pthread_mutex_unlock(&board->lock);
}

uint64_t relay_pending(const struct relay_status *status, uint64_t entries)
{
	if (entries < status->read)
		entries = status->read;
	return entries > status->next ? entries - status->next : 0;
}

int64_t relay_lag_ms(const struct relay_status *status, int64_t now_ms)
{
	return status->oldest_ms && now_ms > status->oldest_ms ? now_ms - status->oldest_ms : 0;
}

/* ---- metrics ---- */

static void head(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP ledgerline_relay_%s %s\n# TYPE ledgerline_relay_%s %s\n", name, help, name, type);
}

static void number(struct buffer *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	buffer_printf(out, "ledgerline_relay_%s %" PRIu64 "\n", name, value);
}

static void write_delays(const struct target_counts *counts, struct buffer *out)
{
	uint64_t total = 0;
	head(out, "delay_seconds", "histogram", "From an entry's time to its event's commit on the topic.");
	for (unsigned i = 0; i < TARGET_DELAYS; i++) {
		total += counts->delays[i];
		if (i + 1 < TARGET_DELAYS)
			buffer_printf(out, "ledgerline_relay_delay_seconds_bucket{le=\"%u.%03u\"} %" PRIu64 "\n",
				      target_delay_bounds_ms[i] / 1000, target_delay_bounds_ms[i] % 1000, total);
	}
	buffer_printf(out,
		      "ledgerline_relay_delay_seconds_bucket{le=\"+Inf\"} %" PRIu64
		      "\nledgerline_relay_delay_seconds_sum %" PRIu64
		      ".%03u\nledgerline_relay_delay_seconds_count %" PRIu64 "\n",
		      total, counts->delay_ms_sum / 1000, (unsigned)(counts->delay_ms_sum % 1000), total);
}

void relay_write_metrics(const struct relay_status *status, uint64_t entries, int64_t now_ms, struct buffer *out)
{
	const struct target_counts *counts = &status->counts;
	int64_t lag = relay_lag_ms(status, now_ms);
	head(out, "state_info", "gauge", "The state that the relay is in.");
	buffer_printf(out, "ledgerline_relay_state_info{state=\"%s\"} 1\n", relay_state_text(status->state));
	number(out, "working_info", "gauge", "1: what comes is published. 0 on an engine that does not lead.",
	       status->state == RELAY_PUBLISHING);
	number(out, "failing_info", "gauge", "1: it cannot publish, and tries again or has given up.",
	       status->state == RELAY_WAITING || status->state == RELAY_STOPPED);
	head(out, "events_total", "counter", "Events that are on the topics, by type.");
	for (unsigned i = 0; i < PUBLIC_TYPES_COUNT; i++)
		buffer_printf(out, "ledgerline_relay_events_total{type=\"%s\"} %" PRIu64 "\n", public_types[i],
			      counts->published[i]);
	number(out, "events_there_already_total", "counter",
	       "Events that were left out because they were there already.", counts->there_already);
	number(out, "transactions_total", "counter", "Commits on the topics.", counts->transactions);
	number(out, "published_entries", "gauge", "Entries before this one are on the topics.", status->next);
	number(out, "pending_entries", "gauge", "Entries of the journal whose events are not surely there.",
	       relay_pending(status, entries));
	head(out, "lag_seconds", "gauge", "How long the oldest of them that was read has waited.");
	buffer_printf(out, "ledgerline_relay_lag_seconds %" PRId64 ".%03u\n", lag / 1000, (unsigned)(lag % 1000));
	number(out, "retries_total", "counter", "How often it began anew after a failure.", status->retries);
	number(out, "fenced_total", "counter", "Of them, because another relay had begun.", status->fenced);
	write_delays(counts, out);
}
