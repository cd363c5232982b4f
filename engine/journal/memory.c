/*
 * The journal in memory: logs of this process, found by name, for tests and the simulator.
 *
 * An append becomes a flight (memory_log.h), which the fault plan may hold up, multiply or swallow; without a fault it
 * lands before journal_append returns. Records are copied in and out, so that nothing that is done to the log pulls bytes
 * away under a reader.
 */
#include "engine/journal/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/journal/bell.h"
#include "engine/journal/memory_log.h"
#include "schemas/wire/ensure.h"

struct memory_journal {
	struct journal base;
	struct memory_log *log;
};

struct memory_reader {
	struct journal_reader base;
	struct memory_log *log;
	struct memory_listener listener;
	uint64_t position;
	bool told_end;
	uint8_t *copy;
	size_t copy_room;
};

static void listen(struct memory_log *log, struct memory_listener *listener)
{
	listener->bell = bell_open();
	ENSURE(listener->bell >= 0);
	listener->next = log->listeners;
	log->listeners = listener;
}

static void listen_no_more(struct memory_log *log, struct memory_listener *listener)
{
	struct memory_listener **link = &log->listeners;
	while (*link != listener)
		link = &(*link)->next;
	*link = listener->next;
	close(listener->bell);
}

/* Waiting is for tests with threads. One thread alone lets ticks pass instead, so it never waits for what a tick brings. */
static void wait_unlocked(struct memory_log *log, struct memory_listener *listener, int timeout_ms)
{
	bell_mute(listener->bell);
	pthread_mutex_unlock(&log->lock);
	bell_wait(listener->bell, timeout_ms);
	pthread_mutex_lock(&log->lock);
}

/* Nothing was found: true when a tick passed that may have changed that. */
static bool let_a_tick_pass(struct memory_log *log)
{
	bool may_help = !log->manual && !log->away && memory_log_is_delayed(log);
	if (!log->manual)
		memory_log_tick(log);
	return may_help;
}

/* ---- reading ---- */

static enum ll_code look(struct memory_reader *reader, struct journal_record *record, struct error *error)
{
	struct memory_log *log = reader->log;
	if (log->deleted)
		return error_set(error, LL_NOT_FOUND, "the log memory:%s is gone", log->name);
	if (log->away)
		return error_set(error, LL_UNAVAILABLE, "the log memory:%s is away", log->name);
	if (reader->position < log->low || reader->position > memory_log_high(log))
		return error_set(error, LL_DIVERGED, "memory:%s holds offsets %llu to %llu, the reader stands at %llu",
				 log->name, (unsigned long long)log->low, (unsigned long long)memory_log_high(log),
				 (unsigned long long)reader->position);
	if (reader->position == memory_log_high(log))
		return LL_END;
	const struct memory_record *found = &log->records[reader->position - log->low];
	if (found->size > reader->copy_room) {
		free(reader->copy);
		reader->copy = malloc(found->size);
		ENSURE(reader->copy);
		reader->copy_room = found->size;
	}
	if (found->size)
		memcpy(reader->copy, found->bytes, found->size);
	*record = (struct journal_record){
		.offset = reader->position++,
		.time_ms = found->time_ms,
		.value = slice_of(reader->copy, found->size),
	};
	return LL_OK;
}

static enum ll_code memory_read(struct journal_reader *base, int timeout_ms, struct journal_record *record,
				struct error *error)
{
	struct memory_reader *reader = (struct memory_reader *)base;
	struct memory_log *log = reader->log;
	pthread_mutex_lock(&log->lock);
	memory_log_settle(log);
	enum ll_code code = look(reader, record, error);
	if (code == LL_END) {
		bool more = let_a_tick_pass(log);
		if (timeout_ms > 0 && reader->told_end) {
			while ((code = look(reader, record, error)) == LL_END && more)
				more = let_a_tick_pass(log);
			if (code == LL_END)
				wait_unlocked(log, &reader->listener, timeout_ms);
			code = look(reader, record, error);
		}
	}
	reader->told_end = code == LL_END;
	pthread_mutex_unlock(&log->lock);
	return code;
}

static int memory_reader_descriptor(struct journal_reader *base)
{
	return ((struct memory_reader *)base)->listener.bell;
}

static void memory_reader_acknowledge(struct journal_reader *base)
{
	bell_mute(((struct memory_reader *)base)->listener.bell);
}

static void memory_reader_close(struct journal_reader *base)
{
	struct memory_reader *reader = (struct memory_reader *)base;
	pthread_mutex_lock(&reader->log->lock);
	listen_no_more(reader->log, &reader->listener);
	pthread_mutex_unlock(&reader->log->lock);
	free(reader->copy);
	free(reader);
}

