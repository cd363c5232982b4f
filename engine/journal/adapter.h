/*
 * What an implementation of the journal port provides. Seen by the adapters and journal.c only.
 *
 * Each adapter embeds the structs below as its first members and fills `ops` (and the journal's `url`). Contracts are
 * those of journal.h. journal.c keeps what is the same for all: sizes are checked, one appender a handle, one append
 * under way, nothing closed while it is in use. The fields below the line are its own: adapters leave them zero.
 */
#ifndef LEDGERLINE_JOURNAL_ADAPTER_H
#define LEDGERLINE_JOURNAL_ADAPTER_H

#include <stdatomic.h>

#include "engine/journal/journal.h"

struct journal_ops {
	enum ll_code (*identity)(struct journal *, struct journal_identity *, struct error *);
	enum ll_code (*watermarks)(struct journal *, struct journal_watermarks *, struct error *);
	enum ll_code (*check)(struct journal *, journal_finding_fn *, void *, unsigned *wrong, struct error *);
	enum ll_code (*reader_open)(struct journal *, uint64_t offset, struct journal_reader **, struct error *);
	enum ll_code (*read_at)(struct journal *, uint64_t offset, uint8_t **, size_t *, int64_t *, struct error *);
	enum ll_code (*appender_open)(struct journal *, struct journal_appender **, struct error *);
	void (*close)(struct journal *);
};

struct journal {
	const struct journal_ops *ops;
	char url[JOURNAL_URL_MAX];
	/* ---- journal.c's own ---- */
	bool read_only;
	atomic_bool has_appender;
	atomic_uint readers_count;
};

struct journal_reader_ops {
	enum ll_code (*read)(struct journal_reader *, int timeout_ms, struct journal_record *, struct error *);
	int (*descriptor)(struct journal_reader *);
	void (*acknowledge)(struct journal_reader *);
	void (*close)(struct journal_reader *);
};

struct journal_reader {
	const struct journal_reader_ops *ops;
	/* ---- journal.c's own ---- */
	struct journal *journal;
};

struct journal_appender_ops {
	enum ll_code (*append)(struct journal_appender *, struct slice value, int64_t time_ms,
			       const struct journal_header *, size_t, struct error *);
	enum ll_code (*report)(struct journal_appender *, int timeout_ms, struct journal_report *);
	int (*descriptor)(struct journal_appender *);
	void (*acknowledge)(struct journal_appender *);
	void (*close)(struct journal_appender *);
};

struct journal_appender {
	const struct journal_appender_ops *ops;
	/* ---- journal.c's own ---- */
	struct journal *journal;
	bool under_way;
};

/* One scheme of URLs. `rest` is what follows "scheme:". */
struct journal_adapter {
	const char *scheme;
	enum ll_code (*open)(const char *rest, const struct journal_options *, struct journal **, struct error *);
	enum ll_code (*create)(const char *rest, const struct journal_options *, int replication, struct error *);
};

extern const struct journal_adapter journal_local, journal_kafka, journal_memory;

#endif
