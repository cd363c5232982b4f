#include "engine/http/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "schemas/wire/ensure.h"

enum {
	SEAL_BYTES = 64 * 1024,   /* sealed at once: what OpenSSL keeps of it stays small */
	UNSENT_BYTES = 64 * 1024, /* of its own that the other side has TLS say without taking it */
	REASON_MAX = 160,
};

struct tls_context {
	SSL_CTX *ssl;
	char *certificate, *key; /* NULL: a client's */
	char *ca;
	bool is_server;
};

struct tls {
	SSL *ssl;
	BIO *in, *out; /* owned by ssl */
	bool is_ready, is_broken, said_end, was_fed, is_http;
	char reason[REASON_MAX];
};

/* ---- reasons ---- */

/* What OpenSSL says of its newest failure, and forgets it. */
static const char *newest_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	ERR_clear_error();
	return reason ? reason : "no reason is known";
}

static enum ll_code check_readable(const char *path, const char *what, struct error *error)
{
	FILE *file = fopen(path, "re");
	if (!file)
		return error_set(error, LL_IO, "%s: the file of the %s cannot be read: %s", path, what,
				 strerror(errno));
	int first = fgetc(file);
	bool failed = ferror(file);
	int problem = errno;
	fclose(file);
	if (failed)
		return error_set(error, LL_IO, "%s: the file of the %s cannot be read: %s", path, what,
				 strerror(problem));
	if (first == EOF)
		return error_set(error, LL_SETTINGS, "%s: the file of the %s is empty", path, what);
	return LL_OK;
}

/* ---- a server's context ---- */

/* Nobody sits there to be asked. */
static int no_passphrase(char *room, int size, int writes, void *context)
{
	(void)room;
	(void)size;
	(void)writes;
	*(bool *)context = true;
	return -1;
}

static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *size, const unsigned char *offered,
			   unsigned offered_size, void *context)
{
	static const unsigned char ours[] = "\x08http/1.1";
	(void)ssl;
	(void)context;
	unsigned char *found = NULL;
	if (SSL_select_next_proto(&found, size, ours, sizeof ours - 1, offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*chosen = found;
	return SSL_TLSEXT_ERR_OK;
}

static enum ll_code read_pair(const struct tls_context *context, SSL_CTX *ssl, struct error *error)
{
	bool is_locked = false;
	enum ll_code code = check_readable(context->certificate, "certificate", error);
	if (code == LL_OK)
		code = check_readable(context->key, "key", error);
	if (code != LL_OK)
		return code;
	SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(ssl, &is_locked);
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ssl, context->certificate) != 1)
		return error_set(error, LL_SETTINGS, "%s is no certificate in PEM: %s", context->certificate,
				 newest_reason());
	bool fits = SSL_CTX_use_PrivateKey_file(ssl, context->key, SSL_FILETYPE_PEM) == 1 &&
		    SSL_CTX_check_private_key(ssl) == 1;
	SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL);
	if (fits)
		return LL_OK;
	int reason = ERR_GET_REASON(ERR_peek_last_error());
	if (is_locked)
		return error_set(error, LL_SETTINGS, "%s: the key has a passphrase: it must lie there without one",
				 context->key);
	if (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH ||
	    reason == SSL_R_NO_CERTIFICATE_ASSIGNED)
		return error_set(error, LL_SETTINGS, "the key in %s is not the one of the certificate in %s",
				 context->key, context->certificate);
	return error_set(error, LL_SETTINGS, "%s is no private key in PEM: %s", context->key, newest_reason());
}

/* ---- a client's context ---- */

static enum ll_code read_trusted(const struct tls_context *context, SSL_CTX *ssl, struct error *error)
{
	static const unsigned char ours[] = "\x08http/1.1";
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	ENSURE(SSL_CTX_set_alpn_protos(ssl, ours, sizeof ours - 1) == 0);
	if (!context->ca) {
		ENSURE(SSL_CTX_set_default_verify_paths(ssl) == 1);
		return LL_OK;
	}
	enum ll_code code = check_readable(context->ca, "CA's certificate", error);
	ERR_clear_error();
	if (code == LL_OK && SSL_CTX_load_verify_file(ssl, context->ca) != 1)
		code = error_set(error, LL_SETTINGS, "%s has no certificate of a CA in PEM: %s", context->ca,
				 newest_reason());
	return code;
}

