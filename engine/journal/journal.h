/*
 * The journal port: one append-only log of records, partition 0.
 *
 * A record is opaque here: the port knows no blocks, no hashes, no rules of validity (those are projections/fold/).
 * Three implementations carry the same bytes: kafka (librdkafka), local (an LMDB environment, one synced transaction
 * a record), memory (tests and simulation, with a fault plan). They stand behind the three small tables of functions
 * below; nobody but the adapters sees what is behind them.
 *
 * Caveats first
 * - Nothing that an appender reports proves that a record is in the log: a report of success may be wrong, and a
 *   failed append may have landed. Only reading it back tells. So users of this port must survive: lost, delayed,
 *   doubled and reordered records, reports that lie, a log that was cut, emptied or replaced by another under them.
 * - Every call marked BLOCKING may take seconds and must not be made on the event loop.
 * - A journal, and each reader and appender of it, is used by one thread at a time. Different readers and appenders of
 *   one journal may be used by different threads at once.
 */
#ifndef LEDGERLINE_JOURNAL_H
#define LEDGERLINE_JOURNAL_H

#include "schemas/wire/error.h"
#include "schemas/wire/slice.h"

struct journal;
struct journal_reader;
struct journal_appender;

/* A record's value is at most this large, everywhere: what Kafka topics are made with. Larger: LL_TOO_LARGE. */
#define JOURNAL_VALUE_BYTES_MAX ((size_t)1 << 20)
enum { JOURNAL_HEADERS_MAX = 8, JOURNAL_URL_MAX = 1024, JOURNAL_IDENTITY_MAX = 256 };

/* For so long the brokers of a journal must go on saying that its log is shorter than it was before that is believed. A broker that leads no more,
 * but does not know it yet, says so for a moment; and so may one that has just come to lead. */
enum { JOURNAL_SHORTER_MS = 5000 };

/* Offsets count records from 0. `JOURNAL_NO_OFFSET` is what a report carries that knows none. */
#define JOURNAL_NO_OFFSET UINT64_MAX

struct journal_record {
	uint64_t offset;
	int64_t time_ms;    /* the record's timestamp, milliseconds since 1970 */
	struct slice value; /* good until the next call on the reader that gave it */
};

/* A record's header: text, for people who look with other tools. Never read back by ledgerline. */
struct journal_header {
	const char *name;
	const char *value;
};

/* Which log this is. Two journals with other text here are other logs. Kafka: cluster id; local: a uuid in the file. */
struct journal_identity {
	char kind[16];                      /* "kafka", "local", "memory" */
	char cluster[JOURNAL_IDENTITY_MAX]; /* Kafka's cluster id; of `local` the store's own id */
	char topic[JOURNAL_IDENTITY_MAX];   /* topic name; of `local` empty, so that a directory may be moved */
};

struct journal_watermarks {
	uint64_t low;  /* first offset that is still there; anything but 0: the log's beginning is gone */
	uint64_t high; /* one more than the last offset; 0: empty */
};

/* A setting, verbatim for the implementation ("security.protocol" = "SASL_SSL"). */
struct journal_option {
	const char *name;
	const char *value;
};

struct journal_options {
	const struct journal_option
		*settings; /* librdkafka's, from --kafka and the configuration; borrowed for the call */
	size_t settings_count;
	bool create;    /* local: make the directory and an empty log when there is none. kafka: never creates here */
	bool read_only; /* no appender will be opened; local: the log's file need not be writable, its lock file must be */
};

/* One finding of `journal check`. Strings are good during the call. */
typedef void journal_finding_fn(void *context, bool wrong, const char *sentence);

/* How an append ended, as far as the implementation was told. */
struct journal_report {
	enum ll_code code; /* LL_OK: reported as written. LL_UNAVAILABLE, LL_TIMEOUT, LL_IO: may pass, may have landed.
	                          * LL_TOO_LARGE, LL_DENIED, LL_FULL, LL_SETTINGS, LL_NOT_FOUND: permanent, did not land */
	uint64_t offset;   /* where it is said to be, or JOURNAL_NO_OFFSET */
	bool appender_is_dead; /* this appender takes nothing more: close it and open another */
	struct error error;    /* filled when code is not LL_OK */
};

/*
 * Opens the log at `url`:
 *	local:DIR                          an embedded log in DIR
 *	kafka://HOST:PORT[,HOST:PORT]/NAME  topic NAME.journal, partition 0
 *	memory:NAME                        a log of this process, shared by all who open NAME (tests)
 * BLOCKING. LL_USAGE: not such a URL, or a setting that the protocol owns, named. LL_NOT_FOUND: no such log.
 * LL_UNAVAILABLE: no broker answers. LL_DENIED, LL_IO, LL_CORRUPT, LL_NEWER as they say.
 */
enum ll_code journal_open(const char *url, const struct journal_options *options, struct journal **journal,
			  struct error *error) LL_CHECKED;

