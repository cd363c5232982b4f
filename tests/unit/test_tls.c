/*
 * TLS over memory, both sides in one hand, with certificates that are made here; and a server whose clients come to no handshake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "engine/http/server.h"
#include "engine/http/tls.h"
#include "tests/unit/scratch.h"

#define PATIENCE_NS UINT64_C(20000000000) /* only reached when the test fails */

enum { FILE_MAX = 96 };

static char ca_file[FILE_MAX], certificate_file[FILE_MAX], key_file[FILE_MAX];
static char expired_file[FILE_MAX], stranger_file[FILE_MAX], other_key_file[FILE_MAX];

static void name_file(const char *name, char path[FILE_MAX])
{
	snprintf(path, FILE_MAX, "%s/%s", scratch, name);
}

/* ---- certificates ---- */

static EVP_PKEY *make_key(const char *path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	FILE *file = fopen(path, "w");
	assert_true(key && file && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
	fclose(file);
	return key;
}

/* Signed by `ca_key`; names NULL: a CA. Valid from a day before `days` ago or from then on, in days from now. */
static void make_certificate(const char *path, EVP_PKEY *key, EVP_PKEY *ca_key, const char *name, const char *names,
			     int days)
{
	X509 *made = X509_new();
	X509_NAME *issuer = X509_NAME_new(), *subject = X509_NAME_new();
	static int serial;
	assert_true(made && issuer && subject);
	X509_set_version(made, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
	X509_time_adj_ex(X509_getm_notBefore(made), days - 2, 0, NULL);
	X509_time_adj_ex(X509_getm_notAfter(made), days, 0, NULL);
	X509_NAME_add_entry_by_txt(issuer, "CN", MBSTRING_ASC, (const unsigned char *)"ca", -1, -1, 0);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(made, issuer);
	X509_set_subject_name(made, subject);
	X509_set_pubkey(made, key);
	X509_EXTENSION *extension = names ? X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names)
					  : X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(extension && X509_add_ext(made, extension, -1) && X509_sign(made, ca_key, EVP_sha256()));
	FILE *file = fopen(path, "w");
	assert_true(file && PEM_write_X509(file, made));
	fclose(file);
	X509_EXTENSION_free(extension);
	X509_NAME_free(issuer);
	X509_NAME_free(subject);
	X509_free(made);
}

static int make_all(void **state)
{
	static const char names[] = "DNS:one.example,IP:127.0.0.1,IP:::1";
	if (scratch_make(state) != 0)
		return -1;
	name_file("ca.pem", ca_file);
	name_file("stranger.pem", stranger_file);
	name_file("one.pem", certificate_file);
	name_file("expired.pem", expired_file);
	name_file("one.key", key_file);
	name_file("other.key", other_key_file);
	EVP_PKEY *other = make_key(other_key_file), *ca = make_key(key_file), *key = make_key(key_file);
	make_certificate(ca_file, ca, ca, "ca", NULL, 2);
	make_certificate(stranger_file, other, other, "ca", NULL, 2);
	make_certificate(certificate_file, key, ca, "one", names, 2);
	make_certificate(expired_file, key, ca, "one", names, -1);
	EVP_PKEY_free(other);
	EVP_PKEY_free(ca);
	EVP_PKEY_free(key);
	return 0;
}

/* ---- two sides ---- */

struct sides {
	struct tls_context *server_context, *client_context;
	struct tls *server, *client;
	struct buffer to_server, to_client;       /* on the wire */
	struct buffer server_heard, client_heard; /* plain */
	enum tls_read server_end, client_end;
};

static void begin(struct sides *sides, const char *certificate, const char *ca, const char *host)
{
	*sides = (struct sides){.server_end = TLS_MORE, .client_end = TLS_MORE};
	assert_int_equal(tls_server_new(certificate, key_file, &sides->server_context, NULL), LL_OK);
	assert_int_equal(tls_client_new(ca, &sides->client_context, NULL), LL_OK);
	sides->server = tls_accept(sides->server_context);
	sides->client = tls_connect(sides->client_context, host);
}

static void end(struct sides *sides)
{
	tls_free(sides->server);
	tls_free(sides->client);
	tls_context_free(sides->server_context);
	tls_context_free(sides->client_context);
	buffer_release(&sides->to_server);
	buffer_release(&sides->to_client);
	buffer_release(&sides->server_heard);
	buffer_release(&sides->client_heard);
}

static enum tls_read read_all(struct tls *tls, struct buffer *heard)
{
	enum tls_read read;
	size_t got;
	while ((read = tls_read(tls, buffer_reserve(heard, TLS_READ_BYTES), TLS_READ_BYTES, &got)) == TLS_GOT)
		buffer_commit(heard, got);
	return read;
}

static enum tls_read carry(struct tls *to, struct buffer *wire, struct buffer *heard, size_t piece)
{
	enum tls_read read = read_all(to, heard);
	for (size_t at = 0; at < wire->size; at += piece) {
		tls_feed(to, wire->at + at, wire->size - at < piece ? wire->size - at : piece);
		read = read_all(to, heard);
	}
	buffer_clear(wire);
	return read;
}

/* Until neither has anything to say. */
static void talk(struct sides *sides, struct buffer *client_says, struct buffer *server_says, size_t piece)
{
	do {
		sides->client_end = carry(sides->client, &sides->to_client, &sides->client_heard, piece);
		tls_seal(sides->client, client_says, &sides->to_server);
		sides->server_end = carry(sides->server, &sides->to_server, &sides->server_heard, piece);
		tls_seal(sides->server, server_says, &sides->to_client);
	} while (sides->to_client.size);
}

/* ---- tests ---- */

/* What one side says the other hears, in whatever pieces it comes; a name and addresses are what a certificate may be for. */
static void both_are_heard(void **state)
{
	static const char *const hosts[] = {"one.example", "127.0.0.1", "::1"};
	static const size_t pieces[] = {1, 7, 1 << 20};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct sides sides;
		struct buffer ask = {0}, answer = {0}, asked = {0}, answered = {0};
		begin(&sides, certificate_file, ca_file, hosts[i]);
		assert_false(tls_is_ready(sides.client));
		for (int number = 0; number < 30000; number++) {
			buffer_printf(&ask, "ask %d ", number);
			buffer_printf(&answer, "answer %d ", number);
		}
		buffer_append_slice(&asked, buffer_slice(&ask));
		buffer_append_slice(&answered, buffer_slice(&answer));
		talk(&sides, &ask, &answer, pieces[i]);
		talk(&sides, &ask, &answer, pieces[i]);
		assert_true(tls_is_ready(sides.client) && tls_is_ready(sides.server));
		assert_true(ask.size == 0 && answer.size == 0);
		assert_true(slice_equal(buffer_slice(&sides.server_heard), buffer_slice(&asked)));
		assert_true(slice_equal(buffer_slice(&sides.client_heard), buffer_slice(&answered)));
		buffer_release(&ask);
		buffer_release(&answer);
		buffer_release(&asked);
		buffer_release(&answered);
		end(&sides);
	}
}

