/*
 * Any bytes are a JSON command or a msgpack command, or are refused with a field and a reason. What was taken has one canonical form.
 * The first byte says which of the two.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/api/command_json.h"
#include "engine/api/msgpack_tape.h"
#include "schemas/command_hash.h"
#include "schemas/wire/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t room[2 << 20];

static void check_canonical(const struct command *command)
{
	struct arena arena = {0};
	struct command again;
	struct packer p = packer_over(room, sizeof room);
	command_encode(&p, command);
	ENSURE(!p.full);
	struct cursor cursor = cursor_over(slice_of(room, (size_t)(p.at - room)), &arena);
	ENSURE(command_decode(&cursor, command->type, &again) && cursor.at == cursor.end);
	struct short_hash first = command_hash(command), second = command_hash(&again);
	ENSURE(memcmp(&first, &second, sizeof first) == 0);
	arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct json_reader reader;
	static struct parsed_command parsed;
	const struct json_node *root;
	struct error error = {0};
	struct arena arena = {0};
	if (size == 0)
		return 0;
	bool packed = data[0] & 1;
	struct slice bytes = slice_of(data + 1, size - 1);
	enum ll_code code =
		packed ? msgpack_read(&reader, bytes, &root, &error) : json_read(&reader, bytes, &root, &error);
	if (code != LL_OK)
		ENSURE(error.text[0]);
	else if (command_from_json(&reader, root, &arena, NULL, &parsed))
		check_canonical(&parsed.command);
	else
		ENSURE(parsed.code && (parsed.code != CODE_VALIDATION_ERROR || parsed.reason[0]));
	arena_release(&arena);
	return 0;
}
