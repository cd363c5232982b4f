/*
 * A small blocking HTTP/1.1 client, for commands of the command line that talk to an engine. One request at a time over one
 * connection that is kept; not for the event loop.
 *
 * Caveat: when a kept connection turns out to be closed, the request is sent once more over a fresh one. So whatever is sent
 * must bear being sent twice: commands do, by their ids.
 */
#ifndef LEDGERLINE_HTTP_CLIENT_H
#define LEDGERLINE_HTTP_CLIENT_H

#include "schemas/wire/buffer.h"
#include "schemas/wire/error.h"

struct http_client;

struct http_reply {
	int status;
	struct slice head; /* all header lines */
	struct slice body;
};

/* `url`: http://HOST[:PORT] or https://HOST[:PORT], perhaps with a slash behind it. `ca`: a PEM file of whom https:// trusts; NULL: whom the
 * system trusts. Connects at the first request. LL_USAGE: not such a URL; as tls_client_new. */
enum ll_code http_client_new(const char *url, const char *ca, struct http_client **client,
			     struct error *error) LL_CHECKED;
void http_client_free(struct http_client *client); /* NULL allowed */
/* Sends this access key with each request from now on. Copied. */
void http_client_show_key(struct http_client *client, const char *key);

/* Sends a request and waits for its whole answer, good until the next call. A body is sent as application/json; an empty one
 * is not sent at all. `timeout_ms` is for each wait on the network.
 * LL_NOT_FOUND: no such host. LL_UNAVAILABLE: nobody listens, or the connection broke. LL_TIMEOUT. LL_CORRUPT: what came is
 * no HTTP. LL_DENIED: its certificate is not trusted, and nothing was sent. LL_TOO_LARGE: over 256 MiB. Any status of the answer is LL_OK. */
enum ll_code http_client_ask(struct http_client *client, const char *method, const char *path, struct slice body,
			     int timeout_ms, struct http_reply *reply, struct error *error) LL_CHECKED;

/* A header's value, without the blanks around it, whatever the case of its name. false: it was not sent. */
bool http_reply_header(const struct http_reply *reply, const char *name, struct slice *value);

#endif