static const struct journal_reader_ops reader_ops = {
	.read = memory_read,
	.descriptor = memory_reader_descriptor,
	.acknowledge = memory_reader_acknowledge,
	.close = memory_reader_close,
};

static enum ll_code memory_reader_open(struct journal *base, uint64_t offset, struct journal_reader **opened,
				       struct error *error)
{
	(void)error;
	struct memory_reader *reader = calloc(1, sizeof *reader);
	ENSURE(reader);
	reader->base.ops = &reader_ops;
	reader->log = ((struct memory_journal *)base)->log;
	reader->position = offset;
	pthread_mutex_lock(&reader->log->lock);
	listen(reader->log, &reader->listener);
	bell_ring(reader->listener.bell);
	pthread_mutex_unlock(&reader->log->lock);
	*opened = &reader->base;
	return LL_OK;
}

/* ---- appending ---- */

/* What one fault does to one append. The flight is gone or linked into the log when this returns. */
struct effect {
	unsigned copies;      /* how often it lands */
	unsigned lands_after; /* ticks */
	unsigned behind;      /* landings of others */
	enum memory_report_state report;
	unsigned report_after; /* ticks */
	enum ll_code code;
	uint64_t offset; /* for reports that do not wait for the landing */
};

static struct effect effect_of(const struct memory_fault *fault, uint64_t next)
{
	struct effect effect = {.copies = 1, .report = MEMORY_REPORT_WITH_FLIGHT, .offset = next};
	if (!fault)
		return effect;
	enum ll_code failure = fault->code == LL_OK ? LL_UNAVAILABLE : fault->code;
	switch (fault->kind) {
	case MEMORY_FAIL:
		effect.copies = 0;
		effect.report = MEMORY_REPORT_AT_TICK;
		effect.code = failure;
		break;
	case MEMORY_DELAY: effect.lands_after = fault->amount; break;
	case MEMORY_DELAY_REPORT:
		effect.report = MEMORY_REPORT_AT_TICK;
		effect.report_after = fault->amount;
		break;
	case MEMORY_DUPLICATE: effect.copies = 1 + fault->amount; break;
	case MEMORY_REORDER:
		effect.behind = fault->amount;
		effect.report = MEMORY_REPORT_AT_TICK;
		break;
	case MEMORY_LOSE:
		effect.copies = 0;
		effect.report = MEMORY_REPORT_NEVER;
		break;
	case MEMORY_SILENT: effect.report = MEMORY_REPORT_NEVER; break;
	case MEMORY_LIE_WRITTEN:
		effect.copies = 0;
		effect.report = MEMORY_REPORT_AT_TICK;
		break;
	case MEMORY_LIE_FAILED:
		effect.report = MEMORY_REPORT_AT_TICK;
		effect.code = failure;
		break;
	case MEMORY_WRONG_OFFSET:
		effect.report = MEMORY_REPORT_AT_TICK;
		effect.offset += fault->amount;
		break;
	case MEMORY_FAULT_KINDS: UNREACHABLE();
	}
	return effect;
}

static void take_off(struct memory_appender *appender, const struct effect *effect, struct slice value, int64_t time_ms)
{
	struct memory_log *log = appender->log;
	struct memory_flight *flight = calloc(1, sizeof *flight);
	ENSURE(flight);
	flight->record =
		(struct memory_record){.bytes = malloc(value.size + 1), .size = value.size, .time_ms = time_ms};
	ENSURE(flight->record.bytes);
	if (value.size)
		memcpy(flight->record.bytes, value.at, value.size);
	flight->copies = effect->copies;
	flight->lands_at = log->tick + effect->lands_after;
	flight->behind = effect->behind;
	flight->appender = effect->report == MEMORY_REPORT_WITH_FLIGHT ? appender : NULL;
	struct memory_flight **last = &log->flights;
	while (*last)
		last = &(*last)->next;
	*last = flight;
}

