/*
 * Answers as bytes. The head is written without its last, empty line: whether the connection ends with this answer is
 * known only when its turn has come, so the Connection header goes in last.
 *
 *	HTTP/1.1 200 OK\r\n Content-Type... Content-Length... Date... fields \r\n [Connection: close\r\n] \r\n body
 */
#include "engine/http/connection.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/json.h"

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{204, "No Content"},
		{304, "Not Modified"},
		{307, "Temporary Redirect"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{402, "Payment Required"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{410, "Gone"},
		{412, "Precondition Failed"},
		{413, "Payload Too Large"},
		{414, "URI Too Long"},
		{415, "Unsupported Media Type"},
		{417, "Expectation Failed"},
		{422, "Unprocessable Entity"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
	};
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Status";
}

static void put_field(struct buffer *out, struct slice name, struct slice value)
{
	ENSURE(!value.size || (!memchr(value.at, '\r', value.size) && !memchr(value.at, '\n', value.size)));
	buffer_append_slice(out, name);
	buffer_append(out, ": ", 2);
	buffer_append_slice(out, value);
	buffer_append(out, "\r\n", 2);
}

static bool has_no_body(int status)
{
	return status == 204 || status == 304;
}

static void put_head(struct buffer *out, const struct http_request *request, const struct http_response *response)
{
	ENSURE(response->status >= 200 && response->status <= 599);
	buffer_append_text(out, "HTTP/1.1 ");
	buffer_append_uint64(out, (uint64_t)response->status);
	buffer_append_byte(out, ' ');
	buffer_append_text(out, reason_of(response->status));
	buffer_append_text(out, "\r\nDate: ");
	buffer_append(out, request->server->date, HTTP_DATE_SIZE);
	if (!has_no_body(response->status)) {
		if (response->body.size) {
			buffer_append_text(out, "\r\nContent-Type: ");
			buffer_append_text(out, response->content_type ? response->content_type : "application/json");
		}
		buffer_append_text(out, "\r\nContent-Length: ");
		buffer_append_uint64(out, response->body.size);
	}
	buffer_append(out, "\r\n", 2);
	for (size_t i = 0; i < response->field_count; i++)
		put_field(out, slice_text(response->fields[i].name), response->fields[i].value);
}

static void put_head_end(struct buffer *out, const struct http_request *request)
{
	if (connection_ends_with(request))
		buffer_append_text(out, "Connection: close\r\n");
	else if (request->keeps_alive_aloud)
		buffer_append_text(out, "Connection: keep-alive\r\n");
	buffer_append(out, "\r\n", 2);
}

static void put_body(struct buffer *out, const struct http_request *request, const struct http_response *response)
{
	if (!request->is_head && !has_no_body(response->status))
		buffer_append_slice(out, response->body);
}

void answer_move(struct http_request *request, struct buffer *out)
{
	struct slice answer = buffer_slice(&request->answer);
	buffer_append(out, answer.at, request->answer_head_size);
	put_head_end(out, request);
	buffer_append(out, answer.at + request->answer_head_size, answer.size - request->answer_head_size);
}

static void count(struct http_request *request, int status)
{
	struct http_server *server = request->server;
	server->statistics.answers[status / 100]++;
	if (request->state == REQUEST_HANDLED)
		server->statistics.requests_open--;
	if (server->options.answered)
		server->options.answered(server->options.answered_context, request, status,
					 (uv_hrtime() - request->began_ns) / 1000);
}

void http_respond(struct http_request *request, const struct http_response *response)
{
	ENSURE(request->state == REQUEST_HANDLED || request->state == REQUEST_READING);
	count(request, response->status);
	struct connection *connection = request->connection;
	if (!connection) {
		request_recycle(request);
		return;
	}
	request->state = REQUEST_ANSWERED;
	request->close |= response->close;
	if (connection_is_turn_of(request)) {
		struct buffer *out = connection_out(connection);
		put_head(out, request, response);
		put_head_end(out, request);
		put_body(out, request, response);
		connection_answered(connection);
		return;
	}
	put_head(&request->answer, request, response);
	request->answer_head_size = request->answer.size;
	put_body(&request->answer, request, response);
}

void http_respond_error(struct http_request *request, int status, const char *code, const char *message,
			struct slice details, const struct http_field *fields, size_t field_count)
{
	struct buffer body = {0};
	struct json_writer writer;
	ENSURE(message && *message);
	json_writer_init(&writer, &body, false);
	json_object_begin(&writer);
	json_member_text(&writer, "code", code);
	json_member_text(&writer, "message", message);
	json_key(&writer, "details");
	json_raw(&writer, details.size ? details : SLICE("{}"));
	json_object_end(&writer);
	const struct http_response response = {
		.status = status, .body = buffer_slice(&body), .fields = fields, .field_count = field_count};
	http_respond(request, &response);
	buffer_release(&body);
}

/* ---- what the server itself refuses ---- */

static void allowed_text(unsigned allowed, char text[64])
{
	size_t size = 0;
	text[0] = 0;
	for (enum http_verb verb = 0; verb < HTTP_VERBS; verb++) {
		if (!(allowed >> verb & 1))
			continue;
		size += (size_t)snprintf(text + size, 64 - size, "%s%s%s", size ? ", " : "", router_verb_name(verb),
					 verb == HTTP_VERB_GET ? ", HEAD" : "");
	}
}

/* Not HTTP: not even JSON. */
static void refuse_bare(struct http_request *request)
{
	buffer_append_text(&request->answer, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n");
	request->answer_head_size = request->answer.size;
	count(request, 400);
	request->state = REQUEST_ANSWERED;
	if (connection_is_turn_of(request)) {
		answer_move(request, connection_out(request->connection));
		connection_answered(request->connection);
	}
}

void request_refuse(struct http_request *request, unsigned status)
{
	static const struct {
		unsigned status;
		const char *code, *message, *details;
	} refusals[] = {
		{400, "VALIDATION_ERROR", "the path is not percent-encoded UTF-8",
		 "{\"field\":\"path\",\"reason\":\"is not percent-encoded UTF-8\"}"},
		{404, "NOT_FOUND", "there is nothing at this path", ""},
		{405, "METHOD_NOT_ALLOWED", "this path does not take this method; see Allow", ""},
		{408, "REQUEST_TIMEOUT", "the request was not sent to its end in time", ""},
		{413, "BODY_TOO_LARGE", "the body is larger than this path takes", ""},
		{414, "URI_TOO_LONG", "the URL is longer than 8192 bytes", ""},
		{415, "UNSUPPORTED_MEDIA_TYPE", "the body's Content-Type is not one that this path takes", ""},
		{417, "EXPECTATION_FAILED", "no expectation but 100-continue can be met", ""},
		{431, "HEADERS_TOO_LARGE", "the headers are larger than 16384 bytes, or more than 64", ""},
	};
	_Static_assert(HTTP_URL_BYTES_MAX == 8192 && HTTP_HEAD_BYTES_MAX == 16384 && HTTP_HEADERS_MAX == 64,
		       "as named above");
	if (!status) {
		refuse_bare(request);
		return;
	}
	if (request->denial) {
		request_go(request);
		return;
	}
	char allowed[64];
	allowed_text(request->allowed, allowed);
	const struct http_field allow = {"Allow", slice_text(allowed)};
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		if (refusals[i].status != status)
			continue;
		http_respond_error(request, (int)status, refusals[i].code, refusals[i].message,
				   slice_text(refusals[i].details), &allow, status == 405);
		return;
	}
	UNREACHABLE();
}
