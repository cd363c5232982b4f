/* What relay, sink, intake and dlq share: URLs of brokers and topics, being watched, and being told to stop. */
#ifndef LEDGERLINE_COMMANDS_OUTSIDE_H
#define LEDGERLINE_COMMANDS_OUTSIDE_H

#include <stdatomic.h>

#include "engine/commands/commands.h"
#include "engine/http/watch.h"
#include "engine/sink/board.h"
#include "schemas/public_events.h"

enum { TOPIC_NAME_MAX = 249 };

bool is_topic_name(const char *name);

/* The option's kafka://HOST:PORT,... into `brokers`; with `topic` (TOPIC_NAME_MAX + 1 bytes, or NULL) kafka://HOST:PORT,.../TOPIC.
 * EXIT_DONE, or an exit status after the complaint. */
int read_kafka_url(const struct options *options, const char *name, char brokers[JOURNAL_URL_MAX], char *topic);

/* Where each public type goes, by --prefix and --map (`dash`: what stands before their names, "" or "relay-"). Texts lie in `rooms`, one a
 * type. EXIT_DONE, or an exit status after the complaint. */
int read_topics(const struct options *options, const char *dash, const char **topics, char rooms[][TOPIC_NAME_MAX + 1]);

/* Shows /metrics, /healthz and /readyz at the address of --metrics, if it was given, and logs where. *watch: for watch_stop; NULL: it was not. EXIT_DONE,
 * or an exit status after the complaint. */
int start_watch(const struct options *options, const struct watch_options *watched, struct watch **watch);
/* The same for a member's board, which stays until watch_stop. */
int watch_member(const struct options *options, struct member_board *board, struct watch **watch);

int64_t wall_ms(void);

#define OPTION_METRICS                                                                                                 \
	{                                                                                                              \
		.name = "metrics", .kind = OPTION_TEXT, .value = "HOST:PORT",                                          \
		.help = "show /metrics, /healthz and /readyz there, to everybody who reaches it; port 0 picks one"     \
	}

/* Becomes true at SIGTERM and SIGINT. Later ones change nothing. */
atomic_bool *stop_at_signals(void);

#endif