static enum ll_code memory_append(struct journal_appender *base, struct slice value, int64_t time_ms,
				  const struct journal_header *headers, size_t headers_count, struct error *error)
{
	(void)headers;
	(void)headers_count;
	(void)error;
	struct memory_appender *appender = (struct memory_appender *)base;
	struct memory_log *log = appender->log;
	struct memory_fault fault, *befell = NULL;
	pthread_mutex_lock(&log->lock);
	log->appends++;
	if (log->deleted || appender->dead)
		fault = (struct memory_fault){
			.kind = MEMORY_FAIL, .code = log->deleted ? LL_NOT_FOUND : LL_UNAVAILABLE, .dies = true};
	if (log->deleted || appender->dead || memory_log_draw_fault(log, &fault))
		befell = &fault;
	struct effect effect = effect_of(befell, memory_log_high(log));
	appender->state = effect.report;
	appender->report_at = log->tick + effect.report_after;
	uint64_t due =
		log->tick + (effect.lands_after > effect.report_after ? effect.lands_after : effect.report_after);
	if (log->busy_until < due)
		log->busy_until = due;
	appender->report = (struct journal_report){
		.code = effect.code,
		.offset = effect.code == LL_OK ? effect.offset : JOURNAL_NO_OFFSET,
		.appender_is_dead = befell && befell->dies,
	};
	if (effect.code != LL_OK)
		error_set(&appender->report.error, effect.code, "append %llu to memory:%s failed",
			  (unsigned long long)log->appends, log->name);
	if (effect.copies)
		take_off(appender, &effect, value, time_ms);
	memory_log_settle(log);
	memory_log_ring(log);
	pthread_mutex_unlock(&log->lock);
	return LL_OK;
}

static bool report_is_due(const struct memory_appender *appender)
{
	return appender->state == MEMORY_REPORT_AT_TICK && appender->log->tick >= appender->report_at &&
	       !appender->log->away;
}

static enum ll_code memory_report(struct journal_appender *base, int timeout_ms, struct journal_report *report)
{
	struct memory_appender *appender = (struct memory_appender *)base;
	struct memory_log *log = appender->log;
	enum ll_code code = LL_TIMEOUT;
	pthread_mutex_lock(&log->lock);
	memory_log_settle(log);
	if (!report_is_due(appender)) {
		bool more = let_a_tick_pass(log);
		while (timeout_ms > 0 && more && !report_is_due(appender))
			more = let_a_tick_pass(log);
		if (timeout_ms > 0 && !report_is_due(appender))
			wait_unlocked(log, &appender->listener, timeout_ms);
	} else {
		code = LL_OK;
	}
	if (code != LL_OK && timeout_ms > 0 && report_is_due(appender))
		code = LL_OK;
	if (code == LL_OK) {
		*report = appender->report;
		appender->dead = report->appender_is_dead;
		appender->state = MEMORY_REPORT_NONE;
	}
	pthread_mutex_unlock(&log->lock);
	return code;
}

static int memory_appender_descriptor(struct journal_appender *base)
{
	return ((struct memory_appender *)base)->listener.bell;
}

static void memory_appender_acknowledge(struct journal_appender *base)
{
	bell_mute(((struct memory_appender *)base)->listener.bell);
}

static void memory_appender_close(struct journal_appender *base)
{
	struct memory_appender *appender = (struct memory_appender *)base;
	struct memory_log *log = appender->log;
	pthread_mutex_lock(&log->lock);
	for (struct memory_flight *flight = log->flights; flight; flight = flight->next)
		if (flight->appender == appender)
			flight->appender = NULL;
	listen_no_more(log, &appender->listener);
	pthread_mutex_unlock(&log->lock);
	free(appender);
}

static const struct journal_appender_ops appender_ops = {
	.append = memory_append,
	.report = memory_report,
	.descriptor = memory_appender_descriptor,
	.acknowledge = memory_appender_acknowledge,
	.close = memory_appender_close,
};

static enum ll_code memory_appender_open(struct journal *base, struct journal_appender **opened, struct error *error)
{
	struct memory_log *log = ((struct memory_journal *)base)->log;
	enum ll_code code = LL_OK;
	pthread_mutex_lock(&log->lock);
	if (log->deleted) {
		code = error_set(error, LL_NOT_FOUND, "the log memory:%s is gone", log->name);
	} else {
		struct memory_appender *appender = calloc(1, sizeof *appender);
		ENSURE(appender);
		appender->base.ops = &appender_ops;
		appender->log = log;
		listen(log, &appender->listener);
		*opened = &appender->base;
	}
	pthread_mutex_unlock(&log->lock);
	return code;
}

/* ---- the log ---- */

static enum ll_code refusal(const struct memory_log *log, struct error *error)
{
	if (log->deleted)
		return error_set(error, LL_NOT_FOUND, "the log memory:%s is gone", log->name);
	if (log->away)
		return error_set(error, LL_UNAVAILABLE, "the log memory:%s is away", log->name);
	return LL_OK;
}

