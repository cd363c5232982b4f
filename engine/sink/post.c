#include "engine/sink/post.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "schemas/wire/ensure.h"

enum { SHOWN_BYTES = 120, ANSWER_BYTES_MAX = 1 << 20, ID_MAX = 64 };

struct poster {
	CURL *curl;
	struct curl_slist *headers; /* without the event's own */
	char failure[CURL_ERROR_SIZE];
	char shown[SHOWN_BYTES + 1]; /* the answer's beginning */
	size_t shown_size, answer_size;
};

/* The answer is of no use but for its beginning; one without end is cut off. */
static size_t on_answer(char *at, size_t size, size_t count, void *context)
{
	struct poster *poster = context;
	size_t bytes = size * count;
	for (size_t i = 0; i < bytes && poster->shown_size < SHOWN_BYTES; i++)
		poster->shown[poster->shown_size++] = at[i] >= ' ' && at[i] <= '~' ? at[i] : '.';
	poster->shown[poster->shown_size] = 0;
	poster->answer_size += bytes;
	return poster->answer_size > ANSWER_BYTES_MAX ? 0 : bytes;
}

static bool is_url(const char *url)
{
	char *scheme = NULL, *host = NULL;
	CURLU *parsed = curl_url();
	bool good = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
		    curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		    curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		    (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(parsed);
	return good;
}

static bool add_header(struct poster *poster, const char *header)
{
	struct curl_slist *longer = NULL;
	const char *colon = strchr(header, ':');
	if (!colon || colon == header || strpbrk(header, "\r\n"))
		return false;
	longer = curl_slist_append(poster->headers, header);
	ENSURE(longer);
	poster->headers = longer;
	return true;
}

enum ll_code poster_new(const struct post_options *options, struct poster **made, struct error *error)
{
	ENSURE(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
	if (!is_url(options->url))
		return error_set(error, LL_USAGE, "%s is no http:// or https:// URL", options->url);
	if (options->ca && access(options->ca, R_OK) != 0)
		return error_set(error, LL_IO, "%s cannot be read: %s", options->ca, strerror(errno));
	struct poster *poster = calloc(1, sizeof *poster);
	ENSURE(poster);
	poster->curl = curl_easy_init();
	ENSURE(poster->curl);
	for (size_t i = 0; i < options->headers_count; i++)
		if (!add_header(poster, options->headers[i])) {
			poster_free(poster);
			return error_set(error, LL_USAGE, "a header is `Name: value`, not %s", options->headers[i]);
		}
	ENSURE(add_header(poster, "Content-Type: application/json") && add_header(poster, "Expect:"));
	curl_easy_setopt(poster->curl, CURLOPT_URL, options->url);
	curl_easy_setopt(poster->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(poster->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (options->ca) { /* and nobody else */
		curl_easy_setopt(poster->curl, CURLOPT_CAINFO, options->ca);
		curl_easy_setopt(poster->curl, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(poster->curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(poster->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(poster->curl, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
	curl_easy_setopt(poster->curl, CURLOPT_USERAGENT, "ledgerline/" LEDGERLINE_VERSION);
	curl_easy_setopt(poster->curl, CURLOPT_ERRORBUFFER, poster->failure);
	curl_easy_setopt(poster->curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(poster->curl, CURLOPT_WRITEDATA, poster);
	*made = poster;
	return LL_OK;
}

void poster_free(struct poster *poster)
{
	if (!poster)
		return;
	curl_slist_free_all(poster->headers);
	curl_easy_cleanup(poster->curl);
	free(poster);
}

static enum post_end judge(long status)
{
	if (status >= 200 && status < 300)
		return POST_TAKEN;
	return status == 408 || status == 425 || status == 429 || status >= 500 ? POST_AGAIN : POST_REFUSED;
}

void poster_post(struct poster *poster, struct slice id, struct slice json, struct post_result *result)
{
	char header[ID_MAX + 32];
	long status = 0;
	curl_off_t retry_after = 0;
	ENSURE(id.size <= ID_MAX);
	snprintf(header, sizeof header, "Idempotency-Key: %.*s", SLICE_PRINT(id));
	struct curl_slist own = {.data = header, .next = poster->headers};
	poster->failure[0] = poster->shown[0] = 0;
	poster->shown_size = poster->answer_size = 0;
	*result = (struct post_result){.end = POST_AGAIN};
	curl_easy_setopt(poster->curl, CURLOPT_HTTPHEADER, &own);
	curl_easy_setopt(poster->curl, CURLOPT_POSTFIELDSIZE, (long)json.size);
	curl_easy_setopt(poster->curl, CURLOPT_POSTFIELDS, json.at);
	CURLcode code = curl_easy_perform(poster->curl);
	if (code != CURLE_OK) {
		snprintf(result->reason, sizeof result->reason, "%.200s",
			 poster->failure[0] ? poster->failure : curl_easy_strerror(code));
		return;
	}
	curl_easy_getinfo(poster->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(poster->curl, CURLINFO_RETRY_AFTER, &retry_after);
	result->end = judge(status);
	result->status = (int)status;
	result->retry_after_ms = retry_after > 0 && retry_after < 86400 ? retry_after * 1000 : 0;
	if (result->end != POST_TAKEN)
		snprintf(result->reason, sizeof result->reason, "answered %ld %s", status, poster->shown);
}
