/* The command of an entry, for audits: a refused one stands in the entry, an accepted one is made again from its
 * events. */
#include "engine/decide/rules.h"

bool command_of_entry(const struct entry *entry, struct arena *arena, struct command *command)
{
	memset(command, 0, sizeof *command);
	if (entry->head.outcome == OUTCOME_REFUSED) {
		struct cursor cursor = cursor_over(entry->command_fields, arena);
		return command_decode(&cursor, entry->head.command, command);
	}
	if (entry->head.outcome != OUTCOME_ACCEPTED || entry->event_count == 0)
		return false;
	command->type = entry->head.command;
	return command_of_points(entry, arena, command) || command_of_seats(entry, arena, command) ||
	       command_of_queue(entry, arena, command);
}
