/*
 * The appender of a local log: a thread that writes one record in one synced transaction, so that handing a record over
 * never waits for the disk.
 *
 *	IDLE --append--> HANDED_OVER --thread commits--> DONE --report--> IDLE
 *
 * Failures
 * - the map is full: it is made larger and the record is written again, which nobody sees but as a delay.
 * - the disk is full: LL_FULL, nothing was written; later appends may pass.
 * - any other failure of the disk: LL_IO and the appender is dead. After a sync has failed the system may show bytes that
 *   will never be on the disk, so this process opens no appender on this log again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "engine/journal/bell.h"
#include "engine/journal/local_log.h"
#include "schemas/wire/ensure.h"

enum state { IDLE, HANDED_OVER, DONE };

struct local_appender {
	struct journal_appender base;
	struct local_log *log;
	int lock_file;
	int bell;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum state state;
	bool stopping;
	bool dead;
	uint64_t next;      /* the thread's own, as is the buffer */
	uint8_t *row;       /* time and record */
	struct slice value; /* of the append that is handed over */
	int64_t time_ms;
	struct journal_report report;
};

/* ---- the thread ---- */

static enum ll_code write_row(struct local_appender *appender, size_t row_size, struct error *error)
{
	struct environment_txn *txn = NULL;
	uint8_t key[LOCAL_KEY_BYTES];
	local_put_number(key, appender->next);
	enum ll_code code = environment_txn_begin(appender->log->environment, true, &txn, error);
	if (code != LL_OK)
		return code;
	code = environment_put(txn, appender->log->records, slice_of(key, sizeof key),
			       slice_of(appender->row, row_size), true, error);
	if (code == LL_OK)
		return environment_txn_commit(txn, error);
	environment_txn_abort(txn);
	return code;
}

static void wake_readers(struct local_log *log)
{
	pthread_mutex_lock(&log->lock);
	for (struct local_listener *listener = log->listeners; listener; listener = listener->next)
		bell_ring(listener->bell);
	pthread_mutex_unlock(&log->lock);
}

static void write_record(struct local_appender *appender, struct journal_report *report)
{
	struct slice value = appender->value;
	*report = (struct journal_report){.offset = JOURNAL_NO_OFFSET};
	local_put_number(appender->row, (uint64_t)appender->time_ms);
	if (value.size)
		memcpy(appender->row + LOCAL_TIME_BYTES, value.at, value.size);
	do {
		report->code = write_row(appender, LOCAL_TIME_BYTES + value.size, &report->error);
	} while (report->code == LL_FULL && environment_grow(appender->log->environment, NULL) == LL_OK);
	if (report->code == LL_OK) {
		report->offset = appender->next++;
		wake_readers(appender->log);
	} else if (report->code != LL_FULL) {
		error_prefix(&report->error, "writing record %llu", (unsigned long long)appender->next);
		report->code = report->error.code = LL_IO;
		report->appender_is_dead = true;
	}
}

static void *run(void *context)
{
	struct local_appender *appender = context;
	struct journal_report report;
	pthread_mutex_lock(&appender->lock);
	for (;;) {
		while (appender->state != HANDED_OVER && !appender->stopping)
			pthread_cond_wait(&appender->changed, &appender->lock);
		if (appender->state != HANDED_OVER)
			break;
		pthread_mutex_unlock(&appender->lock);
		write_record(appender, &report);
		pthread_mutex_lock(&appender->lock);
		appender->report = report;
		appender->state = DONE;
		pthread_cond_broadcast(&appender->changed);
		bell_ring(appender->bell);
	}
	pthread_mutex_unlock(&appender->lock);
	return NULL;
}

/* ---- the port's calls ---- */

static enum ll_code local_append(struct journal_appender *base, struct slice value, int64_t time_ms,
				 const struct journal_header *headers, size_t headers_count, struct error *error)
{
	struct local_appender *appender = (struct local_appender *)base;
	(void)headers; /* for people with other tools, of which there are none here */
	(void)headers_count;
	(void)error;
	pthread_mutex_lock(&appender->lock);
	ENSURE(appender->state == IDLE);
	appender->value = value;
	appender->time_ms = time_ms;
	if (appender->dead) {
		appender->report =
			(struct journal_report){.code = LL_IO, .offset = JOURNAL_NO_OFFSET, .appender_is_dead = true};
		error_set(&appender->report.error, LL_IO, "%s: the disk failed before, nothing more is appended",
			  environment_directory(appender->log->environment));
		appender->state = DONE;
		bell_ring(appender->bell);
	} else {
		appender->state = HANDED_OVER;
		pthread_cond_broadcast(&appender->changed);
	}
	pthread_mutex_unlock(&appender->lock);
	return LL_OK;
}

static enum ll_code local_report(struct journal_appender *base, int timeout_ms, struct journal_report *report)
{
	struct local_appender *appender = (struct local_appender *)base;
	struct timespec deadline;
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	deadline.tv_sec += timeout_ms / 1000 + deadline.tv_nsec / 1000000000;
	deadline.tv_nsec %= 1000000000;
	pthread_mutex_lock(&appender->lock);
	while (timeout_ms > 0 && appender->state == HANDED_OVER)
		if (pthread_cond_timedwait(&appender->changed, &appender->lock, &deadline) == ETIMEDOUT)
			break;
	enum ll_code code = appender->state == DONE ? LL_OK : LL_TIMEOUT;
	if (code == LL_OK) {
		*report = appender->report;
		appender->dead = report->appender_is_dead;
		appender->state = IDLE;
	}
	pthread_mutex_unlock(&appender->lock);
	return code;
}

