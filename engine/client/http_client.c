#include "engine/client/http_client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "schemas/wire/ensure.h"

enum { ANSWER_BYTES_MAX = 256 << 20, READ_BYTES = 64 << 10 };

struct http_client {
	char host[256], port[8];
	int socket; /* -1: not connected */
	struct buffer out, in, body;
	char key[128]; /* empty: none */
};

static bool take_port(const char *text, char port[8])
{
	char *end;
	long number = strtol(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || number < 1 || number > 65535)
		return false;
	snprintf(port, 8, "%ld", number);
	return true;
}

enum ll_code http_client_new(const char *url, struct http_client **made, struct error *error)
{
	char rest[300];
	struct http_client *client = calloc(1, sizeof *client);
	ENSURE(client);
	client->socket = -1;
	snprintf(client->port, sizeof client->port, "80");
	bool fine = strncmp(url, "http://", 7) == 0 && strlen(url + 7) < sizeof client->host;
	snprintf(rest, sizeof rest, "%s", fine ? url + 7 : "");
	size_t size = strlen(rest);
	if (size && rest[size - 1] == '/')
		rest[size - 1] = 0;
	char *host = rest, *colon = strrchr(rest, ':');
	if (rest[0] == '[') { /* an address of IPv6 */
		char *closing = strchr(rest, ']');
		host = rest + 1;
		colon = closing && closing[1] == ':' ? closing + 1 : NULL;
		fine = fine && closing && (closing[1] == 0 || colon);
		if (closing)
			*closing = 0;
	}
	if (colon) {
		*colon = 0;
		fine = fine && take_port(colon + 1, client->port);
	}
	if (!fine || !host[0] || strpbrk(host, "/?#@ ")) {
		free(client);
		return error_set(error, LL_USAGE, "%s is not of the form http://HOST:PORT", url);
	}
	snprintf(client->host, sizeof client->host, "%s", host);
	*made = client;
	return LL_OK;
}

void http_client_show_key(struct http_client *client, const char *key)
{
	snprintf(client->key, sizeof client->key, "%s", key);
}

static void disconnect(struct http_client *client)
{
	if (client->socket >= 0)
		close(client->socket);
	client->socket = -1;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	disconnect(client);
	buffer_release(&client->out);
	buffer_release(&client->in);
	buffer_release(&client->body);
	free(client);
}

/* ---- the connection ---- */

static enum ll_code wait_for(struct http_client *client, short events, int timeout_ms, struct error *error)
{
	struct pollfd poll_one = {.fd = client->socket, .events = events};
	int ready;
	do
		ready = poll(&poll_one, 1, timeout_ms);
	while (ready < 0 && errno == EINTR);
	if (ready > 0)
		return LL_OK;
	return error_set(error, LL_TIMEOUT, "http://%s:%s has not answered within %d ms", client->host, client->port,
			 timeout_ms);
}

static enum ll_code broke(struct http_client *client, const char *how, struct error *error)
{
	return error_set(error, LL_UNAVAILABLE, "http://%s:%s: %s", client->host, client->port, how);
}

static bool connect_to(struct http_client *client, const struct addrinfo *address, int timeout_ms)
{
	int failure = 0, one = 1;
	socklen_t size = sizeof failure;
	client->socket = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->socket < 0)
		return false;
	setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(client->socket, address->ai_addr, address->ai_addrlen) == 0)
		return true;
	failure = errno;
	if (failure == EINPROGRESS && wait_for(client, POLLOUT, timeout_ms, NULL) == LL_OK &&
	    getsockopt(client->socket, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0)
		return true;
	disconnect(client);
	errno = failure;
	return false;
}

static enum ll_code open_connection(struct http_client *client, int timeout_ms, struct error *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	int failure = getaddrinfo(client->host, client->port, &hints, &found);
	if (failure)
		return error_set(error, LL_NOT_FOUND, "no host %s: %s", client->host, gai_strerror(failure));
	bool connected = false;
	for (const struct addrinfo *address = found; address && !connected; address = address->ai_next)
		connected = connect_to(client, address, timeout_ms);
	freeaddrinfo(found);
	return connected ? LL_OK : broke(client, strerror(errno), error);
}

