/*
 * One connection: bytes in, requests in a queue, answers out in the queue's order.
 *
 *	socket ─> http_parser ─> first ─> ... ─> last      out ─> uv_try_write, the rest by uv_write ─> socket
 *	                         (turn)          (being read, if any)
 *
 * With TLS (tls.h) it stands between the socket and both: what was read is unsealed before it is parsed, and `out` is sealed before it is
 * written. Until the handshake is done nothing of `out` leaves, and the connection's clock stands.
 *
 * How it ends: `last_taken` is set when no request will be taken any more (the client said close, half-closed, sent
 * nonsense, or the server stops). Once the queue is empty and everything is written, the socket is closed. After a
 * refusal that left bytes unread it lingers: closing at once would make the kernel send a reset, which may destroy the
 * answer on its way.
 */
#include "engine/http/socket.h"

#include <stdlib.h>

#include "engine/http/tls.h"
#include "engine/log/log.h"
#include "schemas/wire/ensure.h"

enum {
	BUFFER_KEPT_MAX = 256 * 1024, /* what an idle connection keeps */
	LINGER_MS = 2000,
	REFUSED_CONNECTIONS_MAX = 64, /* that are told so; beyond, they are closed without a word */
};

/* ---- life ---- */

static struct connection *connection_take(struct http_server *server)
{
	struct connection *connection = server->free_connections;
	if (connection)
		server->free_connections = connection->next;
	else
		connection = calloc(1, sizeof *connection);
	ENSURE(connection);
	*connection = (struct connection){
		.server = server,
		.out = connection->out, /* emptied when it was closed */
		.sending = connection->sending,
		.sealed = connection->sealed,
		.unparsed = connection->unparsed,
		.parser = connection->parser,
	};
	return connection;
}

static void forget_large(struct buffer *buffer)
{
	buffer_clear(buffer);
	if (buffer->capacity > BUFFER_KEPT_MAX)
		buffer_release(buffer);
}

static void on_closed(uv_handle_t *handle)
{
	struct connection *connection = handle->data;
	struct http_server *server = connection->server;
	if (connection->is_dirty) /* it stands in that list: empty it */
		connections_flush(server);
	forget_large(&connection->out);
	forget_large(&connection->sending);
	forget_large(&connection->sealed);
	forget_large(&connection->unparsed);
	tls_free(connection->tls);
	if (connection->next)
		connection->next->previous = connection->previous;
	*(connection->previous ? &connection->previous->next : &server->connections) = connection->next;
	connection->next = server->free_connections;
	server->free_connections = connection;
	server->statistics.connections--;
	server_closed_one(server);
}

/* Lets go of a request: one that is with a handler goes on without its client. */
static void orphan(struct http_request *request)
{
	request->connection = NULL;
	request->next = NULL;
	if (request->state == REQUEST_HANDLED)
		request->server->statistics.clients_gone++;
	else
		request_recycle(request);
}

/* Lets go of the queue behind `keep` (NULL: of all). */
static void orphan_behind(struct connection *connection, struct http_request *keep)
{
	struct http_request *request = keep ? keep->next : connection->first;
	if (keep)
		keep->next = NULL;
	else
		connection->first = NULL;
	connection->last = keep;
	while (request) {
		struct http_request *next = request->next;
		orphan(request);
		connection->queued--;
		request = next;
	}
	if (connection->reading != keep)
		connection->reading = NULL;
}

/* A last word, when it can be said at once. */
static void part(struct connection *connection)
{
	if (!connection->tls || connection->is_writing)
		return;
	tls_say_end(connection->tls, &connection->sealed);
	uv_buf_t bytes = uv_buf_init((char *)connection->sealed.at, (unsigned)connection->sealed.size);
	if (bytes.len)
		(void)uv_try_write((uv_stream_t *)&connection->tcp, &bytes, 1);
}

