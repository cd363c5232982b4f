/*
 * TLS 1.2 and 1.3 of one connection, over memory: it knows neither sockets nor loops, and no request.
 *
 *	socket ── tls_feed ──> tls_read ──> plain bytes
 *	socket <── bytes of tls_seal <── plain bytes
 *
 * Whoever has fed it reads until there is no more, and then sends what tls_seal gives, also when there is nothing of his own to say:
 * handshakes, alerts and answers to the other side's wishes leave that way.
 *
 * A context is what many connections share: the server's certificate, or whom a client trusts. Its files may be read again at any time;
 * connections that are open keep what they began with.
 *
 * No reason and no error has a byte of a key or of what was said.
 */
#ifndef LEDGERLINE_HTTP_TLS_H
#define LEDGERLINE_HTTP_TLS_H

#include "schemas/wire/buffer.h"
#include "schemas/wire/error.h"

struct tls_context;
struct tls;

enum { TLS_READ_BYTES = 16 * 1024 /* one record: room for tls_read */ };

/* ---- what connections share ---- */

/* A server's: PEM files of its certificate, with those between it and the CA behind it, and of its key. LL_IO: one cannot be read;
 * LL_SETTINGS: it is no such file, or they do not belong together. The names are copied. */
enum ll_code tls_server_new(const char *certificate, const char *key, struct tls_context **context,
			    struct error *error) LL_CHECKED;
/* A client's: whom it trusts. `ca`: a PEM file; NULL: whom the system trusts. */
enum ll_code tls_client_new(const char *ca, struct tls_context **context, struct error *error) LL_CHECKED;
/* Reads its files again, for connections from now on. After an error it stays as it was. */
enum ll_code tls_reload(struct tls_context *context, struct error *error) LL_CHECKED;
/* Until when a server's own certificate is valid, in seconds since 1970; less than now: it has expired. */
int64_t tls_valid_until(const struct tls_context *context);
/* Connections that live on do not mind. NULL allowed. */
void tls_context_free(struct tls_context *context);

/* ---- a connection ---- */

struct tls *tls_accept(struct tls_context *context);
/* The other side must show a certificate for `host`, a name or an IP address. */
struct tls *tls_connect(struct tls_context *context, const char *host);
void tls_free(struct tls *tls); /* NULL allowed */

/* Takes what came from the socket. Copied. */
void tls_feed(struct tls *tls, const void *bytes, size_t size);

enum tls_read {
	TLS_GOT,    /* plain bytes */
	TLS_MORE,   /* nothing for now */
	TLS_CLOSED, /* the other side has said that it says no more; it may be spoken to all the same */
	TLS_BROKEN, /* no handshake came about, or what came is no TLS: tls_reason. What tls_seal gives may still be sent */
	TLS_HTTP, /* of a server: the first bytes look like HTTP without TLS */
};

/* Goes on with the handshake, and then gives plain bytes. To be called until it gives none. */
enum tls_read tls_read(struct tls *tls, void *room, size_t size, size_t *got);
/* The handshake is done: plain bytes may be sealed. */
bool tls_is_ready(const struct tls *tls);
/* Why it is broken: a sentence's end. */
const char *tls_reason(const struct tls *tls);

/* Appends to `out` what is to be sent: what TLS has to say by itself, and once it is ready all of `plain` (NULL: none), which is emptied.
 * When it is broken `plain` is emptied, and nothing of it is sent. */
void tls_seal(struct tls *tls, struct buffer *plain, struct buffer *out);
/* Says that nothing more will be said, once. */
void tls_say_end(struct tls *tls, struct buffer *out);

#endif
