/*
 * One connection: bytes in, requests in a queue, answers out in the queue's order.
 *
 *	socket ─> http_parser ─> first ─> ... ─> last      out ─> uv_try_write, the rest by uv_write ─> socket
 *	                         (turn)          (being read, if any)
 *
 * How it ends: `last_taken` is set when no request will be taken any more (the client said close, half-closed, sent nonsense,
 * or the server stops). Once the queue is empty and everything is written, the socket is closed. After a refusal that left bytes
 * unread it lingers: closing at once would make the kernel send a reset, which may destroy the answer on its way.
 */
#include "engine/http/connection.h"

#include <http_parser.h>
#include <stdlib.h>
#include <strings.h>

#include "schemas/wire/ensure.h"

enum {
	OUT_BYTES_MAX = 1 << 20,      /* above it no more requests are read */
	BUFFER_KEPT_MAX = 256 * 1024, /* what an idle connection keeps */
	LINGER_MS = 2000,
	REFUSED_CONNECTIONS_MAX = 64, /* that are told so; beyond, they are closed without a word */
};

struct connection {
	uv_tcp_t tcp;
	http_parser parser;
	struct http_server *server;
	struct connection *previous, *next; /* of the server's open ones; next also of its free ones */
	struct connection *dirty_next;
	struct http_request *first, *last; /* the queue */
	struct http_request *reading;      /* the last one, while it is not whole */
	unsigned queued;
	struct buffer out;      /* to be written */
	struct buffer sending;  /* being written */
	struct buffer unparsed; /* read, but the queue was full */
	uv_write_t write;
	uv_shutdown_t shutdown;
	uint64_t active_ms; /* when bytes last moved */
	bool reads;         /* uv_read_start is on */
	bool is_writing;
	bool is_dirty;
	bool is_paused;  /* the parser stands before `unparsed` */
	bool last_taken;
	bool unread;     /* bytes may come that nobody will look at: linger */
	bool lingers;
	bool closing;
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
	struct buffer out = connection->out, sending = connection->sending, unparsed = connection->unparsed;
	*connection = (struct connection){.server = server, .out = out, .sending = sending, .unparsed = unparsed};
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
	forget_large(&connection->unparsed);
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

static void close_now(struct connection *connection)
{
	if (connection->closing)
		return;
	connection->closing = connection->last_taken = true;
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

static void enqueue(struct connection *connection, struct http_request *request)
{
	request->connection = connection;
	*(connection->last ? &connection->last->next : &connection->first) = request;
	connection->last = request;
	connection->queued++;
}

static void send_continue(struct connection *connection)
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
	send_continue(connection);
}

/* ---- the parser's callbacks ---- */

/* Refuses what is being read and takes nothing more: for what leaves the stream in disorder. 0: with a bare 400. */
static int refuse_and_end(struct connection *connection, unsigned status)
{
	struct http_request *request = connection->reading;
	if (!request) {
		request = request_take(connection->server);
		enqueue(connection, request);
	}
	connection->reading = NULL;
	connection->last_taken = connection->unread = true;
	request->close = true;
	connection->server->statistics.requests_total++;
	request_refuse(request, status);
	return -1;
}

static int on_begin(http_parser *parser)
{
	struct connection *connection = parser->data;
	if (connection->last_taken)
		return -1;
	connection->reading = request_take(connection->server);
	enqueue(connection, connection->reading);
	return 0;
}

static int on_url(http_parser *parser, const char *at, size_t size)
{
	struct connection *connection = parser->data;
	struct http_request *request = connection->reading;
	if (request->head.size + size > HTTP_URL_BYTES_MAX)
		return refuse_and_end(connection, 414);
	buffer_append(&request->head, at, size);
	request->url_size = request->head.size;
	return 0;
}

static int on_header_name(http_parser *parser, const char *at, size_t size)
{
	struct connection *connection = parser->data;
	struct http_request *request = connection->reading;
	if (request->headers_done) /* trailers: nobody asks for them */
		return 0;
	bool is_new = !request->header_count || request->value_begun;
	if (request->head.size + size > HTTP_HEAD_BYTES_MAX || (is_new && request->header_count == HTTP_HEADERS_MAX))
		return refuse_and_end(connection, 431);
	if (is_new) {
		request->headers[request->header_count++] = (struct header){.name_at = (uint32_t)request->head.size};
		request->value_begun = false;
	}
	buffer_append(&request->head, at, size);
	request->headers[request->header_count - 1].name_size += (uint32_t)size;
	return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t size)
{
	struct connection *connection = parser->data;
	struct http_request *request = connection->reading;
	if (request->headers_done)
		return 0;
	if (request->head.size + size > HTTP_HEAD_BYTES_MAX)
		return refuse_and_end(connection, 431);
	struct header *header = &request->headers[request->header_count - 1];
	if (!request->value_begun)
		header->value_at = (uint32_t)request->head.size;
	request->value_begun = true;
	buffer_append(&request->head, at, size);
	header->value_size += (uint32_t)size;
	return 0;
}

static enum http_verb verb_of(const http_parser *parser)
{
	switch (parser->method) {
	case HTTP_GET:
	case HTTP_HEAD:
		return HTTP_VERB_GET;
	case HTTP_POST:
		return HTTP_VERB_POST;
	case HTTP_PUT:
		return HTTP_VERB_PUT;
	case HTTP_PATCH:
		return HTTP_VERB_PATCH;
	case HTTP_DELETE:
		return HTTP_VERB_DELETE;
	default:
		return HTTP_VERBS;
	}
}

/* A refusal whose body may still come: read and thrown away, unless the client waits for a word before it sends it. */
static int refuse_after_body(struct connection *connection, unsigned status, bool waits)
{
	if (waits)
		return refuse_and_end(connection, status);
	connection->reading->refused = true;
	connection->reading->refusal = status;
	return 0;
}

static int on_headers(http_parser *parser)
{
	struct connection *connection = parser->data;
	struct http_request *request = connection->reading;
	struct slice value = SLICE_EMPTY;
	request->headers_done = true;
	parser->upgrade = 0; /* an offer to speak something else is not taken up */
	request->method = http_method_str(parser->method);
	request->is_head = parser->method == HTTP_HEAD;
	request->is_old = parser->http_major < 1 || (parser->http_major == 1 && parser->http_minor == 0);
	if (!request->is_old && http_header_count(request, "Host") != 1)
		return refuse_and_end(connection, 0);
	bool has_length = parser->content_length != UINT64_MAX && parser->content_length;
	bool has_body = has_length || (parser->flags & F_CHUNKED);
	bool waits = has_body && !request->is_old && http_header(request, "Expect", &value);
	unsigned status = request_route(request, verb_of(parser));
	if (status)
		return refuse_after_body(connection, status, waits);
	if (has_length && parser->content_length > request->route->body_bytes_max)
		return refuse_and_end(connection, 413);
	if (has_body && !request_type_accepted(request))
		return refuse_after_body(connection, 415, waits);
	if (waits) {
		if (value.size != strlen("100-continue") || strncasecmp((const char *)value.at, "100-continue", value.size))
			return refuse_and_end(connection, 417);
		request->wants_continue = true;
		send_continue(connection);
	}
	if (has_length)
		buffer_reserve(&request->body, parser->content_length);
	return 0;
}

static int on_body(http_parser *parser, const char *at, size_t size)
{
	struct connection *connection = parser->data;
	struct http_request *request = connection->reading;
	size_t max = request->route ? request->route->body_bytes_max : HTTP_BODY_BYTES_DEFAULT;
	request->wants_continue = false;
	if (request->refused) {
		request->body_thrown_away += size;
		return request->body_thrown_away > max ? refuse_and_end(connection, 413) : 0;
	}
	if (request->body.size + size > max)
		return refuse_and_end(connection, 413);
	buffer_append(&request->body, at, size);
	return 0;
}

static int on_whole(http_parser *parser)
{
	struct connection *connection = parser->data;
	struct http_request *request = connection->reading;
	struct http_statistics *statistics = &connection->server->statistics;
	connection->reading = NULL;
	bool keep_alive = http_should_keep_alive(parser);
	request->close = !keep_alive;
	request->keeps_alive_aloud = keep_alive && request->is_old;
	connection->last_taken |= !keep_alive;
	statistics->requests_total++;
	if (request->refused) {
		request_refuse(request, request->refusal);
	} else {
		request->state = REQUEST_HANDLED;
		statistics->requests_open++;
		const struct http_route *spec = request->route->spec;
		spec->handler(request, spec->context);
	}
	if (connection->queued >= HTTP_PIPELINE_MAX || connection->out.size > OUT_BYTES_MAX)
		http_parser_pause(parser, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_message_begin = on_begin,
	.on_url = on_url,
	.on_header_field = on_header_name,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers,
	.on_body = on_body,
	.on_message_complete = on_whole,
};

/* ---- reading ---- */

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
	size_t parsed = http_parser_execute(&connection->parser, &settings, bytes, size);
	enum http_errno problem = HTTP_PARSER_ERRNO(&connection->parser);
	if (connection->last_taken || connection->closing) {
		connection->unread |= parsed < size;
		make_dirty(connection);
		return;
	}
	if (problem == HPE_OK)
		return;
	if (problem != HPE_PAUSED) {
		refuse_and_end(connection, problem == HPE_HEADER_OVERFLOW ? 431 : 0);
		return;
	}
	connection->is_paused = true;
	buffer_append(&connection->unparsed, bytes + parsed, size - parsed);
	read_on(connection, false);
	make_dirty(connection);
}

/* The queue has room again: goes on with what was put aside, and then with the socket. */
static void resume(struct connection *connection)
{
	struct buffer put_aside = connection->unparsed;
	connection->unparsed = (struct buffer){0};
	connection->is_paused = false;
	http_parser_pause(&connection->parser, 0);
	if (put_aside.size)
		parse(connection, (const char *)put_aside.at, put_aside.size);
	if (!connection->is_paused)
		read_on(connection, true);
	buffer_release(&put_aside);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
	struct connection *connection = stream->data;
	if (size == 0 || connection->closing)
		return;
	if (size < 0) {
		read_on(connection, false);
		if (size == UV_EOF && !connection->lingers)
			take_no_more(connection);
		else
			close_now(connection);
		return;
	}
	connection->server->statistics.bytes_in += (uint64_t)size;
	if (connection->last_taken) {
		connection->unread = true;
		return;
	}
	connection->active_ms = uv_now(connection->server->loop);
	parse(connection, buf->base, (size_t)size);
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
	connection->active_ms = uv_now(connection->server->loop);
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

/* false: the rest is on its way, or the connection is gone. */
static bool write_out(struct connection *connection)
{
	struct buffer *out = &connection->out;
	if (!out->size)
		return true;
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
		connection->active_ms = uv_now(connection->server->loop);
	if ((size_t)written == out->size) {
		forget_large(out);
		return true;
	}
	struct buffer empty = connection->sending;
	connection->sending = *out;
	*out = empty;
	bytes = uv_buf_init((char *)connection->sending.at + written, (unsigned)(connection->sending.size - (size_t)written));
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
	http_parser_init(&connection->parser, HTTP_REQUEST);
	connection->parser.data = connection;
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
	} else if (connection->is_writing || !connection->first) {
		if (quiet_ms >= options->idle_timeout_ms)
			close_now(connection);
	} else if (request) {
		uint64_t taken_ms = request->headers_done ? quiet_ms : now_ms - request->began_ms;
		if (taken_ms >= options->request_timeout_ms && !connection->is_paused)
			refuse_and_end(connection, 408);
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
		buffer_release(&connection->unparsed);
		free(connection);
	}
}
