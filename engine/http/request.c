#include "engine/http/request.h"

#include <stdlib.h>
#include <strings.h>

#include "engine/http/connection.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/json.h"
#include "schemas/wire/utf8.h"

enum { BUFFER_KEPT_MAX = 64 * 1024 /* what a free request keeps */ };

/* ---- life ---- */

struct http_request *request_take(struct http_server *server)
{
	struct http_request *request = server->free_requests;
	if (request) {
		server->free_requests = request->next;
	} else {
		request = calloc(1, sizeof *request);
		ENSURE(request);
		request->server = server;
		request->arena.chunk_bytes = 4096;
		request->all_next = server->all_requests;
		server->all_requests = request;
	}
	request->next = NULL;
	request->state = REQUEST_READING;
	request->method = "";
	request->began_ns = uv_hrtime();
	request->began_ms = uv_now(server->loop);
	return request;
}

static void clear_or_release(struct buffer *buffer)
{
	buffer_clear(buffer);
	if (buffer->capacity > BUFFER_KEPT_MAX)
		buffer_release(buffer);
}

void request_recycle(struct http_request *request)
{
	ENSURE(request->state != REQUEST_FREE);
	clear_or_release(&request->head);
	clear_or_release(&request->body);
	clear_or_release(&request->answer);
	arena_reset(&request->arena);
	request->state = REQUEST_FREE;
	request->connection = NULL;
	request->route = NULL;
	request->is_head = request->is_old = request->headers_done = request->value_begun = false;
	request->wants_continue = request->close = request->keeps_alive_aloud = request->refused = false;
	request->refusal = request->allowed = request->header_count = 0;
	request->body_thrown_away = request->url_size = 0;
	request->path = SLICE_EMPTY;
	request->query_given = 0;
	request->query_problem = NULL;
	request->slot = request->admit_slot = NULL;
	request->denial = NULL;
	request->next = request->server->free_requests;
	request->server->free_requests = request;
}

void request_free(struct http_request *request)
{
	buffer_release(&request->head);
	buffer_release(&request->body);
	buffer_release(&request->answer);
	arena_release(&request->arena);
	free(request);
}

/* ---- URL and query ---- */

/* Takes "http://host" off an absolute URL, which proxies' clients send. */
static struct slice without_authority(struct slice url)
{
	static const char *const schemes[] = {"http://", "https://"};
	for (size_t i = 0; i < 2; i++) {
		size_t size = strlen(schemes[i]);
		if (url.size < size || strncasecmp((const char *)url.at, schemes[i], size) != 0)
			continue;
		const uint8_t *slash = memchr(url.at + size, '/', url.size - size);
		return slash ? slice_of(slash, (size_t)(url.at + url.size - slash)) : SLICE("/");
	}
	return url;
}

static void query_problem(struct http_request *request, struct slice name, const char *what)
{
	if (request->query_problem)
		return;
	request->query_problem = what;
	request->query_problem_name = name;
}

static void read_parameter(struct http_request *request, struct slice piece)
{
	struct slice name, value = piece;
	router_split(&value, '=', &name);
	if (!value.at)
		value = SLICE(""); /* a name alone is given, and empty */
	if (!router_decode(name, &request->arena, &name)) {
		query_problem(request, SLICE("query"), "has a name that is not percent-encoded UTF-8");
		return;
	}
	const struct route *route = request->route;
	for (unsigned i = 0; i < route->query_count; i++) {
		if (!slice_equal(route->query[i], name))
			continue;
		if (request->query_given >> i & 1)
			query_problem(request, name, "is given twice");
		else if (!router_decode(value, &request->arena, &request->query[i]))
			query_problem(request, name, "is not percent-encoded UTF-8");
		request->query_given |= 1u << i;
		return;
	}
	query_problem(request, name, "is not a known parameter");
}

unsigned request_route(struct http_request *request, enum http_verb verb)
{
	struct slice rest = without_authority(slice_of(request->head.at, request->url_size)), query;
	router_split(&rest, '#', &query);
	rest = query;
	router_split(&rest, '?', &request->path);
	query = rest;
	enum route_found found = router_find(request->server->router, verb, request->path, &request->arena,
					     &request->route, request->params, &request->allowed);
	if (found != ROUTE_FOUND)
		return found == ROUTE_BAD_PATH ? 400 : found == ROUTE_NO_METHOD ? 405 : 404;
	struct slice piece;
	while (router_split(&query, '&', &piece))
		if (piece.size)
			read_parameter(request, piece);
	return 0;
}

/* "application/json; charset=utf-8" -> "application/json" */
static struct slice media_type(struct slice value)
{
	struct slice type;
	if (!router_split(&value, ';', &type))
		return SLICE_EMPTY;
	while (type.size && (type.at[type.size - 1] == ' ' || type.at[type.size - 1] == '\t'))
		type.size--;
	return type;
}

static bool equal_ignoring_case(struct slice a, struct slice b)
{
	return a.size == b.size && strncasecmp((const char *)a.at, (const char *)b.at, a.size) == 0;
}

bool request_type_accepted(const struct http_request *request)
{
	struct slice value;
	if (!http_header(request, "Content-Type", &value))
		return true;
	struct slice type = media_type(value);
	for (unsigned i = 0; i < request->route->accept_count; i++)
		if (equal_ignoring_case(request->route->accepts[i], type))
			return true;
	return false;
}

/* ---- who may ask ---- */