static enum ll_code send_all(struct http_client *client, struct slice bytes, int timeout_ms, struct error *error)
{
	while (bytes.size) {
		ssize_t sent = send(client->socket, bytes.at, bytes.size, MSG_NOSIGNAL);
		if (sent > 0) {
			bytes = slice_of(bytes.at + sent, bytes.size - (size_t)sent);
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return broke(client, strerror(errno), error);
		enum ll_code code = wait_for(client, POLLOUT, timeout_ms, error);
		if (code != LL_OK)
			return code;
	}
	return LL_OK;
}

/* More of the answer into client->in. LL_END: the other side has closed. */
static enum ll_code receive(struct http_client *client, int timeout_ms, struct error *error)
{
	for (;;) {
		uint8_t *room = buffer_reserve(&client->in, READ_BYTES);
		ssize_t got = recv(client->socket, room, READ_BYTES, 0);
		if (got == 0)
			return LL_END;
		if (got > 0) {
			client->in.size += (size_t)got;
			return client->in.size <= ANSWER_BYTES_MAX
				       ? LL_OK
				       : error_set(error, LL_TOO_LARGE, "http://%s:%s: an answer of more than %d bytes",
						   client->host, client->port, ANSWER_BYTES_MAX);
		}
		if (errno != EAGAIN && errno != EINTR)
			return broke(client, strerror(errno), error);
		enum ll_code code = wait_for(client, POLLIN, timeout_ms, error);
		if (code != LL_OK)
			return code;
	}
}

/* ---- the answer ---- */

bool http_reply_header(const struct http_reply *reply, const char *name, struct slice *value)
{
	size_t size = strlen(name);
	const char *at = (const char *)reply->head.at, *end = at + reply->head.size;
	while (at < end) {
		const char *line_end = memchr(at, '\r', (size_t)(end - at));
		line_end = line_end ? line_end : end;
		if ((size_t)(line_end - at) > size && at[size] == ':' && strncasecmp(at, name, size) == 0) {
			at += size + 1;
			while (at < line_end && (*at == ' ' || *at == '\t'))
				at++;
			while (line_end > at && (line_end[-1] == ' ' || line_end[-1] == '\t'))
				line_end--;
			*value = slice_of((const uint8_t *)at, (size_t)(line_end - at));
			return true;
		}
		at = line_end + 2;
	}
	return false;
}

static enum ll_code no_http(struct http_client *client, struct error *error)
{
	return error_set(error, LL_CORRUPT, "what http://%s:%s answers is not HTTP/1.1", client->host, client->port);
}

static bool has_word(struct slice value, const char *word)
{
	return value.size == strlen(word) && strncasecmp((const char *)value.at, word, value.size) == 0;
}

/* Reads until `size` bytes are there. */
static enum ll_code receive_up_to(struct http_client *client, size_t size, int timeout_ms, struct error *error)
{
	enum ll_code code = LL_OK;
	while (code == LL_OK && client->in.size < size)
		code = receive(client, timeout_ms, error);
	return code == LL_END ? broke(client, "the connection was closed within an answer", error) : code;
}

/* Chunks from client->in at `at` into client->body. */
static enum ll_code receive_chunks(struct http_client *client, size_t at, int timeout_ms, struct error *error)
{
	for (;;) {
		const uint8_t *line_end;
		while (!(line_end = client->in.size > at ? memmem(client->in.at + at, client->in.size - at, "\r\n", 2)
							 : NULL)) {
			enum ll_code code = receive_up_to(client, client->in.size + 1, timeout_ms, error);
			if (code != LL_OK)
				return code;
		}
		char *end;
		unsigned long long size = strtoull((const char *)client->in.at + at, &end, 16);
		if ((const uint8_t *)end == client->in.at + at || size > ANSWER_BYTES_MAX)
			return no_http(client, error);
		at = (size_t)(line_end - client->in.at) + 2;
		enum ll_code code = receive_up_to(client, at + size + 2, timeout_ms, error);
		if (code != LL_OK || size == 0)
			return code;
		buffer_append(&client->body, client->in.at + at, size);
		at += size + 2;
	}
}

static enum ll_code receive_body(struct http_client *client, size_t at, bool empty, int timeout_ms,
				 struct http_reply *reply, struct error *error)
{
	struct slice value;
	enum ll_code code = LL_OK;
	if (empty) {
		/* no body */
	} else if (http_reply_header(reply, "Transfer-Encoding", &value) && has_word(value, "chunked")) {
		size_t head = reply->head.size, head_at = (size_t)(reply->head.at - client->in.at);
		code = receive_chunks(client, at, timeout_ms, error);
		reply->head = slice_of(client->in.at + head_at, head);
	} else if (http_reply_header(reply, "Content-Length", &value)) {
		char text[24];
		snprintf(text, sizeof text, "%.*s", (int)(value.size < 20 ? value.size : 20), (const char *)value.at);
		size_t head = reply->head.size, head_at = (size_t)(reply->head.at - client->in.at);
		unsigned long long size = strtoull(text, NULL, 10);
		code = size <= ANSWER_BYTES_MAX ? receive_up_to(client, at + size, timeout_ms, error)
						: error_set(error, LL_TOO_LARGE, "an answer of %llu bytes", size);
		reply->head = slice_of(client->in.at + head_at, head);
		if (code == LL_OK)
			buffer_append(&client->body, client->in.at + at, size);
	} else {
		code = no_http(client, error);
	}
	reply->body = buffer_slice(&client->body);
	if (code == LL_OK && http_reply_header(reply, "Connection", &value) && has_word(value, "close"))
		disconnect(client);
	return code;
}

/* *nothing: not a byte of an answer came before the connection broke. */
static enum ll_code receive_answer(struct http_client *client, bool is_head, int timeout_ms, struct http_reply *reply,
				   bool *nothing, struct error *error)
{
	const uint8_t *end;
	buffer_clear(&client->in);
	buffer_clear(&client->body);
	while (!(end = client->in.size ? memmem(client->in.at, client->in.size, "\r\n\r\n", 4) : NULL)) {
		enum ll_code code = receive(client, timeout_ms, error);
		if (code != LL_OK) {
			*nothing = client->in.size == 0 && (code == LL_END || code == LL_UNAVAILABLE);
			return code == LL_END ? broke(client, "the connection was closed before an answer", error)
					      : code;
		}
	}
	if (client->in.size < 12 || memcmp(client->in.at, "HTTP/1.", 7) != 0)
		return no_http(client, error);
	reply->status = (int)strtol((const char *)client->in.at + 9, NULL, 10);
	const uint8_t *first_end = memchr(client->in.at, '\n', client->in.size);
	reply->head = slice_of(first_end + 1, end > first_end ? (size_t)(end + 2 - (first_end + 1)) : 0);
	bool empty = is_head || reply->status == 204 || reply->status == 304;
	return receive_body(client, (size_t)(end - client->in.at) + 4, empty, timeout_ms, reply, error);
}

/* ---- the request ---- */

enum ll_code http_client_ask(struct http_client *client, const char *method, const char *path, struct slice body,
			     int timeout_ms, struct http_reply *reply, struct error *error)
{
	bool six = strchr(client->host, ':') != NULL;
	buffer_clear(&client->out);
	buffer_printf(&client->out, "%s %s HTTP/1.1\r\nHost: %s%s%s:%s\r\n", method, path, six ? "[" : "", client->host,
		      six ? "]" : "", client->port);
	if (body.size)
		buffer_printf(&client->out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.size);
	if (*client->key)
		buffer_printf(&client->out, "X-Api-Key: %s\r\n", client->key);
	buffer_append_text(&client->out, "\r\n");
	buffer_append_slice(&client->out, body);
	for (;;) {
		bool kept = client->socket >= 0, nothing = false;
		enum ll_code code = kept ? LL_OK : open_connection(client, timeout_ms, error);
		if (code == LL_OK) {
			code = send_all(client, buffer_slice(&client->out), timeout_ms, error);
			nothing = code == LL_UNAVAILABLE;
		}
		if (code == LL_OK)
			code = receive_answer(client, strcmp(method, "HEAD") == 0, timeout_ms, reply, &nothing, error);
		if (code == LL_OK)
			return LL_OK;
		disconnect(client);
		if (!kept || !nothing)
			return code;
	}
}