/* A client tells nothing to whom it does not trust, and says why; the server hears an alert. */
static void strangers_are_told_nothing(void **state)
{
	(void)state;
	const struct {
		const char *certificate, *ca, *host, *reason;
	} cases[] = {
		{certificate_file, ca_file, "two.example", "hostname mismatch"},
		{certificate_file, ca_file, "127.0.0.2", "IP address mismatch"},
		{certificate_file, stranger_file, "one.example", "certificate signature failure"},
		{expired_file, ca_file, "one.example", "certificate has expired"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sides sides;
		struct buffer secret = {0};
		begin(&sides, cases[i].certificate, cases[i].ca, cases[i].host);
		buffer_append_text(&secret, "secret");
		talk(&sides, &secret, NULL, 1 << 20);
		assert_int_equal(sides.client_end, TLS_BROKEN);
		assert_string_equal(tls_reason(sides.client), cases[i].reason);
		assert_int_equal(sides.server_end, TLS_BROKEN);
		assert_true(strstr(tls_reason(sides.server), "alert") != NULL);
		assert_int_equal(secret.size, 0);
		assert_int_equal(sides.server_heard.size, 0);
		buffer_release(&secret);
		end(&sides);
	}
}

/* Its end said, a side may still be spoken to; what is said twice is said once. */
static void half_an_end(void **state)
{
	struct sides sides;
	struct buffer answer = {0};
	(void)state;
	begin(&sides, certificate_file, ca_file, "one.example");
	talk(&sides, NULL, NULL, 1 << 20);
	tls_say_end(sides.client, &sides.to_server);
	size_t size = sides.to_server.size;
	tls_say_end(sides.client, &sides.to_server);
	assert_true(size > 0 && sides.to_server.size == size);
	assert_int_equal(carry(sides.server, &sides.to_server, &sides.server_heard, 1), TLS_CLOSED);
	buffer_append_text(&answer, "still");
	tls_seal(sides.server, &answer, &sides.to_client);
	tls_say_end(sides.server, &sides.to_client);
	assert_int_equal(carry(sides.client, &sides.to_client, &sides.client_heard, 1), TLS_CLOSED);
	assert_string_equal(buffer_text(&sides.client_heard), "still");
	buffer_release(&answer);
	end(&sides);
}

/* A byte that was changed on its way ends it, with an alert; nothing more is sealed. */
static void forged_bytes_end_it(void **state)
{
	struct sides sides;
	struct buffer ask = {0}, answer = {0};
	(void)state;
	begin(&sides, certificate_file, ca_file, "one.example");
	talk(&sides, NULL, NULL, 1 << 20);
	buffer_append_text(&ask, "ask");
	tls_seal(sides.client, &ask, &sides.to_server);
	sides.to_server.at[sides.to_server.size - 1] ^= 1;
	assert_int_equal(carry(sides.server, &sides.to_server, &sides.server_heard, 1 << 20), TLS_BROKEN);
	assert_int_equal(sides.server_heard.size, 0);
	buffer_append_text(&answer, "answer");
	tls_seal(sides.server, &answer, &sides.to_client);
	assert_int_equal(answer.size, 0);
	assert_int_equal(carry(sides.client, &sides.to_client, &sides.client_heard, 1 << 20), TLS_BROKEN);
	assert_int_equal(sides.client_heard.size, 0);
	buffer_release(&ask);
	buffer_release(&answer);
	end(&sides);
}

/* A server knows HTTP without TLS by its first byte, and garbage by what it is not. */
static void what_is_no_tls(void **state)
{
	(void)state;
	const struct {
		const char *bytes;
		enum tls_read read;
	} cases[] = {{"G", TLS_HTTP},
		     {"PATCH /", TLS_HTTP},
		     {"get /healthz\r\n", TLS_BROKEN},
		     {"\r\n\r\n\r\n", TLS_BROKEN},
		     {"\x16", TLS_MORE}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sides sides;
		begin(&sides, certificate_file, ca_file, "one.example");
		tls_feed(sides.server, cases[i].bytes, strlen(cases[i].bytes));
		assert_int_equal(read_all(sides.server, &sides.server_heard), cases[i].read);
		end(&sides);
	}
}

/* A client that makes TLS answer and answer without taking any of it is given up. */
static void talkers_are_given_up(void **state)
{
	struct tls_context *context;
	struct buffer heard = {0}, wire = {0};
	SSL_CTX *ours = SSL_CTX_new(TLS_client_method());
	SSL *client = SSL_new(ours);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	enum tls_read read = TLS_MORE;
	(void)state;
	assert_int_equal(tls_server_new(certificate_file, key_file, &context, NULL), LL_OK);
	struct tls *server = tls_accept(context);
	SSL_set_bio(client, in, out);
	SSL_set_connect_state(client);
	for (int round = 0; round < 100000 && read == TLS_MORE; round++) {
		if (SSL_do_handshake(client) == 1 && tls_is_ready(server))
			assert_true(SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED) && SSL_do_handshake(client) == 1);
		char *at;
		long size = BIO_get_mem_data(out, &at);
		tls_feed(server, at, (size_t)size);
		(void)BIO_reset(out);
		read = read_all(server, &heard);
		if (round > 5)
			continue; /* it takes no more */
		tls_seal(server, NULL, &wire);
		BIO_write(in, wire.at, (int)wire.size);
		buffer_clear(&wire);
	}
	assert_int_equal(read, TLS_BROKEN);
	assert_string_equal(tls_reason(server), "it makes TLS talk and does not listen");
	SSL_free(client);
	SSL_CTX_free(ours);
	tls_free(server);
	tls_context_free(context);
	buffer_release(&heard);
	buffer_release(&wire);
}