static int local_appender_descriptor(struct journal_appender *base)
{
	return ((struct local_appender *)base)->bell;
}

static void local_appender_acknowledge(struct journal_appender *base)
{
	bell_mute(((struct local_appender *)base)->bell);
}

/* ---- one appender ---- */

static void set_has_appender(struct local_log *log, bool has)
{
	pthread_mutex_lock(&log->lock);
	log->has_appender = has;
	pthread_mutex_unlock(&log->lock);
}

static enum ll_code tell_holder(int file, const char *path, struct error *error)
{
	char holder[32] = {0};
	ssize_t got = pread(file, holder, sizeof holder - 1, 0);
	long pid = got > 0 ? strtol(holder, NULL, 10) : 0;
	if (pid > 0)
		return error_set(error, LL_BUSY, "process %ld appends to this journal (%s): stop it first", pid, path);
	return error_set(error, LL_BUSY, "another process appends to this journal (%s): stop it first", path);
}

/* Takes the lock that keeps other processes, and other openers here, from appending. */
static enum ll_code take_lock(struct local_log *log, int *taken, struct error *error)
{
	char path[JOURNAL_URL_MAX + 16], pid[32];
	snprintf(path, sizeof path, "%.*s/appender", JOURNAL_URL_MAX, environment_directory(log->environment));
	int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	enum ll_code code = LL_OK;
	if (file < 0)
		return error_set(error, errno == EACCES || errno == EPERM || errno == EROFS ? LL_DENIED : LL_IO,
				 "cannot open %s: %s", path, strerror(errno));
	if (flock(file, LOCK_EX | LOCK_NB) != 0) {
		code = errno == EWOULDBLOCK ? tell_holder(file, path, error)
					    : error_set(error, LL_IO, "cannot lock %s: %s", path, strerror(errno));
		goto done;
	}
	int length = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
	if (ftruncate(file, 0) != 0 || pwrite(file, pid, (size_t)length, 0) != length) {
		code = error_set(error, errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? LL_FULL : LL_IO,
				 "cannot write %s: %s", path, strerror(errno));
		goto done;
	}
	*taken = file;
	file = -1;
done:
	if (file >= 0)
		close(file);
	return code;
}

static enum ll_code find_end(struct local_appender *appender, struct error *error)
{
	struct journal_watermarks watermarks = {0};
	struct environment_txn *txn = NULL;
	enum ll_code code = environment_txn_begin(appender->log->environment, false, &txn, error);
	if (code == LL_OK)
		code = local_bounds(appender->log, txn, &watermarks, error);
	environment_txn_abort(txn);
	appender->next = watermarks.high;
	return code;
}

static void release(struct local_appender *appender)
{
	if (appender->bell >= 0)
		close(appender->bell);
	if (appender->lock_file >= 0)
		close(appender->lock_file);
	pthread_cond_destroy(&appender->changed);
	pthread_mutex_destroy(&appender->lock);
	free(appender->row);
	free(appender);
}

static void local_appender_close(struct journal_appender *base)
{
	struct local_appender *appender = (struct local_appender *)base;
	pthread_mutex_lock(&appender->lock);
	appender->stopping = true;
	pthread_cond_broadcast(&appender->changed);
	pthread_mutex_unlock(&appender->lock);
	pthread_join(appender->thread, NULL);
	pthread_mutex_lock(&appender->log->lock);
	appender->log->disk_failed |= appender->dead || (appender->state == DONE && appender->report.appender_is_dead);
	pthread_mutex_unlock(&appender->log->lock);
	set_has_appender(appender->log, false);
	release(appender);
}

static const struct journal_appender_ops appender_ops = {
	.append = local_append,
	.report = local_report,
	.descriptor = local_appender_descriptor,
	.acknowledge = local_appender_acknowledge,
	.close = local_appender_close,
};

enum ll_code local_appender_open(struct journal *base, struct journal_appender **opened, struct error *error)
{
	struct local_log *log = ((struct local_journal *)base)->log;
	struct local_appender *appender = calloc(1, sizeof *appender);
	if (!appender)
		return error_set(error, LL_NO_MEMORY, "no memory for an appender of %s", base->url);
	appender->base.ops = &appender_ops;
	appender->log = log;
	appender->lock_file = -1;
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&appender->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&appender->lock, NULL);
	appender->bell = bell_open();
	appender->row = malloc(LOCAL_TIME_BYTES + JOURNAL_VALUE_BYTES_MAX);
	enum ll_code code = LL_OK;
	pthread_mutex_lock(&log->lock);
	bool disk_failed = log->disk_failed;
	pthread_mutex_unlock(&log->lock);
	if (disk_failed)
		code = error_set(error, LL_IO, "the disk failed under %s: look after it, then start again", base->url);
	else if (appender->bell < 0 || !appender->row)
		code = error_set(error, LL_NO_MEMORY, "no memory or descriptor for an appender of %s", base->url);
	if (code == LL_OK)
		code = take_lock(log, &appender->lock_file, error);
	if (code == LL_OK)
		code = find_end(appender, error);
	if (code == LL_OK && pthread_create(&appender->thread, NULL, run, appender) != 0)
		code = error_set(error, LL_NO_MEMORY, "no thread for an appender of %s", base->url);
	if (code != LL_OK) {
		release(appender);
		return code;
	}
	set_has_appender(log, true);
	*opened = &appender->base;
	return LL_OK;
}