static void close_now(struct connection *connection)
{
	if (connection->closing)
		return;
	connection->closing = connection->last_taken = true;
	part(connection);
	orphan_behind(connection, NULL);
	uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

static void make_dirty(struct connection *connection)
{
	if (connection->is_dirty || connection->closing)
		return;
	connection->is_dirty = true;
	connection->dirty_next = connection->server->dirty;
	connection->server->dirty = connection;
}

/* Takes no more requests; what was begun but not sent whole is dropped. */
static void take_no_more(struct connection *connection)
{
	connection->last_taken = true;
	buffer_clear(&connection->unparsed);
	if (connection->reading) {
		struct http_request *before = NULL;
		for (struct http_request *at = connection->first; at != connection->reading; at = at->next)
			before = at;
		orphan_behind(connection, before);
	}
	make_dirty(connection);
}

/* ---- the queue ---- */

bool connection_is_turn_of(const struct http_request *request)
{
	return request->connection->first == request;
}

struct buffer *connection_out(struct connection *connection)
{
	make_dirty(connection);
	return &connection->out;
}

bool connection_ends_with(const struct http_request *request)
{
	const struct connection *connection = request->connection;
	return request->close || (!request->next && connection->last_taken);
}

void connection_enqueue(struct connection *connection, struct http_request *request)
{
	request->connection = connection;
	*(connection->last ? &connection->last->next : &connection->first) = request;
	connection->last = request;
	connection->queued++;
}

void connection_send_continue(struct connection *connection)
{
	struct http_request *request = connection->first;
	if (!request || !request->wants_continue || request->state != REQUEST_READING)
		return;
	request->wants_continue = false;
	buffer_append_text(connection_out(connection), "HTTP/1.1 100 Continue\r\n\r\n");
}

void connection_answered(struct connection *connection)
{
	for (;;) {
		struct http_request *request = connection->first;
		bool ends = connection_ends_with(request);
		if (ends) {
			connection->last_taken = true;
			orphan_behind(connection, request);
		}
		connection->first = request->next;
		connection->queued--;
		if (!connection->first)
			connection->last = NULL;
		if (connection->reading == request)
			connection->reading = NULL;
		request_recycle(request);
		request = connection->first;
		if (!request || request->state != REQUEST_ANSWERED)
			break;
		answer_move(request, &connection->out);
	}
	connection_send_continue(connection);
}

int connection_refuse(struct connection *connection, unsigned status)
{
	struct http_request *request = connection->reading;
	if (!request) {
		request = request_take(connection->server);
		connection_enqueue(connection, request);
	}
	connection->reading = NULL;
	connection->last_taken = connection->unread = true;
	request->close = true;
	connection->server->statistics.requests_total++;
	request_refuse(request, status);
	return -1;
}

/* ---- reading ---- */

/* A handshake that comes by drops gets no more time than one that stands still. */
static void tell_active(struct connection *connection)
{
	if (!connection->tls || tls_is_ready(connection->tls))
		connection->active_ms = uv_now(connection->server->loop);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf);

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void)suggested;
	struct connection *connection = handle->data;
	*buf = uv_buf_init(connection->server->read_buffer, HTTP_READ_BYTES);
}

static void read_on(struct connection *connection, bool reads)
{
	if (connection->reads == reads || connection->closing)
		return;
	connection->reads = reads;
	if (reads)
		ENSURE(uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read) == 0);
	else
		uv_read_stop((uv_stream_t *)&connection->tcp);
}

static void parse(struct connection *connection, const char *bytes, size_t size)
{
	size_t taken;
	enum parser_end end = parser_feed(connection, bytes, size, &taken);
	if (connection->last_taken || connection->closing) {
		connection->unread |= taken < size;
		make_dirty(connection);
		return;
	}
	if (end == PARSER_TOOK_ALL)
		return;
	if (end != PARSER_PAUSED) {
		connection_refuse(connection, end == PARSER_OVERFLOW ? 431 : 0);
		return;
	}
	connection->is_paused = true;
	buffer_append(&connection->unparsed, bytes + taken, size - taken);
	read_on(connection, false);
	make_dirty(connection);
}

/* The queue has room again: goes on with what was put aside, and then with the socket. */
static void resume(struct connection *connection)
{
	struct buffer put_aside = connection->unparsed;
	connection->unparsed = (struct buffer){0};
	connection->is_paused = false;
	parser_resume(connection);
	if (put_aside.size)
		parse(connection, (const char *)put_aside.at, put_aside.size);
	if (!connection->is_paused && connection->is_ended)
		take_no_more(connection);
	else if (!connection->is_paused)
		read_on(connection, true);
	buffer_release(&put_aside);
}

static void take(struct connection *connection, const char *bytes, size_t size)
{
	if (connection->last_taken) {
		connection->unread = true;
	} else if (connection->is_paused) {
		buffer_append(&connection->unparsed, bytes, size);
	} else {
		tell_active(connection);
		parse(connection, bytes, size);
	}
}