/* Files are read again for connections from then on; a key that does not belong to the certificate changes nothing. */
static void files_are_read_again(void **state)
{
	struct sides sides;
	struct error error;
	char place[FILE_MAX], key[FILE_MAX];
	struct tls_context *context;
	(void)state;
	name_file("place.pem", place);
	name_file("place.key", key);
	assert_int_equal(link(certificate_file, place), 0);
	assert_int_equal(link(key_file, key), 0);
	assert_int_equal(tls_server_new(place, key, &context, &error), LL_OK);
	int64_t until = tls_valid_until(context), now = (int64_t)time(NULL);
	assert_true(until > now + 86400 && until <= now + 2 * 86400);
	assert_int_equal(unlink(key), 0);
	assert_int_equal(tls_reload(context, &error), LL_IO);
	assert_int_equal(link(other_key_file, key), 0);
	assert_int_equal(tls_reload(context, &error), LL_SETTINGS);
	assert_true(strstr(error.text, "is not the one of the certificate") != NULL);
	begin(&sides, certificate_file, ca_file, "one.example");
	tls_free(sides.server);
	sides.server = tls_accept(context);
	talk(&sides, NULL, NULL, 1 << 20);
	assert_true(tls_is_ready(sides.client));
	assert_int_equal(unlink(key), 0);
	assert_int_equal(unlink(place), 0);
	assert_int_equal(link(key_file, key), 0);
	assert_int_equal(link(expired_file, place), 0);
	assert_int_equal(tls_reload(context, &error), LL_OK);
	assert_true(tls_valid_until(context) < now);
	tls_context_free(context);
	end(&sides);
}

