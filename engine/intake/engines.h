/*
 * Engines of one ledger, of which one is asked, and the next one when it fails; and what their answers say.
 */
#ifndef LEDGERLINE_INTAKE_ENGINES_H
#define LEDGERLINE_INTAKE_ENGINES_H

#include "engine/client/http_client.h"
#include "schemas/wire/json.h"

enum { ENGINES_REASON_MAX = 512 };

struct engines {
	struct http_client **clients;
	const char *const *urls;
	size_t count, current;
	int timeout_ms;
	struct json_reader reader; /* of the last answer */
};

enum posted {
	POSTED_ANSWERED, /* 200: receipts */
	POSTED_REFUSED,  /* 400, 413: what was sent is at fault, or too large for who stands between */
	POSTED_AGAIN,    /* whatever else: the engine's fault, or the world's. The next post goes to the next engine */
};

struct post_answer {
	enum posted end;
	int status;      /* 0: none */
	bool by_another; /* of REFUSED: no engine said so, but a proxy before it, whose limit may change */
	int64_t retry_after_ms;
	char reason[ENGINES_REASON_MAX];  /* of REFUSED and AGAIN */
	const struct json_node *receipts; /* of ANSWERED: an array of as many as were sent; good until the next post */
};

/* Posts an array of so many commands. BLOCKING. */
void engines_post(struct engines *engines, struct slice array, size_t count, struct post_answer *answer);
void engines_turn(struct engines *engines);    /* to the next one */
void engines_release(struct engines *engines); /* the clients stay */

struct receipt {
	struct slice id, outcome; /* id: empty: the command has none that can be read */
	int status;
	bool hit;
	bool again; /* it was not taken for now, or nobody knows: send it again */
	bool rejected;
	char reason[ENGINES_REASON_MAX]; /* of rejected and again */
};

/* Reads a receipt, and writes it into `json` (cleared before) without "hit": the same bytes for the same command, however often. */
void receipt_read(const struct engines *engines, const struct json_node *node, struct receipt *receipt,
		  struct buffer *json);

#endif
