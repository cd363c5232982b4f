#include "engine/commands/commands.h"

#include <string.h>

int command_failed(const struct options *options, const struct error *error)
{
	return option_complain(options, error->code == LL_USAGE ? EXIT_USAGE : EXIT_FAILED, "%s", error->text);
}

int command_settings(const struct options *options, struct journal_option settings[SETTINGS_MAX], char *room)
{
	size_t count = option_count(options, "kafka"), used = 0;
	if (count > SETTINGS_MAX) {
		option_complain(options, EXIT_USAGE, "more than %d settings in --kafka", SETTINGS_MAX);
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		const char *item = option_item(options, "kafka", i);
		const char *equals = strchr(item, '=');
		size_t length = strlen(item) + 1;
		if (!equals || equals == item || used + length > SETTINGS_BYTES_MAX) {
			option_complain(options, EXIT_USAGE, "--kafka takes NAME=VALUE, not %s", item);
			return -1;
		}
		memcpy(room + used, item, length);
		room[used + (size_t)(equals - item)] = 0;
		settings[i] = (struct journal_option){room + used, room + used + (equals - item) + 1};
		used += length;
	}
	return (int)count;
}