/* ---- a server on a loop ---- */

static void stop(void *context)
{
	*(bool *)context = true;
}

static void nobody(uv_timer_t *timer)
{
	(void)timer;
}

/* A handshake that comes by drops is ended like one that stands still; so is one of a connection too many, which is to be told so. */
static void slow_handshakes_end(void **state)
{
	struct tls_context *context;
	struct http_address address;
	struct http_statistics statistics;
	uv_loop_t loop;
	uv_timer_t waker;
	uint16_t port;
	bool stopped = false, dropped = false, quiet = false;
	(void)state;
	assert_int_equal(tls_server_new(certificate_file, key_file, &context, NULL), LL_OK);
	assert_int_equal(uv_loop_init(&loop), 0);
	uv_timer_init(&loop, &waker);
	uv_timer_start(&waker, nobody, 1, 1);
	const struct http_options options = {.request_timeout_ms = 400, .connections_max = 1, .tls = context};
	struct http_server *server = http_server_new(&loop, NULL, 0, &options);
	assert_int_equal(http_address_resolve("127.0.0.1:0", &address, NULL), LL_OK);
	assert_int_equal(http_server_listen(server, &address, &port, NULL), LL_OK);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int drips = socket(AF_INET, SOCK_STREAM, 0), stands = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(drips, (struct sockaddr *)&to, sizeof to), 0);
	assert_int_equal(connect(stands, (struct sockaddr *)&to, sizeof to), 0);
	uint64_t began = uv_hrtime();
	assert_int_equal(send(drips, "\x16\x03\x01\x01\x00", 5, 0), 5);
	while (!dropped || !quiet) {
		char byte;
		assert_true(uv_hrtime() - began < PATIENCE_NS);
		dropped = dropped || send(drips, "\x01", 1, MSG_NOSIGNAL) != 1;
		quiet = quiet || recv(stands, &byte, 1, MSG_DONTWAIT) == 0;
		uv_run(&loop, UV_RUN_ONCE);
	}
	http_server_statistics(server, &statistics);
	assert_int_equal(statistics.connections_total, 2);
	assert_int_equal(statistics.connections_refused, 1);
	assert_int_equal(statistics.connections, 0);
	close(drips);
	close(stands);
	http_server_stop(server, 0, stop, &stopped);
	while (!stopped)
		uv_run(&loop, UV_RUN_ONCE);
	http_server_free(server);
	uv_close((uv_handle_t *)&waker, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	tls_context_free(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_are_heard),       cmocka_unit_test(strangers_are_told_nothing),
		cmocka_unit_test(half_an_end),          cmocka_unit_test(forged_bytes_end_it),
		cmocka_unit_test(what_is_no_tls),       cmocka_unit_test(talkers_are_given_up),
		cmocka_unit_test(files_are_read_again), cmocka_unit_test(slow_handshakes_end),
	};
	return cmocka_run_group_tests(tests, make_all, scratch_remove);
}
