/*
 * The appender of the Kafka journal: a fresh idempotent producer with one record under way.
 *
 * Reports come as events on the client's main queue. The producer has no deadline of its own (message.timeout.ms=0): it
 * tries until the append is reported or the appender is closed, and the engine says when it has had enough.
 *
 * A permanent failure is only believed when the client also says that the record was not persisted; otherwise it is told as
 * one that may have landed. A fatal error of the client ends the appender.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/journal/bell.h"
#include "engine/journal/kafka_client.h"
#include "schemas/wire/ensure.h"

struct kafka_appender {
	struct journal_appender base;
	struct kafka_client client;
	rd_kafka_queue_t *events;
	int bell;
	bool has_report; /* made without the client, because it is dead */
	struct journal_report report;
};

static const uint64_t one_ring = 1;

static bool is_dead(struct kafka_appender *appender, char *reason, size_t reason_size)
{
	return rd_kafka_fatal_error(appender->client.rk, reason, reason_size) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* It was refused before it could write at all: another one would be, too. */
static bool died_denied(struct kafka_appender *appender)
{
	char reason[KAFKA_TEXT_MAX];
	return kafka_code(rd_kafka_fatal_error(appender->client.rk, reason, sizeof reason)) == LL_DENIED;
}

static void fill_headers(rd_kafka_headers_t *list, const struct journal_header *headers, size_t headers_count)
{
	for (size_t i = 0; i < headers_count; i++)
		ENSURE(rd_kafka_header_add(list, headers[i].name, -1, headers[i].value, -1) ==
		       RD_KAFKA_RESP_ERR_NO_ERROR);
}

static enum ll_code kafka_append(struct journal_appender *base, struct slice value, int64_t time_ms,
				 const struct journal_header *headers, size_t headers_count, struct error *error)
{
	struct kafka_appender *appender = (struct kafka_appender *)base;
	rd_kafka_headers_t *list = rd_kafka_headers_new(headers_count);
	ENSURE(list);
	fill_headers(list, headers, headers_count);
	rd_kafka_resp_err_t err =
		rd_kafka_producev(appender->client.rk, RD_KAFKA_V_RKT(appender->client.topic), RD_KAFKA_V_PARTITION(0),
				  RD_KAFKA_V_VALUE((void *)(value.size ? value.at : (const uint8_t *)""), value.size),
				  RD_KAFKA_V_TIMESTAMP(time_ms), RD_KAFKA_V_HEADERS(list), RD_KAFKA_V_END);
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
		return LL_OK;
	rd_kafka_headers_destroy(list);
	if (err != RD_KAFKA_RESP_ERR__FATAL)
		return kafka_fail(&appender->client, err, "appending to", error);
	appender->report = (struct journal_report){.offset = JOURNAL_NO_OFFSET, .appender_is_dead = true};
	appender->report.code = kafka_fail(&appender->client, err, "appending to", &appender->report.error);
	if (died_denied(appender))
		appender->report.code = appender->report.error.code = LL_DENIED;
	appender->has_report = true;
	bell_ring(appender->bell);
	return LL_OK;
}

static void fill_report(struct kafka_appender *appender, const rd_kafka_message_t *message,
			struct journal_report *report)
{
	char reason[KAFKA_TEXT_MAX];
	*report = (struct journal_report){.offset = JOURNAL_NO_OFFSET};
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		if (message->offset >= 0)
			report->offset = (uint64_t)message->offset;
		return;
	}
	report->code = kafka_fail(&appender->client, message->err, "appending to", &report->error);
	bool in_doubt = rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
	if (in_doubt || report->code == LL_CORRUPT || report->code == LL_DIVERGED)
		report->code = report->error.code = LL_UNAVAILABLE;
	if (is_dead(appender, reason, sizeof reason)) {
		report->appender_is_dead = true;
		error_prefix(&report->error, "%s", reason);
		if (died_denied(appender))
			report->code = report->error.code = LL_DENIED;
	}
}

/* Does *event hold the report? */
static bool take_event(struct kafka_appender *appender, rd_kafka_event_t *event, struct journal_report *report)
{
	const rd_kafka_message_t *message;
	switch (rd_kafka_event_type(event)) {
	case RD_KAFKA_EVENT_DR:
		message = rd_kafka_event_message_next(event);
		if (!message)
			return false;
		fill_report(appender, message, report);
		return true;
	case RD_KAFKA_EVENT_ERROR:
		pthread_mutex_lock(&appender->client.lock);
		strncpy(appender->client.last_error, rd_kafka_event_error_string(event), KAFKA_TEXT_MAX - 1);
		pthread_mutex_unlock(&appender->client.lock);
		return false;
	default: return false;
	}
}

static enum ll_code kafka_report(struct journal_appender *base, int timeout_ms, struct journal_report *report)
{
	struct kafka_appender *appender = (struct kafka_appender *)base;
	int64_t deadline = timeout_ms > 0 ? kafka_now_ms() + timeout_ms : 0;
	if (appender->has_report) {
		*report = appender->report;
		appender->has_report = false;
		return LL_OK;
	}
	for (int64_t left = timeout_ms > 0 ? timeout_ms : 0;; left = deadline ? deadline - kafka_now_ms() : 0) {
		rd_kafka_event_t *event = rd_kafka_queue_poll(appender->events, left > 0 ? (int)left : 0);
		if (!event && left <= 0)
			return LL_TIMEOUT;
		if (!event)
			continue;
		bool done = take_event(appender, event, report);
		rd_kafka_event_destroy(event);
		if (done)
			return LL_OK;
	}
}

static int kafka_appender_descriptor(struct journal_appender *base)
{
	return ((struct kafka_appender *)base)->bell;
}

static void kafka_appender_acknowledge(struct journal_appender *base)
{
	bell_mute(((struct kafka_appender *)base)->bell);
}

static void kafka_appender_close(struct journal_appender *base)
{
	struct kafka_appender *appender = (struct kafka_appender *)base;
	rd_kafka_purge(appender->client.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_queue_io_event_enable(appender->events, -1, NULL, 0);
	rd_kafka_queue_destroy(appender->events);
	kafka_client_close(&appender->client);
	close(appender->bell);
	free(appender);
}

static const struct journal_appender_ops appender_ops = {
	.append = kafka_append,
	.report = kafka_report,
	.descriptor = kafka_appender_descriptor,
	.acknowledge = kafka_appender_acknowledge,
	.close = kafka_appender_close,
};

enum ll_code kafka_appender_open(struct journal *base, struct journal_appender **opened, struct error *error)
{
	struct kafka_journal *journal = (struct kafka_journal *)base;
	struct kafka_appender *appender = calloc(1, sizeof *appender);
	if (!appender)
		return error_set(error, LL_NO_MEMORY, "no memory for an appender of %s", base->url);
	appender->base.ops = &appender_ops;
	appender->bell = bell_open();
	enum ll_code code = LL_OK;
	if (appender->bell < 0)
		code = error_set(error, LL_FULL,
				 "no descriptor is left for an appender of %s: raise the limit of open files",
				 base->url);
	if (code == LL_OK)
		code = kafka_client_open(&appender->client, &journal->address, KAFKA_APPENDER, NULL, NULL, true, error);
	if (code != LL_OK) {
		if (appender->bell >= 0)
			close(appender->bell);
		free(appender);
		return code;
	}
	appender->events = rd_kafka_queue_get_main(appender->client.rk);
	rd_kafka_queue_io_event_enable(appender->events, appender->bell, &one_ring, sizeof one_ring);
	*opened = &appender->base;
	return LL_OK;
}