/* ---- contexts ---- */

enum ll_code tls_reload(struct tls_context *context, struct error *error)
{
	SSL_CTX *ssl = SSL_CTX_new(context->is_server ? TLS_server_method() : TLS_client_method());
	ENSURE(ssl && SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	enum ll_code code;
	if (context->is_server) {
		SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
		code = read_pair(context, ssl, error);
	} else {
		code = read_trusted(context, ssl, error);
	}
	ERR_clear_error();
	if (code != LL_OK) {
		SSL_CTX_free(ssl);
		return code;
	}
	SSL_CTX_free(context->ssl);
	context->ssl = ssl;
	return LL_OK;
}

static char *copy_of(const char *text)
{
	char *copy = text ? strdup(text) : NULL;
	ENSURE(!text || copy);
	return copy;
}

static enum ll_code context_new(struct tls_context what, struct tls_context **made, struct error *error)
{
	struct tls_context *context = calloc(1, sizeof *context);
	ENSURE(context);
	*context = (struct tls_context){.certificate = copy_of(what.certificate),
					.key = copy_of(what.key),
					.ca = copy_of(what.ca),
					.is_server = what.is_server};
	enum ll_code code = tls_reload(context, error);
	if (code == LL_OK)
		*made = context;
	else
		tls_context_free(context);
	return code;
}

enum ll_code tls_server_new(const char *certificate, const char *key, struct tls_context **context, struct error *error)
{
	return context_new((struct tls_context){.certificate = (char *)(uintptr_t)certificate,
						.key = (char *)(uintptr_t)key,
						.is_server = true},
			   context, error);
}

enum ll_code tls_client_new(const char *ca, struct tls_context **context, struct error *error)
{
	return context_new((struct tls_context){.ca = (char *)(uintptr_t)ca}, context, error);
}

int64_t tls_valid_until(const struct tls_context *context)
{
	int days = 0, seconds = 0;
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	const X509 *own = SSL_CTX_get0_certificate(context->ssl);
	ENSURE(epoch && own);
	bool fine = ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(own)) == 1;
	ASN1_TIME_free(epoch);
	return fine && days >= 0 && seconds >= 0 ? (int64_t)days * 86400 + seconds : 0;
}

void tls_context_free(struct tls_context *context)
{
	if (!context)
		return;
	SSL_CTX_free(context->ssl);
	free(context->certificate);
	free(context->key);
	free(context->ca);
	free(context);
}

/* ---- connections ---- */

static struct tls *tls_new(struct tls_context *context)
{
	struct tls *tls = calloc(1, sizeof *tls);
	ENSURE(tls);
	tls->ssl = SSL_new(context->ssl);
	tls->in = BIO_new(BIO_s_mem());
	tls->out = BIO_new(BIO_s_mem());
	ENSURE(tls->ssl && tls->in && tls->out);
	BIO_set_mem_eof_return(tls->in, -1); /* empty: more will come */
	SSL_set_bio(tls->ssl, tls->in, tls->out);
	return tls;
}

struct tls *tls_accept(struct tls_context *context)
{
	struct tls *tls = tls_new(context);
	SSL_set_accept_state(tls->ssl);
	return tls;
}

struct tls *tls_connect(struct tls_context *context, const char *host)
{
	struct tls *tls = tls_new(context);
	unsigned char address[16];
	bool is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
	SSL_set_connect_state(tls->ssl);
	if (is_address) {
		ENSURE(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), host) == 1);
		return tls;
	}
	SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (SSL_set1_host(tls->ssl, host) != 1 || SSL_set_tlsext_host_name(tls->ssl, host) != 1) {
		tls->is_broken = true; /* longer than a name may be */
		snprintf(tls->reason, sizeof tls->reason, "that is no name of a host");
		ERR_clear_error();
	}
	return tls;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	SSL_free(tls->ssl);
	free(tls);
}

