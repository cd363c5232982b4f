/*
 * TLS of `ledgerline serve`: its own certificate, and whom it trusts among the engines of its journal.
 */
#ifndef LEDGERLINE_SERVE_TLS_H
#define LEDGERLINE_SERVE_TLS_H

#include "engine/cli/options.h"
#include "engine/http/tls.h"

struct serve_tls {
	struct tls_context *server; /* NULL: plain HTTP */
	struct tls_context *peers;
};

#define OPTIONS_SERVE_TLS                                                                                              \
	{.name = "tls-cert",                                                                                           \
	 .kind = OPTION_TEXT,                                                                                          \
	 .value = "FILE",                                                                                              \
	 .help = "serve HTTPS alone: a PEM file of the engine's certificate, with those between it and its CA"},       \
		{.name = "tls-key", .kind = OPTION_TEXT, .value = "FILE", .help = "a PEM file of its private key"},    \
	{                                                                                                              \
		.name = "tls-ca", .kind = OPTION_TEXT, .value = "FILE",                                                \
		.help = "whom it trusts when other engines of the journal are at https://: a PEM file of CAs' "        \
			"certificates; not\ngiven: whom the system trusts"                                             \
	}

/* What of the options goes together: EXIT_DONE, or an exit status after the complaint. */
int serve_tls_check(const struct options *options);
/* Reads the files. What is open is to be closed also after an error. */
enum ll_code serve_tls_open(const struct options *options, struct serve_tls *tls, struct error *error) LL_CHECKED;
/* Reads them again; what cannot be used is logged, and what was there stays. */
void serve_tls_reload(const struct options *options, struct serve_tls *tls);
void serve_tls_close(struct serve_tls *tls);

#endif
