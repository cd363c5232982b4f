/*
 * Answers in somebody's own time: "2026-03-01T09:00:00.123Z" -> "2026-03-01T18:00:00.123+09:00".
 *
 * Every string of an answer that is a time as this program writes them is taken for one, wherever it stands; so is a reference or a
 * title that looks exactly like it. Days stay as they are.
 */
#ifndef LEDGERLINE_CLI_ZONED_H
#define LEDGERLINE_CLI_ZONED_H

#include "schemas/wire/buffer.h"
#include "schemas/wire/zone.h"

/* Appends `json` with its times in that zone. */
void zoned_times(struct slice json, const struct zone *zone, struct buffer *out);

#endif
