/*
 * The engines' secret, under which queue credentials are signed. It is in no journal.
 *
 * With the embedded journal it lies in DIR/journal/secret, mode 0600, made at the first start. With a Kafka journal it comes
 * from a file that all engines share (`--secret FILE`); without one it is made in DIR/journal/secret, for this directory alone.
 */
#ifndef LEDGERLINE_SECRET_H
#define LEDGERLINE_SECRET_H

#include "engine/data/data.h"

enum { SECRET_BYTES = 32 };

/* Reads it, or makes it. LL_CORRUPT: the file is not 64 hexadecimal digits. LL_DENIED, LL_IO. */
enum ll_code secret_open(const struct data *data, uint8_t secret[SECRET_BYTES], struct error *error) LL_CHECKED;
enum ll_code secret_read_file(const char *path, uint8_t secret[SECRET_BYTES], struct error *error) LL_CHECKED;

#endif