enum http_admission request_admit(struct http_request *request, bool is_whole)
{
	const struct http_options *options = &request->server->options;
	if (!options->admit)
		return HTTP_ADMITTED;
	enum http_admission admission =
		options->admit(options->admit_context, request, is_whole, &request->denial_room);
	if (admission == HTTP_DENIED)
		request->denial = &request->denial_room;
	return admission;
}

void request_go(struct http_request *request)
{
	if (request->denial) {
		const struct http_field again = {"Retry-After", SLICE("1")};
		http_respond_error(request, request->denial->status, request->denial->code, request->denial->message,
				   SLICE_EMPTY, &again, request->denial->status == 429);
	} else if (request->refused) {
		request_refuse(request, request->refusal);
	} else {
		const struct http_route *spec = request->route->spec;
		spec->handler(request, spec->context);
	}
}

void http_admit(struct http_request *request, const struct http_denial *denial)
{
	request->denial = denial;
	request_go(request);
}

/* ---- what handlers ask ---- */

const char *http_method_text(const struct http_request *request)
{
	return request->method;
}

const char *http_pattern(const struct http_request *request)
{
	return request->route ? request->route->spec->pattern : "";
}

struct slice http_target(const struct http_request *request)
{
	return without_authority(slice_of(request->head.at, request->url_size));
}

struct slice http_path(const struct http_request *request)
{
	return request->path;
}

struct slice http_param(const struct http_request *request, const char *name)
{
	const struct route *route = request->route;
	for (unsigned i = 0; i < route->param_count; i++)
		if (slice_equal(route->params[i], slice_text(name)))
			return request->params[i];
	UNREACHABLE();
}

bool http_query(const struct http_request *request, const char *name, struct slice *value)
{
	const struct route *route = request->route;
	for (unsigned i = 0; i < route->query_count; i++) {
		if (!slice_equal(route->query[i], slice_text(name)))
			continue;
		if (request->query_given >> i & 1)
			*value = request->query[i];
		return request->query_given >> i & 1;
	}
	UNREACHABLE();
}

const char *http_query_problem(const struct http_request *request, struct slice *name)
{
	if (request->query_problem)
		*name = request->query_problem_name;
	return request->query_problem;
}

bool http_refuse_query(struct http_request *request)
{
	if (!request->query_problem)
		return false;
	struct json_writer writer;
	struct buffer details = {0}, message = {0};
	json_writer_init(&writer, &details, false);
	json_object_begin(&writer);
	json_member_string(&writer, "field", request->query_problem_name);
	json_member_text(&writer, "reason", request->query_problem);
	json_object_end(&writer);
	for (size_t i = 0; i < request->query_problem_name.size; i++) { /* a text: it ends at a NUL, and `%00` is one */
		uint8_t byte = request->query_problem_name.at[i];
		buffer_append_byte(&message, byte ? byte : '?');
	}
	buffer_printf(&message, " %s", request->query_problem);
	http_respond_error(request, 400, "VALIDATION_ERROR", buffer_text(&message), buffer_slice(&details), NULL, 0);
	buffer_release(&message);
	buffer_release(&details);
	return true;
}

/* The first header of that name from index *from on; *from is put behind it. */
static const struct header *find_header(const struct http_request *request, struct slice name, unsigned *from)
{
	for (unsigned i = *from; i < request->header_count; i++) {
		const struct header *header = &request->headers[i];
		if (header->name_size != name.size ||
		    !equal_ignoring_case(slice_of(request->head.at + header->name_at, name.size), name))
			continue;
		*from = i + 1;
		return header;
	}
	return NULL;
}

static struct slice value_of(const struct http_request *request, const struct header *header)
{
	struct slice value = slice_of(request->head.at + header->value_at, header->value_size);
	while (value.size && (value.at[value.size - 1] == ' ' || value.at[value.size - 1] == '\t'))
		value.size--;
	return value;
}

bool http_header(const struct http_request *request, const char *name, struct slice *value)
{
	unsigned from = 0;
	const struct header *header = find_header(request, slice_text(name), &from);
	if (header)
		*value = value_of(request, header);
	return header != NULL;
}

bool http_header_at(const struct http_request *request, unsigned index, struct slice *name, struct slice *value)
{
	if (index >= request->header_count)
		return false;
	const struct header *header = &request->headers[index];
	*name = slice_of(request->head.at + header->name_at, header->name_size);
	*value = value_of(request, header);
	return true;
}

unsigned http_header_count(const struct http_request *request, const char *name)
{
	unsigned from = 0, count = 0;
	while (find_header(request, slice_text(name), &from))
		count++;
	return count;
}

struct slice http_body(const struct http_request *request)
{
	return buffer_slice(&request->body);
}

bool http_body_is(const struct http_request *request, const char *type)
{
	struct slice value;
	struct slice given =
		http_header(request, "Content-Type", &value) ? media_type(value) : request->route->accepts[0];
	return equal_ignoring_case(given, slice_text(type));
}

struct arena *http_arena(struct http_request *request)
{
	return &request->arena;
}

void **http_slot(struct http_request *request)
{
	return &request->slot;
}

void **http_admit_slot(struct http_request *request)
{
	return &request->admit_slot;
}

const struct http_route *http_route_of(const struct http_request *request)
{
	return request->route ? request->route->spec : NULL;
}

bool http_client_is_gone(const struct http_request *request)
{
	return !request->connection;
}
