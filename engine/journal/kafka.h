/*
 * What the Kafka journal offers beside the port.
 */
#ifndef LEDGERLINE_JOURNAL_KAFKA_H
#define LEDGERLINE_JOURNAL_KAFKA_H

#include <stdbool.h>
#include <stddef.h>

/* Is it HOST:PORT[,HOST:PORT...]? */
bool kafka_are_brokers(const char *list, size_t size);

/* What the Kafka client has to say: `level` as of syslog(3), 3 an error, 6 information; `facility` a short word of the
 * client's. Called from the client's threads, at any time: it must be quick and may call nothing of a journal. */
typedef void journal_kafka_log_fn(void *context, int level, const char *facility, const char *text);

/* Sends the client's words to `hook` from now on; NULL, as at the start: nowhere. Set it before journals are opened. */
void journal_kafka_log(journal_kafka_log_fn *hook, void *context);

#endif
