/*
 * Records read by their descriptions, as the generated decoders read them, only slower: for layouts of which there is no
 * generated code any more, and for tools.
 */
#ifndef LEDGERLINE_WIRE_RECORD_READ_H
#define LEDGERLINE_WIRE_RECORD_READ_H

#include "schemas/wire/error.h"
#include "schemas/wire/msgpack.h"
#include "schemas/wire/record.h"

/* Reads an array of the record's fields into the struct that `record` describes; the cursor has an arena for lists. false:
 * the bytes are not such a record, and cursor->failed names the field. */
LL_CHECKED bool record_read(struct cursor *c, const struct record *record, void *row);

/* One field's value, to where it has its place in the struct. */
LL_CHECKED bool record_read_field(struct cursor *c, const struct field *field, void *at);

#endif
