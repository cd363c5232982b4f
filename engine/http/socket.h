/*
 * The inside of a connection: shared by connection.c (sockets, queue, answers) and parser.c (bytes into requests).
 */
#ifndef LEDGERLINE_HTTP_SOCKET_H
#define LEDGERLINE_HTTP_SOCKET_H

#include "engine/http/connection.h"

struct http_parser;

enum { OUT_BYTES_MAX = 1 << 20 /* of unsent answers; above it no more requests are read */ };

struct connection {
	uv_tcp_t tcp;
	struct http_parser *parser; /* owned; kept from one use of the connection to the next */
	struct http_server *server;
	struct tls *tls;                    /* NULL: none */
	struct connection *previous, *next; /* of the server's open ones; next also of the free ones */
	struct connection *dirty_next;
	struct http_request *first, *last; /* the queue */
	struct http_request *reading;      /* the last one, while it is not whole */
	unsigned queued;
	struct buffer out;      /* to be written */
	struct buffer sending;  /* being written */
	struct buffer sealed;   /* of TLS: to be written, made of `out` */
	struct buffer unparsed; /* read, but the queue was full */
	uv_write_t write;
	uv_shutdown_t shutdown;
	uint64_t active_ms; /* when bytes last moved */
	bool reads;         /* uv_read_start is on */
	bool is_writing;
	bool is_dirty;
	bool is_paused; /* the parser stands before `unparsed` */
	bool is_ended;  /* the client says no more, or nothing that can be unsealed */
	bool last_taken;
	bool unread; /* bytes may come that nobody will look at: linger */
	bool lingers;
	bool closing;
};

/* ---- connection.c ---- */

/* Puts a request that begins at the queue's end. */
void connection_enqueue(struct connection *connection, struct http_request *request);
/* Sends 100 Continue to the request whose turn it is, if it waits for that. */
void connection_send_continue(struct connection *connection);
/* Refuses what is being read, or what ought to be, and takes nothing more: for what leaves the stream in disorder. 0:
 * with a bare 400. Returns -1. */
int connection_refuse(struct connection *connection, unsigned status);

/* ---- parser.c ---- */

enum parser_end {
	PARSER_TOOK_ALL,
	PARSER_PAUSED,   /* the queue is full: the rest is to be fed after parser_resume */
	PARSER_NONSENSE, /* not HTTP, or the connection takes no more */
	PARSER_OVERFLOW, /* the library's own limit of headers */
};

void parser_begin(struct connection *connection); /* a fresh stream */
/* Takes requests out of the bytes and hands whole ones to their handlers. *taken: how many bytes were looked at. */
enum parser_end parser_feed(struct connection *connection, const char *bytes, size_t size, size_t *taken);
void parser_resume(struct connection *connection);
void parser_free(struct http_parser *parser); /* NULL allowed */

#endif
