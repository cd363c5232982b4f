/*
 * One event to an HTTP endpoint: POST, application/json, `Idempotency-Key: eventId`. Over one connection that is kept. libcurl.
 *
 *	2xx                                            POST_TAKEN
 *	no connection, no whole or no HTTP answer in time,
 *	408 425 429 5xx                                POST_AGAIN
 *	all others: 1xx, redirects (never followed), 4xx  POST_REFUSED
 */
#ifndef LEDGERLINE_SINK_POST_H
#define LEDGERLINE_SINK_POST_H

#include "schemas/wire/error.h"
#include "schemas/wire/slice.h"

struct poster;

enum post_end { POST_TAKEN, POST_AGAIN, POST_REFUSED };

enum { POST_REASON_MAX = 256 };

struct post_result {
	enum post_end end;
	int status;             /* 0: no answer */
	int64_t retry_after_ms; /* what the endpoint asks for; 0: nothing */
	char reason
		[POST_REASON_MAX]; /* of POST_AGAIN and POST_REFUSED: a sentence's end, with the beginning of the answer */
};

struct post_options {
	const char *url;
	const char *ca;             /* a PEM file of whom https:// trusts; NULL: whom the system trusts */
	const char *const *headers; /* "Name: value" */
	size_t headers_count;
	int timeout_ms; /* of one try, connecting included */
};

/* Connects at the first post. LL_USAGE: no http:// or https:// URL, or a header that is none; LL_IO: `ca` cannot be read. Strings are borrowed. */
enum ll_code poster_new(const struct post_options *options, struct poster **poster, struct error *error) LL_CHECKED;
void poster_free(struct poster *poster); /* NULL allowed */

/* BLOCKING. `id` is a text without control characters, of at most 64 bytes. */
void poster_post(struct poster *poster, struct slice id, struct slice json, struct post_result *result);

#endif
