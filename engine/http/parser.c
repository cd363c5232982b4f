/*
 * Bytes into requests, with http_parser. Its pieces (a URL, a header's name, a body may come in several) are copied
 * into the request at once: they lie in a buffer that the next connection reads into.
 */
#include <http_parser.h>
#include <stdlib.h>
#include <strings.h>

#include "engine/http/socket.h"
#include "schemas/wire/ensure.h"

static int on_begin(http_parser *parser)
{
	struct connection *connection = parser->data;
	if (connection->last_taken)
		return -1;
	connection->reading = request_take(connection->server);
	connection_enqueue(connection, connection->reading);
	return 0;
}

static int on_url(http_parser *parser, const char *at, size_t size)
{
	struct connection *connection = parser->data;
	struct http_request *request = connection->reading;
	if (request->head.size + size > HTTP_URL_BYTES_MAX)
		return connection_refuse(connection, 414);
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
		return connection_refuse(connection, 431);
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
		return connection_refuse(connection, 431);
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
	case HTTP_HEAD: return HTTP_VERB_GET;
	case HTTP_POST: return HTTP_VERB_POST;
	case HTTP_PUT: return HTTP_VERB_PUT;
	case HTTP_PATCH: return HTTP_VERB_PATCH;
	case HTTP_DELETE: return HTTP_VERB_DELETE;
	default: return HTTP_VERBS;
	}
}

/* A refusal whose body may still come: read and thrown away, unless the client waits for a word before it sends it. */
static int refuse_after_body(struct connection *connection, unsigned status, bool waits)
{
	if (waits)
		return connection_refuse(connection, status);
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
	if (parser->http_major > 1)
		return connection_refuse(connection, 0);
	if (!request->is_old && http_header_count(request, "Host") != 1)
		return connection_refuse(connection, 0);
	bool has_length = parser->content_length != UINT64_MAX && parser->content_length;
	bool has_body = has_length || (parser->flags & F_CHUNKED);
	bool waits = has_body && !request->is_old && http_header(request, "Expect", &value);
	unsigned status = request_route(request, verb_of(parser));
	if (request_admit(request, false) == HTTP_DENIED)
		return refuse_after_body(connection, (unsigned)request->denial->status, waits);
	if (status)
		return refuse_after_body(connection, status, waits);
	if (has_length && parser->content_length > request->route->body_bytes_max)
		return connection_refuse(connection, 413);
	if (has_body && !request_type_accepted(request))
		return refuse_after_body(connection, 415, waits);
	if (waits) {
		if (value.size != strlen("100-continue") ||
		    strncasecmp((const char *)value.at, "100-continue", value.size))
			return connection_refuse(connection, 417);
		request->wants_continue = true;
		connection_send_continue(connection);
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
		return request->body_thrown_away > max
			       ? connection_refuse(connection, request->denial ? request->refusal : 413)
			       : 0;
	}
	if (request->body.size + size > max)
		return connection_refuse(connection, 413);
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
	request->state = REQUEST_HANDLED;
	statistics->requests_open++;
	if (request->denial || request_admit(request, true) != HTTP_ADMITTED_LATER)
		request_go(request);
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

/* ---- feeding ---- */

void parser_begin(struct connection *connection)
{
	if (!connection->parser)
		connection->parser = malloc(sizeof *connection->parser);
	ENSURE(connection->parser);
	http_parser_init(connection->parser, HTTP_REQUEST);
	connection->parser->data = connection;
}

enum parser_end parser_feed(struct connection *connection, const char *bytes, size_t size, size_t *taken)
{
	*taken = http_parser_execute(connection->parser, &settings, bytes, size);
	switch (HTTP_PARSER_ERRNO(connection->parser)) {
	case HPE_OK: return PARSER_TOOK_ALL;
	case HPE_PAUSED: return PARSER_PAUSED;
	case HPE_HEADER_OVERFLOW: return PARSER_OVERFLOW;
	default: return PARSER_NONSENSE;
	}
}

void parser_resume(struct connection *connection)
{
	http_parser_pause(connection->parser, 0);
}

void parser_free(struct http_parser *parser)
{
	free(parser);
}