/* Each request begins with the capital letters of its method; no record of TLS does. */
static bool begins_http(uint8_t first)
{
	return first >= 'A' && first <= 'Z';
}

void tls_feed(struct tls *tls, const void *bytes, size_t size)
{
	if (!size || tls->is_broken)
		return;
	if (!tls->was_fed)
		tls->is_http = SSL_is_server(tls->ssl) && begins_http(*(const uint8_t *)bytes);
	tls->was_fed = true;
	ENSURE(size <= INT32_MAX && BIO_write(tls->in, bytes, (int)size) == (int)size);
}

static enum tls_read broke(struct tls *tls, const char *reason)
{
	tls->is_broken = true;
	snprintf(tls->reason, sizeof tls->reason, "%s", reason);
	ERR_clear_error();
	return TLS_BROKEN;
}

/* Why OpenSSL gave nothing. */
static enum tls_read judge(struct tls *tls, int returned)
{
	int problem = SSL_get_error(tls->ssl, returned);
	long verified = SSL_get_verify_result(tls->ssl);
	if (problem == SSL_ERROR_ZERO_RETURN)
		return TLS_CLOSED;
	if (problem == SSL_ERROR_WANT_READ)
		return BIO_ctrl_pending(tls->out) > UNSENT_BYTES ? broke(tls, "it makes TLS talk and does not listen")
								 : TLS_MORE;
	if (!tls->is_ready && verified != X509_V_OK)
		return broke(tls, X509_verify_cert_error_string(verified));
	return broke(tls, newest_reason());
}

enum tls_read tls_read(struct tls *tls, void *room, size_t size, size_t *got)
{
	*got = 0;
	if (tls->is_broken)
		return TLS_BROKEN;
	if (tls->is_http)
		return TLS_HTTP;
	ERR_clear_error();
	if (!tls->is_ready) {
		int returned = SSL_do_handshake(tls->ssl);
		if (returned != 1)
			return judge(tls, returned);
		tls->is_ready = true;
	}
	int returned = SSL_read_ex(tls->ssl, room, size, got);
	return returned == 1 ? TLS_GOT : judge(tls, returned);
}

bool tls_is_ready(const struct tls *tls)
{
	return tls->is_ready;
}

const char *tls_reason(const struct tls *tls)
{
	return tls->reason;
}

/* ---- sealing ---- */

static void drain(struct tls *tls, struct buffer *out)
{
	size_t size;
	while ((size = BIO_ctrl_pending(tls->out)) > 0) {
		size = size < SEAL_BYTES ? size : SEAL_BYTES;
		int taken = BIO_read(tls->out, buffer_reserve(out, size), (int)size);
		ENSURE(taken > 0);
		buffer_commit(out, (size_t)taken);
	}
}

void tls_seal(struct tls *tls, struct buffer *plain, struct buffer *out)
{
	drain(tls, out);
	if (plain && tls->is_ready && !tls->is_broken) {
		for (size_t at = 0, written; at < plain->size && !tls->is_broken; at += written) {
			size_t size = plain->size - at < SEAL_BYTES ? plain->size - at : SEAL_BYTES;
			ERR_clear_error();
			if (SSL_write_ex(tls->ssl, plain->at + at, size, &written) != 1)
				broke(tls, newest_reason());
			drain(tls, out);
		}
		buffer_clear(plain);
	} else if (plain && tls->is_broken) {
		buffer_clear(plain);
	}
}

void tls_say_end(struct tls *tls, struct buffer *out)
{
	if (tls->is_ready && !tls->is_broken && !tls->said_end) {
		tls->said_end = true;
		(void)SSL_shutdown(tls->ssl); /* whether the other side says so too is its own affair */
		ERR_clear_error();
	}
	drain(tls, out);
}