/*
 * Makes the log (an empty one; the genesis is appended by the caller). kafka: the topic with the right settings and
 * `replication` replicas (0: three, or as many as there are brokers; journal_check warns when they are fewer than three),
 * usable when this returns. BLOCKING. LL_EXISTS: it is there already, with records or without. LL_USAGE as of
 * journal_open; LL_UNAVAILABLE, LL_DENIED, LL_SETTINGS (the brokers refuse it), LL_IO, LL_FULL.
 */
enum ll_code journal_create(const char *url, const struct journal_options *options, int replication,
			    struct error *error) LL_CHECKED;

/* Closes it. All its readers and appenders must be closed before (an open one is a bug). NULL is allowed. BLOCKING. */
void journal_close(struct journal *journal);

/* The URL it was opened with, made absolute. Good until journal_close. */
const char *journal_url(const struct journal *journal);

/* BLOCKING. */
enum ll_code journal_identity(struct journal *journal, struct journal_identity *identity,
			      struct error *error) LL_CHECKED;
enum ll_code journal_watermarks(struct journal *journal, struct journal_watermarks *watermarks,
				struct error *error) LL_CHECKED;

/* Looks at the settings of the log (Kafka: topic and broker; others: nothing to find). Calls `found` for each setting that
 * is wrong, with a sentence that ends in the command that mends it, and for each warning. *wrong: how many were wrong.
 * BLOCKING. */
enum ll_code journal_check(struct journal *journal, journal_finding_fn *found, void *context, unsigned *wrong,
			   struct error *error) LL_CHECKED;

/* ---- reading ---- */

/* A reader that stands before `offset`. For offsets above the high watermark and below the low one the first
 * journal_read says LL_DIVERGED. May be called on the loop. */
enum ll_code journal_reader_open(struct journal *journal, uint64_t offset, struct journal_reader **reader,
				 struct error *error) LL_CHECKED;

/*
 * The next record. Waits up to timeout_ms (0: not at all, then it never blocks and is for the loop).
 *	LL_OK           *record is it
 *	LL_END          nothing more: the reader has given everything up to the high watermark. Told at once when the end
 *	                is reached; from then on, until a record comes, only after timeout_ms
 *	LL_TIMEOUT      nothing has come yet, and the end was not reached either
 *	LL_UNAVAILABLE  no connection for now; go on calling, it mends itself
 *	LL_DIVERGED     the position is outside the log (cut short, its beginning deleted, another log)
 *	LL_CORRUPT, LL_IO, LL_DENIED, LL_NOT_FOUND (the topic is gone): the reader is of no more use
 */
enum ll_code journal_read(struct journal_reader *reader, int timeout_ms, struct journal_record *record,
			  struct error *error) LL_CHECKED;

/*
 * A descriptor that becomes readable (poll's POLLIN) when journal_read with timeout 0 may have something new. Drain with
 * journal_reader_acknowledge first, then read until LL_END or LL_TIMEOUT: who stops before that must come back by himself,
 * the descriptor only tells of what comes later. local: only appends of this process are told; those of another process
 * are found by reads that wait (within 5 ms), or by reading again.
 */
int journal_reader_descriptor(struct journal_reader *reader);
void journal_reader_acknowledge(struct journal_reader *reader);

void journal_reader_close(struct journal_reader *reader); /* NULL allowed. May block for milliseconds */

/* Copies record `offset` into *bytes (malloc'ed here, freed by the caller with free). BLOCKING.
 * LL_NOT_FOUND: beyond the end. LL_DIVERGED: below the low watermark. */
enum ll_code journal_read_at(struct journal *journal, uint64_t offset, uint8_t **bytes, size_t *size, int64_t *time_ms,
			     struct error *error) LL_CHECKED;

/* ---- appending ---- */

/* LL_BUSY: this handle has one already; local: anybody has one, in this process or another (the sentence names its
 * process). kafka: a fresh idempotent producer each time. LL_DENIED, LL_FULL, LL_IO; LL_USAGE: opened read_only. BLOCKING. */
enum ll_code journal_appender_open(struct journal *journal, struct journal_appender **appender,
				   struct error *error) LL_CHECKED;

/* Hands a record over and returns at once. `value` and headers are borrowed until its report came or the appender was
 * closed. One may be under way at a time: LL_BUSY otherwise. LL_TOO_LARGE: over JOURNAL_VALUE_BYTES_MAX. LL_OK promises
 * a report, some time (of a Kafka that does not answer: never; the deadline is the caller's). Anything else: it will not
 * land, there is no report. */
enum ll_code journal_append(struct journal_appender *appender, struct slice value, int64_t time_ms,
			    const struct journal_header *headers, size_t headers_count, struct error *error) LL_CHECKED;

/* The report of the append under way: LL_OK and *report; LL_TIMEOUT: not yet (waits up to timeout_ms; 0 never blocks). */
enum ll_code journal_report(struct journal_appender *appender, int timeout_ms,
			    struct journal_report *report) LL_CHECKED;

/* As of a reader: readable when journal_report with timeout 0 may have something. */
int journal_appender_descriptor(struct journal_appender *appender);
void journal_appender_acknowledge(struct journal_appender *appender);

/* Gives up what is under way (it may land all the same, even later) and closes. BLOCKING: helper threads only. */
void journal_appender_close(struct journal_appender *appender); /* NULL allowed */

#endif
