#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/http/caller.h"

static bool read_port(const char *text, uint16_t *port)
{
	unsigned number = 0;
	if (!*text || strlen(text) > 5)
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		number = number * 10 + (unsigned)(*text - '0');
	*port = (uint16_t)number;
	return !*text && number <= UINT16_MAX;
}

/* What stands behind http:// or https://, or NULL. */
static const char *behind_scheme(const char *url, bool *is_tls)
{
	*is_tls = strncasecmp(url, "https://", 8) == 0;
	if (*is_tls)
		return url + 8;
	return strncasecmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

bool http_call_split(const char *url, char host[HTTP_CALL_ADDRESS_MAX + 1], uint16_t *port, bool *is_tls)
{
	char text[HTTP_CALL_ADDRESS_MAX + 1];
	const char *rest = behind_scheme(url, is_tls);
	if (!rest)
		return false;
	*port = *is_tls ? 443 : 80;
	size_t size = strcspn(rest, "/");
	if (size == 0 || size > HTTP_CALL_ADDRESS_MAX || (rest[size] && rest[size + 1]))
		return false;
	memcpy(text, rest, size);
	text[size] = 0;
	char *colon = strrchr(text, ':'), *end = text[0] == '[' ? strchr(text, ']') : NULL;
	if (text[0] == '[' && (!end || end == text + 1 || (end[1] && end + 1 != colon)))
		return false;
	if (colon && (!end || colon > end)) {
		if (!read_port(colon + 1, port))
			return false;
		*colon = 0;
	}
	if (end)
		*end = 0;
	snprintf(host, HTTP_CALL_ADDRESS_MAX + 1, "%s", end ? text + 1 : text);
	return *host != 0 && (end || !strchr(host, ':'));
}
