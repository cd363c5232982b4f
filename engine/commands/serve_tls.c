#include "engine/commands/serve_tls.h"

#include <sys/stat.h>
#include <time.h>

#include "engine/cli/options.h"
#include "engine/log/log.h"
#include "schemas/wire/time.h"

int serve_tls_check(const struct options *options)
{
	bool certificate = option_given(options, "tls-cert"), key = option_given(options, "tls-key");
	if (certificate == key)
		return EXIT_DONE;
	return option_complain(options, EXIT_USAGE, "--tls-cert and --tls-key go together: give --%s too",
			       certificate ? "tls-key" : "tls-cert");
}

static void tell(const struct options *options, const struct serve_tls *tls)
{
	char until[TIME_TEXT_SIZE + 1];
	struct stat status;
	const char *key = option_text(options, "tls-key");
	int64_t valid_until = tls_valid_until(tls->server);
	time_format(valid_until * 1000, until);
	log_info("tls.read", LOG_TEXT("file", option_text(options, "tls-cert")), LOG_TEXT("validUntil", until));
	if (valid_until < (int64_t)time(NULL))
		log_error("tls.expired", LOG_TEXT("file", option_text(options, "tls-cert")),
			  LOG_TEXT("validUntil", until),
			  LOG_TEXT("message", "clients refuse this certificate: put a new one there, and send SIGHUP"));
	if (stat(key, &status) == 0 && (status.st_mode & (S_IROTH | S_IWOTH)))
		log_warn("tls.keyOpen", LOG_TEXT("file", key),
			 LOG_TEXT("message", "everybody on this machine may read or write the key: chmod o= it"));
}

enum ll_code serve_tls_open(const struct options *options, struct serve_tls *tls, struct error *error)
{
	const char *certificate = option_text(options, "tls-cert");
	enum ll_code code = tls_client_new(option_text(options, "tls-ca"), &tls->peers, error);
	if (code == LL_OK && certificate)
		code = tls_server_new(certificate, option_text(options, "tls-key"), &tls->server, error);
	if (code == LL_OK && tls->server)
		tell(options, tls);
	return code;
}

void serve_tls_reload(const struct options *options, struct serve_tls *tls)
{
	struct error error;
	if (tls->server && tls_reload(tls->server, &error) != LL_OK)
		log_error("tls.notRead", LOG_TEXT("message", error.text),
			  LOG_TEXT("kept", "the certificate that was read before"));
	else if (tls->server)
		tell(options, tls);
	if (option_given(options, "tls-ca") && tls_reload(tls->peers, &error) != LL_OK)
		log_error("tls.notRead", LOG_TEXT("message", error.text), LOG_TEXT("kept", "whom it trusted before"));
}

void serve_tls_close(struct serve_tls *tls)
{
	tls_context_free(tls->server);
	tls_context_free(tls->peers);
}