static enum ll_code memory_identity(struct journal *base, struct journal_identity *identity, struct error *error)
{
	struct memory_log *log = ((struct memory_journal *)base)->log;
	pthread_mutex_lock(&log->lock);
	enum ll_code code = refusal(log, error);
	if (code == LL_OK) {
		snprintf(identity->kind, sizeof identity->kind, "memory");
		snprintf(identity->cluster, sizeof identity->cluster, "memory-%u", log->births);
		snprintf(identity->topic, sizeof identity->topic, "%s", log->name);
	}
	pthread_mutex_unlock(&log->lock);
	return code;
}

static enum ll_code memory_watermarks(struct journal *base, struct journal_watermarks *watermarks, struct error *error)
{
	struct memory_log *log = ((struct memory_journal *)base)->log;
	pthread_mutex_lock(&log->lock);
	enum ll_code code = refusal(log, error);
	if (code == LL_OK)
		*watermarks = (struct journal_watermarks){.low = log->low, .high = memory_log_high(log)};
	pthread_mutex_unlock(&log->lock);
	return code;
}

static enum ll_code memory_check(struct journal *base, journal_finding_fn *found, void *context, unsigned *wrong,
				 struct error *error)
{
	(void)base;
	(void)found;
	(void)context;
	(void)error;
	*wrong = 0;
	return LL_OK;
}

static enum ll_code memory_read_at(struct journal *base, uint64_t offset, uint8_t **bytes, size_t *size,
				   int64_t *time_ms, struct error *error)
{
	struct memory_log *log = ((struct memory_journal *)base)->log;
	pthread_mutex_lock(&log->lock);
	enum ll_code code = refusal(log, error);
	if (code == LL_OK && offset < log->low)
		code = error_set(error, LL_DIVERGED, "memory:%s begins at offset %llu, there is no %llu any more",
				 log->name, (unsigned long long)log->low, (unsigned long long)offset);
	else if (code == LL_OK && offset >= memory_log_high(log))
		code = error_set(error, LL_NOT_FOUND, "memory:%s ends before offset %llu", log->name,
				 (unsigned long long)offset);
	if (code == LL_OK) {
		const struct memory_record *record = &log->records[offset - log->low];
		*bytes = malloc(record->size + 1);
		ENSURE(*bytes);
		memcpy(*bytes, record->bytes, record->size);
		*size = record->size;
		*time_ms = record->time_ms;
	}
	pthread_mutex_unlock(&log->lock);
	return code;
}

static void memory_close(struct journal *base)
{
	free(base);
}

static const struct journal_ops ops = {
	.identity = memory_identity,
	.watermarks = memory_watermarks,
	.check = memory_check,
	.reader_open = memory_reader_open,
	.read_at = memory_read_at,
	.appender_open = memory_appender_open,
	.close = memory_close,
};

static enum ll_code check_url(const char *name, const struct journal_options *options, struct error *error)
{
	if (!*name || strlen(name) >= JOURNAL_IDENTITY_MAX)
		return error_set(error, LL_USAGE, "\"memory:%s\" is no journal URL: give memory:NAME", name);
	if (options->settings_count)
		return error_set(error, LL_USAGE, "the journal memory:%s has no setting \"%s\"", name,
				 options->settings[0].name);
	return LL_OK;
}

static enum ll_code memory_open(const char *name, const struct journal_options *options, struct journal **opened,
				struct error *error)
{
	enum ll_code code = check_url(name, options, error);
	if (code != LL_OK)
		return code;
	struct memory_log *log = memory_log_find(name, options->create);
	if (log && log->deleted && options->create)
		log->deleted = false;
	if (!log)
		return error_set(error, LL_NOT_FOUND, "there is no log memory:%s", name);
	code = refusal(log, error);
	pthread_mutex_unlock(&log->lock);
	if (code != LL_OK)
		return code;
	struct memory_journal *journal = calloc(1, sizeof *journal);
	ENSURE(journal);
	journal->base.ops = &ops;
	snprintf(journal->base.url, sizeof journal->base.url, "memory:%s", name);
	journal->log = log;
	*opened = &journal->base;
	return LL_OK;
}

static enum ll_code memory_create(const char *name, const struct journal_options *options, int replication,
				  struct error *error)
{
	(void)replication;
	enum ll_code code = check_url(name, options, error);
	if (code != LL_OK)
		return code;
	struct memory_log *log = memory_log_find(name, false);
	if (log && !log->deleted)
		code = error_set(error, LL_EXISTS, "there is a log memory:%s already", name);
	else if (log)
		log->births++;
	else
		log = memory_log_find(name, true);
	if (code == LL_OK)
		log->deleted = false;
	pthread_mutex_unlock(&log->lock);
	return code;
}

const struct journal_adapter journal_memory = {.scheme = "memory", .open = memory_open, .create = memory_create};
