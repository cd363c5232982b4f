/*
 * The first differences that a comparison found, in words and as JSON.
 */
#ifndef LEDGERLINE_AUDIT_FINDINGS_H
#define LEDGERLINE_AUDIT_FINDINGS_H

#include "engine/audit/compare.h"
#include "schemas/wire/json.h"

enum { FINDINGS_MAX = 20 };

struct findings {
	unsigned count; /* of those that were kept */
	struct buffer words, json;
	struct json_writer writer;
};

void findings_init(struct findings *findings);
void findings_release(struct findings *findings);

/* A difference_fn: keeps the first FINDINGS_MAX. `context` is the findings. */
void findings_add(void *context, const struct difference *difference);

/* The array of what was kept; no more can be added afterwards. Good until findings_release. */
struct slice findings_json(struct findings *findings);

#endif
