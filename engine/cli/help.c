#include "engine/cli/help.h"

#include <string.h>

enum { LEFT_MAX = 28 /* what stands left of an explanation */ };

static bool begins_with_word(const char *name, const char *word)
{
	size_t size = strlen(word);
	return strncmp(name, word, size) == 0 && name[size] == ' ';
}

bool help_is_group(const struct program *program, const char *word)
{
	for (size_t i = 0; i < program->command_count; i++)
		if (begins_with_word(program->commands[i].name, word))
			return true;
	return false;
}

/* Commands whose name begins with `word`, or all for NULL. */
static void print_commands(const struct program *program, const char *word, FILE *out)
{
	for (size_t i = 0; i < program->command_count; i++) {
		const struct cli_command *command = &program->commands[i];
		if (!word || begins_with_word(command->name, word))
			fprintf(out, "  %-18s %s\n", command->name, command->summary);
	}
}

bool help_print_group(const struct program *program, const char *word, FILE *out, bool asked)
{
	if (!asked || !help_is_group(program, word))
		return false;
	fprintf(out, "Usage: %s %s COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n", program->name, word);
	print_commands(program, word, out);
	return true;
}

void help_print_program(const struct program *program, FILE *out)
{
	fprintf(out, "%s: %s\n\nUsage: %s COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n", program->name,
		program->summary, program->name);
	print_commands(program, NULL, out);
	fprintf(out, "\n%s COMMAND --help explains a command; %s --version prints the version.\n", program->name,
		program->name);
}

/* `text`, its later lines indented like the first. */
static void print_lines(const char *text, int indent, FILE *out)
{
	for (;;) {
		size_t size = strcspn(text, "\n");
		fwrite(text, 1, size, out);
		if (!text[size])
			return;
		text += size + 1;
		fprintf(out, "\n%*s", indent, "");
	}
}

static void print_option(const struct option *option, FILE *out)
{
	char left[64];
	bool takes_value = option->kind != OPTION_FLAG;
	snprintf(left, sizeof left, "--%s%s%s", option->name, takes_value ? " " : "", takes_value ? option->value : "");
	if (strlen(left) > LEFT_MAX)
		fprintf(out, "  %s\n%*s", left, LEFT_MAX + 3, "");
	else
		fprintf(out, "  %-*s ", LEFT_MAX, left);
	print_lines(option->help, LEFT_MAX + 3, out);
	if (option->required)
		fputs(" (needed)", out);
	else if (option->standard)
		fprintf(out, " (default: %s)", option->standard);
	else if (option->kind == OPTION_LIST)
		fputs(" (may be repeated)", out);
	fputc('\n', out);
}

void help_usage(const struct program *program, const struct cli_command *command, struct buffer *out)
{
	buffer_printf(out, "%s %s", program->name, command->name);
	bool more = false;
	for (const struct option *option = command->options; option && option->name; option++) {
		if (option->required)
			buffer_printf(out, " --%s %s", option->name, option->value);
		more |= !option->required;
	}
	buffer_printf(out, "%s%s%s", more ? " [OPTIONS]" : "", command->arguments ? " " : "",
		      command->arguments ? command->arguments : "");
}

void help_print_command(const struct program *program, const struct cli_command *command, FILE *out)
{
	struct buffer usage = {0};
	help_usage(program, command, &usage);
	fprintf(out, "Usage: %s\n", buffer_text(&usage));
	buffer_release(&usage);
	fprintf(out, "\n%s\n\nOptions:\n", command->description ? command->description : command->summary);
	for (const struct option *option = command->options; option && option->name; option++)
		print_option(option, out);
	fprintf(out, "  %-*s this text\n", LEFT_MAX, "--help");
	fputs("\nExit status: 0 done; 1 the answer is no; 2 usage; 3 the world failed (disk, network, ...).\n", out);
	if (command->exits)
		fprintf(out, "%s\n", command->exits);
}
