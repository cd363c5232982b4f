/*
 * An HTTP/1.1 server on a libuv loop. It knows requests, routes and answers, and nothing of what they are about.
 *
 * Caveats first
 * - Everything here belongs to the loop's thread. A handler that hands work to another thread answers from the loop.
 * - A handler must answer each request exactly once, at once or at any time later. Until then the request and every
 *   slice taken from it stay valid, also when the client has gone. http_respond ends the request: the pointer is dead.
 * - A handler may be called again for another request of the same connection before the first one is answered
 *   (pipelining). Answers leave in the order of the requests, whatever the order in which they are given.
 * - Listening sets SIGPIPE to be ignored in the whole process, unless somebody handles it: clients may go at any time.
 *
 * What the server answers by itself, always as JSON {"code","message","details"}:
 *	400 VALIDATION_ERROR       a path that is not percent-encoded UTF-8
 *	404 NOT_FOUND              no route with that path
 *	405 METHOD_NOT_ALLOWED     with Allow
 *	408 REQUEST_TIMEOUT        begun, but not sent to its end in time
 *	413 BODY_TOO_LARGE         over the route's limit; the connection is closed
 *	414 URI_TOO_LONG, 431 HEADERS_TOO_LARGE   closed as well
 *	415 UNSUPPORTED_MEDIA_TYPE a body of another type than the route takes
 *	417 EXPECTATION_FAILED     an Expect other than 100-continue
 *	503 OVERLOADED             too many connections, with Retry-After; closed
 * What is not HTTP (HTTP/1.1 without one Host included) gets a bare 400 and a closed connection.
 * What comes without TLS to a server with TLS gets the same when it looks like HTTP; else an alert of TLS.
 * HEAD is answered by the route of GET, without the body.
 *
 * A client that has half-closed its side still gets its answers. One that has reset it, or whose answers cannot be
 * written, is gone: http_client_is_gone says so, and what is answered then goes nowhere.
 */
#ifndef LEDGERLINE_HTTP_SERVER_H
#define LEDGERLINE_HTTP_SERVER_H

#include <sys/socket.h>
#include <uv.h>

#include "schemas/wire/arena.h"
#include "schemas/wire/error.h"
#include "schemas/wire/slice.h"

struct http_server;
struct http_request;
struct tls_context;

enum {
	HTTP_HEAD_BYTES_MAX = 16 * 1024, /* names and values of all headers, and the URL */
	HTTP_URL_BYTES_MAX = 8 * 1024,
	HTTP_HEADERS_MAX = 64,
	HTTP_PARAMS_MAX = 8,     /* {names} in one pattern */
	HTTP_QUERY_MAX = 16,     /* query names of one route */
	HTTP_PIPELINE_MAX = 256, /* requests of one connection that wait for their answers; then it is not read on */
	HTTP_BODY_BYTES_DEFAULT = 1 << 20,
};

enum http_verb { HTTP_VERB_GET, HTTP_VERB_POST, HTTP_VERB_PUT, HTTP_VERB_PATCH, HTTP_VERB_DELETE, HTTP_VERBS };

/* ---- routes ---- */

typedef void http_handler_fn(struct http_request *request, void *context);

struct http_route {
	enum http_verb verb;
	const char *pattern; /* "/api/schedules/{scheduleId}/seats"; a {name} takes one whole segment, not
				      * empty. Where a literal segment fits, it goes before a {name} */
	http_handler_fn *handler;
	void *context;         /* for the handler */
	const char *query;     /* the query names that it knows, with blanks between; NULL: none */
	const char *accepts;   /* content types of a body, with blanks between; NULL: application/json. A body
				      * without Content-Type is taken as the first one */
	size_t body_bytes_max; /* 0: HTTP_BODY_BYTES_DEFAULT */
	unsigned access;       /* for http_options.admit to look at */
};

/* ---- the server ---- */

/* An address to listen on. */
struct http_address {
	struct sockaddr_storage storage;
	char host[256]; /* as it was given, without brackets */
	uint16_t port;
};

/* Reads and resolves "HOST:PORT", "[::1]:PORT". Port 0: any. BLOCKING when HOST is a name. LL_USAGE: not of that form;
 * LL_NOT_FOUND: no such host. */
enum ll_code http_address_resolve(const char *text, struct http_address *address, struct error *error) LL_CHECKED;
bool http_address_is_loopback(const struct http_address *address);

/* Called when an answer was handed to the connection, for logs and metrics. `request` is valid during the call. */
typedef void http_answered_fn(void *context, const struct http_request *request, int status, uint64_t duration_us);

/* ---- who may ask ---- */

enum http_admission { HTTP_ADMITTED, HTTP_DENIED, HTTP_ADMITTED_LATER };

/* How a request is refused: as http_respond_error. The texts are borrowed for ever. */
struct http_denial {
	int status;
	const char *code, *message;
};

/*
 * Says whether a request may be looked at. Called when its headers are whole, its route is found (or not) and nothing else was looked at, so
 * before 404, 405, 413 and 415; and unless it was denied, once more when the body is whole. HTTP_ADMITTED_LATER at first means to read on; when it is
 * whole (`is_whole`), that http_admit will be called, later.
 */
typedef enum http_admission http_admit_fn(void *context, struct http_request *request, bool is_whole,
					  struct http_denial *denial);
/* Goes on with a request that was to be admitted later; denial NULL: it is admitted. */
void http_admit(struct http_request *request, const struct http_denial *denial);

