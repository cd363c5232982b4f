#include "engine/data/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/hash.h"

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum ll_code secret_read_file(const char *path, uint8_t secret[SECRET_BYTES], struct error *error)
{
	char text[2 * SECRET_BYTES + 2];
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return error_set(error, errno == ENOENT ? LL_NOT_FOUND : LL_DENIED, "cannot read the secret in %s: %s",
				 path, strerror(errno));
	ssize_t size = read(descriptor, text, sizeof text);
	close(descriptor);
	bool fine = size == 2 * SECRET_BYTES || (size == 2 * SECRET_BYTES + 1 && text[2 * SECRET_BYTES] == '\n');
	for (size_t i = 0; fine && i < SECRET_BYTES; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
		fine = high >= 0 && low >= 0;
		secret[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
	}
	return fine ? LL_OK
		    : error_set(error, LL_CORRUPT, "the secret in %s is not %d hexadecimal digits", path,
				2 * SECRET_BYTES);
}

static enum ll_code secret_make(const char *path, uint8_t secret[SECRET_BYTES], struct error *error)
{
	char text[2 * SECRET_BYTES + 2];
	ENSURE(getrandom(secret, SECRET_BYTES, 0) == SECRET_BYTES);
	hex_text(text, secret, SECRET_BYTES);
	text[2 * SECRET_BYTES] = '\n';
	int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool fine = descriptor >= 0 && write(descriptor, text, sizeof text - 1) == (ssize_t)sizeof text - 1 &&
		    fsync(descriptor) == 0;
	if (descriptor >= 0)
		close(descriptor);
	return fine ? LL_OK : error_set(error, LL_IO, "cannot write the secret to %s: %s", path, strerror(errno));
}

enum ll_code secret_open(const struct data *data, uint8_t secret[SECRET_BYTES], struct error *error)
{
	char path[DATA_PATH_MAX];
	bool is_local = strncmp(data->url, "local:", 6) == 0;
	if (is_local) {
		snprintf(path, sizeof path, "%s/secret", data->url + 6);
	} else {
		snprintf(path, sizeof path, "%s/journal", data->path);
		if (mkdir(path, 0775) != 0 && errno != EEXIST)
			return error_set(error, LL_DENIED, "cannot make the directory %s: %s", path, strerror(errno));
		snprintf(path, sizeof path, "%s/journal/secret", data->path);
	}
	enum ll_code code = secret_read_file(path, secret, error);
	return code == LL_NOT_FOUND ? secret_make(path, secret, error) : code;
}
