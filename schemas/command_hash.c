#include "schemas/command_hash.h"

#include <stdlib.h>

#include "schemas/wire/ensure.h"

static bool encode(const struct command *command, uint8_t *room, size_t size, struct slice *bytes)
{
	struct packer p = packer_over(room + 2, size - 2);
	store_u16(room, command->type);
	command_encode(&p, command);
	*bytes = slice_of(room, (size_t)(p.at - room));
	return !p.full;
}

struct short_hash command_hash(const struct command *command)
{
	uint8_t room[1024];
	struct slice bytes;
	if (encode(command, room, sizeof room, &bytes))
		return short_hash_of(bytes);
	/* A list of seats: in growing room until it fits. */
	for (size_t size = 64 * sizeof room;; size *= 8) {
		uint8_t *large = malloc(size);
		ENSURE(large);
		bool fits = encode(command, large, size, &bytes);
		struct short_hash hash = fits ? short_hash_of(bytes) : (struct short_hash){0};
		free(large);
		if (fits)
			return hash;
	}
}