/* The client says no more. What it said before may still lie in `unparsed`. */
static void take_end(struct connection *connection)
{
	read_on(connection, false);
	connection->is_ended = true;
	if (connection->tls && !tls_is_ready(connection->tls))
		close_now(connection);
	else if (!connection->is_paused)
		take_no_more(connection);
}

/* ---- TLS ---- */

/* Nothing can be answered any more: what TLS says of it is sent, and the connection closed. */
static void take_broken(struct connection *connection)
{
	connection->server->statistics.tls_failed++;
	log_debug("http.tlsFailed", LOG_TEXT("message", tls_reason(connection->tls)));
	orphan_behind(connection, NULL);
	buffer_clear(&connection->out);
	connection->last_taken = connection->unread = connection->is_ended = true;
}

/* Somebody who takes this for a port without TLS is told so in his own language. */
static void take_http(struct connection *connection)
{
	connection->server->statistics.tls_failed++;
	tls_free(connection->tls);
	connection->tls = NULL;
	if (!connection->last_taken)
		connection_refuse(connection, 0);
	connection->unread = true;
}

static void unseal(struct connection *connection, const char *bytes, size_t size)
{
	char *plain = connection->server->plain_buffer;
	enum tls_read read = TLS_GOT;
	tls_feed(connection->tls, bytes, size);
	while (read == TLS_GOT && !connection->closing) {
		size_t got;
		read = tls_read(connection->tls, plain, TLS_READ_BYTES, &got);
		if (read == TLS_GOT)
			take(connection, plain, got);
	}
	if (read == TLS_CLOSED)
		take_end(connection);
	else if (read == TLS_BROKEN)
		take_broken(connection);
	else if (read == TLS_HTTP)
		take_http(connection);
	make_dirty(connection);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
	struct connection *connection = stream->data;
	if (size == 0 || connection->closing)
		return;
	if (size < 0) {
		if (size == UV_EOF && !connection->lingers)
			take_end(connection);
		else
			close_now(connection);
		return;
	}
	connection->server->statistics.bytes_in += (uint64_t)size;
	if (connection->tls && !connection->is_ended && !connection->lingers)
		unseal(connection, buf->base, (size_t)size);
	else
		take(connection, buf->base, (size_t)size);
}

/* ---- writing ---- */

static void on_written(uv_write_t *write, int status)
{
	struct connection *connection = write->handle->data;
	connection->is_writing = false;
	buffer_clear(&connection->sending);
	if (status < 0) {
		close_now(connection);
		return;
	}
	tell_active(connection);
	make_dirty(connection);
}

static void on_shut(uv_shutdown_t *shutdown, int status)
{
	(void)shutdown;
	(void)status;
}

/* Everything is said. */
static void finish(struct connection *connection)
{
	if (!connection->unread || !connection->reads) {
		close_now(connection);
		return;
	}
	if (connection->lingers)
		return;
	connection->lingers = true;
	connection->active_ms = uv_now(connection->server->loop);
	if (uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp, on_shut) != 0)
		close_now(connection);
}

/* What goes to the socket: the answers as they are, or sealed, with the last word behind the last one. */
static struct buffer *to_write(struct connection *connection)
{
	struct buffer *out = &connection->out;
	if (!connection->tls)
		return out;
	tls_seal(connection->tls, out, &connection->sealed);
	if (!out->size)
		forget_large(out);
	if (connection->last_taken && !connection->first && !out->size)
		tls_say_end(connection->tls, &connection->sealed);
	return &connection->sealed;
}

/* false: something is still to be sent, or the connection is gone. */
static bool write_out(struct connection *connection)
{
	struct buffer *out = to_write(connection);
	if (!out->size)
		return !connection->out.size;
	uv_stream_t *stream = (uv_stream_t *)&connection->tcp;
	uv_buf_t bytes = uv_buf_init((char *)out->at, (unsigned)out->size);
	int written = uv_try_write(stream, &bytes, 1);
	if (written == UV_EAGAIN)
		written = 0;
	if (written < 0) {
		close_now(connection);
		return false;
	}
	connection->server->statistics.bytes_out += out->size;
	if (written)
		tell_active(connection);
	if ((size_t)written == out->size) {
		forget_large(out);
		return !connection->out.size;
	}
	struct buffer empty = connection->sending;
	connection->sending = *out;
	*out = empty;
	bytes = uv_buf_init((char *)connection->sending.at + written,
			    (unsigned)(connection->sending.size - (size_t)written));
	if (uv_write(&connection->write, stream, &bytes, 1, on_written) != 0)
		close_now(connection);
	else
		connection->is_writing = true;
	return false;
}

