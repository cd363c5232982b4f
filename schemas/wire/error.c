#include "schemas/wire/error.h"

#include <stdio.h>
#include <string.h>

#include "schemas/wire/ensure.h"

enum ll_code error_set(struct error *error, enum ll_code code, const char *format, ...)
{
	ENSURE(code != LL_OK);
	if (!error)
		return code;
	va_list args;
	va_start(args, format);
	error->code = code;
	vsnprintf(error->text, sizeof error->text, format, args);
	va_end(args);
	return code;
}

enum ll_code error_prefix(struct error *error, const char *format, ...)
{
	if (!error)
		return LL_IO;
	char prefix[LL_ERROR_TEXT_MAX / 2];
	char text[LL_ERROR_TEXT_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(prefix, sizeof prefix, format, args);
	va_end(args);
	memcpy(text, error->text, sizeof text);
	snprintf(error->text, sizeof error->text, "%s: %.*s", prefix, (int)(sizeof text - sizeof prefix - 3), text);
	return error->code;
}

static const struct {
	const char *text;
	const char *meaning;
} codes[] = {
#define X(name, text, meaning) [LL_##name] = {text, meaning},
	LL_CODES(X)
#undef X
};

const char *error_code_text(enum ll_code code)
{
	ENSURE((unsigned)code < sizeof codes / sizeof *codes);
	return codes[code].text;
}

const char *error_code_meaning(enum ll_code code)
{
	ENSURE((unsigned)code < sizeof codes / sizeof *codes);
	return codes[code].meaning;
}
