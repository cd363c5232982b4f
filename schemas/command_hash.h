/*
 * The hash of a command's canonical fields: what "the same body" means for an idempotency key.
 *
 * BLAKE2b-128 of the type's number (two bytes, big-endian) and the fields as command_encode writes them: after parsing, so
 * order, spaces, absent defaults and the actor do not count.
 */
#ifndef LEDGERLINE_COMMAND_HASH_H
#define LEDGERLINE_COMMAND_HASH_H

#include "schemas/commands.h"
#include "schemas/wire/hash.h"

struct short_hash command_hash(const struct command *command);

#endif