static void flush(struct connection *connection)
{
	if (connection->closing || connection->is_writing || !write_out(connection))
		return;
	if (connection->last_taken) {
		if (!connection->first)
			finish(connection);
	} else if (connection->is_paused && connection->queued <= HTTP_PIPELINE_MAX / 2) {
		resume(connection);
	}
}

void connections_flush(struct http_server *server)
{
	while (server->dirty) {
		struct connection *connection = server->dirty;
		server->dirty = connection->dirty_next;
		connection->is_dirty = false;
		flush(connection);
	}
}

/* ---- for the server ---- */

static void refuse_connection(struct connection *connection)
{
	static const char body[] = "{\"code\":\"OVERLOADED\",\"message\":\"too many connections\",\"details\":{}}";
	buffer_printf(connection_out(connection),
		      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
		      "Retry-After: 1\r\nConnection: close\r\n\r\n%s",
		      sizeof body - 1, body);
	connection->last_taken = connection->unread = true;
	connection->server->statistics.connections_refused++;
	connection->server->statistics.answers[5]++;
}

void connection_accept(struct http_server *server, uv_stream_t *listener)
{
	struct connection *connection = connection_take(server);
	ENSURE(uv_tcp_init(server->loop, &connection->tcp) == 0);
	connection->tcp.data = connection;
	connection->next = server->connections;
	if (connection->next)
		connection->next->previous = connection;
	server->connections = connection;
	server->handles_open++;
	uint64_t open = server->statistics.connections++;
	server->statistics.connections_total++;
	if (uv_accept(listener, (uv_stream_t *)&connection->tcp) != 0 ||
	    open >= (uint64_t)server->options.connections_max + REFUSED_CONNECTIONS_MAX) {
		close_now(connection);
		return;
	}
	uv_tcp_nodelay(&connection->tcp, 1);
	connection->tls = server->options.tls ? tls_accept(server->options.tls) : NULL;
	parser_begin(connection);
	connection->active_ms = uv_now(server->loop);
	read_on(connection, true);
	if (open >= server->options.connections_max)
		refuse_connection(connection);
}

static void tick(struct connection *connection, uint64_t now_ms)
{
	const struct http_options *options = &connection->server->options;
	uint64_t quiet_ms = now_ms - connection->active_ms;
	struct http_request *request = connection->reading;
	if (connection->lingers) {
		if (quiet_ms >= LINGER_MS)
			close_now(connection);
	} else if (connection->tls && !tls_is_ready(connection->tls)) {
		if (quiet_ms >= options->request_timeout_ms)
			close_now(connection);
	} else if (connection->is_writing || !connection->first) {
		if (quiet_ms >= options->idle_timeout_ms)
			close_now(connection);
	} else if (request) {
		uint64_t taken_ms = request->headers_done ? quiet_ms : now_ms - request->began_ms;
		if (taken_ms >= options->request_timeout_ms && !connection->is_paused)
			connection_refuse(connection, 408);
	}
}

void connections_tick(struct http_server *server)
{
	uint64_t now_ms = uv_now(server->loop);
	for (struct connection *connection = server->connections; connection; connection = connection->next)
		if (!connection->closing)
			tick(connection, now_ms);
}

void connections_wind_down(struct http_server *server)
{
	for (struct connection *connection = server->connections; connection; connection = connection->next)
		if (!connection->closing && !connection->last_taken)
			take_no_more(connection);
}

void connections_drop(struct http_server *server)
{
	for (struct connection *connection = server->connections; connection; connection = connection->next)
		close_now(connection);
}

void connections_free(struct http_server *server)
{
	ENSURE(!server->connections);
	while (server->free_connections) {
		struct connection *connection = server->free_connections;
		server->free_connections = connection->next;
		buffer_release(&connection->out);
		buffer_release(&connection->sending);
		buffer_release(&connection->sealed);
		buffer_release(&connection->unparsed);
		parser_free(connection->parser);
		free(connection);
	}
}