struct http_options {
	unsigned connections_max;    /* 0: 4,096; one more gets 503 */
	unsigned idle_timeout_ms;    /* 0: 75,000; a connection without a request, or whose client takes nothing */
	unsigned request_timeout_ms; /* 0: 30,000; from the first byte of a request to the end of its headers, and
				      * between two pieces of a body */
	http_answered_fn *answered;  /* may be NULL */
	void *answered_context;
	http_admit_fn *admit; /* NULL: everybody may ask everything */
	void *admit_context;
	struct tls_context
		*tls; /* (tls.h) a server's, borrowed; NULL: plain HTTP. A handshake has request_timeout_ms */
};

struct http_statistics {
	uint64_t connections;         /* open now */
	uint64_t connections_total;   /* ever taken */
	uint64_t connections_refused; /* for being too many */
	uint64_t requests_total;      /* handed to handlers, or refused by the server */
	uint64_t requests_open;       /* with handlers now */
	uint64_t clients_gone;        /* requests whose client went before the answer */
	int64_t tls_valid_until;      /* of the server's certificate, in seconds since 1970; 0: no TLS */
	uint64_t tls_failed;          /* connections with TLS that came to no handshake, or broke it */
	uint64_t bytes_in, bytes_out;
	uint64_t answers[6]; /* by the status's first digit; [0] unused */
};

/* Makes a server; it does nothing yet. Routes and their strings are borrowed as long as it lives; a pattern that stands
 * twice with the same method, or that cannot be read, is a bug. options may be NULL. Never fails. */
struct http_server *http_server_new(uv_loop_t *loop, const struct http_route *routes, size_t route_count,
				    const struct http_options *options);

/* Begins to listen; may be called for several addresses. *port (may be NULL): the real one. LL_BUSY: the address is in
 * use; LL_DENIED, LL_NOT_FOUND (no such address here), LL_IO. After an error the server goes on as it was; to give it
 * up, it must be stopped like one that listens. */
enum ll_code http_server_listen(struct http_server *server, const struct http_address *address, uint16_t *port,
				struct error *error) LL_CHECKED;

/*
 * Stops: takes no more connections and no more requests, answers with `Connection: close` what was taken whole, closes
 * idle connections at once, and all others once they are done or `deadline_ms` is over (0: at once). Then calls
 * `stopped` from the loop; requests that are not answered by then have lost their clients but stay valid. To be called
 * once.
 */
void http_server_stop(struct http_server *server, unsigned deadline_ms, void (*stopped)(void *), void *context);

/* Frees it, after `stopped` was called, or when it was never told to listen. Requests that are still not answered die
 * with it. NULL allowed. */
void http_server_free(struct http_server *server);

void http_server_statistics(const struct http_server *server, struct http_statistics *statistics);

/* ---- the request ---- */

/* "GET", "HEAD", ... */
const char *http_method_text(const struct http_request *request);
/* The pattern of its route; "" when none was found. For logs and metrics. */
const char *http_pattern(const struct http_request *request);
/* Its route as it was given; NULL: none was found. */
const struct http_route *http_route_of(const struct http_request *request);
/* Path and query, as they were sent. */
struct slice http_target(const struct http_request *request);
/* The path as it was sent, without the query. */
struct slice http_path(const struct http_request *request);

/* What stood in the place of {name}, percent-decoded UTF-8. Another name than one of the pattern's is a bug. */
struct slice http_param(const struct http_request *request, const char *name);

/*
 * The query's value of that name, percent-decoded UTF-8; '+' is a plus. false: it was not sent. A name that the route
 * does not know is a bug. `?limit` and `?limit=` are an empty value.
 */
bool http_query(const struct http_request *request, const char *name, struct slice *value);

/* What is wrong with the query as a whole; NULL: nothing. A sentence's end to stand behind the name ("is not a known
 * parameter", "is given twice", "is not percent-encoded UTF-8"); *name: the first one it is true of. */
const char *http_query_problem(const struct http_request *request, struct slice *name);

/* Answers 400 VALIDATION_ERROR with details {field, reason} when the query has a problem. true: it did, and the request
 * is over. For the first line of a handler. */
bool http_refuse_query(struct http_request *request);

/* A header's value without the blanks around it, whatever the case of its name; the first one when it was sent several
 * times. false: it was not sent. */
bool http_header(const struct http_request *request, const char *name, struct slice *value);
/* The header of that index, from 0, in the order in which they came. false: there are no more. */
bool http_header_at(const struct http_request *request, unsigned index, struct slice *name, struct slice *value);
/* How many times it was sent. */
unsigned http_header_count(const struct http_request *request, const char *name);

/* The whole body; empty when there was none. */
struct slice http_body(const struct http_request *request);
/* Whether the body's type is the one given ("application/json"), which one of the route's `accepts` must be. */
bool http_body_is(const struct http_request *request, const char *type);

/* Memory that lives as long as the request. */
struct arena *http_arena(struct http_request *request);

/* A place for the handler's own pointer, NULL at first. */
void **http_slot(struct http_request *request);
/* And one for http_options.admit. */
void **http_admit_slot(struct http_request *request);

bool http_client_is_gone(const struct http_request *request);

/* ---- the answer ---- */

struct http_field {
	const char *name;
	struct slice value; /* without line ends: a CR or LF in it is a bug */
};

struct http_response {
	int status;               /* 200..599 */
	const char *content_type; /* NULL: application/json. Not sent when the body is empty */
	struct slice body;
	const struct http_field *fields;
	size_t field_count;
	bool close; /* close the connection after it */
};

/* Ends the request. Everything is copied. 204 and 304 are sent without a body. */
void http_respond(struct http_request *request, const struct http_response *response);

/* Ends the request with {"code","message","details"}. `details`: a JSON object as text; empty: {}. fields may be
 * NULL. */
void http_respond_error(struct http_request *request, int status, const char *code, const char *message,
			struct slice details, const struct http_field *fields, size_t field_count);

#endif
