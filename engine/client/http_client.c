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

#include "engine/http/tls.h"
#include "schemas/wire/ensure.h"

enum { ANSWER_BYTES_MAX = 256 << 20, READ_BYTES = 64 << 10 };

struct http_client {
	char host[256], port[8];
	int socket;                 /* -1: not connected */
	struct tls_context *trusts; /* NULL: http:// */
	struct tls *tls;            /* of the connection */
	struct buffer sealed;
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

static bool take_url(struct http_client *client, const char *url, bool *is_tls)
{
	char rest[300];
	*is_tls = strncmp(url, "https://", 8) == 0;
	size_t scheme = *is_tls ? 8 : 7;
	bool fine = (*is_tls || strncmp(url, "http://", 7) == 0) && strlen(url + scheme) < sizeof client->host;
	snprintf(client->port, sizeof client->port, "%s", *is_tls ? "443" : "80");
	snprintf(rest, sizeof rest, "%s", fine ? url + scheme : "");
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
	snprintf(client->host, sizeof client->host, "%s", host);
	return fine && host[0] && !strpbrk(host, "/?#@ ");
}

enum ll_code http_client_new(const char *url, const char *ca, struct http_client **made, struct error *error)
{
	bool is_tls;
	enum ll_code code = LL_OK;
	struct http_client *client = calloc(1, sizeof *client);
	ENSURE(client);
	client->socket = -1;
	if (!take_url(client, url, &is_tls))
		code = error_set(error, LL_USAGE, "%s is not of the form http://HOST:PORT or https://HOST:PORT", url);
	else if (is_tls)
		code = tls_client_new(ca, &client->trusts, error);
	if (code == LL_OK)
		*made = client;
	else
		http_client_free(client);
	return code;
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
	tls_free(client->tls);
	client->tls = NULL;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	disconnect(client);
	buffer_release(&client->out);
	buffer_release(&client->in);
	buffer_release(&client->body);
	buffer_release(&client->sealed);
	tls_context_free(client->trusts);
	free(client);
}

/* ---- the connection ---- */

static const char *scheme(const struct http_client *client)
{
	return client->trusts ? "https" : "http";
}

static enum ll_code wait_for(struct http_client *client, short events, int timeout_ms, struct error *error)
{
	struct pollfd poll_one = {.fd = client->socket, .events = events};
	int ready;
	do
		ready = poll(&poll_one, 1, timeout_ms);
	while (ready < 0 && errno == EINTR);
	if (ready > 0)
		return LL_OK;
	return error_set(error, LL_TIMEOUT, "%s://%s:%s has not answered within %d ms", scheme(client), client->host,
			 client->port, timeout_ms);
}

static enum ll_code broke(struct http_client *client, const char *how, struct error *error)
{
	return error_set(error, LL_UNAVAILABLE, "%s://%s:%s: %s", scheme(client), client->host, client->port, how);
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

static enum ll_code send_bytes(struct http_client *client, struct slice bytes, int timeout_ms, struct error *error)
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

/* What has come, behind what is in `into`. LL_END: the other side has closed. */
static enum ll_code receive_bytes(struct http_client *client, struct buffer *into, int timeout_ms, struct error *error)
{
	for (;;) {
		uint8_t *room = buffer_reserve(into, READ_BYTES);
		ssize_t got = recv(client->socket, room, READ_BYTES, 0);
		if (got == 0)
			return LL_END;
		if (got > 0) {
			buffer_commit(into, (size_t)got);
			return LL_OK;
		}
		if (errno != EAGAIN && errno != EINTR)
			return broke(client, strerror(errno), error);
		enum ll_code code = wait_for(client, POLLIN, timeout_ms, error);
		if (code != LL_OK)
			return code;
	}
}

/* ---- TLS ---- */

/* Sends what TLS has to say, with `plain` in it (NULL: none), which is emptied. */
static enum ll_code send_sealed(struct http_client *client, struct buffer *plain, int timeout_ms, struct error *error)
{
	buffer_clear(&client->sealed);
	tls_seal(client->tls, plain, &client->sealed);
	return send_bytes(client, buffer_slice(&client->sealed), timeout_ms, error);
}

/* Takes plain bytes into client->in, after more has come when `more` is given. */
static enum ll_code unseal(struct http_client *client, bool more, int timeout_ms, struct error *error)
{
	enum tls_read read;
	size_t got;
	enum ll_code code = LL_OK;
	buffer_clear(&client->sealed);
	if (more)
		code = receive_bytes(client, &client->sealed, timeout_ms, error);
	if (code != LL_OK)
		return code;
	tls_feed(client->tls, client->sealed.at, client->sealed.size);
	while ((read = tls_read(client->tls, buffer_reserve(&client->in, READ_BYTES), READ_BYTES, &got)) == TLS_GOT)
		buffer_commit(&client->in, got);
	code = send_sealed(client, NULL, timeout_ms, error);
	if (read == TLS_BROKEN)
		return broke(client, tls_reason(client->tls), error);
	return code == LL_OK && read == TLS_CLOSED ? LL_END : code;
}

static enum ll_code shake_hands(struct http_client *client, int timeout_ms, struct error *error)
{
	client->tls = tls_connect(client->trusts, client->host);
	enum ll_code code = unseal(client, false, timeout_ms, error);
	while (code == LL_OK && !tls_is_ready(client->tls))
		code = unseal(client, true, timeout_ms, error);
	if (code == LL_END)
		return broke(client, "the connection was closed within the handshake of TLS", error);
	if (code != LL_UNAVAILABLE || !*tls_reason(client->tls))
		return code;
	return error_set(error, LL_DENIED,
			 "https://%s:%s is not trusted: %s; nothing was sent. Its certificate must be valid for that "
			 "host, and signed by whom --tls-ca (else the system) trusts",
			 client->host, client->port, tls_reason(client->tls));
}

/* ---- the answer's bytes ---- */

/* Sends a whole request. */
static enum ll_code send_all(struct http_client *client, struct slice bytes, int timeout_ms, struct error *error)
{
	if (!client->tls)
		return send_bytes(client, bytes, timeout_ms, error);
	struct buffer plain = {0};
	buffer_append_slice(&plain, bytes);
	enum ll_code code = send_sealed(client, &plain, timeout_ms, error);
	buffer_release(&plain);
	return code;
}

/* More of the answer into client->in. LL_END: the other side has closed. */
static enum ll_code receive(struct http_client *client, int timeout_ms, struct error *error)
{
	size_t before = client->in.size;
	enum ll_code code = LL_OK;
	while (code == LL_OK && client->in.size == before)
		code = client->tls ? unseal(client, true, timeout_ms, error)
				   : receive_bytes(client, &client->in, timeout_ms, error);
	if (client->in.size > ANSWER_BYTES_MAX)
		return error_set(error, LL_TOO_LARGE, "%s://%s:%s: an answer of more than %d bytes", scheme(client),
				 client->host, client->port, ANSWER_BYTES_MAX);
	return client->in.size > before ? LL_OK : code;
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
	return error_set(error, LL_CORRUPT, "what %s://%s:%s answers is not HTTP/1.1", scheme(client), client->host,
			 client->port);
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
		if (code == LL_OK && !kept && client->trusts)
			code = shake_hands(client, timeout_ms, error);
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
