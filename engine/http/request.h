/*
 * A request while it lives: read, handled, answered, and used again for another. Seen by engine/http/ only.
 *
 *	READING ── whole ──> HANDLED ── http_respond ──> ANSWERED ── its turn ──> (free list)
 *	   └── refused by the server ─────────────────────^
 *
 * It stands in its connection's queue from its first byte until its answer went into the connection's output. When the
 * client goes, requests that are with handlers lose their connection and are all that is left of it.
 */
#ifndef LEDGERLINE_HTTP_REQUEST_H
#define LEDGERLINE_HTTP_REQUEST_H

#include "engine/http/router.h"
#include "engine/http/server.h"
#include "schemas/wire/buffer.h"

struct connection;

/* Where a header stands in `head`. */
struct header {
	uint32_t name_at, name_size;
	uint32_t value_at, value_size;
};

enum request_state { REQUEST_FREE, REQUEST_READING, REQUEST_HANDLED, REQUEST_ANSWERED };

struct http_request {
	struct http_server *server;
	struct connection *connection; /* NULL: the client is gone */
	struct http_request *next;     /* behind it in the queue, or in the free list */
	struct http_request *all_next; /* every request that was ever made */
	enum request_state state;
	const char *method;
	const struct route *route;
	bool is_head; /* HEAD: no body goes out */
	bool is_old;  /* HTTP/1.0 */
	bool headers_done;
	bool value_begun;       /* the last header has (a part of) its value */
	bool wants_continue;    /* 100 Continue is to be sent when its turn comes */
	bool close;             /* the connection ends with its answer */
	bool keeps_alive_aloud; /* HTTP/1.0 client that asked for keep-alive */
	bool refused;           /* answered by the server once it was read: the body is thrown away */
	unsigned refusal;       /* then: the status */
	unsigned allowed;       /* for 405: bits of enum http_verb */
	uint64_t began_ns;
	uint64_t began_ms;
	size_t body_thrown_away;

	struct buffer head; /* URL, then names and values of the headers */
	size_t url_size;
	struct header headers[HTTP_HEADERS_MAX];
	unsigned header_count;
	struct buffer body;
	struct slice path; /* in head */
	struct slice params[HTTP_PARAMS_MAX];
	struct slice query[HTTP_QUERY_MAX];
	uint32_t query_given; /* bit n: query[n] was sent */
	const char *query_problem;
	struct slice query_problem_name;
	struct arena arena;
	void *slot, *admit_slot;
	const struct http_denial *denial; /* with refused: by http_options.admit, instead of `refusal` */
	struct http_denial denial_room;

	struct buffer answer;    /* when it was answered before its turn: head and body */
	size_t answer_head_size; /* up to the empty line, which is not in it */
};

_Static_assert(HTTP_QUERY_MAX <= 32, "query_given has a bit for each");

struct http_request *request_take(struct http_server *server); /* a fresh one, READING */
void request_recycle(struct http_request *request);            /* back to the server's free list */
void request_free(struct http_request *request);

/* After the last header: splits the URL, looks the route up, reads the query. 0: go on; else the status of the
 * refusal. */
unsigned request_route(struct http_request *request, enum http_verb verb);

/* Whether the body's Content-Type is one that the route takes. */
bool request_type_accepted(const struct http_request *request);

/* Asks http_options.admit. HTTP_DENIED: request->denial is set. */
enum http_admission request_admit(struct http_request *request, bool is_whole);
/* Hands a whole request to its handler, or refuses it as is due. */
void request_go(struct http_request *request);

/* Answers a request that the server itself refuses: JSON, or bare for 0. It must not be with a handler. */
void request_refuse(struct http_request *request, unsigned status);

#endif
