/*
 * Connections, and what the server is made of. Seen by engine/http/ only.
 *
 * A connection reads into the server's one buffer, and everything that is kept is copied out of it at once. Answers
 * gather in `out`, and all connections that have something to say are flushed once a turn of the loop, just before it
 * waits: so answers that become ready together leave in one write.
 */
#ifndef LEDGERLINE_HTTP_CONNECTION_H
#define LEDGERLINE_HTTP_CONNECTION_H

#include "engine/http/request.h"
#include "engine/http/tls.h"

enum {
	HTTP_LISTENERS_MAX = 4,
	HTTP_READ_BYTES = 64 * 1024,
	HTTP_DATE_SIZE = 29, /* Sun, 01 Mar 2026 09:00:00 GMT */
};

struct http_server {
	uv_loop_t *loop;
	struct router *router;
	struct http_options options;
	struct http_statistics statistics;
	uv_tcp_t listeners[HTTP_LISTENERS_MAX];
	unsigned listener_count;
	uv_prepare_t flusher;
	uv_timer_t ticker, deadline;
	bool started; /* the handles above are initialised */
	bool stopping;
	unsigned handles_open; /* that must be closed before `stopped` is called */
	void (*stopped)(void *);
	void *stopped_context;
	struct connection *connections, *free_connections, *dirty;
	struct http_request *free_requests, *all_requests;
	int64_t date_s;
	char date[HTTP_DATE_SIZE + 1];
	char read_buffer[HTTP_READ_BYTES];
	char plain_buffer[TLS_READ_BYTES]; /* of it, unsealed */
};

/* ---- for the server ---- */

/* Takes the connection that waits at a listener. */
void connection_accept(struct http_server *server, uv_stream_t *listener);
/* Writes what has gathered in all connections. */
void connections_flush(struct http_server *server);
/* Looks for timeouts. */
void connections_tick(struct http_server *server);
/* No more requests; closes what is idle. */
void connections_wind_down(struct http_server *server);
/* Closes all at once. */
void connections_drop(struct http_server *server);
/* Frees those that are closed. */
void connections_free(struct http_server *server);
/* A handle or connection is closed; the last one ends the server. */
void server_closed_one(struct http_server *server);

/* ---- for answers ---- */

/* Whether the request is the one whose answer goes out next. */
bool connection_is_turn_of(const struct http_request *request);
/* Where the answer of that one is written; the connection is flushed soon. */
struct buffer *connection_out(struct connection *connection);
/* Whether the answer of the one whose turn it is shall say that the connection ends. */
bool connection_ends_with(const struct http_request *request);
/* The answer of the one whose turn it was is in `out`: recycles it and goes on with the next ones. */
void connection_answered(struct connection *connection);

/* ---- answers (answer.c) ---- */

/* Moves an answer that was given before its turn into the output. */
void answer_move(struct http_request *request, struct buffer *out);

#endif
