/*
 * An HTTP/1.1 client on a libuv loop: many calls at once, over connections that are kept, none of them blocking.
 *
 * Caveats first
 * - Everything here belongs to the loop's thread. `done` is called from the loop, never from inside http_caller_ask; only
 *   http_caller_free calls it at once.
 * - A call is sent at most once. Whoever wants another try must know what it means to be taken twice: HTTP_CALL_NOT_SENT has
 *   reached nobody, HTTP_CALL_BROKEN may have.
 * - The bytes of the request are copied; the answer is good during `done`.
 *
 *	WAITING ── a connection is free or may be opened ──> CONNECTING (and the handshake of TLS) ──> SENT ──> done
 *	   └── too many wait ──> NOT_SENT          └── refused, too late, not trusted ──> NOT_SENT
 *
 * Each connection carries one call at a time. It is kept for the next one to the same address, for as long as
 * `idle_ms`, which should be less than the server's own patience: a call that meets a connection just being closed is BROKEN.
 */
#ifndef LEDGERLINE_HTTP_CALLER_H
#define LEDGERLINE_HTTP_CALLER_H

#include <uv.h>

#include "schemas/wire/error.h"
#include "schemas/wire/slice.h"

struct http_caller;
struct tls_context;

enum {
	HTTP_CALL_ADDRESS_MAX = 255,           /* of HOST:PORT */
	HTTP_CALL_ANSWER_BYTES_MAX = 64 << 20, /* of an answer's body; a larger one is BROKEN */
	HTTP_CALL_HEAD_BYTES_MAX = 64 << 10,
};

struct http_caller_options {
	unsigned connections_max; /* 0: 64. Open at once, to whatever address */
	unsigned waiting_max;     /* 0: 1,024. Calls that wait for a connection; one more is NOT_SENT at once */
	unsigned idle_ms;         /* 0: 20,000. How long an idle connection is kept */
	struct tls_context *tls;  /* (tls.h) a client's, borrowed: for https://. NULL: such calls are NOT_SENT */
};

enum http_call_end {
	HTTP_CALL_ANSWERED, /* a whole answer, of whatever status */
	HTTP_CALL_REFUSED,  /* nothing was sent: nobody listens there */
	HTTP_CALL_NOT_SENT, /* nothing was sent: no such host, no way there, no connection in time, too many calls */
	HTTP_CALL_UNTRUSTED, /* nothing was sent: somebody is there, and his certificate is not what it must be, or he speaks no TLS. Logged */
	HTTP_CALL_BROKEN, /* it was sent, in whole or in part, and no whole answer came */
};

struct http_call_field {
	struct slice name, value;
};

struct http_call_answer {
	int status;
	const struct http_call_field *fields; /* in their order, framing included */
	size_t field_count;
	struct slice body;
};

typedef void http_called_fn(void *context, enum http_call_end end, const struct http_call_answer *answer);

struct http_call {
	const char *url; /* http://HOST[:PORT] or https://..., perhaps with a slash behind it */
	const char *method;
	struct slice target; /* path and query, as they go on the wire */
	const struct http_call_field
		*fields; /* without Host, Content-Length and Connection. With CR or LF in it: left out */
	size_t field_count;
	struct slice body;    /* empty: none, and no Content-Length but with POST, PUT and PATCH */
	unsigned timeout_ms;  /* from now to the end of the answer */
	http_called_fn *done; /* answer: with HTTP_CALL_ANSWERED only */
	void *context;
};

/* options may be NULL. Never fails. */
struct http_caller *http_caller_new(uv_loop_t *loop, const struct http_caller_options *options);

/* Ends all calls that are under way (NOT_SENT or BROKEN), then closes; the loop must run on until `freed` is called (NULL:
 * nobody is told), from the loop. NULL allowed: then `freed` is not called. */
void http_caller_free(struct http_caller *caller, void (*freed)(void *), void *context);

/* Takes a call; `done` will be called once. */
void http_caller_ask(struct http_caller *caller, const struct http_call *call);

/* Calls that are not done. */
unsigned http_caller_open_calls(const struct http_caller *caller);

/* HOST and PORT (80 or 443 when it is not named) of http://HOST[:PORT] or https://HOST[:PORT]; brackets around an IPv6 address are taken off.
 * false: not such a URL. */
bool http_call_split(const char *url, char host[HTTP_CALL_ADDRESS_MAX + 1], uint16_t *port, bool *is_tls);

#endif
